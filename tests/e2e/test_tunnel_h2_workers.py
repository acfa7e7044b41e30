"""WebSockets to workers that speak HTTP/2: extended CONNECT behind (RFC 8441), whatever is in front."""

import asyncio
import pathlib
import random
import shutil

import pytest

from harness.certificates import Authority
from harness.client import Client
from harness.h2 import CANCEL, INTERNAL_ERROR, NO_ERROR, DataFrame, H2Client, H2Worker, RstStreamFrame, head
from harness.programs import Server
from harness.waiting import free_port, wait_for
from harness.websockets import echo, establish, masked, opened, plain

websockets = pytest.importorskip("websockets", reason="python3-websockets is installed by ./dev test")

WORKER = pathlib.Path(__file__).resolve().parent / "real" / "websocket_h2.js"
CONNECT_PROTOCOL = 8
UPGRADE = (b"GET /chat HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of RFC 6455 section 1.3


@pytest.fixture
def real(stack):
    """real(announces) -> the address of a Node.js worker."""
    def start(announces="connect", *files):
        port = free_port()
        stack.enter_context(Server(port, shutil.which("node"), WORKER, announces, port, *files))
        return f"127.0.0.1:{port}"
    return start


@pytest.fixture
def worker(stack):
    """worker(play) -> a worker that announces extended CONNECT, and whose frames the test writes."""
    return lambda play: stack.enter_context(H2Worker(play, settings={CONNECT_PROTOCOL: 1}))


@pytest.fixture
def ballast(balance):
    """ballast(worker...) -> a balancer that speaks h2c to them."""
    return lambda *workers, **extra: balance(*workers, pools={"web": {"protocol": "h2c"}}, **extra)


def accept(connection, stream):
    connection.send(connection.head_frame(stream, [(":status", "200")], False))


def talk(ballast):
    async def converse():
        async with websockets.connect(f"ws://127.0.0.1:{ballast.address[1]}/chat", max_size=None) as peer:
            for message in ("hello", "", "x" * 70000, random.Random(1).randbytes(3 << 20)):
                await peer.send(message)
                assert await peer.recv() == message
    asyncio.run(converse())


# ---- real peers ----

@pytest.mark.parametrize("protocol", ["h2c", "h2"])
def test_http1_client(balance, real, tmp_path, protocol):
    """Python's websockets in front, which checks the key that it gave, and Node.js behind."""
    authority = Authority(tmp_path)
    files = authority.sign("test.example") if protocol == "h2" else ()
    tls = {"worker_tls": {"enabled": True, "ca": str(authority.path), "name": "test.example"}} if files else {}
    ballast = balance(real("connect", *files), pools={"web": {"protocol": protocol, **tls}})
    talk(ballast)
    line = ballast.wait_access_line(lambda line: line["status"] == 101)
    assert (line["reason"], line["tries"]) == ("ok", 1)
    assert line["bytes_in"] > 3 << 20 and line["bytes_out"] > 3 << 20
    metrics = ballast.settled_metrics()
    assert (metrics["ballast_tunnels_total"], metrics["ballast_tunnels"], metrics["requests_failed"]) == (1, 0, 0)


def test_http2_client(ballast, real):
    balancer = ballast(real())
    with opened(balancer) as client:
        establish(client, 1)
        client.until(lambda: 1 in client.streams and client.streams[1].heads)
        fields = client.streams[1].heads[0]
        assert fields[":status"] == "200" and not client.streams[1].ended
        assert fields["x-asked"] == "test.example,13"  # and nothing of what only HTTP/1.1 asks with
        assert not {"sec-websocket-accept", "upgrade", "connection", "content-length"} & set(fields)
        for text in (b"hello", b"", b"x" * 10000):
            echo(client, 1, text)
        client.ask(3, head(path="/health"))  # beside it
        assert client.answer(3).status == 200
        client.send(DataFrame(1, masked((1000).to_bytes(2, "big"), 8)))
        client.until(lambda: client.streams[1].ended)
        client.send(DataFrame(1, b"", flags=["END_STREAM"]))
        line = balancer.wait_access_line(lambda line: line["target"] == "/chat")
    assert (line["status"], line["reason"]) == (101, "ok")
    balancer.wait_metric("ballast_tunnels", 0)


def test_refused_by_the_worker(ballast, real):
    """Its word is passed on, and the connection behind goes on."""
    balancer = ballast(real())
    with Client(balancer.address) as client:
        client.send(UPGRADE.replace(b"/chat", b"/no"))
        answer = client.read_answer()
        assert (answer.status, answer.body) == (403, b"not here")
        client.send(UPGRADE)  # the client's too
        answer = client.read_answer()
        assert answer.status == 101 and answer.fields.one(b"sec-websocket-accept") == ACCEPT
        client.send(masked(b"hello"))
        assert client.stream.take(7) == plain(b"hello")
    assert balancer.settled_metrics()['ballast_worker_http2_streams_total{result="reset"}'] == 0


@pytest.mark.parametrize("version", [1, 2])
def test_not_announced(ballast, real, version):
    """Such a worker is asked for nothing; a refusal of our own says why. Another one of the pool takes it."""
    silent = real("none")
    balancer = ballast(silent)
    if version == 1:
        answer = balancer.ask(UPGRADE)
        assert answer.status == 502 and b'details="no_websocket"' in answer.fields.one(b"proxy-status")
        assert b"The worker takes no WebSocket over HTTP/2." in answer.body
    else:
        with opened(balancer) as client:
            establish(client, 1)
            assert client.answer(1).status == 502
    assert balancer.wait_access_line(lambda line: line["target"] == "/chat")["reason"] == "no_websocket"
    assert balancer.get("/").status == 200
    assert balancer.settled_metrics()['ballast_failures_total{reason="no_websocket"}'] == 1
    balancer = ballast(silent, real("connect"))
    for _ in range(2):
        with Client(balancer.address) as client:
            client.send(UPGRADE)
            assert client.read_answer().status == 101
    assert balancer.settled_metrics()["requests_failed"] == 0


def test_auto_takes_http1(balance, real, tmp_path):
    """Where a worker speaks both, as few take a WebSocket over HTTP/2 as many do over HTTP/1.1."""
    authority = Authority(tmp_path)
    ballast = balance(real("none", *authority.sign("test.example")), pools={"web": {
        "protocol": "auto", "worker_tls": {"enabled": True, "ca": str(authority.path), "name": "test.example"}}})
    assert ballast.get("/").status == 200
    talk(ballast)
    with opened(ballast) as client:
        establish(client, 1)
        client.until(lambda: 1 in client.streams and client.streams[1].heads)
        assert client.streams[1].heads[0]["x-over"] == "1.1"
        echo(client, 1, b"hello")
        assert ballast.get("/").status == 200  # over HTTP/2 still
    ballast.wait_metric("ballast_tunnels", 0)
    ballast.wait_metric('ballast_worker_http2_streams_total{result="opened"}', 2)
    assert ballast.settled_metrics()["requests_failed"] == 0


# ---- ends ----

def test_each_side_ends_by_itself(ballast, worker):
    """END_STREAM is what the end of sending is over TCP."""
    streams = {}
    far = worker({"/chat": lambda c, s: (streams.update(one=(c, s)), accept(c, s))})
    balancer = ballast(far)
    with Client(balancer.address) as client:
        client.send(UPGRADE)
        assert client.read_answer().status == 101
        connection, stream = streams["one"]
        connection.send(DataFrame(stream, b"bye", flags=["END_STREAM"]))
        assert client.ended() == b"bye"
        client.send(b"still here")
        client.finish()
        wait_for(lambda: connection.streams[stream].ended, what="END_STREAM")
        assert connection.streams[stream].body == b"still here" and connection.streams[stream].reset is None
    assert balancer.wait_access_line(lambda line: line["status"] == 101)["reason"] == "ok"


def test_a_client_that_leaves(ballast, worker):
    streams = {}
    far = worker({"/chat": lambda c, s: (streams.update(one=(c, s)), accept(c, s))})
    balancer = ballast(far)
    with opened(balancer) as client:
        establish(client, 1)
        client.until(lambda: 1 in client.streams and client.streams[1].heads)
        client.send(RstStreamFrame(1, CANCEL))
        connection, stream = streams["one"]
        wait_for(lambda: connection.streams[stream].reset == CANCEL, what="RST_STREAM")
    assert balancer.wait_access_line(lambda line: line["target"] == "/chat")["reason"] == "client_gone"
    assert balancer.get("/").status == 200


@pytest.mark.parametrize("how", ["reset", "connection"])
def test_a_worker_that_leaves(ballast, worker, how):
    """Never a clean end."""
    def leave(connection, stream):
        connection.send(connection.head_frame(stream, [(":status", "200")], False), DataFrame(stream, b"partial"))
        if how == "reset":
            connection.send(RstStreamFrame(stream, CANCEL))
        else:
            connection.socket.shutdown(2)
    balancer = ballast(worker({"/chat": leave}))
    with opened(balancer) as client:
        establish(client, 1)
        stream = client.answer(1)
        assert stream.reset == INTERNAL_ERROR and bytes(stream.body) in (b"", b"partial")
    assert balancer.wait_access_line(lambda line: line["target"] == "/chat")["reason"] == "answer_cut"


@pytest.mark.parametrize("why", ["tunnel_idle", "tunnel_drained"])
def test_closed_in_order(ballast, worker, why):
    """By its own time of silence, and when the balancer stops: on both sides an end, not a cut."""
    streams = {}
    far = worker({"/chat": lambda c, s: (streams.update(one=(c, s)), accept(c, s))})
    times = {"tunnel_idle": "300ms"} if why == "tunnel_idle" else {"tunnel_drain": "300ms", "drain": "20s"}
    balancer = ballast(far, timeouts=times)
    with Client(balancer.address) as client, opened(balancer) as other:
        client.send(UPGRADE)
        assert client.read_answer().status == 101
        connection, stream = streams["one"]
        establish(other, 1)
        other.until(lambda: 1 in other.streams and other.streams[1].heads)
        second, beside = streams["one"]
        if why == "tunnel_drained":
            balancer.send_signal(15)
        assert client.ended() == b""
        client.finish()
        other.until(lambda: other.streams[1].ended or other.streams[1].reset is not None)
        assert other.streams[1].ended and other.streams[1].reset is None
        other.send(DataFrame(1, b"", flags=["END_STREAM"]))
        for far, number in ((connection, stream), (second, beside)):
            wait_for(lambda: far.streams[number].ended or far.streams[number].reset is not None)
            assert far.streams[number].ended and far.streams[number].reset is None
            far.send(DataFrame(number, b"", flags=["END_STREAM"]))
        wait_for(lambda: [line["reason"] for line in balancer.access_lines()] == [why] * 2, what="two lines")
        assert [far.count(RstStreamFrame) for far in (connection, second, other)] == [0, 0, 0]
    if why == "tunnel_drained":
        assert balancer.process.wait(15) == 0


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL])
def test_a_client_that_resets_after_the_worker_has_ended(ballast, worker, code):
    """It will not end in order any more, whatever its code says: nobody waits for that."""
    def leave(connection, stream):
        accept(connection, stream)
        connection.send(DataFrame(stream, b"bye", flags=["END_STREAM"]))
    balancer = ballast(worker({"/chat": leave}))
    with opened(balancer) as client:
        establish(client, 1)
        assert client.answer(1).ended
        client.send(RstStreamFrame(1, code))
        assert balancer.wait_access_line(lambda line: line["target"] == "/chat")["reason"] == "client_gone"


