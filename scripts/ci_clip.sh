#!/usr/bin/env bash
# One regression clip in CI: ingests it, and fails when its best rung looks worse or the ladder got
# more expensive than it may.
#
#   scripts/ci_clip.sh CLIP OUT MIN_VMAF MAX_TOTAL_KBPS [INGEST OPTIONS ...]
#
# MIN_VMAF is the least mean VMAF of the best rung, MAX_TOTAL_KBPS the most that the average
# bitrates of all rungs may add up to. OUT gets the package, with report.json as an artifact.
# Environment: ENCODER (the program, default `encoder`), PYTHON (default python3).
# Exit status: 0 good, 1 a gate failed, otherwise that of encoder.
set -euo pipefail

if [ $# -lt 4 ]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
clip=$1 out=$2 min_vmaf=$3 max_kbps=$4
shift 4

"${ENCODER:-encoder}" ingest "$clip" -o "$out" --score full "$@"
"${PYTHON:-python3}" - "$out/report.json" "$min_vmaf" "$max_kbps" <<'PYTHON'
import json
import sys

path, least, most = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
with open(path, encoding="utf-8") as file:
    renditions = json.load(file)["renditions"]
best = renditions[0]["scores"]["vmaf"]["mean"]
total = sum(one["average_bitrate"] for one in renditions) / 1000
failed = False
for name, value, good, limit in (
    ("VMAF of the best rung", best, best >= least, f"at least {least:g}"),
    ("kb/s of all rungs", total, total <= most, f"at most {most:g}"),
):
    print(f"{'pass' if good else 'FAIL'}  {name}: {value:.2f} ({limit})")
    failed = failed or not good
sys.exit(1 if failed else 0)
PYTHON
