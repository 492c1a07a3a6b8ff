#!/usr/bin/env bash
# Pairs per second and peak memory of the way from corpus files to batches, for growing corpora.
#
#   scripts/bench-data                   0.2, 2 and 20 million pairs
#   scripts/bench-data 200000 2000000
#
# The largest needs 3 GB in the temporary folder (TMPDIR).
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build -q -p train --example bench_data
for pairs in ${*:-200000 2000000 20000000}; do
    "${CARGO_TARGET_DIR:-target}/debug/examples/bench_data" "$pairs"
done
