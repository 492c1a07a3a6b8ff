#!/usr/bin/env python3
"""Measures training on a GPU: against the portable definitions, and against PyTorch on the same GPU.

    python3 scripts/bench/gpu.py --device wgpu --sizes digits,tiny --definitions
    python3 scripts/bench/gpu.py --device wgpu --start
    python3 scripts/bench/gpu.py --device wgpu --memory
    VENV/bin/python scripts/bench/gpu.py --device cuda --torch cuda --precisions float32,tfloat32,bfloat16

Builds the example `bench_train` first. All sides train the same model from the same initial weights on the same batches, and
take turns. Before the timing, the losses of their first updates without dropout must agree. Sizes are those of `train.py`, with
`digits`, the model of configs/tiny.toml, and the paper's `base` and `big` with 25,000 tokens an update. Without a GPU, Mesa's
software Vulkan runs the same kernels, and `--torch cpu` compares losses.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import train
from train import ROOT, Worker, make_batches, make_size, multiply_adds, rate_of

# As in `train.py`; lengths of the paper's corpus are about 25 tokens.
PAPER = dict(layers=6, vocabulary=37_000, length=(25, 8, 4, 60))
train.SIZES |= {
    "digits": dict(layers=2, d_model=64, d_ff=256, n_heads=4, vocabulary=13, dropout=0.0, sentences=300, length=(6, 3, 2, 11)),
    "base": dict(PAPER, d_model=512, d_ff=2048, n_heads=8, dropout=0.1, sentences=1000),
    "big": dict(PAPER, d_model=1024, d_ff=4096, n_heads=16, dropout=0.3, sentences=1000),
}
PARTS = {"digits": 2}  # micro-batches of an update; otherwise --parts


class Side:
    """A worker in a folder of its own, started when it is entered."""

    def __init__(self, name, command, size, environment={}):
        self.name, self.command, self.size, self.environment = name, command, size, environment

    def start(self, batches, weights=None):
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        (folder / "size.json").write_text(json.dumps(self.size))
        (folder / "batches.json").write_text(json.dumps(batches))
        if weights:
            (folder / "weights.safetensors").symlink_to(weights)
        started = time.perf_counter()
        self.worker = Worker(self.name, [*self.command, str(folder)], self.environment)
        self.opened = time.perf_counter() - started
        return folder / "weights.safetensors"

    def number(self, request):
        return next(iter(json.loads(self.worker.request(request)).values()))

    def stop(self):
        self.worker.quit()
        self.folder.cleanup()


def sides_of(name, arguments):
    """This project's sides first."""
    size = make_size(name, os.cpu_count()) | {"device": arguments.device, "parts": PARTS.get(name, arguments.parts)}
    sides = [Side("attend", [arguments.binary], size)]
    if arguments.definitions:
        sides.append(Side("definitions", [arguments.binary], size | {"definitions": True}))
    if arguments.torch:
        python = [sys.executable, str(ROOT / "scripts/bench/train.py"), "--worker"]
        for precision in arguments.precisions.split(","):
            own = size | {"torch_device": arguments.torch, "precision": precision}
            sides.append(Side(f"eager {precision}", [*python, "eager"], own))
            if arguments.compile:
                sides.append(Side(f"compiled {precision}", [*python, "compiled"], own))
    return size, sides


