"""Either version of HTTP on either side: the same results and the same accounts, whatever the bodies, the trailers and
the moment at which somebody leaves."""

import dataclasses
import hashlib
import json
import pathlib
import random
import shutil
import ssl
import subprocess

import pytest

from harness.ballast import Ballast, settings
from harness.certificates import Authority
from harness.either import H1, H2
from harness.programs import Server
from harness.waiting import free_port, wait_for

WORKER = pathlib.Path(__file__).resolve().parent / "real" / "exchange_worker.js"
SIDES = [(client, worker) for client in ("h1", "h2") for worker in ("http1", "h2c")]
SIDES += [(client, worker) for client in ("h1 over TLS", "h2 over TLS") for worker in ("https", "h2")]
SPOKEN = {"http1": "http1", "https": "http1", "h2c": "h2c", "h2": "h2"}
SIZES = [0, 1, 65536]
LARGE = 100 << 20


@dataclasses.dataclass
class Sides:
    """One of the client's and one of the worker's, with the balancer between them."""
    kind: type  # H1 or H2
    worker: str
    ballast: object
    address: tuple  # where clients of this kind connect
    tls: object  # their context, or None
    authority: object = None
    before: dict = None  # the numbers as a test began

    def __call__(self):
        """A new client."""
        return self.kind(self.address, self.tls)

    def begin(self):
        self.before = self.ballast.settled_metrics()

    def ends(self):
        """What the accounts say of the test's requests, probes and scrapes apart."""
        now = self.ballast.settled_metrics()
        return [now[name] - self.before[name] for name in ("requests_ok", "requests_failed", "requests_aborted")]

    def wait_aborted(self, count):
        self.ballast.wait_metric("requests_aborted", self.before["requests_aborted"] + count)

    def lines_of(self, path, count):
        """The access lines of so many requests whose target begins so."""
        def found():
            return [line for line in self.ballast.access_lines() if line["target"].startswith(path)]
        wait_for(lambda: len(found()) >= count, what=f"{count} access lines of {path}")
        return found()

    def curl(self, path, *arguments):
        """What it prints, by this version of HTTP."""
        h2, (host, port) = self.kind is H2, self.address
        version = "--http1.1" if not h2 else "--http2" if self.tls else "--http2-prior-knowledge"
        where = ["--cacert", self.authority.path, "--resolve", f"test.example:{port}:{host}",
                 f"https://test.example:{port}{path}"] if self.tls else [f"http://{host}:{port}{path}"]
        return subprocess.run(["curl", "-sS", "--max-time", "60", version, *arguments, *where], capture_output=True,
                              check=True, timeout=90).stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("site"))
    return authority, [str(path) for path in authority.sign("test.example")]


@pytest.fixture(scope="module", params=SIDES, ids=[f"{client}-{worker}" for client, worker in SIDES])
def running(request, ballast_path, site):
    client, worker = request.param
    kind, secure = {"h1": H1, "h2": H2}[client[:2]], client.endswith("TLS")
    authority, (chain, key) = site
    port, front = free_port(), free_port()
    pool, tls, address = {"protocol": SPOKEN[worker]}, None, None
    listeners = [{"address": f"127.0.0.1:{free_port()}"}]
    if secure:
        tls = ssl.create_default_context(cafile=authority.path)
        tls.set_alpn_protocols(["h2" if kind is H2 else "http/1.1"])
        address = ("127.0.0.1", front)
        listeners.append({"address": f"127.0.0.1:{front}", "tls": {"certificates": [{"chain": chain, "key": key}]}})
        pool["worker_tls"] = {"enabled": True, "ca": str(authority.path), "name": "test.example"}
    config = settings([f"127.0.0.1:{port}"], pools={"web": pool}, listeners=listeners)
    with (Server(port, shutil.which("node"), WORKER, worker, port, *([chain, key] if secure else [])),
          Ballast(ballast_path, config) as ballast):
        yield Sides(kind, worker, ballast.wait_alive(1), address or ballast.address, tls, authority)
        ballast.assert_accounts()


@pytest.fixture
def sides(running):
    running.begin()
    return running


def test_bodies_and_trailers(sides):
    make = sides
    for number, size in enumerate(SIZES):
        for trailers in (None, [("x-sent", "yes")]):
            body = random.Random(size).randbytes(size)
            client = make()
            client.ask("POST", f"/echo?{number}", body, trailers)
            status, echoed, behind = client.answer("POST")
            assert status == 200 and hashlib.sha256(echoed).digest() == hashlib.sha256(body).digest()
            assert behind == {"x-count": str(size), "x-sent": "yes" if trailers else "none"}
            client.leave()
    lines = sides.lines_of("/echo", 2 * len(SIZES))
    assert sorted((line["bytes_in"], line["bytes_out"]) for line in lines) == sorted((n, n) for n in SIZES * 2)
    assert {line["reason"] for line in lines} == {"ok"}
    assert sides.ends() == [2 * len(SIZES), 0, 0]


def test_kinds_of_answers(sides):
    make, worker = sides, sides.worker
    client = make()
    client.ask("GET", "/headers")
    seen = json.loads(client.answer()[1])
    assert seen["version"] == {"http1": "1.1", "https": "1.1", "h2c": "2.0", "h2": "2.0"}[worker]
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
    assert sides.ends() == [4, 0, 0]


def test_worker_aborts(sides):
    """Before its answer, the request whole or not: 502. Inside: never a clean end."""
    make = sides
    client = make()
    client.ask("POST", "/cut-head", b"x")
    assert client.answer("POST")[0] == 502
    client = make()
    client.begin_upload("/cut-head")
    assert client.answer("POST")[0] == 502
    client = make()
    client.ask("GET", "/cut-body")
    assert client.is_cut()
    assert sides.ends() == [0, 3, 0]


def test_client_aborts(sides):
    """While it sends, while it waits, while it reads: the worker is told, and it counts as aborted."""
    make, ballast = sides, sides.ballast
    client = make()
    client.begin_upload("/hang")
    ballast.wait_metric("requests_active", 1)
    client.leave()
    sides.wait_aborted(1)
    client = make()
    client.ask("GET", "/hang")
    ballast.wait_metric("requests_active", 1)
    client.leave()
    sides.wait_aborted(2)
    client = make()
    client.ask("GET", "/hang-body")
    client.wait_begun()
    client.leave()
    sides.wait_aborted(3)
    assert sides.ends() == [0, 0, 3]
    client = make()
    client.ask("GET", "/")
    assert client.answer()[0] == 200


def test_large_bodies(sides, tmp_path):
    """Each way, from a file without blocks."""
    with open(tmp_path / "sparse", "wb") as sparse:
        sparse.truncate(LARGE)
    assert sides.curl("/sink", "-T", tmp_path / "sparse", "-X", "POST") == b"%d" % LARGE
    assert sides.curl(f"/big/{LARGE}", "-o", "/dev/null", "-w", "%{size_download}") == b"%d" % LARGE
    assert sides.ends() == [2, 0, 0]
    lines = sides.lines_of("/sink", 1) + sides.lines_of("/big", 1)
    assert [(line["bytes_in"], line["bytes_out"]) for line in lines] == [(LARGE, len(str(LARGE))), (0, LARGE)]
