#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Time is data: only where events come from, in the commands and in the log may a clock be read.  Waiting with a limit
# (util/mono.h) is for those that write outside; what events become may not depend on it.
#
# test_clock.sh         judges this tree, after trying itself on planted violations
# test_clock.sh ROOT    only judges ROOT/src
set -eu

may_read_clocks='^(source/|cli/|client/|util/(log|mono)\\.c$)'
may_wait='^((source|sink|analyze|cli|util)/|report/(writer|space)\\.c$)'
clocks='clock_gettime|clock|gettimeofday|timespec_get|ftime|time'

# judge ROOT: prints each violation; fails when there is one.
judge()
{
	(
		cd "$1/src"
		# shellcheck disable=SC2016 # these are awk's
		find . -name '*.[ch]' | sed 's,^\./,,' | sort | xargs awk -v clocks="$clocks" \
			-v may_read_clocks="$may_read_clocks" -v may_wait="$may_wait" '
			function bad(why) { print "src/" FILENAME ":" FNR ": " why; failed = 1 }
			FNR == 1 { comment = 0 }
			/^[ \t]*#[ \t]*include.*util\/mono\.h/ && FILENAME !~ may_wait { bad("may not wait: " $0) }
			FILENAME ~ may_read_clocks { next }
			{
				# Without strings and comments; the leading space stands for "no name before".
				line = " " $0
				gsub(/\\./, "", line)
				gsub(/"[^"]*"/, "\"\"", line)
				if (comment) {
					if (line !~ /\*\//)
						next
					sub(/^.*\*\//, " ", line)
					comment = 0
				}
				gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", line)
				sub(/\/\/.*/, "", line)
				if (line ~ /\/\*/) {
					sub(/\/\*.*/, "", line)
					comment = 1
				}
				# A member of that name (s->time(), s.time()) is no clock.
				if (line ~ "[^A-Za-z0-9_.>](" clocks ")[ \t]*\\(")
					bad("reads a clock:" line)
			}
			END { exit failed }
		'
	)
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# expect VERDICT FILE LINES: what would this test say of those lines in that file?
expect()
{
	rm -rf "$tmp/tree"
	mkdir -p "$tmp/tree/src/$(dirname "$2")"
	printf '%b\n' "$3" >"$tmp/tree/src/$2"
	verdict=good
	judge "$tmp/tree" >/dev/null || verdict=bad
	if [ $verdict != "$1" ]; then
		echo "this test calls '$3' in $2 $verdict"
		exit 1
	fi
}

if [ $# -eq 0 ]; then
	expect bad cell/a.c '\tclock_gettime(CLOCK_REALTIME, &ts);'
	expect bad cell/a.c 'time(NULL);'
	expect bad cell/a.c '\tnow = time (NULL);'
	expect bad cell/a.h '\treturn gettimeofday(&tv, NULL);'
	expect bad util/json.c '\tx = clock();'
	expect bad cell/a.c '\tf("text"); /* run time (s) */ y = time(NULL);'
	expect bad cell/a.c '/*\n * long\n */ x = time(NULL);'
	expect bad cell/a.c '#include "util/mono.h"'
	expect good sink/a.c '#include "util/mono.h"'
	expect good report/writer.c '#include "util/mono.h"'
	expect bad report/cell_json.c '#include "util/mono.h"'
	expect good source/bpf.c '\tclock_gettime(CLOCK_BOOTTIME, &ts);'
	expect good cli/run.c '\tnow = time(NULL);'
	expect good util/log.c '\tclock_gettime(CLOCK_REALTIME, &ts);'
	expect good cell/a.c '\truntime(3); cell_time(c); /* time(NULL) */'
	expect good cell/a.c '/*\n * time(NULL)\n */'
	expect good cell/a.c '// time(NULL)'
	expect good cell/a.c '\tlog_info("cell", "run \\"time(s)\\"");'
	expect good cell/a.c '\tc->time(c);'
	set -- .
fi
judge "$1"
