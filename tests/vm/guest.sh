#!/bin/sh
# SPDX-License-Identifier: MIT
#
# guest.sh OUT TIMES STATE: watches the ground truth in each way that the file `ways` beside this script names.
#
#   OUT     what becomes of a way goes to OUT/WAY/: status (done, cannot, broken), log, compare, figures.json, ...
#   TIMES   how often each scenario is run
#   STATE   plain, btf-hidden (an empty directory over /sys/kernel/btf), no-bpf (bpf(2) answers EPERM) or no-caps (as a
#           service without the capabilities for BPF; not in a guest, for busybox's setpriv cannot)
#
# Run by busybox in the guest, and by any shell on this machine, then in a mount namespace of its own. It asserts no
# durations: a guest's clock may run fast. A line of `ways`: NAME PREPARATION MODE OPTION..., MODE as `compare` has it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=$1 times=$2 state=$3
tracing=/sys/kernel/tracing

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
	args_10000_long | arg_100000 | fail_e2big) echo $(((times + 4) / 5)) ;;
	*) echo "$times" ;;
	esac
}

agent()
{
	case $state in
	no-bpf) exec "$here/no_bpf" "$here/linux-edr-bpf" "$@" ;;
	no-caps)
		exec setpriv --bounding-set=-bpf,-perfmon,-sys_admin,-net_admin "$here/linux-edr-bpf" "$@"
		;;
	*) exec "$here/linux-edr-bpf" "$@" ;;
	esac
}

# What the kernel would accept is refused: the way without probes can be had on every kernel.
prepare() # PREPARATION
{
	[ "$1" = no-probes ] || return 0
	for file in dynamic_events kprobe_events uprobe_events; do
		[ -e $tracing/$file ] || continue
		mount --bind $tracing/$file $tracing/$file && mount -o remount,bind,ro $tracing/$file || return 1
	done
}

# Probe by writing: the tracing README also names what is then refused.
accepts_probes()
{
	# shellcheck disable=SC2016 # $pid is the kernel's
	for definition in 'p:edr_ways/try do_exit' 'e:edr_ways/try sched.sched_process_exit pid=$pid'; do
		if echo "$definition" 2>/dev/null >>$tracing/dynamic_events; then
			echo '-:edr_ways/try' >>$tracing/dynamic_events
			return 0
		fi
	done 2>/dev/null
	return 1
}

undo() # PREPARATION
{
	[ "$1" = no-probes ] || return 0
	for file in dynamic_events kprobe_events uprobe_events; do
		umount $tracing/$file 2>/dev/null
	done
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
	for scenario in $(scenarios); do
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
	run_scenarios "$dir"
	agent_sync || echo "the agent has gone" >>"$dir/broken"
	kill -TERM "$agent_pid"
	status=0
	wait "$agent_pid" || status=$?
	agent_pid=
	echo $status >"$dir/exit"
	short_cells "$dir"
	"$here/truth/compare" --json "$dir/figures.json" "$mode" "$T/truth" "$T/events" >"$dir/compare" 2>&1
	[ $? -le 1 ] || echo "compare cannot be used: $(tail -n 1 "$dir/compare")" >>"$dir/broken"
	if [ -e "$dir/broken" ]; then echo broken; else echo "done"; fi >"$dir/status"
}

mkdir -p "$out"
uname -r >"$out/kernel"
if [ "$state" = btf-hidden ]; then
	mount -t tmpfs none /sys/kernel/btf || exit 1
fi
(agent check -c "$T/empty.conf") >"$out/check" 2>&1 </dev/null
while read -r way preparation mode options <&3; do
	mkdir -p "$out/$way"
	# A kernel that accepts no probe is watched without, whatever was meant.
	if [ "$mode" = ftrace ] && ! accepts_probes; then
		mode=ftrace-no-probes
		echo "this kernel accepts none" >"$out/$way/note"
	fi
	if prepare "$preparation" 2>"$out/$way/log"; then
		# shellcheck disable=SC2086 # a list of words
		watch "$out/$way" "$mode" $options
	else
		echo cannot >"$out/$way/status"
	fi
	undo "$preparation"
	echo "$way: $(cat "$out/$way/status")"
done 3<"$here/ways"
