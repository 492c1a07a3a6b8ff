#!/usr/bin/env python3
"""Writes the Marian folders and reference values that the Rust tests of
`crates/infer` compare with.

    python3 -m venv VENV && VENV/bin/pip install torch transformers==5.24.0 sentencepiece==0.2.3 safetensors
    VENV/bin/python scripts/marian-fixtures.py

The folders are small, and come from the libraries themselves: transformers saves
the models, torch the .bin files, SentencePiece its models. `expected.json` holds
what transformers and SentencePiece make of texts, `expected.safetensors` logits.
"""

import json
import shutil
from pathlib import Path

import marian_models as made
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, MarianMTModel

FIXTURES = Path(__file__).resolve().parent.parent / "crates/infer/tests/fixtures/marian"

# A table like NFKC's that is small: (characters, what they become).
RULES = [
    ("\t", " "), ("\u00a0", " "), ("\u3000", " "), ("\u2003", " "), ("\u200b", ""), ("\ufeff", ""), ("\u00ad", ""),
    ("ﬁ", "fi"), ("ﬃ", "ffi"), ("①", "1"), ("½", "1⁄2"), ("…", "..."), ("™", "TM"), ("㎏", "kg"),
    ("e\u0301", "é"), ("a\u0308", "ä"), ("o\u0308", "ö"), ("u\u0308", "ü"), ("A\u030a", "Å"), ("\u2126", "Ω"),
    ("u\u0308\u0304", "ǖ"), ("ẛ\u0323", "ṩ"), ("\u0344", "\u0308\u0301"), ("ſ", "s"), ("ﷺ", "صلى الله عليه وسلم"),
    *[(chr(0xFF01 + i), chr(0x21 + i)) for i in range(94)],
]


def rules(folder):
    hexadecimal = lambda text: " ".join(f"{ord(character):X}" for character in text)
    path = folder / "rules.tsv"
    path.write_text("".join(f"{hexadecimal(a)}\t{hexadecimal(b)}\n" for a, b in RULES))
    return path


@torch.no_grad()
def logits_of(model, pair):
    source, target = pair
    start = model.config.decoder_start_token_id
    return model(
        input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[start, *target[:-1]]])
    ).logits[0].contiguous()


def answers(model, sources, beam):
    return [
        model.generate(input_ids=torch.tensor([[*ids, 0]]), num_beams=beam)[0].tolist()[1:] for ids in sources
    ]


def write(name, vocabulary, sides, texts, options, target_vocabulary=None, weights=("safetensors",)):
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    vocabularies = [vocabulary, target_vocabulary or vocabulary]
    model = made.trained_model_of(made.config_of(vocabulary, **options), sides, vocabularies, steps=900)
    made.save(folder, model, sides, vocabulary, target_vocabulary)
    for form in weights:
        if form != "safetensors":
            new = form == "bin"
            path = folder / f"{form}.bin"
            torch.save(made.tied_tensors(model), path, _use_new_zipfile_serialization=new)
    model = MarianMTModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sources = [made.encode(tokenizer, text) for text in texts]
    tokenizer._switch_to_target_mode()
    targets = [made.encode(tokenizer, text) for text in texts]
    tokenizer._switch_to_input_mode()

    plain = [i for i, ids in enumerate(sources) if ids][:24]
    said = {str(beam): answers(model, [sources[i] for i in plain], beam) for beam in (1, 4)}
    lengths = [len(ids) for ids in said["4"]]
    print(f"{name}: {len(set(map(tuple, said['1'])))} greedy, {len(set(map(tuple, said['4'])))} beam answers, "
          f"{min(lengths)} to {max(lengths)} tokens, {sum(ids[-1] != 0 for ids in said['1'])} unfinished")
    pairs = [([*sources[i], 0][:12], [*targets[i + 1], 0][:8]) for i in plain[:3]]
    expected = {
        "texts": texts,
        "source_ids": sources,
        "target_ids": targets,
        "translated": plain,
        "answers": said,
        "answer_texts": tokenizer.batch_decode(said["4"], skip_special_tokens=True),
        "pairs": pairs,
    }
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n")
    save_file({f"logits.{i}": logits_of(model, pair) for i, pair in enumerate(pairs)}, folder / "expected.safetensors")


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    train = made.corpus("train")[:4000]
    table = rules(FIXTURES)
    options = dict(normalization_rule_name="", normalization_rule_tsv=str(table))
    sides = [made.train_pieces([pair[side] for pair in train], 260, **options) for side in (0, 1)]
    bytes_sides = [
        made.train_pieces([pair[side] for pair in train], 420, normalization_rule_name="identity", byte_fallback=True)
        for side in (0, 1)
    ]
    table.unlink()
    texts = [source for source, _ in made.corpus("test")[:30]] + made.edge_cases(230)

    small = dict(d_model=16, heads=4, inner=24)
    write("swish", made.merged(sides, 3), sides, texts, small, weights=("safetensors", "bin", "legacy"))
    relu = dict(small, heads=2, encoder_layers=1, decoder_layers=2, activation_function="relu")
    relu["share_encoder_decoder_embeddings"] = False
    vocabularies = [made.merged([side], 4, codes=[]) for side in sides]
    size = min(map(len, vocabularies)) - 1
    separate = [{label: i for i, label in enumerate([*list(v)[:size], "<pad>"])} for v in vocabularies]
    write("relu-separate", separate[0], sides, texts, relu, target_vocabulary=separate[1])
    gelu = dict(small, encoder_layers=2, decoder_layers=1, activation_function="gelu", tie_word_embeddings=False)
    gelu["share_encoder_decoder_embeddings"] = False
    write("gelu-bytes", made.merged(bytes_sides, 5), bytes_sides, texts, gelu)

    # What is refused: models of another kind.
    refused = FIXTURES / "refused"
    shutil.rmtree(refused, ignore_errors=True)
    refused.mkdir()
    lines = [source for source, _ in train[:500]]
    identity = dict(normalization_rule_name="identity")
    (refused / "bpe.spm").write_bytes(made.train_pieces(lines, 80, model_type="bpe", **identity))
    (refused / "suffix.spm").write_bytes(made.train_pieces(lines, 80, treat_whitespace_as_suffix=True, **identity))
    (refused / "symbols.spm").write_bytes(made.train_pieces(lines, 80, user_defined_symbols=["@@"], **identity))
    total = sum(path.stat().st_size for path in FIXTURES.rglob("*") if path.is_file())
    print(f"{total / 1000:.0f} kB")


if __name__ == "__main__":
    main()
