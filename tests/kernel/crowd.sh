#!/bin/sh
# SPDX-License-Identifier: MIT
#
# More connects under way at once than there are slots for in the kernel: 2,048 for calls, 1,024 for TCP connects without a
# result. Those that find theirs taken go to a table, and all are told, each with its result, or counted as dropped: the kernel
# skips a program that a softirq finds running on its CPU, which happens on a busy host.
. "$(dirname "$0")/lib.sh"

calls=3000 # threads, with consecutive numbers: each slot is wanted by one or two of them
sockets=5000

# crowd WORD...: runs it; what it says is in $T/said.
crowd()
{
	rm -f "$T/sock"
	status=0
	"$TRUTH/crowd" "$@" >"$T/said" || status=$?
	[ $status -ne 77 ] || skip "crowd $*"
	[ $status -eq 0 ] || die "crowd $* ended with $status"
	cat "$T/said"
	agent_sync || die "the agent is gone"
}

said()
{
	jq -r ".$1" "$T/said"
}

# by_result TYPE: "count result" of what that process did, most frequent first. Of others there may be more than jq likes.
by_result()
{
	grep -F "\"pid\":$(said pid)," "$EVENTS" | jq -r "select(.type == \"$1\") | .result | tostring" |
		sort | uniq -c | sort -rn | awk '{ print $1, $2 }' >"$T/results"
	sed "s/^/$1: /" "$T/results"
}

told()
{
	awk -v result="${1:-.}" '$2 ~ result { n += $1 } END { print n + 0 }' "$T/results"
}

# all_told WHAT TYPE COUNT [RESULT]: what is missing must have been counted as dropped in the end.
missing_connect=0 missing_connect_result=0
all_told()
{
	n=$(told "${4:-}")
	assert_le "$1" "$3" "$n"
	[ "$n" -lt "$3" ] && eval "missing_$2=\$((missing_$2 + $3 - n))"
	:
}

crowd_of_sockets()
{
	crowd tcp $sockets
	assert_ge "$1: TCP connects that wait" $((sockets - 10)) "$(said waiting)"
	by_result connect
	all_told "$1: TCP connects told" connect $sockets
	by_result connect_result
	all_told "$1: results told" connect_result $sockets
	# The others were closed without an answer, at the program's end at the latest: their result is null.
	assert_le "$1: refused" "$(said refused)" "$(told ECONNREFUSED)"
	assert_ge "$1: refused" $((sockets / 4)) "$(told ECONNREFUSED)"
}

# crowd_of_threads NAME RESULT WORD...
crowd_of_threads()
{
	name=$1 result=$2
	shift 2
	crowd "$@"
	assert_eq "$name: threads in their connect" $calls "$(said waiting)"
	by_result connect
	all_told "$name: connects told" connect "$(said connects)"
	all_told "$name: $result" connect $calls "$result"
}

agent_end_well()
{
	agent_stop
	assert_eq "exit status" 0 "$STATUS"
	assert_balance
	assert_ge "connects dropped" $missing_connect "$(sum_of_type dropped connect)"
	assert_ge "results dropped" $missing_connect_result "$(sum_of_type dropped connect_result)"
	missing_connect=0 missing_connect_result=0
}

agent_start
crowd_of_sockets default
crowd_of_threads refused ECONNREFUSED unix $calls "$T/sock"
crowd_of_threads "killed by an exec" EINTR exec $calls "$T/sock" "$TRUTH/noop"
# Those left nothing behind.
crowd_of_threads "refused again" ECONNREFUSED unix $calls "$T/sock"
crowd_of_sockets again
agent_end_well

fresh
agent_start --hooks lean
crowd_of_sockets lean
agent_end_well

fresh
agent_start --source bpf-plain
crowd_of_threads "plain, refused" ECONNREFUSED unix $calls "$T/sock"
crowd_of_threads "plain, killed" EINTR exec $calls "$T/sock" "$TRUTH/noop"
agent_end_well
