#!/usr/bin/env python3
"""Compares decoding speed with CTranslate2 and Hugging Face transformers.

    python3 -m venv VENV && VENV/bin/pip install -r scripts/requirements.txt
    VENV/bin/python scripts/bench/decode.py
    VENV/bin/python scripts/bench/decode.py --sizes tiny --types int8 --rounds 3 --without-hf
    VENV/bin/python scripts/bench/decode.py --device cuda --peer-device cuda --sentences 200,2000

Builds `infer` and the example `bench_decode` first. All engines decode the same sentences with the same random weights
to the same length. Each engine runs in its own process, the engines take turns, and medians are compared. Int8 is decoded
from a folder of `infer quantise` and from a folder that CTranslate2 converted to int8. Each case has the most tokens per
second that the processor allows: multiply-adds, or bytes of weights where each is read for a single sentence.

On a GPU all engines decode in float32, at most 24 tokens: a shortest length would be a rule for which this project reads all
logits. Nearly all translations then have 24 tokens, and rates count those that were generated.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug"
LENGTH = 24  # target tokens per sentence, without the end token
# Number of sentences: one by one, and in batches.
SENTENCES = {"tiny": (192, 192), "base": (24, 96)}

# Each case: beam size, batches or single sentences, one stream or all cores.
CASES = [
    {"name": "greedy, one sentence after the other", "beam": 1, "batched": False, "stream": True},
    {"name": "greedy, sentences one by one, all cores", "beam": 1, "batched": False, "stream": False},
    {"name": "greedy, in batches", "beam": 1, "batched": True, "stream": False},
    {"name": "beam 5, one sentence after the other", "beam": 5, "batched": False, "stream": True},
    {"name": "beam 5, sentences one by one, all cores", "beam": 5, "batched": False, "stream": False},
    {"name": "beam 5, in batches", "beam": 5, "batched": True, "stream": False},
]


class Devices(NamedTuple):
    """This project's backend, and the device of the others as they name it."""

    ours: str
    peer: str


CPU = Devices("flex", "cpu")


class Worker:
    """A process that returns one line of JSON for each line of JSON."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def request(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args}: ended before it returned a result")
        return json.loads(line)

    def peak_mib(self):
        """Peak resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def ours(folder, sentences, precision, device="flex"):
    return Worker(str(BINARIES / "examples/bench_decode"), "work", str(folder), str(sentences), precision, device)


def peer(kind, folder, sentences, precision, device="cpu"):
    script = ROOT / "scripts/bench/decode_peers.py"
    return Worker(sys.executable, str(script), kind, str(folder), str(sentences), precision, device)


def ways(kind, case, cores, devices=CPU):
    """Settings to try for an engine and a case; the fastest one is measured."""
    if kind.startswith("attend"):
        on_gpu = devices.ours != CPU.ours
        workers = 1 if case["stream"] or on_gpu else cores
        sizes = ([1024, 4096, 16384] if on_gpu else [1024, 4096]) if case["batched"] else [1]
        return [{"batch_tokens": size, "workers": workers} for size in sizes]
    if devices.peer != CPU.peer:
        sizes = [32, 128, 512] if case["batched"] else [1]
        return [{"inter": 1, "intra": 1, "threads": 1, "batch": size} for size in sizes]
    if kind.startswith("ctranslate2"):
        mixes = [(1, 1), (1, cores)] if case["stream"] else [(cores, 1), (1, cores), (1, 1)]
        sizes = [16, 32, 64] if case["batched"] else [1]
        return [{"inter": inter, "intra": intra, "batch": size} for inter, intra in mixes for size in sizes]
    return [{"threads": threads, "batch": 32 if case["batched"] else 1} for threads in (1, cores)]


def request(case, way, sentences, devices=CPU):
    lengths = {"length": LENGTH, "min_length": LENGTH if devices == CPU else 0}
    return {"beam": case["beam"], **lengths, "sentences": sentences, "stream": case["stream"], **way}


def measure(case, workers, sentences, rounds, cores, devices):
    """Seconds per token, share of outputs equal to ours, and chosen settings, by engine."""
    chosen, counts, outputs = {}, {}, {}
    for kind, worker in workers.items():
        count = sentences if kind != "transformers" else min(sentences, 32 if case["batched"] else 8)
        timed = []
        for way in ways(kind, case, cores, devices):
            worker.request(request(case, way, min(count, 8), devices))  # warms up
            timed.append((worker.request(request(case, way, count, devices))["seconds"], json.dumps(way)))
        chosen[kind], counts[kind] = json.loads(min(timed)[1]), count
    seconds = {kind: [] for kind in workers}
    for _ in range(rounds):
        for kind, worker in workers.items():
            result = worker.request(request(case, chosen[kind], counts[kind], devices))
            seconds[kind].append(result["seconds"] / sum(len(target) for target in result["targets"]))
            outputs[kind] = result["targets"]
    for kind, targets in outputs.items():
        full = sum(len(target) == LENGTH for target in targets) / len(targets)
        assert full >= (1.0 if devices == CPU else 0.9), f"{kind}: {100 * full:.0f} % of the outputs have {LENGTH} tokens"
    equal = {
        kind: sum(a == b for a, b in zip(outputs["attend"], targets)) / len(targets) for kind, targets in outputs.items()
    }
    return {kind: statistics.median(times) for kind, times in seconds.items()}, equal, chosen


