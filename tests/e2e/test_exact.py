"""Exact turns and numbers that add up, under load: 4 reactors, 3 workers, 100,000 requests over 64 connections."""

import os
import re
import selectors
import signal
import socket

import pytest

from harness.programs import Steadily, children
from harness.waiting import wait_for

REQUESTS = 100_000
CONNECTIONS = 64
GET = b"GET /%d HTTP/1.1\r\nHost: test.example\r\n\r\n"
ANSWER = re.compile(rb"HTTP/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*?Content-Length: (\d+)\r\n(?:[^\r\n]+\r\n)*\r\n")


class Load:
    """Many keep-alive connections, each with one request after the other; every answer is looked at.

    `turn` goes on with whatever is ready; with `leave_every`, a connection closes at each so-many-th request instead of
    waiting for the answer, and another takes its place.
    """

    def __init__(self, address, connections, leave_every=0):
        self.address, self.leave_every = address, leave_every
        self.sent = self.answered = self.left = 0
        self.limit = None
        self.poll = selectors.DefaultSelector()
        for _ in range(connections):
            self._open()

    def _open(self):
        sock = socket.create_connection(self.address, timeout=20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.poll.register(sock, selectors.EVENT_READ, [b"", -1])

    def _ask(self, sock, state):
        state[:] = b"", self.sent
        sock.sendall(GET % self.sent)
        self.sent += 1
        if self.leave_every and self.sent % self.leave_every == 0:
            self.poll.unregister(sock)
            sock.close()
            self.left += 1
            self._open()
            self._start_idle()

    def _start_idle(self):
        for key in list(self.poll.get_map().values()):
            if key.data[1] < 0 and self.sent < self.limit:
                self._ask(key.fileobj, key.data)

    def _read(self, sock, state):
        data = sock.recv(65536)
        assert data, f"the connection was closed at request {state[1]}"
        state[0] += data
        match = ANSWER.match(state[0])
        if not match or len(state[0]) < match.end() + int(match[1]):
            return
        assert state[0].endswith(b": GET /%d\n" % state[1]), f"not the answer to request {state[1]}: {state[0]!r}"
        assert len(state[0]) == match.end() + int(match[1])
        self.answered += 1
        state[:] = b"", -1
        if self.sent < self.limit:
            self._ask(sock, state)

    def run(self, count):
        """Send so many more requests and read all their answers."""
        self.limit = self.sent + count
        self._start_idle()
        while self.answered + self.left < self.limit:
            ready = self.poll.select(20)
            assert ready, f"nothing happens any more after {self.answered} answers"
            for key, _ in ready:
                self._read(key.fileobj, key.data)

    def close(self):
        for key in list(self.poll.get_map().values()):
            key.fileobj.close()
        self.poll.close()


@pytest.fixture
def load(stack):
    def start(*arguments, **options):
        started = Load(*arguments, **options)
        stack.callback(started.close)
        return started
    return start


class Scraper:
    """Each scrape must hold together by itself, and counters only grow."""

    def __init__(self, ballast, ports):
        self.ballast, self.ports = ballast, ports
        self.total = 0
        self.saw_active = False

    def __call__(self):
        metrics = self.ballast.assert_accounts()
        dispatches = sum(metrics[f"worker_{port}_requests"] for port in self.ports)
        # no retries here: each dispatch is of a request that is counted, and all ended ones were dispatched
        assert metrics["requests_total"] - metrics["requests_active"] <= dispatches <= metrics["requests_total"]
        assert metrics["requests_total"] >= self.total
        self.total = metrics["requests_total"]
        self.saw_active |= metrics["requests_active"] > 0


def test_100_000_requests_over_64_connections_and_4_reactors(demo, balance, load):
    worker = demo(ports=(0, 0, 0))
    ballast = balance(*worker.addresses, threads=4, access_log="off")
    with Steadily(Scraper(ballast, worker.ports)) as scraping:
        scraping.wait_times(1)
        load(ballast.address, CONNECTIONS).run(REQUESTS)
        scraping.wait_times(1)
    assert scraping.times > 20 and scraping.action.saw_active
    metrics = ballast.settled_accounts()
    assert (metrics["requests_total"], metrics["requests_ok"]) == (REQUESTS, REQUESTS)
    counts = [metrics[f"worker_{port}_requests"] for port in worker.ports]
    assert sum(counts) == REQUESTS
    assert max(counts) - min(counts) <= 1, counts


def test_turns_are_exact_at_every_moment_between_requests(demo, balance, load):
    """Not only at the end: after every burst of 1 to 40 requests, over all reactors."""
    worker = demo(ports=(0, 0, 0))
    ballast = balance(*worker.addresses, threads=4)
    client, total = load(ballast.address, 16), 0
    for burst in [1, 1, 2, 3, 5, 8, 13, 21, 34, 40, 7, 1]:
        client.run(burst)
        total += burst
        metrics = ballast.metrics()
        counts = [metrics[f"worker_{port}_requests"] for port in worker.ports]
        assert sum(counts) == total and max(counts) - min(counts) <= 1, counts


def test_weights_are_exact_too(demo, balance, load):
    worker = demo(ports=(0, 0, 0))
    weights = [5, 2, 1]
    entries = [{"address": address, "weight": weight} for address, weight in zip(worker.addresses, weights)]
    ballast = balance(*entries, threads=4)
    load(ballast.address, CONNECTIONS).run(8 * 500)
    metrics = ballast.metrics()
    assert [metrics[f"worker_{port}_requests"] for port in worker.ports] == [2500, 1000, 500]


def test_numbers_add_up_while_clients_leave(demo, balance, load):
    """Every 7th request's client goes away without its answer: what is counted is still each request once."""
    worker = demo(ports=(0, 0, 0))
    ballast = balance(*worker.addresses, threads=4)
    with Steadily(ballast.assert_accounts) as scraping:
        scraping.wait_times(1)
        client = load(ballast.address, 32, leave_every=7)
        client.run(7000)
        ballast.wait_metric("requests_active", 0)
    metrics = ballast.settled_accounts()
    assert (client.answered, client.left) == (6000, 1000)
    assert metrics["requests_total"] == 7000
    assert metrics["requests_failed"] == 0
    assert metrics["requests_ok"] >= 6000


def test_a_server_that_is_killed_is_replaced_and_counts_from_nothing(demo, balance, load):
    worker = demo()
    ballast = balance(worker.address)
    load(ballast.address, 4).run(100)
    server, = children(ballast.pid)
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: children(ballast.pid) not in ([server], []), what="another server")
    ballast.wait_alive(1)
    load(ballast.address, 4).run(10)
    assert ballast.settled_accounts()["requests_total"] == 10
