#!/usr/bin/env bash
# Trains the best Multi30k English–German model of 2.7 million parameters: four trainings, the later ones with translations by
# the models of the earlier ones.
#
#   scripts/data/fetch-multi30k.sh && scripts/bench/multi30k-best.sh [OPTIONS OF train]
#
# Reads data/multi30k/tok and writes runs/multi30k-best; the final model is its folder 4-best. After an interruption, the
# script resumes where it stopped. Options are passed to each training: --set training.matmul_precision=float32 is faster on
# processors without bfloat16 products. docs/results.md has the duration and the result.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "$0")/../.."

cargo build -q -p train -p infer
binaries=${CARGO_TARGET_DIR:-target}/debug
train=("$binaries/train" "$@")
runs=runs/multi30k-best
english=data/multi30k/tok/train.lc.norm.tok.en
german=data/multi30k/tok/train.lc.norm.tok.de

# Trains or resumes configuration NAME. Usage: train_run NAME
train_run() {
    command=("${train[@]}" --config "configs/multi30k-best/$1.toml" --output "$runs/$1")
    [ ! -e "$runs/$1" ] || command+=(--resume)
    "${command[@]}"
}

# Writes the output of COMMAND to FILE in the folder of the runs, unless FILE exists. Usage: write_file FILE COMMAND…
write_file() {
    file=$runs/$1
    shift
    [ ! -e "$file" ] || return 0
    echo "writing $file" >&2
    "$@" >"$file.part"
    mv "$file.part" "$file"
}

# Prints, for each line of SOURCE, the hypothesis of RUN (beam 10) closest to REFERENCE. Usage: closest RUN SOURCE REFERENCE
closest() {
    "$binaries/infer" distil --quiet --model "$runs/$1" --source "$2" --reference "$3" --tokenize none \
        --beam 10 --length-penalty 1.0
}

# Prints the most probable translation of each line of SOURCE by RUN. Usage: likely RUN SOURCE
likely() {
    "$binaries/infer" --quiet --model "$runs/$1" --beam 5 --length-penalty 1.0 <"$2"
}

# Prints a translation of each line of SOURCE sampled from RUN. Usage: sampled RUN SOURCE SEED
sampled() {
    "$binaries/infer" --quiet --model "$runs/$1" --sample --top-p 0.9 --seed "$3" <"$2"
}

train_run 1-both
write_file both.closest.de closest 1-both "$english" "$german"
write_file both.likely.de likely 1-both "$english"
write_file both.closest.en closest 1-both "$german" "$english"
write_file both.drawn.en sampled 1-both "$german" 1
train_run 2-own-text
train_run 3-wide
write_file wide.closest.de closest 3-wide "$english" "$german"
write_file wide.likely.de likely 3-wide "$english"
write_file both.redrawn.en sampled 1-both "$german" 2
train_run 4-best
