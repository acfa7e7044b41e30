"""What follows a worker's 101: bytes both ways until each side ends, whoever they are."""

import asyncio
import pathlib
import random
import signal
import socket
import struct
import sys
import threading
import time

import pytest

from harness.programs import Server, children, memory_bytes
from harness.waiting import free_port, pause, wait_for
from harness.worker import ECHO, HALF_CLOSE, READ_REST, READ_UNTIL_RESET, RESET, Script, wait
from harness.worker import signal as tell

websockets = pytest.importorskip("websockets", reason="python3-websockets is installed by ./dev test")

REAL = pathlib.Path(__file__).resolve().parent / "real"
HOST = b"Host: test.example\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def upgrade(protocol=b"websocket", method=b"GET", *fields):
    lines = b"".join(field + b"\r\n" for field in fields)
    return (method + b" /chat HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n" + lines
            + b"\r\n")


def tunnel(ballast, protocol=b"websocket"):
    client = ballast.connect(20)
    client.send(upgrade(protocol))
    answer = client.read_answer()
    assert answer.status == 101
    assert answer.fields.one(b"upgrade").lower() == protocol
    assert answer.fields.one(b"connection").lower() == b"upgrade"
    return client


@pytest.fixture
def websocket(stack):
    port = free_port()
    return stack.enter_context(Server(port, sys.executable, REAL / "websocket.py", port))


# WebSockets with real peers.

def test_websocket_echo(balance, websocket):
    ballast = balance(websocket)

    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{ballast.address[1]}/chat", max_size=None) as peer:
            big = random.Random(1).randbytes(3 << 20)
            for message in ("hello", "", "x" * 70000, big):
                await peer.send(message)
                assert await peer.recv() == message
            await peer.send("close me")
            assert await peer.recv() == "close me"
            await peer.wait_closed()
            assert (peer.close_code, peer.close_reason) == (4001, "as you wish")
    asyncio.run(talk())
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert (line["reason"], line["tries"]) == ("ok", 1)
    assert line["bytes_in"] > 3 << 20 and line["bytes_out"] > 3 << 20
    metrics = ballast.settled_metrics()
    assert (metrics["ballast_tunnels_total"], metrics["ballast_tunnels"], metrics["requests_failed"]) == (1, 0, 0)


def test_a_thousand_websockets(balance, websocket):
    ballast = balance(websocket, limits={"connections": 1500})

    async def one(number, all_open):
        async with websockets.connect(f"ws://127.0.0.1:{ballast.address[1]}/{number}", open_timeout=60) as peer:
            all_open.open += 1
            if all_open.open == 1000:
                all_open.set()
            await all_open.wait()
            for turn in range(3):
                await peer.send(f"{number}:{turn}")
                assert await peer.recv() == f"{number}:{turn}"

    async def talk():
        all_open = asyncio.Event()
        all_open.open = 0
        tasks = []
        for first in range(0, 1000, 50):  # as many at once as a backlog holds
            tasks += [asyncio.create_task(one(number, all_open)) for number in range(first, first + 50)]
            while all_open.open < first + 50:
                await asyncio.sleep(0.01)
        assert (await asyncio.to_thread(ballast.metrics))["ballast_tunnels"] == 1000
        await asyncio.gather(*tasks)
    asyncio.run(talk())
    ballast.wait_metric("ballast_tunnels", 0)
    metrics = ballast.assert_accounts()
    assert (metrics["ballast_tunnels_total"], metrics["requests_failed"], metrics["requests_aborted"]) == (1000, 0, 0)


def test_nothing_is_lost_of_a_long_stream(balance, scripted):
    worker = scripted()
    worker.play(Script((SWITCHED, ECHO)))
    ballast = balance(worker)
    sent = random.Random(2).randbytes(1 << 20) * 8
    with tunnel(ballast) as client:
        sender = threading.Thread(target=lambda: (client.send(sent), client.finish()))
        sender.start()
        got = client.ended()
        sender.join()
    assert got == sent
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert (line["bytes_in"], line["bytes_out"], line["reason"]) == (len(sent), len(sent), "ok")


