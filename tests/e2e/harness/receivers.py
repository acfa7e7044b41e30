"""Servers that logs are sent to: syslog over datagrams and streams, and the journal's socket."""

import contextlib
import re
import socket
import threading

from .waiting import wait_for

# RFC 5424, section 6: PRI, VERSION, TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID, STRUCTURED-DATA, MSG.
PRINT = r"[\x21-\x7e]"
PARAM = r'[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}="(?:[^"\\\]]|\\.)*"'
SYSLOG = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) "
    rf"(?P<host>{PRINT}{{1,255}}) (?P<app>{PRINT}{{1,48}}) (?P<process>{PRINT}{{1,128}}) (?P<kind>{PRINT}{{1,32}}) "
    rf"(?P<data>-|\[[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{{1,32}}(?: {PARAM})*\]) (?P<text>.*)", re.DOTALL)


def parse_syslog(message):
    """A message of RFC 5424 as a dict; its structured data as `facts`."""
    match = SYSLOG.fullmatch(message.decode())
    assert match, f"no message of RFC 5424: {message!r}"
    parsed = match.groupdict()
    pairs = re.findall(r'([^ =\[]+)="((?:[^"\\\]]|\\.)*)"', parsed["data"])
    parsed["facts"] = {name: re.sub(r'\\(["\\\]])', r"\1", value) for name, value in pairs}
    parsed["severity"], parsed["facility"] = int(parsed["pri"]) % 8, int(parsed["pri"]) // 8
    return parsed


def parse_journal(message):
    """A datagram of the journal's native protocol as a dict: no field of ours has a line feed in it."""
    assert message.endswith(b"\n")
    fields = dict(line.split("=", 1) for line in message.decode().splitlines())
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in fields)
    return fields


class Receiver:
    """Takes messages on a thread of its own until it is closed."""

    def __init__(self, sock, parse):
        self.sock, self.parse, self.messages = sock, parse, []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR) if self.sock.type == socket.SOCK_STREAM else self._poke()
        self.thread.join(10)
        self.sock.close()

    def _poke(self):
        """Ends the wait of a datagram socket."""
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as other:
            other.sendto(b"", self.sock.getsockname())

    def _run(self):
        while message := self.sock.recv(65536):
            self.messages.append(self.parse(message))

    def wait(self, is_it, count=1):
        """The messages of this kind, once there are so many."""
        return wait_for(lambda: len(found := [m for m in list(self.messages) if is_it(m)]) >= count and found,
                        what=f"{count} messages of {self.messages}")


class StreamReceiver(Receiver):
    """The same over TCP with octet counting (RFC 6587, section 3.4.1), a thread for each connection."""

    def _run(self):
        self.connections = []
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                break
            thread = threading.Thread(target=self._read, args=(connection,), daemon=True)
            self.connections.append((connection, thread))
            thread.start()
        for connection, thread in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(10)

    def _read(self, connection):
        with connection, connection.makefile("rb") as stream:
            while digits := self._count(stream):
                self.messages.append(self.parse(stream.read(int(digits))))

    @staticmethod
    def _count(stream):
        digits = b""
        while (byte := stream.read(1)).isdigit():
            digits += byte
        assert byte in (b" ", b""), f"no count: {digits + byte!r}"
        return digits


def unix_datagrams(path, parse):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    return Receiver(sock, parse)


def udp(parse):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return Receiver(sock, parse)


def tcp(parse, port=0):
    return StreamReceiver(socket.create_server(("127.0.0.1", port)), parse)
