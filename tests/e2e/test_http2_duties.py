"""What RFC 9113 asks of a server towards a client that keeps the rules: each test names its clause. What a client may
not do is in test_http2_hostile.py; TLS (section 9.2) in test_tls.py and tests/grade."""

import re

import hpack
import pytest

from harness.h2 import (CANCEL, FLOW_CONTROL_ERROR, PREFACE, PROTOCOL_ERROR, REFUSED_STREAM, DataFrame, GoAwayFrame,
                        H2Client, H2Worker, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame,
                        head, raw)
from harness.worker import Script
from test_http2_hostile import DATA, HEADERS

INITIAL_WINDOW = 4


@pytest.fixture(scope="module")
def ballast(ballast_path, demo_worker_path):
    from harness.ballast import Ballast, settings
    from harness.programs import DemoWorker
    with DemoWorker(demo_worker_path) as worker, \
            Ballast(ballast_path, settings([worker], http2={"streams": 20}, threads=1)) as balancer:
        yield balancer.wait_alive(1)
        balancer.assert_accounts()


def test_the_first_frame_is_settings(ballast):
    """3.4."""
    with H2Client(ballast.address) as h2:
        h2.ask(1)
        h2.answer(1)
        kind, stream, _, flags = h2.frames[0]
        assert kind is SettingsFrame and stream == 0 and not flags


def test_every_settings_frame_is_acknowledged(ballast):
    """3.4 and 6.5.3: the preface's too; the client's acknowledgement of ours is not."""
    with H2Client(ballast.address) as h2:
        h2.send(SettingsFrame(0), SettingsFrame(0, {INITIAL_WINDOW: 1}))
        h2.settle()
        assert h2.count(SettingsFrame, "ACK") == 3
        assert h2.goaway is None


def test_a_ping_comes_back_as_it_was(ballast):
    """6.7; and an answer to one of ours is answered by nothing."""
    with H2Client(ballast.address) as h2:
        h2.send(PingFrame(0, b"\0\1\2\3\4\5\xfe\xff"), PingFrame(0, b"ignored!", flags=["ACK"]))
        h2.settle()
        assert h2.pongs[0] == b"\0\1\2\3\4\5\xfe\xff" and len(h2.pongs) == 2


def test_settings_are_taken_in_their_order(ballast):
    """6.5.3: the last value of one frame is the one that holds."""
    with H2Client(ballast.address) as h2:
        values = b"".join(INITIAL_WINDOW.to_bytes(2, "big") + value.to_bytes(4, "big") for value in (0, 70000, 5))
        h2.send(raw(4, 0, 0, values))
        h2.ask(1, head(path="/bytes/1000"))
        h2.until(lambda: 1 in h2.streams and h2.streams[1].body)
        h2.settle()
        assert len(h2.streams[1].body) == 5


def test_frames_are_as_long_as_the_client_takes(ballast):
    """4.2: 2^14 bytes unless it takes more; and what we take ourselves."""
    with H2Client(ballast.address) as h2:
        h2.ask(1, head("POST", "/echo"), b"x" * 40000)
        assert len(h2.answer(1).body) == 40000
        assert max(length for kind, _, length, _ in h2.frames if kind is DataFrame) <= 16384


def test_nothing_is_sent_above_the_windows(ballast):
    """6.9.1 and 6.9.2: the stream's, the connection's, and one that a setting made negative."""
    with H2Client(ballast.address) as h2:
        h2.ask(1, head(path="/bytes/1000000"))
        body = h2.until(lambda: 1 in h2.streams and len(h2.streams[1].body) >= 65535 and h2.streams[1].body)
        h2.send(WindowUpdateFrame(0, 100000))
        h2.settle()
        assert len(body) == 65535  # the stream's window is used up, the connection's is not
        h2.send(SettingsFrame(0, {INITIAL_WINDOW: 10}), WindowUpdateFrame(1, 65525))
        h2.settle()
        assert len(body) == 65535  # from -65525 to 0
        h2.send(WindowUpdateFrame(1, 7))
        h2.until(lambda: len(body) >= 65542)
        h2.settle()
        assert len(body) == 65542
        h2.send(SettingsFrame(0, {INITIAL_WINDOW: 1000000}))  # and now the connection's ends first
        h2.until(lambda: len(body) >= 165535)
        h2.settle()
        assert len(body) == 165535
        h2.send(WindowUpdateFrame(0, 1000000))
        assert len(h2.answer(1).body) == 1000000


