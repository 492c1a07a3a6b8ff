#!/usr/bin/env bash
# Targets of a model's own for configs/multi30k-en-de-distilled.toml, from a run of configs/multi30k-en-de-cased.toml.
#
#   python3 -m venv VENV && VENV/bin/pip install sacremoses==0.2.0
#   PYTHON=VENV/bin/python scripts/distil-multi30k.sh [RUN] [DIR]
#
# RUN is runs/multi30k-en-de-cased, DIR data/multi30k unless given; scripts/fetch-multi30k.sh fills the latter. Translates
# the 29,000 English training sentences twice, and writes the translations into DIR/tok in the form of the text there
# (lower-cased, normalised, tokenised by Moses' rules):
#
#   train.closest.lc.norm.tok.de    of a beam of ten, the hypothesis closest to the reference
#   train.likely.lc.norm.tok.de     the most probable of a beam of five
#
# Both with length penalty 1.0, as docs/results.md has it. Takes four minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

run=${1:-runs/multi30k-en-de-cased}
directory=${2:-data/multi30k}
python=${PYTHON:-python3}
"$python" -c 'import sacremoses' 2>/dev/null ||
    { echo "error: $python has no sacremoses; see the head of $0" >&2; exit 1; }
cargo build -q -p infer
infer=${CARGO_TARGET_DIR:-target}/debug/infer

moses() {
    "$python" -c '
import sys
from sacremoses import MosesPunctNormalizer, MosesTokenizer
normalizer, tokenizer = MosesPunctNormalizer(lang="de"), MosesTokenizer(lang="de")
for line in sys.stdin:
    print(tokenizer.tokenize(normalizer.normalize(line.rstrip("\n").lower()), escape=True, return_str=True))
'
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The same form as the text there, but for a few full stops beside quotation marks.
moses <"$directory/train.de" >"$scratch/train.de"
other=$(diff "$scratch/train.de" "$directory/tok/train.lc.norm.tok.de" | grep -c '^<' || true)
[ "$other" -le 29 ] ||
    { echo "error: this sacremoses cuts $other lines of $directory/train.de otherwise than tok/ has them" >&2; exit 1; }

"$infer" distil --model "$run" --source "$directory/train.en" --reference "$directory/train.de" --beam 10 \
    --length-penalty 1.0 --lowercase | moses >"$scratch/closest"
"$infer" --model "$run" --beam 5 --length-penalty 1.0 <"$directory/train.en" | moses >"$scratch/likely"
for name in closest likely; do
    mv "$scratch/$name" "$directory/tok/train.$name.lc.norm.tok.de"
done