def test_interim_heads_come_before(ballast, worker):
    def hint(connection, stream):
        connection.send(*[connection.head_frame(stream, [(":status", "103"), ("n", str(i))], False) for i in range(3)])
        accept(connection, stream)
        connection.send(DataFrame(stream, b"at once", flags=["END_STREAM"]))
    balancer = ballast(worker({"/chat": hint}))
    with Client(balancer.address) as client:
        client.send(UPGRADE)
        assert [client.read_head()[0] for _ in range(4)] == [103] * 3 + [101]
        assert client.ended() == b"at once"


@pytest.mark.parametrize("status", ["200", "204"])
def test_over_at_once(ballast, worker, status):
    """A worker that accepts and ends in the same frame."""
    balancer = ballast(worker({"/chat": lambda c, s: c.send(c.head_frame(s, [(":status", status)]))}))
    with Client(balancer.address) as client:
        client.send(UPGRADE)
        assert client.read_answer().status == 101
        assert client.ended() == b""
        client.finish()
    assert balancer.wait_access_line(lambda line: line["status"] == 101)["reason"] == "ok"


@pytest.mark.parametrize("key", [b"", b"Sec-WebSocket-Key: short\r\n"])
def test_without_a_key_it_is_an_ordinary_request(ballast, worker, key):
    """RFC 6455 section 4.2.1: what a server does not take for a WebSocket handshake it answers itself."""
    far = worker({})
    balancer = ballast(far)
    answer = balancer.ask(UPGRADE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", key))
    assert answer.status == 200
    number, stream, _ = far.asked[0]
    assert far.connections[number].streams[stream].heads[0][":method"] == "GET"


def test_thousand_echoing(ballast, real):
    """On ten connections in front and as many as it takes behind, all open at the same time."""
    balancer = ballast(real(), limits={"connections": 1500}, timeouts={"response_head": "120s"}, threads=1)
    clients = [opened(balancer) for _ in range(10)]
    streams = range(1, 200, 2)
    try:
        for client in clients:
            for stream in streams:
                establish(client, stream)
        for client in clients:
            client.until(lambda: all(s in client.streams and client.streams[s].heads for s in streams))
            assert {client.streams[s].status for s in streams} == {200}
        balancer.wait_metric("ballast_tunnels", 1000)
        balancer.wait_metric('ballast_connections{side="worker",state="open"}', 10)
        for number, client in enumerate(clients):
            client.send(*[DataFrame(s, masked(b"%d %d" % (number, s))) for s in streams])
        for number, client in enumerate(clients):
            wanted = {s: plain(b"%d %d" % (number, s)) for s in streams}
            client.until(lambda: all(client.streams[s].body == wanted[s] for s in streams))
            assert all(client.streams[s].body == wanted[s] for s in streams)
    finally:
        for client in clients:
            client.socket.close()
    balancer.wait_metric("ballast_tunnels", 0)
    assert balancer.settled_metrics()["requests_total"] == 1000
