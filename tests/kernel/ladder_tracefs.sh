#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Where tracefs is not mounted, `auto` mounts it before it looks what this host can do: the best way is taken all the same, and
# it is not mounted at the end.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tracefs.sh"

hold_without /sys/kernel/debug/tracing /sys/kernel/debug /sys/kernel/tracing
bare()
{
	! grep -qF ' - tracefs ' "/proc/$holder/mountinfo"
}
bare || skip "tracefs cannot be unmounted in a namespace"
agent_start --source auto
assert "it is mounted while we run" grep -qF ' - tracefs linux-edr-bpf ' "/proc/$holder/mountinfo"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_eq "source in the reports" '"bpf"' "$(cells | xargs jq -c .source | sort -u)"
assert_eq "what is off for want of tracefs" 0 "$(cells_sum '[.degraded[] | select(contains("tracefs"))] | length')"
assert "it is not mounted at the end" bare

fresh
agent_start --source auto
agent_stop KILL
assert "killed: it is still mounted" grep -qF ' - tracefs linux-edr-bpf ' "/proc/$holder/mountinfo"
fresh
agent_start --source auto
agent_stop
assert "after kill -9, a restart and SIGTERM: it is not mounted at the end" bare

# What a killed ftrace agent has left in tracefs is there, mounted or not.
fresh
SOURCE=ftrace
agent_start
agent_stop KILL
SOURCE=
assert "a killed ftrace agent has left something" test -d "$ours"
$LAUNCH umount -l /sys/kernel/tracing || die "it cannot be unmounted"
assert "and tracefs is not mounted" bare
fresh
agent_start --source bpf
assert "what watches next, without tracefs, has removed it" ours_left
agent_stop
assert "it is not mounted at the end" bare

# A check looks as an agent would, and leaves it as it was.
check() # WHAT
{
	$LAUNCH "$EDR_BINARY" check -c "$T/empty.conf" >"$T/check-$1" 2>&1 || cat "$T/check-$1"
}
way_is() # WAY STATE WHAT
{
	grep -qE "^ +$2 +$1( |\$)" "$T/check-$3"
}
check alone
assert "check: bpf would be used" way_is bpf taken alone
assert "check: says that the agent mounts it" grep -q "not mounted; the agent mounts it" "$T/check-alone"
assert "check: it is not mounted afterwards" bare

fresh
agent_start --source auto
check beside
assert "check beside an agent: it stays mounted" grep -qF ' - tracefs linux-edr-bpf ' "/proc/$holder/mountinfo"
agent_stop
assert "check beside an agent: it is not mounted when that has ended" bare

# debugfs mounts it in itself when somebody looks for a file there, and it would stay.
$LAUNCH mount -t debugfs debugfs /sys/kernel/debug || die "debugfs cannot be mounted"
for source in auto ftrace; do
	fresh
	agent_start --source $source
	agent_stop
	assert "debugfs, $source: it is not mounted at the end" bare
done
check debugfs
assert "debugfs, check: it is not mounted afterwards" bare
