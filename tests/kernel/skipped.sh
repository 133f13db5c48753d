#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Kernels that skip programs (7.x) load second copies of them. Here any kernel is taken for one, and what it skips is what we
# say: with both copies nothing is told twice, with either alone nothing is missing, and a connect whose return both have
# missed is told when its thread is at something else.
: "${1:=source=bpf}"
set -- "$1"
. "$(dirname "$0")/lib.sh"

[ -e "$EDR_BUILD_DIR/tests/faults.so" ] || skip "$EDR_BUILD_DIR/tests/faults.so is not built"
firsts='sched_process_exec sched_process_fork sched_process_exit sys_exit_execve sys_exit_execveat sys_enter_connect'
firsts="$firsts sys_exit_connect inet_sock_set_state"
[ "$SOURCE" = bpf ] || firsts='sys_exit_execve sys_exit_execveat sys_enter_connect sys_exit_connect'

# skipping NAME...: starts an agent whose programs of these names never run.
skipping()
{
	fresh
	export EDR_SKIPPED="$*"
	LAUNCH="env LD_PRELOAD=$EDR_BUILD_DIR/tests/faults.so"
	# shellcheck disable=SC2086 # a list
	agent_start --set advanced.list_threads=true ${options:-}
	LAUNCH=
}

# scenarios [NAME...]: does them, all when none is named, ends the agent, and compares.
scenarios()
{
	: >"$T/truth.jsonl"
	# shellcheck disable=SC2046 # a list
	[ $# -gt 0 ] || set -- $("$TRUTH/truth" --list | cut -d ' ' -f 1 | grep -vx -e syscalls -e 'connect_blocked_.*')
	for scenario; do
		status=0
		"$TRUTH/truth" "$scenario" "${EDR_TRUTH_TIMES:-10}" "skip-$$-$scenario" >>"$T/truth.jsonl" 2>"$T/truth.err" \
			</dev/null || status=$?
		[ $status -eq 0 ] || [ $status -eq 77 ] ||
			die "the scenario $scenario ended with $status: $(cat "$T/truth.err")"
	done
	agent_sync || die "the agent has gone"
	agent_stop
	assert_eq "exit status" 0 "$STATUS"
	assert_balance
	assert_eq "lines that --output did not take" 0 "$(output_lost)"
	compare "$EVENTS"
}

compare() # EVENTS
{
	compared=0
	"$TRUTH/compare" default "$T/truth.jsonl" "$1" >"$T/compare" || compared=$?
	grep '^all ' "$T/compare"
}

# scenario expected found names arguments addresses other extra missing unseen
column() # NUMBER
{
	awk -v n="$1" '$1 == "all" { print $n }' "$T/compare"
}

right() # WHAT COLUMN
{
	shares=$(column "$2")
	assert_eq "$1" "${shares#*/}" "${shares%/*}"
}

told() # WHAT
{
	assert_ge "$1: done" 50 "$(column 2)"
	assert_eq "$1: told, of what was done" "$(column 2)" "$(column 3)"
	assert_eq "$1: told twice, or never done" 0 "$(column 8)"
	right "$1: addresses" 6
}

all_is_told() # WHAT
{
	told "$1"
	right "$1: arguments" 5
	# What the other object cannot know of a program that is gone, docs/sources.md says.
	[ "$SOURCE" != bpf ] || assert_eq "$1: compare" 0 "$compared"
}

skipping
scenarios
all_is_told "both copies"

# shellcheck disable=SC2086 # a list
skipping $firsts
scenarios
all_is_told "the copies alone"

# shellcheck disable=SC2046,SC2086 # lists
skipping $(printf '%s_again ' $firsts)
scenarios
all_is_told "the first ones alone"

tcp='tcp4 tcp6 tcp4_refused tcp6_refused tcp_mapped'
others='udp4 udp6 udp_mapped uring_after connect_thread unix_stream unix_dgram unix_seqpacket unix_full unix_abstract'
others="$others unix_missing unix_at"
known='.result != null' # why one was refused the other object does not know
[ "$SOURCE" = bpf ] || known='.result == 0'
cp "$TRUTH/noop" "$T/leftout"

# returns_unseen WHAT NAME...: these are skipped, too.
returns_unseen()
{
	what="returns unseen$1"
	shift
	options='--set filter.exclude_commands=leftout'
	skipping sys_exit_connect sys_exit_connect_again "$@"
	options=
	# Its process goes on with a program that filters leave out.
	bash -c "exec 3<>/dev/udp/127.0.0.9/9; exec \"$T/leftout\"" || die "bash cannot connect"
	# shellcheck disable=SC2086 # lists
	scenarios $tcp $others
	grep -vF '"type":"connect_result"' "$EVENTS" >"$T/connects"
	compare "$T/connects"
	told "$what"
	of_calls='.type == "connect" and .seen_by == "syscall"'
	assert_eq "$what: not told late" 0 "$(events_count "$of_calls and (.record_flags // [] | index(\"late\") | not)")"
	assert_eq "$what: with a result" 0 "$(events_count "$of_calls and .result != null")"
	done_tcp='.type == "connect" and .want.protocol == "IPPROTO_TCP"'
	assert_eq "$what: TCP results that the socket knows" \
		"$(jq -n "[inputs | select($done_tcp) | .want | select($known)] | length" "$T/truth.jsonl")" \
		"$(events_count ".type == \"connect_result\" and $known")"
	assert_eq "$what: before an exec: whose connect it was" '["bash","IPPROTO_UDP"]' \
		"$(jq -c 'select(.type == "connect" and .address == "127.0.0.9:9") | [.comm, .protocol]' "$EVENTS")"
}

returns_unseen ''
returns_unseen ", beginnings by the copy alone" sys_enter_connect
