#!/usr/bin/env bash
# Holds `infer import` and `infer export` against transformers, SentencePiece and CTranslate2.
#
#   python3 -m venv VENV && VENV/bin/pip install torch transformers==5.24.0 sentencepiece ctranslate2 safetensors
#   PYTHON=VENV/bin/python scripts/compare-with-transformers [RUN …]
#
# Exports the run folders RUN; without any, trains configs/tiny.toml and exports that. ONLY="ids relu" compares these
# alone: ids, the models that compare-with-transformers.py names, or runs by name.
set -euo pipefail

python=${PYTHON:-python3}
case $python in */*) python=$(realpath -ms -- "$python") ;; esac
runs=()
for run in "$@"; do runs+=("$(realpath -m -- "$run")"); done
cd "$(dirname "$0")/.."

cargo build -q -p infer --bin infer --example ids_and_logits
binaries=${CARGO_TARGET_DIR:-target}/debug
if [ ${#runs[@]} -eq 0 ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    cargo run -q -p train -- --config configs/tiny.toml --output "$scratch/tiny" --quiet
    runs=("$scratch/tiny")
fi
only=()
for name in ${ONLY:-}; do only+=(--only "$name"); done
"$python" scripts/compare-with-transformers.py --binaries "$binaries" ${only[@]+"${only[@]}"} "${runs[@]}"
