"""The administration API's listener: who may ask, how it is spoken to, and what it does when things end."""

import gzip
import json
import os
import signal
import socket
import stat

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.programs import children
from harness.waiting import free_port, wait_for

TOKEN = "a-token-of-the-test-1234"


@pytest.fixture
def over_tcp(balance, scripted):
    address = ("127.0.0.1", free_port())
    balancer = balance(scripted(), admin={"address": "%s:%d" % address, "token": TOKEN})
    return balancer, address


@pytest.fixture
def over_unix(balance, scripted, tmp_path):
    path = tmp_path / "made" / "admin.sock"
    return balance(scripted(), admin=f"unix:{path}"), path


def test_a_unix_socket_is_its_owners_alone(over_unix):
    balancer, path = over_unix
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Admin(path).get("/v1/version")["threads"] >= 1


def test_tcp_asks_for_the_token(over_tcp):
    balancer, address = over_tcp
    assert Admin(address, TOKEN).get("/v1/status")["health"] == "ok"
    assert Admin(address, TOKEN).ask("GET", "/v1/status", Authorization=f"bearer   {TOKEN}").status == 200
    for token in (None, TOKEN[:-1], TOKEN + "x", TOKEN.upper(), " "):
        for path in ("/v1/status", "/v1/none", "/v1/stream"):
            answer = Admin(address, token).ask("GET", path)
            assert answer.status == 401, (token, path)
            assert answer.fields["WWW-Authenticate"] == "Bearer" and answer.json["reason"] == "no_token"
    assert Admin(address, TOKEN).ask("GET", "/v1/status", Authorization="Basic " + TOKEN).status == 401
    assert Admin(address).ask("GET", "/openapi.json").status == 200  # nothing secret in it


def test_without_a_token_there_is_no_tcp(ballast_path, tmp_path):
    with pytest.raises(AssertionError, match="anybody who reaches .* could ask; set a token"):
        Ballast(ballast_path, settings(["127.0.0.1:1"], admin=f"127.0.0.1:{free_port()}")).start()


@pytest.mark.parametrize("admin", [{}, {"admin": "unix:/nowhere/admin.sock"}])
def test_no_reload_takes_the_token_from_tcp(over_tcp, admin):
    """Its address counts from the next start on, and till then nobody may ask there without one."""
    balancer, address = over_tcp
    config = {name: value for name, value in balancer.config.items() if name != "admin"}
    balancer.write_config({**config, **admin})
    balancer.send_signal(signal.SIGHUP)
    entry = wait_for(lambda: Admin(address, TOKEN).get("/v1/reloads")["reloads"], what="the reload to be over")[0]
    assert entry["state"] == "failed" and entry["sentence"] == (
        "the administration API is at %s:%d until the next start or upgrade, and there it needs a token: leave "
        "admin.token in the file until then, or upgrade (ballast upgrade, USR2) instead of reloading" % address)
    assert Admin(address).ask("GET", "/v1/status").status == 401
    other = TOKEN[::-1]
    balancer.write_config({**config, "admin": {"address": "unix:/nowhere/admin.sock", "token": other}})
    balancer.send_signal(signal.SIGHUP)
    wait_for(lambda: Admin(address, other).ask("GET", "/v1/status").status == 200, what="the other token")
    assert Admin(address, TOKEN).ask("GET", "/v1/status").status == 401


def test_unknown_paths_and_methods(over_unix):
    admin = Admin(over_unix[1])
    assert admin.ask("GET", "/v2/status").json["reason"] == "no_such_path"
    for method, path, allowed in (("DELETE", "/v1/status", "GET, HEAD"), ("PUT", "/v1/log", "GET, HEAD, PATCH"),
                                  ("OPTIONS", "/v1/pools/a/workers/b", "GET, HEAD, PATCH, DELETE"),
                                  ("GET", "/v1/reload", "POST")):
        answer = admin.ask(method, path)
        assert (answer.status, answer.fields["Allow"], answer.json["reason"]) == (405, allowed, "wrong_method")
        assert answer.json["sentence"] == f"This path has no such method, but {allowed}; see /openapi.json."
    head = admin.ask("HEAD", "/v1/status")
    assert head.status == 200 and head.body == b"" and int(head.fields["Content-Length"]) > 100
    answer = admin.ask("PATCH", "/v1/log", b"x" * 100000)
    assert (answer.status, answer.json["reason"]) == (413, "body_too_large")


