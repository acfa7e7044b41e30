"""What workers are told about clients: whom the balancer believes, over IPv4, IPv6 and Unix sockets."""

import re
import socket
import threading

import pytest

from harness.ballast import Ballast, settings
from harness.client import Client
from harness.waiting import free_port, has_ipv6, wait_for

needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
CLAIMS = (b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.2\r\nX-Forwarded-Proto: https\r\n"
          b"X-Forwarded-Host: outside.example\r\nForwarded: for=203.0.113.7;proto=https\r\n")
BELIEVED = {
    "x-forwarded-for": ["203.0.113.7, 198.51.100.2, {ip}"], "x-forwarded-proto": ["https"],
    "x-forwarded-host": ["outside.example"],
    "forwarded": ["for=203.0.113.7;proto=https, for={for};host=test.example;proto=http"],
}
NOT_BELIEVED = {
    "x-forwarded-for": ["{ip}"], "x-forwarded-proto": ["http"], "x-forwarded-host": ["test.example"],
    "forwarded": ["for={for};host=test.example;proto=http"],
}


def seen(client, extra=b""):
    """What the worker got: field names to lists of values."""
    client.send(b"GET /headers HTTP/1.1\r\nHost: test.example\r\n" + extra + b"\r\n")
    answer = client.read_answer()
    assert answer.status == 200
    fields = {}
    for line in answer.body.decode().split("\r\n")[1:-2]:
        name, _, value = line.partition(": ")
        fields.setdefault(name.lower(), []).append(value)
    return fields


def assert_fields(fields, expected, ip="127.0.0.1"):
    quoted = f'"[{ip}]"' if ":" in ip else ip
    for name, values in expected.items():
        assert fields.get(name) == [value.replace("{ip}", ip).replace("{for}", quoted) for value in values], fields


@pytest.mark.parametrize("trusted, expected", [
    ([], NOT_BELIEVED), (["10.0.0.0/8"], NOT_BELIEVED), (["127.0.0.0/8"], BELIEVED), (["127.0.0.1"], BELIEVED),
    (["127.0.0.2/32"], NOT_BELIEVED), (["10.0.0.0/8", "127.0.0.0/31"], BELIEVED), (["0.0.0.0/0"], BELIEVED),
    (["::1"], NOT_BELIEVED), (["fd00::/8"], NOT_BELIEVED),
])
def test_only_trusted_networks_are_believed(demo, balance, trusted, expected):
    ballast = balance(demo().address, forwarded={"trusted": trusted})
    with ballast.connect() as client:
        assert_fields(seen(client, CLAIMS), expected)
        assert_fields(seen(client), NOT_BELIEVED)


@needs_ipv6
@pytest.mark.parametrize("trusted, expected", [
    ([], NOT_BELIEVED), (["::1"], BELIEVED), (["::/0"], BELIEVED), (["127.0.0.0/8"], NOT_BELIEVED),
    (["0.0.0.0/0"], NOT_BELIEVED),
])
def test_ipv6_clients_and_workers(demo, balance, trusted, expected):
    port = free_port("::1")
    ballast = balance(demo(host="::1").address, forwarded={"trusted": trusted},
                      listeners=[{"address": f"127.0.0.1:{free_port()}"}, {"address": f"[::1]:{port}"}])
    with Client(("::1", port)) as client:
        assert_fields(seen(client, CLAIMS), expected, ip="::1")
    line, = ballast.wait_access(1)
    assert (line["client"], line["status"]) == ("::1", 200)


@needs_ipv6
def test_an_ipv4_client_of_an_ipv6_listener(demo, balance):
    """`[::]` takes IPv4 clients too where the system says so; they are IPv4 then, in lines and in trust."""
    with open("/proc/sys/net/ipv6/bindv6only", encoding="ascii") as only:
        if only.read().strip() == "1":
            pytest.skip("IPv6 listeners of this machine take no IPv4 clients")
    port = free_port("::")
    ballast = balance(demo().address, forwarded={"trusted": ["127.0.0.1"]},
                      listeners=[{"address": f"127.0.0.1:{free_port()}"}, {"address": f"[::]:{port}"}])
    try:
        client = Client(("127.0.0.1", port))
    except ConnectionRefusedError:
        return  # its own decision: an IPv6 listener is IPv6 only
    with client:
        assert_fields(seen(client, CLAIMS), BELIEVED)
    assert ballast.wait_access(1)[0]["client"] == "127.0.0.1"


def test_each_field_can_be_switched_off(demo, balance):
    off = {"via": False, "x_forwarded": False, "forwarded": False, "request_id": False}
    ballast = balance(demo().address, forwarded=off)
    with ballast.connect() as client:
        fields = seen(client)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.read_answer()
    assert set(fields) == {"host"}
    assert answer.fields.one(b"via") is None


@pytest.mark.parametrize("off", ["x_forwarded", "forwarded"])
def test_what_is_switched_off_is_not_believed_either(demo, balance, off):
    """Whoever claims it: the worker must not take a stranger's word for ours."""
    ballast = balance(demo().address, forwarded={off: False})
    with ballast.connect() as client:
        fields = seen(client, CLAIMS)
    names = {"forwarded": ["forwarded"], "x_forwarded": ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]}
    assert [name for name in names[off] if name in fields] == []


def test_request_ids(demo, balance):
    ballast = balance(demo().address)
    with ballast.connect() as client:
        kept = seen(client, b"X-Request-ID: trace-1.A_b\r\n")["x-request-id"]
        made = seen(client)["x-request-id"]
        replaced = seen(client, b"X-Request-ID: bad id\r\n")["x-request-id"]
    assert kept == ["trace-1.A_b"]
    assert re.fullmatch(r"[0-9a-f]{32}", made[0]) and re.fullmatch(r"[0-9a-f]{32}", replaced[0])
    assert [line["id"] for line in ballast.wait_access(3)] == [*kept, *made, *replaced]


def test_a_unix_socket_to_the_clients_and_to_a_worker(stack, ballast_path, tmp_path):
    """Both ends on paths; the client has no address."""
    address = str(tmp_path / "w.sock")
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(address)
    listener.listen(16)
    server = UnixWorker(listener)
    stack.callback(server.end)
    front = str(tmp_path / "front.sock")
    config = settings([f"unix:{address}"], listeners=[f"127.0.0.1:{free_port()}", f"unix:{front}"])
    config["listeners"] = [{"address": one} for one in config["listeners"]]
    ballast = stack.enter_context(Ballast(ballast_path, config))
    wait_for(lambda: sum(v for name, v in ballast.metrics().items() if name.endswith("_alive")) == 1, what="alive")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(front)
        client.sendall(b"GET /path HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n")
        data = b""
        while chunk := client.recv(65536):
            data += chunk
    assert data.startswith(b"HTTP/1.1 200 ") and data.endswith(b"unix says ok")
    line, = ballast.wait_access(1)
    assert (line["status"], line["reason"]) == (200, "ok")


class UnixWorker:
    """Answers each connection's requests with the same words."""

    def __init__(self, listener):
        self.listener = listener
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(20)
                if sock.recv(65536):
                    sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 12\r\n\r\nunix says ok")

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
