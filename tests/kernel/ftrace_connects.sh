#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Connects that nobody answers, 600 at once, which is more than a kernel notes the return of: each is told once, whether its
# process ends by itself, runs another program or is killed, and whether we end first.
set -- source=ftrace
. "$(dirname "$0")/lib.sh"

scene() # NAME
{
	"$TRUTH/truth" "connect_blocked_$1" 3 "$TEST-$$-$1" >"$T/truth-$1" 2>"$T/truth.err" || {
		[ $? -ne 77 ] || skip "$(cat "$T/truth.err")"
		die "the scenario connect_blocked_$1 failed: $(cat "$T/truth.err")"
	}
}

# Columns of `compare`: expected found names arguments addresses other extra missing
column() # NUMBER
{
	awk -v n="$1" '$1 == "all" { print $n }' "$T/table"
}

agent_start
for ending in exit exec kill; do
	scene $ending
done
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_balance
cat "$T"/truth-* >"$T/truth"
"$TRUTH/compare" ftrace-no-probes "$T/truth" "$EVENTS" >"$T/table" || :
grep -E '^(connect_|all )' "$T/table"
assert_eq "extra" 0 "$(column 8)"
assert_eq "missing" 0 "$(column 9)"
right=$(column 6)
assert_eq "addresses" "${right#*/}" "${right%/*}"
echo "connects whose result is not known: $(events_count '.type == "connect" and .result == null')," \
	"counted as lost: $(sum_of_type dropped connect_result)"

# They are still under way when the agent ends.
fresh
: >"$T/hold"
agent_start
EDR_TRUTH_HOLD=$T/hold "$TRUTH/truth" connect_blocked_kill 3 "$TEST-$$-hold" >"$T/held" 2>"$T/truth.err" &
truth=$!
under_way()
{
	[ "$(grep -c ' 02 ' /proc/net/tcp)" -ge 600 ]
}
wait_for "${EDR_WAIT_S:-20}" under_way || die "the connects are not under way"
agent_sync || die "the agent has gone"
agent_stop
rm "$T/hold"
wait $truth || die "the scenario failed: $(cat "$T/truth.err")"
assert_eq "at our end: exit status" 0 "$STATUS"
assert_balance
jq -c 'select(.type == "connect") | [.pid, .want.tid, .want.address]' "$T/held" | sort >"$T/done"
jq -c 'select(.type == "connect" and .result == null) | [.pid, .tid, .address]' "$EVENTS" | sort >"$T/told"
assert_eq "at our end: connects" 600 "$(wc -l <"$T/done")"
assert "at our end: each is told once, with its address" cmp "$T/done" "$T/told"
