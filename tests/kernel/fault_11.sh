#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 11: total counts trace lines (5,843 for 1,980 execs), and each failed step of a PATH search
# counts as a run. Here total is the number of events, and a run is a run.
. "$(dirname "$0")/lib.sh"

n=200
name=searched-$$ # another run of this test may be under way
mkdir "$T/empty" "$T/bin"
cp "$TRUTH/noop" "$T/bin/$name"

agent_start
i=0
while [ $i -lt $n ]; do
	# env searches PATH step by step, as execvp(3) does; a shell would look first.
	PATH="$T/nowhere:$T/empty:$T/bin" /usr/bin/env $name "$i"
	i=$((i + 1))
done
agent_sync || die "the agent has gone"
agent_stop

assert_eq "runs" $n "$(cells_sum ".command_counts[\"$name\"] // 0")"
assert_eq "runs, by the executable" $n "$(cells_sum "[.executables[] | select(.path == \"$T/bin/$name\") | .runs] | add // 0")"
assert_eq "failed steps, as events of their own" $((2 * n)) \
	"$(events_count ".type == \"exec_failed\" and .error == \"ENOENT\" and .command == \"$name\"")"
assert_eq "failed runs, apart from runs" $((2 * n)) \
	"$(cells_sum "[.executables[] | select((.path | endswith(\"/$name\")) and .runs == 0) | .failed_runs] | add // 0")"
assert_eq "total" "$(cells_sum '[.counts[].delivered] | add')" "$(cells_sum .total)"
