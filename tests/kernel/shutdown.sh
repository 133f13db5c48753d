#!/bin/sh
# SPDX-License-Identifier: MIT
#
# SIGTERM and SIGINT close the open cell as partial, with what happened a moment before in it. SIGHUP takes a good
# configuration, and keeps the old one when the new one is wrong.
. "$(dirname "$0")/lib.sh"

stops_by() # SIGNAL
{
	fresh
	agent_start
	"$TRUTH/noop" "last-word-$1-$$"
	start=$(now_ms)
	agent_stop "$1"
	echo "SIG$1: $(($(now_ms) - start)) ms to stop"
	assert_eq "SIG$1: exit status" 0 "$STATUS"
	assert "SIG$1: the last exec is in --output" grep -qF "last-word-$1-$$" "$EVENTS"
	assert_eq "SIG$1: the last exec is in the report" 1 \
		"$(events_in_reports ".args == [\"last-word-$1-$$\"] and .type == \"exec\"")"
	assert_eq "SIG$1: cells" 1 "$(cells | wc -l)"
	assert_eq "SIG$1: partial" true "$(cells | xargs jq .window.partial)"
	assert_eq "SIG$1: total is the sum of the counts" "$(cells_sum '[.counts[].delivered] | add')" \
		"$(cells_sum .total)"
	assert_balance
}

stops_by TERM
stops_by INT

# SIGHUP, again and again. What a good one changes at once is reload.sh's affair.
fresh
conf=$T/agent.conf
: >"$conf"
agent_launch -c "$conf"
agent_sync || die "the agent has not come up"

said() # WORDS COUNT: that many lines of the log have them
{
	[ "$(grep -cF -- "$1" "$T/agent.log")" -ge "$2" ]
}

# hup VERDICT: the log says so once more.
hup()
{
	count=$(grep -cF -- "$1" "$T/agent.log" || :)
	kill -HUP "$AGENT"
	wait_for 5 said "$1" $((count + 1))
}

printf '[ADVANCED]\nmax_events_buffer = 5\n' >"$conf"
assert "taken: a good configuration" hup 'configuration read again'
for wrong in 'max_events_buffer = many' 'max_events_buffer = 0' 'max_events_bufer = 7' 'max_events_buffer' '[NOWHERE]' \
	'\0'; do
	printf '[ADVANCED]\n%b\n' "$wrong" >"$conf"
	assert "refused: $wrong" hup 'stays as it was'
	grep -aF 'stays as it was' "$T/agent.log" | tail -n 1
done
rm "$conf"
assert "refused: a configuration that has gone" hup 'stays as it was'
: >"$conf"
assert "taken: one that is good again" hup 'configuration read again'
for _ in 1 2 3 4 5 6 7 8 9 10; do
	kill -HUP "$AGENT"
	"$TRUTH/noop" "through-all-that-$$"
done
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status after SIGHUP" 0 "$STATUS"
assert_eq "execs in the reports" 10 "$(events_in_reports ".command == \"noop\" and .type == \"exec\" and .args == [\"through-all-that-$$\"]")"
