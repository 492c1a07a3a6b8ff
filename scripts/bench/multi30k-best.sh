#!/usr/bin/env bash
# The best Multi30k English–German model of 2.7 million parameters: four trainings, the later ones with text that the earlier
# ones write.
#
#   scripts/fetch-multi30k.sh && scripts/multi30k-best.sh
#
# Reads data/multi30k/tok and writes runs/multi30k-best, whose 4-best is the model. May be stopped at any time and started
# again: it goes on where it was. Arguments go to each training: --set training.matmul_precision=float32 is faster where the
# processor has no products of bfloat16. How long it takes, and what it reaches: docs/results.md.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build -q -p train -p infer
binaries=${CARGO_TARGET_DIR:-target}/debug
train=("$binaries/train" "$@")
runs=runs/multi30k-best
english=data/multi30k/tok/train.lc.norm.tok.en
german=data/multi30k/tok/train.lc.norm.tok.de

# The run NAME of the configuration of that name, from its last checkpoint if there is one.
trained() {
    command=("${train[@]}" --config "configs/multi30k-best/$1.toml" --output "$runs/$1")
    [ ! -e "$runs/$1" ] || command+=(--resume)
    "${command[@]}"
}

# What the rest of the arguments print, as FILE among the runs, unless it is there.
written() {
    file=$runs/$1
    shift
    [ ! -e "$file" ] || return 0
    echo "writing $file" >&2
    "$@" >"$file.part"
    mv "$file.part" "$file"
}

# Of a beam of ten, the translation of each line of SOURCE by RUN that is closest to that of REFERENCE.
closest() {
    "$binaries/infer" distil --quiet --model "$runs/$1" --source "$2" --reference "$3" --tokenize none \
        --beam 10 --length-penalty 1.0
}

# What RUN takes for the most probable translation of each line of SOURCE.
likely() {
    "$binaries/infer" --quiet --model "$runs/$1" --beam 5 --length-penalty 1.0 <"$2"
}

# A translation of each line of SOURCE that is drawn from the distribution of RUN, with a seed.
drawn() {
    "$binaries/infer" --quiet --model "$runs/$1" --sample --top-p 0.9 --seed "$3" <"$2"
}

trained 1-both
written both.closest.de closest 1-both "$english" "$german"
written both.likely.de likely 1-both "$english"
written both.closest.en closest 1-both "$german" "$english"
written both.drawn.en drawn 1-both "$german" 1
trained 2-own-text
trained 3-wide
written wide.closest.de closest 3-wide "$english" "$german"
written wide.likely.de likely 3-wide "$english"
written both.redrawn.en drawn 1-both "$german" 2
trained 4-best
