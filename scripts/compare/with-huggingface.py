#!/usr/bin/env python3
"""Compares exported Hugging Face folders of other families with the folders that were imported, in transformers.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt
    cargo build -p infer -p train
    VENV/bin/python scripts/compare/with-huggingface.py              all folders of the tests' fixtures
    VENV/bin/python scripts/compare/with-huggingface.py t5 FOLDER    these alone

Each folder is imported and exported by `infer`. transformers must open the export and compute the same logits, to the bit;
its tokenizer must give the ids of the original; and its outputs, greedy and with a beam of 4, must be those of `infer`.
The run is then fine-tuned by `train` for 20 updates and exported: again transformers must answer as `infer` does.
Prints one result per line; the exit code is 1 if any result differs.
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
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5Tokenizer
except ModuleNotFoundError as error:
    sys.exit(f"{__doc__}\nerror: the Python package {error.name} is not installed; run pip install -r scripts/requirements.txt")

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "crates/interchange/tests/fixtures/huggingface"
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
steps = 20
max_tokens = 512
[validation]
every = 20
sentences = 10
""")
    call(INFER.with_name("train"), "--config", config, "--init-from", run, "--output", tuned, "--quiet")
    return tuned


@torch.no_grad()
def same_outputs(run, exported, tokenizer, end):
    """Yields whether transformers answers as `infer` does."""
    for beam in (1, 4):
        found = infer("--model", run, "--beam", beam, "--quiet", text="\n".join(LINES) + "\n")
        outputs = [exported.generate(tokenizer(line, return_tensors="pt").input_ids, num_beams=beam)[0] for line in LINES]
        texts = [tokenizer.decode(output, skip_special_tokens=True).strip() for output in outputs]
        ended = [i for i, output in enumerate(outputs) if end in output.tolist()]
        differ = sum(found[i].strip() != texts[i] for i in ended)
        yield f"outputs with a beam of {beam}, {len(ended)} that end", differ == 0, f"{differ} differ"


@torch.no_grad()
def compare(folder, scratch):
    run, export = scratch / "run", scratch / "export"
    infer("import", folder, "--output", run, "--quiet")
    infer("export", "--model", run, "--format", "t5", export, "--quiet")
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
    tuned, export = fine_tune(run, scratch), scratch / "tuned-export"
    infer("export", "--model", tuned, "--format", "t5", export, "--quiet")
    exported = AutoModelForSeq2SeqLM.from_pretrained(export).eval()
    changed = exported.state_dict()["shared.weight"].ne(original.state_dict()["shared.weight"]).any().item()
    yield "fine-tuned weights opened", changed, "changed" if changed else "unchanged"
    for what, good, details in same_outputs(tuned, exported, tokenizer_of(export), end):
        yield f"fine-tuned, {what}", good, details


def main():
    failed = False
    for name in sys.argv[1:] or sorted(path.name for path in FIXTURES.iterdir()):
        folder = Path(name) if Path(name).is_dir() else FIXTURES / name
        model_type = json.loads((folder / "config.json").read_text())["model_type"]
        with tempfile.TemporaryDirectory() as scratch:
            for what, good, details in compare(folder, Path(scratch)):
                failed |= not good
                print(f"{folder.name} ({model_type}): {what}: {'equal' if good else 'DIFFERENT'} ({details})", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
