# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# For the tests in which the agent asks a model: the server of tests/analyze on 127.0.0.1. Sourced behind lib.sh.

: "${root:?}" # and the rest of lib.sh
command -v python3 >/dev/null 2>&1 || skip "no Python 3 here: there is no server to ask"
[ -x "$EDR_BUILD_DIR/linux-edr-client" ] || skip "built without linux-edr-client"
no_proxy='*'
export no_proxy
MODEL_SERVER=
WIRE=$T/wire

# model_serve MOOD [SECONDS]: its address is in BASE, the bytes of each request in $WIRE. Another one's end first.
model_serve()
{
	model_end
	rm -rf "$WIRE" "$T/port" # the last one's would be taken for this one's
	mkdir "$WIRE"
	python3 "$root/tests/analyze/server.py" --mood "$1" --save "$WIRE" --seconds "${2:-300}" --hang "${2:-300}" \
		>"$T/port" 2>"$T/server.log" &
	MODEL_SERVER=$!
	# shellcheck disable=SC2034 # of lib.sh
	AT_EXIT=model_end
	wait_for "${EDR_WAIT_S:-20}" test -s "$T/port" || die "the server has not come up"
	BASE=http://127.0.0.1:$(cat "$T/port")/v1
}

model_end()
{
	[ -z "$MODEL_SERVER" ] || kill "$MODEL_SERVER" 2>/dev/null || :
	[ -z "$MODEL_SERVER" ] || wait "$MODEL_SERVER" 2>/dev/null || :
	MODEL_SERVER=
}

requests()
{
	find "$WIRE" -name 'request-*' ! -name '*.part' | wc -l
}

requests_reach() # COUNT
{
	[ "$(requests)" -ge "$1" ]
}

# model_agent [OPTION]...: an agent that asks that server about each cell.
model_agent()
{
	agent_start --set "OPENAI.api_base=$BASE" --set analysis.analyze_cells=always \
		--set analysis.max_requests_day=0 --set analysis.max_tokens_day=0 --set analysis.max_cents_day=0 "$@"
}

# A report that waits for the model, so that the next agent asks at once.
model_has_work()
{
	agent_start
	agent_stop
	assert_eq "the first run's exit status" 0 "$STATUS"
}

# cells_late FROM_MS TO_MS: of each cell whose window ended then, how many ms later it was there.
cells_late()
{
	for cell in $(cells); do
		end=$(date -d "$(jq -r .window_end "$cell")" +%s%3N)
		written=$(date -d "@$(stat -c %.3Y "$cell")" +%s%3N)
		[ "$end" -lt "$1" ] || [ "$end" -gt "$2" ] || echo $((written - end))
	done
}
