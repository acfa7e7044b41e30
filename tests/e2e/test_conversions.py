"""Either version of HTTP on either side: the same results and the same accounts, whatever the bodies, the trailers and
the moment at which somebody leaves."""

import hashlib
import json
import pathlib
import random
import shutil
import socket
import struct
import subprocess

import pytest

from harness.client import Client
from harness.h2 import CANCEL, DataFrame, H2Client, RstStreamFrame, SettingsFrame, WindowUpdateFrame, head
from harness.programs import Server
from harness.waiting import free_port

WORKER = pathlib.Path(__file__).resolve().parent / "real" / "exchange_worker.js"
SIDES = [(client, worker) for client in ("h1", "h2") for worker in ("http1", "h2c")]
SIZES = [0, 1, 65536]
LARGE = 100 << 20


class H1:
    """An HTTP/1.1 client, one connection a request."""

    def __init__(self, address):
        self.client = Client(address, 60)

    def ask(self, method, path, body=None, trailers=None):
        lines = f"{method} {path} HTTP/1.1\r\nHost: test.example\r\nTE: trailers\r\nConnection: TE\r\n".encode()
        if trailers is not None:
            self.client.send(lines + b"Transfer-Encoding: chunked\r\n\r\n")
            if body:
                self.client.send(b"%x\r\n%s\r\n" % (len(body), body))
            self.client.send(b"0\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers) + b"\r\n")
        elif body is not None:
            self.client.send(lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        else:
            self.client.send(lines + b"\r\n")

    def begin_upload(self, path):
        self.client.send(f"POST {path} HTTP/1.1\r\nHost: test.example\r\nContent-Length: 9\r\n\r\nhalf".encode())

    def answer(self, method="GET"):
        answer = self.client.read_answer(method.encode())
        while answer.status < 200:
            answer = self.client.read_answer(method.encode())
        lines = [line.decode().split(": ", 1) for line in answer.trailers.split(b"\r\n") if line]
        return answer.status, answer.body, {name.lower(): value for name, value in lines}

    def is_cut(self):
        try:
            self.client.read_answer()
        except (AssertionError, ConnectionResetError):
            return True
        return False

    def wait_begun(self):
        self.client.read_head()

    def leave(self):
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()


class H2:
    """An HTTP/2 client, one stream."""

    def __init__(self, address):
        self.client = H2Client(address, timeout=60)
        self.client.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 20}),
                         WindowUpdateFrame(0, window_increment=1 << 30))
        self.client.until(lambda: self.client.settings)

    def ask(self, method, path, body=None, trailers=None):
        self.client.ask(1, head(method, path, extra=[("te", "trailers")]), body, trailers)

    def begin_upload(self, path):
        self.client.send(self.client.head_frame(1, head("POST", path, extra=[("content-length", "9")]), False),
                         DataFrame(1, b"half"))

    def answer(self, method="GET"):
        stream = self.client.answer(1)
        assert stream.ended and stream.reset in (None, 0)
        trailers = stream.heads[-1] if ":status" not in stream.heads[-1] else {}
        return stream.status, bytes(stream.body), trailers

    def is_cut(self):
        stream = self.client.answer(1)
        return stream.reset not in (None, 0) and not stream.ended

    def wait_begun(self):
        self.client.until(lambda: 1 in self.client.streams and self.client.streams[1].body)

    def leave(self):
        self.client.send(RstStreamFrame(1, CANCEL))


@pytest.fixture(params=SIDES, ids=[f"{client}-{worker}" for client, worker in SIDES])
def sides(request, stack, balance):
    """(a new client's maker, the balancer, the worker's version)"""
    client, worker = request.param
    port = free_port()
    stack.enter_context(Server(port, shutil.which("node"), WORKER, worker, port))
    ballast = balance(f"127.0.0.1:{port}", pools={"web": {"protocol": worker}})
    return (lambda: {"h1": H1, "h2": H2}[client](ballast.address)), ballast, worker


def ends(ballast):
    """What the accounts say, probes and scrapes apart."""
    metrics = ballast.settled_metrics()
    return [metrics[f"requests_{kind}"] for kind in ("ok", "failed", "aborted")]


