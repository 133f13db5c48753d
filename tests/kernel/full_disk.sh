#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The disk of the reports is full when a cell ends: events go on, nothing half-written is left, the cell comes when there is
# room. The same when it can only be read. At the start: one clear sentence.
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
cp "$TRUTH/noop" "$T/while-full"
"$T/while-full" while-full
assert "a write that fails is told" wait_for 25 grep -qF 'No space left' "$T/agent.log"
grep -F 'No space left' "$T/agent.log" | head -n 1
assert_eq "reports on the full disk" 0 "$(cells | wc -l)"
agent_sync || die "the agent has gone"
assert "events go on" grep -qF while-full "$EVENTS"
assert_eq "nothing half-written" "" "$(find "$small" -type f ! -name 'fill*' -size +0)"
rm "$small/fill" "$small/fill2"
there()
{
	[ "$(cells | wc -l)" -ge 1 ]
}
assert "the cell comes when there is room" wait_for 15 there
assert "and is whole" reports_parse

# Read-only, with the next cell closed by the signal: it must not hang, and says that a report is lost.
mount -o remount,ro "$small"
"$TRUTH/noop" while-read-only
agent_sync || die "the agent has gone"
start=$(now_ms)
agent_stop
took=$(($(now_ms) - start))
assert_eq "exit status with a report unwritten" 74 "$STATUS"
assert_le "ms to stop" 30000 $took
grep -F 'Read-only' "$T/agent.log" | tail -n 2
assert_eq "complaints about the disk, not one a try" 1 \
	"$(awk -v n="$(grep -cE 'No space left|Read-only' "$T/agent.log")" 'BEGIN { print n <= 8 }')"
mount -o remount,rw "$small"
assert_eq "nothing half-written" "" "$(find "$REPORTS" -type f ! -name '*.json')"
assert_eq "the exec of the full disk is reported" 1 "$(cells_sum '.command_counts["while-full"] // 0')"