def test_a_side_that_does_not_read_is_waited_for(balance, scripted, sanitized):
    worker, go, over = scripted(), threading.Event(), threading.Event()
    worker.play(Script((SWITCHED, wait(go), READ_REST, tell(over))))
    ballast = balance(worker)
    with tunnel(ballast) as client:
        client.sock.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += client.sock.send(b"x" * 65536)
        assert sanitized or memory_bytes(children(ballast.pid)[0]) < 32 << 20
        client.sock.settimeout(20)
        go.set()
        client.finish()
        assert over.wait(20)
    assert len(worker.take()[0].body) == sent


# Ends.

def test_each_side_ends_by_itself(balance, scripted):
    worker, go, over = scripted(), threading.Event(), threading.Event()
    worker.play(Script((SWITCHED, b"bye", HALF_CLOSE, READ_REST, tell(over))),
                Script((SWITCHED, READ_REST, b"late", wait(go))))
    ballast = balance(worker)
    with tunnel(ballast) as client:
        assert client.ended() == b"bye"
        client.send(b"still here")
        client.finish()
        assert over.wait(10) and worker.take()[0].body == b"still here"
    with tunnel(ballast) as client:
        client.send(b"that was all")
        client.finish()
        assert client.stream.take(4) == b"late"
        go.set()
    wait_for(lambda: len([line for line in ballast.access_lines() if line["status"] == 101]) == 2)
    assert {line["reason"] for line in ballast.access_lines()} == {"ok"}


def test_bytes_in_one_packet_with_the_switch(balance, scripted):
    worker = scripted()
    worker.play(Script((SWITCHED + b"welcome", ECHO)))
    ballast = balance(worker)
    with ballast.connect() as client:
        client.send(upgrade() + b"impatient")
        assert client.read_answer().status == 101
        assert client.stream.take(16) == b"welcomeimpatient"


def test_a_worker_that_resets(balance, scripted):
    worker, go = scripted(), threading.Event()
    worker.play(Script((SWITCHED, b"partial", wait(go), RESET)))
    ballast = balance(worker)
    with tunnel(ballast) as client:
        assert client.stream.take(7) == b"partial"
        go.set()
        assert client.ended_by_reset() == b""
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert line["reason"] == "answer_cut"


def test_a_client_that_resets(balance, scripted):
    worker, over = scripted(), threading.Event()
    worker.play(Script((SWITCHED, READ_UNTIL_RESET, tell(over))))
    ballast = balance(worker)
    with tunnel(ballast) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert over.wait(10)
    line = ballast.wait_access_line(lambda line: line["status"] == 499)
    assert line["reason"] == "client_gone"


def test_a_silent_tunnel_is_closed_in_order(balance, scripted):
    worker, over = scripted(), threading.Event()
    worker.play(Script((SWITCHED, ECHO, tell(over))))
    ballast = balance(worker, timeouts={"tunnel_idle": "700ms"})
    with tunnel(ballast) as client:
        for _ in range(8):  # not silent: over 700 ms in all
            client.send(b"tick")
            assert client.stream.take(4) == b"tick"
            pause(0.15)
        began = time.monotonic()
        assert client.ended() == b""
        assert 0.5 <= time.monotonic() - began < 10
    assert over.wait(10)
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert line["reason"] == "tunnel_idle"
    metrics = ballast.assert_accounts()
    assert metrics["requests_failed"] == 0
    assert metrics['ballast_tunnels_closed_total{reason="idle"}'] == 1
    assert metrics['ballast_tunnels_closed_total{reason="drained"}'] == 0


