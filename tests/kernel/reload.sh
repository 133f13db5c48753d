#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What can be done to a running agent: SIGHUP with a good, a wrong and a far-reaching change, log rotation, a second agent
# on the same reports, the end by SIGINT, the self-test.  And what it recorded meanwhile replays to the same bytes.
# shellcheck source=tests/kernel/lib.sh
. "$(dirname "$0")/lib.sh"

logged() # TEXT
{
	grep -qF -- "$1" "$T/agent.log"
}

# reload TEXT: SIGHUP, and what the log says of it.
reload()
{
	kill -HUP "$AGENT"
	assert "SIGHUP: $1" wait_for 5 logged "$1"
	agent_alive || die "SIGHUP ended the agent"
}

events_line() # WORD FILE
{
	grep -qF -- "$1" "$2" 2>/dev/null
}

run_until_in() # WORD FILE
{
	"$TRUTH/noop" "$1"
	sleep 0.1
	events_line "$1" "$2"
}

agent_start --record "$T/cap"
assert "the start line" logged "source bpf, hooks default, a report every 1 min"
[ "$(stat -c %a "$T/cap")" = 600 ] || fail "the capture is open to others"

# Rotation: nothing is lost between the old file and the new one.
"$TRUTH/noop" before-rotation
agent_sync || die "the agent does not answer"
mv "$EVENTS" "$EVENTS.1"
reload "configuration read again"
assert "output goes to a new file" wait_for 10 run_until_in after-rotation "$EVENTS"
assert "what came before is in the old one" events_line before-rotation "$EVENTS.1"
events_line after-rotation "$EVENTS.1" && fail "the old file still grows"

# A wrong configuration changes nothing, and is told with its line.
printf '[DEFAULT]\nreport_interval = 7\n' >"$T/empty.conf"
reload "the configuration stays as it was, for the new one is wrong: $T/empty.conf:2: report_interval"
printf '[DEFAULT]\nreport_intervall = 5\n' >"$T/empty.conf"
reload "did you mean report_interval?"

# What only a restart can change is named; what can change now, does.
printf '[SOURCE]\nhooks = lean\n[DEFAULT]\ndebug = true\n' >"$T/empty.conf"
reload "these changes wait for a restart: hooks"
# With memory_mb wait the sizes that are shares of it.
printf '[LIMITS]\nmemory_mb = 1024\nmax_executables = 100000\n' >"$T/empty.conf"
reload "these changes wait for a restart: memory_mb"
assert "the log says what was set too large" wait_for 5 logged "memory_mb is 128, but with the sizes that are set"
printf '[SOURCE]\nhooks = lean\n[DEFAULT]\ndebug = true\n' >"$T/empty.conf"
reload "configuration read again"
shown()
{
	"$TRUTH/noop" shown-by-debug
	sleep 0.1
	grep -q "debug event: exec .*shown-by-debug" "$T/agent.log"
}
assert "debug, switched on by SIGHUP, shows events" wait_for 10 shown
: >"$T/empty.conf"
reload "configuration read again"

# Two writers of one reports directory.
status=0
"$EDR_BINARY" run -c "$T/empty.conf" --reports-dir "$REPORTS" >"$T/second" 2>&1 || status=$?
assert_eq "exit status of a second agent" 75 $status

# Every option that names a file which cannot be made.
status=0
"$EDR_BINARY" run -c "$T/empty.conf" --reports-dir "$T/second-reports" --record "$T/cap" >"$T/second" 2>&1 || status=$?
assert_eq "exit status when the capture exists" 73 $status
status=0
"$EDR_BINARY" run -c "$T/empty.conf" --reports-dir "$T/second" >"$T/third" 2>&1 || status=$?
assert_eq "exit status when the reports directory is a file" 73 $status
status=0
"$EDR_BINARY" run -c "$T/empty.conf" --reports-dir "$T/second-reports" \
	--set "FILTER.exclude_paths=/$(printf '%0200d' 0)" >"$T/second" 2>&1 || status=$?
assert_eq "exit status when a filter is too long" 64 $status

# The end: nothing is lost, the last cell says that it is partial.
i=0
while [ $i -lt 50 ]; do
	"$TRUTH/noop" "at-the-end-$i"
	i=$((i + 1))
done
agent_stop INT
assert_eq "exit status after SIGINT" 0 "$STATUS"
assert_eq "execs just before the end" 50 "$(events_count '.type == "exec" and (.args[0] // "" | startswith("at-the-end-"))')"
assert_eq "... and in the reports" 50 \
	"$(events_in_reports '.type == "exec" and (.args[0] // "" | startswith("at-the-end-"))')"
assert_eq "the last cell is partial" true "$(cells | tail -n 1 | xargs jq .window.partial)"
assert "each report parses" reports_parse
assert_balance
assert_eq "seconds blind" 0 "$(cells_sum .loss.blind_seconds)"
assert_ge "self-tests seen" 1 \
	"$(cat "$EVENTS" "$EVENTS.1" | jq -n 'reduce (inputs | select(.type == "exec" and .args[0] == "self-test")) as $e (0; . + 1)')"

# The capture holds everything that the reports were made of, our own records too.
status=0
"$EDR_BINARY" replay -c "$T/empty.conf" -i 1 --reports-dir "$T/again" "$T/cap" >"$T/replay" 2>&1 || status=$?
assert_eq "exit status of the replay" 0 $status
assert "the replay's reports are the live ones, byte for byte" same_reports "$REPORTS" "$T/again"

# Blind: with all of our own execs filtered out, the self-test must say so.
fresh
printf '[FILTER]\nexclude_paths = %s\n' "$EDR_BINARY" >"$T/empty.conf"
: >"$T/agent.log"
agent_start
assert "a self-test that is not seen is told" wait_for 10 logged "blind: the exec of our own child"
agent_stop
# A window may have closed before its blind seconds were known.
assert_ge "seconds blind" 1 "$(cells_sum ".loss.blind_seconds + .loss.blind_seconds_before")"
