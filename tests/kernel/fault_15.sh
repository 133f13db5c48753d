#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 15: secrets in arguments go to the disk as they stand. Here real programs are run with each
# command line of tests/analysis/secrets.jsonl, of commands that cannot be run too, and of one that ran before the agent;
# then reports, checkpoints, --output, --record, the log and standard output are searched for the secrets' bytes.
# With redact = off they are found, which shows that the search finds, and it is said loudly.
. "$(dirname "$0")/lib.sh"

set_file=$root/tests/analysis/secrets.jsonl
capture=$T/capture

# What a name or a blank may stand in for in these: a number may be anybody's time.
jq -r 'def text: if type == "object" then .parts | join("") else . end;
	.secret[] | text | select(test("^[0-9]+$") | not)' "$set_file" >"$T/secrets"
printf '%s\n' EXAMPLEbefore EXAMPLEfailed EXAMPLEasname EXAMPLEstdout >>"$T/secrets"
jq -r 'def text: if type == "object" then .parts | join("") else . end;
	"run " + ([.argv[] | text] | @sh)' "$set_file" >"$T/lines"

mkdir "$T/bin"
run()
{
	program=$T/bin/${1##*/}
	[ -e "$program" ] || ln "$TRUTH/noop" "$program" 2>/dev/null || cp "$TRUTH/noop" "$program"
	shift
	"$program" "$@" >/dev/null
}

run_all()
{
	# shellcheck disable=SC1091 # made above
	. "$T/lines"
	run_count=$(wc -l <"$set_file")
	"$T/bin/none-such" --password=EXAMPLEfailed 2>/dev/null || :
	"$T/bin/mysql -pEXAMPLEasname shop" 2>/dev/null || :
	agent_sync || die "the agent has gone"
}

# Files of those given that hold a secret, and how many of them they hold.
holders()
{
	find "$@" -type f -exec grep -lFaf "$T/secrets" {} + | sort
}

# A shell that waits, with arguments.
sh -c 'sleep 60; :' waiter --password=EXAMPLEbefore &
waiter=$!
AT_EXIT="kill $waiter"

agent_start --record "$capture" -d --stdout --set reports.checkpoint_interval=1
run_all
sleep 2 # a checkpoint
assert_ge "checkpoints that are searched" 1 "$(find "$REPORTS/checkpoint" -type f 2>/dev/null | wc -l)"
assert_eq "checkpoints with a secret" "" "$(holders "$REPORTS")"
agent_stop
assert_eq "exit status" 0 "$STATUS"
echo "$run_count command lines, $(wc -l <"$T/secrets") secrets"
echo "searched: $(find "$REPORTS" "$EVENTS" "$capture" "$T/agent.log" "$T/agent.out" -type f | wc -l) files," \
	"$(cat "$EVENTS" "$capture" "$T/agent.log" "$T/agent.out" | wc -c) bytes beside the reports"
assert_eq "files with a secret" "" "$(holders "$REPORTS" "$EVENTS" "$capture" "$T/agent.log" "$T/agent.out")"
assert_ge "records with a tag in --output" "$((run_count / 2))" \
	"$(events_count '(.record_flags // []) | index("redacted")')"
assert_ge "lines with a tag in the log" "$((run_count / 2))" "$(grep -c '%secret:' "$T/agent.log")"
assert_ge "of the process that was there before, in the capture" 1 \
	"$(grep -ac 'waiter.--password=%secret:option:' "$capture")"
assert_ge "in reports: records" "$run_count" "$(cells_sum .redaction.records)"
# shellcheck disable=SC2046 # our own names, without blanks
assert_eq "in reports: mode" on "$(jq -r .redaction.mode $(cells) | sort -u)"
assert_eq "the key's mode and size" "600 65" "$(stat -c '%a %s' "$REPORTS/analysis/redact.key")"
assert "report verify" "$EDR_BINARY" report verify --reports-dir "$REPORTS"
tag=$(grep -ao 'EXAMPLE-hunter2\|deploy:%secret:url:[0-9a-f]\{12\}%' "$EVENTS" | sort -u)
assert_eq "one secret has one tag" 1 "$(echo "$tag" | grep -c .)"

"$EDR_BINARY" replay -c "$T/empty.conf" -i 1 --reports-dir "$T/replayed" "$capture" >"$T/replay.log" 2>&1 ||
	fail "the replay ended with $?"
assert "the replay gives the reports of the live run" same_reports "$REPORTS" "$T/replayed"
assert "and makes no key" test ! -e "$T/replayed/analysis"

# The same key again, and the same tags.
agent_start
run curl -sS 'https://deploy:EXAMPLE-hunter2@api.example.org/v1/status'
agent_sync
agent_stop
assert_eq "the next run's tags" "$tag" "$(grep -ao 'deploy:%secret:url:[0-9a-f]\{12\}%' "$EVENTS" | sort -u)"

fresh
: >"$T/agent.log"
agent_start --set analysis.redact=off
run_all
agent_stop
assert "off: it is said" grep -q 'warning run: redact = off' "$T/agent.log"
# shellcheck disable=SC2046 # our own names, without blanks
assert_eq "off: in reports" off "$(jq -r .redaction.mode $(cells) | sort -u)"
assert_eq "off: redacted" 0 "$(cells_sum .redaction.records)"
assert_ge "off: secrets that the search finds" "$(($(wc -l <"$T/secrets") * 9 / 10))" \
	"$(grep -Faof "$T/secrets" "$EVENTS" | sort -u | wc -l)"
