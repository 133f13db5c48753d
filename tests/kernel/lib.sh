# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# What the kernel tests share. Sourced by each of them:
#	. "$(dirname "$0")/lib.sh"
#
# A test runs one agent at a time (agent_start ... agent_stop), in a temporary directory $T of its own; both are gone at
# the end, whatever happens; with EDR_KEEP set, a failed test keeps its directory. Exit status: 0, 1 (a check failed; the
# agent's log is shown), 77 (not possible here).
set -eu

# Run by ctest, these are set; by hand, the build is beside the sources.
root=$(cd "$(dirname "$0")/../.." && pwd)
: "${EDR_BUILD_DIR:=$root/build}"
: "${EDR_BINARY:=$EDR_BUILD_DIR/linux-edr-bpf}"
TRUTH=$EDR_BUILD_DIR/truth
# With another source than the best one: fault_01.sh source=ftrace
SOURCE=
case ${1:-} in
source=*)
	SOURCE=${1#source=}
	shift ;;
esac
TEST=$(basename "$0" .sh)${SOURCE:+_$SOURCE}
AGENT=
FAILED=0
AT_EXIT=: # a command that a test wants to run at the end, before $T goes

skip()
{
	echo "SKIPPED: $TEST: $*"
	exit 77
}

# A failed check does not end the test: all are made, and told.
fail()
{
	printf 'FAILED: %s\n' "$*"
	FAILED=1
}

die()
{
	fail "$*"
	exit 1
}

at_exit()
{
	status=$?
	set +e
	trap - EXIT
	[ -n "$AGENT" ] && agent_end_hard
	$AT_EXIT
	[ "$status" -eq 0 ] && status=$FAILED
	if [ "$status" -ne 0 ] && [ "$status" -ne 77 ] && [ -s "$T/agent.log" ]; then
		echo "--- the agent's log, its end"
		tail -n 30 "$T/agent.log"
	fi
	if [ "$status" -eq 1 ] && [ -n "${EDR_KEEP:-}" ]; then
		echo "kept: $T"
	else
		rm -rf "$T"
	fi
	exit "$status"
}

[ "$(id -u)" -eq 0 ] || skip "needs root"
command -v jq >/dev/null 2>&1 || die "jq is missing: scripts/deps test"
[ -x "$EDR_BINARY" ] || die "$EDR_BINARY is not built"
[ -x "$TRUTH/noop" ] || die "$TRUTH/noop is not built"

T=$(mktemp -d "${TMPDIR:-/tmp}/edr-$TEST.XXXXXX")
chmod 0711 "$T" # another user's process runs programs in here
trap at_exit EXIT
trap 'exit 1' INT TERM HUP
REPORTS=$T/reports
EVENTS=$T/events.jsonl
: >"$T/empty.conf" # so that no configuration of this host is read

# This host's kernel, asked through our own program: no BPF at all is a reason to skip, all else is not.
need_bpf()
{
	status=0
	"$EDR_BINARY" check -c "$T/empty.conf" >"$T/check" 2>&1 || status=$?
	case $status in
	0 | 1) ;;
	69 | 77)
		cat "$T/check"
		skip "this kernel or container lets nobody load BPF programs" ;;
	*) die "linux-edr-bpf check ended with $status" ;;
	esac
}

need_tracefs()
{
	grep -qw tracefs /proc/filesystems || skip "this kernel has no tracefs"
	case $(cat /sys/kernel/security/lockdown 2>/dev/null) in
	*"[confidentiality]"*) skip "this kernel is locked down to confidentiality" ;;
	esac
}

if [ "$SOURCE" = ftrace ]; then
	need_tracefs
else
	need_bpf
fi

now_ms()
{
	date +%s%3N
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for()
{
	deadline=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(now_ms)" -lt $deadline ] || return 1
		sleep 0.05
	done
}

agent_alive()
{
	kill -0 "$AGENT" 2>/dev/null
}

# agent_launch [OPTION]...: starts it and comes back at once. LAUNCH: what runs it, in another mount namespace for example.
LAUNCH=
agent_launch()
{
	# shellcheck disable=SC2086 # a command and its arguments
	$LAUNCH "$EDR_BINARY" run ${SOURCE:+--source "$SOURCE"} -c "$T/empty.conf" -i 1 --reports-dir "$REPORTS" --output "$EVENTS" "$@" \
		>>"$T/agent.out" 2>>"$T/agent.log" &
	AGENT=$!
}

# agent_start [OPTION]...: comes back when it has shown the exec of a program of ours.
agent_start()
{
	agent_launch "$@"
	agent_sync || die "the agent has not come up: $*"
}

seen_since() # OFFSET WORD
{
	tail -c "+$1" "$EVENTS" 2>/dev/null | grep -qF -- "$2"
}

run_until_seen() # OFFSET WORD
{
	agent_alive || return 0
	if [ "$SOURCE" = ftrace ]; then
		# Arguments may come too late there, names do not.
		ln -f "$TRUTH/noop" "$T/$2" 2>/dev/null || cp "$TRUTH/noop" "$T/$2"
		"$T/$2"
	else
		"$TRUTH/noop" "$2"
	fi
	sleep 0.1
	seen_since "$1" "$2"
}

# All that happened up to here is in $EVENTS afterwards. Two rings: one word goes through each.
# EDR_WAIT_S: how long that may take, more for a virtual machine.
SYNCS=0
agent_sync()
{
	SYNCS=$((SYNCS + 1))
	offset=$(($(stat -c %s "$EVENTS" 2>/dev/null || echo 0) + 1))
	wait_for "${EDR_WAIT_S:-20}" run_until_seen $offset "sync-$$-$SYNCS-" && agent_alive
}

# agent_stop [SIGNAL]: its exit status is in STATUS.
# shellcheck disable=SC2034 # STATUS is for the test that sources this
agent_stop()
{
	STATUS=0
	kill -"${1:-TERM}" "$AGENT"
	wait "$AGENT" || STATUS=$?
	AGENT=
}

agent_end_hard()
{
	kill -CONT "$AGENT" 2>/dev/null
	kill -TERM "$AGENT" 2>/dev/null
	wait_for 5 agent_gone || kill -KILL "$AGENT" 2>/dev/null
	wait "$AGENT" 2>/dev/null
	AGENT=
}

agent_gone()
{
	! kill -0 "$AGENT" 2>/dev/null
}

# CPU seconds that process has used.
cpu_seconds()
{
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hz }' "/proc/$1/stat"
}

