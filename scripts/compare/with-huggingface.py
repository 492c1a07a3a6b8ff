#!/usr/bin/env python3
"""Compares exported Hugging Face folders with the folders that were imported, in transformers.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt
    cargo build -p infer -p train
    VENV/bin/python scripts/compare/with-huggingface.py              all folders of the tests' fixtures
    VENV/bin/python scripts/compare/with-huggingface.py t5 FOLDER    these alone

Each folder is imported and exported by `infer`. transformers must open the export and compute the same logits, to the bit;
its tokenizer must give the ids of the original; and its outputs, greedy and with a beam of 4, must be those of `infer`.
The run is then fine-tuned by `train` for 200 updates, during which its loss must fall, and exported: again transformers must
answer as `infer` does, and its weights, imported again, must be those of the run to the bit. Prints one result per line; the exit code is 1 if any result differs.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

try:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5Tokenizer
except ModuleNotFoundError as error:
    sys.exit(f"{__doc__}\nerror: the Python package {error.name} is not installed; run pip install -r scripts/requirements.txt")

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "crates/interchange/tests/fixtures"
# The format of the export of each `model_type`.
FORMATS = {"marian": "marian", "t5": "t5", "mt5": "t5", "umt5": "t5"}
INFER = Path(os.environ.get("INFER", ROOT / "target/debug/infer"))
LINES = [line.split("\t")[0] for line in (ROOT / "data/toy-en-de/test.tsv").read_text(encoding="utf-8").splitlines()[:40]]


def call(program, *arguments, text=None):
    result = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True, cwd=ROOT)
    if result.returncode:
        sys.exit(f"{program.name} {' '.join(map(str, arguments))}: {result.stderr}")
    return result.stdout.splitlines()


def infer(*arguments, text=None):
    return call(INFER, *arguments, text=text)


def tokenizer_of(folder):
    try:
        return AutoTokenizer.from_pretrained(folder)
    except ValueError:  # UMT5 has no class of its own
        return T5Tokenizer.from_pretrained(folder)


def fine_tune(run, scratch):
    """Trains a run for some updates, and returns the new run."""
    config, tuned = scratch / "tune.toml", scratch / "tuned"
    data = [f'{key} = "data/toy-en-de/{part}.tsv"' for key, part in [("train", "train"), ("validation", "validation")]]
    config.write_text("[task]\nkind = \"translate\"\n" + "\n".join(data) + """
[training]
steps = 200
max_tokens = 1024
learning_rate = 0.003
warmup_steps = 20
[validation]
every = 100
sentences = 10
""")
    call(INFER.with_name("train"), "--config", config, "--init-from", run, "--output", tuned, "--quiet")
    records = [json.loads(line) for line in (tuned / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return tuned, [record["loss"] for record in records if "loss" in record]


@torch.no_grad()
def same_outputs(run, exported, tokenizer, end):
    """Yields whether transformers answers as `infer` does."""
    for beam in (1, 4):
        found = infer("--model", run, "--beam", beam, "--quiet", text="\n".join(LINES) + "\n")
        outputs = [exported.generate(tokenizer(line, return_tensors="pt").input_ids, num_beams=beam)[0] for line in LINES]
        texts = [tokenizer.decode(output, skip_special_tokens=True).strip() for output in outputs]
        limit = exported.generation_config.max_length  # where transformers forces the end, and `infer` stops
        ended = [i for i, output in enumerate(outputs) if end in output.tolist() and len(output) < limit]
        differ = sum(found[i].strip() != texts[i] for i in ended)
        yield f"outputs with a beam of {beam}, {len(ended)} that end", differ == 0, f"{differ} differ"


@torch.no_grad()
def compare(folder, scratch, form):
    run, export = scratch / "run", scratch / "export"
    infer("import", folder, "--output", run, "--quiet")
    infer("export", "--model", run, "--format", form, export, "--quiet")
    original, exported = (AutoModelForSeq2SeqLM.from_pretrained(path).eval() for path in (folder, export))
    tokenizers = [tokenizer_of(path) for path in (folder, export)]
    ids = [[tokenizer(line).input_ids for line in LINES] for tokenizer in tokenizers]
    differ = sum(a != b for a, b in zip(*ids))
    yield f"ids of {len(LINES)} lines", differ == 0, f"{differ} differ"

    start = torch.tensor([[original.config.decoder_start_token_id]])
    largest = 0.0
    for source, target in zip(ids[0][:10], ids[0][1:11]):
        read = dict(input_ids=torch.tensor([source]), decoder_input_ids=torch.cat([start, torch.tensor([target])], 1))
        largest = max(largest, (original(**read).logits - exported(**read).logits).abs().max().item())
    yield "logits of original and export", largest == 0, f"largest difference {largest}"

    end = original.config.eos_token_id
    yield from same_outputs(run, exported, tokenizers[1], end)
    (tuned, losses), export = fine_tune(run, scratch), scratch / "tuned-export"
    yield "fine-tuned, loss", losses[-1] < losses[0], f"from {losses[0]:.2f} to {losses[-1]:.2f}"
    infer("export", "--model", tuned, "--format", form, export, "--quiet")
    exported = AutoModelForSeq2SeqLM.from_pretrained(export).eval()
    before, after = (model.get_input_embeddings().weight for model in (original, exported))
    changed = before.ne(after).any().item()
    yield "fine-tuned weights opened", changed, "changed" if changed else "unchanged"
    again = scratch / "again"
    infer("import", export, "--output", again, "--quiet")
    weights = [load_file(run / "model.safetensors") for run in (tuned, again)]
    differ = sum(not torch.equal(weight, weights[1].get(name)) for name, weight in weights[0].items())
    yield "fine-tuned weights imported again", differ == 0, f"{differ} of {len(weights[0])} differ"
    for what, good, details in same_outputs(tuned, exported, tokenizer_of(export), end):
        yield f"fine-tuned, {what}", good, details


def main():
    failed = False
    fixtures = {path.parent.name: path.parent for path in sorted(FIXTURES.glob("*/*/config.json"))}
    for name in sys.argv[1:] or fixtures:
        folder = fixtures.get(name, Path(name))
        model_type = json.loads((folder / "config.json").read_text())["model_type"]
        with tempfile.TemporaryDirectory() as scratch:
            for what, good, details in compare(folder, Path(scratch), FORMATS[model_type]):
                failed |= not good
                print(f"{folder.name} ({model_type}): {what}: {'equal' if good else 'DIFFERENT'} ({details})", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
