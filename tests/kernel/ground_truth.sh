#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ground_truth.sh default|lean: each scenario of tests/truth, 1,000 times, beside what the agent said.
#
# Fewer times only where one run is large: arguments that are cut (up to 130 kB a line); and calls that fail at once with
# long names and arguments, which come faster than a file on a busy host takes their lines.
. "$(dirname "$0")/lib.sh"

mode=$1
mkdir "$T/truth"
left_out=

times_of() # SCENARIO
{
	case $1 in
	args_10000_long | arg_100000 | fail_enametoolong) echo "${EDR_TRUTH_FEW:-200}" ;;
	fail_e2big) echo "${EDR_TRUTH_FEW:-50}" ;;
	*) echo "${EDR_TRUTH_TIMES:-1000}" ;;
	esac
}

run_scenario() # NAME
{
	status=0
	"$TRUTH/truth" "$1" "$(times_of "$1")" "truth-$$-$1" >"$T/truth/$1" 2>"$T/truth.err" || status=$?
	case $status in
	0) ;;
	77)
		left_out="$left_out $1"
		rm "$T/truth/$1"
		echo "left out: $1: $(cat "$T/truth.err")" ;;
	*) die "the scenario $1 ended with $status: $(cat "$T/truth.err")" ;;
	esac
}

"$TRUTH/truth" --list >"$T/list"
# Calls that the configuration must name are syscalls.sh's affair.
agent_start --hooks "$mode" --set advanced.list_threads=true
start=$(now_ms)
# EDR_TRUTH_ONLY: a list of scenarios instead of all, for a person.
for scenario in ${EDR_TRUTH_ONLY:-$(cut -d ' ' -f 1 "$T/list" | grep -vx syscalls)}; do
	run_scenario "$scenario"
done
echo "done in $(($(now_ms) - start)) ms"
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status" 0 $STATUS
assert_eq "lost in the kernel" 0 "$(cells_sum .loss.total)"
assert_eq "lines that --output did not take" 0 "$(output_lost)"
cells | xargs jq -c .loss.by_type
grep -v -e ' interim ' -e ' info report: ' "$T/agent.log"

cat "$T"/truth/* >"$T/truth.jsonl"
status=0
"$TRUTH/compare" "$mode" "$T/truth.jsonl" "$EVENTS" || status=$?
assert_eq "compare" 0 $status
[ -z "$left_out" ] || echo "left out, for this host cannot do them:$left_out"
