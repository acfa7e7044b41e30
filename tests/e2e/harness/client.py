"""A raw client: sends exactly the bytes it is given and reads answers strictly.

The reader is a judge, not a browser: whatever RFC 9112 does not allow in an answer raises ProtocolError, and an
answer that ends before its framing says so raises CutShort. A reset is no end: it raises WasReset, wherever it is met,
unless the test has said that it may come (`offer`, `ended_by_reset`, `gone`).
"""

import contextlib
import dataclasses
import re
import select
import socket
import ssl

from .waiting import PATIENCE_S

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t \x21-\x7e\x80-\xff]*?)[ \t]*")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class ProtocolError(AssertionError):
    """The peer sent something that RFC 9112 does not allow."""


class CutShort(AssertionError):
    """The connection ended in order, inside a message."""


class WasReset(AssertionError):
    """The connection was reset, or over TLS ended without a word, where more or an orderly end was due."""


RESETS = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)  # what the system and TLS call that


def assert_not_reset(sock):
    """Behind its end a connection may still be reset, which no reading tells."""
    broken = select.poll()
    broken.register(sock, 0)
    if any(event & select.POLLERR for _, event in broken.poll(0)):
        raise WasReset("reset behind its end")


class Fields:
    """Field lines in order, as (name, value) byte strings; names compare without case."""

    def __init__(self, lines):
        self.lines = list(lines)

    def all(self, name):
        return [value for field, value in self.lines if field.lower() == name.lower()]

    def one(self, name, default=None):
        values = self.all(name)
        if len(values) > 1:
            raise ProtocolError(f"{name!r} is repeated: {values}")
        return values[0] if values else default


@dataclasses.dataclass
class Answer:
    status: int
    reason: bytes
    fields: Fields
    head: bytes  # status line to the empty line, as received
    framing: str  # "length", "chunked", "close" or "none"
    body: bytes = b""
    trailers: bytes = b""  # trailer lines as received, without the closing empty line
    interim: list = dataclasses.field(default_factory=list)  # heads of the 1xx answers before it


def parse_fields(block):
    """Field lines (each with its CR LF) to Fields, strictly."""
    if not block:
        return Fields([])
    if not block.endswith(b"\r\n"):
        raise ProtocolError(f"field lines do not end in CR LF: {block!r}")
    lines = []
    for line in block[:-2].split(b"\r\n"):
        match = FIELD_LINE.fullmatch(line)
        if not match:
            raise ProtocolError(f"malformed field line: {line!r}")
        lines.append((match.group(1), match.group(2)))
    return Fields(lines)


class Stream:
    """Buffered reading from a socket, with exact control of how far it reads. Shared by client and worker."""

    def __init__(self, sock):
        self.sock = sock
        self.held = bytearray()  # it grows in place: many megabytes may come in small pieces
        self.reset = False  # it was, though what came before may still be there to read

    @property
    def buffer(self):
        """What was read and not yet taken."""
        return bytes(self.held)

    def fill(self):
        """Read more; False when the peer has ended the connection in order."""
        try:
            data = self.sock.recv(65536)
        except RESETS:
            data, self.reset = b"", True
        if not data and self.reset:
            raise WasReset(f"reset after {self.buffer!r}")
        self.held += data
        return bool(data)

    def take(self, count):
        """Exactly count bytes; CutShort carries what there was."""
        while len(self.held) < count:
            if not self.fill():
                raise CutShort(f"ended after {len(self.held)} of {count} bytes")
        data = bytes(self.held[:count])
        del self.held[:count]
        return data

    def take_until(self, mark):
        """All bytes up to and with mark."""
        while mark not in self.held:
            if not self.fill():
                raise CutShort(f"ended before {mark!r}, after {self.buffer!r}")
        end = self.held.index(mark) + len(mark)
        return self.take(end)

    def take_chunked(self):
        """A chunked body, in the only form that Ballast writes: no extensions. Returns (content, trailer lines)."""
        content = bytearray()
        while True:
            size = self.take_until(b"\r\n")[:-2]
            if not CHUNK_SIZE.fullmatch(size):
                raise ProtocolError(f"malformed chunk size: {size!r}")
            if int(size, 16) == 0:
                break
            content += self.take(int(size, 16))
            if self.take(2) != b"\r\n":
                raise ProtocolError("chunk data is not followed by CR LF")
        trailers = b""
        while True:
            line = self.take_until(b"\r\n")
            if line == b"\r\n":
                parse_fields(trailers)
                return bytes(content), trailers
            trailers += line

    def rest(self):
        """Everything until the peer ends the connection in order."""
        while self.fill():
            pass
        return self.take(len(self.held))

    def rest_until_reset(self):
        """Everything until the peer resets the connection."""
        try:
            rest = self.rest()
        except WasReset:
            return self.take(len(self.held))
        raise AssertionError(f"an orderly end, and no reset, after {rest!r}")


