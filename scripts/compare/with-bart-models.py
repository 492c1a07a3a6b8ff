#!/usr/bin/env python3
"""Compares random models of the family of BART with transformers, in several sizes and with several options.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt
    cargo build -p infer -p train && cargo build -p decode --example ids_and_logits
    VENV/bin/python scripts/compare/with-bart-models.py               every family and size
    VENV/bin/python scripts/compare/with-bart-models.py nllb bart     these families alone

For each model: the ids of 1,000 hard lines are those of SentencePiece (of the `tokenizers` library for BART), logits are
within 1e-4 of those of transformers, greedy outputs and those of a beam of 4 are equal; the export has the tensors of the
original to the bit; and after 200 updates of `train` transformers answers again as `infer` does. Prints one result per
line; the exit code is 1 if any result differs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/fixtures"))

try:
    import bart_models
    import huggingface
    import marian_models
    import torch
    from transformers import AutoModelForSeq2SeqLM
    from transformers.utils import logging
except ModuleNotFoundError as error:
    sys.exit(f"{__doc__}\nerror: the Python package {error.name} is not installed; run pip install -r scripts/requirements.txt")

logging.set_verbosity_error()
logging.disable_progress_bar()
BINARIES = Path(os.environ.get("BINARIES", ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug"))
HARD_LINES = 1000
SENTENCES = 20
UPDATES = 200

# Sizes and options of a model, beside those of the fixtures.
SIZES = dict(
    small={},
    wide=dict(d_model=96, encoder_layers=3, decoder_layers=3, encoder_attention_heads=8, decoder_attention_heads=8,
              encoder_ffn_dim=200, decoder_ffn_dim=200),
    gelu_new=dict(d_model=40, encoder_layers=1, decoder_layers=2, activation_function="gelu_new", vocab_size=700),
)


def call(program, *arguments):
    result = subprocess.run([BINARIES / program, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)
    if result.returncode:
        sys.exit(f"{program} {' '.join(map(str, arguments))}: {result.stderr}")


def answers(run, scratch, texts, languages, pairs=(), beams=()):
    request, response = scratch / "request.json", scratch / "response.json"
    request.write_text(json.dumps(dict(texts=texts, pairs=pairs, beams=beams, languages=languages)))
    call("examples/ids_and_logits", run, request, response)
    return json.loads(response.read_text())


def original_ids(size, end, unknown, padding):
    """The id in the folder of each id in the run."""
    ids = list(range(size))
    for place, own in ((0, end), (1, unknown), (size - 1, padding)):
        at = ids.index(own)
        ids[place], ids[at] = ids[at], ids[place]
    return ids


@torch.no_grad()
def outputs(model, family, sources, beam):
    (before, after), (start, begin) = family.frames()["source"], family.frames()["target"]
    model.generation_config.forced_eos_token_id = None  # an untrained model may not end
    options = dict(num_beams=beam, max_length=40, decoder_start_token_id=start, forced_bos_token_id=begin[0] if begin else None,
                   bad_words_ids=[[model.config.pad_token_id]], renormalize_logits=True)
    found = [model.generate(torch.tensor([[*before, *ids, *after]]), **options)[0].tolist()[1:] for ids in sources]
    return [own[: own.index(model.config.eos_token_id)] if model.config.eos_token_id in own else own for own in found]


def same_outputs(model, family, run, scratch, lines, there):
    sources = [family.vocabulary.encode(line) for line in lines]
    languages = list(family.languages) or [None, None]
    ours = answers(run, scratch, lines, languages, beams=[1, 4])
    for beam in (1, 4):
        found = [[there[i] for i in own["ids"]] for own in ours["beams"][str(beam)]]
        expected = outputs(model, family, sources, beam)
        differ = sum(a != b for a, b in zip(found, expected))
        yield f"outputs of {len(lines)} sentences with a beam of {beam}", differ == 0, f"{differ} differ"


@torch.no_grad()
def compare(family, sizes, scratch):
    folder, run, export = scratch / "folder", scratch / "run", scratch / "export"
    model = family.build(**sizes)
    huggingface.initialise(model)
    model.generation_config.max_length = 40
    model.save_pretrained(folder)
    for file, contents in family.files.items():
        (folder / file).write_bytes(contents)
    model.eval()
    call("infer", "import", folder, "--output", run, "--quiet")
    vocabulary, config = family.vocabulary, model.config
    there = original_ids(config.vocab_size, config.eos_token_id, vocabulary.id("<unk>"), config.pad_token_id)
    languages = list(family.languages) or [None, None]

    hard = marian_models.edge_cases(2 * HARD_LINES, seed=3)
    spelled = ("</s>", "<s>", "<pad>", "<unk>", ">>")
    hard = [line for line in hard if not any(label in line for label in spelled)][:HARD_LINES]
    ours = answers(run, scratch, hard, languages)["ids"]
    differ = sum([there[i] for i in own] != vocabulary.encode(line) for own, line in zip(ours, hard))
    yield f"ids of {len(hard)} hard lines", differ == 0 and len(hard) == HARD_LINES, f"{differ} differ"

    lines = [source for source, _ in marian_models.corpus("test")[:SENTENCES]]
    ids = [vocabulary.encode(line)[:50] for line in lines]
    (before, after), (start, begin) = family.frames()["source"], family.frames()["target"]
    pairs = [([*before, *a, *after], [*begin, *b, config.eos_token_id]) for a, b in zip(ids[:8], ids[1:9])]
    here = [there.index(i) for i in range(len(there))]
    moved = [[[here[i] for i in side] for side in pair] for pair in pairs]
    found = answers(run, scratch, [], languages, moved)["logits"]
    largest = 0.0
    for (source, target), own in zip(pairs, found):
        logits = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[start, *target[:-1]]])).logits[0]
        own = torch.tensor(own).reshape(logits.shape)[:, here]
        largest = max(largest, (logits - own).abs().max().item())
    yield "logits", largest < 1e-4, f"largest difference {largest:.1e}"
    short = [line for line, own in zip(lines, ids) if len(own) < 50]
    yield from same_outputs(model, family, run, scratch, short, there)

    formats = dict(bart="bart", mbart="mbart", m2m_100="m2m100", pegasus="pegasus")
    model_type = formats[config.model_type]
    call("infer", "export", "--model", run, "--format", model_type, export, "--quiet")
    exported = AutoModelForSeq2SeqLM.from_pretrained(export).eval()
    original = model.state_dict()
    used = lambda name, x: x[2:] if "embed_positions" in name and config.model_type in ("bart", "mbart") else x
    other = [name for name, x in exported.state_dict().items() if not torch.equal(used(name, x), used(name, original[name]))]
    yield "tensors of the export", not other and len(exported.state_dict()) == len(original), f"{len(other)} differ"
    tokenizer = bart_models.transformers_tokenizer(family.name, export)
    differ = sum(tokenizer.encode(line, add_special_tokens=False) != vocabulary.encode(line) for line in lines)
    yield f"ids of {len(lines)} sentences by the exported tokenizer", differ == 0, f"{differ} differ"
    (before, after), (start, begin) = family.source, family.target
    around = {*before, *after, start, *begin}
    moved = [label for label in around if tokenizer.convert_tokens_to_ids(label) != vocabulary.id(label)]
    yield "ids of the tokens around texts by the exported tokenizer", not moved, f"other ids: {', '.join(moved) or 'none'}"

    tuned, export = scratch / "tuned", scratch / "tuned-export"
    data = [f'{key} = "data/toy-en-de/{part}.tsv"' for key, part in (("train", "train"), ("validation", "validation"))]
    named = [f'{key} = "{language}"' for key, language in zip(("source_lang", "target_lang"), family.languages)]
    (scratch / "tune.toml").write_text("\n".join([
        "[task]", 'kind = "translate"', *data, "[training]", f"steps = {UPDATES}", "max_tokens = 512",
        "[validation]", f"every = {UPDATES}", "sentences = 10", "[decoding]", *named,
    ]))
    call("train", "--config", scratch / "tune.toml", "--init-from", run, "--output", tuned, "--quiet")
    call("infer", "export", "--model", tuned, "--format", model_type, export, "--quiet")
    exported = AutoModelForSeq2SeqLM.from_pretrained(export).eval()
    changed = not torch.equal(exported.state_dict()["model.shared.weight"], original["model.shared.weight"])
    yield "fine-tuned weights", changed, "changed" if changed else "unchanged"
    for what, good, details in same_outputs(exported, family, tuned, scratch, short, there):
        yield f"fine-tuned, {what}", good, details


def main():
    failed = False
    lines = [text for pair in marian_models.corpus("train")[:4000] for text in pair]
    with tempfile.TemporaryDirectory() as work:
        makers = bart_models.families(lines, Path(work))
        for name in sys.argv[1:] or makers:
            family = makers[name]()
            for size, sizes in SIZES.items():
                scratch = Path(work) / "model"
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir()
                for what, good, details in compare(family, sizes, scratch):
                    failed |= not good
                    print(f"{name}, {size}: {what}: {'equal' if good else 'DIFFERENT'} ({details})", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
