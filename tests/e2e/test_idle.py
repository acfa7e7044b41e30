"""Connections that rest: what they cost, that nobody else waits for them, and that their memory is given back.

BALLAST_IDLE_CLIENTS has more of them: docs/performance.md tells of a run with as many as descriptors allowed.
"""

import contextlib
import os
import pathlib
import re
import resource
import subprocess
import sys
import time

import pytest

from harness.ballast import Ballast
from harness.programs import Program, Steadily, children
from harness.waiting import wait_for

CLIENTS = int(os.environ.get("BALLAST_IDLE_CLIENTS", "8000"))
EACH = 10_000  # clients of one process
BYTES = 300    # of memory, for an idle client or worker connection
SOURCE = pathlib.Path(__file__).resolve().parent / "real" / "idle_clients.py"


class Idlers(Program):
    """Clients that ask once and then rest, in a process of their own."""

    def __init__(self, port, count, first, *how):
        self.process = subprocess.Popen([sys.executable, SOURCE, str(port), str(count), str(first), *how],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = count

    def wait_asked(self):
        assert self.process.stdout.readline() == f"{self.count}\n"

    def ask_again(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "again\n"

    def end(self, timeout=60):
        self.process.stdin.close()
        self.process.wait(timeout)
        super().end(timeout)


@contextlib.contextmanager
def descriptors(wanted):
    """As many as may be had, for what is started meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, before[1]), max(wanted, before[1])))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < wanted:
        pytest.skip(f"{wanted} descriptors are needed, {hard} are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def private_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Private_Dirty:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


def connections(ballast, side, state):
    return ballast.metrics()[f'ballast_connections{{side="{side}",state="{state}"}}']


def held(server):
    """Memory, once nothing of it has changed for longer than a session stays whole."""
    seen = [(time.monotonic(), private_bytes(server))]
    def settled():
        now, size = time.monotonic(), private_bytes(server)
        if size != seen[-1][1]:
            seen.append((now, size))
        return now > seen[-1][0] + 1.5
    wait_for(settled, 30)
    return seen[-1][1]


@contextlib.contextmanager
def resting(ballast, count, first, *how):
    """So many more clients that have asked once."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(Idlers(ballast.address[1], min(EACH, count - at), first + at // EACH, *how))
                 for at in range(0, count, EACH)]
        for idlers in crowd:
            idlers.wait_asked()
        yield crowd


def test_idle_clients_take_less_than_300_bytes_and_give_them_back(balance, demo, sanitized):
    """In two steps, so that it is seen to grow in proportion; what serving takes in any case is there before."""
    if sanitized:
        pytest.skip("a sanitizer's own memory is counted too")
    half = CLIENTS // 2
    with descriptors(2 * CLIENTS + CLIENTS // 4 + 600):
        ballast = balance(demo(), threads=1, limits={"connections": CLIENTS + 100},
                          timeouts={"client_idle": "10m"}, access_log={"path": "off"})
        server = children(ballast.pid)[0]
        def ask_well():
            assert ballast.get().status == 200
        with Steadily(ask_well) as asking:
            with resting(ballast, 500, 1):
                asking.wait_times(200)
            before = held(server)
            with resting(ballast, half, 10):
                halfway = held(server)
                with resting(ballast, half, 100) as crowd:
                    asking.wait_times(100)
                    full = held(server)
                    assert connections(ballast, "client", "open") >= 2 * half
                    for idlers in crowd:
                        idlers.ask_again()
            wait_for(lambda: connections(ballast, "client", "open") <= 2, 60)
            after = held(server)
    steps = [(halfway - before) / half, (full - halfway) / half]
    print(f"{2 * half} idle clients: {steps[0]:.0f} and {steps[1]:.0f} bytes each; MiB before, with, after: "
          f"{before / 2**20:.2f}, {full / 2**20:.2f}, {after / 2**20:.2f}")
    assert max(steps) < BYTES
    assert after - before < 0.1 * (full - before)
    ballast.assert_accounts()


@pytest.mark.alone
def test_idle_worker_connections_take_less_than_300_bytes_and_give_them_back(balance, demo, sanitized):
    """As many as requests were under way at once; then they idle, and when their time is over that memory is free."""
    if sanitized:
        pytest.skip("a sanitizer's own memory is counted too")
    count = 1500
    with descriptors(9 * count):
        ballast = balance(demo("--delay-ms=2000"), threads=1, timeouts={"worker_idle": "12s"},
                          access_log={"path": "off"}, limits={"connections": 2 * count, "idle_per_worker": 2 * count})
        server = children(ballast.pid)[0]
        with resting(ballast, count, 1, "together"):
            pass
        wait_for(lambda: connections(ballast, "client", "open") <= 2, 60)
        full, idle = held(server), connections(ballast, "worker", "idle")
        assert idle >= count
        wait_for(lambda: connections(ballast, "worker", "open") == 0, 20)
        after = held(server)
    print(f"{idle} idle worker connections: {(full - after) / idle:.0f} bytes each")
    assert 0.5 * BYTES < (full - after) / idle < BYTES


def test_idle_worker_connections_yield_to_clients(stack, demo, ballast_path):
    """Few descriptors, many workers, each asked by many clients at once: those that idle would take them all."""
    workers, at_once = 12, 40
    addresses = [demo("--delay-ms=50").address for _ in range(workers)]
    config = {"pools": {f"p{n}": {"workers": [address], "health": {"interval": "1s"}}
                        for n, address in enumerate(addresses)},
              "routes": [{"path": f"/{n}/", "pool": f"p{n}"} for n in range(workers)],
              "limits": {"idle_per_worker": at_once}, "timeouts": {"worker_idle": "60s"}, "threads": 1}
    ballast = stack.enter_context(Ballast(ballast_path, config, wrapper=("prlimit", "--nofile=350:350")))
    ballast.wait_alive(workers)
    for number in range(2 * workers):
        with contextlib.ExitStack() as crowd:
            clients = [crowd.enter_context(ballast.connect(20)) for _ in range(at_once)]
            for client in clients:
                client.send(b"GET /%d/ HTTP/1.1\r\nHost: few.example\r\n\r\n" % (number % workers))
            assert {client.read_answer().status for client in clients} == {200}
    metrics = ballast.assert_accounts()
    assert metrics['ballast_connections{side="worker",state="idle"}'] >= at_once
    assert metrics['ballast_connections_refused_total{reason="system"}'] == 0


def test_threads_share_long_lived_clients(balance, demo):
    """Of a hundred, which the system alone spreads by hash, no thread has more than 1.3 times its share (ADR 0023)."""
    threads, clients, rounds = 4, 100, 4
    ballast = balance(demo(), threads=threads, limits={"connections": 1000})
    for number in range(rounds):
        wait_for(lambda: connections(ballast, "client", "open") <= 2, 20)
        with resting(ballast, clients, 1 + number):
            wait_for(lambda: connections(ballast, "client", "open") >= clients, 20)
            metrics = ballast.metrics()
            each = [metrics[f'ballast_thread_connections{{thread="{thread}"}}'] for thread in range(threads)]
            assert max(each) * threads <= 1.3 * sum(each), each
