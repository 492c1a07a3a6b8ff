#!/usr/bin/env bash
# Trains the best Multi30k English–German models of 2.7 million parameters: students of three teachers of the same size, which
# generate targets as an ensemble, and of a fourth, which generates sources.
#
#   scripts/data/fetch-multi30k.sh && scripts/bench/multi30k-best.sh [OPTIONS OF train]
#   SEEDS=1 scripts/bench/multi30k-best.sh          one student instead of three
#   JOBS=2 scripts/bench/multi30k-best.sh           two trainings at a time, each on half of the cores
#   SPLIT=test_2016_flickr scripts/bench/multi30k-best.sh
#
# Reads data/multi30k/tok and writes runs/multi30k-best, whose folders student-1, student-2 and student-3 are the results; prints
# the BLEU of the three teachers and of the students on the validation split, or that of the students on the split that SPLIT names. After an interruption, the
# same command resumes where it stopped, and what is finished is not trained again. Options are passed to each training: --set
# training.matmul_precision=float32 is faster on processors without bfloat16 products. docs/results.md has the duration and the
# results.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."

seeds=${SEEDS:-1 2 3}
split=${SPLIT:-val}
. scripts/bench/jobs.sh
for seed in $seeds; do
    [[ $seed = [123] ]] || { echo "error: SEEDS=$seeds: expected some of 1 2 3, the seeds of the teachers" >&2; exit 2; }
done
text=data/multi30k/tok
english=$text/train.lc.norm.tok.en
german=$text/train.lc.norm.tok.de
for language in en de; do
    file=$text/$split.lc.norm.tok.$language
    [ -e "$file" ] || { echo "error: $file is missing: run scripts/data/fetch-multi30k.sh, or set SPLIT" >&2; exit 2; }
done
cargo build -q -p train -p infer
binaries=${CARGO_TARGET_DIR:-target}/debug
runs=runs/multi30k-best
quiet=()
[ "$jobs" = 1 ] || quiet=(--quiet) # one terminal shows the progress of one training
ensemble=(--model $runs/forward-1 --model $runs/forward-2 --model $runs/forward-3)

# Starts or resumes a training. Usage: train CONFIG RUN SEED [OPTIONS OF train]
train() {
    local config=$1 run=$2 seed=$3
    shift 3
    echo "training $run" >&2
    "$binaries/train" --config "configs/$config.toml" --output "$runs/$run" --seed "$seed" --resume \
        --set training.matmul_precision=bfloat16 "${quiet[@]}" "$@"
}

# Writes the output of COMMAND to FILE in the folder of the runs, unless FILE exists. Usage: write_file FILE COMMAND…
write_file() {
    local file=$runs/$1
    shift
    [ ! -e "$file" ] || return 0
    echo "writing $file" >&2
    "$@" >"$file.part"
    mv "$file.part" "$file"
}

# Prints, for each line of SOURCE, the hypothesis of a beam of ten that is closest to REFERENCE.
# Usage: closest SOURCE REFERENCE --model RUN…
closest() {
    local source=$1 reference=$2
    shift 2
    "$binaries/infer" distil --quiet --source "$source" --reference "$reference" --tokenize none --beam 10 "$@"
}

# Prints the most probable translation of each line of SOURCE. Usage: likely SOURCE --model RUN…
likely() {
    local source=$1
    shift
    "$binaries/infer" --quiet --beam 5 "$@" <"$source"
}

# Prints a sampled translation of each line of SOURCE. Usage: sampled SOURCE --model RUN…
sampled() {
    local source=$1
    shift
    "$binaries/infer" --quiet --sample --top-p 0.9 "$@" <"$source"
}

for seed in 1 2 3; do start "$runs/forward-$seed" train multi30k-en-de forward-$seed $seed "$@"; done
start "$runs/backward" train multi30k-best/backward backward 1 "$@"
finish_all
write_file closest.de closest $english $german "${ensemble[@]}"
write_file likely.de likely $english "${ensemble[@]}"
write_file closest.en closest $german $english --model $runs/backward
write_file sampled.en sampled $german --model $runs/backward
for seed in $seeds; do
    start "$runs/student-$seed" train multi30k-best/student "student-$seed" "$seed" --init-from "$runs/forward-$seed" "$@"
done
finish_all

# bleu --model RUN…: prints the BLEU of one model or an ensemble.
bleu() {
    "$binaries/infer" evaluate "$@" --tokenize none --quiet \
        --source "$text/$split.lc.norm.tok.en" --reference "$text/$split.lc.norm.tok.de" | awk '/^BLEU/ { print $3 }'
}

printf '%-17s  %s\n' model "BLEU, $split"
if [ "$split" = val ]; then
    for seed in 1 2 3; do
        score=$(bleu --model "$runs/forward-$seed")
        printf '%-17s  %s\n' "forward-$seed" "$score"
    done
    score=$(bleu "${ensemble[@]}")
    printf '%-17s  %s\n' "forward, ensemble" "$score"
fi
scores=()
for seed in $seeds; do
    score=$(bleu --model "$runs/student-$seed")
    printf '%-17s  %s\n' "student-$seed" "$score"
    scores+=("$score")
done
printf '%s\n' "${scores[@]}" | awk '{ sum += $1 } END { printf "%-17s  %.2f\n", "student, mean", sum / NR }'