def startup(run, converted, sentence, precision, devices):
    """Seconds from process start to the first translation. CTranslate2's excludes the interpreter and its imports."""
    ours_times, peer_times = [], []
    code = (
        "import sys, time, ctranslate2\nstarted = time.perf_counter()\n"
        "translator = ctranslate2.Translator(sys.argv[1], device=sys.argv[4], compute_type=sys.argv[3], intra_threads=2)\n"
        "translator.translate_batch([sys.argv[2].split() + ['</s>']], beam_size=1)\n"
        "print(time.perf_counter() - started)"
    )
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [str(BINARIES / "infer"), "--quiet", "--device", devices.ours, "--beam", "1", "--precision", precision]
            + ["--model", str(run), sentence],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        ours_times.append(time.perf_counter() - started)
        found = subprocess.run(
            [sys.executable, "-c", code, str(converted), sentence, precision, devices.peer],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        peer_times.append(float(found.stdout))
    return statistics.median(ours_times), statistics.median(peer_times)


def memory(run, converted, sentences, count, cores, precision):
    """Peak MiB for greedy decoding in batches: ours, CTranslate2's, and CTranslate2's without interpreter and imports."""
    case = CASES[2]
    worker = ours(run, sentences, precision)
    worker.request(request(case, {"batch_tokens": 1024, "workers": cores}, count))
    mine = worker.peak_mib()
    worker.end()
    worker = peer("ctranslate2", converted, sentences, precision)
    worker.process.stdin.flush()
    time.sleep(2)
    bare = worker.peak_mib()
    worker.request(request(case, {"inter": cores, "intra": 1, "batch": 32}, count))
    total = worker.peak_mib()
    worker.end()
    return mine, total, total - bare


def make(size, folder, count):
    """Our run folder with random weights, its export, and sentences for both."""
    run, exported = folder / f"{size}-run", folder / f"{size}-marian"
    subprocess.run([str(BINARIES / "examples/bench_decode"), "make", size, str(run)], check=True)
    infer = str(BINARIES / "infer")
    subprocess.run([infer, "export", "--quiet", "--model", str(run), "--format", "marian", str(exported)], check=True)
    random.seed(1)
    words = {"tiny": 10_000, "base": 32_000}[size]
    lines = [" ".join(f"w{random.randrange(3, words)}" for _ in range(random.randint(8, 30))) for _ in range(count)]
    (folder / "sentences").write_text("\n".join(lines) + "\n")
    return run, exported, lines[0]


def convert(exported, converted, precision):
    """CTranslate2's folder, in the number type that it decodes in."""
    code = (
        "import sys, ctranslate2\n"
        "converter = ctranslate2.converters.TransformersConverter(sys.argv[1])\n"
        "converter.convert(sys.argv[2], quantization=sys.argv[3], force=True)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(exported), str(converted), precision],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def quantised(run, folder, precision):
    """The run folder as it is stored for a number type."""
    if precision != "int8":
        return run
    output = folder / f"{run.name}-int8"
    if not output.exists():
        subprocess.run([str(BINARIES / "infer"), "quantise", "--quiet", str(run), "--output", str(output)], check=True)
    return output


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict([part.strip() for part in line.split(":", 1)] for line in reversed(lines) if ":" in line)
    flags = fields.get("flags", "").split()
    units = [unit for unit in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if unit in flags]
    return f"{fields.get('model name')}, family {fields.get('cpu family')}, model {fields.get('model')}: {', '.join(units)}"


# Multiply-adds per generated token, and weights read per step, of the decoder with its output projection.
DECODER = {"tiny": 4 * (6 * 128**2 + 2 * 128 * 256) + 128 * 10_000, "base": 6 * (6 * 512**2 + 2 * 512 * 2048) + 512 * 32_000}
BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


def floors(size, precision, limits, case):
    """The most tokens per second that memory and multiply-adds allow for a case; caches may beat the first."""
    rows = case["beam"] if not case["batched"] else None
    by_bytes = limits["bytes"] / (DECODER[size] * BYTES[precision]) if rows else float("inf")
    by_sums = limits[precision] / (DECODER[size] * case["beam"])
    return min(by_bytes, by_sums), "bytes" if by_bytes < by_sums else "multiply-adds"


def bench(size, precisions, devices, counts, folder, limits, arguments):
    (one_by_one, in_batches), cores = counts, arguments.cores
    run, exported, sentence = make(size, folder, max(counts))
    sentences = folder / "sentences"
    for precision in precisions:
        folder_of, converted = quantised(run, folder, precision), folder / f"{size}-ctranslate2-{precision}"
        workers = {"attend": ours(folder_of, sentences, precision, devices.ours)}
        supported = supported_by_ctranslate2(devices.peer)
        if precision in supported:
            convert(exported, converted, precision)
            workers["ctranslate2"] = peer("ctranslate2", converted, sentences, precision, devices.peer)
            mixed = f"{precision}_float32"
            if mixed in supported:
                workers[f"ctranslate2-{mixed}"] = peer("ctranslate2", converted, sentences, mixed, devices.peer)
        if precision != "float32":
            workers["attend-float32"] = ours(run, sentences, "float32", devices.ours)
        elif not arguments.without_hf:
            workers["transformers"] = peer("transformers", exported, sentences, precision, devices.peer)
        print(f"\n{size}: {one_by_one} sentences one by one, {in_batches} in batches, ", end="")
        print(f"{LENGTH} target tokens each, {cores} cores, {precision}, {devices.ours} and {devices.peer}", flush=True)
        for case in CASES:
            count = in_batches if case["batched"] else one_by_one
            seconds, equal, chosen = measure(case, workers, count, arguments.rounds, cores, devices)
            limit, by = floors(size, precision, limits, case) if limits else (None, None)
            print(f"  {case['name']}" + (f" (at most {limit:.0f} tokens/s by {by})" if limits else ""))
            for kind, time_each in seconds.items():
                ratio = f"{time_each / seconds['attend']:5.2f}x" if kind != "attend" else "      "
                print(
                    f"    {kind:25} {1 / time_each:8.0f} tokens/s  {1e3 * LENGTH * time_each:8.2f} ms/sentence  {ratio}"
                    f"  {100 * equal[kind]:5.1f} % equal  {json.dumps(chosen[kind])}",
                    flush=True,
                )
        for worker in workers.values():
            worker.end()
        if "ctranslate2" not in workers:
            print("  CTranslate2 does not decode in this type here")
            continue
        mine, theirs = startup(folder_of, converted, sentence, precision, devices)
        print(f"  start to first translation: {1e3 * mine:.0f} ms, CTranslate2 {1e3 * theirs:.0f} ms (without Python)")
        if devices != CPU:
            continue
        mine, total, theirs = memory(folder_of, converted, sentences, in_batches, cores, precision)
        print(f"  peak memory: {mine:.0f} MiB, CTranslate2 {theirs:.0f} MiB ({total:.0f} with Python)")


def supported_by_ctranslate2(device):
    code = "import ctranslate2, sys; print(*ctranslate2.get_supported_compute_types(sys.argv[1]))"
    return subprocess.run([sys.executable, "-c", code, device], check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def build(device):
    """Builds what this project runs, with the features of the backend; the models are made on the CPU."""
    targets = ["-p", "infer", "--bin", "infer", "-p", "decode", "--example", "bench_decode"]
    features = ["--features", f"infer/{device}"] if device != CPU.ours else []
    subprocess.run(["cargo", "build", "--quiet", *targets, *features], cwd=ROOT, check=True)


def limits_of_processor(cores):
    found = subprocess.run([str(BINARIES / "examples/bench_decode"), "limits"], check=True, stdout=subprocess.PIPE).stdout
    limits = json.loads(found)
    shown = ", ".join(f"{limits[name] / 1e9:.0f} billion multiply-adds a second in {name}" for name in BYTES if name in limits)
    print(f"limits on {cores} cores: {shown}; {limits['bytes'] / 1e9:.0f} GB/s read from memory", flush=True)
    return limits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="tiny,base", help="model sizes, comma-separated [default: %(default)s]")
    parser.add_argument("--types", default="float32,int8,bfloat16", help="number types [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per case [default: %(default)s]")
    parser.add_argument("--without-hf", action="store_true", help="skip Hugging Face transformers")
    parser.add_argument(
        "--cores", type=int, default=len(os.sched_getaffinity(0)), help="processor cores to use [default: all]"
    )
    parser.add_argument("--device", default=CPU.ours, help="backend of this project [default: %(default)s]")
    parser.add_argument("--peer-device", default=CPU.peer, help="device of the others: cpu or cuda [default: %(default)s]")
    parser.add_argument("--sentences", metavar="N,M", help="number of sentences one by one and in batches")
    arguments = parser.parse_args()
    devices = Devices(arguments.device, arguments.peer_device)
    build(devices.ours)
    print(processor())
    limits, precisions = None, ["float32"]
    if devices == CPU:
        limits = limits_of_processor(arguments.cores)
        precisions = [precision for precision in arguments.types.split(",") if precision in limits]
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes.split(","):
            counts = [int(count) for count in arguments.sentences.split(",")] if arguments.sentences else SENTENCES[size]
            bench(size, precisions, devices, counts, Path(folder), limits, arguments)


if __name__ == "__main__":
    main()
