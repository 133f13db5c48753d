#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The ftrace source beside the ground truth: every exec, fork, exit and TCP connect is there and nothing else; what the
# names and arguments are worth on this kernel is printed. Nothing of ours is left in tracefs.
. "$(dirname "$0")/lib.sh"

tracefs=/sys/kernel/tracing
[ -e $tracefs/instances ] || skip "tracefs is not mounted, or has no instances"
before=$(ls $tracefs/instances; cat $tracefs/dynamic_events $tracefs/set_event 2>/dev/null)
mkdir "$T/truth"

agent_start --source ftrace --set advanced.list_threads=true
grep ' off: ' "$T/agent.log" || :
for scenario in literal vfork spawn execveat_fd script chain exec_thread name_forged args_hostile args_limit fork clone \
	clone3 threads prctl_forged double_fork exit_code exit_signal leader_first tcp4 tcp4_refused; do
	"$TRUTH/truth" $scenario "${EDR_TRUTH_TIMES:-200}" "truth-$$-$scenario" >"$T/truth/$scenario" 2>"$T/truth.err" ||
		die "the scenario $scenario failed: $(cat "$T/truth.err")"
done
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status" 0 $STATUS
assert_eq "lost in the kernel" 0 "$(cells_sum .loss.total)"
assert_balance

cat "$T"/truth/* >"$T/truth.jsonl"
"$TRUTH/compare" default "$T/truth.jsonl" "$EVENTS" >"$T/table" || :
grep -E '^[a-z0-9_]+ +[0-9]|^default' "$T/table"
for column in extra:8 missing:9; do
	assert_eq "${column%:*}" 0 "$(awk -v c="${column#*:}" '$1 == "all" { print $c }' "$T/table")"
done
# The file's name as given and the process's own name do not depend on /proc.
assert_eq "wrong names" 0 "$(grep -cE '^  [a-z0-9_]+: (command|filename|comm) is wrong' "$T/table")"
for flag in args_from_probe args_from_call args_from_proc args_unreadable exe_unresolved ids_inherited; do
	echo "$flag: $(events_count ".type == \"exec\" and ((.record_flags // []) | index(\"$flag\"))") of $(events_count '.type == "exec"') execs"
done

after=$(ls $tracefs/instances; cat $tracefs/dynamic_events $tracefs/set_event 2>/dev/null)
assert_eq "tracefs, before and after" "$before" "$after"
