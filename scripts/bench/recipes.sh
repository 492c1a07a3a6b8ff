#!/usr/bin/env bash
# Trains recipes with several seeds and prints their exact match on the test split and the time of the `train` process.
#
#   scripts/bench/recipes.sh                  tiny, reverse and sort, seeds 1 2 3
#   scripts/bench/recipes.sh toy-en-de        one recipe
#   SEEDS="1" FEATURES="--features ndarray" scripts/bench/recipes.sh tiny
#
# Builds `train` first; the times exclude the build. Run folders are temporary.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."

recipes=${*:-tiny reverse sort}
# shellcheck disable=SC2086 # FEATURES may contain several words
cargo build -q -p train ${FEATURES:-}
train=${CARGO_TARGET_DIR:-target}/debug/train
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT

echo "recipe     seed  exact match (test)  seconds"
for recipe in $recipes; do
    for seed in ${SEEDS:-1 2 3}; do
        started=$(date +%s.%N)
        "$train" --config "configs/$recipe.toml" --output "$runs/$recipe-$seed" --seed "$seed" --quiet
        ended=$(date +%s.%N)
        # Recipes without a test split have no such record.
        test=$(grep '"test":' "$runs/$recipe-$seed/metrics.jsonl" || true)
        exact=$(grep -o '"exact_match":[0-9.]*' <<<"$test" | cut -d: -f2 || true)
        awk -v r="$recipe" -v s="$seed" -v e="$exact" -v a="$started" -v b="$ended" 'BEGIN {
            exact = e == "" ? "none" : sprintf("%.2f %%", 100 * e)
            printf "%-10s %4d  %18s  %7.1f\n", r, s, exact, b - a
        }'
    done
done
