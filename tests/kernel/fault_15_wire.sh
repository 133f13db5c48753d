#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 15, on the way to the provider: secrets go there as they stand, and prompts are unbounded.
# Here the command lines of tests/analysis/secrets.jsonl are run, each as a program of its own so that each has a row, and
# the bytes that the server got are searched, as they came and with their escapes undone; the exchanges that were kept and
# all of analysis/ too. With redact = off they are found. Then 10,000 command lines, and what a prompt of them takes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/model.sh"

set_file=$root/tests/analysis/secrets.jsonl
tokens=200000

# What a name or a blank may stand in for in these: a number may be anybody's time.
jq -r 'def text: if type == "object" then .parts | join("") else . end;
	.secret[] | text | select(test("^[0-9]+$") | not)' "$set_file" >"$T/secrets"
jq -r 'def text: if type == "object" then .parts | join("") else . end;
	"run " + ([.argv[] | text] | @sh)' "$set_file" >"$T/lines"

run()
{
	rows=$((rows + 1))
	program=$T/bin/$rows/${1##*/}
	mkdir -p "$T/bin/$rows"
	ln "$TRUTH/noop" "$program" 2>/dev/null || cp "$TRUTH/noop" "$program"
	shift
	"$program" "$@" >/dev/null
}

run_all()
{
	rm -rf "${T:?}/bin"
	rows=0
	# shellcheck disable=SC1091 # made above
	. "$T/lines"
	agent_sync || die "the agent has gone"
}

# What the model reads: the data of each prompt, without JSON's escapes.
plain()
{
	for request in "$WIRE"/request-*; do
		sed '1,/^\r*$/d' "$request" | jq -r '.messages[1].content' | sed '1d;$d' | jq -r '.. | strings'
	done >"$T/plain"
}

secrets_in() # FILE...
{
	grep -Fahof "$T/secrets" "$@" 2>/dev/null | sort -u | wc -l
}

# ask [OPTION]...: the cells of one agent, each with room for all rows, asked about once it has stopped.
ask()
{
	fresh
	agent_start "$@"
	run_all
	agent_stop
	assert_eq "exit status" 0 "$STATUS"
	model_serve good
	for cell in $(cells); do
		"$EDR_BINARY" analyze -c "$T/empty.conf" --reports-dir "$REPORTS" --set "OPENAI.api_base=$BASE" \
			--set analysis.prompt_tokens=$tokens --set advanced.max_summary_lines=1000 \
			--set analysis.keep_exchanges=true "$@" "$(basename "$cell" .json)" >"$T/said" ||
			fail "analyze: $?"
	done
	plain
	assert_ge "requests" 1 "$(requests)"
	echo "$(cat "$WIRE"/request-* | wc -c) bytes on the wire, $(wc -l <"$T/secrets") secrets"
}

ask
assert_eq "secrets on the wire" 0 "$(secrets_in "$WIRE"/request-*)"
assert_eq "secrets in what the model reads" 0 "$(secrets_in "$T/plain")"
assert_eq "files of analysis/ with a secret" "" "$(grep -rlFaf "$T/secrets" "$REPORTS/analysis")"
assert_ge "exchanges kept" 1 "$(cat "$REPORTS"/analysis/exchanges-*.jsonl | wc -l)"
assert_eq "secrets in what analyze says" 0 "$(secrets_in "$T/said")"
assert_ge "tags in what the model reads" $((rows / 2)) "$(grep -c '%secret:' "$T/plain")"

ask --set analysis.redact=off
assert_ge "off, to this host: secrets that the search finds" $(($(wc -l <"$T/secrets") * 8 / 10)) "$(secrets_in "$T/plain")"

# As the agent asks by itself, and with the room it has when nobody says otherwise: 3 bytes a token.
fresh
model_serve good
agent_start
seq 10000 | xargs -n 1 "$TRUTH/noop" --a-line-of-its-own
agent_sync || die "the agent has gone"
agent_stop
assert_ge "execs in the reports" 10000 "$(cells_sum .counts.exec.delivered)"
model_agent
wait_for 30 requests_reach 1 || fail "the server was not asked"
agent_stop
for request in "$WIRE"/request-*; do
	assert_le "bytes of a prompt" $((6000 * 3)) "$(sed '1,/^\r*$/d' "$request" | wc -c)"
done
plain
assert_ge "some of the lines are in it" 1 "$(grep -c 'a-line-of-its-own' "$T/plain")"
