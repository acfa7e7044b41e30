"""Bulk through tunnels (ADR 0032): the bytes, whoever is in their way, and pipes that are there for the next."""

import array
import contextlib
import fcntl
import hashlib
import os
import random
import socket
import struct
import termios
import threading

import pytest

from harness.programs import children
from harness.waiting import wait_for
from harness.worker import ECHO, READ_REST, Script, run, wait
from harness.worker import signal as tell

UPGRADE = b"GET /bulk HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"
BLOCK = random.Random(4).randbytes((1 << 20) + 17)  # a period that no chunk, pipe or loan has
PATIENCE = 120.0


def pour(sock, blocks, end=True):
    for _ in range(blocks):
        sock.sendall(BLOCK)
    if end:
        sock.shutdown(socket.SHUT_WR)


def take(sock, blocks, begun=b""):
    """So many blocks come, byte by byte the right ones; what was read of them already is `begun`."""
    room, digest, wanted = memoryview(bytearray(1 << 18)), hashlib.sha256(begun), hashlib.sha256()
    left = blocks * len(BLOCK) - len(begun)
    while left > 0:
        n = sock.recv_into(room, min(left, len(room)))
        assert n > 0, f"ended {left} bytes too early"
        digest.update(room[:n])
        left -= n
    for _ in range(blocks):
        wanted.update(BLOCK)
    assert digest.digest() == wanted.digest()


def at_end(sock):
    return sock.recv(1) == b""


def upgraded(ballast):
    client = ballast.connect(PATIENCE)
    client.send(UPGRADE)
    assert client.read_answer().status == 101
    return client


def take_first(client, blocks):
    """Those that begin in one packet with the answer, maybe."""
    take(client.sock, blocks, client.stream.buffer)


class Threads(contextlib.ExitStack):
    """What runs beside the test; its failures are the test's."""

    def go(self, function, *arguments):
        failures = []

        def guarded():
            try:
                function(*arguments)
            except Exception as error:  # told below
                failures.append(error)

        def end():
            thread.join(PATIENCE)
            assert not thread.is_alive() and not failures, failures
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self.callback(end)


class Descriptors:
    """Of the server: sockets and others, pipes, and what the pipes hold."""

    def __init__(self, ballast):
        self.folder = f"/proc/{children(ballast.pid)[0]}/fd"

    def paths(self, pipes):
        found = []
        for name in os.listdir(self.folder):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(f"{self.folder}/{name}").startswith("pipe:") == pipes:
                    found.append(f"{self.folder}/{name}")
        return found

    def others(self):
        return len(self.paths(False))

    def pipes(self):
        return len(self.paths(True))

    def full_pipes(self):
        """Of the pipes' ends, those to write to and to read from alike: twice the number of pipes with bytes inside."""
        return sum(self.held(path) > 0 for path in self.paths(True))

    @staticmethod
    def held(path):
        try:
            end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:  # gone meanwhile
            return 0
        try:
            count = array.array("i", [0])
            fcntl.ioctl(end, termios.FIONREAD, count)
            return count[0]
        finally:
            os.close(end)


@pytest.fixture
def blocks(sanitized):
    """How much is bulk: 128 MiB, or what a sanitizer can do in the time."""
    return 16 if sanitized else 128


def bulk_worker(scripted, *steps):
    worker = scripted(timeout=PATIENCE)
    worker.play_at(b"/bulk", Script((SWITCHED, *steps)))
    return worker


def test_one_way_then_the_other(balance, scripted, blocks):
    """Each direction's end comes behind its bulk, and leaves the other one standing."""
    done = threading.Event()
    worker = bulk_worker(scripted, run(lambda sock: pour(sock, 2 * blocks)), run(lambda sock: take(sock, blocks)),
                         run(at_end), tell(done))
    ballast = balance(worker, threads=1)
    descriptors = Descriptors(ballast)
    pipes, others = descriptors.pipes(), descriptors.others()
    with upgraded(ballast) as client:
        take_first(client, 2 * blocks)
        assert at_end(client.sock)
        assert descriptors.pipes() > pipes  # kept for the next: it went through one
        pour(client.sock, blocks)
        assert done.wait(PATIENCE) and at_end(client.sock)
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert (line["reason"], line["bytes_out"], line["bytes_in"]) == (
        "ok", 2 * blocks * len(BLOCK), blocks * len(BLOCK))
    wait_for(lambda: descriptors.others() == others, what="connections to be closed")
    assert descriptors.full_pipes() == 0


