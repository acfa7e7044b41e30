"""Clients that break RFC 9113: each case names its clause, and what a server must do. After a stream's error the
connection serves on; after a connection's error it ends with that code. Floods are in test_http2_floods.py."""

import struct

import pytest

from harness.h2 import (COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PREFACE,
                        PROTOCOL_ERROR, STREAM_CLOSED, DataFrame, H2Client, HeadersFrame, PingFrame, RstStreamFrame,
                        SettingsFrame, WindowUpdateFrame, head, raw)

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)


@pytest.fixture(scope="module")
def ballast(ballast_path, demo_worker_path):
    from harness.ballast import Ballast, settings
    from harness.programs import DemoWorker
    with DemoWorker(demo_worker_path) as worker:
        with Ballast(ballast_path, settings([worker], threads=1)) as balancer:
            yield balancer.wait_alive(1)
            balancer.assert_accounts()


def heads(h2, *fields):
    return h2.head_frame(1, list(fields))


def post(h2, *extra):
    """A request on stream 1 that goes on."""
    return h2.head_frame(1, head("POST", extra=extra), end_stream=False)


STREAM_ERRORS = {
    # 8.1.1: a malformed message is a stream error PROTOCOL_ERROR
    "8.1.1 content-length too long": (lambda h2: [post(h2, ("content-length", "5")),
                                                  DataFrame(1, b"abc", flags=["END_STREAM"])], PROTOCOL_ERROR),
    "8.1.1 content-length too short": (lambda h2: [post(h2, ("content-length", "1")),
                                                   DataFrame(1, b"abc", flags=["END_STREAM"])], PROTOCOL_ERROR),
    "8.1.1 content-length without a body": (lambda h2: [heads(h2, *head("POST"), ("content-length", "5"))],
                                            PROTOCOL_ERROR),
    "8.1.1 content-length with a sign": (lambda h2: [post(h2, ("content-length", "+5"))], PROTOCOL_ERROR),
    "8.1.1 content-length twice": (lambda h2: [post(h2, ("content-length", "5"), ("content-length", "6"))],
                                   PROTOCOL_ERROR),
    "8.1 second head without END_STREAM": (lambda h2: [h2.head_frame(1, head("POST"), False),
                                                       h2.head_frame(1, [("x", "y")], False)], PROTOCOL_ERROR),
    "8.1 pseudo-header in trailers": (lambda h2: [h2.head_frame(1, head("POST"), False),
                                                  h2.head_frame(1, [(":path", "/")])], PROTOCOL_ERROR),
    "8.2 upper case in a name": (lambda h2: [raw(HEADERS, 5, 1, h2.encoder.encode(head()) + b"\0\1X\1y")],
                                 PROTOCOL_ERROR),
    "8.2.1 control byte in a value": (lambda h2: [heads(h2, *head(), ("x", "a\nb"))], PROTOCOL_ERROR),
    "8.2.1 NUL in a value": (lambda h2: [heads(h2, *head(), ("x", "a\0b"))], PROTOCOL_ERROR),
    "8.2.1 CR in a value": (lambda h2: [heads(h2, *head(), ("x", "a\rb"))], PROTOCOL_ERROR),
    "8.2.1 space after a value": (lambda h2: [heads(h2, *head(), ("x", "a "))], PROTOCOL_ERROR),
    "8.2.1 tab before a value": (lambda h2: [heads(h2, *head(), ("x", "\ta"))], PROTOCOL_ERROR),
    "8.2.1 empty name": (lambda h2: [heads(h2, *head(), ("", "a"))], PROTOCOL_ERROR),
    "8.2.1 DEL in a name": (lambda h2: [heads(h2, *head(), ("x\x7f", "a"))], PROTOCOL_ERROR),
    "8.2.1 byte above 127 in a name": (lambda h2: [heads(h2, *head(), (b"x\x80", b"a"))], PROTOCOL_ERROR),
    "8.2.1 space before a value": (lambda h2: [heads(h2, *head(), ("x", " a"))], PROTOCOL_ERROR),
    "8.2.1 space in a name": (lambda h2: [heads(h2, *head(), ("x y", "a"))], PROTOCOL_ERROR),
    "8.2.1 colon in a name": (lambda h2: [heads(h2, *head(), ("x:", "a"))], PROTOCOL_ERROR),
    "8.2.2 Connection": (lambda h2: [heads(h2, *head(), ("connection", "x"))], PROTOCOL_ERROR),
    "8.2.2 Keep-Alive": (lambda h2: [heads(h2, *head(), ("keep-alive", "1"))], PROTOCOL_ERROR),
    "8.2.2 Proxy-Connection": (lambda h2: [heads(h2, *head(), ("proxy-connection", "close"))], PROTOCOL_ERROR),
    "8.2.2 Transfer-Encoding": (lambda h2: [heads(h2, *head(), ("transfer-encoding", "chunked"))], PROTOCOL_ERROR),
    "8.2.2 Upgrade": (lambda h2: [heads(h2, *head(), ("upgrade", "websocket"))], PROTOCOL_ERROR),
    "8.2.2 TE other than trailers": (lambda h2: [heads(h2, *head(), ("te", "gzip"))], PROTOCOL_ERROR),
    "8.3 unknown pseudo-header": (lambda h2: [heads(h2, *head(), (":x", "y"))], PROTOCOL_ERROR),
    "8.3 pseudo-header of an answer": (lambda h2: [heads(h2, *head(), (":status", "200"))], PROTOCOL_ERROR),
    "8.3 pseudo-header behind a field": (lambda h2: [heads(h2, ("x", "y"), *head())], PROTOCOL_ERROR),
    "8.3 pseudo-header twice": (lambda h2: [heads(h2, *head(), (":path", "/b"))], PROTOCOL_ERROR),
    "8.3.1 no :method": (lambda h2: [heads(h2, *head()[1:])], PROTOCOL_ERROR),
    "8.3.1 no :scheme": (lambda h2: [heads(h2, head()[0], *head()[2:])], PROTOCOL_ERROR),
    "8.3.1 no :path": (lambda h2: [heads(h2, *head()[:2], head()[3])], PROTOCOL_ERROR),
    "8.3.1 empty :path": (lambda h2: [heads(h2, *head(path=""))], PROTOCOL_ERROR),
    "8.3.1 path without a slash": (lambda h2: [heads(h2, *head(path="a"))], PROTOCOL_ERROR),
    "8.3.1 * for another method than OPTIONS": (lambda h2: [heads(h2, *head(path="*"))], PROTOCOL_ERROR),
    "8.5 CONNECT without :authority": (lambda h2: [heads(h2, (":method", "CONNECT"))], PROTOCOL_ERROR),
    "8.5 CONNECT with :path": (lambda h2: [heads(h2, *head("CONNECT"))], PROTOCOL_ERROR),
    "6.9.1 stream window above 2^31-1": (lambda h2: [h2.head_frame(1, head("POST"), False),
                                                     WindowUpdateFrame(1, 2**31 - 1)], FLOW_CONTROL_ERROR),
}


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_stream_error(ballast, name):
    frames, code = STREAM_ERRORS[name]
    with H2Client(ballast.address) as h2:
        h2.send(*frames(h2))
        assert h2.answer(1).reset == code, h2.streams[1]
        h2.ask(101)
        assert h2.answer(101).status == 200 and h2.goaway is None


