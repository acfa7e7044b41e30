"""What RFC 9113 asks of a client, towards a worker that keeps the rules or breaks them: each test names its clause.
That every frame is one that may be sent there is judged by harness/h2_judge.py."""

import pytest

from harness.client import Client
from harness.h2 import (COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR, DataFrame,
                        H2Client, H2Worker, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame,
                        head, raw)
from harness.waiting import wait_for

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
TABLE, STREAMS, INITIAL_WINDOW, FRAME_SIZE = 1, 3, 4, 5
POST = b"POST %s HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


@pytest.fixture
def start(stack, balance):
    """start(play, ...) -> the worker and a balancer that speaks h2c to it."""
    def make(play=None, **options):
        far = stack.enter_context(H2Worker(play, **options))
        return far, balance(far, pools={"web": {"protocol": "h2c"}}, threads=1)
    return make


def connection_of(far, path):
    """The connection that carried a request for this path, and its stream."""
    number, stream, _ = next(asked for asked in far.asked if asked[2] == path)
    return far.connections[number], stream


def test_settings_and_pings_are_acknowledged(start):
    """3.4, 6.5.3, 6.7: each, in order; an answer to one of ours is answered by nothing."""
    def play(connection, stream):
        connection.send(SettingsFrame(0), PingFrame(0, b"\0\1\2\3\4\5\6\7"), SettingsFrame(0, {INITIAL_WINDOW: 1}),
                        PingFrame(0, b"ignored!", flags=["ACK"]))
        connection.answer_with(stream)
    far, ballast = start({"/": play})
    assert ballast.get("/").status == 200
    connection, _ = connection_of(far, "/")
    wait_for(lambda: connection.count(SettingsFrame, "ACK") == 3 and connection.pongs, what="the acknowledgements")
    assert connection.pongs == [b"\0\1\2\3\4\5\6\7"]
    kinds = [kind for kind, *_, flags in connection.frames if "ACK" in flags]
    assert kinds == [SettingsFrame, PingFrame, SettingsFrame, SettingsFrame] or \
        kinds == [SettingsFrame, SettingsFrame, PingFrame, SettingsFrame]  # a PING may be answered first
    assert connection.frames[0][0] is SettingsFrame and connection.settings[2] == 0  # ENABLE_PUSH
    assert ballast.get("/").status == 200
    assert far.asked[0][0] == far.asked[1][0]


@pytest.mark.parametrize("sizes", [(65536, 16384), (16384, 65536, 16384)])
def test_frames_are_as_long_as_the_worker_takes(start, sizes):
    """4.2: as it said last, from our acknowledgement on."""
    far, ballast = start({"/up": lambda c, s: None}, settings={FRAME_SIZE: sizes[0], INITIAL_WINDOW: 1 << 20})
    for asked, size in enumerate(sizes, 1):
        with Client(ballast.address, 60) as client:
            client.send(POST % (b"/up", 200000, b"x" * 200000))
            wait_for(lambda: len(far.asked) == asked, what="the request")  # pylint: disable=W0640
            number, stream, _ = far.asked[-1]
            connection = far.connections[number]
            connection.send(SettingsFrame(0, {FRAME_SIZE: size}))
            wait_for(lambda: len(connection.streams[stream].body) == 200000, what="its body")  # pylint: disable=W0640
            connection.answer_with(stream)
            assert client.read_answer().status == 200


def test_long_heads_go_in_pieces_both_ways(start):
    """4.2, 6.10: a head that is longer than a frame."""
    far, ballast = start({"/": lambda c, s: c.send(*pieces(c, s, [(":status", "200"), ("x-long", "b" * 20000)]))})
    with H2Client(ballast.address) as client:
        client.send(*pieces(client, 1, head(extra=[("x-long", "a" * 20000)])))
        assert client.answer(1).heads[0]["x-long"] == "b" * 20000
    connection, stream = connection_of(far, "/")
    assert connection.streams[stream].heads[0]["x-long"] == "a" * 20000


def pieces(connection, stream, fields):
    block = connection.encoder.encode(fields, huffman=False)
    return [HeadersFrame(stream, block[:16384], flags=["END_STREAM"]), raw(CONTINUATION, 4, stream, block[16384:])]


