#!/usr/bin/env python3
"""Compares the time of an update of two builds of `train`, which train the same configuration in turn.

    scripts/bench/turns.py OLD/target/debug/train target/debug/train -- --config configs/tiny.toml --device wgpu

Each build runs in the checkout that it is of, the folder above `target` unless `--roots` names another one. Both first train until `--warm-up` updates, one
after the other; then each in turn goes on for `--updates` updates while the other one is stopped.
"""
import argparse
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

LOGGED = 5  # updates between two lines of the log


class Build:
    def __init__(self, binary, root, options, output):
        own = [f"training.log_every={LOGGED}", "training.steps=1000", "validation.every=1000"]
        command = [binary, *options, "--output", output, *(word for option in own for word in ("--set", option))]
        self.times, self.failed = {}, False
        self.process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if step := re.match(r"step (\d+)/", line):
                self.times[int(step[1])] = time.perf_counter()
            elif "error" in line:
                print(line, end="")
        self.failed = True

    def time_of(self, step):
        """When an update was logged; waits for it."""
        while step not in self.times:
            if self.failed:
                raise SystemExit(f"{self.process.args[0]} ended before update {step}")
            time.sleep(0.005)
        return self.times[step]

    def signal(self, number):
        self.process.send_signal(number)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="the binary that is compared with")
    parser.add_argument("new", type=Path, help="the other binary")
    parser.add_argument("options", nargs="+", help="options of train, after --")
    parser.add_argument("--roots", nargs=2, type=Path, help="folders of the configurations [default: of the binaries]")
    parser.add_argument("--warm-up", type=int, default=50, help="updates before the first turn [default: %(default)s]")
    parser.add_argument("--updates", type=int, default=20, help="updates of a turn [default: %(default)s]")
    parser.add_argument("--turns", type=int, default=3, help="[default: %(default)s]")
    arguments = parser.parse_args()
    binaries = [arguments.old.resolve(), arguments.new.resolve()]
    roots = arguments.roots or [binary.parents[2] for binary in binaries]
    with tempfile.TemporaryDirectory() as folder:
        builds, at = [], arguments.warm_up
        try:
            for name, binary, root in zip(["old", "new"], binaries, roots):
                started = time.perf_counter()
                build = Build(str(binary), root, arguments.options, f"{folder}/{name}")
                builds.append(build)
                print(f"{name}: the first {at} updates took {build.time_of(at) - started:.1f} s", flush=True)
                build.signal(signal.SIGSTOP)
            seconds = [[], []]
            for _ in range(arguments.turns):
                for build, found in zip(builds, seconds):
                    build.signal(signal.SIGCONT)
                    # The first interval of a turn has the pause in it.
                    first, last = build.time_of(at + LOGGED), build.time_of(at + LOGGED + arguments.updates)
                    build.signal(signal.SIGSTOP)
                    found.append((last - first) / arguments.updates)
                at += LOGGED + arguments.updates
        finally:
            for build in builds:
                build.process.kill()
                build.process.wait()
    old, new = map(statistics.median, seconds)
    ratios = ", ".join(f"{b / a:.2f}" for a, b in zip(*seconds))
    print(f"an update: old {old:.3f} s, new {new:.3f} s, ratio {new / old:.2f} ({ratios})")


if __name__ == "__main__":
    main()
