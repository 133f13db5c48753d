#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 1: of 400 known commands it had the right name of none, and the right arguments of none. Here
# each has another name and other arguments, and is gone after a fraction of a millisecond.
. "$(dirname "$0")/lib.sh"

name=command-$$- # another run of this test may be under way
mkdir "$T/bin"
i=1
while [ $i -le 400 ]; do
	ln "$TRUTH/noop" "$T/bin/$name$i" 2>/dev/null || cp "$TRUTH/noop" "$T/bin/$name$i"
	i=$((i + 1))
done

agent_start
i=1
while [ $i -le 400 ]; do
	"$T/bin/$name$i" "$i" "the \"$i\"th" '' "a b	c" "--x=$((i * 7))"
	i=$((i + 1))
done
agent_sync || die "the agent has gone"
agent_stop

# Without a probe for them, ftrace has the arguments from /proc, where they are gone with the process: then it says so.
arguments_right=400
if [ "$SOURCE" = ftrace ]; then
	no_probe=$(events_off "arguments of an exec are read from /proc")
	assert_eq "execs that do not say where their arguments came from" 0 "$(events_count '.type == "exec"
		and (.record_flags // [] | (index("args_from_probe") or index("args_from_call") or index("args_from_proc") or index("args_unreadable")) | not)')"
	[ "$no_probe" -eq 0 ] || arguments_right=
fi
jq -n --arg name "$name" '[inputs | select(.type == "exec" and (.command | startswith($name)))
	| .command as $c | .args[0] as $i
	| select($c == $name + $i and .args == [$i, "the \"" + $i + "\"th", "", "a b\tc", "--x=\(($i | tonumber) * 7)"])
	| $c] | unique | length' "$EVENTS" >"$T/right"
if [ -n "$arguments_right" ]; then
	assert_eq "commands with the right name and the right arguments" $arguments_right "$(cat "$T/right")"
else
	echo "no probe for arguments here: right for $(cat "$T/right") of 400"
	assert_eq "wrong arguments that are not marked" 0 "$(jq -n --arg name "$name" '[inputs | select(.type == "exec" and (.command | startswith($name)))
		| select(.record_flags // [] | index("args_unreadable") | not) | (.command | ltrimstr($name)) as $i
		| select(.args != [$i, "the \"" + $i + "\"th", "", "a b\tc", "--x=\(($i | tonumber) * 7)"])] | length' "$EVENTS")"
fi
assert_eq "execs of them" 400 "$(events_count ".type == \"exec\" and (.command | startswith(\"$name\"))")"
assert_eq "with the right name in command_counts of the report" 400 \
	"$(cells_sum "[.command_counts | to_entries[] | select((.key | startswith(\"$name\")) and .value == 1)] | length")"
