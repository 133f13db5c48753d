#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The Python original's fault 4: half lines at each 4096-byte read; 29,994 of 30,000 execs arrived, as 60,012 lines for
# 60,004 events. Here: 30,000 execs, one whole line each, none twice.
. "$(dirname "$0")/lib.sh"

n=${EDR_EXECS:-30000}
counted=counted-$$ # another run of this test may be under way
cp "$TRUTH/noop" "$T/$counted"

agent_start
"$TRUTH/pace" exec "$n" 2 "$T/$counted"
agent_sync || die "the agent has gone"
agent_stop

assert_eq "lines that are one whole event" "$(wc -l <"$EVENTS")" "$(events_count '.type and .timestamp')"
jq -r --arg counted "$counted" 'select(.type == "exec" and .command == $counted) | "\(.pid) \(.timestamp)"' "$EVENTS" >"$T/execs"
assert_eq "lines of execs" "$n" "$(wc -l <"$T/execs")"
assert_eq "of them different" "$n" "$(sort -u "$T/execs" | wc -l)"
assert_eq "events, beside the lines of --output" "$(cells_sum '.total - .counts.thread.delivered')" \
	"$(events_count '.type != "thread"')"
