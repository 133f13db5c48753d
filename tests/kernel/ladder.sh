#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A kernel whose bpf(2) does not know our maps answers EINVAL: `auto` goes down to ftrace, and the report says why. A
# configuration that is wrong ends the start all the same.
. "$(dirname "$0")/lib.sh"
need_tracefs

LAUNCH="$EDR_BUILD_DIR/vm/no_bpf --maps"
[ -x "$EDR_BUILD_DIR/vm/no_bpf" ] || die "vm/no_bpf is not built"
SOURCE=ftrace # what names of programs are awaited by
agent_launch --source auto
agent_sync || die "the agent has not come up"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert_eq "source" ftrace "$(cells | xargs jq -r .source | sort -u)"
for step in bpf bpf-btf bpf-plain; do
	assert_eq "reasons why $step is not used" 1 "$(events_off "$step is not used: ")"
done
cells | head -n 1 | xargs jq -r '.degraded[]' | head -n 2
assert_ge "execs told" 1 "$(events_count '.type == "exec"')"
$LAUNCH "$EDR_BINARY" check -c "$T/empty.conf" --json >"$T/check" 2>"$T/check.err" || :
assert_eq "check: the sources" "bpf refused, bpf-btf refused, bpf-plain refused, ftrace taken" \
	"$(jq -r '[.sources[] | "\(.name) \(.state)"] | join(", ")' "$T/check")"

# More than a filter takes.
{
	echo "[FILTER]"
	echo "exclude_paths = $(seq -s , -f /excluded-%g 1 100)"
} >"$T/wrong.conf"
wrong_configuration() # WHERE [COMMAND...]
{
	where=$1 status=0
	shift
	timeout 20 "$@" "$EDR_BINARY" run -c "$T/wrong.conf" --reports-dir "$T/wrong" >"$T/wrong.out" 2>&1 || status=$?
	grep -F exclude_paths "$T/wrong.out" || fail "$where: the configuration is not named"
	assert_eq "a wrong configuration, $where: exit status" 78 $status
}
wrong_configuration "bpf(2) as it is"
# shellcheck disable=SC2086 # a command and its argument
wrong_configuration "maps refused" $LAUNCH
status=0
timeout 20 "$EDR_BINARY" run --source ftrace -c "$T/empty.conf" --reports-dir "$T/wrong" --set default.trace_path=/sys/kernel/tracing/README \
	>"$T/wrong.out" 2>&1 || status=$?
assert_eq "a trace_path that is no pipe: exit status" 78 $status

# btf_path stands in for what the kernel lacks when it is this kernel's vmlinux, and nothing else does: docs/sources.md
without_btf() # COMMAND...
{
	# shellcheck disable=SC2016 # the inner shell's
	timeout 60 unshare -m --propagation private \
		sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' sh "$@"
}
by_file() # FILE: what each step of the ladder is by it, and why the second is refused, if it is
{
	without_btf "$EDR_BINARY" check -c "$T/empty.conf" --btf-path "$1" --json >"$T/check" 2>"$T/check.err" || :
	jq -r '.sources[] | select(.name == "bpf-btf") | .why' "$T/check"
	jq -r '[.sources[] | "\(.name) \(.state)"] | join(", ")' "$T/check"
}
if [ -e /sys/kernel/btf/vmlinux ] && command -v objcopy >/dev/null; then
	cp /sys/kernel/btf/vmlinux "$T/vmlinux.btf"
	cp /sys/kernel/notes "$T/notes"
	# What a debug package's vmlinux has, without the rest.
	vmlinux() # NOTES OUT
	{
		objcopy -R .note.gnu.build-id --add-section .notes="$1" --add-section .BTF="$T/vmlinux.btf" \
			"$EDR_BUILD_DIR/truth/noop" "$2" 2>"$T/objcopy.err" || die "objcopy: $(cat "$T/objcopy.err")"
		chmod 0644 "$2"
	}
	vmlinux "$T/notes" "$T/vmlinux"
	by_file "$T/vmlinux" >"$T/said"
	assert_eq "this kernel's vmlinux" "bpf refused, bpf-btf taken, bpf-plain ok, ftrace ok" "$(tail -n 1 "$T/said")"
	by_file "$T/vmlinux.btf" >"$T/said"
	assert_eq "its BTF alone" "bpf refused, bpf-btf refused, bpf-plain taken, ftrace ok" "$(tail -n 1 "$T/said")"
	grep -F "is bare BTF" "$T/said" || fail "bare BTF: the reason is not told"
	# The first byte of the build-id, which is the first note: behind its head and "GNU".
	{
		head -c 16 "$T/notes"
		tail -c +17 "$T/notes" | head -c 1 | tr '\000-\377' '\001-\377\000'
		tail -c +18 "$T/notes"
	} >"$T/notes.wrong"
	vmlinux "$T/notes.wrong" "$T/vmlinux.wrong"
	by_file "$T/vmlinux.wrong" >"$T/said"
	assert_eq "another's vmlinux" "bpf refused, bpf-btf refused, bpf-plain taken, ftrace ok" "$(tail -n 1 "$T/said")"
	grep -F "their build-ids differ" "$T/said" || fail "another's vmlinux: the reason is not told"
	status=0
	without_btf "$EDR_BINARY" run --source bpf-btf -c "$T/empty.conf" --reports-dir "$T/btf" \
		--btf-path "$T/vmlinux.wrong" >"$T/btf.out" 2>&1 || status=$?
	assert_eq "no other step is taken: exit status" 69 $status
fi
