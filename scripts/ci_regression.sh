#!/usr/bin/env bash
# A folder of regression clips in CI: ingests each, checks the packages against the baseline file,
# and fails when a gate does.
#
#   scripts/ci_regression.sh CLIPS OUT BASELINE [INGEST OPTIONS ...]
#
# CLIPS is a folder of videos, OUT gets a package for each, with junit.xml, regression.md and
# regression.html, which shows the frames that failed, beside them. Where BASELINE does not exist
# yet, it is written, to be reviewed and committed. With UPDATE=1 it is brought up to date instead
# of being checked.
# Environment: ENCODER (the program, default `encoder`), GATES (a YAML file of gates).
# Exit status: 0 good, 1 a gate failed, otherwise that of encoder.
set -euo pipefail

if [ $# -lt 3 ]; then
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
clips=$1 out=$2 baseline=$3
shift 3
encoder=${ENCODER:-encoder}

mkdir -p "$out"
for clip in "$clips"/*; do
    [ -f "$clip" ] || continue
    name=$(basename "$clip")
    "$encoder" ingest "$clip" -o "$out/${name%.*}" --score full -q "$@" >&2
done

if [ "${UPDATE:-0}" = 1 ]; then
    exec "$encoder" baseline update "$out" --file "$baseline"
fi
if [ ! -e "$baseline" ]; then
    exec "$encoder" baseline save "$out" --file "$baseline"
fi
exec "$encoder" baseline check "$out" --file "$baseline" ${GATES:+--gates "$GATES"} \
    --junit "$out/junit.xml" --markdown "$out/regression.md" --report "$out/regression.html"
