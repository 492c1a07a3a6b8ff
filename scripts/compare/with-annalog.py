#!/usr/bin/env python3
"""Compares `infer` with ANNalog, a published Transformer that translates a molecule into an analogue.

    python3 -m venv VENV && VENV/bin/pip install numpy==2.4.6
    cargo build -p infer
    VENV/bin/python scripts/compare/with-annalog.py [--wheel FILE] [--molecules N] [--output RUN]

Downloads the package annalog 1.0.6 with pip, verifies the checksums of its model and vocabulary, and writes them as a run
folder. Nothing of the package is executed and its pickles are read without their code. Then compares

    published   answers and log-probabilities of the package's own code for three molecules
    equations   NumPy in float32: greedy answers and log-probabilities for N (120) molecules, which beam search derives from
                well-known ones

with those of target/debug/infer. Exits with code 1 if one differs. --output keeps the run folder.
"""

import argparse
import hashlib
import io
import json
import math
import os
import pickle
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path

try:
    import numpy as np
except ModuleNotFoundError as error:
    sys.exit(f"{__doc__}\nerror: the Python package {error.name} is not installed")

ROOT = Path(__file__).resolve().parents[2]
INFER = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/infer"
MODEL = "annalog/ckpt_and_vocab/Lev_extended.pt"
VOCABULARY = "annalog/ckpt_and_vocab/stereo_experiment_vocab_ttf.pkl"
CHECKSUMS = {
    MODEL: "9e22e755b5d47da3c678bc19073e4f4af12ae061c91a7e5382cea67e30fad97b",
    VOCABULARY: "4e0330ab3a7e17a99296c69b0cde6132d589ed8d7ce644ea86839705bf00d6ea",
}
PUBLISHED = [
    ("c1ccc2c(c1)[nH]cc2CCN", "c1ccc2c(c1)[nH]cc2CCNCCCCC", -7.4086),
    ("CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CC(C)Cc1ccc(C(C)C)cc1", -4.9523),
    ("CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Oc1ccccc1C(=O)O", -3.5462),
]
OTHERS = [  # caffeine, paracetamol, lidocaine, fluoxetine, diazepam
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "CC(=O)Nc1ccc(O)cc1",
    "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "CNCCC(c1ccccc1)Oc1ccc(C(F)(F)F)cc1",
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",
]
HEADS, POSITIONS, LIMIT = 8, 102, 100
TIE = 1e-3


class Reader(pickle.Unpickler):
    """Reads dictionaries of tensors and of plain values, and rejects every other class."""

    def __init__(self, data, archive=None):
        super().__init__(io.BytesIO(data))
        self.archive = archive

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "FloatStorage"): "float32",
            ("torch._utils", "_rebuild_tensor_v2"): self.tensor,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"the class {module}.{name}")
        return known[module, name]

    def persistent_load(self, identity):
        _, kind, key, _, count = identity
        data = self.archive.read(f"{self.archive.namelist()[0].split('/')[0]}/data/{key}")
        return np.frombuffer(data, "<f4", count)

    @staticmethod
    def tensor(storage, offset, shape, strides, *_):
        tensor = storage[offset : offset + math.prod(shape)].reshape(shape)
        assert tuple(4 * stride for stride in strides) == tensor.strides, "a tensor that is not contiguous"
        return tensor


def read_package(wheel):
    """The weights by name, and the words by id."""
    files = {}
    with zipfile.ZipFile(wheel) as package:
        for name, expected in CHECKSUMS.items():
            files[name] = package.read(name)
            found = hashlib.sha256(files[name]).hexdigest()
            if found != expected:
                sys.exit(f"error: {wheel}: {name}: SHA-256 {found}, expected {expected}; use annalog 1.0.6")
    with zipfile.ZipFile(io.BytesIO(files[MODEL])) as archive:
        pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        weights = dict(Reader(archive.read(pickled), archive).load())
    return weights, Reader(files[VOCABULARY]).load()["itos"]


def fetch(folder):
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "annalog==1.0.6"]
    subprocess.run(command, check=True)
    return next(Path(folder).glob("annalog-*.whl"))


# The run folder

CONFIG = """[task]
kind = "translate"
train = "molecules.tsv"
validation = "molecules.tsv"

[tokenizer]
kind = "whitespace"
vocab_size = 8000
joint = true
normalization = "nfc"
lowercase = false
nfc = true
dropout = 0.0
sample_lines = 1000000

[model]
d_model = 256
n_heads = 8
d_ff = 512
encoder_layers = 3
decoder_layers = 3
decoder_self = "attention"
dropout = 0.1
attention_dropout = 0.0
ff_dropout = 0.0
stack_dropout = 0.0
norm = "post"
norm_kind = "layer"
norm_epsilon = 0.00001
embedding_norm = false
activation = "relu"
positions = "learned"
position_offset = 0
relative_buckets = 32
relative_max_distance = 128
max_length = 102
tie = "none"
bias = true
output_bias = true
scale_attention = true
scale_embeddings = true
scale_logits = false
"""
CONTROLS = r"[\x{0}-\x{8}\x{E}-\x{1F}\x{7F}-\x{84}\x{86}-\x{9F}\x{AD}\x{200B}\x{2060}-\x{2064}\x{206A}-\x{206F}\x{FEFF}]"
SPACES = r"[\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]+"


