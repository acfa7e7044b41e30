"""`ballast why` for every reason of err.def that a request over HTTP/1 can end with: it tells what the test caused."""

import pathlib
import re
import socket
import ssl
import threading

import pytest

from harness.admin import Admin
from harness.certificates import Authority
from harness.client import WasReset
from harness.h2 import INTERNAL_ERROR, REFUSED_STREAM, H2Worker, RstStreamFrame
from harness.waiting import wait_for
from harness.worker import CLOSE, Script, wait

ROOT = pathlib.Path(__file__).resolve().parents[2]
REASONS = re.findall(r'^ERR\(\w+,\s+"(\w+)"', (ROOT / "src/base/err.def").read_text(), re.MULTILINE)

# What a client does wrong: (reason, status, request). Refused before a worker is asked.
HOST = b"Host: h\r\n"
REFUSED = [
    ("bad_request_line", 400, b"GET /\r\n\r\n"),
    ("bad_method", 400, b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("bad_target", 400, b"GET a HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("bad_version", 505, b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"),
    ("bad_field", 400, b"GET / HTTP/1.1\r\n" + HOST + b"A b: c\r\n\r\n"),
    ("folded_field", 400, b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n"),
    ("bare_line_feed", 400, b"GET / HTTP/1.1\n" + HOST + b"\r\n"),
    ("bad_content_length", 400, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n"),
    ("length_and_coding", 400,
     b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("bad_transfer_coding", 400, b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n"),
    ("unknown_transfer_coding", 501, b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: odd, chunked\r\n\r\n"),
    ("bad_host", 400, b"GET / HTTP/1.1\r\n\r\n"),
    ("unknown_expectation", 417, b"GET / HTTP/1.1\r\n" + HOST + b"Expect: more\r\n\r\n"),
    ("connect_method", 501, b"CONNECT h:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("head_too_large", 431, b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 5000 + b"\r\n\r\n"),
    ("too_many_fields", 431, b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 30 + b"\r\n"),
    ("target_too_long", 414, b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    ("body_too_large", 413, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n"),
    ("no_route", 404, b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n"),
]
LIMITS = {"connections": 100, "header_bytes": "4KiB", "headers": 20, "target_bytes": "1KiB", "body_bytes": "64KiB"}
# What a client does wrong behind its head.
BODIES = [("bad_chunk", b"zz\r\n"), ("bad_trailer", b"1\r\na\r\n0\r\nno colon\r\n\r\n")]
# What a worker answers: (reason, status, the script).
STOP = object()
ANSWERS = [
    ("answer_malformed", 502, (b"HTTP/1.1 2000 Odd\r\n\r\n",)),
    ("answer_framing", 502, (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",)),
    ("answer_coding", 502, (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\n",)),
    ("answer_head_too_large", 502, (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",)),
    ("answer_switched", 502, (b"HTTP/1.1 101 Odd\r\nConnection: upgrade\r\nUpgrade: odd\r\n\r\n",)),
    ("answer_cut", 200, (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", CLOSE)),
    ("answer_stalled", 200, (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", STOP)),
    ("answer_timeout", 504, (STOP,)),
]
ELSEWHERE = {
    # Of a connection, not of a request: nothing with an id is there yet.
    "proxy_untrusted", "proxy_header_missing", "bad_proxy_header", "proxy_header_too_large", "proxy_header_timeout",
    "tls_plain",
    # Of a connection's end or of a tunnel's, whose request went well.
    "tls_truncated", "tls_record", "tunnel_idle", "tunnel_drained",
    # Of the start, and of probes.
    "address_in_use", "no_permission", "bad_address", "name_not_found", "configuration", "not_serving",
    # Of the machine: the unit tests and the simulation make it run out, a real one is not made to here.
    "no_memory", "no_descriptors", "full", "internal", "system", "cancelled", "draining",
    # Of HTTP/2 at the door, tested where its clients are: test_http2_hostile.py, test_grpc.py, test_tunnel_h2*.py.
    "protocol_error", "deadline", "deadline_over", "answer_not_switched",
    # Needs a Unix socket that may not be opened: test_hostile.py.
    "connect_unreachable",
}


@pytest.fixture
def operate(balance, tmp_path):
    def start(*workers, **extra):
        path = tmp_path / "admin.sock"
        return balance(*workers, admin={"address": f"unix:{path}"}, **extra), Admin(path)
    return start


def ask(ballast, data):
    """Sends it and reads what comes; the id of the request, as its answer says."""
    with ballast.connect() as client:
        client.send(data)
        answer = client.read_answer()
        return answer.status, answer.fields.one(b"X-Request-ID").decode()


def story(admin, number):
    return wait_for(lambda: (told := admin.ask("GET", f"/v1/requests/{number}")).status == 200 and told.json, 10,
                    "the request is remembered")


def expect(told, reason, status, by, attempts):
    """Its end, the reason of each try, and both in words."""
    assert (told["reason"], told["status"], told["by"], told["tries"]) == (reason, status, by, len(attempts)), told
    assert [attempt["reason"] for attempt in told["attempts"]] == attempts
    assert any(reason in line["text"] for line in told["lines"]), told["lines"]


def test_of_requests_that_are_refused(operate, scripted):
    """Before a worker is asked: told without a try."""
    worker = scripted()
    ballast, admin = operate(worker, limits=LIMITS, routes=[{"path": "/a", "pool": "web"}])
    for reason, status, data in REFUSED:
        answered, number = ask(ballast, data)
        assert answered == status, reason
        expect(story(admin, number), reason, status, "ballast", [])
    assert worker.requests == []


def test_of_bodies_that_are_malformed(operate, scripted):
    """A worker has been asked by then."""
    ballast, admin = operate(scripted())
    for reason, body in BODIES:
        answered, number = ask(ballast, b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + body)
        assert answered == 400
        told = story(admin, number)
        assert (told["reason"], told["status"], told["by"]) == (reason, 400, "ballast")


@pytest.mark.parametrize("reason, status, steps", ANSWERS, ids=[row[0] for row in ANSWERS])
def test_of_answers_that_are_wrong(operate, scripted, stack, reason, status, steps):
    worker, never = scripted(), threading.Event()
    stack.callback(never.set)
    worker.play_at(b"/a", Script(tuple(wait(never) if step is STOP else step for step in steps)))
    ballast, admin = operate(worker, limits=LIMITS, timeouts={"response_head": "300ms", "response_idle": "300ms"})
    with ballast.connect() as client:
        client.send(b"GET /a HTTP/1.1\r\n" + HOST + b"X-Request-ID: mine\r\n\r\n")
        try:
            assert client.read_answer().status == status
        except WasReset:
            assert status == 200  # the head had gone
    expect(story(admin, "mine"), reason, status, "worker" if status == 200 else "ballast", [reason])


def test_of_a_worker_that_does_not_read(operate, scripted, stack):
    worker, never = scripted(), threading.Event()
    stack.callback(never.set)
    worker.play(Script((wait(never),), early=True))
    ballast, admin = operate(worker, timeouts={"response_idle": "300ms"})
    with ballast.connect() as client:
        client.send(b"PUT /a HTTP/1.1\r\n" + HOST + b"X-Request-ID: mine\r\nContent-Length: 100000000\r\n\r\n")
        client.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.sock.sendall(b"x" * 100_000_000)
        client.sock.settimeout(10)
        assert client.read_answer().status == 504
    expect(story(admin, "mine"), "send_timeout", 504, "ballast", ["send_timeout"])


def test_of_clients_that_do_not_go_on(operate, demo):
    ballast, admin = operate(demo("--body-bytes=100000000"), timeouts={
        "request_head": "300ms", "request_body": "300ms", "client_stall": "300ms"})
    answered, number = ask(ballast, b"GET /a HTTP/1.1\r\n" + HOST)
    assert answered == 408
    expect(story(admin, number), "request_head_timeout", 408, "ballast", [])
    answered, number = ask(ballast, b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhell")
    assert answered == 408 and story(admin, number)["reason"] == "request_body_timeout"
    with ballast.connect() as client:
        client.send(b"GET /a HTTP/1.1\r\n" + HOST + b"X-Request-ID: mine\r\n\r\n")
        client.read_head()
        told = story(admin, "mine")
    assert (told["reason"], told["status"], told["by"], told["tries"]) == ("client_stalled", 200, "worker", 1)


class SecureWorker:
    """Answers its probe over TLS, and every later connection by the behaviour that the test sets."""

    def __init__(self, chain, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain, key)
        self.later = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.kept = []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in [self.listener, *self.kept]:
            sock.close()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
                self.kept.append(plain)
                if self.later:
                    self.later(plain)
                    continue
                secured = self.context.wrap_socket(plain, server_side=True)
                self.kept.append(secured)
                secured.recv(4096)
                secured.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                secured.close()
            except OSError:
                if self.listener.fileno() < 0:
                    return


@pytest.mark.parametrize("reason, status", [("tls_handshake", 502), ("tls_certificate", 502), ("tls_timeout", 504)])
def test_of_tls_with_workers(operate, stack, tmp_path, reason, status):
    authority = Authority(tmp_path)
    worker = stack.enter_context(SecureWorker(*authority.sign("test.example")))
    ballast, admin = operate(worker, timeouts={"tls_handshake": "300ms"}, pools={"web": {
        "worker_tls": {"enabled": True, "ca": str(authority.path), "name": "test.example"},
        "health": {"interval": "1h", "interval_doubt": "1h"}}})
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.load_cert_chain(*authority.sign("other.example"))
    worker.later = {
        "tls_handshake": lambda plain: plain.recv(1) and plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "tls_certificate": lambda plain: other.wrap_socket(plain, server_side=True),
        "tls_timeout": lambda plain: None,
    }[reason]
    answered, number = ask(ballast, b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answered == status
    told = story(admin, number)
    expect(told, reason, status, "ballast", [reason])
    more = "it is for other.example, not for test.example" if reason == "tls_certificate" else ""
    assert told["detail"] == more
    assert [line["text"].strip() for line in told["lines"]].count(more) == (1 if more else 0)


def test_of_a_worker_that_speaks_something_else(operate, stack):
    """HTTP/2 at its probe, HTTP/1 later."""
    worker = stack.enter_context(H2Worker())
    ballast, admin = operate(worker, pools={"web": {
        "protocol": "h2c", "health": {"interval": "1h", "interval_doubt": "1h"}}})
    port = int(worker.address.partition(":")[2])
    worker.listener.shutdown(socket.SHUT_RDWR)
    worker.listener.close()
    for connection in worker.connections:
        connection.socket.shutdown(socket.SHUT_RDWR)
    listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))

    def answer():
        accepted = stack.enter_context(listener.accept()[0])
        accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    threading.Thread(target=answer, daemon=True).start()
    answered, number = ask(ballast, b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answered == 502
    told = story(admin, number)
    assert told["reason"] == "other_protocol" and told["attempts"][-1]["reason"] == "other_protocol", told


def of_http2(path, play, reason, tries, request=b""):
    return pytest.param(path, play, reason, tries, request, id=reason)


@pytest.mark.parametrize("path, play, reason, tries, fields", [
    of_http2("/a", lambda c, s: c.send(RstStreamFrame(s, REFUSED_STREAM)), "stream_refused", 2),
    of_http2("/a", lambda c, s: c.send(RstStreamFrame(s, INTERNAL_ERROR)), "stream_reset", 2),
    of_http2("/chat", None, "no_websocket", 1, b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
])
def test_of_workers_of_http2(operate, stack, path, play, reason, tries, fields):
    workers = [stack.enter_context(H2Worker({path: play} if play else None)) for _ in range(tries)]
    ballast, admin = operate(*workers, pools={"web": {"protocol": "h2c"}}, limits={"tries": tries, "connections": 100})
    answered, number = ask(ballast, b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n")
    assert answered == 502
    expect(story(admin, number), reason, 502, "ballast", [reason] * tries)


def test_every_reason_is_told_of():
    """What is in err.def and caused by no test of `why` has its excuse here."""
    told = {row[0] for row in REFUSED + ANSWERS + BODIES} | {"stream_refused", "stream_reset", "no_websocket"}
    told |= {"send_timeout", "request_head_timeout", "request_body_timeout", "client_stalled"}
    told |= {"tls_handshake", "tls_certificate", "tls_timeout", "other_protocol"}
    told |= set(re.findall(r'"([a-z_]+)"', (ROOT / "tests/e2e/test_why.py").read_text()))
    assert sorted(set(REASONS) - told) == sorted(ELSEWHERE)
