#!/usr/bin/env bash
# Ingests every master of a folder: several at once, a log for each, rerunnable.
#
#   scripts/ingest_catalog.sh MASTERS OUT [INGEST OPTIONS ...]
#
# OUT/<file name>/ is the package of MASTERS/<file name>, OUT/logs/<file name>.log what was said,
# OUT/summary.tsv one line for each: status, seconds, master. Packages that are up to date are left
# alone, so run it again after a failure or a reboot, and it does the rest.
#
# Environment: ENCODER (the program, default `encoder`), TITLES (how many at once, default 2),
# PATTERN (which files, default the usual containers).
# Exit status: 0 all done, 1 some failed, 2 usage, 130 interrupted.
set -uo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
masters=$1
out=$2
shift 2
if [ ! -d "$masters" ]; then
    echo "ingest_catalog: no such folder: $masters" >&2
    exit 2
fi
encoder=${ENCODER:-encoder}
if ! command -v "$encoder" >/dev/null 2>&1; then
    echo "ingest_catalog: no program '$encoder'; install it, or name it with ENCODER=..." >&2
    exit 2
fi
pattern=${PATTERN:-'.*\.(mov|mp4|m4v|mkv|mxf|avi|ts|mpg|webm)'}
mkdir -p "$out/logs" || exit 2

# One title: its own log, its own result file. Runs in a shell of its own, under xargs.
one() {
    local master=$1 out=$2 encoder=$3
    shift 3
    local name=${master##*/} started=$SECONDS status
    "$encoder" ingest "$master" -o "$out/$name" "$@" >"$out/logs/$name.log" 2>&1 </dev/null
    status=$?
    printf '%s\t%s\t%s\n' "$status" "$((SECONDS - started))" "$name" >"$out/logs/$name.status"
    if [ "$status" = 0 ]; then
        echo "done    $name ($((SECONDS - started)) s)"
    else
        echo "FAILED  $name (exit $status): $(tail -n 1 "$out/logs/$name.log")"
        # xargs stops everything at 255 only; an interrupted title should stop the catalog.
        [ "$status" = 130 ] && exit 255
    fi
    exit 0
}
export -f one

rm -f "$out"/logs/*.status
trap 'exit 130' INT TERM
find "$masters" -maxdepth 1 -type f -regextype posix-extended -iregex "$pattern" -print0 | sort -z |
    xargs -0 -r -P "${TITLES:-2}" -I '{}' bash -c 'one "$@"' one '{}' "$out" "$encoder" "$@"
interrupted=$?

cat "$out"/logs/*.status 2>/dev/null | sort -k 3 >"$out/summary.tsv"
total=$(wc -l <"$out/summary.tsv")
failed=$(awk -F '\t' '$1 != 0' "$out/summary.tsv" | wc -l)
echo "$((total - failed)) of $total done; see $out/summary.tsv"
if [ "$total" = 0 ]; then
    echo "ingest_catalog: no masters in $masters" >&2
    exit 2
fi
[ "$interrupted" = 0 ] || exit 130
[ "$failed" = 0 ]
