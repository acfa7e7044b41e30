"""A scripted worker: a raw TCP server that records what it got and plays what a test wrote.

It answers GET /health by itself, on any connection. Every other request is recorded byte by byte, and answered by
the script in force (or by a plain 200). Each connection has its own thread; waits are bounded.
"""

import collections
import dataclasses
import re
import socket
import struct
import threading
import time

from .client import CutShort, ProtocolError, Stream, WasReset, parse_fields
from .waiting import PATIENCE_S, wait_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+) HTTP/1\.1")


@dataclasses.dataclass(frozen=True)
class Step:
    """Something a script does other than sending bytes."""
    verb: str
    event: object = None  # or a function


CLOSE = Step("close")  # an orderly end in both directions
RESET = Step("reset")  # RST
HALF_CLOSE = Step("half_close")  # FIN, and go on reading
READ_BODY = Step("read_body")  # only in a script that starts early
ECHO = Step("echo")  # after a 101: whatever comes is sent back, until the peer's orderly end
READ_REST = Step("read_rest")  # after a 101: all that comes until the peer's orderly end is the request's body
READ_UNTIL_RESET = Step("read_until_reset")  # the same, until the peer's reset


def wait(event):
    """A step that holds the script until the test sets the event (a threading.Event)."""
    return Step("wait", event)


def signal(event):
    """A step that sets the event, for the test to wait for."""
    return Step("signal", event)


def run(function):
    """A step that is the test's own: called with the socket, from which no more than the head was read."""
    return Step("run", function)


@dataclasses.dataclass(frozen=True)
class Script:
    """Byte strings to send and Steps, in order. With `early`, it starts when the head is there, before the body."""
    steps: tuple = (OK,)
    early: bool = False


@dataclasses.dataclass
class Request:
    connection: int  # which connection of this worker, from 0, probes' connections included
    head: bytes  # request line to the empty line, as received
    method: bytes = b""
    target: bytes = b""
    body: bytes = b""  # without its framing
    trailers: bytes = b""
    complete: bool = False
    framing: str = "none"


class Worker:
    """Listens from construction on, over TLS where there is a context for it; `requests` holds all recorded ones,
    oldest first."""

    def __init__(self, host="127.0.0.1", timeout=20.0, tls=None):
        self.timeout, self.tls = timeout, tls
        self.lock = threading.Lock()
        self.requests = []
        self.faults = []  # what no balancer may ever send: malformed requests
        self.probes = []  # when each came, and on which connection
        self.health_body = b"ok"
        self.scripts = collections.deque()
        self.by_target = {}
        self.default = Script()
        self.healthy = True
        self.connections = []
        self.ended = set()  # numbers of the connections that are over
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                                             backlog=1024)
        self.host, self.port = self.listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self):
        """Stop listening and end every connection."""
        for sock in [self.listener, *self.connections]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def play(self, *scripts):
        """The next requests get these scripts, one each; after them the default again."""
        with self.lock:
            self.scripts = collections.deque(scripts)

    def play_at(self, target, script):
        """Every request for this target gets this script."""
        with self.lock:
            self.by_target[target] = script

    def take(self):
        """All requests recorded since the last call."""
        with self.lock:
            taken, self.requests = self.requests, []
            return taken

    def wait_requests(self, count, timeout=PATIENCE_S):
        """Wait until `count` complete requests are recorded; returns all recorded."""
        def enough():
            with self.lock:
                return sum(request.complete for request in self.requests) >= count
        wait_for(enough, timeout, f"{count} requests at the worker")
        with self.lock:
            return list(self.requests)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                number = len(self.connections)
                self.connections.append(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock, number):
        sock.settimeout(self.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.tls:
                sock = self.connections[number] = self.tls.wrap_socket(sock, server_side=True)
            stream = Stream(sock)
            while self._exchange(sock, stream, number):
                pass
        except ProtocolError as error:
            self.faults.append(str(error))
        except (CutShort, WasReset, OSError):
            pass  # the balancer ended the connection, which it may at any time: the record shows how far it got
        finally:
            sock.close()
            self.ended.add(number)

    def _exchange(self, sock, stream, number):
        """One request and its answer; False when the connection is done with."""
        if not stream.buffer and not stream.fill():
            return False
        request = Request(number, b"")
        try:
            request.head = stream.take_until(b"\r\n\r\n")
        except (CutShort, WasReset):
            self._record(Request(number, stream.buffer))
            return False
        fields = self._judge(request)
        if request.target == b"/health":
            self.probes.append((time.monotonic(), number))
            status = b"200 OK" if self.healthy else b"503 Unhealthy"
            length = b"\r\nContent-Length: %d\r\n\r\n" % len(self.health_body)
            sock.sendall(b"HTTP/1.1 " + status + length + self.health_body)
            return True
        script = self._record(request)
        if not script.early:
            self._read_body(stream, request, fields)
        return self._play(sock, stream, request, fields, script)

    def _judge(self, request):
        line, _, block = request.head[:-2].partition(b"\r\n")
        match = REQUEST_LINE.fullmatch(line)
        if not match:
            raise ProtocolError(f"malformed request line at the worker: {line!r}")
        request.method, request.target = match.groups()
        fields = parse_fields(block)
        if fields.one(b"content-length") is not None and fields.one(b"transfer-encoding") is not None:
            raise ProtocolError("a request with both Content-Length and Transfer-Encoding at the worker")
        return fields

    def _record(self, request):
        with self.lock:
            self.requests.append(request)
            if request.target in self.by_target:
                return self.by_target[request.target]
            return self.scripts.popleft() if self.scripts else self.default

    def _read_body(self, stream, request, fields):
        if request.complete:
            return
        if fields.one(b"transfer-encoding") is not None:
            request.framing = "chunked"
            request.body, request.trailers = stream.take_chunked()
        elif fields.one(b"content-length") is not None:
            request.framing = "length"
            request.body = stream.take(int(fields.one(b"content-length")))
        request.complete = True

    def _play(self, sock, stream, request, fields, script):
        for step in script.steps:
            if isinstance(step, bytes):
                sock.sendall(step)
            elif step.verb == "wait":
                step.event.wait(self.timeout)
            elif step.verb == "signal":
                step.event.set()
            elif step.verb == "run":
                step.event(sock)
            elif step.verb == "read_body":
                self._read_body(stream, request, fields)
            elif step.verb == "echo":
                while stream.buffer or stream.fill():
                    sock.sendall(stream.take(len(stream.buffer)))
            elif step.verb == "read_rest":
                request.body = stream.rest()
                request.complete = True
            elif step.verb == "read_until_reset":
                request.body = stream.rest_until_reset()
            elif step.verb == "half_close":
                sock.shutdown(socket.SHUT_WR)
            elif step.verb == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            else:
                return False
        self._read_body(stream, request, fields)
        return True


def fill_backlog(stack, worker):
    """In the worker's place a listener that accepts no connection and refuses none: its backlog is full."""
    worker.close()
    wait_for(lambda: len(worker.ended) == len(worker.connections), what="the worker's connections to end")
    listener = stack.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", worker.port))
    listener.listen(0)
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", worker.port))
