"""WebSocket over HTTP/2 (RFC 8441) to workers that speak HTTP/1.1: extended CONNECT in front, Upgrade behind."""

import pathlib
import signal
import subprocess
import sys

import pytest

from harness.certificates import Authority
from harness.h2 import CANCEL, NO_ERROR, PROTOCOL_ERROR, DataFrame, RstStreamFrame, WindowUpdateFrame, head
from harness.programs import Program, Server
from harness.waiting import free_port, wait_for
from harness.websockets import connect_head, echo, establish, masked, opened, plain
from harness.worker import Script
from test_real_clients import tool

REAL = pathlib.Path(__file__).resolve().parent / "real"
CONNECT_PROTOCOL = 8
ANSWERED = b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nno"


@pytest.fixture
def websocket(stack):
    port = free_port()
    return stack.enter_context(Server(port, sys.executable, REAL / "websocket.py", port))


def test_echo_and_close(balance, websocket):
    ballast = balance(websocket)
    with opened(ballast) as client:
        assert client.settings[CONNECT_PROTOCOL] == 1
        establish(client, 1, extra=[("sec-websocket-key", "none of ours")])
        client.until(lambda: 1 in client.streams and client.streams[1].heads)
        fields = client.streams[1].heads[0]
        assert fields[":status"] == "200" and not client.streams[1].ended
        assert not {"sec-websocket-accept", "upgrade", "connection", "content-length"} & set(fields)
        for text in (b"hello", b"", b"x" * 10000):
            echo(client, 1, text)
        client.ask(3, head(path="/health"))  # beside it
        assert client.answer(3).status == 200
        ballast.wait_metric("ballast_tunnels", 1)
        client.send(DataFrame(1, masked((1000).to_bytes(2, "big"), 8)))
        client.until(lambda: client.streams[1].ended)
        assert bytes(client.streams[1].body).endswith(plain((1000).to_bytes(2, "big"), 8))
        client.send(DataFrame(1, b"", flags=["END_STREAM"]))
        line = ballast.wait_access_line(lambda line: line["target"] == "/chat")
    assert (line["status"], line["reason"]) == (101, "ok")
    ballast.wait_metric("ballast_tunnels", 0)


def test_thousand_echoing(balance, websocket):
    """On ten connections; each speaks twice, all open at the same time."""
    ballast = balance(websocket, limits={"connections": 1500}, timeouts={"response_head": "120s"})
    clients = [opened(ballast) for _ in range(10)]
    streams = range(1, 200, 2)
    try:
        for client in clients:
            client.send(WindowUpdateFrame(0, window_increment=1 << 20))
            for stream in streams:
                establish(client, stream)
        for client in clients:
            client.until(lambda: all(s in client.streams and client.streams[s].heads for s in streams))
            assert {client.streams[s].status for s in streams} == {200}
        ballast.wait_metric("ballast_tunnels", 1000)
        for turn in (b"one", b"two"):
            for number, client in enumerate(clients):
                client.send(*[DataFrame(s, masked(b"%s %d %d" % (turn, number, s))) for s in streams])
            for number, client in enumerate(clients):
                wanted = {s: plain(b"%s %d %d" % (turn, number, s)) for s in streams}
                client.until(lambda: all(client.streams[s].body.endswith(wanted[s]) for s in streams))
                assert all(client.streams[s].body.endswith(wanted[s]) for s in streams)
    finally:
        for client in clients:
            client.socket.close()
    ballast.wait_metric("ballast_tunnels", 0)
    assert ballast.settled_metrics()["requests_total"] == 1000