def test_told_to_stop_a_tunnel_has_its_time(balance, scripted):
    worker, over = scripted(), threading.Event()
    worker.play(Script((SWITCHED, ECHO, tell(over))))
    ballast = balance(worker, timeouts={"tunnel_drain": "1s", "drain": "20s"})
    with tunnel(ballast) as client:
        began = time.monotonic()
        ballast.send_signal(signal.SIGTERM)
        ballast.wait_log("stopping")
        client.send(b"one more thing")
        assert client.stream.take(14) == b"one more thing"
        assert client.ended() == b""
        assert 0.9 <= time.monotonic() - began < 10
    assert over.wait(10)
    assert ballast.process.wait(15) == 0
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert line["reason"] == "tunnel_drained"


@pytest.mark.parametrize("drain, code", [("2s", 2), ("4s", 0)])
def test_told_to_stop_ends_that_do_not_end_have_two_seconds(balance, scripted, drain, code):
    """They come on top of tunnel_drain, and it is for timeouts.drain to hold both: `ballast check` says so."""
    worker, held = scripted(), threading.Event()
    worker.play(Script((SWITCHED, wait(held))))
    ballast = balance(worker, timeouts={"tunnel_drain": "500ms", "drain": drain})
    ballast.expect = code
    with tunnel(ballast):
        ballast.stop()
    held.set()


# Who may, and who may not.

@pytest.mark.parametrize("setting, protocol, method, fields, passed", [
    ("websocket", b"websocket", b"GET", (), True),
    ("websocket", b"WebSocket", b"GET", (), True),
    ("websocket", b"foo/2", b"GET", (), False),
    ("websocket", b"websocket, foo/2", b"GET", (), False),
    ("any", b"foo/2", b"GET", (), True),
    ("any", b"h2c", b"GET", (b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",), False),
    ("any", b"foo, H2C", b"GET", (), False),
    ("any", b"foo/2", b"POST", (b"Content-Length: 0",), False),
    ("off", b"websocket", b"GET", (), False),
])
def test_which_upgrades_are_passed_on(balance, scripted, setting, protocol, method, fields, passed):
    worker = scripted()
    ballast = balance(worker, forwarded={"upgrade": setting})
    assert ballast.ask(upgrade(protocol, method, *fields)).status == 200  # the worker need not want it
    head = worker.wait_requests(1)[0].head.lower()
    assert (b"\r\nupgrade: " + protocol.lower() + b"\r\n" in head) == passed
    assert (b"connection: upgrade" in head) == passed
    assert ballast.metrics()["ballast_tunnels_total"] == 0


@pytest.mark.parametrize("asked, answer", [
    (b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", SWITCHED),  # nobody asked
    (upgrade(), SWITCHED.replace(b"websocket", b"something-else")),
    (upgrade(), SWITCHED.replace(b"Upgrade: websocket\r\n", b"")),
    (upgrade(b"foo"), SWITCHED),  # it was not passed on
])
def test_a_switch_nobody_asked_for(balance, scripted, asked, answer):
    worker = scripted()
    worker.play(Script((answer, b"smuggled")))
    ballast = balance(worker)
    got = ballast.ask(asked)
    assert got.status == 502 and b'details="answer_switched"' in got.fields.one(b"proxy-status")


def test_a_refused_upgrade_is_an_answer_like_any_other(balance, scripted):
    worker = scripted()
    worker.play(Script((b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno",)))
    ballast = balance(worker)
    with ballast.connect() as client:
        client.send(upgrade())
        answer = client.read_answer()
        assert (answer.status, answer.body) == (426, b"no")
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")  # the connection goes on
        assert client.read_answer().status == 200


def test_a_dead_worker_before_the_switch_is_not_the_end(balance, scripted):
    worker, other = scripted(), scripted()
    for each in (worker, other):
        each.by_target[b"/chat"] = Script((SWITCHED, ECHO))
    worker.by_target[b"/chat"] = Script((RESET,))
    ballast = balance(worker, other)
    for _ in range(2):
        with tunnel(ballast) as client:
            client.send(b"hello")
            assert client.stream.take(5) == b"hello"
            client.finish()
            assert client.ended() == b""
