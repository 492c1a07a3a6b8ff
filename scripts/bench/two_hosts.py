#!/usr/bin/env python3
"""Time of an update of two processes on two hosts, played by two network namespaces of this machine.

Usage, as root: scripts/bench/two_hosts.py [--rate BIT/S] [--delay SECONDS] TRAIN CONFIG [TRAIN_OPTION...]

The namespaces are joined by a link of this program: packets leave one TUN device at the rate and arrive at the other
after the delay. The same two processes then run without the link. Prints the time of an update of both, and

    measured / (time without the link + bytes sent / rate)

Needs Open MPI, iproute2 and /dev/net/tun.
"""

import argparse
import collections
import ctypes
import fcntl
import json
import os
import pathlib
import select
import stat
import struct
import subprocess
import tempfile
import threading
import time

NAMES = ["attend-a", "attend-b"]
ADDRESSES = ["10.77.0.1", "10.77.0.2"]
MTU = 32_000  # few packets, so that the link takes little of the processor
QUEUE = 400  # packets, more than the rate delivers within the delay
AGENT = """#!/bin/sh
# Called as `agent HOST COMMAND...` in place of ssh.
shift
exec ip netns exec {name} unshare --uts sh -c 'hostname {name}; '"$*"
"""


def tun(name):
    """Opens a TUN device in a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    opened = []

    def within():
        with open(f"/run/netns/{name}") as namespace:
            if libc.setns(namespace.fileno(), 0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, 0x400454CA, struct.pack("16sH22x", b"wire", 0x1001))  # TUNSETIFF: TUN, no header
        opened.append(descriptor)

    thread = threading.Thread(target=within)  # a thread has a namespace of its own
    thread.start()
    thread.join()
    return opened[0]


def relay(source, target, rate, delay):
    """Passes packets on, each after its time on the wire and the delay."""
    queue, free = collections.deque(), 0.0
    while True:
        wait = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        waiting = [source] if len(queue) < QUEUE else []
        readable, _, _ = select.select(waiting, [], [], wait)
        now = time.monotonic()
        if readable:
            packet = os.read(source, 65_535)
            free = max(now, free) + len(packet) * 8 / rate
            queue.append((free + delay, packet))
        while queue and queue[0][0] <= now:
            try:
                os.write(target, queue.popleft()[1])
            except BlockingIOError:
                pass  # lost, as on a full link


def ip(*arguments, check=True):
    subprocess.run(["ip", *arguments], check=check, stderr=None if check else subprocess.DEVNULL)


def update(run):
    """Seconds and bytes sent of an update, the first logged steps not counted."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [record for record in records if "loss" in record]
    count = steps[-1]["step"] - steps[0]["step"]
    timing = [record["timing"] for record in steps[1:]]
    return sum(t["seconds"] for t in timing) / count, sum(t["sent_bytes"] for t in timing) / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=1e9)
    parser.add_argument("--delay", type=float, default=0.001)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("train")
    parser.add_argument("config")
    options, train_options = parser.parse_known_args()
    train = [str(pathlib.Path(options.train).resolve()), "--config", options.config, "--threads", "1", "--quiet"]
    job = ["mpirun", "--allow-run-as-root", "--bind-to", "none"]
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        for name in NAMES:
            ip("netns", "add", name)
        devices = [tun(name) for name in NAMES]
        for name, address in zip(NAMES, ADDRESSES):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "dev", "wire", "mtu", str(MTU), "up")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "wire")
        for source, target in [devices, devices[::-1]]:
            arguments = (source, target, options.rate, options.delay)
            if os.fork() == 0:
                relay(*arguments)
        agent, hosts = folder / "agent", folder / "hosts"
        agent.write_text(AGENT.format(name=NAMES[1]))
        agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
        hosts.write_text("".join(f"{address} slots=1\n" for address in ADDRESSES))
        linked = ["ip", "netns", "exec", NAMES[0], *job, "--hostfile", str(hosts), "-n", "2"]
        linked += ["--mca", "plm_rsh_agent", str(agent), "--mca", "btl", "tcp,self", "--mca", "pml", "ob1"]
        linked += ["--mca", "btl_tcp_if_include", "wire", "--mca", "oob_tcp_if_include", "wire"]
        alone = [*job, "--oversubscribe", "-n", "2"]
        for i in range(options.rounds):
            seconds = {}
            for kind, command in [("without", alone), ("with", linked)]:
                run = folder / f"{kind}-{i}"
                subprocess.run([*command, *train, "--output", str(run), *train_options], check=True)
                seconds[kind], sent = update(run)
            expected = seconds["without"] + sent * 8 / options.rate
            print(
                f"{sent / 1e6:.2f} MB sent in an update of {seconds['with']:.3f} s; without the link "
                f"{seconds['without']:.3f} s, so {expected:.3f} s expected: {seconds['with'] / expected:.3f}",
                flush=True,
            )
    finally:
        for name in NAMES:
            ip("netns", "delete", name, check=False)
        os.killpg(0, 15)


if __name__ == "__main__":
    os.setpgrp()  # the relays end with this program
    main()