REFUSED = {
    "8.3.1 Host and :authority differ": (head(extra=[("host", "other.example")]), 400),
    "8.3.1 userinfo in :authority": (head(authority="me@test.example"), 400),
    "8.3.1 other scheme": (head(scheme="ftp"), 400),
    "8.3.1 no authority at all": ([*head()[:3], ("host", "")], 400),
    "8.3.1 fragment in :path": (head(path="/a#b"), 400),
    "8.5 CONNECT": ([(":method", "CONNECT"), (":authority", "test.example:80")], 501),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(ballast, name):
    fields, status = REFUSED[name]
    with H2Client(ballast.address) as h2:
        h2.send(h2.head_frame(1, fields))
        stream = h2.answer(1)
        assert stream.reset == PROTOCOL_ERROR or stream.status == status
        h2.ask(3)
        assert h2.answer(3).status == 200


CONNECTION_ERRORS = {
    "3.4 wrong preface": (False, lambda h2: [PREFACE[:-4] + b"XX\r\n"], PROTOCOL_ERROR),
    "3.4 preface without SETTINGS": (False, lambda h2: [PREFACE, PingFrame(0, b"12345678")], PROTOCOL_ERROR),
    "4.2 frame above the size limit": (True, lambda h2: [raw(DATA, 0, 1, b"x" * 16385)], FRAME_SIZE_ERROR),
    "4.2 HEADERS above the size limit": (True, lambda h2: [raw(HEADERS, 5, 1, b"x" * 16385)], FRAME_SIZE_ERROR),
    "4.2 CONTINUATION above the size limit": (True, lambda h2: [h2.head_frame(1, head(), True, False),
                                                                raw(CONTINUATION, 4, 1, b"x" * 16385)],
                                              FRAME_SIZE_ERROR),
    "4.2 unknown frame above the size limit": (True, lambda h2: [raw(0x77, 0, 0, b"x" * 16385)], FRAME_SIZE_ERROR),
    "4.2 HEADERS too short for their priority": (True, lambda h2: [raw(HEADERS, 0x25, 1, b"\0\0\0\0")],
                                                 FRAME_SIZE_ERROR),
    "4.2 GOAWAY of 7 bytes": (True, lambda h2: [raw(GOAWAY, 0, 0, b"\0" * 7)], FRAME_SIZE_ERROR),
    "4.3 index of no field": (True, lambda h2: [raw(HEADERS, 5, 1, b"\xfe")], COMPRESSION_ERROR),
    "4.3 index 0": (True, lambda h2: [raw(HEADERS, 5, 1, b"\x80")], COMPRESSION_ERROR),
    "4.3 head cut inside a field": (True, lambda h2: [raw(HEADERS, 5, 1, h2.encoder.encode(head())[:-1])],
                                    COMPRESSION_ERROR),
    "4.3 Huffman code with EOS": (True, lambda h2: [raw(HEADERS, 5, 1, b"\0\x84\xff\xff\xff\xff\1x")],
                                  COMPRESSION_ERROR),
    "4.3 table above our limit": (True, lambda h2: [raw(HEADERS, 5, 1, b"\x3f\xe2\x1f" + h2.encoder.encode(head()))],
                                  COMPRESSION_ERROR),
    "4.3 table size behind a field": (True, lambda h2: [raw(HEADERS, 5, 1, h2.encoder.encode(head()) + b"\x20")],
                                      COMPRESSION_ERROR),
    "4.3 HPACK error": (True, lambda h2: [raw(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff")], COMPRESSION_ERROR),
    "5.1 DATA on an idle stream": (True, lambda h2: [DataFrame(1, b"x")], PROTOCOL_ERROR),
    "5.1 RST_STREAM on an idle stream": (True, lambda h2: [RstStreamFrame(1, 8)], PROTOCOL_ERROR),
    "5.1 WINDOW_UPDATE on an idle stream": (True, lambda h2: [WindowUpdateFrame(1, 8)], PROTOCOL_ERROR),
    "5.1 HEADERS after END_STREAM": (True, lambda h2: [h2.head_frame(1, head()), h2.head_frame(1, head())],
                                     STREAM_CLOSED),
    "5.1 DATA after END_STREAM": (True, lambda h2: [h2.head_frame(1, head()), DataFrame(1, b"x")], STREAM_CLOSED),
    "5.1 DATA after trailers": (True, lambda h2: [post(h2), h2.head_frame(1, [("x", "y")]), DataFrame(1, b"x")],
                                STREAM_CLOSED),
    "5.1 CONTINUATION on an idle stream": (True, lambda h2: [raw(CONTINUATION, 4, 1, b"\x82")], PROTOCOL_ERROR),
    "5.5 unknown frame inside a head": (True, lambda h2: [h2.head_frame(1, head(), True, False), raw(0x77, 0, 1)],
                                        PROTOCOL_ERROR),
    "5.1.1 even stream": (True, lambda h2: [h2.head_frame(2, head())], PROTOCOL_ERROR),
    "5.1.1 stream that was skipped": (True, lambda h2: [h2.head_frame(5, head()), h2.head_frame(3, head())],
                                      PROTOCOL_ERROR),
    "6.1 DATA on stream 0": (True, lambda h2: [raw(DATA, 0, 0, b"x")], PROTOCOL_ERROR),
    "6.1 padding without its length": (True, lambda h2: [post(h2), raw(DATA, 8, 1)], PROTOCOL_ERROR),
    "6.1 padding as long as the frame": (True, lambda h2: [post(h2), raw(DATA, 8, 1, b"\x04abc")], PROTOCOL_ERROR),
    "6.1 padding longer than the frame": (True, lambda h2: [h2.head_frame(1, head("POST"), False),
                                                            raw(DATA, 8, 1, b"\x09abc")], PROTOCOL_ERROR),
    "6.2 HEADERS on stream 0": (True, lambda h2: [raw(HEADERS, 5, 0, b"\x82")], PROTOCOL_ERROR),
    "6.2 padding longer than the frame": (True, lambda h2: [raw(HEADERS, 0x0d, 1, b"\x09\x82\x87\x84")],
                                          PROTOCOL_ERROR),
    "6.2 padding without its length": (True, lambda h2: [raw(HEADERS, 0x0d, 1)], PROTOCOL_ERROR),
    "6.2 another head inside a head": (True, lambda h2: [h2.head_frame(1, head(), True, False),
                                                         h2.head_frame(3, head())], PROTOCOL_ERROR),
    "6.2 DATA inside a head": (True, lambda h2: [h2.head_frame(1, head("POST"), False, False), DataFrame(1, b"x")],
                               PROTOCOL_ERROR),
    "6.2 another frame inside a head": (True, lambda h2: [h2.head_frame(1, head(), True, False),
                                                          PingFrame(0, b"12345678")], PROTOCOL_ERROR),
    "6.3 PRIORITY on stream 0": (True, lambda h2: [raw(PRIORITY, 0, 0, b"\0\0\0\0\1")], PROTOCOL_ERROR),
    "6.3 PRIORITY of 4 bytes": (True, lambda h2: [raw(PRIORITY, 0, 1, b"\0\0\0\0")], FRAME_SIZE_ERROR),
    "6.4 RST_STREAM on stream 0": (True, lambda h2: [raw(RST, 0, 0, b"\0\0\0\0")], PROTOCOL_ERROR),
    "6.4 RST_STREAM of 3 bytes": (True, lambda h2: [h2.head_frame(1, head("POST"), False), raw(RST, 0, 1, b"\0\0\0")],
                                  FRAME_SIZE_ERROR),
    "6.5 SETTINGS on a stream": (True, lambda h2: [raw(SETTINGS, 0, 1)], PROTOCOL_ERROR),
    "6.5 SETTINGS of 5 bytes": (True, lambda h2: [raw(SETTINGS, 0, 0, b"12345")], FRAME_SIZE_ERROR),
    "6.5 ACK with payload": (True, lambda h2: [raw(SETTINGS, 1, 0, b"123456")], FRAME_SIZE_ERROR),
    "6.5.2 ENABLE_PUSH 2": (True, lambda h2: [SettingsFrame(0, {2: 2})], PROTOCOL_ERROR),
    "6.5.2 window above 2^31-1": (True, lambda h2: [SettingsFrame(0, {4: 2**31})], FLOW_CONTROL_ERROR),
    "6.5.2 MAX_FRAME_SIZE too small": (True, lambda h2: [SettingsFrame(0, {5: 100})], PROTOCOL_ERROR),
    "6.5.2 MAX_FRAME_SIZE too large": (True, lambda h2: [SettingsFrame(0, {5: 2**24})], PROTOCOL_ERROR),
    "6.6 PUSH_PROMISE from a client": (True, lambda h2: [h2.head_frame(1, head("POST"), False),
                                                         raw(PUSH, 4, 1, b"\0\0\0\2\x82")], PROTOCOL_ERROR),
    "6.7 PING on a stream": (True, lambda h2: [raw(PING, 0, 1, b"12345678")], PROTOCOL_ERROR),
    "6.7 PING of 7 bytes": (True, lambda h2: [raw(PING, 0, 0, b"1234567")], FRAME_SIZE_ERROR),
    "6.8 GOAWAY on a stream": (True, lambda h2: [raw(GOAWAY, 0, 1, b"\0" * 8)], PROTOCOL_ERROR),
    "6.9 WINDOW_UPDATE of 0": (True, lambda h2: [raw(WINDOW, 0, 0, b"\0\0\0\0")], PROTOCOL_ERROR),
    "6.9 WINDOW_UPDATE of 0 on a stream": (True, lambda h2: [post(h2), raw(WINDOW, 0, 1, b"\0\0\0\0")],
                                           PROTOCOL_ERROR),
    "6.9 WINDOW_UPDATE of 3 bytes": (True, lambda h2: [raw(WINDOW, 0, 0, b"\0\0\1")], FRAME_SIZE_ERROR),
    "6.9.1 connection window above 2^31-1": (True, lambda h2: [WindowUpdateFrame(0, 2**31 - 1)], FLOW_CONTROL_ERROR),
    "6.9.2 stream window above 2^31-1 by SETTINGS": (True, lambda h2: [
        h2.head_frame(1, head("POST"), False), WindowUpdateFrame(1, 2**31 - 1 - 65535), SettingsFrame(0, {4: 65536})],
                                                     FLOW_CONTROL_ERROR),
    "6.10 CONTINUATION without a head": (True, lambda h2: [h2.head_frame(1, head("POST"), False),
                                                           raw(CONTINUATION, 4, 1, b"\x82")], PROTOCOL_ERROR),
    "6.10 CONTINUATION on stream 0": (True, lambda h2: [h2.head_frame(1, head(), True, False),
                                                        raw(CONTINUATION, 4, 0, b"\x82")], PROTOCOL_ERROR),
    "6.10 CONTINUATION after END_HEADERS": (True, lambda h2: [h2.head_frame(1, head()),
                                                              raw(CONTINUATION, 4, 1, b"\x82")], PROTOCOL_ERROR),
    "6.10 CONTINUATION of another stream": (True, lambda h2: [h2.head_frame(1, head(), True, False),
                                                              raw(CONTINUATION, 4, 3, b"\x82")], PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_connection_error(ballast, name):
    hello, frames, code = CONNECTION_ERRORS[name]
    with H2Client(ballast.address, hello) as h2:
        h2.send(*frames(h2))
        said = h2.end()
        if name.startswith("3.4 wrong"):  # never was HTTP/2: answered as what it looks like
            return
        assert said == code
    assert ballast.get().status == 200


IGNORED = {
    "4.1 unknown frame type": lambda h2: [raw(0x77, 0xff, 1, b"abc")],
    "4.1 undefined flags": lambda h2: [raw(PING, 0xfe, 0, b"12345678")],
    "4.1 reserved bit": lambda h2: [raw(HEADERS, 5, 2**31 + 3, h2.encoder.encode(head()))],
    "5.3.2 priority in HEADERS": lambda h2: [raw(HEADERS, 0x25, 3, struct.pack(">IB", 1, 9)
                                                 + h2.encoder.encode(head()))],
    "5.1 PRIORITY on an idle stream": lambda h2: [raw(PRIORITY, 0, 9, b"\0\0\0\0\1")],
    "6.5.2 unknown setting": lambda h2: [SettingsFrame(0, {0x4242: 1})],
    "6.5.2 header table of 4 GiB": lambda h2: [SettingsFrame(0, {1: 2**32 - 1})],
    "6.9 window of 0, then more": lambda h2: [SettingsFrame(0, {4: 0}), SettingsFrame(0, {4: 65535})],
}


@pytest.mark.parametrize("name", IGNORED)
def test_ignored(ballast, name):
    with H2Client(ballast.address) as h2:
        h2.send(*IGNORED[name](h2))
        h2.ask(11)
        assert h2.answer(11).status == 200 and h2.goaway is None
