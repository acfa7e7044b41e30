"""Bodies: every byte of every size in both directions, and never held whole, whoever is slow."""

import hashlib
import itertools
import random
import select
import socket
import threading
import time

import pytest

from harness.client import Client
from harness.programs import children, memory_bytes
from harness.waiting import wait_for
from harness.worker import Script, wait

GIB = 1 << 30
MEMORY_MAX = 32 << 20
PIECE = bytes(random.Random(1).randbytes(1 << 20))
SIZES = [0, 1, 1000, 65535, 65536, 65537, 1 << 20, 100 << 20]
HOST = b"Host: test.example\r\n"


def pieces_of(size):
    """Blocks that add up to size, and do not repeat at powers of two."""
    for start in itertools.count(0, 7919):
        if size == 0:
            return
        block = PIECE[start % 4096:][:size]
        yield block
        size -= len(block)


def request(method, target, *fields):
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


class Reader:
    """Reads a body as it comes, in constant memory, and keeps its hash."""

    def __init__(self, client):
        self.client, self.hash, self.bytes = client, hashlib.sha256(), 0
        self.scratch = bytearray(1 << 18)

    def _take(self, size):
        stream = self.client.stream
        head = stream.take(min(size, len(stream.buffer)))
        self.hash.update(head)
        left = size - len(head)
        while left > 0:
            got = self.client.sock.recv_into(self.scratch, min(left, len(self.scratch)))
            assert got > 0, f"cut short, {left} bytes before the end"
            self.hash.update(memoryview(self.scratch)[:got])
            left -= got
        self.bytes += size

    def _take_rest(self):
        data = self.client.stream.buffer
        while data:
            self.hash.update(data)
            self.bytes += len(data)
            data = self.client.sock.recv(len(self.scratch))

    def read(self):
        """The head and the whole body of one answer; its status."""
        status, _, fields, _ = self.client.read_head()
        if fields.one(b"content-length") is not None:
            self._take(int(fields.one(b"content-length")))
            return status
        if fields.one(b"transfer-encoding") is None:
            self._take_rest()
            return status
        assert fields.one(b"transfer-encoding") == b"chunked"
        while (size := int(self.client.stream.take_until(b"\r\n")[:-2], 16)) > 0:
            self._take(size)
            assert self.client.stream.take(2) == b"\r\n"
        assert self.client.stream.take(2) == b"\r\n"
        return status


def send_body(client, size, chunked, sums):
    """Send the body of a request, in whatever chunks; in a thread, while the answer is read."""
    sizes = random.Random(size)
    for block in pieces_of(size):
        sums.update(block)
        while block and chunked:
            cut = sizes.choice([1, 13, 4095, 65536, len(block)])
            piece, block = block[:cut], block[cut:]
            client.sock.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
        if block:
            client.sock.sendall(block)
    if chunked:
        client.sock.sendall(b"0\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", SIZES)
def test_every_byte_arrives_up_and_down(demo, balance, size, chunked):
    """Up and down at the same time: the worker echoes the body in its framing."""
    ballast = balance(demo().address)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    with ballast.connect(timeout=60) as client:
        sums, reader = hashlib.sha256(), Reader(client)
        client.send(request(b"PUT", b"/echo", framing))
        sender = threading.Thread(target=send_body, args=(client, size, chunked, sums), daemon=True)
        sender.start()
        assert reader.read() == 200
        sender.join(20)
        assert (reader.bytes, reader.hash.digest()) == (size, sums.digest())
    line = ballast.wait_access(1)[0]
    assert (line["bytes_in"], line["bytes_out"], line["status"]) == (size, size, 200)


@pytest.mark.parametrize("options", [(), ("--chunked",), ("--close-delimited",)], ids=["length", "chunked", "close"])
@pytest.mark.parametrize("size", SIZES)
def test_every_byte_of_an_answer_arrives(demo, balance, size, options):
    """However the worker frames it: what the client gets is the same as directly from the worker."""
    worker = demo(*options)
    ballast = balance(worker.address)
    direct, through = Client(("127.0.0.1", worker.port), 60), ballast.connect(timeout=60)
    with direct, through:
        for client in (direct, through):
            client.send(request(b"GET", b"/bytes/%d" % size, b"Connection: close"))
        readers = [Reader(direct), Reader(through)]
        assert [reader.read() for reader in readers] == [200, 200]
        assert [reader.bytes for reader in readers] == [size, size]
        assert readers[0].hash.digest() == readers[1].hash.digest()


# Memory: keeper and server together, at their highest.

def peak(ballast):
    return sum(memory_bytes(pid) for pid in [ballast.pid, *children(ballast.pid)])


def present(ballast):
    return sum(memory_bytes(pid, "VmRSS") for pid in [ballast.pid, *children(ballast.pid)])


