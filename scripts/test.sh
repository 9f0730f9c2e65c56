#!/usr/bin/env bash
# Runs the tests, those in real players included where Chromium and Node.js are installed.
# Usage: scripts/test.sh [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x .venv/bin/python ]; then
    "${PYTHON:-python3}" -m venv .venv
fi
if ! .venv/bin/python -c 'import encoder, pytest, hypothesis, xdist, lxml' 2>/dev/null; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
fi
exec .venv/bin/python -m pytest -n auto --dist loadfile "$@"
