# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# trace_state: all of tracefs, at $tracing, that a tracer may change for others. Sourced by the tests of the ftrace source and
# by tests/vm/guest.sh, where busybox runs it.
trace_state()
{
	for file in current_tracer tracing_on trace_clock buffer_percent set_event set_event_pid \
		trace_options kprobe_events uprobe_events dynamic_events; do
		# shellcheck disable=SC2154 # set by who sources this
		[ ! -r "$tracing/$file" ] || sed "s/^/$file: /" "$tracing/$file"
	done
	# Whoever traces first has old kernels give the global buffer the size in brackets, and a page more.
	for size in "$tracing"/buffer_size_kb "$tracing"/per_cpu/cpu*/buffer_size_kb; do
		awk -v file="${size#"$tracing"/}" '{ sub(/.*expanded: /, ""); print file ": " int($0 / 64) * 64 }' "$size"
	done
	find "$tracing/events" -mindepth 3 -name enable -exec grep -L '^0' {} + | sed 's/^/on: /' | sort
	find "$tracing/instances" -mindepth 1 -maxdepth 1 | sort
	awk '/ - tracefs / { print "mount: " $5 }' /proc/self/mountinfo
}
