#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Data flows one way: a room includes nothing from a room to its right.
#
# test_includes.sh         judges this tree, after trying itself on planted violations
# test_includes.sh ROOT    only judges ROOT/src
set -eu

# The rule: a room, and the rooms it may include besides itself, `edr` (include/edr) and `util`.
# The order is that of the data, but for one thing: a source checks and builds records before it hands them on, so
# `wire` comes first. `conf` and `sink` are included by `cli` alone. `client` is another program: it has the protocol and the
# limits from `analyze`, and nothing of ours is linked to it.
allowed()
{
	cat <<'END'
util:
wire:
source:  wire
proc:    wire source
detect:  wire source proc
redact:  wire
cell:    wire source proc detect redact
report:  wire source proc detect redact cell
analyze: wire source proc detect redact cell report
sink:    wire source proc detect redact cell report analyze
client:  analyze
conf:
cli:     wire source proc detect redact cell report analyze sink conf
END
}

# judge ROOT: prints each violation; fails when there is one.
judge()
{
	(
		cd "$1/src"
		allowed >"$tmp/allowed"
		# shellcheck disable=SC2016 # these are awk's
		find . -name '*.[ch]' | sed 's,^\./,,' | sort | xargs awk '
			FNR == NR {
				room = $1
				sub(/:$/, "", room)
				rooms[room] = 1
				may[room, room] = may[room, "util"] = may[room, "edr"] = 1
				if (room == "util")
					delete may[room, "edr"]
				for (i = 2; i <= NF; i++)
					may[room, $i] = 1
				next
			}
			function bad(why) { print "src/" FILENAME ":" FNR ": " why; failed = 1 }
			FNR == 1 {
				room = FILENAME
				sub(/\/.*/, "", room)
				if (!(room in rooms))
					bad("the room " room " is not in the table of this test")
			}
			/^[ \t]*#[ \t]*include/ {
				what = $0
				sub(/^[ \t]*#[ \t]*include[ \t]*/, "", what)
				if (what !~ /^["<]/) { bad("cannot tell what this includes"); next }
				quoted = substr(what, 1, 1) == "\""
				sub(/^["<]/, "", what)
				sub(/[">].*/, "", what)
				if (what ~ /(^|\/)\.\.?\//) { bad("include from src/ or include/ on: " what); next }
				if (what !~ /\//)
					next
				from = what
				sub(/\/.*/, "", from)
				if ((quoted || from in rooms) && !((room, from) in may))
					bad(room " may not include " what)
			}
			END { exit failed }
		' "$tmp/allowed"
	)
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# expect VERDICT FILE LINE: what would this test say of that line in that file?
expect()
{
	rm -rf "$tmp/tree"
	mkdir -p "$tmp/tree/src/$(dirname "$2")"
	printf '/* first */\n%s\n' "$3" >"$tmp/tree/src/$2"
	verdict=good
	judge "$tmp/tree" >/dev/null || verdict=bad
	if [ $verdict != "$1" ]; then
		echo "this test calls '$3' in $2 $verdict"
		exit 1
	fi
}

if [ $# -eq 0 ]; then
	expect good wire/a.c '#include "wire/json.h"'
	expect good source/a.c '#include "wire/wire.h"'
	expect bad wire/a.c '#include "source/source.h"'
	expect good wire/a.c '#include "edr/wire.h"'
	expect good wire/a.c '#include "util/log.h"'
	expect good wire/a.c '#include <sys/stat.h>'
	expect good cli/a.c '#include "conf/conf.h"'
	expect bad wire/a.c '#include "proc/proc.h"'
	expect bad wire/a.h '#  include	"sink/sink.h" /* why not */'
	expect bad wire/a.c '#include <cell/cell.h>'
	expect bad wire/a.c '#include "../cell/cell.h"'
	expect bad wire/a.c '#include "nowhere/x.h"'
	expect bad wire/a.c '#include HEADER'
	expect bad cell/a.c '#include "conf/conf.h"'
	expect bad conf/a.c '#include "source/source.h"'
	expect bad util/a.c '#include "wire/wire.h"'
	expect bad util/a.c '#include "edr/wire.h"'
	expect bad unknown/a.c '#include "util/log.h"'
	set -- .
fi
judge "$1"
