"""A connection that Ballast ends between two requests ends in order, and what its client sends in that moment is not
answered by a reset: the client sees the end, and may ask again on another connection."""

import signal
import ssl

import pytest

from harness.admin import Admin
from harness.certificates import Authority
from harness.client import Client, assert_not_reset
from harness.h2 import NO_ERROR, H2Client, PingFrame
from harness.reloads import reload
from harness.waiting import PATIENCE_S, free_port

REQUEST = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"


@pytest.fixture
def run(balance, scripted, tmp_path):
    """run(**timeouts) -> a balancer with a listener in the clear, one for TLS, and what clients of that need."""
    def start(**timeouts):
        authority = Authority(tmp_path)
        chain, key = authority.sign("test.example")
        listeners = [{"address": f"127.0.0.1:{free_port()}"}, {"address": f"127.0.0.1:{free_port()}", "tls": {
            "certificates": [{"chain": str(chain), "key": str(key)}]}}]
        ballast = balance(scripted(), listeners=listeners, timeouts={"drain": "60s", **timeouts},
                          admin={"address": f"unix:{tmp_path}/admin", "write": True})
        ballast.admin = Admin(tmp_path / "admin")
        return ballast, authority
    return start


def connect(ballast, authority, kind):
    """A client that has asked, and may again; or that has not asked yet."""
    tls = ballast.config["listeners"][1]["address"].rpartition(":")[2] if kind == "tls" else None
    address = ("127.0.0.1", int(tls)) if tls else ballast.address
    client = Client(address, 20, tls=ssl.create_default_context(cafile=str(authority.path)) if tls else None)
    if kind != "silent":
        client.send(REQUEST)
        assert client.read_answer().status == 200
    return client


def assert_ends_in_order(client):
    """What is sent behind the end is read by nobody, and answered by nothing."""
    assert client.ended() == b""
    client.send(REQUEST)
    client.send(REQUEST)
    assert_not_reset(client.sock)


KINDS = pytest.mark.parametrize("kind", ["asked", "tls"])


@pytest.mark.parametrize("idle", ["500ms", "2s"])  # before its session rests (http/rest), and after
def test_when_it_has_idled(run, stack, idle):
    """Of each kind one, all at the same time: the system hands over a silent one after a second, so it ends last."""
    ballast, authority = run(client_idle=idle)
    for client in [stack.enter_context(connect(ballast, authority, kind)) for kind in ("tls", "asked", "silent")]:
        assert_ends_in_order(client)


@KINDS
def test_when_the_balancer_stops(run, kind):
    ballast, authority = run()
    with connect(ballast, authority, kind) as client:
        ballast.send_signal(signal.SIGTERM)
        assert_ends_in_order(client)
    assert ballast.process.wait(PATIENCE_S) == 0


@KINDS
def test_who_does_not_look_is_not_waited_for_long(run, kind):
    """As many libraries keep connections: the end is seen when the next request needs one."""
    ballast, authority = run()
    with connect(ballast, authority, kind):
        ballast.send_signal(signal.SIGTERM)
        assert ballast.process.wait(PATIENCE_S) == 0


def test_when_its_listener_goes(run):
    ballast, authority = run()
    with connect(ballast, authority, "tls") as client:
        reload(ballast, {**ballast.config, "listeners": ballast.config["listeners"][:1]})
        assert_ends_in_order(client)


def test_over_http2(run):
    ballast, _ = run()
    with H2Client(ballast.address) as client:
        client.ask(1)
        assert client.answer(1).status == 200
        ballast.send_signal(signal.SIGTERM)
        assert client.end() == NO_ERROR and client.last == 1
        client.ask(3)
        client.send(PingFrame(0, b"12345678"))
        assert_not_reset(client.socket)
    assert ballast.process.wait(PATIENCE_S) == 0