class Client:
    """One connection to the balancer, over TLS where there is a context for it. Every wait is bounded by `timeout`
    seconds."""

    def __init__(self, address, timeout=PATIENCE_S, tls=None, source=None):
        self.sock = socket.create_connection(address, timeout=timeout, source_address=source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="test.example", suppress_ragged_eofs=False)
        self.stream = Stream(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def close(self):
        self.sock.close()

    def send(self, data, bytewise=False):
        """Send all of it."""
        if not self.offer(data, bytewise):
            raise WasReset("reset while it was sent to")

    def offer(self, data, bytewise=False):
        """Send all of it, or as much as the balancer takes before it resets the connection, as it may where it refuses
        what is sent; False when it did not take all."""
        pieces = [data[i:i + 1] for i in range(len(data))] if bytewise else [data]
        try:
            for piece in pieces:
                self.sock.sendall(piece)
        except RESETS:
            self.stream.reset = True
        return not self.stream.reset

    def finish(self):
        """End our direction and keep reading (a half-closed client)."""
        self.sock.shutdown(socket.SHUT_WR)

    def read_head(self):
        head = self.stream.take_until(b"\r\n\r\n")
        line, _, block = head[:-2].partition(b"\r\n")
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise ProtocolError(f"malformed status line: {line!r}")
        return int(match.group(1)), match.group(2), parse_fields(block), head

    def read_answer(self, method=b"GET", version=b"1.1"):
        """One final answer with the 1xx ones before it, judged strictly for a request with this method and version."""
        interim = []
        while True:
            status, reason, fields, head = self.read_head()
            if status == 101 or status >= 200:
                break
            if version == b"1.0":
                raise ProtocolError("a 1xx answer to an HTTP/1.0 client")
            interim.append(head)
        answer = Answer(status, reason, fields, head, self.framing(method, status, fields, version), interim=interim)
        if answer.framing == "length":
            answer.body = self.stream.take(int(fields.one(b"content-length")))
        elif answer.framing == "chunked":
            answer.body, answer.trailers = self.stream.take_chunked()
        elif answer.framing == "close":
            answer.body = self.stream.rest()
        return answer

    @staticmethod
    def framing(method, status, fields, version):
        """RFC 9112 section 6.3 as a strict client sees it."""
        length, coding = fields.one(b"content-length"), fields.one(b"transfer-encoding")
        if length is not None and coding is not None:
            raise ProtocolError("an answer with both Content-Length and Transfer-Encoding")
        if coding is not None and (coding.lower() != b"chunked" or version == b"1.0"):
            raise ProtocolError(f"unexpected Transfer-Encoding: {coding!r}")
        if length is not None and not re.fullmatch(rb"[0-9]{1,18}", length):
            raise ProtocolError(f"malformed Content-Length: {length!r}")
        if status in (101, 204) and (length is not None or coding is not None):
            raise ProtocolError(f"a {status} answer with a framing field")
        if method == b"HEAD" or status in (101, 204, 304):
            return "none"
        if coding is not None:
            return "chunked"
        return "length" if length is not None else "close"

    def ended(self):
        """Wait for the balancer to end the connection in order; the surplus bytes it sent before that (b"" as it should
        be)."""
        surplus = self.stream.rest()
        assert_not_reset(self.sock)
        return surplus

    def ended_by_reset(self):
        """Wait for the balancer to reset the connection; the surplus bytes it sent before that."""
        return self.stream.rest_until_reset()

    def gone(self):
        """Wait for either, where the balancer owes no orderly end; the surplus bytes it sent before that."""
        with contextlib.suppress(WasReset):
            while self.stream.fill():
                pass
        return self.stream.take(len(self.stream.buffer))