def test_both_ways_at_once(balance, scripted, blocks):
    def both(sock):
        with Threads() as threads:
            threads.go(pour, sock, blocks)
            take(sock, blocks)
            assert at_end(sock)
            done.set()
    done = threading.Event()
    ballast = balance(bulk_worker(scripted, run(both)), threads=1)
    with upgraded(ballast) as client, Threads() as threads:
        threads.go(pour, client.sock, blocks)
        take_first(client, blocks)
        assert at_end(client.sock) and done.wait(PATIENCE)
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert (line["reason"], line["bytes_out"], line["bytes_in"]) == ("ok", blocks * len(BLOCK), blocks * len(BLOCK))


def test_chat_beside_bulk(balance, scripted, blocks):
    """In the same tunnel, against its bulk; and in another, of the same thread."""
    def answer(sock):
        with Threads() as threads:
            threads.go(pour, sock, blocks)
            for _ in range(100):
                assert sock.recv(5, socket.MSG_WAITALL) == b"short"
            heard.set()
    heard = threading.Event()
    worker = bulk_worker(scripted, run(answer))
    worker.play_at(b"/chat", Script((SWITCHED, ECHO)))
    ballast = balance(worker, threads=1)
    with upgraded(ballast) as client, ballast.connect(PATIENCE) as chat, Threads() as threads:
        chat.send(UPGRADE.replace(b"/bulk", b"/chat"))
        assert chat.read_answer().status == 101
        threads.go(take_first, client, blocks)
        for number in range(100):
            client.send(b"short")
            said = b"%d bottles" % number
            chat.send(said)
            assert chat.stream.take(len(said)) == said
        assert heard.wait(PATIENCE)


def probe_count(ballast):
    return sum(count for name, count in ballast.metrics().items() if name.startswith("ballast_probes_total"))


def test_a_hundred_at_once_and_few_pipes(balance, scripted):
    """Each gets one now and then; when they are silent, though they stand, all are there for bodies."""
    def talk(client):
        pour(client.sock, 1, end=False)
        take_first(client, 3)
    worker = bulk_worker(scripted, run(lambda sock: pour(sock, 3, end=False)), run(lambda sock: take(sock, 1)),
                         READ_REST)
    worker.play_at(b"/", Script((b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (20 * len(BLOCK)), BLOCK * 20)))
    ballast = balance(worker, threads=1, limits={"connections": 160})
    descriptors = Descriptors(ballast)
    pipes, others, most = descriptors.pipes(), descriptors.others(), 2 * 160 // 8
    with contextlib.ExitStack() as clients:
        opened = [clients.enter_context(upgraded(ballast)) for _ in range(100)]
        with Threads() as threads:
            for client in opened:
                threads.go(talk, client)
        assert pipes < descriptors.pipes() <= pipes + most
        wait_for(lambda: descriptors.full_pipes() == 0, what="pipes to be empty")
        probes = probe_count(ballast)  # a second apart, and an empty pipe is lent for another 100 ms at most
        wait_for(lambda: probe_count(ballast) >= probes + 2, what="pipes to be given back")
        assert ballast.metrics()["ballast_tunnels"] == 100
        with contextlib.ExitStack() as readers:
            for _ in range(most // 2):  # who do not read: what a pipe holds stays there
                readers.enter_context(ballast.connect()).send(GET)
            wait_for(lambda: descriptors.full_pipes() == most, what="bodies to have all pipes")
    wait_for(lambda: descriptors.others() == others, what="connections to be closed")
    assert descriptors.pipes() <= pipes + most
    ballast.wait_metric("ballast_tunnels", 0)


def test_a_reset_in_the_middle(balance, scripted, blocks):
    ballast = balance(bulk_worker(scripted, run(lambda sock: pour(sock, blocks))), threads=1)
    descriptors = Descriptors(ballast)
    others = descriptors.others()
    for _ in range(10):
        with upgraded(ballast) as client:
            take_first(client, 4)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: descriptors.others() == others, what="connections to be closed")
    assert descriptors.full_pipes() == 0
    ballast.wait_metric("requests_active", 0)
    assert ballast.metrics()["requests_aborted"] == 10


def test_a_client_that_stops_reading(balance, scripted, blocks):
    """Its pipe is taken away with what it held; nothing is missing when it reads on."""
    go = threading.Event()
    worker = bulk_worker(scripted, run(lambda sock: pour(sock, blocks)), wait(go))
    ballast = balance(worker, threads=1)
    descriptors = Descriptors(ballast)
    others = descriptors.others()
    with contextlib.ExitStack() as clients:
        opened = [clients.enter_context(upgraded(ballast)) for _ in range(10)]
        for client in opened:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        for client in opened:
            take_first(client, 4)
        wait_for(lambda: descriptors.full_pipes() == 0, what="pipes to be given back")
        assert ballast.metrics()["ballast_tunnels"] == 10
        for client in opened[:2]:
            take(client.sock, blocks - 4)
            assert at_end(client.sock)
        go.set()
    wait_for(lambda: descriptors.others() == others, what="connections to be closed")
    assert descriptors.full_pipes() == 0
