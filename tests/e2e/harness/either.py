"""A client of either version of HTTP with the same words for what it does, and the ways in which each can leave."""

import contextlib
import socket
import ssl
import struct

from .client import Client, WasReset
from .h2 import (CANCEL, NO_ERROR, DataFrame, GoAwayFrame, H2Client, RstStreamFrame, SettingsFrame, WindowUpdateFrame,
                 head)


def end_sending(sock):
    """In order: by TLS's word of an end where it is spoken, then by FIN. What comes is still read."""
    with contextlib.suppress(OSError):  # the other side may be quicker to end it all; its word is not waited for
        if isinstance(sock, ssl.SSLSocket):
            sock.settimeout(0)
            with contextlib.suppress(ssl.SSLError):
                sock.unwrap()
            sock.settimeout(60)
        socket.socket.shutdown(sock, socket.SHUT_WR)  # SSLSocket's own would forget the keys


def leave_by(sock, how):
    if how == "half":
        end_sending(sock)
        return
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()  # FIN; over TLS without a word before


class H1:
    """An HTTP/1.1 client, one connection a request."""

    WAYS = ("close", "half", "reset")

    def __init__(self, address, tls=None):
        self.client = Client(address, 60, tls)

    def ask(self, method, path, body=None, trailers=None):
        lines = f"{method} {path} HTTP/1.1\r\nHost: test.example\r\nTE: trailers\r\nConnection: TE\r\n".encode()
        if trailers is not None:
            self.client.send(lines + b"Transfer-Encoding: chunked\r\n\r\n")
            if body:
                self.client.send(b"%x\r\n%s\r\n" % (len(body), body))
            self.client.send(b"0\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers) + b"\r\n")
        elif body is not None:
            self.client.send(lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        else:
            self.client.send(lines + b"\r\n")

    def begin_upload(self, path):
        self.client.send(f"POST {path} HTTP/1.1\r\nHost: test.example\r\nContent-Length: 9\r\n\r\nhalf".encode())

    def answer(self, method="GET"):
        answer = self.client.read_answer(method.encode())
        while answer.status < 200:
            answer = self.client.read_answer(method.encode())
        lines = [line.decode().split(": ", 1) for line in answer.trailers.split(b"\r\n") if line]
        return answer.status, answer.body, {name.lower(): value for name, value in lines}

    def is_cut(self):
        try:
            self.client.read_answer()
        except WasReset:
            return True
        return False

    def wait_begun(self):
        """Read what there is of an answer whose body begins so."""
        self.client.stream.take_until(b"begun")

    def settle(self):
        """The connection is known to the balancer, and nothing is under way."""
        self.ask("GET", "/settle")
        self.answer()

    def rest(self, size):
        """So many bytes of it that follow."""
        return self.client.stream.take(size)

    def leave(self, how="reset"):
        leave_by(self.client.sock, how)

    def close(self):
        self.client.close()


class H2:
    """An HTTP/2 client, one stream."""

    WAYS = ("cancel", "goaway", "close", "half", "reset")

    def __init__(self, address, tls=None):
        self.client = H2Client(address, timeout=60, tls=tls)
        self.client.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 20}),
                         WindowUpdateFrame(0, window_increment=1 << 30))
        self.client.until(lambda: self.client.settings)

    def ask(self, method, path, body=None, trailers=None):
        self.client.ask(1, head(method, path, extra=[("te", "trailers")]), body, trailers)

    def begin_upload(self, path):
        self.client.send(self.client.head_frame(1, head("POST", path, extra=[("content-length", "9")]), False),
                         DataFrame(1, b"half"))

    def answer(self, method="GET"):
        stream = self.client.answer(1)
        assert stream.ended and stream.reset in (None, 0)
        trailers = stream.heads[-1] if ":status" not in stream.heads[-1] else {}
        return stream.status, bytes(stream.body), trailers

    def is_cut(self):
        stream = self.client.answer(1)
        return stream.reset not in (None, 0) and not stream.ended

    def wait_begun(self):
        self.client.until(lambda: 1 in self.client.streams and self.client.streams[1].body == b"begun")

    def settle(self):
        self.client.settle()

    def leave(self, how="cancel"):
        """By goaway: the last frame before it closes, as RFC 9113 section 6.8 asks for."""
        if how == "cancel":
            self.client.send(RstStreamFrame(1, CANCEL))
            return
        if how == "goaway":
            self.client.send(GoAwayFrame(0, 0, NO_ERROR))
        leave_by(self.client.socket, how)

    def close(self):
        self.client.socket.close()
