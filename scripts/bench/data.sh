#!/usr/bin/env bash
# Measures pairs per second and peak memory of reading, tokenising and batching corpora of increasing size.
#
#   scripts/bench/data.sh                    0.2, 2 and 20 million pairs
#   scripts/bench/data.sh 200000 2000000
#
# The largest corpus needs 3 GB in the temporary folder (TMPDIR).
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."

cargo build -q -p train --example bench_data
[ $# -gt 0 ] || set -- 200000 2000000 20000000
for pairs in "$@"; do
    "${CARGO_TARGET_DIR:-target}/debug/examples/bench_data" "$pairs"
done
