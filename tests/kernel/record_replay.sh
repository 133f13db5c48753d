#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A recording replayed gives the reports of the live run, byte for byte, each time; under valgrind and the sanitizers too.
# Captures that are cut, damaged, of another version: what could be read is reported, exit status 65.
. "$(dirname "$0")/lib.sh"

capture=$T/capture
asan=${EDR_ASAN_BINARY:-$root/build-asan/linux-edr-bpf}

agent_start --record "$capture" --set advanced.list_threads=true
for scenario in literal script memfd exec_thread args_hostile args_10000_long name_hostile double_fork pid_namespace \
	threads path_search exit_signal tcp4 tcp4_progress_refused udp6 unix_abstract container deep; do
	status=0
	"$TRUTH/truth" $scenario 30 "replay-$$" >/dev/null || status=$?
	[ $status -eq 0 ] || [ $status -eq 77 ] || die "$scenario ended with $status"
done
agent_sync || die "the agent has gone"
agent_stop
assert_eq "exit status of the run" 0 "$STATUS"
echo "$(stat -c %s "$capture") bytes; reports: $(report_files "$REPORTS" | wc -l)"

# replay_to DIRECTORY PROGRAM...: its exit status is in STATUS, what it says in DIRECTORY.log.
replay_to()
{
	dir=$1
	shift
	STATUS=0
	"$@" replay -c "$T/empty.conf" -i 1 --set advanced.list_threads=true --reports-dir "$dir" "${file:-$capture}" \
		>"$dir.log" 2>&1 || STATUS=$?
}

start=$(now_ms)
replay_to "$T/first" "$EDR_BINARY"
echo "replayed in $(($(now_ms) - start)) ms: $(tail -n 1 "$T/first.log")"
assert_eq "exit status of the replay" 0 "$STATUS"
assert "the replay gives the reports of the live run" same_reports "$REPORTS" "$T/first"
replay_to "$T/second" "$EDR_BINARY"
assert "a second replay gives them too" same_reports "$REPORTS" "$T/second"

if command -v valgrind >/dev/null 2>&1; then
	start=$(now_ms)
	replay_to "$T/valgrind" valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
		"$EDR_BINARY"
	echo "under valgrind in $(($(now_ms) - start)) ms"
	assert_eq "exit status under valgrind" 0 "$STATUS"
	grep '^==' "$T/valgrind.log" | head -n 40
	assert "and the same reports" same_reports "$REPORTS" "$T/valgrind"
else
	fail "valgrind is missing: scripts/deps test"
fi

if [ -x "$asan" ]; then
	replay_to "$T/asan" "$asan"
	assert_eq "exit status under the sanitizers" 0 "$STATUS"
	grep -A 20 -e 'ERROR: ' -e 'runtime error' "$T/asan.log" | head -n 40
	assert "and the same reports" same_reports "$REPORTS" "$T/asan"
else
	echo "not under the sanitizers: scripts/test --asan has not built them"
fi

# damaged WHAT WORDS: the file in $file must be refused or reported in part, with those words in the log.
damaged()
{
	rm -rf "$T/damaged"
	replay_to "$T/damaged" "$EDR_BINARY"
	assert_eq "$1: exit status" 65 "$STATUS"
	assert "$1: it says: $2" grep -qE -- "$2" "$T/damaged.log"
	grep -E -- "$2" "$T/damaged.log" | tail -n 1
	report_files "$T/damaged" | while read -r report; do
		jq -e .level "$report" >/dev/null || echo "broken: $report"
	done | grep . && fail "$1: a report does not parse"
	:
}

# put OFFSET BYTES: overwrites some bytes of $file.
put()
{
	printf '%b' "$2" | dd of="$file" bs=1 seek="$1" conv=notrunc status=none
}

size=$(stat -c %s "$capture")
file=$T/bad
for cut in $((size - 1)) $((size - 39)) $((size / 2)) 100; do
	head -c "$cut" "$capture" >"$file"
	damaged "cut at $cut of $size bytes" 'after [0-9]+ records'
done
assert_ge "half a capture is reported: records" 1 \
	"$(head -c $((size / 2)) "$capture" >"$file"; replay_to "$T/half" "$EDR_BINARY"; sed -n 's/.*: \([0-9]*\) records,.*/\1/p' "$T/half.log")"

cp "$capture" "$file"
# More than the longest record has, so that it must hit where one begins.
head -c 65536 /dev/urandom | dd of="$file" bs=64k seek=$((size / 3)) oflag=seek_bytes conv=notrunc status=none
damaged "65,536 bytes of garbage inside" 'after [0-9]+ records'
cp "$capture" "$file"
put 8 '\002\000'
damaged "a newer version" 'version 2'
put 8 '\000\000'
damaged "an older version" 'version 0'
cp "$capture" "$file"
put 16 '\011'
damaged "a newer wire version" 'wire version 9'
cp "$capture" "$file"
put 12 '\001\002\003\004'
damaged "another byte order" 'byte order'
head -c 100000 /dev/urandom >"$file"
damaged "no capture at all" 'not a capture'
: >"$file"
damaged "an empty file" 'not a capture'
