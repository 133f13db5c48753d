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

# A file of BTF does not stand in for what the kernel lacks, not even its own: docs/sources.md
if [ -e /sys/kernel/btf/vmlinux ]; then
	cp /sys/kernel/btf/vmlinux "$T/vmlinux.btf"
	status=0
	# shellcheck disable=SC2016 # the inner shell's
	timeout 20 unshare -m --propagation private \
		sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' sh \
		"$EDR_BINARY" run --source bpf -c "$T/empty.conf" --reports-dir "$T/btf" --btf-path "$T/vmlinux.btf" \
		>"$T/btf.out" 2>&1 || status=$?
	assert_eq "no BTF but that of a file: exit status" 69 $status
	grep -F "whatever the file of btf_path says" "$T/btf.out" || fail "no BTF but that of a file: the reason is not told"
fi
