#!/bin/sh
# SPDX-License-Identifier: MIT
#
# guest.sh OUT TIMES STATE WAYS [TESTS]: watches the ground truth in each way that the file WAYS names, then runs the tests
# of tests/kernel that the file TESTS names.
#
#   OUT     what becomes of a way goes to OUT/WAY/: status (done, cannot, broken), log, compare, figures.json, left (what is
#           otherwise in tracefs than it was), ...; of a test to OUT/tests/NAME.status and NAME.log
#   TIMES   how often each scenario is run
#   STATE   plain, btf-hidden (an empty directory over /sys/kernel/btf), no-bpf (bpf(2) answers EPERM) or no-caps (as a
#           service without the capabilities for BPF; not in a guest, for busybox's setpriv cannot)
#
# Run by busybox in the guest, and by any shell on this machine, then in a mount namespace of its own. It asserts no
# durations: a guest's clock may run fast. A line of WAYS: NAME PREPARATION MODE OPTION..., MODE as `compare` has it, or
# `auto`: only started and stopped. A line of TESTS: NAME SCRIPT [ARGUMENT]...
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=$1 times=$2 state=$3 ways=$4 tests=${5:-/dev/null}
# shellcheck source=tests/vm/ways.sh
. "$here/ways.sh"
# shellcheck source=tests/kernel/trace_state.sh
. "$here/kernel/trace_state.sh"

T=$(mktemp -d /tmp/edr-ways.XXXXXX)
chmod 0711 "$T" # another user's process runs programs in here
agent_pid=
at_exit()
{
	[ -z "$agent_pid" ] || kill -KILL "$agent_pid" 2>/dev/null
	rm -rf "$T"
}
trap at_exit EXIT
trap 'exit 1' INT TERM HUP
: >"$T/empty.conf" # so that no configuration of this host is read

few() # what each line of is large
{
	case $1 in
	args_10000_long | arg_100000 | fail_e2big | fail_enametoolong) echo $(((times + 4) / 5)) ;;
	*) echo "$times" ;;
	esac
}

refused= # state, of one way
agent()
{
	case ${refused:-$state} in
	no-bpf) exec "$here/no_bpf" "$here/linux-edr-bpf" "$@" ;;
	no-caps)
		exec setpriv --bounding-set=-bpf,-perfmon,-sys_admin,-net_admin "$here/linux-edr-bpf" "$@"
		;;
	*) exec "$here/linux-edr-bpf" "$@" ;;
	esac
}

# All that happened up to here is in the events afterwards: a program of a new name has come by. The name, for not every
# way sees the arguments.
syncs=0
agent_sync()
{
	syncs=$((syncs + 1))
	cp "$here/truth/noop" "$T/sync-$syncs-"
	tries=0
	until grep -qF "/sync-$syncs-" "$T/events" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -le 600 ] && kill -0 "$agent_pid" 2>/dev/null || return 1
		"$T/sync-$syncs-"
		sleep 0.1
	done
}

# The cells without what is long: the top-level keys that the matrix reads.
short_cells()
{
	for cell in "$T"/reports/cells/cell-*.json; do
		[ -e "$cell" ] || continue
		awk 'BEGIN { print "{" }
			/^  "/ { on = /^  "(source|hooks|degraded|loss|counts)":/ }
			on
			END { print "\"end\": true }" }' "$cell" >"$1/$(basename "$cell")"
	done
}

scenarios() # those in the file `scenarios`, or all
{
	[ ! -s "$here/scenarios" ] || { cat "$here/scenarios" && return; }
	# Calls that the configuration must name are syscalls.sh's affair.
	"$here/truth/truth" --list | cut -d ' ' -f 1 | grep -vx syscalls
}

run_scenarios() # DIRECTORY
{
	scenarios >"$1/asked"
	# shellcheck disable=SC2013 # names have no spaces
	for scenario in $(cat "$1/asked"); do
		status=0
		"$here/truth/truth" "$scenario" "$(few "$scenario")" "truth-$$-$scenario" \
			>"$T/one" 2>"$T/err" </dev/null || status=$?
		case $status in
		0) cat "$T/one" >>"$T/truth" ;;
		77) echo "$scenario: $(cat "$T/err")" >>"$1/left_out" ;;
		*)
			echo "$scenario ended with $status: $(cat "$T/err")" >>"$1/broken"
			# What it did before its end was done all the same, but not all of it is told.
			grep -v '"type":"own"' "$T/one" >>"$T/truth" ;;
		esac
	done
}

