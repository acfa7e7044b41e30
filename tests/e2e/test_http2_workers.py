"""HTTP/2 to workers: real ones (Node.js, nghttpd), and one that refuses, leaves, floods and lies frame by frame."""

import pathlib
import shutil
import subprocess
import threading

import pytest

from harness.certificates import Authority
from harness.client import Client, WasReset
from harness.h2 import (CANCEL, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, DataFrame, GoAwayFrame, H2Client, H2Worker,
                        PingFrame, RstStreamFrame, SettingsFrame, head, raw)
from harness.programs import Server
from harness.waiting import free_port, wait_for

WORKER = pathlib.Path(__file__).resolve().parent / "real" / "exchange_worker.js"
POST = b"POST %s HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


@pytest.fixture
def worker(stack):
    """worker(play, ...) -> a worker whose answers the test writes."""
    return lambda *arguments, **options: stack.enter_context(H2Worker(*arguments, **options))


@pytest.fixture
def ballast(balance):
    """ballast(worker...) -> a balancer that speaks h2c to them."""
    return lambda *workers, **extra: balance(*workers, pools={"web": {"protocol": "h2c"}}, **extra)


def many(ballast, count, path="/"):
    """So many requests at once, on a connection each; their answers."""
    clients = [Client(ballast.address) for _ in range(count)]
    try:
        for client in clients:
            client.send(f"GET {path} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n".encode())
        return [client.read_answer() for client in clients]
    finally:
        for client in clients:
            client.close()


def wait_counted(ballast, **expected):
    """All that the metrics say of HTTP/2 to workers and is not 0; they follow what happens by a tenth of a second."""
    def counted():
        words = {name.partition('="')[2].rstrip('"}') or "connections": n
                 for name, n in ballast.metrics().items() if name.startswith("ballast_worker_http2_")}
        return {word: n for word, n in words.items() if n}
    wait_for(lambda: counted() == expected, what=f"{expected} to be counted")


# ---- real workers ----

def node(stack, protocol, *files):
    port = free_port()
    stack.enter_context(Server(port, shutil.which("node"), WORKER, protocol, port, *files))
    return port


@pytest.mark.parametrize("protocol,speaks,version", [("h2", "h2", "2.0"), ("auto", "auto", "2.0"),
                                                     ("auto", "http1", "1.1"), ("h2", "http1", None)])
def test_alpn(stack, balance, tmp_path, protocol, speaks, version):
    """h2 and auto over TLS: by what the worker agrees to. A worker that agrees to nothing gets no requests from h2."""
    authority = Authority(tmp_path)
    chain, key = authority.sign("test.example")
    if speaks == "http1":
        script = "const [chain, key, port] = process.argv.slice(1); const { readFileSync } = require('fs');" \
                 "require('https').createServer({cert: readFileSync(chain), key: readFileSync(key)}, (q, s) => " \
                 "s.end(JSON.stringify({version: q.httpVersion}))).listen(Number(port), '127.0.0.1')"
        port = free_port()
        stack.enter_context(Server(port, shutil.which("node"), "-e", script, chain, key, port))
    else:
        port = node(stack, speaks, chain, key)
    balancer = balance(f"127.0.0.1:{port}", alive=1 if version else 0, pools={"web": {
        "protocol": protocol, "worker_tls": {"enabled": True, "ca": str(authority.path), "name": "test.example"}}})
    if version is None:
        balancer.wait_log("cause=tls_handshake")
        assert balancer.get("/").status == 503
        return
    answers = many(balancer, 10, "/headers")
    assert all(f'"version":"{version}"'.encode() in answer.body for answer in answers)


def test_nghttpd(stack, ballast, tmp_path):
    command = shutil.which("nghttpd")
    assert command, "nghttpd (nghttp2-server) is missing"
    (tmp_path / "health").write_text("ok")
    (tmp_path / "big").write_bytes(b"0123456789abcdef" * 65536)
    port = free_port()
    stack.enter_context(Server(port, command, "--no-tls", "-a", "127.0.0.1", "-d", tmp_path, port))
    balancer = ballast(f"127.0.0.1:{port}")
    assert balancer.get("/big").body == b"0123456789abcdef" * 65536
    assert all(answer.status == 200 for answer in many(balancer, 40, "/health"))
    assert balancer.get("/none").status == 404


# ---- sharing ----

