#!/usr/bin/env python3
"""A server under load, and under attack: are all its answers right, does it live, and does its memory stay?

    scripts/load-test                                     runs/toy-en-de, for a minute
    scripts/load-test runs/tiny --texts digits.txt        another run, with texts of its own, one a line
    scripts/load-test --seconds 10 --connections 64 --no-hostile
    scripts/load-test --seconds 10 -- --threads 1         what follows -- goes to `infer serve`

Starts `infer serve` and lets wrk (Debian's package of that name) ask for one text after the other over many connections.
Each answer is compared, letter for letter, with what `infer --format jsonl` says of the text. Meanwhile hostile clients
send what no server likes, each expecting the status that it deserves. At the end the server is told to stop. Any
wrong answer, wrong status, panic, or a growing memory (give it a minute to settle) makes the exit code 1.
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ_TIMEOUT = 2  # of the server started here; slow clients need not be waited for as long as by default
# Resident memory in the last quarter of the time, relative to that in the second, that is still called flat: it depends on how
# many large bodies happen to be under way. A leak shows in a longer run.
GROWTH = 1.25


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage="%(prog)s [options] [RUN] [-- OPTION OF infer serve …]")
    parser.add_argument("run", nargs="?", default=ROOT / "runs/toy-en-de", help="folder that `train` wrote")
    parser.add_argument("--texts", default=ROOT / "data/toy-en-de/test.tsv", help="texts, one a line; of a TSV the first column")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--no-hostile", action="store_true", help="load alone")
    parser.add_argument("--binary", help="an `infer` that is built already [default: cargo builds one]")
    # argparse gives what stands behind `--` to the first positional that is still free, which is the run.
    own, server = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, server = own[:at], own[at + 1:]
    options = parser.parse_args(own)
    options.server = server
    return options


# ---------------------------------------------------------------- what is expected

def expected_answers(binary, run, texts, file):
    """Writes text TAB body for each text; what would need escapes is left to the tests."""
    texts = list(dict.fromkeys(text for text in texts if text.strip() and not re.search(r'["\\\x00-\x1f]', text)))
    lines = subprocess.run(
        [binary, "--model", run, "--format", "jsonl", "--quiet"],
        input="\n".join(texts) + "\n", capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    assert len(lines) == len(texts), f"{len(lines)} answers to {len(texts)} texts"
    for text, line in zip(texts, lines):
        file.write(f'{text}\t{{"translations":[{line}]}}\n')
    file.flush()
    return len(texts)


# ---------------------------------------------------------------- hostile clients

def head(length, path="/translate", more=""):
    return (f"POST {path} HTTP/1.1\r\nhost: load-test\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"content-length: {length}\r\n{more}\r\n").encode()


def whole(body, path="/translate"):
    return head(len(body), path) + body


def huge_body(client):
    client.sendall(head(4 << 20))
    for _ in range(64):
        client.sendall(b"x" * (1 << 16))
    return 413


def endless_body(client):
    client.sendall(head(1 << 40))
    try:
        for _ in range(1024):
            client.sendall(b"x" * (1 << 16))
    except OSError:
        pass  # cut off, as it should be
    return None


def slow_body(client):
    client.sendall(head(1000))
    for _ in range(3):
        client.sendall(b"x")
        time.sleep(0.4)
    return 408


def slow_head(client):
    client.sendall(head(1000)[:40])
    return 408


def bad_json(client):
    client.sendall(whole(random.choice([b"", b"{", b'{"text": "1"} x', b"text=1", b"\x00\x01\x02"])))
    return 400


def no_request(client):
    client.sendall(whole(random.choice([b"[]", b"[[[[", b"{}", b'{"text": 7}', b'{"text": "1", "model": "best"}'])))
    return 422


def bad_utf8(client):
    client.sendall(whole(b'{"text": "caf\xe9 \xff\xfe"}'))
    return 400


def long_text(client):
    client.sendall(whole(json.dumps({"text": "the cat " * 5000}).encode()))
    return 422


def many_texts(client):
    client.sendall(whole(json.dumps({"texts": ["the cat"] * 5000}).encode()))
    return 422


def wide_beam(client):
    client.sendall(whole(b'{"text": "the cat", "beam": 1000000}'))
    return 422


def no_http(client):
    client.sendall(bytes(random.randrange(128, 256) for _ in range(200)) + b"\r\n\r\n")
    return 400


def gone_early(client):
    client.sendall(whole(json.dumps({"texts": ["The cat sat on the mat."] * 16, "beam": 4}).encode()))
    return None


def gone_halfway(client):
    client.sendall(head(1000) + b'{"text": "')
    return None


KINDS = [huge_body, endless_body, slow_body, slow_head, bad_json, no_request, bad_utf8, long_text, many_texts, wide_beam,
         no_http, gone_early, gone_halfway]


def attack(address, stop, seen, wrong):
    """One hostile client after the other; each pauses a little, for the load is to be seen as well."""
    while not stop.is_set():
        kind = random.choice(KINDS)
        try:
            with socket.create_connection(address, timeout=30) as client:
                expected = kind(client)
                if expected:
                    status = client.makefile("rb").readline().decode("latin-1").split(" ")[1:2]
                    if status != [str(expected)]:
                        wrong.append(f"{kind.__name__}: {status}, not {expected}")
        except OSError as error:
            wrong.append(f"{kind.__name__}: {error}")
        seen[kind.__name__] += 1
        time.sleep(0.02)


# ---------------------------------------------------------------- the server

class Server:
    def __init__(self, binary, run, options):
        command = [binary, "serve", "--model", run, "--listen", "127.0.0.1:0", "--read-timeout", str(READ_TIMEOUT)]
        self.process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        self.said = []
        for line in self.process.stderr:
            self.said.append(line)
            if line.startswith("listening on "):
                self.url = line.split()[-1]
                break
        else:
            sys.exit("".join(self.said) or "the server did not start")
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.address = (host, int(port))
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def memory(self, field):
        """In MiB, as Linux has it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024

    def metrics(self):
        with socket.create_connection(self.address, timeout=30) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nhost: load-test\r\nconnection: close\r\n\r\n")
            text = client.makefile("rb").read().decode().split("\r\n\r\n", 1)[1]
        return {name: float(value) for name, value in (l.rsplit(" ", 1) for l in text.splitlines() if l[0] != "#")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """What ends before its time, by an error or by hand, leaves no server behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.reader.join(timeout=5)
        return code


def main():
    options = arguments()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed; Debian's package has that name")
    binary = options.binary
    if not binary:
        subprocess.run(["cargo", "build", "-p", "infer"], cwd=ROOT, check=True)
        binary = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/infer"
    texts = [line.split("\t")[0] for line in Path(options.texts).read_text().splitlines()]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as expected:
        count = expected_answers(binary, options.run, texts, expected)
        with Server(binary, options.run, options.server) as server:
            print(f"{server.said[0].strip()}; {count} texts, {options.connections} connections, "
                  f"{options.seconds} seconds")

            load = subprocess.Popen(
                ["wrk", "-t2", f"-c{options.connections}", f"-d{options.seconds}s", "--timeout", "30s", "-s",
                 ROOT / "scripts/load-test.lua", server.url],
                stdout=subprocess.PIPE, text=True, env={**os.environ, "EXPECTED": expected.name},
            )
            stop, seen, wrong = threading.Event(), Counter(), []
            attackers = [threading.Thread(target=attack, args=(server.address, stop, seen, wrong), daemon=True)
                         for _ in range(0 if options.no_hostile else 4)]
            for attacker in attackers:
                attacker.start()
            resident = []
            while load.poll() is None:
                resident.append(server.memory("VmRSS"))
                time.sleep(1)
            stop.set()
            for attacker in attackers:
                attacker.join()
            output = load.stdout.read()
            figures = dict(line.split(" ", 1) for line in output.splitlines() if re.match(r"[a-z0-9-]+ \S", line))
            metrics, peak = server.metrics(), server.memory("VmHWM")
            code = server.stop()

    # What is resident goes up and down with what is asked for at the moment, hence medians.
    parts = [statistics.median(resident[len(resident) * i // 4:len(resident) * (i + 1) // 4]) for i in range(4)]
    batches = metrics["attend_batch_texts_count"]
    print(f"requests per second    {figures['rate']}")
    print(f"latency p50, p90, p99  {figures['p50']}, {figures['p90']}, {figures['p99']} ms")
    print(f"texts per batch        {metrics['attend_batch_texts_sum'] / batches:.2f}")
    print(f"answers checked        {figures['checked']}, wrong {figures['wrong']}, refused {figures['failed']}, "
          f"socket errors {figures['socket-errors']}")
    print(f"hostile requests       {sum(seen.values())}, with an unexpected answer {len(wrong)}")
    for kind, number in sorted(seen.items()):
        print(f"    {kind:<18} {number}")
    print(f"disconnected clients   {metrics['attend_disconnected_total']:.0f}, texts of theirs that were not decoded "
          f"{metrics['attend_forgotten_texts_total']:.0f}")
    print(f"resident memory        {resident[0]:.1f} MiB at first; {', '.join(f'{part:.1f}' for part in parts)} MiB in the four "
          f"quarters of the time; {peak:.1f} at most")
    said = "".join(server.said)
    bad = [message for message, is_so in [
        ("an answer was wrong", figures["wrong"] != "0"),
        ("a request was refused", figures["failed"] != "0"),
        ("a connection failed", figures["socket-errors"] != "0"),
        ("nothing was checked", figures["checked"] == "0"),
        ("a hostile request got an unexpected answer", wrong),
        ("the server panicked", "panicked" in said),
        ("memory grew", parts[3] > parts[1] * GROWTH),
        (f"the server ended with {code}", code != 0),
    ] if is_so]
    for message in [*bad, *wrong[:5], *([figures["first-bad"]] if "first-bad" in figures else [])]:
        print(f"!! {message}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
