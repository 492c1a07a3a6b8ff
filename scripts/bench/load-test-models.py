#!/usr/bin/env python3
"""Tests `infer serve` with three models of which two fit into memory, under load and under attack.

    scripts/bench/load-test-models.py RUN1 RUN2 RUN3 [--seconds 60] [--infer target/debug/infer]

Serves RUN1 as en-de, RUN2 as de-fr and RUN3 as fr-en, with `--model-memory` for the two largest and `--pivot de`. Clients translate
in all directions at once, en to fr over German too, natively and in LibreTranslate's form. Each translation must equal the output
of `infer`. A response 503 must have `Retry-After`, after which the client sends the request again; any other status
but 200 is an error. Hostile clients send huge, slow, malformed and half-closed requests meanwhile. The bytes of the open
models must never exceed the limit, and resident memory must not exceed its value at the start, the limit and an
allowance for texts and bodies in transit. Prints latencies by direction. The exit code is 1 after any error.
"""
import argparse
import http.client
import importlib.util
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("load_test", Path(__file__).with_name("load-test.py"))
load_test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(load_test)

ALLOWANCE = 192  # MiB for texts, results, bodies in transit and the copy of a file while it is read
PAIRS = [("en", "de"), ("de", "fr"), ("fr", "en")]


def translations(infer, run, texts):
    """The best translation of each text by `infer`, which reads each as one sentence."""
    lines = subprocess.run([infer, "--model", run, "--format", "jsonl", "--quiet", "--too-long", "crop"],
                           input="\n".join(texts) + "\n", capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(texts), f"{len(lines)} outputs for {len(texts)} texts"
    return [json.loads(line)["text"] for line in lines]


class Client:
    """A client that keeps its connection, checks every response and measures its latency."""

    def __init__(self, server, cases, seen):
        self.server, self.cases, self.seen = server, cases, seen
        self.connection = http.client.HTTPConnection(*server.address, timeout=120)

    def request(self, body):
        """Sends a request until it is answered with another status than 503."""
        while True:
            start = time.monotonic()
            self.connection.request("POST", "/translate", json.dumps(body), {"content-type": "application/json"})
            response = self.connection.getresponse()
            text = response.read()
            if response.status != 503:
                return response.status, text, time.monotonic() - start
            self.seen["503"] += 1
            wait = response.headers.get("retry-after")
            if wait is None:
                return 503, b"without Retry-After: " + text, 0
            time.sleep(float(wait) * random.uniform(0.5, 1))

    def run(self, stop, latencies, wrong):
        try:
            while not stop.is_set():
                direction = random.choice(list(self.cases))
                texts = random.sample(self.cases[direction], random.choice([1, 1, 1, 4]))
                source, target = direction
                if random.random() < 0.5:
                    body = {"q": [text for text, _ in texts], "source": source, "target": target}
                else:
                    body = {"texts": [text for text, _ in texts], "source": source, "target": target, "too_long": "crop"}
                status, text, seconds = self.request(body)
                if status != 200:
                    wrong.append(f"{direction}: status {status}: {text[:200]}")
                    continue
                answer = json.loads(text)
                found = answer.get("translatedText") or [one["text"] for one in answer["translations"]]
                if found != [expected for _, expected in texts]:
                    wrong.append(f"{direction}: expected {texts}, found {found}")
                latencies[direction].append(seconds)
                self.seen["texts"] += len(texts)
        except (OSError, http.client.HTTPException) as error:
            wrong.append(f"a client: {error!r}")


def half_closed(client):
    """Closes its side before the response, which counts as a disconnect."""
    body = json.dumps({"texts": ["A dog sleeps."] * 8, "source": "en", "target": "de"}).encode()
    client.sendall(load_test.post(body))
    client.shutdown(socket.SHUT_WR)
    return None


def watch(server, stop, samples):
    """Samples the bytes of the open models and the resident memory."""
    connection = http.client.HTTPConnection(*server.address, timeout=120)
    while not stop.is_set():
        connection.request("GET", "/models")
        models = json.loads(connection.getresponse().read())["models"]
        samples.append((sum(model["bytes"] for model in models), sum(model["open"] for model in models), server.memory("VmRSS")))
        time.sleep(0.05)


def percentile(values, share):
    return 1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=3, metavar="RUN")
    parser.add_argument("--seconds", type=int, default=60, help="duration [default: %(default)s]")
    parser.add_argument("--clients", type=int, default=12, help="clients that check their responses [default: %(default)s]")
    parser.add_argument("--hostile", type=int, default=4, help="hostile clients [default: %(default)s]")
    parser.add_argument("--texts", default=ROOT / "data/toy-en-de/test.tsv", help="texts, the first column [default: data/toy-en-de/test.tsv]")
    parser.add_argument("--infer", default=ROOT / "target/debug/infer")
    options = parser.parse_args()

    # A sentence each, so that a document is one sentence too.
    lines = [line.split("\t")[0] for line in Path(options.texts).read_text().splitlines()]
    texts = list(dict.fromkeys(line for line in lines if line.strip()))[:200]
    by_pair = {pair: translations(options.infer, run, texts) for pair, run in zip(PAIRS, options.runs)}
    cases = {pair: list(zip(texts, found)) for pair, found in by_pair.items()}
    over_german = translations(options.infer, options.runs[1], by_pair["en", "de"])
    # A translation with a border of sentences in it is read in parts by the second model, which `infer` reads whole.
    cases["en", "fr"] = [(text, found) for text, german, found in zip(texts, by_pair["en", "de"], over_german)
                         if german.strip() and not any(mark in german[:-1] for mark in ".!?\n")]

    models = [f"{source}-{target}={run}" for (source, target), run in zip(PAIRS, options.runs)]
    others = [argument for model in models[1:] for argument in ("--model", model)]
    with load_test.Server(options.infer, models[0], others) as server:
        client = Client(server, cases, Counter())
        for source, target in PAIRS:
            client.request({"text": texts[0], "source": source, "target": target, "too_long": "crop"})
        connection = http.client.HTTPConnection(*server.address)
        connection.request("GET", "/models")
        sizes = sorted(model["bytes"] for model in json.loads(connection.getresponse().read())["models"])
    limit = sizes[1] + sizes[2] + sizes[0] // 2
    arguments = [*others, "--model-memory", str(limit), "--pivot", "de", "--timeout", "60", "--max-queue", "64"]
    stop, latencies, wrong, seen, attacks, samples = threading.Event(), defaultdict(list), [], Counter(), Counter(), []
    load_test.ATTACKS.append(half_closed)
    with load_test.Server(options.infer, models[0], arguments) as server:
        start = server.memory("VmRSS")
        threads = [threading.Thread(target=Client(server, cases, seen).run, args=(stop, latencies, wrong)) for _ in range(options.clients)]
        threads += [threading.Thread(target=load_test.attack, args=(server.address, stop, attacks, wrong)) for _ in range(options.hostile)]
        threads.append(threading.Thread(target=watch, args=(server, stop, samples)))
        for thread in threads:
            thread.start()
        time.sleep(options.seconds)
        stop.set()
        for thread in threads:
            thread.join()
        code = server.stop()
    used, opened, resident = (max(column) for column in zip(*samples))
    everything = [value for values in latencies.values() for value in values]
    print(f"models                 {', '.join(f'{size / 2**20:.1f}' for size in sizes)} MiB, limit {limit / 2**20:.1f} MiB")
    print(f"requests               {len(everything)} in {options.seconds} s, {seen['texts']} texts, each compared; {seen['503']} times 503")
    for direction, values in sorted(latencies.items()):
        print(f"    {'-'.join(direction):<18} {len(values)} requests, p50 {statistics.median(values) * 1000:.1f} ms, p99 {percentile(values, 0.99):.1f} ms")
    print(f"latency                p50 {percentile(everything, 0.5):.1f} ms, p99 {percentile(everything, 0.99):.1f} ms, maximum {1000 * max(everything):.1f} ms")
    print(f"hostile requests       {sum(attacks.values())}")
    print(f"memory                 at most {opened} models open, {used / 2**20:.1f} MiB of weights; resident {start:.1f} MiB at the start, at most {resident:.1f} MiB")
    log = "".join(server.log)
    bad = [message for message, failed in [
        ("the models exceeded the limit", used > limit),
        ("resident memory exceeded the limit", resident > start + limit / 2**20 + ALLOWANCE),
        ("a direction has no response", len(latencies) < 4),
        ("the server panicked", "panicked" in log),
        (f"the server exited with code {code}", code != 0),
        (f"{len(wrong)} responses or statuses were wrong", wrong),
    ] if failed]
    for message in [*bad, *wrong[:5]]:
        print(f"error: {message}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
