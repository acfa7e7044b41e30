"""HTTP/2 frame by frame: a client and a worker that may break any rule, with hyperframe's frames and hpack's heads. As
for `client`, a reset of the connection is no end: it raises WasReset.
"""

import dataclasses
import select
import socket
import ssl
import threading

import hpack
from hyperframe.frame import (ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame,
                              SettingsFrame, WindowUpdateFrame)

from .client import RESETS, WasReset, assert_not_reset
from .h2_judge import BrokenRule, FrameJudge
from .waiting import PATIENCE_S

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0, 1, 2, 3, 5
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 6, 7, 8, 9, 11


def head(method="GET", path="/", authority="test.example", scheme="http", extra=()):
    return [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority), *extra]


def raw(kind, flags, stream, payload=b""):
    """A frame that no library would write."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@dataclasses.dataclass
class Stream:
    heads: list = dataclasses.field(default_factory=list)  # each a dict: 1xx, the answer, trailers
    body: bytearray = dataclasses.field(default_factory=bytearray)
    ended: bool = False
    reset: int = None

    @property
    def status(self):
        return int(next(h[":status"] for h in reversed(self.heads) if ":status" in h))


class H2Client:
    """One connection. Frames are sent as told; what comes is judged, and kept by stream."""

    answers = True  # are what comes

    def __init__(self, address, hello=True, timeout=PATIENCE_S, tls=None):
        connected = socket.create_connection(address, timeout)
        if tls:
            connected = tls.wrap_socket(connected, server_hostname="test.example", suppress_ragged_eofs=False)
        self.take_over(connected)
        if hello:
            self.send(PREFACE, SettingsFrame(0))

    def take_over(self, connected):
        self.socket = connected
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.streams, self.buffer, self.block = {}, b"", b""
        self.goaway, self.last, self.settings, self.updates = None, None, {}, []
        self.closed = self.reset = False  # reset: it was, though what came before may still be there to read
        self.goaways, self.pongs, self.frames = [], [], []
        self.judge = FrameJudge(answers=self.answers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def send(self, *frames):
        """Send all of them."""
        if not self.offer(*frames):
            raise WasReset("reset while it was sent to")

    def offer(self, *frames):
        """Send them, or as much as the other side takes before it resets the connection; False when it did not take
        all."""
        data = b"".join(f if isinstance(f, bytes) else f.serialize() for f in frames)
        for frame in frames:
            if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.judge.note_settings(frame.settings)
        try:
            self.socket.sendall(data)
        except RESETS:
            self.reset = True
        return not self.reset

    def head_frame(self, stream, fields, end_stream=True, end_headers=True):
        flags = [name for name, on in (("END_STREAM", end_stream), ("END_HEADERS", end_headers)) if on]
        return HeadersFrame(stream, self.encoder.encode(fields, huffman=False), flags=flags)

    def ask(self, stream, fields=None, body=None, trailers=None):
        """A request with a body that fits the first window."""
        self.send(self.head_frame(stream, fields or head(), body is None and trailers is None))
        if body is not None:
            for at in range(0, max(len(body), 1), 16384):
                piece = body[at:at + 16384]
                last = at + 16384 >= len(body) and trailers is None
                self.send(DataFrame(stream, piece, flags=["END_STREAM"] if last else []))
        if trailers is not None:
            self.send(self.head_frame(stream, trailers))

    def take(self):
        """Read once; false at the orderly end."""
        try:
            data = self.socket.recv(262144)
        except RESETS:
            data, self.reset = b"", True
        if not data:
            self.closed = True
            if self.reset:
                raise WasReset("reset where a frame or an orderly end was due")
            return False
        self.buffer += data
        while len(self.buffer) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self.buffer[:9]))
            if len(self.buffer) < 9 + length:
                break
            self.judge.judge(self.buffer[:9], self.buffer[9:9 + length])
            frame.parse_body(memoryview(self.buffer[9:9 + length]))
            self.buffer = self.buffer[9 + length:]
            self.note(frame)
        return True

    def note(self, frame):
        self.frames.append((type(frame), frame.stream_id, frame.body_len, set(frame.flags)))
        stream = self.streams.setdefault(frame.stream_id, Stream())
        if isinstance(frame, (HeadersFrame, ContinuationFrame)):
            self.block += bytes(frame.data)
            if "END_HEADERS" in frame.flags:
                fields = self.decoder.decode(self.block)
                self.judge.judge_fields(fields, trailers=any(self.is_final(h) for h in stream.heads))
                stream.heads.append(dict(fields))
                self.block = b""
        elif isinstance(frame, DataFrame):
            stream.body += frame.data
        elif isinstance(frame, RstStreamFrame):
            stream.reset = frame.error_code
        elif isinstance(frame, GoAwayFrame):
            self.goaway, self.last = frame.error_code, frame.last_stream_id
            self.goaways.append((frame.last_stream_id, frame.error_code))
        elif isinstance(frame, SettingsFrame):
            self.settings.update(frame.settings)
            if "ACK" not in frame.flags:
                self.send(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, PingFrame):
            if "ACK" in frame.flags:
                self.pongs.append(frame.opaque_data)
            else:
                self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, WindowUpdateFrame):
            self.updates.append((frame.stream_id, frame.window_increment))
        if "END_STREAM" in frame.flags:
            stream.ended = True

    def is_final(self, fields):
        """Whether what follows this head are trailers."""
        return not self.answers or not fields[":status"].startswith("1")

    def count(self, kind, flag=None):
        """How many frames of this kind came, with that flag or without."""
        return sum(frame[0] is kind and (flag is None or flag in frame[3]) for frame in self.frames)

    def settle(self):
        """Everything that was sent is taken in by now, and what was to be said about it has come."""
        mark = b"%08d" % len(self.frames)
        self.send(PingFrame(0, mark))
        assert self.until(lambda: mark in self.pongs), self.goaway

    def until(self, done):
        """Read until done() or the connection's end; done()'s value."""
        while not done() and not self.closed:
            self.take()
        return done()

    def answer(self, stream):
        """The stream when it has ended, whole or reset."""
        assert self.until(lambda: stream in self.streams and (self.streams[stream].ended
                                                              or self.streams[stream].reset is not None)), self.goaway
        return self.streams[stream]

    def end(self):
        """Read to the connection's orderly end; the last GOAWAY's code."""
        self.until(lambda: False)
        assert_not_reset(self.socket)
        return self.goaway


class H2Connection(H2Client):
    """A balancer's connection to a worker: the same frames, from the other side."""

    answers = False

    def __init__(self, worker, accepted):
        self.take_over(accepted)
        self.worker, self.hello, self.number = worker, b"", len(worker.connections)
        self.lock = threading.RLock()
        accepted.settimeout(60)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(SettingsFrame(0, settings=worker.settings))

    def offer(self, *frames):
        with self.lock:
            return super().offer(*frames)

    def take(self):
        if not self.worker.tls:
            return super().take()
        self.socket.pending() or select.select([self.socket], [], [])
        with self.lock:  # TLS does not read while another thread writes
            return super().take()

    def run(self):
        while len(self.hello) < len(PREFACE) and (data := self.socket.recv(len(PREFACE) - len(self.hello))):
            self.hello += data
        while self.take():
            pass
        self.socket.close()

    def note(self, frame):
        super().note(frame)
        stream = self.streams[frame.stream_id]
        if isinstance(frame, DataFrame) and frame.data and self.worker.reads:
            self.send(WindowUpdateFrame(0, window_increment=len(frame.data)),
                      WindowUpdateFrame(frame.stream_id, window_increment=len(frame.data)))
        if isinstance(frame, HeadersFrame) and len(stream.heads) == 1:
            path = stream.heads[0][":path"]
            if path == "/health":
                self.answer_with(frame.stream_id)
            else:
                self.worker.asked.append((self.number, frame.stream_id, path))
                self.worker.play.get(path, H2Connection.answer_with)(self, frame.stream_id)

    def answer_with(self, stream, body=b"ok", status="200", extra=(), ends=True):
        self.send(self.head_frame(stream, [(":status", status), *extra], ends and not body))
        if body:
            self.send(DataFrame(stream, body, flags=["END_STREAM"] if ends else []))


class H2Worker:
    """A worker that speaks HTTP/2, over TLS where there is a context for it. `play` maps a path to what is done when it
    is asked for: a function of the connection and the stream's number; any other path gets 200."""

    def __init__(self, play=None, settings=None, reads=True, tls=None):
        self.play, self.settings, self.reads, self.tls = play or {}, settings or {}, reads, tls
        self.asked, self.connections, self.ended = [], [], []
        self.faults = []  # what no balancer may ever send
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        assert not self.faults

    def close(self):
        """Stop listening and end every connection."""
        for ends in [self.listener, *(connection.socket for connection in self.connections)]:
            try:
                ends.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            ends.close()

    def accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            try:
                accepted = self.tls.wrap_socket(accepted, server_side=True) if self.tls else accepted
            except ssl.SSLError:
                continue
            connection = H2Connection(self, accepted)
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            connection.run()
        except (WasReset, OSError, ValueError):
            pass  # the balancer, or the test, has ended it
        except BrokenRule as error:
            self.faults.append(error)
        finally:
            self.ended.append(connection.number)
