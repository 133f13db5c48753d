#!/bin/sh
# SPDX-License-Identifier: MIT
#
# test_compare.sh COMPARE
#
# Can `compare` fail? It is given a truth, a report that is right, and one for each way to be wrong.
set -eu
compare=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/truth" <<'END'
{"scenario":"s","n":0,"type":"exec","pid":7,"after":1000000000000000000,"before":1000000000100000000,"want":{"command":"noop","interpreter":{"absent":true},"args":["a",{"hex":"22ff0af48fbc80"}],"argv0":null,"exec_flags":["memfd","deleted"],"run_time_ns_max":5,"parent_start_ns_tick":70000000},"lean":{"command":"lean"}}
{"scenario":"s","n":0,"type":"connect","pid":7,"after":1000000000000000000,"before":1000000000100000000,"want":{"address":"127.0.0.1:80","port":80,"result":null},"lean_unseen":{}}
{"scenario":"s","n":0,"type":"own","pid":7,"after":1000000000000000000,"before":1000000000100000000,"want":{}}
END
# "\xff\n and the four bytes of U+10FF00 as the agent writes them: each byte that is not UTF-8 by itself
f=$(printf '\364\217\277\277\\n\364\217\277\264\364\217\276\217\364\217\276\274\364\217\276\200')
cat >"$tmp/good" <<END
{"type":"exec","timestamp":"2001-09-09T01:46:40.000000001Z","pid":7,"command":"noop","args":["a","\\"$f"],"argv0":null,"exec_flags":["deleted","memfd"],"run_time_ns":5,"parent_start_ns":70000001,"non_utf8":true}
{"type":"connect","timestamp":"2001-09-09T01:46:40.000000002Z","pid":7,"address":"127.0.0.1:80","port":80,"result":null}
{"type":"exec","timestamp":"2001-09-09T01:46:40.000000002Z","pid":8,"command":"someone else"}
END

failed=0

# expect STATUS WHAT [SED_SCRIPT]: the report, so changed, must be judged so in the mode $mode.
mode=default
json=$tmp/json
expect()
{
	sed "${3-}" "$tmp/good" >"$tmp/events"
	status=0
	"$compare" --json "$json" "$mode" "$tmp/truth" "$tmp/events" >"$tmp/out" 2>&1 || status=$?
	if [ "$status" -ne "$1" ]; then
		echo "$2: judged $status, not $1:"
		cat "$tmp/out"
		failed=1
	fi
}

expect 0 "a right report"
expect 1 "a wrong name" 's/"command":"noop"/"command":"noon"/'
expect 1 "a wrong argument" 's/"args":\["a"/"args":["b"/'
expect 1 "an argument too few" 's/"args":\["a",/"args":[/'
expect 1 "an argument too many" 's/"args":\[/"args":["a",/'
expect 1 "a hostile byte that is another" "s/$(printf '\364\217\277\277')/$(printf '\364\217\277\276')/"
expect 1 "hostile bytes without their mark" 's/,"non_utf8":true//'
expect 1 "a mark without hostile bytes" 's/"result":null/"result":null,"non_utf8":true/'
expect 1 "a name that is missing" 's/"command":"noop",//'
expect 1 "a key that must be absent" 's/"command":"noop"/"command":"noop","interpreter":"x"/'
expect 1 "a value instead of null" 's/"argv0":null/"argv0":"x"/'
expect 1 "null instead of a value" 's/"port":80/"port":null/'
expect 1 "a number as a string" 's/"port":80/"port":"80"/'
expect 1 "a wrong address" 's/127.0.0.1:80/127.0.0.2:80/'
expect 1 "a flag too few" 's/"deleted",//'
expect 1 "a flag too many" 's/"deleted",/"deleted","setuid",/'
expect 1 "more than the maximum" 's/"run_time_ns":5/"run_time_ns":6/'
expect 1 "before the tick" 's/70000001/69999999/'
expect 1 "after the tick" 's/70000001/80000001/'
expect 1 "a record flag that nobody allows" 's/"non_utf8"/"record_flags":["args_unreadable"],"non_utf8"/'
expect 1 "wrongly said to be truncated" 's/"non_utf8"/"record_flags":["truncated"],"non_utf8"/'
expect 1 "a missing event" 1d
expect 1 "an event twice" '1{p}'
expect 1 "an invented event" 's/"pid":8/"pid":7/'
expect 1 "another process" 's/"pid":7,"command"/"pid":9,"command"/'
expect 1 "another time" 's/40.000000001Z/42.000000001Z/'
expect 1 "a time that is none" 's/40.000000001Z/40Z/'
expect 1 "half a line" '1s/,"args.*//'
expect 1 "two events in a line" '1{N;s/\n//}'
expect 1 "no report at all" '/./d'
mode=lean
expect 1 "a member that differs in this mode" 2d
expect 1 "an event that this mode does not see" 's/"command":"noop"/"command":"lean"/'
expect 0 "a right report in this mode" 's/"command":"noop"/"command":"lean"/;2d'

mode=default
expect 1 "a wrong name, counted" 's/"command":"noop"/"command":"noon"/'
for figures in \
	'"exec":{"expected":1,"unseen":0,"found":1,"right":0,"names":1,"names_right":0,"names_marked":0,"args":1,' \
	'"connect":{"expected":1,"unseen":0,"found":1,"right":1,'; do
	if ! grep -qF "$figures" "$json"; then
		echo "the JSON is without $figures:"
		cat "$json"
		failed=1
	fi
done

mode=ftrace-no-probes
expect 0 "a right report in a way that marks"
expect 1 "a wrong argument in it" 's/"args":\["a"/"args":["b"/'
expect 1 "a missing event in it" 2d
flags() # WORD...: as record_flags
{
	printf 's/"non_utf8"/"record_flags":[%s],"non_utf8"/' "$(printf '"%s",' "$@" | sed 's/,$//')"
}
wrong='s/"args":\["a"/"args":["b"/'
expect 0 "a wrong argument that the record says is one" "$wrong;$(flags truncated)"
grep -qF '"args":1,"args_right":0,"args_marked":1,' "$json" || {
	echo "the JSON does not tell what is marked:"
	cat "$json"
	failed=1
}

mode=ftrace
expect 1 "within the limits of the probes, and not from one"
expect 1 "within the limits, and wrong" "$wrong;$(flags args_from_probe truncated)"
sed 's/"want":{"command"/"may_args_from_probe":{},&/' "$tmp/truth" >"$tmp/plain"
cp "$tmp/plain" "$tmp/truth"
expect 0 "within the limits, and from a probe" "$(flags args_from_probe)"
sed 's/"argv0":null,"exec/"argv_bytes":2561,&/' "$tmp/plain" >"$tmp/truth"
long='s/"run_time_ns"/"argv_bytes":2561,&/'
expect 0 "beyond the limits, and marked" "$long;$wrong;$(flags args_from_probe truncated)"
grep -qF '"fits":0,"fits_right":0,"unmarked":0,' "$json" || {
	echo "the JSON does not tell of the limits:"
	cat "$json"
	failed=1
}
expect 1 "beyond the limits, and wrong without a mark" "$long;$wrong;$(flags args_from_probe)"
cp "$tmp/plain" "$tmp/truth"
sed -i 's/"lean_unseen":{}/"ftrace_unseen":{}/' "$tmp/truth"
expect 0 "an event that this way may miss" "$(flags args_from_probe);2d"
expect 0 "and may see" "$(flags args_from_probe)"
mode=none
expect 2 "no such mode"

: >"$tmp/truth"
expect 2 "no truth"
exit $failed
