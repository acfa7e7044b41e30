"""WebSockets over HTTP/2 as a client: extended CONNECT (RFC 8441), and single frames of RFC 6455."""

import os

from .h2 import DataFrame, H2Client, head


def connect_head(path="/chat", protocol="websocket", extra=()):
    pseudo = head("CONNECT", path)
    return [*pseudo[:1], (":protocol", protocol), *pseudo[1:], ("sec-websocket-version", "13"), *extra]


def opened(ballast):
    """A client that knows that it may. A thousand handshakes at once take their worker long on a busy machine."""
    client = H2Client(ballast.address, timeout=120)
    client.until(lambda: client.settings)
    return client


def masked(payload, opcode=1):
    """One frame of RFC 6455 from a client."""
    mask = os.urandom(4)
    n = len(payload)
    length = bytes([0x80 | n]) if n < 126 else b"\xfe" + n.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def plain(payload, opcode=1):
    """The same from a server."""
    n = len(payload)
    return bytes([0x80 | opcode]) + (bytes([n]) if n < 126 else b"\x7e" + n.to_bytes(2, "big")) + payload


def establish(client, stream, **options):
    client.send(client.head_frame(stream, connect_head(**options), end_stream=False))


def echo(client, stream, text):
    before = len(client.streams[stream].body)
    client.send(DataFrame(stream, masked(text)))
    wanted = plain(text)
    client.until(lambda: len(client.streams[stream].body) >= before + len(wanted))
    assert bytes(client.streams[stream].body[before:]) == wanted