def test_chromium(stack, balance, websocket, tmp_path):
    """A browser takes the connection of its page for its WebSockets too: HTTP/2 over TLS, by ALPN."""
    chain, key = Authority(tmp_path).sign("test.example")
    port = free_port()
    ballast = balance(websocket, listeners=[
        {"address": f"127.0.0.1:{free_port()}"},
        {"address": f"127.0.0.1:{port}", "tls": {"certificates": [{"chain": str(chain), "key": str(key)}]}}])
    stack.enter_context(Program(
        tool("chromium-headless-shell", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--ignore-certificate-errors", "--remote-debugging-port=0", f"--user-data-dir={tmp_path / 'profile'}",
        f"https://127.0.0.1:{port}/page", stderr=subprocess.DEVNULL))
    said = ballast.wait_access_line(lambda line: line["path"] == "/said", timeout=40)
    assert said["target"] == "/said?echoed-50"
    wait_for(lambda: len(tunnels := [line for line in ballast.access_lines() if line["path"] == "/chat"]) == 50
             and {(line["protocol"], line["status"], line["reason"]) for line in tunnels} == {("HTTP/2", 101, "ok")},
             what="fifty tunnels over HTTP/2 to end in order")
    assert ballast.settled_metrics()["ballast_http2_connections_total"] == 1


@pytest.mark.parametrize("fields,reset", [
    (connect_head(protocol="other"), None),  # a protocol that nobody tunnels: 501
    (head("CONNECT"), PROTOCOL_ERROR),  # no pseudo-header field of either kind of CONNECT
])
def test_other_connects(balance, websocket, fields, reset):
    ballast = balance(websocket)
    with opened(ballast) as client:
        client.send(client.head_frame(1, fields, end_stream=False))
        stream = client.answer(1)
        assert stream.reset == reset or stream.status == 501


def test_without_upgrades_it_is_not_offered(balance, websocket):
    ballast = balance(websocket, forwarded={"upgrade": "off"})
    with opened(ballast) as client:
        assert CONNECT_PROTOCOL not in client.settings
        establish(client, 1)
        assert client.answer(1).reset == PROTOCOL_ERROR


@pytest.mark.parametrize("answer,status", [
    (ANSWERED % b"403 Forbidden", 403),  # the worker's word is passed on
    (ANSWERED % b"200 OK", 502),  # which would look like an open tunnel
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 502),  # to no key
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", 502),  # to another
])
def test_worker_does_not_switch(scripted, balance, answer, status):
    worker = scripted()
    worker.play_at(b"/chat", Script((answer,)))
    ballast = balance(worker)
    with opened(ballast) as client:
        establish(client, 1)
        stream = client.answer(1)
        assert stream.status == status and (stream.ended or stream.reset == NO_ERROR)
        client.ask(3)
        assert client.answer(3).status == 200
    request = worker.take()[0]
    lines = request.head.split(b"\r\n")
    assert lines[0] == b"GET /chat HTTP/1.1" and b"Upgrade: websocket" in lines and b"Connection: upgrade" in lines
    assert sum(line.lower().startswith(b"sec-websocket-key: ") for line in lines) == 1


def test_data_before_the_answer_is_refused(scripted, balance):
    worker = scripted()
    worker.play_at(b"/chat", Script((), early=True))
    ballast = balance(worker)
    with opened(ballast) as client:
        establish(client, 1)
        client.send(DataFrame(1, b"too early"))
        stream = client.answer(1)
        assert stream.reset is not None or stream.status == 400


def test_client_resets(balance, websocket):
    ballast = balance(websocket)
    with opened(ballast) as client:
        establish(client, 1)
        client.until(lambda: 1 in client.streams and client.streams[1].heads)
        ballast.wait_metric("ballast_tunnels", 1)
        client.send(RstStreamFrame(1, CANCEL))
        ballast.wait_metric("ballast_tunnels", 0)
        client.ask(3, head(path="/health"))
        assert client.answer(3).status == 200


def end_in_order(client, number):
    """Ballast says its end, then the client: nobody resets anything."""
    stream = client.streams[number]
    assert client.until(lambda: stream.ended or stream.reset is not None)
    assert stream.ended and stream.reset is None
    client.send(DataFrame(number, b"", flags=["END_STREAM"]))


def test_a_silent_tunnel_is_closed_in_order(balance, websocket):
    ballast = balance(websocket, timeouts={"tunnel_idle": "300ms"})
    with opened(ballast) as client:
        establish(client, 1)
        client.until(lambda: 1 in client.streams and client.streams[1].heads)
        end_in_order(client, 1)
        client.ask(3, head(path="/health"))  # the connection goes on
        assert client.answer(3).status == 200
        assert ballast.wait_access_line(lambda line: line["target"] == "/chat")["reason"] == "tunnel_idle"
        client.settle()
        assert client.count(RstStreamFrame) == 0
    assert ballast.settled_metrics()['ballast_tunnels_closed_total{reason="idle"}'] == 1


def test_drain_closes_tunnels_in_order(balance, websocket):
    ballast = balance(websocket, timeouts={"tunnel_drain": "300ms", "drain": "20s"})
    with opened(ballast) as client:
        establish(client, 1)
        client.until(lambda: 1 in client.streams and client.streams[1].heads)
        echo(client, 1, b"before")
        ballast.send_signal(signal.SIGTERM)
        end_in_order(client, 1)
        assert client.end() == NO_ERROR
        assert client.count(RstStreamFrame) == 0
    wait_for(lambda: ballast.process.poll() is not None, 20, "the balancer to end")


def test_a_client_that_does_not_end_is_not_waited_for(balance, websocket):
    ballast = balance(websocket, timeouts={"tunnel_idle": "300ms"})
    with opened(ballast) as client:
        establish(client, 1)
        client.until(lambda: 1 in client.streams and client.streams[1].reset is not None)
        assert client.streams[1].ended and client.streams[1].reset == NO_ERROR
        line = ballast.wait_access_line(lambda line: line["target"] == "/chat")
    assert line["reason"] == "tunnel_idle" and 1_500_000 < line["total_us"] < 10_000_000