def tokenizer(labels, template):
    """A tokenizer file of the kind `whitespace`."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    special = [(0, "</s>"), (1, "<unk>"), (len(labels) - 1, "<pad>")]
    split = {"type": "Split", "pattern": {"Regex": "<(?=(?:/s|unk|pad)>)"}, "behavior": "Isolated", "invert": False}
    steps = [
        {"type": "Replace", "pattern": {"Regex": CONTROLS}, "content": ""},
        {"type": "Replace", "pattern": {"Regex": SPACES}, "content": " "},
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "NFC"},
    ]
    vocabulary = {label: i for i, label in enumerate(labels)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": label, **flags} for i, label in special],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, split]},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>", "template": template},
    }


def layer_names(side, layer):
    """Pairs of a name here and one of the package."""
    there, here = f"{side}.layers.{layer}", f"{side}.layers.{layer}"
    attentions = [("self_attention", "self_attention", "self_attn_layer_norm")]
    if side == "decoder":
        attentions.append(("cross_attention", "encoder_attention", "enc_attn_layer_norm"))
    for own, other, norm in attentions:
        for part in ("query", "key", "value", "output"):
            for kind in ("weight", "bias"):
                yield f"{here}.{own}.{part}.{kind}", f"{there}.{other}.fc_{part[0]}.{kind}"
        yield from norm_names(f"{here}.{own}", f"{there}.{norm}")
    for part, other in (("inner", "fc_1"), ("output", "fc_2")):
        for kind in ("weight", "bias"):
            yield f"{here}.feed_forward.{part}.{kind}", f"{there}.positionwise_feedforward.{other}.{kind}"
    yield from norm_names(f"{here}.feed_forward", f"{there}.ff_layer_norm")


def norm_names(here, there):
    yield f"{here}_residual.norm.gamma", f"{there}.weight"
    yield f"{here}_residual.norm.beta", f"{there}.bias"


def write_run(run, weights, words):
    end, unknown, padding = (words.index(word) for word in ("<eos>", "<unk>", "<pad>"))
    rest = [i for i in range(len(words)) if i not in (end, unknown, padding)]
    order = [end, unknown, *rest, padding]
    labels = ["</s>", "<unk>", *(words[i] for i in rest), "<pad>"]
    tensors = {
        "embeddings.source": weights["encoder.tok_embedding.weight"][order],
        "embeddings.target": weights["decoder.tok_embedding.weight"][order],
        "embeddings.output": weights["decoder.fc_out.weight"][order],
        "embeddings.output_bias": weights["decoder.fc_out.bias"][order],
        "source_positions.table": weights["encoder.pos_embedding.weight"],
        "target_positions.table": weights["decoder.pos_embedding.weight"],
    }
    for side in ("encoder", "decoder"):
        for layer in range(3):
            tensors |= {here: weights[there] for here, there in layer_names(side, layer)}
    assert len(tensors) == len(weights), f"{len(tensors)} of {len(weights)} tensors"
    run.mkdir(parents=True)
    header, at = {"__metadata__": {"attend": '{"step":0}'}}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(tensor.astype("<f4").tobytes() for tensor in tensors.values())
    (run / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (run / "config.toml").write_text(CONFIG)
    for side, template in {
        "source": {"before": ["<sos>"], "after": ["</s>"]},
        "target": {"start": "<sos>", "before": [], "after": ["</s>"], "hidden": ["<sos>"]},
    }.items():
        (run / f"{side}.tokenizer.json").write_text(json.dumps(tokenizer(labels, template), indent=2) + "\n")


# The equations


def split(molecule):
    return re.findall(r"\[[^\]]*\]|%\d\d|Br|Cl|.", molecule)


class Network:
    """The Transformer of the paper with learned positions, norms after sub-layers, and three untied matrices."""

    def __init__(self, weights, words):
        self.w, self.words = weights, words
        self.ids = {word: i for i, word in enumerate(words)}

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def add_and_norm(self, x, update, name):
        x = x + update
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(1e-5))
        return unit * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def attend(self, x, memory, name, causal):
        def heads(values):
            return values.reshape(len(values), HEADS, -1).transpose(1, 0, 2)

        queries, keys, values = (
            heads(self.linear(x if part == "q" else memory, f"{name}.fc_{part}")) for part in "qkv"
        )
        scores = queries @ keys.transpose(0, 2, 1) / np.float32(math.sqrt(queries.shape[-1]))
        if causal:
            scores = np.where(np.tri(len(x), dtype=bool), scores, np.float32(-1e10))
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        return self.linear((shares @ values).transpose(1, 0, 2).reshape(x.shape), f"{name}.fc_o")

    def side(self, side, ids, memory=None):
        x = self.w[f"{side}.tok_embedding.weight"][ids] * np.float32(16)
        x = x + self.w[f"{side}.pos_embedding.weight"][: len(ids)]
        for layer in range(3):
            name = f"{side}.layers.{layer}"
            own = self.attend(x, x, f"{name}.self_attention", memory is not None)
            x = self.add_and_norm(x, own, f"{name}.self_attn_layer_norm")
            if memory is not None:
                cross = self.attend(x, memory, f"{name}.encoder_attention", False)
                x = self.add_and_norm(x, cross, f"{name}.enc_attn_layer_norm")
            inner = np.maximum(self.linear(x, f"{name}.positionwise_feedforward.fc_1"), 0)
            inner = self.linear(inner, f"{name}.positionwise_feedforward.fc_2")
            x = self.add_and_norm(x, inner, f"{name}.ff_layer_norm")
        return x

    def greedy(self, molecule):
        """The answer, its log-probability, and the smallest margin of a choice."""
        unknown, start, end = (self.ids[word] for word in ("<unk>", "<sos>", "<eos>"))
        memory = self.side("encoder", [start, *(self.ids.get(word, unknown) for word in split(molecule)), end])
        found, total, margin = [start], 0.0, math.inf
        while len(found) <= LIMIT and (len(found) == 1 or found[-1] != end):
            logits = self.linear(self.side("decoder", found, memory)[-1], "decoder.fc_out").astype(np.float64)
            second, first = np.sort(logits)[-2:]
            margin = min(margin, first - second)
            total += first - (first + math.log(np.exp(logits - first).sum()))
            found.append(int(logits.argmax()))
        return "".join(self.words[i] for i in found[1:] if i != end), total, margin


def infer(run, molecules, *options):
    """The answers with their log-probabilities, one a line."""
    text = "".join(" ".join(split(molecule)) + "\n" for molecule in molecules)
    command = [INFER, "--model", run, "--quiet", "--scores", "--length-penalty", "0", "--max-length", str(LIMIT)]
    ran = subprocess.run([*command, *options], input=text, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"error: infer: {ran.stderr}")
    if "--n-best" in options:  # number ||| text ||| score
        rows = [line.split(" ||| ")[:0:-1] for line in ran.stdout.splitlines()]
    else:
        rows = [line.split("\t") for line in ran.stdout.splitlines()]
    return [(text.replace(" ", ""), float(score)) for score, text in rows]


def molecules_from(run, count):
    """Distinct molecules: those above, and what a beam of 8 derives from them."""
    found = [source for source, _, _ in PUBLISHED] + OTHERS
    new = found
    while len(found) < count:
        answers = infer(run, new, "--beam", "8", "--n-best", "8")
        new = [one for one in dict.fromkeys(answer for answer, _ in answers) if one and one not in found]
        if not new:
            break
        found = found + new
    return found[:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="the package's file [default: downloaded]")
    parser.add_argument("--molecules", type=int, default=120)
    parser.add_argument("--output", type=Path, help="run folder to write and keep")
    arguments = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        weights, words = read_package(arguments.wheel or fetch(temporary))
        run = arguments.output or Path(temporary) / "run"
        write_run(run, weights, words)
        network = Network(weights, words)

        found = infer(run, [source for source, _, _ in PUBLISHED])
        for (source, answer, score), one in zip(PUBLISHED, found, strict=True):
            if one[0] != answer or abs(one[1] - score) > 1e-3:
                failures += 1
                print(f"differs: {source}\n  infer      {one}\n  published  {(answer, score)}")
        print(f"{len(PUBLISHED) - failures} of {len(PUBLISHED)} published answers equal, with their log-probabilities")

        molecules = molecules_from(run, arguments.molecules)
        found = infer(run, molecules)
        expected = [network.greedy(molecule) for molecule in molecules]
        equal = ties = 0
        difference = 0.0
        for source, one, (answer, score, margin) in zip(molecules, found, expected, strict=True):
            if one[0] == answer:
                equal += 1
                difference = max(difference, abs(one[1] - score))
            elif margin < TIE:
                ties += 1
            else:
                failures += 1
                print(f"differs (margin {margin:.4f}): {source}\n  infer      {one}\n  equations  {(answer, score)}")
        print(f"{equal} of {len(molecules)} greedy answers equal, {ties} others with a tie")
        print(f"largest difference of log-probabilities {difference:.1e}")
        failures += difference > 1e-3 or len(molecules) < min(100, arguments.molecules)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
