#!/usr/bin/env bash
# Trains configs/g2p.toml on every language of SIGMORPHON 2021 task 1 and prints a table of word and phone error rates.
#
#   scripts/data/fetch-g2p.sh && scripts/bench/g2p.sh [OPTIONS OF train]
#   ENSEMBLES=yes scripts/bench/g2p.sh              one to three models a language, which decode together
#   SPLIT=test scripts/bench/g2p.sh                 error rates of the test split instead of the development split
#   LANGUAGES=eng_us scripts/bench/g2p.sh           other languages
#   JOBS=2 scripts/bench/g2p.sh                     two trainings at a time, each on half of the cores
#
# What differs between languages was chosen on development splits: the direction of writing (BACKWARD names the languages from
# right to left), longer trainings, and the models of an ensemble. To choose otherwise: SEEDS="1 2 1r 2r" trains four models a
# language, of which those with an r write in the other direction; SEEDS_kor="1 2 3" names those of one language;
# OPTIONS_kor="--set training.steps=9000" has options for all models of a language in place of those that were chosen, OPTIONS_kor_3
# those of seed 3 alone.
#
# A run that is interrupted goes on where it stopped, and one that is finished is not trained again. The runs are in OUTPUT
# (runs/g2p), the data in DATA (data/g2p). Matrix products are in bfloat16; --set training.matmul_precision=float32 is faster on
# processors without such products.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."

languages=${LANGUAGES:-arm_e bul dut fre geo hbs_latn hun jpn_hira kor vie_hanoi}
backward=${BACKWARD-bul hbs_latn}
split=${SPLIT:-dev}
data=${DATA:-data/g2p}
output=${OUTPUT:-runs/g2p}
ensembles=${ENSEMBLES:-no}
. scripts/bench/jobs.sh
for language in $languages; do
    for part in train dev "$split"; do
        file=$data/${language}_$part.tsv
        [ -e "$file" ] || { echo "error: $file is missing: run scripts/data/fetch-g2p.sh, or set LANGUAGES or SPLIT" >&2; exit 2; }
    done
done
case $ensembles in yes | no) ;; *) echo "error: ENSEMBLES=$ensembles: expected yes or no" >&2; exit 2 ;; esac
cargo build -q -p train -p infer
binaries=${CARGO_TARGET_DIR:-target}/debug
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# chosen_seeds LANGUAGE: prints the seeds of its models.
chosen_seeds() {
    case $ensembles-$1 in
        no-eng_us) echo 1r ;;
        no-*) echo 1 ;;
        yes-arm_e | yes-kor) echo 1 2 1r ;;
        yes-eng_us) echo 1r 2 ;;
        yes-fre) echo 1 2 ;;
        yes-geo) echo 1 ;;
        yes-hbs_latn) echo 1 2 3 ;;
        yes-*) echo 1 1r ;;
    esac
}

# chosen_options LANGUAGE SEED: prints the options of one training, unless OPTIONS_… has them.
chosen_options() {
    local english="model.positions=sinusoidal training.steps=14000 training.max_tokens=1024 training.learning_rate=0.0015" settings
    case $1-$2 in
        hbs_latn-*) settings="training.max_tokens=2048 training.steps=4000 training.learning_rate=0.0015 validation.every=500" ;;
        eng_us-*r) settings="$english model.dropout=0.2" ;;
        eng_us-*) settings=$english ;;
        *) settings= ;;
    esac
    # shellcheck disable=SC2086 # one setting a word
    [ -z "$settings" ] || printf -- '--set %s ' $settings
}

# seeds LANGUAGE: prints the seeds of its models.
seeds() {
    local of_language=SEEDS_$1
    echo "${!of_language:-${SEEDS:-$(chosen_seeds "$1")}}"
}

# direction LANGUAGE SEED: prints the direction of one model.
direction() {
    local directions=(left_to_right right_to_left) index=0
    case " $backward " in *" $1 "*) index=1 ;; esac
    case $2 in *r) index=$((1 - index)) ;; esac
    echo "${directions[index]}"
}

# train LANGUAGE SEED [OPTIONS OF train]
train() {
    local language=$1 seed=$2 of_language=OPTIONS_$1 of_seed=OPTIONS_$1_$2 chosen=() own=()
    shift 2
    read -ra own <<<"${!of_seed-${!of_language-}}"
    [[ -v $of_seed || -v $of_language ]] || read -ra chosen <<<"$(chosen_options "$language" "$seed")"
    "$binaries/train" --config configs/g2p.toml --output "$output/$language-$seed" --seed "${seed%r}" --resume --quiet \
        --set training.matmul_precision=bfloat16 --set "tokenizer.direction=$(direction "$language" "$seed")" \
        --set "task.train=$data/${language}_train.tsv" --set "task.validation=$data/${language}_dev.tsv" \
        "${chosen[@]}" "$@" "${own[@]}"
}

# evaluate LANGUAGE MODEL RUN…: prints MODEL, the language, and its word and phone error rate in percent.
evaluate() {
    local language=$1 model=$2 models=() run rates
    shift 2
    for run in "$@"; do models+=(--model "$run"); done
    cut -f1 "$data/${language}_$split.tsv" >"$work/words"
    cut -f2 "$data/${language}_$split.tsv" >"$work/phones"
    rates=$("$binaries/infer" evaluate "${models[@]}" --source "$work/words" --reference "$work/phones" --tokenize none --quiet |
        awk -F'[= %]+' '/^word error rate/ { words = $4 } /^token error rate/ { print words, $4 }') || return
    [[ $rates = *" "* ]] || { echo "error: infer evaluate has not printed the error rates of $*" >&2; return 1; }
    echo "$model $language $rates"
}

for language in $languages; do
    for seed in $(seeds "$language"); do start "$output/$language-$seed" train "$language" "$seed" "$@"; done
done
finish_all

# The test split is for the models that were chosen, not for the members of their ensembles.
for language in $languages; do
    runs=() seeds=$(seeds "$language")
    for seed in $seeds; do
        runs+=("$output/$language-$seed")
        [[ $split = test || $seeds != *" "* ]] || evaluate "$language" "seed-$seed" "$output/$language-$seed"
    done
    evaluate "$language" all "${runs[@]}"
done >"$work/rates"

awk '
    function line(language, model, words, phones) { printf "%-10s  %-9s  %15s  %16s\n", language, model, words, phones }
    function rates(language, model, words, phones) { line(language, model, sprintf("%.2f", words), sprintf("%.2f", phones)) }
    BEGIN { line("language", "models", "word error rate", "phone error rate") }
    { rates($2, $1, $3, $4) }
    $1 == "all" { words += $3; phones += $4; count++ }
    END { if (count > 1) rates("mean of " count, "all", words / count, phones / count) }' "$work/rates"
