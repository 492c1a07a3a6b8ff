#!/usr/bin/env python3
"""Holds `infer import` and `infer export` against transformers, SentencePiece and
CTranslate2. `scripts/compare-with-transformers` builds what this needs and says how
to call it.

Marian models of several sizes are made on the spot and imported; then token ids,
logits, greedy and beam-4 answers are compared with those of transformers. Run
folders are exported, and transformers and CTranslate2 have to say what `infer`
says. A figure per line; the exit code is 1 if one is not as it should be.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import marian_models as made
import torch
from transformers import AutoTokenizer, MarianMTModel

LOGITS_TOLERANCE = 1e-4
BEAMS = [1, 4]

# name: sizes and options, and the weights file's form
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
    """The binaries, and a folder for what they write."""

    def __init__(self, binaries, folder):
        self.binaries, self.folder, self.failed = binaries, folder, False

    def infer(self, *arguments):
        subprocess.run([self.binaries / "infer", *map(str, arguments), "--quiet"], check=True)

    def numbers(self, run, texts, pairs=(), beams=()):
        asked, told = self.folder / "asked.json", self.folder / "told.json"
        asked.write_text(json.dumps({"texts": texts, "pairs": pairs, "beams": beams}), encoding="utf-8")
        subprocess.run([self.binaries / "examples/ids_and_logits", run, asked, told], check=True)
        return json.loads(told.read_text(encoding="utf-8"))

    def figure(self, what, found, right):
        self.failed |= not right
        print(f"{'ok  ' if right else 'FAIL'}  {what}: {found}", flush=True)


def without_end(ids):
    """The ids up to `</s>`, and whether it is there."""
    ids = list(ids)
    return (ids[: ids.index(0)], True) if 0 in ids else (ids, False)


@torch.no_grad()
def transformers_answers(model, sources, beam):
    answers = []
    for ids in sources:
        found = model.generate(input_ids=torch.tensor([[*ids, 0]]), num_beams=beam)[0].tolist()
        answers.append(without_end(found[1:])[0])
    return answers


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


def pairs_of(vocabulary_size, count, longest, seed):
    """Any ids at all, with `</s>` at the end."""
    draw = random.Random(seed)
    ids = lambda: [*(draw.randrange(2, vocabulary_size - 1) for _ in range(draw.randint(1, longest))), 0]
    return [(ids(), ids()) for _ in range(count)]


def compare_answers(program, name, model, told, sources, beams):
    """Equal answers, of those that both end before the limit: there transformers
    makes a model say `</s>`, and `infer` stops."""
    limit = model.generation_config.max_length - 2
    for beam in beams:
        ours = [(answer["ids"], answer["finished"]) for answer in told["beams"][str(beam)]]
        theirs = transformers_answers(model, sources, beam)
        ended = [i for i, (_, finished) in enumerate(ours) if finished and len(theirs[i]) < limit]
        equal = sum(ours[i][0] == theirs[i] for i in ended)
        different = len({tuple(ids) for ids, _ in ours})
        found = f"{equal} of {len(ended)} equal, of {len(ours)} texts; {different} different answers"
        program.figure(f"{name}: answers, beam {beam}", found, equal == len(ended) and len(ended) * 10 > len(ours) * 6)


def compare_import(program, name, texts):
    options, weights = MODELS[name]
    train = made.corpus("train")
    sides = [made.train_pieces([pair[side] for pair in train], 700) for side in (0, 1)]
    vocabulary, target_vocabulary = made.merged(sides, 3), None
    if name == "separate":
        # `<pad>` has one id in transformers, so the two are of one size.
        vocabularies = [made.merged([side], 4, codes=[]) for side in sides]
        size = min(map(len, vocabularies)) - 1
        vocabulary, target_vocabulary = (
            {label: i for i, label in enumerate([*list(labels)[:size], "<pad>"])} for labels in vocabularies
        )
    vocabularies = [vocabulary, target_vocabulary or vocabulary]
    rate = min(4e-3, 0.2 / options["d_model"])  # wider ones would end up saying the same of everything
    model = made.trained_model_of(made.config_of(vocabulary, **options), sides, vocabularies, steps=400, rate=rate)
    folder, run = program.folder / name, program.folder / f"{name}.run"
    made.save(folder, model, sides, vocabulary, target_vocabulary, weights)
    program.infer("import", folder, "--output", run)

    model = MarianMTModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sources = [made.encode(tokenizer, text) for text in texts]
    pairs = pairs_of(len(vocabulary), 40, 30, seed=6)
    told = program.numbers(run, texts, pairs, BEAMS)
    program.figure(f"{name}: source ids", f"{sum(a == b for a, b in zip(told['ids'], sources))} of {len(texts)} texts equal", told["ids"] == sources)
    worst, largest = largest_difference(model, pairs, told["logits"])
    program.figure(f"{name}: logits", f"furthest {worst:.1e} (logits up to {largest:.1f})", worst < LOGITS_TOLERANCE)
    compare_answers(program, name, model, told, sources, BEAMS)

    # And back: the SentencePiece models too.
    back = program.folder / f"{name}.back"
    program.infer("export", "--model", run, "--format", "marian", back)
    again, tokenizer_again = MarianMTModel.from_pretrained(back).eval(), AutoTokenizer.from_pretrained(back)
    ids_again = [made.encode(tokenizer_again, text) for text in texts]
    program.figure(f"{name}: source ids of what is exported again", f"{sum(a == b for a, b in zip(ids_again, sources))} of {len(texts)} texts equal", ids_again == sources)
    logits = [logits_of(again, pair) for pair in pairs]
    worst, _ = largest_difference(model, pairs, logits)
    program.figure(f"{name}: logits of what is exported again", f"furthest {worst:.1e}", worst < 1e-6)
    if name != "separate":
        compare_ctranslate2(program, name, back, told, sources, tokenizer_again)
    else:
        # CTranslate2's converter knows one vocabulary only.
        program.figure(f"{name}: texts of the answers", *decoded_alike(tokenizer, told))


@torch.no_grad()
def logits_of(model, pair):
    source, target = pair
    start = model.config.decoder_start_token_id
    found = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[start, *target[:-1]]]))
    return found.logits[0].flatten().tolist()


def decoded_alike(tokenizer, told):
    answers = told["beams"]["1"]
    theirs = [tokenizer.decode(answer["ids"], skip_special_tokens=True) for answer in answers]
    equal = sum(text.strip() == answer["text"].strip() for text, answer in zip(theirs, answers))
    return f"{equal} of {len(answers)} equal", equal == len(answers)


def compare_ctranslate2(program, name, folder, told, sources, tokenizer):
    import ctranslate2

    converted = program.folder / f"{name}.ct2"
    ctranslate2.converters.TransformersConverter(str(folder)).convert(str(converted), force=True)
    translator = ctranslate2.Translator(str(converted), device="cpu", inter_threads=1, intra_threads=2)
    tokens = [[*tokenizer.convert_ids_to_tokens(ids), "</s>"] for ids in sources]
    for beam in BEAMS:
        answers = told["beams"][str(beam)]
        ended = [i for i, answer in enumerate(answers) if answer["finished"] and sources[i]]
        found = translator.translate_batch([tokens[i] for i in ended], beam_size=beam, length_penalty=1.0, max_decoding_length=60)
        ids = [tokenizer.convert_tokens_to_ids(one.hypotheses[0]) for one in found]
        equal = sum(answers[i]["ids"] == one for i, one in zip(ended, ids))
        # Its beam search stops by a rule of its own, so that beam answers may differ.
        right = equal == len(ended) if beam == 1 else equal > 0
        program.figure(f"{name}: CTranslate2's answers, beam {beam}", f"{equal} of {len(ended)} equal", right)


def compare_export(program, run):
    name, folder = run.name, program.folder / f"{run.name}.marian"
    program.infer("export", "--model", run, "--format", "marian", folder)
    model, tokenizer = MarianMTModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    generated = run / "config.toml"
    if 'kind = "translate"' in generated.read_text():
        texts = [source for source, _ in made.corpus("test")[:300]]
    else:
        draw = random.Random(7)
        texts = [" ".join(str(draw.randrange(10)) for _ in range(draw.randint(1, 9))) for _ in range(200)]
    sources = [tokenizer(text)["input_ids"][:-1] for text in texts]
    pairs = pairs_of(model.config.vocab_size, 40, 30 if model.config.max_position_embeddings > 31 else 8, seed=6)
    told = program.numbers(run, texts, pairs, BEAMS)
    program.figure(f"{name}: source ids", f"{sum(a == b for a, b in zip(told['ids'], sources))} of {len(texts)} texts equal", told["ids"] == sources)
    worst, largest = largest_difference(model, pairs, told["logits"])
    program.figure(f"{name}: logits", f"furthest {worst:.1e} (logits up to {largest:.1f})", worst < LOGITS_TOLERANCE)
    compare_answers(program, name, model, told, sources, BEAMS)
    program.figure(f"{name}: texts of the answers", *decoded_alike(tokenizer, told))
    compare_ctranslate2(program, name, folder, told, sources, tokenizer)


def compare_ids(program, texts):
    """Source and target ids with the whole of NFKC, with byte fallback, and with no normalisation."""
    train = made.corpus("train")
    for name, options in [
        ("nmt_nfkc", dict(normalization_rule_name="nmt_nfkc")),
        ("nfkc, lower-cased", dict(normalization_rule_name="nfkc_cf")),
        ("byte fallback", dict(byte_fallback=True)),
        ("spaces kept", dict(normalization_rule_name="identity", remove_extra_whitespaces=False)),
        ("no space in front", dict(add_dummy_prefix=False)),
    ]:
        sides = [made.train_pieces([pair[side] for pair in train], 1000, **options) for side in (0, 1)]
        vocabulary = made.merged(sides, 8)
        model = made.model_of(made.config_of(vocabulary, d_model=8, heads=1, inner=8), seed=1)
        label = name.replace(" ", "-").replace(",", "")
        folder, run = program.folder / label, program.folder / f"{label}.run"
        made.save(folder, model, sides, vocabulary)
        program.infer("import", folder, "--output", run)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for side in ["source", "target"]:
            if side == "target":
                tokenizer._switch_to_target_mode()
                # The example reads the source's tokenizer.
                (run / "source.tokenizer.json").write_bytes((run / "target.tokenizer.json").read_bytes())
            theirs = [made.encode(tokenizer, text) for text in texts]
            ours = program.numbers(run, texts)["ids"]
            equal = sum(a == b for a, b in zip(ours, theirs))
            for text, a, b in [one for one in zip(texts, ours, theirs) if one[1] != one[2]][:3]:
                print(f"      {text!r}: {a} is not {b}")
            program.figure(f"ids, {name}, {side}", f"{equal} of {len(texts)} lines equal", equal == len(texts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=Path, required=True, help="folder with `infer` and `examples/ids_and_logits`")
    parser.add_argument("--only", action="append", help="compare only this: ids, one of the models, or a run's name")
    parser.add_argument("runs", nargs="*", type=Path, help="run folders to export")
    arguments = parser.parse_args()
    names = arguments.only or ["ids", *MODELS, *(run.name for run in arguments.runs)]
    if len(names) > 1:
        # Each in a process of its own: the threads of PyTorch and CTranslate2 wait for each other.
        again = [sys.executable, __file__, "--binaries", arguments.binaries, *arguments.runs, "--only"]
        sys.exit(max(subprocess.run([*again, name]).returncode for name in names))
    (name,) = names
    with tempfile.TemporaryDirectory() as folder:
        program = Program(arguments.binaries, Path(folder))
        if name == "ids":
            lines = [text for pair in made.corpus("test") for text in pair][:500]
            compare_ids(program, lines + made.edge_cases(1000 - len(lines)))
        elif name in MODELS:
            texts = [source for source, _ in made.corpus("test")[:60]] + made.edge_cases(300)[280:]
            compare_import(program, name, texts)
        else:
            for run in [run for run in arguments.runs if run.name == name]:
                compare_export(program, run)
    sys.exit(1 if program.failed else 0)


if __name__ == "__main__":
    main()
