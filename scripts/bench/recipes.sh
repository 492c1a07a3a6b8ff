#!/usr/bin/env bash
# Trains recipes with several seeds and prints what they reached and how long the `train` process took.
#
#   scripts/measure-recipes.sh                         tiny, reverse and sort, seeds 1 2 3
#   scripts/measure-recipes.sh toy-en-de               one recipe
#   SEEDS="1" FEATURES="--features ndarray" scripts/measure-recipes.sh tiny
#
# Builds first, so that the times are those of training alone. Runs go to a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."

recipes=${*:-tiny reverse sort}
# shellcheck disable=SC2086 # FEATURES may hold several words
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
        # A recipe without a test split has no such line.
        test=$(grep '"test":' "$runs/$recipe-$seed/metrics.jsonl" || true)
        exact=$(grep -o '"exact_match":[0-9.]*' <<<"$test" | cut -d: -f2 || true)
        awk -v r="$recipe" -v s="$seed" -v e="$exact" -v a="$started" -v b="$ended" 'BEGIN {
            exact = e == "" ? "none" : sprintf("%.2f %%", 100 * e)
            printf "%-10s %4d  %18s  %7.1f\n", r, s, exact, b - a
        }'
    done
done
