"""The harness's own judges of how a connection ends: a reset is never taken for an end, unless it was expected."""

import contextlib
import socket
import struct
import threading

import pytest

from harness.client import Client, CutShort, WasReset
from harness.h2 import H2Client, SettingsFrame

PART = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"
SETTINGS = SettingsFrame(0).serialize()


def end(sock):
    sock.close()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def reset_behind_the_end(sock):
    sock.shutdown(socket.SHUT_WR)
    reset(sock)


@pytest.fixture
def serve(stack):
    """serve(says, leave) -> the address of a server that says that; and what has it leave so, and waits until it has.
    """
    def start(says, leave):
        listener, go = stack.enter_context(socket.create_server(("127.0.0.1", 0))), threading.Event()

        def once():
            accepted = listener.accept()[0]
            accepted.sendall(says)
            assert go.wait(10)
            leave(accepted)
        thread = threading.Thread(target=once, daemon=True)
        thread.start()

        def go_on():
            go.set()
            thread.join(10)
            assert not thread.is_alive()
        return listener.getsockname(), go_on
    return start


@contextlib.contextmanager
def left(serve, leave, says=b"surplus"):
    """A client of such a server when it has left."""
    address, go_on = serve(says, leave)
    with Client(address) as client:
        go_on()
        yield client


def test_an_orderly_end(serve):
    with left(serve, end) as client:
        assert client.ended() == b"surplus"
    with left(serve, end) as client:
        assert client.gone() == b"surplus"
    with left(serve, end) as client, pytest.raises(AssertionError, match="an orderly end, and no reset"):
        client.ended_by_reset()
    with left(serve, end, PART) as client, pytest.raises(CutShort):
        client.read_answer()


@pytest.mark.parametrize("leave", [reset, reset_behind_the_end])
def test_a_reset_is_no_end(serve, leave):
    with left(serve, leave) as client, pytest.raises(WasReset):
        client.ended()
    with left(serve, leave) as client, pytest.raises(WasReset):
        client.send(b"x")
        client.send(b"x")


def test_a_reset_inside_an_answer(serve):
    with left(serve, reset, PART) as client, pytest.raises(WasReset):
        client.read_answer()
    with left(serve, reset, PART.replace(b"Content-Length: 5\r\n", b"")) as client, pytest.raises(WasReset):
        client.read_answer()


def test_a_reset_that_was_expected(serve):
    with left(serve, reset) as client:
        assert client.ended_by_reset() == b"surplus"
    with left(serve, reset) as client:
        assert client.gone() == b"surplus"


def test_a_reset_that_a_send_has_met_is_remembered(serve):
    """The system tells of it once: to who reads next it looks like an orderly end."""
    with left(serve, reset) as client:
        assert not client.offer(b"x")
        with pytest.raises(WasReset):
            client.ended()


def test_over_http2(serve):
    for leave in (reset, reset_behind_the_end):
        address, go_on = serve(SETTINGS, leave)
        with H2Client(address, hello=False) as client, pytest.raises(WasReset):
            go_on()
            client.end()
    address, go_on = serve(SETTINGS, reset)
    with H2Client(address, hello=False) as client:
        go_on()
        assert not client.offer(SETTINGS)
        with pytest.raises(WasReset):
            client.end()