def test_nothing_is_sent_above_the_windows(start):
    """6.9.1, 6.9.2: the stream's, one that a setting made negative, and the connection's."""
    far, ballast = start({"/up": lambda c, s: None}, reads=False)
    size = 200000
    with Client(ballast.address, 60) as client:
        client.send(POST % (b"/up", size, b""))
        wait_for(lambda: far.asked, what="the request")
        connection, stream = connection_of(far, "/up")
        body = connection.streams[stream].body
        client.send(b"x" * size)
        wait_for(lambda: len(body) == 65535, what="the first window")
        connection.send(WindowUpdateFrame(0, window_increment=100000), SettingsFrame(0, {INITIAL_WINDOW: 10}),
                        WindowUpdateFrame(stream, window_increment=65525))  # from -65525 to 0
        settled(connection)
        assert len(body) == 65535
        connection.send(WindowUpdateFrame(stream, window_increment=7))
        wait_for(lambda: len(body) >= 65542, what="7 bytes")
        settled(connection)
        assert len(body) == 65542
        connection.send(SettingsFrame(0, {INITIAL_WINDOW: 1 << 20}))
        wait_for(lambda: len(body) >= 165535, what="the connection's window")
        settled(connection)
        assert len(body) == 165535
        connection.send(WindowUpdateFrame(0, window_increment=1 << 20))
        wait_for(lambda: len(body) == size, what="the rest")
        connection.answer_with(stream)
        assert client.read_answer().status == 200


def settled(connection):
    """What was sent before has been obeyed."""
    mark = b"%08d" % len(connection.frames)
    connection.send(PingFrame(0, mark))
    wait_for(lambda: mark in connection.pongs, what="the answer to a PING")


def test_a_small_table_of_fields_is_kept_to(start):
    """4.3.1: confirmed in the next head, or the decoder raises."""
    def play(connection, stream):
        connection.answer_with(stream)
        connection.send(SettingsFrame(0, {TABLE: 0}))
    far, ballast = start({"/": play})
    assert ballast.get("/").status == 200
    connection, _ = connection_of(far, "/")
    wait_for(lambda: connection.count(SettingsFrame, "ACK") == 2, what="the acknowledgement")
    connection.decoder.max_allowed_table_size = 0
    assert ballast.get("/again").status == 200
    assert connection_of(far, "/again")[0] is connection and connection.decoder.header_table_size == 0


def test_fewer_streams_from_now_on(start):
    """5.1.2: as the worker said last."""
    far, ballast = start({"/": lambda c, s: (c.send(SettingsFrame(0, {STREAMS: 2})), c.answer_with(s)),
                          "/hold": lambda c, s: None})
    assert ballast.get("/").status == 200
    connection, _ = connection_of(far, "/")
    wait_for(lambda: connection.count(SettingsFrame, "ACK") == 2, what="the acknowledgement")
    clients = [Client(ballast.address) for _ in range(5)]
    for client in clients:
        client.send(b"GET /hold HTTP/1.1\r\nHost: test.example\r\n\r\n")
    wait_for(lambda: sum(path == "/hold" for *_, path in far.asked) == 5, what="all to be asked")
    assert sum(path == "/hold" and far.connections[number] is connection for number, _, path in far.asked) <= 2
    for client in clients:
        client.close()


def test_a_whole_answer_outlives_its_reset(start):
    """8.1: a worker that needs no more of the request says so by NO_ERROR, and what it answered holds."""
    def play(connection, stream):
        connection.answer_with(stream, b"enough")
        connection.send(RstStreamFrame(stream, NO_ERROR))
    far, ballast = start({"/up": play})
    with H2Client(ballast.address) as client:
        client.send(client.head_frame(1, head("POST", "/up"), end_stream=False), DataFrame(1, b"some"))
        stream = client.answer(1)
        assert stream.status == 200 and stream.ended and stream.body == b"enough"
    metrics = ballast.settled_metrics()
    assert (metrics["requests_ok"], metrics["requests_failed"]) == (1, 0)