watch() # DIRECTORY MODE OPTION...
{
	dir=$1 mode=$2
	shift 2
	rm -rf "$T/reports" "$T/events" "$T/truth"
	: >"$T/truth"
	agent run -c "$T/empty.conf" -i 60 --reports-dir "$T/reports" --output "$T/events" \
		--set advanced.list_threads=true "$@" >"$dir/log" 2>&1 </dev/null &
	agent_pid=$!
	if ! agent_sync; then
		echo cannot >"$dir/status"
		kill -TERM "$agent_pid" 2>/dev/null
		wait "$agent_pid"
		echo $? >"$dir/exit"
		agent_pid=
		return
	fi
	[ "$mode" = auto ] || run_scenarios "$dir"
	agent_sync || echo "the agent has gone" >>"$dir/broken"
	kill -TERM "$agent_pid"
	status=0
	wait "$agent_pid" || status=$?
	agent_pid=
	echo $status >"$dir/exit"
	short_cells "$dir"
	if [ "$mode" != auto ]; then
		"$here/truth/compare" --json "$dir/figures.json" "$mode" "$T/truth" "$T/events" >"$dir/compare" 2>&1
		[ $? -le 1 ] || echo "compare cannot be used: $(tail -n 1 "$dir/compare")" >>"$dir/broken"
	fi
	if [ -e "$dir/broken" ]; then echo broken; else echo "done"; fi >"$dir/status"
}

check() # FILE OPTION...
{
	file=$1
	shift
	(agent check -c "$T/empty.conf" "$@") >"$file" 2>&1 </dev/null
}

run_way() # NAME PREPARATION MODE OPTION...
{
	dir=$out/$1 preparation=$2 mode=$3
	shift 3
	mkdir -p "$dir"
	trace_state >"$T/before" 2>/dev/null
	# A kernel that accepts no probe is watched without, whatever was meant.
	case $mode in
	ftrace | auto)
		if ! accepts_probes; then
			[ "$mode" = auto ] || mode=ftrace-no-probes
			echo "this kernel accepts none" >"$dir/note"
		fi ;;
	esac
	if prepare "$preparation" 2>"$dir/log"; then
		[ "$mode" != auto ] || check "$dir/check" "$@"
		watch "$dir" "$mode" "$@"
	else
		echo cannot >"$dir/status"
	fi
	undo "$preparation"
	trace_state 2>/dev/null | diff "$T/before" - >"$dir/left"
	echo "${dir##*/}: $(cat "$dir/status")"
}

# The scripts that test this machine's own kernel. They want more than busybox has: here/tools is the rest.
run_test() # NAME SCRIPT ARGUMENT...
{
	name=$1 script=$2
	shift 2
	status=0
	PATH=$here/tools:$PATH EDR_BUILD_DIR=$here EDR_BINARY=$here/linux-edr-bpf TMPDIR=/tmp EDR_TRUTH_TIMES=20 EDR_EXECS=3000 \
		EDR_FOUND_MS=10000 EDR_WAIT_S=60 timeout 300 "$here/tools/sh" "$here/kernel/$script" "$@" \
		>"$out/tests/$name.log" 2>&1 </dev/null || status=$?
	echo $status >"$out/tests/$name.status"
	echo "$name: ended with $status"
}

mkdir -p "$out/tests"
uname -r >"$out/kernel"
if [ "$state" = btf-hidden ]; then
	mount -t tmpfs none /sys/kernel/btf || exit 1
fi
check "$out/check"
while read -r words <&3; do
	# shellcheck disable=SC2086 # a list of words
	run_way $words
done 3<"$ways"
while read -r words <&3; do
	# shellcheck disable=SC2086 # a list of words
	run_test $words
done 3<"$tests"
