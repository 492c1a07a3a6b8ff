#!/usr/bin/env python3
"""Compares training speed on a CPU with PyTorch's: in float32, and with products in bfloat16.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt
    VENV/bin/python scripts/bench/train.py                             all sizes and sides
    VENV/bin/python scripts/bench/train.py --sizes tiny,long --rounds 7
    VENV/bin/python scripts/bench/train.py --sides eager,autocast --threads 1 --json times.json
    VENV/bin/python scripts/bench/train.py --earlier OTHER/target/debug/examples/bench_train

Builds the example `bench_train` first. All sides train the same model from the same initial weights on the same ragged
batches, with the same dropout rates, label smoothing, tying, Adam and number of threads. Sides of PyTorch:

    eager              float32
    compiled           float32, `torch.compile` with dynamic shapes
    medium             float32 with `torch.set_float32_matmul_precision("medium")`
    autocast           `torch.autocast("cpu", torch.bfloat16)`
    compiled-autocast  the same, compiled
    ipex               autocast of a model optimised by Intel's extension (`intel_extension_for_pytorch`), if it is installed

The first two are compared with this project in float32, the others with `training.matmul_precision = "bfloat16"`. With
`--earlier`, another build of this project takes their place, in float32. Before the timing, the first ten losses of both
without dropout must agree. Both take turns, so that noise of the machine affects both. The floor of a
rate is that of the products of the real tokens at the fastest product of the type in the same run.
"""
import argparse
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES = {
    # Layers of encoder and of decoder; sentences per batch; target length: mean, standard deviation, min, max.
    "tiny": dict(layers=4, d_model=128, d_ff=256, n_heads=4, vocabulary=10_000, dropout=0.3, sentences=128, length=(16, 4, 4, 40)),
    "small": dict(layers=3, d_model=256, d_ff=1024, n_heads=8, vocabulary=8_000, dropout=0.1, sentences=128, length=(16, 4, 4, 40)),
    "base": dict(layers=6, d_model=512, d_ff=2048, n_heads=8, vocabulary=32_000, dropout=0.1, sentences=64, length=(16, 4, 4, 40)),
    "long": dict(layers=4, d_model=128, d_ff=256, n_heads=4, vocabulary=10_000, dropout=0.3, sentences=8, length=(496, 10, 480, 512)),
}
BATCHES = 8
# The form of the model, and the precision of its products.
SIDES = {
    "eager": ("eager", "float32"), "compiled": ("compiled", "float32"), "medium": ("eager", "medium"),
    "autocast": ("eager", "bfloat16"), "compiled-autocast": ("compiled", "bfloat16"),
    "ipex": ("ipex", "bfloat16"), "earlier": ("earlier", "float32"),
}
# glibc returns large freed blocks to the system, which zeroes them for the next step. This project keeps them, and these
# settings let PyTorch keep them too.
KEEP_FREED = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(8 << 30), "MALLOC_TOP_PAD_": str(256 << 20)
}


# ---------------------------------------------------------------- model and data


def make_size(name, threads):
    """Dimensions and hyper-parameters, in the form that all sides read."""
    s = SIZES[name]
    return dict(
        name=name, d_model=s["d_model"], n_heads=s["n_heads"], d_ff=s["d_ff"], encoder_layers=s["layers"],
        decoder_layers=s["layers"], vocabulary=s["vocabulary"], dropout=s["dropout"], smoothing=0.1,
        learning_rate=1e-4, betas=[0.9, 0.98], epsilon=1e-9, threads=threads, max_length=520,
    )


def make_batches(name):
    """Ragged batches of sentences of similar length, so that padding is below 10 %."""
    s, draw = SIZES[name], random.Random(1)
    mean, deviation, min_len, max_len = s["length"]
    length = lambda mean: max(min_len, min(max_len, round(draw.gauss(mean, deviation))))
    ids = lambda n: [draw.randint(2, s["vocabulary"] - 2) for _ in range(n - 1)] + [0]
    pool = []
    for _ in range(s["sentences"] * 64):
        target = length(mean)
        pool.append((max(min_len, min(max_len, target + draw.randint(-1, 1))), target))
    pool.sort(key=lambda pair: (pair[1], pair[0]))
    batches = [pool[i : i + s["sentences"]] for i in range(0, len(pool), s["sentences"])]
    step = len(batches) / BATCHES  # one batch of each length class, in random order
    chosen = [batches[int((i + 0.5) * step)] for i in range(BATCHES)]
    draw.shuffle(chosen)
    return [[[ids(source), ids(target)] for source, target in draw.sample(pairs, len(pairs))] for pairs in chosen]


