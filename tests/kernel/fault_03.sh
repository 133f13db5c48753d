#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 3: beyond 10,000 lines an interval it forgets the oldest, and its drop counter stays at 0. Here
# a full buffer is written at once: every event is in a report, and the counts are those of all.
. "$(dirname "$0")/lib.sh"

n=20000
counted=counted-$$ # another run of this test may be under way
cp "$TRUTH/noop" "$T/$counted"

agent_start --set advanced.max_events_buffer=10000
"$TRUTH/pace" exec $n 2 "$T/$counted"
agent_sync || die "the agent has gone"
agent_stop

assert_eq "in the reports, as events" $n "$(events_in_reports ".type == \"exec\" and .command == \"$counted\"")"
assert_eq "in the reports, in command_counts" $n "$(cells_sum ".command_counts[\"$counted\"] // 0")"
assert_ge "interim parts" 5 "$(find "$REPORTS/interim" -name '*.part*.json' | wc -l)"
assert_eq "all events in the reports" "$(cells_sum '.total - .counts.thread.delivered')" "$(events_in_reports 'true')"
assert_eq "unlisted for want of memory" 0 "$(cells_sum .interim.events_unlisted)"
assert_balance

# And when there is loss, the counter counts: a ring of one page.
fresh
agent_start --set source.ring_exec_kb=4 --set source.ring_noisy_kb=4
"$TRUTH/pace" exec $n 2 "$T/$counted"
agent_sync || die "the agent has gone"
agent_stop
assert_ge "lost with a ring of one page" 1 "$(cells_sum .loss.total)"
assert_ge "execs that the report knows of" $n "$(sum_of_type produced exec)"
assert_balance