def test_bodies_and_trailers(sides):
    make, ballast, _ = sides
    for number, size in enumerate(SIZES):
        for trailers in (None, [("x-sent", "yes")]):
            body = random.Random(size).randbytes(size)
            client = make()
            client.ask("POST", f"/echo?{number}", body, trailers)
            status, echoed, behind = client.answer("POST")
            assert status == 200 and hashlib.sha256(echoed).digest() == hashlib.sha256(body).digest()
            assert behind == {"x-count": str(size), "x-sent": "yes" if trailers else "none"}
            client.leave()
    lines = [line for line in ballast.wait_access(2 * len(SIZES)) if line["target"].startswith("/echo")]
    assert sorted((line["bytes_in"], line["bytes_out"]) for line in lines) == sorted((n, n) for n in SIZES * 2)
    assert {line["reason"] for line in lines} == {"ok"}
    assert ends(ballast) == [2 * len(SIZES), 0, 0]


def test_kinds_of_answers(sides):
    make, ballast, worker = sides
    client = make()
    client.ask("GET", "/headers")
    seen = json.loads(client.answer()[1])
    assert seen["version"] == {"http1": "1.1", "h2c": "2.0"}[worker]
    assert seen.get("te") == "trailers" and seen.get("host", seen.get(":authority")) == "test.example"
    client = make()
    client.ask("HEAD", "/headers")
    assert client.answer("HEAD")[:2] == (200, b"")
    client = make()
    client.ask("GET", "/hints")
    assert client.answer()[:2] == (200, b"late")
    client = make()
    client.begin_upload("/early")
    assert client.answer("POST")[:2] == (403, b"no")
    assert ends(ballast) == [4, 0, 0]


def test_worker_aborts(sides):
    """Before its answer: 502. Inside: never a clean end."""
    make, ballast, _ = sides
    client = make()
    client.ask("POST", "/cut-head", b"x")
    assert client.answer("POST")[0] == 502
    client = make()
    client.ask("GET", "/cut-body")
    assert client.is_cut()
    assert ends(ballast) == [0, 2, 0]


def test_client_aborts(sides):
    """While it sends, while it waits, while it reads: the worker is told, and it counts as aborted."""
    make, ballast, _ = sides
    client = make()
    client.begin_upload("/hang")
    ballast.wait_metric("requests_active", 1)
    client.leave()
    ballast.wait_metric("requests_aborted", 1)
    client = make()
    client.ask("GET", "/hang")
    ballast.wait_metric("requests_active", 1)
    client.leave()
    ballast.wait_metric("requests_aborted", 2)
    client = make()
    client.ask("GET", "/hang-body")
    client.wait_begun()
    client.leave()
    ballast.wait_metric("requests_aborted", 3)
    assert ends(ballast) == [0, 0, 3]
    client = make()
    client.ask("GET", "/")
    assert client.answer()[0] == 200


def curl_large(ballast, tmp_path, upload, h2):
    command = ["curl", "-sS", "--max-time", "60", *(["--http2-prior-knowledge"] if h2 else ["--http1.1"])]
    if upload:
        command += ["-T", str(tmp_path / "sparse"), "-X", "POST"]
    else:
        command += ["-o", "/dev/null", "-w", "%{size_download}"]
    path = "/sink" if upload else f"/big/{LARGE}"
    command += [f"http://{ballast.address[0]}:{ballast.address[1]}{path}"]
    return subprocess.run(command, capture_output=True, check=True, timeout=90).stdout


def test_large_bodies(sides, tmp_path, request):
    """100 MiB each way, from a file without blocks."""
    _, ballast, _ = sides
    with open(tmp_path / "sparse", "wb") as sparse:
        sparse.truncate(LARGE)
    h2 = request.node.callspec.params["sides"][0] == "h2"
    assert curl_large(ballast, tmp_path, True, h2) == b"%d" % LARGE
    assert curl_large(ballast, tmp_path, False, h2) == b"%d" % LARGE
    assert ends(ballast) == [2, 0, 0]
    assert {(line["bytes_in"], line["bytes_out"]) for line in ballast.wait_access(2)} == {(LARGE, 9), (0, LARGE)}
