#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 13: an analysis that hangs, three times over, holds up the next reports while the buffer
# overflows. Here requests hang until they time out, and each cell is there at its window's end all the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/model.sh"

load=
all_end()
{
	[ -z "$load" ] || kill "$load" 2>/dev/null || :
	model_end
}

# Three that hung, and a cell that was due meanwhile.
hung_enough()
{
	[ "$(requests)" -ge 4 ] && [ -n "$(cells_late "$begin" "$(now_ms)")" ]
}

agent_start # whose report waits for the model
agent_stop
model_serve hang
AT_EXIT=all_end
begin=$(now_ms)
model_agent --set analysis.request_timeout=3
"$TRUTH/pace" exec 10000000 2 "$TRUTH/noop" 100 >"$T/load" &
load=$!
wait_for 150 hung_enough || fail "asked $(requests) times, and late: $(cells_late "$begin" "$(now_ms)")"
end=$(now_ms)
agent_sync || die "the agent has gone"
kill "$load"
wait "$load"
agent_stop
assert_eq "exit status" 0 "$STATUS"
assert "it is said" grep -q "no answer of the model's server: timeout" "$T/agent.log"
echo "$(requests) requests in $(((end - begin) / 1000)) s, $(cells_sum .total) events"
cells_late "$begin" "$end" | sort -n >"$T/late"
assert_le "the latest of $(wc -l <"$T/late") cells, ms behind its window's end" 3000 "$(tail -n 1 "$T/late")"
assert_eq "dropped" 0 "$(cells_sum '[.counts[].dropped] | add')"
assert_eq "verdicts" 0 "$(find "$REPORTS/analysis" -name 'cell-*' | wc -l)"
