"""Real workers, not only ours: Node.js, Python's http.server and nginx answer through the balancer as directly."""

import json
import pathlib
import random
import shutil
import sys

import pytest

from harness.client import Client
from harness.programs import Server
from harness.waiting import free_port

REAL = pathlib.Path(__file__).resolve().parent / "real"
HOST = b"Host: app.example\r\n"
NGINX = """
worker_processes 1;
daemon off;
pid {path}/nginx.pid;
error_log {path}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi;
    uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;
    client_max_body_size 0;
    gzip on; gzip_proxied any; gzip_min_length 1; gzip_types text/plain;
    server {{
        listen 127.0.0.1:{port};
        root {path}/files;
        location = /health {{ return 200 "ok"; }}
        location = /moved {{ return 302 /; }}
        location = /empty {{ return 204; }}
    }}
}}
"""
# Of the moment or of the path, not of the application.
VARYING = {b"date", b"via", b"connection", b"keep-alive"}


def ask(address, request, method=b"GET", version=b"1.1"):
    with Client(address, 30) as client:
        client.send(request)
        return client.read_answer(method, version)


def fields_of(answer):
    return sorted((name.lower(), value) for name, value in answer.fields.lines if name.lower() not in VARYING)


@pytest.fixture
def node(stack):
    command = shutil.which("node")
    assert command, "Node.js is missing"
    port = free_port()
    return stack.enter_context(Server(port, command, REAL / "worker.js", port))


@pytest.fixture
def python(stack):
    port = free_port()
    return stack.enter_context(Server(port, sys.executable, REAL / "worker.py", port))


@pytest.fixture
def nginx(stack, public):
    command = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    assert command, "nginx is missing"
    files = public / "files"
    files.mkdir()
    (files / "index.html").write_text("<h1>nginx</h1>")
    (files / "text.txt").write_text("compress me " * 1000)
    (files / "big.bin").write_bytes(random.Random(2).randbytes(20 << 20))
    port = free_port()
    config = public / "nginx.conf"
    config.write_text(NGINX.format(path=public, port=port))
    return stack.enter_context(Server(port, command, "-c", config, "-e", public / "error.log"))


