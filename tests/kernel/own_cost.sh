#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What watching cost stands in the report, and is what the kernel says of the process; a replay gives the same. What BPF
# costs is an estimate from samples: not known without CAP_SYS_ADMIN, which is said once, unless somebody else has the
# statistics on. `check --stats` measures beside an agent that runs, which loses nothing by it.
. "$(dirname "$0")/lib.sh"

capture=$T/capture
switch=/proc/sys/kernel/bpf_stats_enabled

own_cost() # MEMBER: of the only cell, or of two when a window has ended meanwhile
{
	cells_sum ".own_cost.$1 // 0"
}

peak_bytes()
{
	awk '/^VmHWM/ { print $2 * 1024 }' "/proc/$AGENT/status"
}

agent_start --record "$capture"
"$TRUTH/pace" exec 6000 2 "$TRUTH/noop" >"$T/load"
agent_sync || die "the agent has gone"
sleep 1.5 # the first sample ends with a tick
used=$(cpu_seconds "$AGENT")
peak=$(peak_bytes)
agent_stop
assert_eq "exit status" 0 "$STATUS"
echo "the kernel says: $used s, $peak bytes; $(cells | xargs jq -c .own_cost)"
# The last record comes after that look; ticks of /proc are 10 ms.
assert_ge "CPU seconds of the agent" "$(awk -v n="$used" 'BEGIN { print n - 0.03 }')" "$(own_cost agent_cpu_seconds)"
assert_le "CPU seconds of the agent" "$(awk -v n="$used" 'BEGIN { print 1.5 * n + 3 }')" "$(own_cost agent_cpu_seconds)"
assert_ge "peak memory" "$((peak * 8 / 10))" "$(own_cost memory_peak_bytes)"
assert_ge "memory of BPF: the rings at least" 1000000 "$(own_cost bpf_memory_bytes)"
if [ "$(own_cost bpf_sampled_runs)" = 0 ]; then
	fail "nothing was sampled: $(grep BPF "$T/agent.log")"
fi
assert_ge "sampled, s" 1 "$(own_cost bpf_sampled_seconds)"
# 6,000 execs with fork and exit: five runs each, of which none takes less than 50 ns or, on average, more than 1 ms.
assert_ge "BPF CPU seconds" 0.0015 "$(own_cost bpf_cpu_seconds)"
assert_le "BPF CPU seconds" 30 "$(own_cost bpf_cpu_seconds)"
by_program() # FILTER of a program's row: its sum over the cells
{
	cells_sum "[.own_cost.programs[]? | $1] | add // 0"
}
cells | xargs jq -r '.own_cost.programs[]? | "\(.name) \(.runs) \(.seconds)"'
assert_eq "the runs by program are those that were sampled" "$(own_cost bpf_sampled_runs)" "$(by_program .runs)"
assert_ge "measured by program: seconds" 0.000001 "$(by_program .seconds)"
# Not more than the estimate, which the samples are a part of; both are cut at a ns.
assert_le "measured by program: seconds" "$(own_cost bpf_cpu_seconds)" "$(by_program .seconds)"
assert_ge "sampled runs of sched_process_exec" 1 "$(by_program 'select(.name == "sched_process_exec") | .runs')"
"$EDR_BINARY" replay -c "$T/empty.conf" -i 1 --reports-dir "$T/again" "$capture" >"$T/replay.log" 2>&1 ||
	fail "the replay ended with $?"
assert "a replay gives the same reports" same_reports "$REPORTS" "$T/again"
"$EDR_BINARY" report show latest --text --reports-dir "$REPORTS" >"$T/text"
assert "the text for people has a line of it" grep -q '^Cost  *CPU: agent [0-9.]* s, BPF ' "$T/text"

# ---- killed: a checkpoint has it too

in_checkpoint()
{
	cat "$REPORTS"/checkpoint/open-* 2>/dev/null | jq -e -s 'any(.own_cost.agent_cpu_seconds)' >/dev/null 2>&1
}

fresh
agent_start --set REPORTS.checkpoint_interval=1
wait_for 20 in_checkpoint || fail "no checkpoint says what it cost"
kill -KILL "$AGENT"
wait "$AGENT" 2>/dev/null || :
told=$(cat "$REPORTS"/checkpoint/open-* | jq -s 'map(.own_cost.agent_cpu_seconds // 0) | add')
agent_start
agent_stop
first=$(cells | head -n 1)
assert_ge "the first cell has what the killed run's checkpoints told" "$told" "$(jq .own_cost.agent_cpu_seconds "$first")"

# ---- check --stats, beside an agent

fresh
agent_start
"$TRUTH/pace" exec 10000000 1 "$TRUTH/noop" 200 >"$T/load" &
load=$!
"$EDR_BINARY" check -c "$T/empty.conf" --stats --seconds 2 --json >"$T/stats" || [ $? -eq 1 ] || fail "check --stats ended with $?"
kill "$load"
wait "$load" || :
runs()
{
	jq ".programs[] | select(.name == \"$1\") | .runs" "$T/stats"
}
jq -r '.programs[] | select(.runs > 0) | "\(.name)\t\(.hook)\t\(.runs)\t\(.ns_per_run)\t\(.cpu_percent)"' "$T/stats"
jq -c .stats "$T/stats"
assert_ge "measured, s" 2 "$(jq .stats.seconds "$T/stats")"
assert_ge "runs of sched_process_exec" 50 "$(runs sched_process_exec)"
assert_ge "runs of sched_process_exit" 50 "$(runs sched_process_exit)"
assert_ge "share of a CPU" 0.001 "$(jq .stats.cpu_percent "$T/stats")"
assert "the sum is that of the rows" jq -e '.stats.runs == ([.programs[].runs] | add)' "$T/stats"
"$EDR_BINARY" check -c "$T/empty.conf" --hooks lean --stats --seconds 1 >"$T/table" || [ $? -eq 1 ] || fail "check --hooks lean --stats ended with $?"
assert "the table has a sum" grep -qE '^  sum, of one CPU +[0-9]+ ' "$T/table"
assert_eq "programs of lean hooks that hang on syscalls" 0 "$(grep -c tp/syscalls "$T/table")"
agent_stop
assert_eq "lost by the agent meanwhile" 0 "$(cells_sum .loss.total)"

# ---- without CAP_SYS_ADMIN

command -v setpriv >/dev/null 2>&1 || die "setpriv is missing: util-linux"
cat >"$T/less" <<END
#!/bin/sh
exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$EDR_BINARY" "\$@"
END
chmod 0755 "$T/less"
EDR_BINARY=$T/less
not_known='what the BPF programs cost is not in the reports'
before=$(cat $switch)
put_back()
{
	echo "$before" >$switch
}
AT_EXIT=put_back
for on in 0 1; do
	echo $on >$switch
	fresh
	: >"$T/agent.log"
	agent_start
	sleep $((on ? 3 : 12)) # until a second sample would be due; until the first one is over
	agent_stop
	echo "statistics $on: $(cells | xargs jq -c .own_cost)"
	assert_ge "statistics $on: CPU seconds of the agent" 0.01 "$(own_cost agent_cpu_seconds)"
	assert_eq "statistics $on: said to be unknown" $((1 - on)) "$(grep -c "$not_known" "$T/agent.log")"
	known=$(cells_sum 'if .own_cost.bpf_cpu_seconds == null then 0 else 1 end')
	assert_eq "statistics $on: known in some cell" $on $((known > 0))
	known=$(cells_sum 'if .own_cost.programs == null then 0 else 1 end')
	assert_eq "statistics $on: known by program in some cell" $on $((known > 0))
	put_back
done
