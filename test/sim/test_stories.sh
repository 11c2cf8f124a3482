#!/bin/sh
# weft-test: name=sim/stories time=120 tier=quick build=gcc,sanitized
# Each scripted world must take the decisions that stories/NAME.trace tells, line by line, in the
# release build and in the sanitized one. A new trace that is right: sim --story NAME --bless
set -eu
: "${WEFT_BUILD:=$(dirname "$0")/../../build}"
"$WEFT_BUILD/test/sim/sim" --self-test
"$WEFT_BUILD/test/sim/sim" --story all
if [ -n "${WEFT_BUILD_SANITIZED:-}" ]; then
	"$WEFT_BUILD_SANITIZED/test/sim/sim" --story all
fi