def test_the_page_is_served_once(over_tcp):
    """Without a token, gzipped, with a strict policy; and not again where the client has it."""
    admin = Admin(over_tcp[1])
    for path, kind in (("/", "text/html"), ("/app.js", "text/javascript"), ("/app.css", "text/css")):
        page = admin.ask("GET", path)
        assert page.status == 200 and page.fields["Content-Type"].startswith(kind)
        assert gzip.decompress(page.body)
        assert "default-src 'none'" in page.fields["Content-Security-Policy"]
        assert "unsafe" not in page.fields["Content-Security-Policy"]
        again = admin.ask("GET", path, If_None_Match=page.fields["ETag"])
        assert again.status == 304 and again.body == b"" and again.fields["ETag"] == page.fields["ETag"]
        assert admin.ask("GET", path, If_None_Match='"another"').status == 200


def test_several_requests_on_one_connection(over_unix):
    connection = Admin(over_unix[1]).connection()
    for path in ("/v1/version", "/v1/status", "/v1/exchanges"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
    connection.close()


def test_pipelined_requests_are_answered_in_order(over_unix):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(over_unix[1]))
        client.sendall(b"GET /v1/exchanges HTTP/1.1\r\nHost: b\r\n\r\n"
                       b"GET /v1/log HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    assert answers.index(b'"exchanges"') < answers.index(b'"level"')


def tell(path, *parts):
    """What comes back until the connection ends, or nothing more within the wait for each part's answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        for part in parts:
            client.sendall(part)
            yield client.recv(65536)


def test_malformed_requests_are_refused(over_unix):
    """In the API's own words, as every answer above 399."""
    for request, status, reason in (
            (b"GET / HTTP/1.1\r\n\r\n", b"400", "bad_host"), (b"GET /\n\n", b"400", "bare_line_feed"),
            (b"GET / HTTP/2.0\r\n\r\n", b"505", "bad_version"),
            (b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\nHost: b\r\n\r\n", b"414", "target_too_long")):
        answer, = tell(over_unix[1], request)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status) and b"Content-Type: application/json" in head, answer
        assert set(json.loads(body)) == {"reason", "sentence"} and json.loads(body)["reason"] == reason
    assert Admin(over_unix[1]).get("/v1/version")


def test_a_client_that_asks_first_may_send_its_body(over_unix):
    """RFC 9110 section 10.1.1: else it waits a second. With HTTP/1.0, or without a body, none is told so."""
    head = b"PATCH /v1/log HTTP/1.%d\r\nHost: b\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    first, last = tell(over_unix[1], head % 1, b"{}")
    assert first == b"HTTP/1.1 100 Continue\r\n\r\n" and last.startswith(b"HTTP/1.1 403 ")
    for request in (head % 0 + b"{}", b"GET /v1/version HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\n\r\n"):
        answer, = tell(over_unix[1], request)
        assert answer[:12] in (b"HTTP/1.1 403", b"HTTP/1.1 200")


def test_many_clients_wait_their_turn(over_unix):
    """More than it serves at once: the others wait in the system's queue, and none is lost."""
    open_ones = [Admin(over_unix[1]).connection() for _ in range(64)]
    for connection in open_ones:
        connection.request("GET", "/v1/version")
        connection.getresponse().read()
    late = Admin(over_unix[1]).connection()
    late.request("GET", "/v1/version")
    for connection in open_ones:
        connection.close()
    assert late.getresponse().status == 200
    late.close()


def test_it_outlives_the_server_process(over_unix):
    balancer, path = over_unix
    before = Admin(path).get("/v1/version")["pid"]
    assert before == children(balancer.pid)[0]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: children(balancer.pid) not in ([], [before]), what="another server")
    assert Admin(path).get("/v1/version")["pid"] != before


def test_it_tells_while_the_server_drains(balance, scripted, tmp_path):
    path = tmp_path / "admin.sock"
    worker = scripted()
    balancer = balance(worker, admin=f"unix:{path}", timeouts={"drain": "20s"})
    with balancer.connect() as client, Admin(path).stream() as stream:
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na")
        wait_for(lambda: Admin(path).get("/v1/exchanges")["total"] == 1, what="the exchange")
        balancer.send_signal(signal.SIGTERM)
        wait_for(lambda: Admin(path).get("/v1/status")["stopping"], what="stopping to be told")
        client.send(b"b")
        assert client.read_answer().status == 200
        assert all(kind in ("status", "event") for kind, _ in stream)  # then it ends
        assert balancer.process.wait(20) == 0