def test_many_exchanges_share_one_connection(worker, ballast):
    """The first asks for a connection and the others wait for it; none is answered before all are asked."""
    gate = threading.Barrier(30)
    far = worker({"/together": lambda c, s: threading.Thread(target=lambda: (gate.wait(10), c.answer_with(s))).start()})
    balancer = ballast(far, threads=1)
    assert [answer.status for answer in many(balancer, 30, "/together")] == [200] * 30
    assert len({number for number, _, path in far.asked if path == "/together"}) == 1
    balancer.wait_metric('ballast_connections{side="worker",state="open"}', 1)


@pytest.mark.parametrize("ours,theirs", [(4, None), (100, 4)])
def test_streams_are_bounded(worker, ballast, ours, theirs):
    """By our setting or the worker's: then there is another connection."""
    settings = {SettingsFrame.MAX_CONCURRENT_STREAMS: theirs} if theirs else {}
    far = worker({"/hold": lambda c, s: None}, settings=settings)
    balancer = ballast(far, threads=1, http2={"worker_streams": ours})
    clients = [Client(balancer.address) for _ in range(10)]
    for client in clients:
        client.send(b"GET /hold HTTP/1.1\r\nHost: test.example\r\n\r\n")
    wait_for(lambda: sum(path == "/hold" for *_, path in far.asked) == 10, what="all to be asked")
    held = [number for number, _, path in far.asked if path == "/hold"]
    assert max(held.count(number) for number in held) <= 4
    for client in clients:
        client.close()


def test_a_slow_reader_holds_up_nobody_else(worker, ballast):
    """Each stream's window is its own: an answer that is not read leaves the connection free for others."""
    def flood(connection, stream):
        connection.send(connection.head_frame(stream, [(":status", "200")], False))
        for _ in range(3):
            connection.send(DataFrame(stream, bytes(16384)))
    far = worker({"/slow": flood})
    balancer = ballast(far, threads=1)
    slow = [Client(balancer.address) for _ in range(20)]
    for client in slow:
        client.send(b"GET /slow HTTP/1.1\r\nHost: test.example\r\n\r\n")
    wait_for(lambda: sum(path == "/slow" for *_, path in far.asked) == 20, what="all to be asked")
    assert balancer.get("/").status == 200
    for client in slow:
        client.close()


def test_a_client_that_leaves_resets_its_stream(worker, ballast):
    far = worker({"/hold": lambda c, s: None})
    balancer = ballast(far)
    with Client(balancer.address) as client:
        client.send(b"GET /hold HTTP/1.1\r\nHost: test.example\r\n\r\n")
        number, stream, _ = wait_for(lambda: far.asked and far.asked[0], what="the request")
    wait_for(lambda: far.connections[number].streams[stream].reset == CANCEL, what="RST_STREAM")
    assert balancer.get("/").status == 200
    assert balancer.settled_metrics()["requests_aborted"] == 1


# ---- refused, and sent again ----

def once(first):
    """Does `first` the first time that a path is asked, and answers from then on."""
    asked = []

    def play(connection, stream):
        asked.append(stream)
        first(connection, stream) if len(asked) == 1 else connection.answer_with(stream)
    return play


@pytest.mark.parametrize("size", [0, 5, 40000])
def test_refused_stream_is_sent_again(worker, ballast, size):
    """RFC 9113 section 8.7: it was not processed, so even a POST may be."""
    far = worker({"/post": once(lambda c, s: c.send(RstStreamFrame(s, REFUSED_STREAM)))})
    balancer = ballast(far)
    assert balancer.ask(POST % (b"/post", size, b"x" * size)).status == 200
    assert [path for *_, path in far.asked] == ["/post"] * 2
    metrics = balancer.settled_metrics()
    assert metrics["requests_failed"] == 0 and metrics["requests_ok"] == 1
    wait_counted(balancer, connections=1, opened=2, refused=1)


def test_goaway_above_the_last_stream_is_sent_again(worker, ballast):
    """RFC 9113 section 6.8. On another connection: this one takes no more, and closes when it is empty."""
    def leave(connection, stream):
        connection.send(GoAwayFrame(0, stream - 2 if stream > 2 else 0, NO_ERROR))
    far = worker({"/post": once(leave)})
    balancer = ballast(far)
    assert balancer.ask(POST % (b"/post", 3, b"abc")).status == 200
    (first, *_), (second, *_) = far.asked
    assert first != second
    wait_for(lambda: far.connections[first].closed, what="the connection to be closed")
    wait_counted(balancer, connections=2, opened=2, refused=1, goaway=1)


