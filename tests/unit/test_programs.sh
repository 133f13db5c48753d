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
# The function below each SEC("...") that is neither a map nor the licence. NAME_again is the second copy of NAME.
cat bpf/*.bpf.[ch] | awk '/^SEC\(/ { getline; if (match($0, /^int [a-z0-9_]+\(/)) print substr($0, 5, RLENGTH - 5) }' |
	sort -u >"$tmp/all"
sed -n 's/_again$//p' "$tmp/all" >"$tmp/copies"
grep -v '_again$' "$tmp/all" >"$tmp/bpf"
grep -oE '^[[:space:]]*\{ "[a-z0-9_]+", HOOK_' -h src/source/bpf_edr.c src/source/bpf_plain.c | sed 's/.*"\(.*\)".*/\1/' |
	sort -u >"$tmp/loader"

# Or nothing would be compared.
for list in events.def bpf loader; do
	grep -qx sched_process_exec "$tmp/$list" || {
		echo "this test cannot read $list any more"
		exit 1
	}
done
cd "$tmp"
if [ ! -s copies ] || [ -n "$(comm -13 bpf copies)" ]; then
	echo "copies of no program: $(comm -13 bpf copies)"
	exit 1
fi
diff -u events.def bpf && diff -u bpf loader
