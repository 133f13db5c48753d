# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# What the tests of the ftrace source share, beside lib.sh: what tracefs looks like, and what of ours is in it.

# shellcheck disable=SC2034 # what is set here is for the test, or lib.sh
# Mounted by the test where it is not, and then unmounted at its end.
tracing=$(awk '$3 == "tracefs" { print $2; exit }' /proc/mounts)
mounted=
if [ -z "$tracing" ]; then
	tracing=/sys/kernel/tracing
	mount -t tracefs tracefs $tracing || skip "tracefs cannot be mounted"
	mounted=1
fi
ours=$tracing/instances/linux-edr-bpf

# hold_without POINT...: makes a mount namespace where nothing is mounted at these. LAUNCH: the agents to come run there.
holder=
hold_without()
{
	cat >"$T/hold" <<'EOF'
for point; do
	while umount -l "$point" 2>/dev/null; do :; done
done
exec sleep 600
EOF
	unshare -m sh "$T/hold" "$@" &
	holder=$!
	wait_for 5 grep -qx sleep "/proc/$holder/comm" || skip "no mount namespace can be made"
	LAUNCH="nsenter -t $holder -m"
}

leave_tracefs()
{
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	[ -z "$mounted" ] || umount "$tracing"
}
AT_EXIT=leave_tracefs # a test with one of its own calls it there

. "$(dirname "$0")/trace_state.sh"

ours_left()
{
	! { [ -d "$ours" ] || grep -qF linux_edr "$tracing/dynamic_events" 2>/dev/null; }
}