def test_goaway_lets_earlier_streams_end(worker, ballast):
    held = []
    far = worker({"/hold": lambda c, s: held.append((c, s)),
                  "/leave": once(lambda c, s: c.send(GoAwayFrame(0, held[0][1], NO_ERROR)))})
    balancer = ballast(far, threads=1)
    with Client(balancer.address) as client:
        client.send(b"GET /hold HTTP/1.1\r\nHost: test.example\r\n\r\n")
        wait_for(lambda: held, what="the request")
        assert balancer.ask(POST % (b"/leave", 3, b"abc")).status == 200
        connection, stream = held[0]
        connection.answer_with(stream, b"at last")
        assert client.read_answer().body == b"at last"
    assert far.asked[0][0] == far.asked[1][0] != far.asked[2][0]


def test_a_reset_stream_is_not_refused(worker, ballast):
    """Any other code: a POST may have been processed."""
    far = worker({"/post": lambda c, s: c.send(RstStreamFrame(s, INTERNAL_ERROR))})
    balancer = ballast(far)
    assert balancer.ask(POST % (b"/post", 3, b"abc")).status == 502
    assert len(far.asked) == 1
    line = balancer.wait_access_line(lambda line: line["target"] == "/post")
    assert line["reason"] == "stream_reset"
    wait_counted(balancer, connections=1, opened=1, reset=1)


def test_refused_for_ever_is_answered(worker, ballast):
    far = worker({"/no": lambda c, s: c.send(RstStreamFrame(s, REFUSED_STREAM))})
    balancer = ballast(far)
    assert balancer.get("/no").status == 502
    assert 1 < len(far.asked) <= 3
    balancer.wait_metric('ballast_connections{side="worker",state="open"}', 1)


# ---- hostile ----

def flood(frame, count):
    return lambda c, s: c.send(*[frame] * count)


HOSTILE = {
    "pings": flood(PingFrame(0, b"12345678"), 5000),
    "settings": flood(SettingsFrame(0), 5000),
    "empty data": lambda c, s: c.send(c.head_frame(s, [(":status", "200")], False), *[DataFrame(s)] * 5000),
    "continuations": lambda c, s: c.send(raw(1, 0, s, b""), *[raw(9, 0, s, b"")] * 5000),
    "data on stream 0": lambda c, s: c.send(raw(0, 0, 0, b"x")),
    "a push": lambda c, s: c.send(raw(5, 4, s, b"\0\0\0\2" + c.encoder.encode(head()))),
    "a frame too large": lambda c, s: c.send(raw(0, 0, s, bytes(20000))),
    "bad hpack": lambda c, s: c.send(raw(1, 5, s, b"\xff\xff\xff\xff\xff\xff")),
    "unasked headers": lambda c, s: c.send(c.head_frame(s + 20, [(":status", "200")])),
    "garbage": lambda c, s: c.send(b"HTTP/1.1 200 OK\r\n\r\n" * 10),
}
ENDED_BY = {"pings": "control_frames", "settings": "control_frames", "empty data": "empty_frames",
            "continuations": "head_pieces"}  # any other: error
