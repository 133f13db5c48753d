#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Answers that come in on another CPU than the one that connects (rps_cpus), in the moment of the call's return or while a
# program of ours runs there: the result of each connect is told, or counted as dropped.
. "$(dirname "$0")/lib.sh"

connects=${EDR_CONNECTS:-60000}

[ "$(nproc)" -gt 1 ] || skip "with one CPU no answer comes in on another"
unshare -n -m true || skip "no network namespace can be made here"

cp "$TRUTH/pace" "$T/answered"
cat >"$T/elsewhere" <<'EOF'
set -e
mount -t sysfs none /sys
ip link set lo up
echo "$1" >/sys/class/net/lo/queues/rx-0/rps_cpus
shift
exec "$@"
EOF

# assert_results RPS_CPUS
assert_results()
{
	fresh
	unwritten=$(output_lost) # of the one before
	agent_start
	unshare -n -m sh "$T/elsewhere" "$1" "$T/answered" accepted "$connects" 2 >"$T/pace" || die "the load has failed"
	agent_sync
	agent_stop
	assert_balance
	told=$(events_count '.type == "connect_result" and .comm == "answered" and (.result | tostring) == "0"')
	open=$(events_count '.type == "connect" and .comm == "answered" and .result == "EINPROGRESS"')
	late=$(events_count '.type == "connect_result" and (.record_flags // [] | index("late"))')
	dropped=$(sum_of_type dropped connect_result)
	unwritten=$(($(output_lost) - unwritten))
	assert_ge "connects that were left open, rps_cpus=$1" 1 "$open"
	assert_ge "results told or dropped, rps_cpus=$1" "$open" $((told + dropped + unwritten))
	assert_le "results told twice, rps_cpus=$1" $((open + unwritten)) "$told"
	echo "rps_cpus=$1: $open connects left open, $told results ($late of them late), $dropped dropped, $unwritten not written"
}

assert_results 1
assert_results 2
