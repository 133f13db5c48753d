#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Filters by command, user, control group and path act in the kernel: what matches is counted and not delivered, what does
# not match is.
. "$(dirname "$0")/lib.sh"

times=50
unified=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
group=$unified/edr-filter-$$

leave_cgroup()
{
	[ -z "$unified" ] || rmdir "$group/below" "$group" 2>/dev/null
}
AT_EXIT=leave_cgroup

mkdir "$T/hidden" "$T/hidden-not"
cp "$TRUTH/noop" "$T/quiet"
cp "$TRUTH/noop" "$T/quieter"
cp "$TRUTH/noop" "$T/hidden/noop"
cp "$TRUTH/noop" "$T/hidden-not/noop"

# run_many PROGRAM WORD
run_many()
{
	i=0
	while [ $i -lt $times ]; do
		"$1" "$2"
		i=$((i + 1))
	done
}

in_group() # GROUP COMMAND...
{
	(
		sh -c 'echo $PPID' >"$1/cgroup.procs"
		shift
		"$@"
	)
}

agent_start --set filter.exclude_commands=quiet --set filter.exclude_uids=65534 \
	--set "filter.exclude_paths=$T/hidden/" --set "filter.exclude_cgroups=/edr-filter-$$"

run_many "$T/quiet" "by-command-$$"
run_many "$T/quieter" "other-command-$$"
run_many "$T/hidden/noop" "by-path-$$"
run_many "$T/hidden-not/noop" "other-path-$$"
status=0
"$TRUTH/truth" other_user $times "by-user-$$" >"$T/truth" || status=$?
n=4
case $status in
0) ;;
77) n=3 && echo "left out: by user" ;;
*) die "the scenario other_user ended with $status" ;;
esac
if [ -n "$unified" ] && mkdir "$group" "$group/below" 2>/dev/null; then
	in_group "$group" run_many "$TRUTH/noop" "by-cgroup-$$"
	in_group "$group/below" run_many "$TRUTH/noop" "by-cgroup-$$"
	n=$((n + 1))
else
	echo "left out: by cgroup, for no cgroup can be made here"
fi
agent_sync || die "the agent has gone"
agent_stop

seen() # WORD
{
	events_count ".type == \"exec\" and .command != \"truth\" and (.args | index(\"$1-$$\"))"
}
for word in by-command by-path by-user by-cgroup; do
	assert_eq "execs left out $word, delivered" 0 "$(seen $word)"
done
for word in other-command other-path; do
	assert_eq "execs of $word, delivered" $times "$(seen $word)"
done
assert_ge "execs filtered" $((n * times)) "$(sum_of_type filtered exec)"
assert_ge "exits filtered" $((n * times)) "$(sum_of_type filtered exit)"
assert_eq "events of the filtered user" 0 "$(events_count '.uid == 65534')"
assert_eq "of what matches, in the reports" 0 \
	"$(events_in_reports ".command != \"truth\" and ((.args[0] // \"\") |
		IN(\"by-command-$$\", \"by-path-$$\", \"by-user-$$\", \"by-cgroup-$$\"))")"
assert_balance
