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

from harness.certificates import Authority
from harness.either import H1, H2
from harness.programs import Server
from harness.waiting import free_port

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

    def __call__(self):
        """A new client."""
        return self.kind(self.address, self.tls)

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


@pytest.fixture(params=SIDES, ids=[f"{client}-{worker}" for client, worker in SIDES])
def sides(request, stack, balance, site):
    client, worker = request.param
    kind, secure = {"h1": H1, "h2": H2}[client[:2]], client.endswith("TLS")
    authority, (chain, key) = site
    port, front = free_port(), free_port()
    stack.enter_context(Server(port, shutil.which("node"), WORKER, worker, port, *([chain, key] if secure else [])))
    pool, tls, address = {"protocol": SPOKEN[worker]}, None, None
    listeners = [{"address": f"127.0.0.1:{free_port()}"}]
    if secure:
        tls = ssl.create_default_context(cafile=authority.path)
        tls.set_alpn_protocols(["h2" if kind is H2 else "http/1.1"])
        address = ("127.0.0.1", front)
        listeners.append({"address": f"127.0.0.1:{front}", "tls": {"certificates": [{"chain": chain, "key": key}]}})
        pool["worker_tls"] = {"enabled": True, "ca": str(authority.path), "name": "test.example"}
    ballast = balance(f"127.0.0.1:{port}", pools={"web": pool}, listeners=listeners)
    return Sides(kind, worker, ballast, address or ballast.address, tls, authority)


def ends(ballast):
    """What the accounts say, probes and scrapes apart."""
    metrics = ballast.settled_metrics()
    return [metrics[f"requests_{kind}"] for kind in ("ok", "failed", "aborted")]


def test_bodies_and_trailers(sides):
    make, ballast = sides, sides.ballast
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
    make, ballast, worker = sides, sides.ballast, sides.worker
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
    assert ends(ballast) == [4, 0, 0]


def test_worker_aborts(sides):
    """Before its answer, the request whole or not: 502. Inside: never a clean end."""
    make, ballast = sides, sides.ballast
    client = make()
    client.ask("POST", "/cut-head", b"x")
    assert client.answer("POST")[0] == 502
    client = make()
    client.begin_upload("/cut-head")
    assert client.answer("POST")[0] == 502
    client = make()
    client.ask("GET", "/cut-body")
    assert client.is_cut()
    assert ends(ballast) == [0, 3, 0]


def test_client_aborts(sides):
    """While it sends, while it waits, while it reads: the worker is told, and it counts as aborted."""
    make, ballast = sides, sides.ballast
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


def test_large_bodies(sides, tmp_path):
    """100 MiB each way, from a file without blocks."""
    with open(tmp_path / "sparse", "wb") as sparse:
        sparse.truncate(LARGE)
    assert sides.curl("/sink", "-T", tmp_path / "sparse", "-X", "POST") == b"%d" % LARGE
    assert sides.curl(f"/big/{LARGE}", "-o", "/dev/null", "-w", "%{size_download}") == b"%d" % LARGE
    assert ends(sides.ballast) == [2, 0, 0]
    assert {(line["bytes_in"], line["bytes_out"]) for line in sides.ballast.wait_access(2)} == {(LARGE, 9), (0, LARGE)}