class Both:
    """The same question directly and through the balancer; the answers must be the same."""

    def __init__(self, worker, ballast):
        host, _, port = worker.address.rpartition(":")
        self.direct, self.through = (host, int(port)), ballast.address

    def ask(self, request, method=b"GET", version=b"1.1"):
        through = ask(self.through, request, method, version)
        try:
            direct = ask(self.direct, request, method, version)
        except AssertionError:
            assert version == b"1.0", "only an answer to HTTP/1.0 may be one that our strict reader refuses"
            return through
        assert (through.status, through.body) == (direct.status, direct.body)
        assert fields_of(through) == fields_of(direct)
        return through

    def get(self, target, *fields, method=b"GET"):
        lines = b"".join(field + b"\r\n" for field in fields)
        return self.ask(method + b" " + target + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n", method)


def post(target, body, chunked=False):
    head = b"POST " + target + b" HTTP/1.1\r\n" + HOST + b"Content-Type: text/plain\r\n"
    if not chunked:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    parts = [body[:len(body) // 3], body[len(body) // 3:]]
    pieces = b"".join(b"%x\r\n" % len(part) + part + b"\r\n" for part in parts if part)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"


def keep_alive(ballast, target, times):
    with ballast.connect(30) as client:
        for _ in range(times):
            client.send(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            assert client.read_answer().status == 200
    metrics = ballast.assert_accounts()
    assert metrics["requests_failed"] == 0
    reused = sum(line["reused"] for line in ballast.wait_access(metrics["requests_total"]))
    assert reused >= times - metrics['ballast_connections{side="worker",state="open"}'] - 2, "connections are kept"


def test_node(node, balance):
    ballast = balance(node, threads=1)
    both = Both(node, ballast)
    assert both.get(b"/").body == b"node: GET /"
    assert both.get(b"/", method=b"HEAD").framing == "none"
    assert both.get(b"/absent?x=%20").status == 404
    assert both.get(b"/empty").status == 204
    chunks = both.get(b"/chunks")
    assert (chunks.framing, chunks.body) == ("chunked", b"one,two,three")
    assert len(both.get(b"/big/20000000").body) == 20_000_000
    for body in (b"", b"x", b"y" * 3_000_000):
        assert both.ask(post(b"/count", body)).body == b"got %d bytes" % len(body)
        assert both.ask(post(b"/echo", body, chunked=True)).body == body
    keep_alive(ballast, b"/", 200)


def test_node_sees_the_forwarding_fields_and_its_own_fields_come_back(node, balance):
    ballast = balance(node)
    answer = ask(ballast.address, b"GET /headers HTTP/1.1\r\n" + HOST + b"Cookie: c=3\r\nConnection: X-Hop\r\n"
                 b"X-Hop: 1\r\n\r\n")
    assert answer.fields.all(b"set-cookie") == [b"a=1", b"b=2"]
    seen = json.loads(answer.body)
    assert (seen["host"], seen["cookie"], seen["x-forwarded-for"]) == ("app.example", "c=3", "127.0.0.1")
    assert "x-hop" not in seen and seen["via"] == "1.1 ballast"


def test_node_closes_idle_connections_and_nothing_fails(stack, balance):
    """Node.js keeps idle connections for 5 s; here for 1 ms, so that nearly each lease meets a closing one."""
    port = free_port()
    script = "require('http').createServer((q, r) => r.end('ok')).listen(%d, '127.0.0.1').keepAliveTimeout = 1" % port
    worker = stack.enter_context(Server(port, shutil.which("node"), "-e", script))
    ballast = balance(worker, threads=1)
    with ballast.connect(30) as client:
        for _ in range(300):
            client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert client.read_answer().status == 200
    assert ballast.assert_accounts()["requests_failed"] == 0


def test_python_http_server(python, balance):
    ballast = balance(python, threads=1)
    both = Both(python, ballast)
    assert both.get(b"/").body == b"python: GET /"
    assert both.get(b"/", method=b"HEAD").framing == "none"
    assert both.get(b"/absent").status == 404
    assert len(both.get(b"/big/16000000").body) == 16_000_000
    assert ask(ballast.address, b"GET /close HTTP/1.1\r\n" + HOST + b"\r\n").body == b"until the end"
    for body in (b"", b"x", b"y" * 3_000_000):
        assert both.ask(post(b"/", body)).body == body
    keep_alive(ballast, b"/", 20)  # each takes 40 ms: it sends head and body apart, and Nagle waits


def test_python_http_server_with_http_1_0(stack, balance):
    port = free_port()
    worker = stack.enter_context(Server(port, sys.executable, REAL / "worker.py", port, "HTTP/1.0"))
    ballast = balance(worker)
    for _ in range(10):
        assert ballast.get("/").body == b"python: GET /"
    assert ask(ballast.address, b"GET /close HTTP/1.1\r\n" + HOST + b"\r\n").body == b"until the end"
    assert ballast.assert_accounts()["requests_failed"] == 0


def test_nginx(nginx, balance):
    ballast = balance(nginx, threads=1)
    both = Both(nginx, ballast)
    assert both.get(b"/").body == b"<h1>nginx</h1>"
    tag = both.get(b"/", method=b"HEAD").fields.one(b"etag")
    assert both.get(b"/", b"If-None-Match: " + tag).status == 304
    assert both.get(b"/moved").fields.one(b"location").endswith(b"/")
    assert both.get(b"/empty").status == 204
    assert both.get(b"/absent").status == 404
    zipped = both.get(b"/text.txt", b"Accept-Encoding: gzip")
    assert (zipped.framing, zipped.fields.one(b"content-encoding")) == ("chunked", b"gzip")
    assert len(both.get(b"/big.bin").body) == 20 << 20
    part = both.get(b"/big.bin", b"Range: bytes=1000000-1999999")
    assert (part.status, len(part.body)) == (206, 1_000_000)
    assert both.get(b"/big.bin", b"Range: bytes=99999999-").status == 416
    assert both.ask(post(b"/", b"x" * 3_000_000)).status == 405
    keep_alive(ballast, b"/", 300)


def test_all_three_in_one_pool(node, python, nginx, balance):
    ballast = balance(node, python, nginx, threads=2)
    bodies = {ballast.get("/").body for _ in range(9)}
    assert bodies == {b"node: GET /", b"python: GET /", b"<h1>nginx</h1>"}
    counts = [ballast.metrics()[f"worker_{worker.address.rpartition(':')[2]}_requests"] for worker in
              (node, python, nginx)]
    assert counts == [3, 3, 3]
