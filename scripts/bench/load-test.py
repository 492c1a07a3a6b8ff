#!/usr/bin/env python3
"""Tests `infer serve` under load and under attack: responses, stability, latency and memory.

    scripts/bench/load-test.py                                  runs/toy-en-de, for one minute
    scripts/bench/load-test.py runs/tiny --texts digits.txt     another run folder and its texts, one per line
    scripts/bench/load-test.py --seconds 10 --connections 64 --no-hostile
    scripts/bench/load-test.py --seconds 10 -- --threads 1      options after -- are passed to `infer serve`

Starts `infer serve` and sends texts over many connections with wrk (Debian package `wrk`). Each response must equal
the output of `infer --format jsonl` byte for byte. Meanwhile hostile clients send invalid, slow and huge requests; each
must receive the expected status. The exit code is 1 after any wrong response or status, a panic, or growth of memory
(memory needs about a minute to settle).
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

ROOT = Path(__file__).resolve().parents[2]
READ_TIMEOUT = 2  # seconds; shorter than the default, so that slow clients end soon
# Maximum ratio of the resident memory in the last quarter to that in the second. Memory varies with the number of large
# bodies in flight; a leak becomes visible in a longer test.
MAX_GROWTH = 1.25


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage="%(prog)s [options] [RUN] [-- OPTIONS OF infer serve]")
    parser.add_argument("run", nargs="?", default=ROOT / "runs/toy-en-de", help="run folder [default: runs/toy-en-de]")
    parser.add_argument("--texts", default=ROOT / "data/toy-en-de/test.tsv", help="texts, one per line; of a TSV file the first column [default: data/toy-en-de/test.tsv]")
    parser.add_argument("--seconds", type=int, default=60, help="duration [default: %(default)s]")
    parser.add_argument("--connections", type=int, default=32, help="connections of wrk [default: %(default)s]")
    parser.add_argument("--no-hostile", action="store_true", help="no hostile clients")
    parser.add_argument("--binary", help="path of `infer` [default: build it]")
    # argparse would assign the first option after `--` to RUN.
    own, server = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, server = own[:at], own[at + 1:]
    options = parser.parse_args(own)
    options.server = server
    return options


# ---------------------------------------------------------------- expected responses

def write_expected(binary, run, texts, file):
    """Writes `text TAB body` for each text; skips texts that JSON would escape."""
    texts = list(dict.fromkeys(text for text in texts if text.strip() and not re.search(r'["\\\x00-\x1f]', text)))
    lines = subprocess.run(
        [binary, "--model", run, "--format", "jsonl", "--quiet"],
        input="\n".join(texts) + "\n", capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    assert len(lines) == len(texts), f"{len(lines)} outputs for {len(texts)} texts"
    for text, line in zip(texts, lines):
        file.write(f'{text}\t{{"translations":[{line}]}}\n')
    file.flush()
    return len(texts)


# ---------------------------------------------------------------- hostile clients

def head(length, path="/translate", more=""):
    return (f"POST {path} HTTP/1.1\r\nhost: load-test\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"content-length: {length}\r\n{more}\r\n").encode()


def post(body, path="/translate"):
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
        pass  # the server closed the connection, as expected
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
    client.sendall(post(random.choice([b"", b"{", b'{"text": "1"} x', b"text=1", b"\x00\x01\x02"])))
    return 400


def no_request(client):
    client.sendall(post(random.choice([b"[]", b"[[[[", b"{}", b'{"text": 7}', b'{"text": "1", "model": "best"}'])))
    return 422


def bad_utf8(client):
    client.sendall(post(b'{"text": "caf\xe9 \xff\xfe"}'))
    return 400


def long_text(client):
    client.sendall(post(json.dumps({"text": "the cat " * 5000}).encode()))
    return 422


def many_texts(client):
    client.sendall(post(json.dumps({"texts": ["the cat"] * 5000}).encode()))
    return 422


def wide_beam(client):
    client.sendall(post(b'{"text": "the cat", "beam": 1000000}'))
    return 422


def no_http(client):
    client.sendall(bytes(random.randrange(128, 256) for _ in range(200)) + b"\r\n\r\n")
    return 400


def gone_early(client):
    client.sendall(post(json.dumps({"texts": ["The cat sat on the mat."] * 16, "beam": 4}).encode()))
    return None


def gone_halfway(client):
    client.sendall(head(1000) + b'{"text": "')
    return None


ATTACKS = [huge_body, endless_body, slow_body, slow_head, bad_json, no_request, bad_utf8, long_text, many_texts, wide_beam,
           no_http, gone_early, gone_halfway]


def attack(address, stop, seen, wrong):
    """Sends hostile requests one after the other, with pauses that leave capacity for the load."""
    while not stop.is_set():
        kind = random.choice(ATTACKS)
        try:
            with socket.create_connection(address, timeout=30) as client:
                expected = kind(client)
                if expected:
                    status = client.makefile("rb").readline().decode("latin-1").split(" ")[1:2]
                    if status != [str(expected)]:
                        wrong.append(f"{kind.__name__}: expected status {expected}, found {status}")
        except OSError as error:
            wrong.append(f"{kind.__name__}: {error}")
        seen[kind.__name__] += 1
        time.sleep(0.02)


# ---------------------------------------------------------------- the server

class Server:
    def __init__(self, binary, run, options):
        command = [binary, "serve", "--model", run, "--listen", "127.0.0.1:0", "--read-timeout", str(READ_TIMEOUT)]
        self.process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            if line.startswith("listening on "):
                self.url = line.split()[-1]
                break
        else:
            sys.exit("".join(self.log) or "the server did not start")
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.address = (host, int(port))
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def memory(self, field):
        """A field of /proc/PID/status, in MiB."""
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
        """Stops the server after an error or an interrupt."""
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
        sys.exit("wrk is not installed; on Debian, run apt-get install wrk")
    binary = options.binary
    if not binary:
        subprocess.run(["cargo", "build", "-p", "infer"], cwd=ROOT, check=True)
        binary = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/infer"
    texts = [line.split("\t")[0] for line in Path(options.texts).read_text().splitlines()]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as expected:
        count = write_expected(binary, options.run, texts, expected)
        with Server(binary, options.run, options.server) as server:
            print(f"{server.log[0].strip()}; {count} texts, {options.connections} connections, "
                  f"{options.seconds} seconds")

            load = subprocess.Popen(
                ["wrk", "-t2", f"-c{options.connections}", f"-d{options.seconds}s", "--timeout", "30s", "-s",
                 ROOT / "scripts/bench/load-test.lua", server.url],
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

    # Medians, since resident memory varies with the requests in flight.
    parts = [statistics.median(resident[len(resident) * i // 4:len(resident) * (i + 1) // 4]) for i in range(4)]
    batches = metrics["attend_batch_texts_count"]
    print(f"requests per second    {figures['rate']}")
    print(f"latency p50, p90, p99  {figures['p50']}, {figures['p90']}, {figures['p99']} ms")
    print(f"texts per batch        {metrics['attend_batch_texts_sum'] / batches:.2f}")
    print(f"responses checked      {figures['checked']}, wrong {figures['wrong']}, rejected {figures['failed']}, "
          f"socket errors {figures['socket-errors']}")
    print(f"hostile requests       {sum(seen.values())}, with an unexpected status {len(wrong)}")
    for kind, number in sorted(seen.items()):
        print(f"    {kind:<18} {number}")
    print(f"disconnected clients   {metrics['attend_disconnected_total']:.0f}, their cancelled texts "
          f"{metrics['attend_cancelled_texts_total']:.0f}")
    print(f"resident memory        {resident[0]:.1f} MiB at the start; {', '.join(f'{part:.1f}' for part in parts)} MiB in the "
          f"four quarters; peak {peak:.1f} MiB")
    log = "".join(server.log)
    bad = [message for message, failed in [
        ("a response was wrong", figures["wrong"] != "0"),
        ("a request was rejected", figures["failed"] != "0"),
        ("a connection failed", figures["socket-errors"] != "0"),
        ("no response was checked", figures["checked"] == "0"),
        ("a hostile request received an unexpected status", wrong),
        ("the server panicked", "panicked" in log),
        ("memory grew", parts[3] > parts[1] * MAX_GROWTH),
        (f"the server exited with code {code}", code != 0),
    ] if failed]
    for message in [*bad, *wrong[:5], *([figures["first-bad"]] if "first-bad" in figures else [])]:
        print(f"error: {message}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
