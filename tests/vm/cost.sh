#!/bin/sh
# SPDX-License-Identifier: MIT
#
# cost.sh OUT ROUNDS EXECS CONNECTS WAYS: loads without and with the agent in each way of the file WAYS, in turn.
#
#   OUT/runs    a line a run: WAY LOAD, 0 without and 1 with it, seconds, and those of the agent's CPU time in 1/100
#
# Run by busybox in a guest of cost.py. A line of WAYS is as for guest.sh.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=$1 rounds=$2 execs=$3 connects=$4 ways=$5
# shellcheck source=tests/vm/ways.sh
. "$here/ways.sh"

T=$(mktemp -d /tmp/edr-cost.XXXXXX)
: >"$T/empty.conf"
agent_pid=

start() # OPTION...
{
	"$here/linux-edr-bpf" run -c "$T/empty.conf" --reports-dir "$T/reports" "$@" >"$T/log" 2>&1 </dev/null &
	agent_pid=$!
	tries=0
	until grep -q watching "$T/log"; do
		tries=$((tries + 1))
		[ $tries -le 300 ] && kill -0 "$agent_pid" || return 1
		sleep 0.1
	done 2>/dev/null
	sleep 1
}

ticks() # user and system time
{
	[ -z "$agent_pid" ] && echo 0 && return
	sed 's/.*) //' "/proc/$agent_pid/stat" | {
		read -r _ _ _ _ _ _ _ _ _ _ _ user system _
		echo $((user + system))
	}
}

end()
{
	kill -TERM "$agent_pid"
	wait "$agent_pid"
	agent_pid=
	rm -rf "$T/reports"
}

load() # WAY WITH NAME COMMAND...
{
	way=$1 with=$2 name=$3
	shift 3
	before=$(ticks)
	started=$(cut -d ' ' -f 1 /proc/uptime)
	"$@" >"$T/run" || return 1
	ended=$(cut -d ' ' -f 1 /proc/uptime)
	[ "$with" = 0 ] || sleep 1 # what it has read by then
	seconds=$(awk "BEGIN { print $ended - $started }")
	echo "$way $name $with $seconds $(($(ticks) - before))" >>"$out/runs"
}

# From a shell with an environment of 2 KB, as a login has: probes of ftrace read arguments with what lies behind them.
shell()
(
	PADDING=$(printf %2000s .)
	export PADDING
	i=0
	while [ $i -lt "$execs" ]; do
		i=$((i + 1))
		"$here/truth/noop"
	done
)

all() # WAY WITH
{
	load "$1" "$2" exec "$here/truth/pace" exec "$execs" 2 "$here/truth/noop" && load "$1" "$2" shell shell &&
		load "$1" "$2" refused "$here/truth/pace" refused "$connects" 2
}

mkdir -p "$out"
uname -r >"$out/kernel"
# What a kernel does after its boot is over by then, and both ran once.
sleep 20
read -r way _ <"$ways"
all "$way" 0
: >"$out/runs"
round=0
while [ $round -lt "$rounds" ]; do
	round=$((round + 1))
	while read -r way preparation _ options <&3; do
		# shellcheck disable=SC2086 # a list of words
		if ! { all "$way" 0 && prepare "$preparation" && start $options && all "$way" 1; }; then
			echo "$way: not measured" >&2
			cat "$T/log" "$T/run" >&2
			exit 1
		fi
		cp "$T/log" "$out/log-$way"
		end
		undo "$preparation"
		all "$way" 0
	done 3<"$ways"
	echo "round $round of $rounds"
done
rm -rf "$T"
