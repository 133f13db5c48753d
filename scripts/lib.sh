# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# What the scripts beside this file share.  Sourced, not run: each of them starts with
#	root=$(cd "$(dirname "$0")/.." && pwd)
#	. "$root/scripts/lib.sh"

# $0's own header is its help: the comment after the licence, up to the first line that is no comment.
help()
{
	sed -n '4,/^[^#]/{ /^#/{ s/^# \{0,1\}//; p; }; }' "$0"
	exit 0
}

say()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# A wrong option is EX_USAGE.
usage_error()
{
	say "$*; try --help"
	exit 64
}

is_root()
{
	[ "$(id -u)" -eq 0 ]
}

# Builds, unit tests and lint give way to what else runs on the machine.
gently()
{
	nice -n "${EDR_NICE:-10}" "$@"
}

# How many jobs at once.
jobs()
{
	echo "${EDR_JOBS:-$(nproc 2>/dev/null || echo 2)}"
}
