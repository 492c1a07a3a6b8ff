#!/usr/bin/env python3
"""Compares exported Hugging Face folders with the folders that were imported, in transformers.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt
    cargo build -p infer -p train && cargo build -p decode --example ids_and_logits
    VENV/bin/python scripts/compare/with-huggingface.py              all folders of the tests' fixtures
    VENV/bin/python scripts/compare/with-huggingface.py t5 FOLDER    these alone

Each folder is imported and exported by `infer`. transformers must open the export and compute the same logits, to the bit;
its tokenizer must give the ids of the original; and its outputs, greedy and with a beam of 4, must be those of `infer`: the
texts of Marian that end, and the ids of the families of T5 up to the limit of the folder. The ids of 1,000 hard lines must
be those of SentencePiece, or the bytes of ByT5. The run is then fine-tuned by `train` for 200 updates, during which its loss
must fall, and exported: again transformers must answer as `infer` does, and its weights, imported again, must be those of
the run to the bit. Prints one result per line; the exit code is 1 if any result differs.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/fixtures"))

try:
    import marian_models
    import sentencepiece
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5Tokenizer
except ModuleNotFoundError as error:
    sys.exit(f"{__doc__}\nerror: the Python package {error.name} is not installed; run pip install -r scripts/requirements.txt")

FIXTURES = ROOT / "crates/interchange/tests/fixtures"
# The format of the export of each `model_type`.
FORMATS = {"marian": "marian", "t5": "t5", "mt5": "t5", "umt5": "t5"}
INFER = Path(os.environ.get("INFER", ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/infer"))
LINES = [line.split("\t")[0] for line in (ROOT / "data/toy-en-de/test.tsv").read_text(encoding="utf-8").splitlines()[:40]]
HARD_LINES = 1000
# Labels of special tokens are text to `infer`, but not to transformers.
SPELLED = ("</s>", "<s>", "<pad>", "<unk>", "<extra_id", ">>")


def call(program, *arguments, text=None):
    result = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True, cwd=ROOT)
    if result.returncode:
        sys.exit(f"{program.name} {' '.join(map(str, arguments))}: {result.stderr}")
    return result.stdout.splitlines()


def infer(*arguments, text=None):
    return call(INFER, *arguments, text=text)


def answers(run, scratch, texts, beams=()):
    request, response = scratch / "request.json", scratch / "response.json"
    request.write_text(json.dumps(dict(texts=texts, pairs=[], beams=beams, languages=[None, None])))
    call(INFER.parent / "examples/ids_and_logits", run, request, response)
    return json.loads(response.read_text())


def original_ids(config):
    """The id in a folder of the families of T5 of each id in the run; `<unk>` is 2 in all of them."""
    ids = list(range(config.vocab_size))
    for place, own in ((0, config.eos_token_id), (1, 2), (len(ids) - 1, config.pad_token_id)):
        at = ids.index(own)
        ids[place], ids[at] = ids[at], ids[place]
    return ids


def encoder_of(folder):
    """The ids of SentencePiece for a folder of the families of T5, or those of bytes; transformers 5 normalises otherwise."""
    pieces = folder / "spiece.model"
    if pieces.exists():
        return sentencepiece.SentencePieceProcessor(model_proto=pieces.read_bytes()).encode
    return lambda line: [byte + 3 for byte in line.encode()]


def hard_ids(folder, run, config, scratch):
    """Yields whether 1,000 hard lines have the ids of SentencePiece, or are their bytes."""
    encode = encoder_of(folder)
    lines = [line for line in marian_models.edge_cases(2 * HARD_LINES, seed=3) if not any(label in line for label in SPELLED)]
    if not (folder / "spiece.model").exists():
        lines = [line for line in lines if "▁" not in line]  # ByT5 reads it as a space
    lines, there = lines[:HARD_LINES], original_ids(config)
    ours = answers(run, scratch, lines)["ids"]
    differ = sum([there[i] for i in own] != encode(line) for own, line in zip(ours, lines))
    yield f"ids of {len(lines)} hard lines", differ == 0 and len(lines) == HARD_LINES, f"{differ} differ"


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
def same_outputs(run, exported, export, scratch):
    """Yields whether transformers answers as `infer` does."""
    end = exported.config.eos_token_id
    if exported.config.model_type != "marian":
        exported.generation_config.forced_eos_token_id = None  # `infer` stops at the limit without `</s>`
        there, ours = original_ids(exported.config), answers(run, scratch, LINES, [1, 4])
        for beam in (1, 4):
            sources = [[*encoder_of(export)(line), end] for line in LINES]
            outputs = [exported.generate(torch.tensor([ids]), num_beams=beam)[0].tolist()[1:] for ids in sources]
            expected = [own[: own.index(end)] if end in own else own for own in outputs]
            found = [[there[i] for i in own["ids"]] for own in ours["beams"][str(beam)]]
            ended, differ = sum(end in own for own in outputs), sum(a != b for a, b in zip(found, expected))
            yield f"outputs of {len(LINES)} lines with a beam of {beam}, {ended} that end", differ == 0, f"{differ} differ"
        return
    tokenizer = tokenizer_of(export)
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

    if form == "t5":
        yield from hard_ids(folder, run, original.config, scratch)
    yield from same_outputs(run, exported, export, scratch)
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
    for what, good, details in same_outputs(tuned, exported, export, scratch):
        yield f"fine-tuned, {what}", good, details


def main():
    failed = False
    type_of = lambda folder: json.loads((folder / "config.json").read_text())["model_type"]
    fixtures = {path.parent.name: path.parent for path in sorted(FIXTURES.glob("*/*/config.json"))}
    # with-bart-models.py has the other families.
    own = [name for name, folder in fixtures.items() if type_of(folder) in FORMATS]
    for name in sys.argv[1:] or own:
        folder = fixtures.get(name, Path(name))
        model_type = type_of(folder)
        with tempfile.TemporaryDirectory() as scratch:
            for what, good, details in compare(folder, Path(scratch), FORMATS[model_type]):
                failed |= not good
                print(f"{folder.name} ({model_type}): {what}: {'equal' if good else 'DIFFERENT'} ({details})", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