ERRORS = {
    "4.2 above the size limit": (lambda s: raw(DATA, 0, s, bytes(16385)), FRAME_SIZE_ERROR),
    "4.3 index of no field": (lambda s: raw(HEADERS, 5, s, b"\xfe"), COMPRESSION_ERROR),
    "5.1 WINDOW_UPDATE on an idle stream": (lambda s: raw(WINDOW, 0, s + 2, b"\0\0\0\1"), PROTOCOL_ERROR),
    "5.1.1 HEADERS on an idle stream": (lambda s: raw(HEADERS, 5, s + 2, b"\x88"), PROTOCOL_ERROR),
    "6.1 DATA on stream 0": (lambda s: raw(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    "6.1 padding longer than the frame": (lambda s: raw(HEADERS, 13, s, b"\x09\x88"), PROTOCOL_ERROR),
    "6.2 HEADERS on stream 0": (lambda s: raw(HEADERS, 5, 0, b"\x88"), PROTOCOL_ERROR),
    "6.2 another frame inside a head": (lambda s: raw(HEADERS, 1, s, b"\x88") + raw(PING, 0, 0, bytes(8)),
                                        PROTOCOL_ERROR),
    "6.4 RST_STREAM on stream 0": (lambda s: raw(RST, 0, 0, bytes(4)), PROTOCOL_ERROR),
    "6.4 RST_STREAM of 3 bytes": (lambda s: raw(RST, 0, s, bytes(3)), FRAME_SIZE_ERROR),
    "6.5 SETTINGS on a stream": (lambda s: raw(SETTINGS, 0, s), PROTOCOL_ERROR),
    "6.5 SETTINGS of 5 bytes": (lambda s: raw(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "6.5 ACK with payload": (lambda s: raw(SETTINGS, 1, 0, bytes(6)), FRAME_SIZE_ERROR),
    "6.5.2 ENABLE_PUSH 1 from a server": (lambda s: SettingsFrame(0, {2: 1}).serialize(), PROTOCOL_ERROR),
    "6.5.2 window above 2^31-1": (lambda s: SettingsFrame(0, {4: 2**31}).serialize(), FLOW_CONTROL_ERROR),
    "6.5.2 MAX_FRAME_SIZE too small": (lambda s: SettingsFrame(0, {5: 100}).serialize(), PROTOCOL_ERROR),
    "6.7 PING on a stream": (lambda s: raw(PING, 0, s, bytes(8)), PROTOCOL_ERROR),
    "6.7 PING of 7 bytes": (lambda s: raw(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "6.8 GOAWAY on a stream": (lambda s: raw(GOAWAY, 0, s, bytes(8)), PROTOCOL_ERROR),
    "6.9 WINDOW_UPDATE of 0": (lambda s: raw(WINDOW, 0, 0, bytes(4)), PROTOCOL_ERROR),
    "6.9 WINDOW_UPDATE of 3 bytes": (lambda s: raw(WINDOW, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "6.9.1 connection window above 2^31-1": (lambda s: WindowUpdateFrame(0, 2**31 - 1).serialize(), FLOW_CONTROL_ERROR),
    "6.10 CONTINUATION without a head": (lambda s: raw(CONTINUATION, 4, s, b"\x88"), PROTOCOL_ERROR),
    "8.4 PUSH_PROMISE though it is off": (lambda s: raw(PUSH, 4, s, b"\0\0\0\2\x82"), PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", ERRORS)
def test_connection_error(start, name):
    """The connection ends with that code, and the next request has another."""
    frames, code = ERRORS[name]
    far, ballast = start({"/bad": lambda c, s: c.send(frames(s))})
    assert ballast.ask(POST % (b"/bad", 0, b"")).status == 502
    connection, _ = connection_of(far, "/bad")
    wait_for(lambda: connection.closed, what="the connection to be closed")
    assert connection.goaway == code
    assert ballast.get("/").status == 200
    assert connection_of(far, "/")[0] is not connection


MALFORMED = {
    "8.1 no END_STREAM on a second head": [(True, [(":status", "200")], False), (True, [("x", "y")], False)],
    "8.1 pseudo-field in trailers": [(True, [(":status", "200")], False), (True, [(":status", "200")], True)],
    "8.1 END_STREAM on an interim head": [(True, [(":status", "100")], True)],
    "8.2.1 space behind a value": [(True, [(":status", "200"), ("x", "y ")], True)],
    "8.2.1 line feed in a value": [(True, [(":status", "200"), ("x", "a\nb")], True)],
    "8.2.2 Transfer-Encoding": [(True, [(":status", "200"), ("transfer-encoding", "chunked")], True)],
    "8.2.2 Upgrade": [(True, [(":status", "200"), ("upgrade", "x")], True)],
    "8.3 pseudo-field of a request": [(True, [(":status", "200"), (":path", "/")], True)],
    "8.3 pseudo-field behind a field": [(True, [("x", "y"), (":status", "200")], True)],
    "8.3.2 two of :status": [(True, [(":status", "200"), (":status", "200")], True)],
    "8.3.2 letters in :status": [(True, [(":status", "2xx")], True)],
    "8.1.1 content-length and no body": [(True, [(":status", "200"), ("content-length", "5")], True)],
    "8.1.1 body longer than content-length": [(True, [(":status", "200"), ("content-length", "1")], False),
                                              (False, b"xy", True)],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_answer(start, name):
    """8.1.1: it is not passed on as if it were whole, and only its stream ends for it."""
    def play(connection, stream):
        connection.send(*[connection.head_frame(stream, what, ends) if is_head
                          else DataFrame(stream, what, flags=["END_STREAM"] if ends else [])
                          for is_head, what, ends in MALFORMED[name]])
    far, ballast = start({"/bad": play})
    with H2Client(ballast.address) as client:
        client.ask(1, head(path="/bad"))
        stream = client.answer(1)
        assert stream.reset not in (None, 0) or stream.status == 502
        client.ask(3)
        assert client.answer(3).status == 200
    assert connection_of(far, "/bad")[0] is connection_of(far, "/")[0]
    assert ballast.settled_metrics()["requests_failed"] == 1
