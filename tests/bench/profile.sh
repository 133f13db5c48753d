#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/bench/profile.sh [default|lean]
#
# Where the kernel's part of the time goes: ns a run and runs of each BPF program during the loads of scripts/bench, and the
# bytes of each map. Counting itself costs 20 to 60 ns a run; kernel.bpf_stats_enabled is put back at the end.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
: "${EDR_BUILD_DIR:=$root/build}"
: "${EDR_BINARY:=$EDR_BUILD_DIR/linux-edr-bpf}"
hooks=${1:-default}
pace=$EDR_BUILD_DIR/truth/pace
tmp=$(mktemp -d)
before=$(sysctl -n kernel.bpf_stats_enabled)
agent=
at_exit()
{
	[ -z "$agent" ] || kill "$agent" 2>/dev/null || true
	sysctl -qw kernel.bpf_stats_enabled="$before"
	[ -z "$agent" ] || wait "$agent" || true
	rm -rf "$tmp"
}
trap at_exit EXIT
trap 'exit 1' INT TERM HUP

: >"$tmp/conf"
"$EDR_BINARY" run -c "$tmp/conf" --reports-dir "$tmp/reports" --hooks "$hooks" 2>"$tmp/log" &
agent=$!
sleep 2
sysctl -qw kernel.bpf_stats_enabled=1

# The programs that the agent holds: id, name, nanoseconds and runs so far
programs()
{
	for info in /proc/"$agent"/fdinfo/*; do
		sed -n 's/^prog_id:[[:space:]]*//p' "$info"
	done 2>/dev/null | sort -un | while read -r id; do
		bpftool -j prog show id "$id" 2>/dev/null | jq -r '"\(.id) \(.name) \(.run_time_ns // 0) \(.run_cnt // 0)"'
	done
}

measure() # LOAD...
{
	programs >"$tmp/before"
	"$pace" "$@" >"$tmp/load"
	programs >"$tmp/after"
	jq -r '"\n\(.what), \(.workers) workers: \(.done) in \(.seconds) s, \(.cpu_seconds * 1e9 / .done | floor) ns of CPU each"' "$tmp/load"
	awk -v done="$(jq .done "$tmp/load")" '
		NR == FNR { ns[$1] = $3; runs[$1] = $4; next }
		$4 > runs[$1] {
			r = $4 - runs[$1]; t = $3 - ns[$1]
			printf "  %-22s %9d runs %6.0f ns a run %7.0f ns each\n", $2, r, t / r, t / done
			sum += t
		}
		END { printf "  %-22s %31s %7.0f ns each\n", "together", "", sum / done }' "$tmp/before" "$tmp/after"
}

measure exec 20000 2 "$EDR_BUILD_DIR/truth/noop"
measure fork 10000 1
measure refused 100000 2
measure accepted 20000 1
measure connect 200000 1
measure getpid 3000000 1
measure open 300000 1

printf '\nmaps: bytes, name, type\n'
for info in /proc/"$agent"/fdinfo/*; do
	sed -n 's/^map_id:[[:space:]]*//p' "$info"
done 2>/dev/null | sort -un | while read -r id; do
	bpftool -j map show id "$id" | jq -r '"\(.bytes_memlock) \(.name) \(.type)"'
done | sort -rn
printf '\nagent: '
awk '/^(VmHWM|RssAnon)/ { printf "%s %d kB  ", $1, $2 }' "/proc/$agent/status"
echo
