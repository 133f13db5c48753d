#!/bin/sh
# SPDX-License-Identifier: MIT
#
# adversary.sh names|arguments|bomb|destinations [MEMORY_MB]
#
# What somebody would do who wants the agent blind, or out of memory: command names that never come twice, arguments of
# 28,000 bytes at full rate, a fork bomb in a control group of 5,000 processes, destinations that never come twice. For
# each: memory stays under the limit, what is not delivered is counted, and a report stays under its size. Memory is the peak
# resident set without the rings that are mapped in it, and all BPF maps and programs: each page once.
#
# EDR_STORM=long: a million names and destinations, 200,000 long argument lists, a bomb of 60 s; else for a few seconds.
. "$(dirname "$0")/lib.sh"

: "${EDR_MEMORY_MB:=${2:-128}}" # memory_mb
: "${EDR_CELL_MB:=24}"          # a cell's report: its tables, and the raw events since the last interim part
: "${EDR_INTERIM_MB:=4}"        # an interim part's: 2 MiB of events joined, and one more that is large

kind=$1
case $kind in
names) n=30000 long=1000000 counted=exec ;;
arguments) n=20000 long=200000 counted=exec ;;
bomb) n=5 long=60 counted=fork ;;
destinations) n=200000 long=1000000 counted=connect ;;
*) die "adversary.sh names|arguments|bomb|destinations" ;;
esac
[ "${EDR_STORM:-}" = long ] && n=$long
[ "${2:-128}" -lt 128 ] && [ "${EDR_STORM:-}" != long ] && n=$((n / 3 + 1))

# So that nothing is left of a bomb, whatever happens. It ends by itself after its time.
CGROUP=
drop_cgroup()
{
	[ -n "$CGROUP" ] || return 0
	wait_for 10 cgroup_empty || xargs -r kill -KILL <"$CGROUP/cgroup.procs"
	wait_for 5 rmdir "$CGROUP" 2>/dev/null
}

cgroup_empty()
{
	[ ! -s "$CGROUP/cgroup.procs" ] || [ -z "$(cat "$CGROUP/cgroup.procs")" ]
}

# A control group that holds at most 5,000 processes, on either version.
make_cgroup()
{
	for tree in /sys/fs/cgroup/pids /sys/fs/cgroup; do
		CGROUP=$tree/edr-bomb-$$
		if mkdir "$CGROUP" 2>/dev/null; then
			AT_EXIT=drop_cgroup
			echo 5000 >"$CGROUP/pids.max" 2>/dev/null && return 0
			rmdir "$CGROUP"
			AT_EXIT=
		fi
	done
	CGROUP=
	skip "no control group here can be limited to 5,000 processes"
}

mapped_kb() # of BPF maps, in the resident set
{
	awk '/^[0-9a-f]+-/ { ring = /bpf-map|perf_event/ } ring && $1 == "Rss:" { sum += $2 } END { print sum + 0 }' \
		"/proc/$AGENT/smaps"
}

bpf_kb() # all maps and programs that it holds
{
	cat "/proc/$AGENT"/fdinfo/* 2>/dev/null |
		awk '/^memlock:/ { bytes = $2 } # before the id; a link has only the id of its program
			/^(map|prog)_id:/ { if (!seen[$0] && bytes) { seen[$0] = 1; sum += bytes } bytes = 0 }
			END { print int(sum / 1024) }'
}

hwm_kb()
{
	awk '/VmHWM/ { print $2 }' "/proc/$AGENT/status"
}

report_mb() # DIRECTORY: the largest report in it
{
	find "$REPORTS/$1" -name '*.json' -printf '%s\n' 2>/dev/null | sort -n | awk 'END { printf "%.1f", $1 / 1e6 }'
}

set -- "$kind" "$n" 2
case $kind in
names | arguments)
	cp "$TRUTH/noop" "$T/noop"
	set -- "$@" "$T/noop" ;;
bomb)
	make_cgroup
	set -- "$kind" "$n" 1 "$CGROUP" ;;
esac

EVENTS=$T/none
agent_launch --output '' -i 15 --set "limits.memory_mb=$EDR_MEMORY_MB"
wait_for 20 grep -q 'watching' "$T/agent.log" || die "the agent has not come up"
sleep 1
# The kernel's types, which it reads before there are rings and tables, are gone by now: from here on it is another peak.
start=$(hwm_kb)
echo 5 >"/proc/$AGENT/clear_refs"
before=$(cpu_seconds "$AGENT")
"$TRUTH/pace" "$@" >"$T/load" || die "the load has failed"
sleep 2
cat "$T/load"
hwm=$(hwm_kb)
mapped=$(mapped_kb)
kernel=$(bpf_kb)
peak=$(awk -v h="$hwm" -v m="$mapped" -v k="$kernel" 'BEGIN { print (h - m + k) / 1024 }')
cpu=$(cpu_seconds "$AGENT")
done=$(jq .done "$T/load")
agent_stop
assert_eq "exit status" 0 "$STATUS"

assert_balance
[ "$kind" = bomb ] && done=1000
assert_ge "$counted produced" "$done" "$(sum_of_type produced "$counted")"
assert_eq "loss.total is what was dropped" "$(cells_sum '[.counts[].dropped] | add')" "$(cells_sum .loss.total)"
assert_ge "BPF maps and programs, KiB" 1000 "$kernel"
assert_le "peak memory, MiB" "$EDR_MEMORY_MB" "$peak"
assert_le "at the start, KiB" $((EDR_MEMORY_MB * 1024)) "$start"
assert_le "largest cell, MB" "$EDR_CELL_MB" "$(report_mb cells)"
assert_le "largest interim part, MB" "$EDR_INTERIM_MB" "$(report_mb interim)"
assert "all reports are whole" reports_parse
echo "memory_mb $EDR_MEMORY_MB: peak $peak MiB, of it BPF $((kernel / 1024)) MiB; $((start / 1024)) MiB at the start"
echo "agent: $(awk -v a="$before" -v b="$cpu" 'BEGIN { print b - a }') s of CPU; all reports: $(du -sm "$REPORTS" | cut -f1) MB"