# Fresh reports and events for another agent in the same test.
fresh()
{
	rm -rf "$REPORTS" "$EVENTS"
}

assert_eq() # WHAT WANTED GOT
{
	if [ "$2" = "$3" ]; then
		printf 'ok: %s: %s\n' "$1" "$3"
	else
		fail "$1: $3, not $2"
	fi
}

assert_le() # WHAT LIMIT GOT: numbers, fractions too
{
	if awk -v a="$3" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 <= b + 0) }'; then
		printf 'ok: %s: %s (at most %s)\n' "$1" "$3" "$2"
	else
		fail "$1: $3, more than $2"
	fi
}

assert_ge() # WHAT LIMIT GOT
{
	if awk -v a="$3" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 >= b + 0) }'; then
		printf 'ok: %s: %s (at least %s)\n' "$1" "$3" "$2"
	else
		fail "$1: $3, less than $2"
	fi
}

assert() # WHAT COMMAND...
{
	what=$1
	shift
	if "$@"; then
		printf 'ok: %s\n' "$what"
	else
		fail "$what"
	fi
}

# ---- events ----

# events_count FILTER: how many lines of --output the jq expression is true for.
events_count()
{
	jq -n "reduce (inputs | select($1)) as \$e (0; . + 1)" "$EVENTS"
}

# How many lines the agent says that its file did not take in time: on a busy machine a burst can be more than wait for it.
output_lost()
{
	sed -n 's/.* output: \([0-9]*\) records could not be written in time .*/\1/p' "$T/agent.log" |
		awk '{ n += $1 } END { print n + 0 }'
}

# How many of what the source says is off begin with these words.
events_off() # WORDS
{
	# shellcheck disable=SC2016 # a variable of jq
	cells | xargs -r jq -n --arg words "$1" '[inputs | .degraded // [] | .[] | select(startswith($words))] | unique | length'
}

# ---- reports ----

cells()
{
	find "$REPORTS/cells" -name 'cell-*.json' 2>/dev/null | sed 's/\.json$//' | LC_ALL=C sort | sed 's/$/.json/'
}

# cells_sum EXPRESSION: of all cells.
cells_sum()
{
	cells | xargs -r jq -n "[inputs | ($1)] | add // 0"
}

# sum_of_type WHAT TYPE: delivered, produced, filtered, dropped, truncated, of all cells.
sum_of_type()
{
	cells_sum ".counts[\"$2\"].$1"
}

event_types='exec exec_failed fork thread exit connect connect_result syscall'

# For each type, over all cells of an agent that has stopped: produced = delivered + dropped.
assert_balance()
{
	# shellcheck disable=SC2016 # variables of jq
	cells | xargs -r jq -nr --arg types "$event_types" '[inputs.counts] as $cells | $types | split(" ")[] as $type |
		[$type, ("produced", "delivered", "dropped" | . as $what | [$cells[][$type][$what]] | add // 0)] | join(" ")' >"$T/counts"
	[ -s "$T/counts" ] || fail "no cell has counts"
	while read -r type produced delivered dropped; do
		echo "$type: produced $produced, delivered $delivered, dropped $dropped"
		[ "$produced" -eq $((delivered + dropped)) ] || fail "$type: produced is not delivered + dropped"
	done <"$T/counts"
}

# Of all levels; beside them lie chain.json, removed.jsonl and the checkpoints of the open cell.
report_files() # DIRECTORY [FIND_TEST...]
{
	dir=$1
	shift
	find "$dir" -mindepth 2 -type f -name '*.json' ! -path "$dir/checkpoint/*" "$@" 2>/dev/null || :
}

half_written()
{
	find "$REPORTS" -name '.tmp-*'
}

# A live run also keeps checkpoints, a reserve and a key, and counts how often it wrote chain.json.
same_reports() # DIRECTORY DIRECTORY
{
	diff -rq -x checkpoint -x reserve -x chain.json -x analysis "$1" "$2"
}

# events_in_reports FILTER: like events_count, of the raw events in cells and interim parts. Nothing when jq fails.
events_in_reports()
{
	report_files "$REPORTS" -print0 >"$T/files"
	xargs -0 -r jq -n "reduce (inputs | (.events // [])[] | select($1)) as \$e (0; . + 1)" <"$T/files" >"$T/sums" &&
		awk '{ n += $1 } END { print n + 0 }' "$T/sums"
}

# reports_parse [FIND_TEST...]: each report in the directory (of which the test is true) is one whole JSON object.
reports_parse()
{
	report_files "$REPORTS" "$@" -print0 >"$T/files"
	wanted=$(tr -dc '\000' <"$T/files" | wc -c)
	whole=$(xargs -0 -r -n 200 jq -n '[inputs | select(type == "object" and .report_id)] | length' <"$T/files" |
		awk '{ n += $1 } END { print n + 0 }')
	[ "$wanted" -eq "$whole" ] && return 0
	echo "of $wanted reports, $whole are whole"
	return 1
}
