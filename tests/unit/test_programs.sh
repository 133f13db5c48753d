#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The BPF programs that events.def names, those in bpf/, and those that the loader knows are the same.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The last string of each EDR_EVENT, which may stand on a line of its own.
tr '\n\t' '  ' <include/edr/events.def | grep -o 'EDR_EVENT([0-9][^)]*"[^"]*")' | sed 's/.*"\([^"]*\)")/\1/' |
	tr ' ' '\n' | sed '/^$/d' | sort -u >"$tmp/events.def"
# The function below each SEC("...") that is neither a map nor the licence.
cat bpf/*.bpf.[ch] | awk '/^SEC\(/ { getline; if (match($0, /^int [a-z0-9_]+\(/)) print substr($0, 5, RLENGTH - 5) }' |
	sort -u >"$tmp/bpf"
grep -oE '^[[:space:]]*\{ "[a-z0-9_]+", HOOK_' src/source/bpf_load.c | sed 's/.*"\(.*\)".*/\1/' | sort -u >"$tmp/bpf_load.c"

# Or nothing would be compared.
for list in events.def bpf bpf_load.c; do
	grep -qx sched_process_exec "$tmp/$list" || {
		echo "this test cannot read $list any more"
		exit 1
	}
done
cd "$tmp"
diff -u events.def bpf && diff -u bpf bpf_load.c
