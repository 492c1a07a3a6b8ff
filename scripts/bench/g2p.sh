#!/usr/bin/env bash
# Trains configs/g2p.toml on every language of SIGMORPHON 2021 task 1 and prints a table of word and phone error rates.
#
#   scripts/data/fetch-g2p.sh && scripts/bench/g2p.sh [OPTIONS OF train]
#   SEEDS="1 2 1r 2r" scripts/bench/g2p.sh          also an ensemble of the four; r: in the other direction
#   LANGUAGES="kor fre" SPLIT=test scripts/bench/g2p.sh
#   JOBS=2 scripts/bench/g2p.sh                     two trainings at a time, each on half of the cores
#
# Bulgarian and Serbo-Croatian, whose endings decide about stress, are written from right to left: chosen on their development
# splits. BACKWARD names other languages. SEEDS_kor="1 2 3" names other seeds for one language, and
# OPTIONS_kor="--set training.steps=9000" further options of its trainings; OPTIONS_kor_3 are those of seed 3 alone.
#
# A run that is interrupted goes on where it stopped, and one that is finished is not trained again. The runs are in OUTPUT
# (runs/g2p), the data in DATA (data/g2p). Error rates are those of the development split unless SPLIT=test.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."

languages=${LANGUAGES:-arm_e bul dut fre geo hbs_latn hun jpn_hira kor vie_hanoi}
backward=${BACKWARD-bul hbs_latn}
split=${SPLIT:-dev}
data=${DATA:-data/g2p}
output=${OUTPUT:-runs/g2p}
. scripts/bench/jobs.sh
cargo build -q -p train -p infer
binaries=${CARGO_TARGET_DIR:-target}/debug
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# evaluate LANGUAGE RUN…: prints word and phone error rate in percent.
evaluate() {
    local language=$1 models=() run
    shift
    for run in "$@"; do models+=(--model "$run"); done
    cut -f1 "$data/${language}_$split.tsv" >"$work/words"
    cut -f2 "$data/${language}_$split.tsv" >"$work/phones"
    "$binaries/infer" evaluate "${models[@]}" --source "$work/words" --reference "$work/phones" --tokenize none --quiet |
        awk -F'[= %]+' '/^word error rate/ { words = $4 } /^token error rate/ { print words, $4 }'
}

# seeds LANGUAGE: prints the seeds of its models.
seeds() {
    local of_language=SEEDS_$1
    echo "${!of_language:-${SEEDS:-1}}"
}

# direction LANGUAGE SEED: prints the direction of one model.
direction() {
    local directions=(left_to_right right_to_left) index=0
    case " $backward " in *" $1 "*) index=1 ;; esac
    case $2 in *r) index=$((1 - index)) ;; esac
    echo "${directions[index]}"
}

# options LANGUAGE SEED: prints the further options of one training.
options() {
    local of_language=OPTIONS_$1 of_seed=OPTIONS_$1_$2
    echo "${!of_seed-${!of_language-}}"
}

# train LANGUAGE SEED [OPTIONS OF train]
train() {
    local language=$1 seed=$2 options
    shift 2
    read -ra options <<<"$(options "$language" "$seed")"
    "$binaries/train" --config configs/g2p.toml --output "$output/$language-$seed" --seed "${seed%r}" --resume --quiet \
        --set "tokenizer.direction=$(direction "$language" "$seed")" \
        --set "task.train=$data/${language}_train.tsv" --set "task.validation=$data/${language}_dev.tsv" "$@" "${options[@]}"
}

for language in $languages; do
    for seed in $(seeds "$language"); do start train "$language" "$seed" "$@"; done
done
finish_all

printf '%-10s  %-9s  %15s  %16s\n' language model 'word error rate' 'phone error rate'
for language in $languages; do
    runs=()
    for seed in $(seeds "$language"); do
        runs+=("$output/$language-$seed")
        echo "seed-$seed $language $(evaluate "$language" "$output/$language-$seed")"
    done
    [ ${#runs[@]} = 1 ] || echo "ensemble $language $(evaluate "$language" "${runs[@]}")"
done | awk '
    function line(language, model, words, phones) { printf "%-10s  %-9s  %15.2f  %16.2f\n", language, model, words, phones }
    { line($2, $1, $3, $4); words[$1] += $3; phones[$1] += $4; count[$1]++; if (count[$1] == 1) order[++models] = $1 }
    END { for (i = 1; i <= models; i++) { m = order[i]; line("mean", m, words[m] / count[m], phones[m] / count[m]) } }'