MALFORMED = {
    "no status": [("x", "y")],
    "status 101": [(":status", "101")],
    "connection": [(":status", "200"), ("connection", "close")],
    "upper case": [(":status", "200"), ("Upper", "x")],
    "two lengths": [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
    "pseudo behind": [(":status", "200"), ("x", "y"), (":status", "200")],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_connection(worker, ballast, what):
    """The exchange gets 502, the connection ends, and the next request has another."""
    far = worker({"/bad": HOSTILE[what]})
    balancer = ballast(far)
    if what == "empty data":  # an answer has begun
        with pytest.raises(WasReset):
            balancer.get("/bad")
    else:
        assert balancer.get("/bad").status == 502
    assert balancer.get("/").status == 200
    bad, = {number for number, _, path in far.asked if path == "/bad"}
    wait_for(lambda: far.connections[bad].closed, what="the connection to be closed")
    wait_counted(balancer, connections=2, opened=2, **{ENDED_BY.get(what, "error"): 1})


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_head(worker, ballast, what):
    """Of one stream: the connection goes on."""
    far = worker({"/bad": lambda c, s: c.send(c.head_frame(s, MALFORMED[what]))})
    balancer = ballast(far, threads=1)
    assert balancer.get("/bad").status == 502
    assert balancer.get("/").status == 200
    assert len({number for number, _, path in far.asked}) == 1


@pytest.mark.parametrize("length,body", [("5", b"abc"), ("2", b"abc")])
def test_length_mismatch(worker, ballast, length, body):
    """RFC 9113 section 8.1.1: never a clean end."""
    far = worker({"/bad": lambda c, s: c.answer_with(s, body, extra=[("content-length", length)])})
    balancer = ballast(far)
    with H2Client(balancer.address) as client:
        client.ask(1, head(path="/bad"))
        stream = client.answer(1)
        assert stream.reset is not None or stream.status == 502
    assert balancer.settled_metrics()["requests_failed"] == 1


def test_head_too_large(worker, ballast):
    far = worker({"/bad": lambda c, s: c.answer_with(s, extra=[(f"x-{i}", "y" * 4000) for i in range(3)])})
    balancer = ballast(far, limits={"header_bytes": "8KiB"})
    assert balancer.get("/bad").status == 502
    assert balancer.wait_access_line(lambda line: line["target"] == "/bad")["reason"] == "answer_head_too_large"


def test_interim_heads_of_a_burst(worker, ballast):
    def hints(connection, stream):
        connection.send(*[connection.head_frame(stream, [(":status", "103"), ("n", str(i))], False) for i in range(5)])
        connection.answer_with(stream)
    balancer = ballast(worker({"/hints": hints}))
    with H2Client(balancer.address) as client:
        client.ask(1, head(path="/hints"))
        heads = client.answer(1).heads
    assert [h[":status"] for h in heads] == ["103"] * 5 + ["200"]
    assert [h.get("n") for h in heads[:5]] == list("01234")


def test_connection_cut_inside_answers(worker, ballast):
    """A worker that dies: what had begun is cut, what had not is sent again."""
    def die(connection, stream):
        connection.answer_with(stream, b"half", ends=False)
        connection.socket.shutdown(2)
    far = worker({"/die": die})
    balancer = ballast(far)
    with H2Client(balancer.address) as client:
        client.ask(1, head(path="/die"))
        assert client.answer(1).reset == INTERNAL_ERROR
    assert balancer.wait_access_line(lambda line: line["target"] == "/die")["reason"] == "answer_cut"


def test_a_silent_connection_takes_no_more(worker, ballast):
    """Cut somewhere between: the exchange gets 504, and the next has another connection."""
    far = worker({"/deaf": lambda c, s: None})
    balancer = ballast(far, threads=1, timeouts={"response_head": "3s"})
    assert balancer.get("/").status == 200  # what belongs to the beginning of a connection has been said
    assert balancer.get("/deaf").status == 504
    assert balancer.get("/").status == 200
    assert far.asked[0][0] == far.asked[1][0] != far.asked[2][0]


def test_a_worker_of_another_version_gets_nothing(scripted, balance):
    balancer = balance(scripted(), alive=0, pools={"web": {"protocol": "h2c"}})
    balancer.wait_log("cause=other_protocol")
    assert balancer.get("/").status == 503


# ---- configuration, life ----

@pytest.mark.parametrize("pool,says", [
    ("{protocol: h2, workers: [3001]}", "protocol: h2 is spoken over TLS, which needs worker_tls"),
    ("{protocol: h2c, worker_tls: {enabled: true, verify: false}, workers: [3001]}", "protocol: h2c is without TLS"),
    ("{protocol: h3, workers: [3001]}", "h2c"),
])
def test_configuration(ballast_path, tmp_path, pool, says):
    path = tmp_path / "ballast.yaml"
    path.write_text(f"pools: {{web: {pool}}}\n")
    done = subprocess.run([ballast_path, "check", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and says in done.stdout + done.stderr


def test_idle_and_drained(worker, ballast):
    """An idle connection says GOAWAY before it closes; a drain waits for what is under way."""
    held = []
    far = worker({"/hold": lambda c, s: held.append((c, s))})
    balancer = ballast(far, threads=1, timeouts={"worker_idle": "300ms", "drain": "20s"})
    assert balancer.get("/").status == 200
    first = far.connections[far.asked[0][0]]
    wait_for(lambda: first.closed, what="the idle connection to be closed")
    assert first.goaway == NO_ERROR
    with Client(balancer.address) as client:
        client.send(b"GET /hold HTTP/1.1\r\nHost: test.example\r\n\r\n")
        wait_for(lambda: held, what="the request")
        balancer.send_signal(15)
        balancer.wait_log("stopping")
        connection, stream = held[0]
        connection.answer_with(stream, b"kept")
        assert client.read_answer().body == b"kept"
    balancer.process.wait(20)