def padding(batches):
    real = sum(len(t) for batch in batches for _, t in batch)
    return 1 - real / sum(len(batch) * max(len(t) for _, t in batch) for batch in batches)


def multiply_adds(size, batch):
    """Multiply-adds of the matrix products of one forward pass, without padding."""
    d, ff, v = size["d_model"], size["d_ff"], size["vocabulary"]
    total = 0
    for source, target in batch:
        s, t = len(source), len(target)
        encoder = s * (4 * d * d + 2 * d * ff) + 2 * s * s * d
        decoder = t * (6 * d * d + 2 * d * ff) + s * 2 * d * d + 2 * s * t * d + t * (t + 1) * d
        total += size["encoder_layers"] * encoder + size["decoder_layers"] * decoder + t * d * v
    return total


# ---------------------------------------------------------------- the PyTorch side


def torch_worker(folder, form):
    """Reads the same requests from standard input as the example `bench_train`."""
    import numpy as np
    import torch
    import torch.nn.functional as F
    from safetensors.torch import load_file
    from torch import nn

    size = json.loads((folder / "size.json").read_text())
    batches = json.loads((folder / "batches.json").read_text())
    d, heads, pad = size["d_model"], size["n_heads"], size["vocabulary"] - 1
    device, precision = torch.device(size.get("torch_device", "cpu")), size.get("precision", "float32")
    torch.set_float32_matmul_precision({"tfloat32": "high", "medium": "medium"}.get(precision, "highest"))
    autocast = lambda: torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
    torch.set_num_threads(size["threads"])

    def attend(query, key, value, mask=None, causal=False):
        split = lambda x: x.unflatten(-1, (heads, d // heads)).transpose(1, 2)
        context = F.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=mask, is_causal=causal)
        return context.transpose(1, 2).flatten(2)

    class FeedForward(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.output = nn.Linear(d, size["d_ff"]), nn.Linear(size["d_ff"], d)

        def forward(self, x):
            return self.output(F.relu(self.inner(x)))

    class SelfAttention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.output = nn.Linear(d, 3 * d), nn.Linear(d, d)

        def forward(self, x, mask=None, causal=False):
            return self.output(attend(*self.qkv(x).chunk(3, -1), mask, causal))

    class CrossAttention(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.kv, self.output = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)

        def forward(self, x, memory, mask):
            return self.output(attend(self.query(x), *self.kv(memory).chunk(2, -1), mask))

    class Layer(nn.Module):
        def __init__(self, cross):
            super().__init__()
            self.self_attention, self.feed_forward = SelfAttention(), FeedForward()
            self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3 if cross else 2))
            self.cross_attention = CrossAttention() if cross else None

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Parameter(torch.zeros(size["vocabulary"], d))
            self.encoder = nn.ModuleList(Layer(False) for _ in range(size["encoder_layers"]))
            self.decoder = nn.ModuleList(Layer(True) for _ in range(size["decoder_layers"]))
            position = np.arange(size["max_length"])[:, None] / 10_000.0 ** (np.arange(0, d, 2) / d)
            table = np.stack([np.sin(position), np.cos(position)], -1).reshape(-1, d)
            self.register_buffer("positions", torch.tensor(table, dtype=torch.float32))

        def embed(self, ids, rate):
            return F.dropout(F.embedding(ids, self.shared) * d**0.5 + self.positions[: ids.shape[1]], rate)

        def forward(self, source, source_mask, target_input, target_output, rate):
            """The smoothed loss, summed over all tokens but padding."""
            x = self.embed(source, rate)
            for layer in self.encoder:
                x = layer.norms[0](x + F.dropout(layer.self_attention(x, source_mask), rate))
                x = layer.norms[1](x + F.dropout(layer.feed_forward(x), rate))
            y = self.embed(target_input, rate)
            for layer in self.decoder:
                y = layer.norms[0](y + F.dropout(layer.self_attention(y, causal=True), rate))
                y = layer.norms[1](y + F.dropout(layer.cross_attention(y, x, source_mask), rate))
                y = layer.norms[2](y + F.dropout(layer.feed_forward(y), rate))
            logits = F.linear(y.flatten(0, 1), self.shared)
            return F.cross_entropy(
                logits, target_output.flatten(), ignore_index=pad, reduction="sum", label_smoothing=size["smoothing"]
            )

    def load(model):
        weights = load_file(folder / "weights.safetensors")

        def fill(linear, *names):
            linear.weight.copy_(torch.cat([weights[f"{name}.weight"] for name in names]))
            linear.bias.copy_(torch.cat([weights[f"{name}.bias"] for name in names]))

        with torch.no_grad():
            model.shared.copy_(weights["embeddings.shared"])
            for side, layers in [("encoder", model.encoder), ("decoder", model.decoder)]:
                for i, layer in enumerate(layers):
                    at = f"{side}.layers.{i}"
                    own = f"{at}.self_attention"
                    fill(layer.self_attention.qkv, f"{own}.query", f"{own}.key", f"{own}.value")
                    fill(layer.self_attention.output, f"{own}.output")
                    fill(layer.feed_forward.inner, f"{at}.feed_forward.inner")
                    fill(layer.feed_forward.output, f"{at}.feed_forward.output")
                    residuals = ["self_attention_residual", "feed_forward_residual"]
                    if layer.cross_attention:
                        cross = f"{at}.cross_attention"
                        fill(layer.cross_attention.query, f"{cross}.query")
                        fill(layer.cross_attention.kv, f"{cross}.key", f"{cross}.value")
                        fill(layer.cross_attention.output, f"{cross}.output")
                        residuals.insert(1, "cross_attention_residual")
                    for norm, residual in zip(layer.norms, residuals):
                        norm.weight.copy_(weights[f"{at}.{residual}.norm.gamma"])
                        norm.bias.copy_(weights[f"{at}.{residual}.norm.beta"])

    def padded(rows):
        max_len = max(map(len, rows))
        return torch.tensor([row + [pad] * (max_len - len(row)) for row in rows])

    def tensors(batch):
        source, output = padded([s for s, _ in batch]), padded([t for _, t in batch])
        given = torch.cat([torch.full((len(batch), 1), pad), output[:, :-1]], 1)
        mask = (source != pad)[:, None, None, :]
        mask = None if mask.all() else mask.to(device)
        return source.to(device), mask, given.to(device), output.to(device)

    class Training:
        def __init__(self, kind):
            self.model, self.at = Model().to(device), 0
            load(self.model)
            # Batches are ragged: dynamic shapes.
            self.loss = torch.compile(self.model, dynamic=True) if form == "compiled" else self.model
            self.adam = torch.optim.Adam(
                self.model.parameters(), lr=size["learning_rate"], betas=size["betas"], eps=size["epsilon"], **{kind: True}
            )
            if form == "ipex":
                import intel_extension_for_pytorch as ipex

                self.loss, self.adam = ipex.optimize(self.model, optimizer=self.adam, dtype=torch.bfloat16, inplace=True)

        def step(self, rate):
            batch = batches[self.at % len(batches)]
            self.at += 1
            started = time.perf_counter()
            source, mask, given, output = tensors(batch)
            tokens = sum(len(t) for _, t in batch)
            with autocast():
                loss = self.loss(source, mask, given, output, rate) / tokens
            self.adam.zero_grad(set_to_none=True)
            loss.backward()
            self.model.shared.grad[-1].zero_()
            self.adam.step()
            found = loss.item()
            return time.perf_counter() - started, found, tokens

        def reset(self):
            load(self.model)
            self.at, self.adam.state = 0, type(self.adam.state)(dict)

    def faster_adam():
        def seconds(kind):
            training = Training(kind)
            return min(training.step(0.0)[0] for _ in range(4))

        return min(["fused", "foreach"], key=seconds) if form == "eager" else "fused"

    def peak():
        best = 0.0
        for m, k, n in [(2048, 2048, 2048), (1024, 1024, 1024), (2048, 512, 2048), (2048, 256, 256)]:
            element = torch.bfloat16 if precision in ["medium", "bfloat16"] else torch.float32
            a, b = [torch.rand(shape, device=device).to(element) for shape in [(m, k), (k, n)]]
            for _ in range(10):
                started = time.perf_counter()
                a @ b
                if device.type == "cuda":
                    torch.cuda.synchronize()
                best = max(best, 2e-9 * m * k * n / (time.perf_counter() - started))
        return best

    kind = faster_adam()
    training = Training(kind)
    if form == "compiled":  # compiles every shape, with and without dropout, before the timing
        for rate in [0.0, size["dropout"]]:
            for _ in range(2 * len(batches)):
                training.step(rate)
        training.reset()
    print("ready", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["steps", count, rate]:
                seconds, losses, tokens = zip(*(training.step(float(rate)) for _ in range(int(count))))
                print(json.dumps(dict(seconds=seconds, losses=losses, tokens=tokens)), flush=True)
            case ["reset"]:
                training.reset()
                print("ok", flush=True)
            case ["peak"]:
                print(json.dumps(dict(gflops=peak())), flush=True)
            case ["memory"]:
                found = torch.cuda.max_memory_reserved() if device.type == "cuda" else 0
                print(json.dumps(dict(bytes=found)), flush=True)
            case _:
                return


# ---------------------------------------------------------------- measurement


class Worker:
    """One side of the comparison, in its own process."""

    def __init__(self, name, command, environment):
        self.name, self.rounds, self.memory = name, [], 0.0
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
        )
        self.expect("ready")

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} exited with status {self.process.wait()}; its messages are above")
        return line.strip()

    def expect(self, word):
        if (line := self.line()) != word:
            raise RuntimeError(f"{self.name}: expected {word!r}, found {line!r}")

    def request(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return self.line()

    def steps(self, count, rate):
        return json.loads(self.request(f"steps {count} {rate}"))

    def quit(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.memory = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
        self.process.communicate("quit\n")

    def gigaflops(self):
        return json.loads(self.request("peak"))["gflops"]


def rate_of(found):
    return statistics.median(t / s for t, s in zip(found["tokens"], found["seconds"]))


def in_turn(name, side, arguments, folder):
    """Measures one side of PyTorch and this project in turn: the two workers, the distance of their losses, and the peak."""
    size, batches = make_size(name, arguments.threads), make_batches(name)
    # A multiple of the number of batches, so that all rounds have the same work.
    count, warm_up = (BATCHES, 4) if name in ["base", "long"] else (2 * BATCHES, 20)
    form, precision = SIDES[side]
    (folder / "size.json").write_text(json.dumps(size | dict(precision=precision, bfloat16=precision != "float32")))
    (folder / "batches.json").write_text(json.dumps(batches))
    ours = Worker("attend", [str(arguments.binary), str(folder)], {})
    if form == "earlier":
        theirs = Worker(side, [str(arguments.earlier), str(folder)], {})
    else:
        command = [sys.executable, __file__, "--worker", form, str(folder)]
        theirs = Worker(side, command, {} if arguments.plain_malloc else KEEP_FREED)
    workers = [ours, theirs]
    peak = max(worker.gigaflops() for worker in workers)
    first = [worker.steps(10, 0.0)["losses"] for worker in workers]
    off, tolerance = max(abs(a - b) / b for a, b in zip(*first)), 1e-3 if precision == "float32" else 2e-2
    if off > tolerance:
        sys.exit(f"{name}, {side}: the losses differ by {off:.1e}, expected at most {tolerance}: {first}")
    for worker in workers:
        worker.request("reset")
        worker.steps(warm_up, size["dropout"])
    for _ in range(arguments.rounds):
        for worker in workers:
            worker.rounds.append(worker.steps(count, size["dropout"]))
    for worker in workers:
        worker.quit()
    return ours, theirs, off, peak


def row_of(name, side, workers, floor):
    """The figures of a side from all its rounds; `floor` in tokens per second."""
    found = {key: sum((round[key] for worker in workers for round in worker.rounds), []) for key in ["seconds", "tokens"]}
    rate, milliseconds = rate_of(found), 1e3 * statistics.median(found["seconds"])
    memory = max(worker.memory for worker in workers)
    return dict(size=name, side=side, milliseconds=milliseconds, rate=rate, floor=floor, share=rate / floor, memory=memory)


def compare(name, arguments):
    """Measures one size on all sides and returns the rows of its table, this project's two first."""
    size, batches = make_size(name, arguments.threads), make_batches(name)
    work = statistics.median(6 * multiply_adds(size, batch) / sum(len(t) for _, t in batch) for batch in batches)
    measured = {}
    for side in arguments.sides:
        with tempfile.TemporaryDirectory() as folder:
            measured[side] = in_turn(name, side, arguments, Path(folder))
        rates = [statistics.median(map(rate_of, worker.rounds)) for worker in measured[side][:2]]
        print(f"{name}: attend {rates[0]:.0f}, {side} {rates[1]:.0f} tokens/s", flush=True)
    print(f"\n{name}: padding {100 * padding(batches):.1f} %", flush=True)
    rows = []
    for type in ["float32", "bfloat16"]:
        of_type = {side: found for side, found in measured.items() if (SIDES[side][1] == "float32") == (type == "float32")}
        if not of_type:
            continue
        peak = max(peak for *_, peak in of_type.values())
        floor = peak * 1e9 / work
        print(f"  products in {type}: at most {peak:.0f} GFLOP/s, {floor:.0f} tokens/s")
        rows.append(row_of(name, f"attend {type}", [ours for ours, *_ in of_type.values()], floor))
        for side, (ours, theirs, off, _) in of_type.items():
            ratios = [rate_of(a) / rate_of(b) for a, b in zip(ours.rounds, theirs.rounds)]
            more = dict(ratio=statistics.median(ratios), ratios=ratios, losses=off, memory_ratio=ours.memory / theirs.memory)
            rows.append(row_of(name, side, [theirs], floor) | more)
    for row in rows:
        line = f"  {row['side']:17} {row['milliseconds']:8.1f} ms  {row['rate']:8.0f} tokens/s  {100 * row['share']:5.1f} % of the floor's rate  {row['memory']:6.0f} MiB"
        if "ratio" in row:
            low, high = min(row["ratios"]), max(row["ratios"])
            line += f"   attend is {row['ratio']:.2f}x as fast ({low:.2f} to {high:.2f}), with {row['memory_ratio']:.2f}x the memory; losses within {row['losses']:.1e}"
        print(line, flush=True)
    return rows


def processor():
    about = Path("/proc/cpuinfo").read_text()
    fields = dict([part.strip() for part in line.split(":", 1)] for line in reversed(about.splitlines()) if ":" in line)
    sets = [name for name in ["avx2", "avx512f", "avx512_bf16", "amx_bf16"] if name in fields.get("flags", "").split()]
    return f"{fields.get('model name')}, family {fields.get('cpu family')}, model {fields.get('model')}: {', '.join(sets)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(SIZES), help="model sizes, comma-separated [default: %(default)s]")
    parser.add_argument("--sides", default=",".join(SIDES).removesuffix(",earlier"), help="sides of PyTorch, comma-separated [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per size and side [default: %(default)s]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads per side [default: all cores]")
    parser.add_argument("--no-compile", action="store_true", help="skip the compiled sides")
    parser.add_argument("--plain-malloc", action="store_true", help="use glibc's default settings for PyTorch")
    parser.add_argument("--earlier", type=Path, help="another build's bench_train, which takes PyTorch's place")
    parser.add_argument("--binary", type=Path, help="an existing bench_train, which is not built then")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return torch_worker(Path(arguments.worker[1]), arguments.worker[0])
    arguments.sides = arguments.sides.split(",") if not arguments.earlier else ["earlier"]
    for known, given, option in [(SIDES, arguments.sides, "sides"), (SIZES, arguments.sizes.split(","), "sizes")]:
        if unknown := set(given) - set(known):
            parser.error(f"--{option} {','.join(unknown)}: expected some of {', '.join(known)}")
    if ("earlier" in arguments.sides) != bool(arguments.earlier):
        parser.error("--earlier names the other build, and is the only side")
    if arguments.no_compile:
        arguments.sides = [side for side in arguments.sides if SIDES[side][0] != "compiled"]
    if "ipex" in arguments.sides and not importlib.util.find_spec("intel_extension_for_pytorch"):
        print("ipex skipped: intel_extension_for_pytorch is not installed (version 2.8, the last, needs torch 2.8)")
        arguments.sides.remove("ipex")
    if not arguments.binary:
        subprocess.run(["cargo", "build", "-p", "train", "--example", "bench_train"], cwd=ROOT, check=True)
        arguments.binary = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/examples/bench_train"
    print(f"{processor()}; {arguments.threads} of {os.cpu_count()} cores, {arguments.rounds} rounds", flush=True)
    rows = [row for name in arguments.sizes.split(",") for row in compare(name, arguments)]
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
