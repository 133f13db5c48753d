#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The disk of the reports is full when a cell ends: events go on, nothing half-written is left, the cell comes when there is
# room. A directory that cannot be made, or only be read, is one clear sentence at the start.
. "$(dirname "$0")/lib.sh"

small=$T/small
unmount_small()
{
	umount "$small" 2>/dev/null || umount -l "$small" 2>/dev/null
}

# A reports directory that cannot be: a sentence, and the exit status for "cannot create".
echo text >"$T/file"
STATUS=0
"$EDR_BINARY" run -c "$T/empty.conf" --reports-dir "$T/file/reports" >"$T/out" 2>&1 || STATUS=$?
assert_eq "below a file: exit status" 73 "$STATUS"
assert_eq "below a file: lines" 1 "$(wc -l <"$T/out")"
cat "$T/out"

mkdir "$small"
mount -t tmpfs -o size=8m,mode=700 none "$small" || skip "cannot mount a tmpfs"
AT_EXIT=unmount_small
REPORTS=$small/reports

fill()
{
	dd if=/dev/zero of="$small/fill" bs=64k 2>/dev/null || :
	dd if=/dev/zero of="$small/fill2" bs=1k 2>/dev/null || :
}

# The end of a window, up to 60 s away: wait so that it is ten seconds away when the agent runs.
second=$(date +%S)
wait_s=$((48 - ${second#0}))
[ $wait_s -ge 0 ] || wait_s=$((wait_s + 60))
sleep $wait_s

# Sums alone: how many events there are is other people's affair too.
agent_start --set advanced.include_raw_events=false
fill
cp "$TRUTH/noop" "$T/while-full-$$"
"$T/while-full-$$" while-full
assert "a write that fails is told" wait_for 25 grep -qF 'No space left' "$T/agent.log"
grep -F 'No space left' "$T/agent.log" | head -n 1
assert_eq "reports on the full disk" 0 "$(cells | wc -l)"
agent_sync || die "the agent has gone"
assert "events go on" grep -qF while-full "$EVENTS"
assert_eq "nothing half-written" "" "$(half_written)"
rm "$small/fill" "$small/fill2"
there()
{
	[ "$(cells | wc -l)" -ge 1 ]
}
assert "the cell comes when there is room" wait_for 15 there
assert "and is whole" reports_parse

# Full again when the last cell is closed by the signal: it must not hang, and says that a report is lost.
fill
"$TRUTH/noop" while-full-again
agent_sync || die "the agent has gone"
start=$(now_ms)
agent_stop
took=$(($(now_ms) - start))
assert_eq "exit status with a report unwritten" 74 "$STATUS"
assert_le "ms to stop" 30000 $took
tail -n 1 "$T/agent.log"
assert_le "complaints about the disk, not one a try" 4 "$(grep -c 'No space left' "$T/agent.log")"
assert_eq "nothing half-written" "" "$(half_written)"
assert_eq "the exec of the full disk is reported" 1 "$(cells_sum ".command_counts[\"while-full-$$\"] // 0")"

# A directory that can only be read: said at the start.
rm -rf "$small/fill" "$small/fill2"
mount -o remount,ro "$small"
STATUS=0
"$EDR_BINARY" run -c "$T/empty.conf" --reports-dir "$REPORTS" >"$T/out" 2>&1 || STATUS=$?
assert_eq "read-only: exit status" 73 "$STATUS"
assert_eq "read-only: lines" 1 "$(wc -l <"$T/out")"
cat "$T/out"
