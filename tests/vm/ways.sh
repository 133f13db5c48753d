# SPDX-License-Identifier: MIT
#
# What the ways to watch take, for guest.sh and cost.sh.
# shellcheck shell=sh disable=SC2034 # guest.sh reads $refused
tracing=/sys/kernel/tracing

# no-probes: what the kernel would accept is refused, so that the way without probes can be had on every kernel. The
# others are states, for one way.
prepare() # PREPARATION
{
	case $1 in
	btf-hidden) mount -t tmpfs none /sys/kernel/btf ;;
	no-bpf) refused=no-bpf ;;
	no-probes)
		for file in dynamic_events kprobe_events uprobe_events; do
			[ -e $tracing/$file ] || continue
			mount --bind $tracing/$file $tracing/$file && mount -o remount,bind,ro $tracing/$file || return 1
		done ;;
	esac
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
	refused=
	case $1 in
	btf-hidden) umount /sys/kernel/btf ;;
	no-probes)
		for file in dynamic_events kprobe_events uprobe_events; do
			umount $tracing/$file 2>/dev/null
		done ;;
	esac
}
