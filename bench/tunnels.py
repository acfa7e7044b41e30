#!/usr/bin/python3
"""Measures bulk through a tunnel: processor time of Ballast for a MiB, copied and spliced, beside an answer's body.

Ballast has processor 0 for itself, worker and client (Python's sockets) share processor 1. The three take turns within
each round; medians count. It is copied where limits.connections is so low that there is no pipe.

    bench/tunnels.py [--build DIR] [--rounds N] [--mebibytes N]
"""

import argparse
import json
import os
import pathlib
import socket
import statistics
import sys
import tempfile
import threading

from contenders import ROOT
from processes import BenchError, Group, cpu_ns, free_port, wait_ready

MIB = 1 << 20
BLOCK = bytes(MIB)
COPIED, SPLICED = 4, 400  # connections: of which there are pipes for none, and for 50
UPGRADE = b"GET /%d HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
GET = b"GET /%d HTTP/1.1\r\nHost: bench\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nX-Worker: w\r\nContent-Length: %d\r\n\r\n"
WAYS = {"tunnel, copied": (COPIED, UPGRADE), "tunnel, spliced": (SPLICED, UPGRADE), "body, spliced": (SPLICED, GET)}


class Ballast:
    """As processes.wait_ready knows a contender."""
    leads, tls = True, None

    def __init__(self, group, build, directory, connections, worker, cpus):
        self.port, self.log = free_port(), directory / f"{connections}.log"
        config = {"listeners": [{"address": f"127.0.0.1:{self.port}"}], "threads": 1, "access_log": {"path": "off"},
                  "limits": {"connections": connections}, "pools": {"bench": {"workers": [f"127.0.0.1:{worker}"]}}}
        path = directory / f"{connections}.yaml"
        path.write_text(json.dumps(config))
        self.process = group.start([str(build / "ballast"), "run", "-c", str(path)], cpus, self.log)

    def label(self):
        return "ballast"


def read_head(sock):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise BenchError(f"ended inside a head: {head!r}")
        head += byte
    return head


def serve(sock):
    """GET /N is answered by N MiB, after a 101 where an upgrade is asked for; anything else by nothing."""
    try:
        while True:
            head = read_head(sock)
            target = head.split(b" ", 2)[1][1:]
            blocks = int(target) if target.isdigit() else 0
            upgrade = b"upgrade: websocket" in head.lower()
            sock.sendall(SWITCHED if upgrade else ANSWER % (blocks * MIB))
            for _ in range(blocks):
                sock.sendall(BLOCK)
            if upgrade:
                return
    except (OSError, BenchError):
        pass
    finally:
        sock.close()


def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def receive(sock, count):
    room = bytearray(MIB)
    while count > 0:
        n = sock.recv_into(room, min(count, MIB))
        if n == 0:
            raise BenchError(f"ended {count} bytes too early")
        count -= n


def measure(ballast, request, blocks):
    """Microseconds of processor time for a MiB."""
    with socket.create_connection(("127.0.0.1", ballast.port), timeout=60) as sock:
        sock.sendall(request % blocks)
        status = read_head(sock).split(b" ", 2)[1]
        if status not in (b"101", b"200"):
            raise BenchError(f"answered {status.decode()}")
        began = cpu_ns(ballast.process.pid)
        receive(sock, blocks * MIB)
        return (cpu_ns(ballast.process.pid) - began) / 1000 / blocks


def run(options, directory):
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {usable[-1]})
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    found = {way: [] for way in WAYS}
    with Group() as group:
        ballasts = {count: Ballast(group, options.build, directory, count, listener.getsockname()[1], {usable[0]})
                    for count in (COPIED, SPLICED)}
        for ballast in ballasts.values():
            wait_ready(ballast, ballast.log, {"w"})
        for number in range(options.rounds):
            order = list(WAYS)
            for way in order[number % 3:] + order[:number % 3]:
                count, request = WAYS[way]
                found[way].append(measure(ballasts[count], request, options.mebibytes))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mebibytes", type=int, default=512)
    options = parser.parse_args()
    options.build = options.build.resolve()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as directory:
        found = run(options, pathlib.Path(directory))
    body = statistics.median(found["body, spliced"])
    print(f"us for a MiB, medians of {options.rounds} rounds of {options.mebibytes} MiB; load {os.getloadavg()[0]:.1f}")
    for way, times in found.items():
        ratios = [time / beside for time, beside in zip(times, found["body, spliced"])]
        print(f"{way:16} {statistics.median(times):6.0f} ({min(times):.0f}-{max(times):.0f})"
              f"  {statistics.median(times) / body:.2f} of the body's, {statistics.median(ratios):.2f} round by round")
    return 0


if __name__ == "__main__":
    sys.exit(main())