def test_more_than_the_windows_is_an_error(stack, balance):
    """6.9.1: of the stream, or of the connection. The worker reads nothing, so next to nothing is granted. Behind its
    GOAWAY a connection may be reset by what is still sent."""
    worker = stack.enter_context(H2Worker({"/hold": lambda *_: None}, reads=False))
    ballast = balance(worker, pools={"web": {"protocol": "h2c"}}, threads=1)
    with H2Client(ballast.address) as h2:
        h2.send(h2.head_frame(1, head("POST", "/hold"), end_stream=False))
        h2.send(*[DataFrame(1, b"x" * 16384)] * 16)
        assert h2.answer(1).reset == FLOW_CONTROL_ERROR
        h2.settle()
        for stream in range(3, 83, 2):
            h2.offer(h2.head_frame(stream, head("POST", "/hold"), end_stream=False))
            h2.offer(*[DataFrame(stream, b"x" * 16384)] * 4)
        granted = h2.updates
        while h2.goaway is None and h2.take():  # each stream's window is kept to, and the connection's is not
            h2.updates = []
            for stream, room in granted:
                h2.offer(*[DataFrame(stream, b"x" * 16384)] * (room // 16384) if stream else [])
            granted = h2.updates
        assert h2.goaway == FLOW_CONTROL_ERROR


def test_what_is_discarded_counts_for_the_connections_window(ballast):
    """5.1 and 6.9: DATA on its way to a stream that was reset is passed over, and the connection's window is given
    back; more than that window is sent here."""
    with H2Client(ballast.address) as h2:
        h2.send(h2.head_frame(1, head("POST", extra=[("content-length", "1")]), end_stream=False))
        h2.send(DataFrame(1, b"xx"))
        assert h2.answer(1).reset == PROTOCOL_ERROR
        h2.settle()
        room, sent = 65535 + sum(n for stream, n in h2.updates if stream == 0) - 2, 0
        while sent < 2 << 20:
            taken = len(h2.updates)
            h2.send(*[DataFrame(1, b"x" * 16384)] * (room // 16384))
            sent += room // 16384 * 16384
            room %= 16384
            while room < 16384:
                assert h2.until(lambda: len(h2.updates) > taken), (sent, h2.goaway)  # pylint: disable=W0640
                room += sum(n for stream, n in h2.updates[taken:] if stream == 0)
                taken = len(h2.updates)
        h2.ask(3)
        assert h2.answer(3).status == 200 and h2.goaway is None


def test_padding_is_taken_off_and_given_back(ballast):
    """6.1 and 6.2: it is no part of the message, and counts for the windows."""
    with H2Client(ballast.address) as h2:
        block = h2.encoder.encode(head("POST", "/echo"), huffman=False)
        h2.send(raw(HEADERS, 0x0c, 1, b"\x05" + block + b"\0" * 5))
        for _ in range(20):
            h2.send(raw(DATA, 8, 1, b"\xff" + b"x" * 10 + b"\0" * 255))
        h2.send(raw(DATA, 8, 1, b"\x00y"), raw(DATA, 9, 1, b"\x00"))
        assert h2.answer(1).body == b"x" * 200 + b"y"
        h2.send(h2.head_frame(3, head("POST", "/echo"), end_stream=False))
        h2.until(lambda: 3 in h2.streams)
        for i in range(1, 11):  # of padding alone, 165 KiB
            h2.send(*[raw(DATA, 8, 3, b"\xff" + b"x" + b"\0" * 255)] * 64)
            h2.until(lambda: len(h2.streams[3].body) == 64 * i)  # pylint: disable=W0640
        h2.send(DataFrame(3, b"", flags=["END_STREAM"]))
        assert h2.answer(3).body == b"x" * 640


def test_a_reset_is_answered_by_none(ballast):
    """5.4.2; 7: a code that nobody knows is a reset as any other."""
    with H2Client(ballast.address) as h2:
        for stream, code in (1, CANCEL), (3, 0xdeadbeef):
            h2.send(h2.head_frame(stream, head("POST", "/echo"), end_stream=False), RstStreamFrame(stream, code))
        h2.settle()
        h2.ask(5)
        assert h2.answer(5).status == 200
        assert h2.count(RstStreamFrame) == 0 and h2.goaway is None


def test_frames_on_a_closed_stream_are_passed_over(ballast):
    """5.1: they may have been on their way."""
    with H2Client(ballast.address) as h2:
        h2.ask(1)
        h2.answer(1)
        h2.send(WindowUpdateFrame(1, 9), RstStreamFrame(1, CANCEL), raw(2, 0, 1, b"\0\0\0\0\1"))
        h2.ask(3)
        assert h2.answer(3).status == 200 and h2.goaway is None and h2.count(RstStreamFrame) == 0


def test_a_stream_on_whose_request_all_was_said_still_hears(ballast):
    """5.1, half-closed: WINDOW_UPDATE, PRIORITY and RST_STREAM are taken."""
    with H2Client(ballast.address) as h2:
        h2.send(SettingsFrame(0, {INITIAL_WINDOW: 0}))
        h2.ask(1, head(path="/bytes/10"))
        h2.send(raw(2, 0, 1, b"\0\0\0\0\1"), WindowUpdateFrame(1, 10))
        assert len(h2.answer(1).body) == 10
        h2.ask(3, head(path="/bytes/10"))
        h2.send(RstStreamFrame(3, CANCEL))
        h2.settle()
        assert h2.goaway is None


def test_heads_of_refused_streams_are_read_all_the_same(ballast):
    """4.3 and 5.1: what they put into the table of fields is there for the next."""
    with H2Client(ballast.address) as h2:
        for i in range(20):
            h2.send(h2.head_frame(2 * i + 1, head("POST", "/echo"), end_stream=False))
        h2.send(h2.head_frame(41, head(extra=[("x-only-here", "a" * 30)])))  # above the limit: 5.1.2
        assert h2.answer(41).reset == REFUSED_STREAM
        h2.send(DataFrame(1, b"abc", flags=["END_STREAM"]))
        assert h2.answer(1).body == b"abc"
        again = h2.head_frame(43, head(path="/headers", extra=[("x-only-here", "a" * 30)]))
        assert len(again.data) < 30  # by its index
        h2.send(again)
        assert b"x-only-here: " + b"a" * 30 in h2.answer(43).body


@pytest.mark.parametrize("size", [0, 100, 65536])
def test_the_clients_table_of_fields_is_as_large_as_it_says(ballast, size):
    """4.3.1: a smaller one is confirmed by a first word in the next head."""
    with H2Client(ballast.address) as h2:
        h2.ask(1, head(path="/bytes/1"))
        h2.answer(1)
        h2.send(SettingsFrame(0, {1: size}))
        h2.settle()
        h2.decoder.max_allowed_table_size = size  # raises if it is not confirmed
        for stream in range(3, 9, 2):
            h2.ask(stream, head(path="/bytes/1"))
            assert h2.answer(stream).status == 200
        assert h2.decoder.header_table_size <= size


def test_a_goaway_lets_requests_end(ballast):
    """6.8: what was asked before is answered; then the connection ends. Debug data is passed over."""
    with H2Client(ballast.address) as h2:
        h2.send(h2.head_frame(1, head("POST", "/echo"), end_stream=False))
        h2.send(GoAwayFrame(0, 0, 0, b"bye"))
        h2.send(DataFrame(1, b"abc", flags=["END_STREAM"]))
        assert h2.answer(1).body == b"abc" and h2.end() in (None, 0)


def test_an_error_says_which_stream_was_the_last(ballast):
    """5.4.1 and 6.8: GOAWAY names it, and the connection ends."""
    with H2Client(ballast.address) as h2:
        h2.ask(1)
        h2.ask(7)
        h2.answer(7)
        h2.send(raw(6, 0, 1, b"12345678"))
        assert h2.end() == PROTOCOL_ERROR and h2.last == 7


def test_a_malformed_request_reaches_no_worker(scripted, balance):
    """8.1.1: it is not passed on."""
    worker = scripted()
    ballast = balance(worker)
    with H2Client(ballast.address) as h2:
        for stream, extra in (1, ("x", "a\nb")), (3, ("connection", "x")), (5, ("content-length", "5")):
            h2.send(h2.head_frame(stream, head(extra=[extra])))
            assert h2.answer(stream).reset == PROTOCOL_ERROR
        h2.ask(7)
        assert h2.answer(7).status == 200
    assert len(worker.take()) == 1


def test_what_a_request_may_leave_out(scripted, balance):
    """8.3.1: Host in place of :authority, and * for OPTIONS; the worker gets a Host either way."""
    worker = scripted()
    ballast = balance(worker)
    with H2Client(ballast.address) as h2:
        h2.send(h2.head_frame(1, [*head()[:3], ("host", "by-host.example")]))
        assert h2.answer(1).status == 200
        h2.ask(3, head("OPTIONS", "*"))
        assert h2.answer(3).status == 200
        h2.ask(5, head(extra=[("host", "test.example")]))
        assert h2.answer(5).status == 200
    lines = [request.head.split(b"\r\n") for request in worker.take()]
    assert b"host: by-host.example" in [line.lower() for line in lines[0]]
    assert lines[1][0] == b"OPTIONS * HTTP/1.1" and b"Host: test.example" in lines[1]
    assert sum(line.lower().startswith(b"host:") for line in lines[2]) == 1


def test_answers_hold_nothing_that_http2_forbids(scripted, balance):
    """8.2, 8.2.2 and 8.3.2: small letters, no field of one connection, one :status and in front."""
    worker = scripted()
    worker.play(Script((b"HTTP/1.1 200 OK\r\nX-Upper: Y\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\n"
                        b"X-Hop: 1\r\nProxy-Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",)))
    ballast = balance(worker)
    with H2Client(ballast.address) as h2:
        h2.ask(1)
        fields = h2.answer(1).heads[0]
    assert list(fields)[0] == ":status" and fields["x-upper"] == "Y"
    assert not any(re.search("[A-Z]", name) or name.startswith(":") for name in list(fields)[1:])
    assert not {"connection", "keep-alive", "x-hop", "proxy-connection", "transfer-encoding", "upgrade"} & set(fields)


def test_101_is_no_answer(scripted, balance):
    """8.6: nobody asked for it, and in HTTP/2 there is none."""
    worker = scripted()
    worker.play(Script((b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",)))
    ballast = balance(worker)
    with H2Client(ballast.address) as h2:
        h2.ask(1)
        assert h2.answer(1).status == 502 and len(h2.streams[1].heads) == 1


def test_nothing_is_promised(ballast):
    """8.4: nor reserved; server's streams are even, and there are none."""
    with H2Client(ballast.address) as h2:
        h2.ask(1, head(path="/page"))
        h2.answer(1)
        h2.settle()
        assert all(stream in (0, 1) for _, stream, _, _ in h2.frames)


def test_a_preface_in_pieces(ballast):
    """3.4: bytes come as they come."""
    with H2Client(ballast.address, hello=False) as h2:
        request = PREFACE + SettingsFrame(0).serialize() + h2.head_frame(1, head()).serialize()
        for at in range(len(request)):
            h2.send(request[at:at + 1])
        assert h2.answer(1).status == 200


def test_heads_in_pieces(ballast):
    """4.3 and 6.10: one head in several frames is one head, wherever it is cut."""
    with H2Client(ballast.address) as h2:
        block = hpack.Encoder().encode(head(path="/headers", extra=[("x-long", "a" * 100)]))
        frames = [HeadersFrame(1, block[:1], flags=["END_STREAM"])]
        frames += [raw(9, 4 if at == len(block) - 1 else 0, 1, block[at:at + 1]) for at in range(1, len(block))]
        h2.send(*frames[:4], raw(9, 4, 1, block[4:]))
        assert b"x-long: " + b"a" * 100 in h2.answer(1).body


def test_an_upgrade_to_http2_is_passed_over(scripted, balance):
    """3.1: there is no h2c by Upgrade any more; the connection goes on as what it is, and the worker hears nothing."""
    worker = scripted()
    ballast = balance(worker)
    asks = b"GET / HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" \
           b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
    with ballast.connect() as client:
        for _ in range(2):
            client.send(asks)
            answer = client.read_answer()
            assert (answer.status, answer.interim, answer.fields.all(b"upgrade")) == (200, [], [])
    assert not any(re.search(b"(?i)upgrade|http2-settings", request.head) for request in worker.take())
    assert {line["protocol"] for line in ballast.wait_access(2)} == {"HTTP/1.1"}
