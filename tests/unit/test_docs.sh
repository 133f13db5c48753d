#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does docs/events.md say what include/edr/events.def says?
set -eu

"$EDR_BUILD_DIR/tests/print_events" | diff -u docs/events.md - || {
	echo "to mend it: $EDR_BUILD_DIR/tests/print_events >docs/events.md"
	exit 1
}
