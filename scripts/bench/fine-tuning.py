#!/usr/bin/env python3
"""Shows that fine-tuning goes on from the score of an imported model.

    cargo build -p infer -p train
    python3 scripts/bench/fine-tuning.py [FOLDER]

Trains configs/toy-en-de.toml for 2,000 updates, exports the run as a Hugging Face folder, imports that, and fine-tunes the
import with a configuration that names only data and training: with all weights, and with LoRA. Prints the exact match of
every validation, and the test of each run. The exit code is 1 if the first validation of the fine-tuned model is worse than
the imported model by more than one point, or if fine-tuning all weights does not reach 99 %.

Runs are kept in FOLDER, if given, and not trained again.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / "target/debug"

MINE = """[task]
kind = "translate"
train = "data/toy-en-de/train.tsv"
validation = "data/toy-en-de/validation.tsv"
test = "data/toy-en-de/test.tsv"

[training]
steps = 2000
max_tokens = 2048
micro_batches = 2
learning_rate = 0.001
schedule = "cosine"

[validation]
every = 200
sentences = 1000
"""

KINDS = {
    "all weights": [],
    "LoRA": ["--set", 'training.lora={ rank = 8, alpha = 16 }'],
}


def call(program, *arguments):
    subprocess.run([BINARIES / program, *map(str, arguments), "--quiet"], cwd=ROOT, check=True)


def scores(run, key):
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(record["step"], record[key]["exact_match"]) for record in records if key in record]


def trained(run, *arguments):
    if not (run / "model.safetensors").is_file():
        call("train", "--output", run, "--resume", *arguments)
    for step, score in scores(run, "validation"):
        print(f"{run.name}: validation at step {step}: {100 * score:.1f} %", flush=True)
    for step, score in scores(run, "test"):
        print(f"{run.name}: test: {100 * score:.1f} %", flush=True)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    base, hugging_face, imported, config = (folder / name for name in ("base", "hugging-face", "imported", "mine.toml"))
    trained(base, "--config", "configs/toy-en-de.toml", "--set", "training.steps=2000")
    if not imported.exists():
        call("infer", "export", "--model", base, "--format", "marian", hugging_face)
        call("infer", "import", hugging_face, "--output", imported)
    config.write_text(MINE, encoding="utf-8")
    before = scores(base, "validation")[-1][1]
    failed = False
    for name, options in KINDS.items():
        run = folder / name.replace(" ", "-")
        trained(run, "--config", config, "--init-from", imported, *options)
        after = [score for _, score in scores(run, "validation")]
        failed |= after[0] < before - 0.01 or (not options and max(after) < 0.99)
        print(f"{name}: {100 * before:.1f} % before, {100 * max(after):.1f} % at best")
    sys.exit(failed)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
