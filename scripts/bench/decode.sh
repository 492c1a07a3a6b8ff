#!/usr/bin/env bash
# Decodes side by side with CTranslate2 and Hugging Face transformers: the same weights, the same sentences, the same lengths.
#
#   scripts/bench-decode [--sizes tiny,base] [--rounds 5] [--without-hf]
#
# Needs a Python with torch, transformers and ctranslate2, named by PYTHON, for example from
#   python3 -m venv /tmp/peers && /tmp/peers/bin/pip install torch transformers ctranslate2
#   PYTHON=/tmp/peers/bin/python scripts/bench-decode
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet -p infer
cargo build --quiet -p infer --example bench_decode
exec "${PYTHON:-python3}" scripts/bench-decode.py "$@"