def test_a_5_gib_answer_in_32_mib(demo, balance, sanitized):
    ballast, size = balance(demo().address), (1 if sanitized else 5) * GIB
    with ballast.connect(timeout=60) as client:
        client.send(request(b"GET", b"/bytes/%d" % size))
        assert client.read_head()[2].one(b"content-length") == b"%d" % size
        left, scratch = size - len(client.stream.buffer), bytearray(1 << 20)
        while left > 0:
            got = client.sock.recv_into(scratch)
            assert got > 0, f"cut short, {left} bytes before the end"
            left -= got
        assert left == 0
    assert ballast.wait_access(1)[0]["bytes_out"] == size
    assert sanitized or peak(ballast) < MEMORY_MAX


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_5_gib_upload_in_32_mib(demo, balance, sanitized, chunked):
    ballast, size = balance(demo().address), (1 if sanitized else 5) * GIB
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    with ballast.connect(timeout=60) as client:
        client.send(request(b"POST", b"/upload", framing))
        piece = b"100000\r\n" + PIECE + b"\r\n" if chunked else PIECE
        for _ in range(size // len(PIECE)):
            client.sock.sendall(piece)
        client.sock.sendall(b"0\r\n\r\n" if chunked else b"")
        assert client.read_answer().body.endswith(b"got %d bytes\n" % size)
    assert ballast.wait_access(1)[0]["bytes_in"] == size
    assert sanitized or peak(ballast) < MEMORY_MAX


def read_slowly(clients, seconds, bytes_per_s=1024):
    """Each client reads at that speed, ten times a second; the bytes each got."""
    got = dict.fromkeys(clients, 0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for client in clients:
            got[client] += len(client.sock.recv(bytes_per_s // 10))
        select.select([], [], [], 0.1)
    return got


def test_clients_that_read_1_kib_a_second_do_not_make_it_grow(demo, balance, stack, sanitized):
    """What they do not read stays with the worker."""
    ballast = balance(demo().address)
    clients = [stack.enter_context(ballast.connect()) for _ in range(20)]
    for client in clients:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(request(b"GET", b"/bytes/%d" % GIB))
    read_slowly(clients, 1)
    before = present(ballast)
    got = read_slowly(clients, 3)
    assert min(got.values()) >= 1024, "they were served all the while"
    assert present(ballast) - before < 1 << 20
    assert sanitized or peak(ballast) < MEMORY_MAX
    with ballast.connect() as other:
        other.send(request(b"GET", b"/"))
        answer = other.read_answer()
        assert answer.status == 200, f"{answer.head} {ballast.stderr}"
    metrics = ballast.metrics()
    assert metrics["requests_active"] == len(clients)
    # 64 KiB of queue and what the sockets hold: far from the GiB that waits
    assert metrics['ballast_body_bytes_total{side="worker"}'] < len(clients) * (16 << 20)
    for client in clients:
        client.close()
    ballast.wait_metric("requests_aborted", len(clients))


def test_a_worker_that_does_not_read_stops_the_uploaders(scripted, balance, stack, sanitized):
    """What the worker does not read stays with the clients, and the memory where it is."""
    worker, go = scripted(), threading.Event()
    stack.callback(go.set)
    worker.default = Script((wait(go),), early=True)
    ballast = balance(worker)
    before = present(ballast)
    clients = [stack.enter_context(ballast.connect()) for _ in range(20)]
    for client in clients:
        client.send(request(b"POST", b"/", b"Content-Length: %d" % GIB))
        client.sock.setblocking(False)

    def stuck():
        """No client can send any more, for a whole second."""
        writable = select.select([], [client.sock for client in clients], [], 1)[1]
        for sock in writable:
            try:
                sock.send(PIECE)
            except BlockingIOError:
                pass
        return not writable
    wait_for(stuck, 30, "the uploads to come to a stop")
    assert sanitized or present(ballast) - before < len(clients) * (512 << 10)
    assert sanitized or peak(ballast) < MEMORY_MAX
    assert ballast.metrics()["requests_active"] == len(clients)
    worker.close()
    ballast.wait_metric("requests_active", 0)


def test_a_slow_uploader_is_passed_on_as_it_sends(demo, balance):
    """Each piece has been at the worker, and come back, before the client sends the next."""
    ballast = balance(demo().address)
    with ballast.connect() as client:
        client.send(request(b"POST", b"/echo", b"Content-Length: 50"))
        assert client.read_head()[0] == 200
        for _ in range(10):
            client.send(b"piece")
            assert client.stream.take(5) == b"piece"


def test_many_small_and_few_big_bodies_do_not_mix(demo, balance):
    """Eight clients at once, each with bodies of its own pattern: nobody gets a byte of another's."""
    ballast = balance(*demo(ports=(0, 0, 0)).addresses, threads=2)
    errors = []

    def talk(number):
        sizes, client = random.Random(number), None
        try:
            for _ in range(60):
                client = client or ballast.connect(timeout=30)
                body = bytes([number]) * sizes.choice([0, 1, 500, 70_000, 300_000])
                client.send(request(b"PUT", b"/echo", b"Content-Length: %d" % len(body)) + body)
                answer = client.read_answer()
                assert (answer.status, answer.body) == (200, body)
                if answer.fields.one(b"connection") == b"close":  # the echo began before the request had ended
                    client = client.close()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append((number, error))
    talkers = [threading.Thread(target=talk, args=(65 + number,), daemon=True) for number in range(8)]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join(60)
        assert not talker.is_alive()
    assert errors == []
    assert ballast.settled_accounts()["requests_ok"] == 8 * 60