def compare(name, arguments):
    size, sides = sides_of(name, arguments)
    batches, rounds = make_batches(name), {}
    weights = None
    for side in sides:
        weights = side.start(batches, weights) if weights is None else (side.start(batches, weights), weights)[1]
    workers = [side.worker for side in sides]
    peak = max(side.number("peak") for side in sides)
    first = [worker.steps(arguments.losses, 0.0)["losses"] for worker in workers]
    differ = [max(abs(a - b) / b for a, b in zip(first[0], losses)) for losses in first]
    for side, off in zip(sides, differ):
        limit = 3e-2 if "bfloat16" in side.name else 1e-3
        if off > limit:
            sys.exit(f"{name}: the losses of {side.name} differ by {off:.1e}, expected at most {limit}: {first}")
    for worker in workers:
        worker.request("reset")
        worker.steps(arguments.updates, size["dropout"])
    for _ in range(arguments.rounds):
        for side in sides:
            rounds.setdefault(side.name, []).append(side.worker.steps(arguments.updates, size["dropout"]))
    work = statistics.median(6 * multiply_adds(size, batch) / sum(len(t) for _, t in batch) for batch in batches)
    print(f"\n{name}: {statistics.mean(sum(len(t) for _, t in batch) for batch in batches):.0f} target tokens an update")
    for side, off in zip(sides, differ):
        found = {key: sum((each[key] for each in rounds[side.name]), []) for key in ["seconds", "tokens"]}
        launches = side.number("launches") if side.command[0] == arguments.binary else None
        ratios = [rate_of(ours) / rate_of(theirs) for ours, theirs in zip(rounds["attend"], rounds[side.name])]
        row = dict(
            size=name, side=side.name, milliseconds=1e3 * statistics.median(found["seconds"]), rate=rate_of(found),
            share=work * rate_of(found) / peak / 1e9, launches=launches, bytes=side.number("memory"), losses=off,
            ratio=statistics.median(ratios), ratios=ratios,
        )
        side.stop()
        print(
            f"  {row['side']:18} {row['milliseconds']:9.1f} ms  {row['rate']:9.0f} tokens/s  {100 * row['share']:5.1f} % of the "
            f"largest product's speed  {row['launches'] or '-':>5} launches  {row['bytes'] / 2**20:7.0f} MiB  losses within "
            f"{off:.0e}  attend is {row['ratio']:.2f}x as fast ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )
        yield row


def second_start(arguments):
    """Trains `digits` in two processes that share a new cache of the driver."""
    size, sides = sides_of("digits", arguments)
    with tempfile.TemporaryDirectory() as cache:
        for process in ["first", "second"]:
            side = Side("attend", [arguments.binary], size, {"MESA_SHADER_CACHE_DIR": cache})
            side.start(make_batches("digits"))
            seconds = [sum(side.worker.steps(arguments.updates, 0.0)["seconds"]) for _ in range(2)]
            side.stop()
            print(
                f"{process} process: opened in {side.opened:.1f} s; first {arguments.updates} updates {seconds[0]:.2f} s, next "
                f"{arguments.updates} {seconds[1]:.2f} s, ratio {seconds[0] / seconds[1]:.2f}",
                flush=True,
            )
            yield dict(size="digits", process=process, opened=side.opened, seconds=seconds)


def memory(arguments):
    """Bytes that the device's allocator reserves for updates of base, one part of 3,000 tokens, and its optimizer.

    The optimizer's moments exist from the end of the first update on.

    With --scale N, all dimensions but the length of sentences are an N-th: widths, heads, vocabulary and sentences. Each tensor
    then has an N²-th of its values, and an update an N³-th of its arithmetic. The fused loss still holds up to 64 MiB of logits,
    so that its share is overestimated.
    """
    scale = arguments.scale
    size, _ = sides_of("base", arguments)
    size |= {key: size[key] // scale for key in ["d_model", "d_ff", "n_heads", "vocabulary"]} | {"parts": 1}
    batches = [[([2] * 24 + [0], [2] * 24 + [0])] * (120 // scale)]  # sentences of 25 tokens
    sides = {"attend": {}, "attend, recompute": {"recompute": True}, "definitions": {"definitions": True}}
    for name, options in sides.items():
        side = Side(name, [arguments.binary], size | options)
        try:
            side.start(batches)
            before = side.number("memory")
            first = side.worker.steps(1, 0.1)["seconds"][0]
            reserved = side.number("memory")
            second = side.worker.steps(1, 0.1)["seconds"][0]
            row = dict(side=name, before=before, first=reserved, bytes=side.number("memory"), seconds=[first, second])
            side.stop()
        except RuntimeError as error:  # the device allocates no tensor of that size
            print(f"{name}: {error}", flush=True)
            continue
        print(
            f"{name}: {row['bytes'] / 2**20:.0f} MiB reserved after two updates, {reserved / 2**20:.0f} MiB after one, "
            f"{before / 2**20:.0f} MiB before; {first:.0f} s and {second:.0f} s",
            flush=True,
        )
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="wgpu", help="backend of this project: wgpu, vulkan or cuda [default: %(default)s]")
    parser.add_argument("--sizes", default="digits,tiny,small,base,big", help="comma-separated [default: %(default)s]")
    parser.add_argument("--definitions", action="store_true", help="compare with the portable definitions")
    parser.add_argument("--torch", metavar="DEVICE", help="compare with PyTorch on this device: cuda or cpu")
    parser.add_argument("--precisions", default="float32", help="of PyTorch: float32, tfloat32, bfloat16 [default: %(default)s]")
    parser.add_argument("--compile", action="store_true", help="compare with torch.compile too")
    parser.add_argument("--parts", type=int, default=1, help="micro-batches of an update [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per size [default: %(default)s]")
    parser.add_argument("--updates", type=int, default=16, help="updates per measurement [default: %(default)s]")
    parser.add_argument("--losses", type=int, default=10, help="updates whose losses are compared [default: %(default)s]")
    parser.add_argument("--start", action="store_true", help="compare the first updates of a second process with the next ones")
    parser.add_argument("--memory", action="store_true", help="device memory of updates of base, with layers recomputed and with the definitions beside it")
    parser.add_argument("--scale", type=int, default=1, help="divisor of all dimensions for --memory, up to 8 [default: %(default)s]")
    parser.add_argument("--binary", help="an existing bench_train, which is not built then")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    arguments = parser.parse_args()
    if not arguments.binary:
        command = ["cargo", "build", "-p", "train", "--example", "bench_train", "--features", arguments.device]
        subprocess.run(command, cwd=ROOT, check=True)
        arguments.binary = str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/examples/bench_train")
    if arguments.start:
        rows = list(second_start(arguments))
    elif arguments.memory:
        rows = list(memory(arguments))
    else:
        rows = [row for name in arguments.sizes.split(",") for row in compare(name, arguments)]
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
