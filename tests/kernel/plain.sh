#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The object without CO-RE relocations beside the ground truth: nothing missing, nothing invented, all arguments and
# addresses right. What it cannot know of a program that is gone (resolved path, effective ids, ...) docs/sources.md says;
# so `compare` finds differences, and its table is read instead of its verdict.
. "$(dirname "$0")/lib.sh"

agent_start --source bpf-plain --set advanced.list_threads=true
"$TRUTH/truth" --list | cut -d ' ' -f 1 | grep -vx syscalls >"$T/list"
while read -r scenario; do
	status=0
	"$TRUTH/truth" "$scenario" "${EDR_TRUTH_TIMES:-50}" "plain-$$-$scenario" >"$T/one" 2>"$T/truth.err" </dev/null ||
		status=$?
	case $status in
	0) cat "$T/one" >>"$T/truth.jsonl" ;;
	77) echo "left out: $scenario: $(cat "$T/truth.err")" ;;
	*) die "the scenario $scenario ended with $status: $(cat "$T/truth.err")" ;;
	esac
done <"$T/list"
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_balance
assert_eq "lost in the kernel" 0 "$(cells_sum .loss.total)"
assert_eq "source in the reports" '"bpf-plain"' "$(cells | xargs jq -c .source | sort -u)"
assert_ge "what this way cannot see, in the reports" 4 "$(cells_sum '.degraded | length')"

"$TRUTH/compare" default "$T/truth.jsonl" "$EVENTS" >"$T/compare" || :
grep '^all ' "$T/compare"
# scenario expected found names arguments addresses other extra missing unseen
column() # NUMBER
{
	awk -v n="$1" '$1 == "all" { print $n }' "$T/compare"
}
assert_eq "found" "$(column 2)" "$(column 3)"
assert_eq "events that nobody caused" 0 "$(column 8)"
assert_eq "missing" 0 "$(column 9)"
for n in 5 6; do
	right=$(column $n)
	assert_eq "arguments (5) and addresses (6) right: column $n" "${right#*/}" "${right%/*}"
done
grep -E '^  .* is wrong$' "$T/compare" | sed 's/^  [^:]*: //' | sort | uniq -c

# Without being asked it takes the CO-RE object, where that can be had.
fresh
agent_start --source auto
agent_stop
assert_eq "auto takes the best" '"bpf"' "$(cells | xargs jq -c .source | sort -u)"
