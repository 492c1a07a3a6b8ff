#!/usr/bin/env python3
"""Compares `infer import` and `infer export` with transformers, SentencePiece and CTranslate2.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt
    VENV/bin/python scripts/compare/with-transformers.py                   trains configs/tiny.toml and exports it
    VENV/bin/python scripts/compare/with-transformers.py runs/toy-en-de    exports this run folder
    VENV/bin/python scripts/compare/with-transformers.py --only ids --only relu

Creates Marian models of several sizes and imports them; token ids, logits and the output of greedy search and of beam
search (4 hypotheses) must match those of transformers. Exports run folders; the output of transformers and CTranslate2
must match that of `infer`. Prints one result per line; the exit code is 1 if any result differs.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts/fixtures"))

try:
    import marian_models
    import torch
    from transformers import AutoTokenizer, MarianMTModel
except ModuleNotFoundError as error:
    sys.exit(f"{__doc__}\nerror: the Python package {error.name} is not installed; run pip install -r scripts/requirements.txt")

LOGITS_TOLERANCE = 1e-4
BEAMS = [1, 4]

# Name: dimensions and options, and format of the weights file.
MODELS = {
    "relu": (dict(d_model=64, heads=4, inner=128, activation_function="relu"), "safetensors"),
    "gelu": (dict(d_model=48, heads=6, inner=96, encoder_layers=1, decoder_layers=3, activation_function="gelu"), "bin"),
    "swish": (dict(d_model=96, heads=8, inner=256, encoder_layers=3, decoder_layers=1), "legacy"),
    "wide": (dict(d_model=256, heads=8, inner=512, encoder_layers=3, decoder_layers=3), "safetensors"),
    "separate": (dict(d_model=64, heads=4, inner=128, share_encoder_decoder_embeddings=False), "safetensors"),
    "untied": (
        dict(d_model=64, heads=4, inner=128, share_encoder_decoder_embeddings=False, tie_word_embeddings=False), "bin",
    ),
}


class Program:
    """The Rust binaries and a folder for their output."""

    def __init__(self, binaries, folder):
        self.binaries, self.folder, self.failed = binaries, folder, False

    def infer(self, *arguments):
        subprocess.run([self.binaries / "infer", *map(str, arguments), "--quiet"], check=True)

    def ids_and_logits(self, run, texts, pairs=(), beams=()):
        request, response = self.folder / "request.json", self.folder / "response.json"
        request.write_text(json.dumps({"texts": texts, "pairs": pairs, "beams": beams}), encoding="utf-8")
        subprocess.run([self.binaries / "examples/ids_and_logits", run, request, response], check=True)
        return json.loads(response.read_text(encoding="utf-8"))

    def report(self, name, result, passed):
        self.failed |= not passed
        print(f"{'ok  ' if passed else 'FAIL'}  {name}: {result}", flush=True)


def without_end(ids):
    """The ids before `</s>`, and whether `</s>` occurs."""
    ids = list(ids)
    return (ids[: ids.index(0)], True) if 0 in ids else (ids, False)


@torch.no_grad()
def transformers_outputs(model, sources, beam):
    outputs = []
    for ids in sources:
        found = model.generate(input_ids=torch.tensor([[*ids, 0]]), num_beams=beam)[0].tolist()
        outputs.append(without_end(found[1:])[0])
    return outputs


@torch.no_grad()
def largest_difference(model, pairs, logits):
    worst, largest = 0.0, 0.0
    start = model.config.decoder_start_token_id
    for (source, target), ours in zip(pairs, logits):
        theirs = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[start, *target[:-1]]])).logits[0]
        ours = torch.tensor(ours).reshape(theirs.shape)
        worst = max(worst, (ours - theirs).abs().max().item())
        largest = max(largest, theirs.abs().max().item())
    return worst, largest


def random_pairs(vocabulary_size, count, max_len, seed):
    """Pairs of random ids, each side ending in `</s>`."""
    draw = random.Random(seed)
    ids = lambda: [*(draw.randrange(2, vocabulary_size - 1) for _ in range(draw.randint(1, max_len))), 0]
    return [(ids(), ids()) for _ in range(count)]


def compare_outputs(program, name, model, response, sources, beams):
    """Compares hypotheses that finish before the limit in both programs.

    At the limit transformers forces `</s>`, whereas `infer` stops without it.
    """
    limit = model.generation_config.max_length - 2
    for beam in beams:
        ours = [(output["ids"], output["finished"]) for output in response["beams"][str(beam)]]
        theirs = transformers_outputs(model, sources, beam)
        ended = [i for i, (_, finished) in enumerate(ours) if finished and len(theirs[i]) < limit]
        equal = sum(ours[i][0] == theirs[i] for i in ended)
        distinct = len({tuple(ids) for ids, _ in ours})
        result = f"{equal} of {len(ended)} equal, of {len(ours)} texts; {distinct} distinct outputs"
        program.report(f"{name}: outputs, beam {beam}", result, equal == len(ended) and len(ended) * 10 > len(ours) * 6)


def compare_import(program, name, texts):
    options, weights = MODELS[name]
    train = marian_models.corpus("train")
    sides = [marian_models.train_pieces([pair[side] for pair in train], 700) for side in (0, 1)]
    vocabulary, target_vocabulary = marian_models.merged(sides, 3), None
    if name == "separate":
        # transformers has one id for `<pad>`, so both vocabularies must have the same size.
        vocabularies = [marian_models.merged([side], 4, codes=[]) for side in sides]
        size = min(map(len, vocabularies)) - 1
        vocabulary, target_vocabulary = (
            {label: i for i, label in enumerate([*list(labels)[:size], "<pad>"])} for labels in vocabularies
        )
    vocabularies = [vocabulary, target_vocabulary or vocabulary]
    rate = min(4e-3, 0.2 / options["d_model"])  # a higher rate makes wide models produce one output for every source
    model = marian_models.trained_model_of(marian_models.config_of(vocabulary, **options), sides, vocabularies, steps=400, rate=rate)
    folder, run = program.folder / name, program.folder / f"{name}.run"
    marian_models.save(folder, model, sides, vocabulary, target_vocabulary, weights)
    program.infer("import", folder, "--output", run)

    model = MarianMTModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sources = [marian_models.encode(tokenizer, text) for text in texts]
    pairs = random_pairs(len(vocabulary), 40, 30, seed=6)
    response = program.ids_and_logits(run, texts, pairs, BEAMS)
    program.report(f"{name}: source ids", f"{sum(a == b for a, b in zip(response['ids'], sources))} of {len(texts)} texts equal", response["ids"] == sources)
    worst, largest = largest_difference(model, pairs, response["logits"])
    program.report(f"{name}: logits", f"max difference {worst:.1e} (logits up to {largest:.1f})", worst < LOGITS_TOLERANCE)
    compare_outputs(program, name, model, response, sources, BEAMS)

    # The round trip includes the SentencePiece models.
    back = program.folder / f"{name}.back"
    program.infer("export", "--model", run, "--format", "marian", back)
    again, tokenizer_again = MarianMTModel.from_pretrained(back).eval(), AutoTokenizer.from_pretrained(back)
    ids_again = [marian_models.encode(tokenizer_again, text) for text in texts]
    program.report(f"{name}: source ids after the round trip", f"{sum(a == b for a, b in zip(ids_again, sources))} of {len(texts)} texts equal", ids_again == sources)
    logits = [logits_of(again, pair) for pair in pairs]
    worst, _ = largest_difference(model, pairs, logits)
    program.report(f"{name}: logits after the round trip", f"max difference {worst:.1e}", worst < 1e-6)
    if name != "separate":
        compare_ctranslate2(program, name, back, response, sources, tokenizer_again)
    else:
        # CTranslate2's converter supports a joint vocabulary only.
        program.report(f"{name}: output texts", *compare_texts(tokenizer, response))


@torch.no_grad()
def logits_of(model, pair):
    source, target = pair
    start = model.config.decoder_start_token_id
    found = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[start, *target[:-1]]]))
    return found.logits[0].flatten().tolist()


def compare_texts(tokenizer, response):
    outputs = response["beams"]["1"]
    theirs = [tokenizer.decode(output["ids"], skip_special_tokens=True) for output in outputs]
    equal = sum(text.strip() == output["text"].strip() for text, output in zip(theirs, outputs))
    return f"{equal} of {len(outputs)} equal", equal == len(outputs)


def compare_ctranslate2(program, name, folder, response, sources, tokenizer):
    import ctranslate2

    converted = program.folder / f"{name}.ct2"
    ctranslate2.converters.TransformersConverter(str(folder)).convert(str(converted), force=True)
    translator = ctranslate2.Translator(str(converted), device="cpu", inter_threads=1, intra_threads=2)
    tokens = [[*tokenizer.convert_ids_to_tokens(ids), "</s>"] for ids in sources]
    for beam in BEAMS:
        outputs = response["beams"][str(beam)]
        ended = [i for i, output in enumerate(outputs) if output["finished"] and sources[i]]
        found = translator.translate_batch([tokens[i] for i in ended], beam_size=beam, length_penalty=1.0, max_decoding_length=60)
        ids = [tokenizer.convert_tokens_to_ids(one.hypotheses[0]) for one in found]
        equal = sum(outputs[i]["ids"] == one for i, one in zip(ended, ids))
        # Its beam search has a different stopping rule, so that beam outputs may differ.
        passed = equal == len(ended) if beam == 1 else equal > 0
        program.report(f"{name}: CTranslate2's outputs, beam {beam}", f"{equal} of {len(ended)} equal", passed)


def compare_export(program, run):
    name, folder = run.name, program.folder / f"{run.name}.marian"
    program.infer("export", "--model", run, "--format", "marian", folder)
    model, tokenizer = MarianMTModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    generated = run / "config.toml"
    if 'kind = "translate"' in generated.read_text():
        texts = [source for source, _ in marian_models.corpus("test")[:300]]
    else:
        draw = random.Random(7)
        texts = [" ".join(str(draw.randrange(10)) for _ in range(draw.randint(1, 9))) for _ in range(200)]
    sources = [tokenizer(text)["input_ids"][:-1] for text in texts]
    pairs = random_pairs(model.config.vocab_size, 40, 30 if model.config.max_position_embeddings > 31 else 8, seed=6)
    response = program.ids_and_logits(run, texts, pairs, BEAMS)
    program.report(f"{name}: source ids", f"{sum(a == b for a, b in zip(response['ids'], sources))} of {len(texts)} texts equal", response["ids"] == sources)
    worst, largest = largest_difference(model, pairs, response["logits"])
    program.report(f"{name}: logits", f"max difference {worst:.1e} (logits up to {largest:.1f})", worst < LOGITS_TOLERANCE)
    compare_outputs(program, name, model, response, sources, BEAMS)
    program.report(f"{name}: output texts", *compare_texts(tokenizer, response))
    compare_ctranslate2(program, name, folder, response, sources, tokenizer)


def compare_ids(program, texts):
    """Compares source and target ids with full NFKC, with byte fallback and without normalisation."""
    train = marian_models.corpus("train")
    for name, options in [
        ("nmt_nfkc", dict(normalization_rule_name="nmt_nfkc")),
        ("nfkc, lower-cased", dict(normalization_rule_name="nfkc_cf")),
        ("byte fallback", dict(byte_fallback=True)),
        ("spaces kept", dict(normalization_rule_name="identity", remove_extra_whitespaces=False)),
        ("no space in front", dict(add_dummy_prefix=False)),
    ]:
        sides = [marian_models.train_pieces([pair[side] for pair in train], 1000, **options) for side in (0, 1)]
        vocabulary = marian_models.merged(sides, 8)
        model = marian_models.model_of(marian_models.config_of(vocabulary, d_model=8, heads=1, inner=8), seed=1)
        label = name.replace(" ", "-").replace(",", "")
        folder, run = program.folder / label, program.folder / f"{label}.run"
        marian_models.save(folder, model, sides, vocabulary)
        program.infer("import", folder, "--output", run)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for side in ["source", "target"]:
            if side == "target":
                tokenizer._switch_to_target_mode()
                # `ids_and_logits` reads the source tokenizer.
                (run / "source.tokenizer.json").write_bytes((run / "target.tokenizer.json").read_bytes())
            theirs = [marian_models.encode(tokenizer, text) for text in texts]
            ours = program.ids_and_logits(run, texts)["ids"]
            equal = sum(a == b for a, b in zip(ours, theirs))
            for text, a, b in [one for one in zip(texts, ours, theirs) if one[1] != one[2]][:3]:
                print(f"      {text!r}: expected {b}, found {a}")
            program.report(f"ids, {name}, {side}", f"{equal} of {len(texts)} lines equal", equal == len(texts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", metavar="NAME",
        help=f"run this comparison only; may be repeated: ids, {', '.join(MODELS)}, or the name of a run folder",
    )
    parser.add_argument("--binaries", type=Path, help="folder with `infer` and `examples/ids_and_logits` [default: build]")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folder to export [default: train configs/tiny.toml]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binaries = arguments.binaries or build(["-p", "infer", "--bin", "infer", "-p", "decode", "--example", "ids_and_logits"])
        runs = [run.resolve() for run in arguments.runs]
        if not runs and not arguments.only:
            runs = [train_tiny(Path(folder))]
        names = arguments.only or ["ids", *MODELS, *(run.name for run in runs)]
        if len(names) == 1:
            sys.exit(compare(names[0], binaries.resolve(), runs))
        # One process per comparison: PyTorch's and CTranslate2's threads block each other.
        command = [sys.executable, __file__, "--binaries", binaries, *runs, "--only"]
        sys.exit(max(subprocess.run([*command, name]).returncode for name in names))


def build(options):
    """Builds with cargo and returns the folder of the binaries."""
    subprocess.run(["cargo", "build", "-q", *options], cwd=ROOT, check=True)
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug"


def train_tiny(folder):
    run = folder / "tiny"
    train = build(["-p", "train"]) / "train"
    subprocess.run([train, "--config", "configs/tiny.toml", "--output", run, "--quiet"], cwd=ROOT, check=True)
    return run


def compare(name, binaries, runs):
    """Runs one comparison and returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        program = Program(binaries, Path(folder))
        if name == "ids":
            lines = [text for pair in marian_models.corpus("test") for text in pair][:500]
            compare_ids(program, lines + marian_models.edge_cases(1000 - len(lines)))
        elif name in MODELS:
            texts = [source for source, _ in marian_models.corpus("test")[:60]] + marian_models.edge_cases(300)[280:]
            compare_import(program, name, texts)
        else:
            selected = [run for run in runs if run.name == name]
            if not selected:
                sys.exit(f"--only {name}: unknown; expected ids, {', '.join(MODELS)} or the name of a run folder")
            for run in selected:
                compare_export(program, run)
    return 1 if program.failed else 0


if __name__ == "__main__":
    main()
