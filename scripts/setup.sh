#!/usr/bin/env bash
# Installs encoder into .venv and runs the main job on a generated sample: out/ is the package.
# Usage: scripts/setup.sh [SAMPLE]      (PYTHON chooses the interpreter, at least 3.11)
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: Python 3.11 or later is needed; name one with PYTHON=..." >&2
    exit 3
fi
if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'

sample=${1:-aerial}
.venv/bin/python -m samples.generate "$sample"
master=$(.venv/bin/python -m samples.generate "$sample" --json |
    .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["samples"][0]["path"])')
.venv/bin/encoder ingest "$master" -o out --effort quick --force
echo
echo "Open out/report.html, or play out/master.m3u8. Next: .venv/bin/encoder ingest YOUR_MASTER -o DIR"
