"""The PROXY protocol: whose client it is, told by the proxy in front; and everybody who may not tell it."""

import json
import socket
import ssl
import subprocess

import pytest

from harness.certificates import Authority
from harness.client import Client
from harness.proxy_header import SIGNATURE, TLV_ALPN, tlv, v1, v2
from harness.waiting import free_port

CLIENT = ("192.0.2.1", 40000)
CLIENT6 = ("2001:db8::1", 40000)
GET = b"GET /headers HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def behind(balance, demo):
    """start(**proxy_protocol) -> (ballast, port): a plain listener, and one behind proxies, before a demo worker."""
    def start(tls=None, limits=None, **settings):
        port = free_port()
        listener = {"address": f"127.0.0.1:{port}", "proxy_protocol": {"from": ["127.0.0.0/8"], **settings}}
        if tls:
            listener["tls"] = tls
        ballast = balance(*demo().addresses, limits=limits or {},
                          listeners=[{"address": f"127.0.0.1:{free_port()}"}, listener])
        return ballast, port
    return start


def send(port, data, source="127.0.0.1"):
    """Everything that comes back until the other side ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0)) as plain:
        plain.sendall(data)
        answer = b""
        try:
            while part := plain.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def result(ballast, name):
    return ballast.metrics()[f'ballast_proxy_headers_total{{result="{name}"}}']


@pytest.mark.parametrize("header, told", [
    (v1(CLIENT), "192.0.2.1"),
    (v1(CLIENT6, ("2001:db8::2", 443)), "2001:db8::1"),
    (v2(CLIENT), "192.0.2.1"),
    (v2(CLIENT6, ("2001:db8::2", 443)), "2001:db8::1"),
    (v2(CLIENT, tlvs=tlv(TLV_ALPN, b"h2"), summed=True), "192.0.2.1"),
], ids=["v1", "v1-ipv6", "v2", "v2-ipv6", "v2-sum"])
def test_proxy_told_client_is_the_client(behind, header, told):
    ballast, port = behind()
    answer = send(port, header + GET).lower()
    assert answer.startswith(b"http/1.1 200 "), answer
    assert f"x-forwarded-for: {told}\r\n".encode() in answer
    assert ballast.wait_access(1)[0]["client"] == told
    assert result(ballast, "taken") == 1


@pytest.mark.parametrize("header", [v2(), v1(CLIENT).replace(b"TCP4", b"UNKNOWN")], ids=["local", "unknown"])
def test_proxy_own_connections_are_its_own(behind, header):
    ballast, port = behind()
    assert b"x-forwarded-for: 127.0.0.1\r\n" in send(port, header + GET).lower()
    assert result(ballast, "local") == 1


@pytest.mark.parametrize("data, why", [
    (GET, "missing"),
    (b"\x16\x03\x01\x00\x05hello", "missing"),
    (v1(CLIENT).replace(b"\r\n", b"\n") + GET, "malformed"),
    (SIGNATURE + b"\x21\x11\xff\xff" + GET, "too_large"),
    (v2(CLIENT, tlvs=tlv(3, b"sum?")) + GET, "malformed"),
], ids=["none", "tls", "line-feed", "large", "sum"])
def test_proxy_wrong_header_is_refused(behind, data, why):
    ballast, port = behind()
    assert send(port, data) == b""
    ballast.wait_metric(f'ballast_proxy_headers_total{{result="{why}"}}', 1)
    assert ballast.metrics()["requests_total"] == 0


def test_proxy_slow_header_is_refused(behind):
    ballast, port = behind(timeout="50ms")
    assert send(port, b"PROXY TCP4 192.0.2.1") == b""
    ballast.wait_metric('ballast_proxy_headers_total{result="timeout"}', 1)


def test_proxy_from_elsewhere_is_refused_or_plain(behind):
    ballast, port = behind(**{"from": ["192.0.2.0/24"]})
    assert send(port, v1(CLIENT) + GET) == b""
    ballast.wait_metric('ballast_proxy_headers_total{result="untrusted"}', 1)
    ballast, port = behind(**{"from": ["192.0.2.0/24"], "others": "plain"})
    assert b"x-forwarded-for: 127.0.0.1\r\n" in send(port, GET).lower()
    assert send(port, v1(CLIENT) + GET).startswith(b"HTTP/1.1 400 ")  # a header from there is no header
    assert result(ballast, "plain") == 2


def test_proxy_before_tls(behind, authority):
    chain, key = authority.sign("test.example")
    ballast, port = behind(tls={"certificates": [{"chain": str(chain), "key": str(key)}]})
    context = ssl.create_default_context(cafile=str(authority.path))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(v2(CLIENT))
        with context.wrap_socket(plain, server_hostname="test.example") as secured:
            secured.sendall(GET)
            answer = b""
            while part := secured.recv(65536):
                answer += part
    assert b"x-forwarded-for: 192.0.2.1\r\n" in answer.lower()
    assert b"x-forwarded-proto: https\r\n" in answer.lower()
    # Header and ClientHello in one packet: what a proxy writes at once.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = context.wrap_bio(incoming, outgoing, server_hostname="test.example")
    with pytest.raises(ssl.SSLWantReadError):
        shaking.do_handshake()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(v1(CLIENT) + outgoing.read())
        incoming.write(plain.recv(65536))
        while True:
            try:
                shaking.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(plain.recv(65536))
    assert shaking.version() == "TLSv1.3"
    assert result(ballast, "taken") == 2


def test_proxy_before_http2_and_curl(behind):
    ballast, port = behind()
    done = subprocess.run(["curl", "-sS", "--haproxy-protocol", "--http2-prior-knowledge", "-w", "%{http_version}",
                           f"http://127.0.0.1:{port}/headers"], capture_output=True, check=True, timeout=30)
    assert done.stdout.endswith(b"2"), done
    assert result(ballast, "taken") == 1


def test_proxy_limits_count_the_told_client(behind):
    ballast, port = behind(limits={"connections_per_client": 2})
    held = []
    try:
        for number in (1, 2):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            held[-1].sendall(v1(("192.0.2.1", number)) + GET.replace(b"close", b"keep-alive"))
            assert held[-1].recv(65536).startswith(b"HTTP/1.1 200 ")
        assert send(port, v1(("192.0.2.1", 3)) + GET) == b""
        assert send(port, v1(("192.0.2.2", 3)) + GET).startswith(b"HTTP/1.1 200 ")
        ballast.wait_metric('ballast_connections_refused_total{reason="client_limit"}', 1)
    finally:
        for connection in held:
            connection.close()
    ballast.wait_metric('ballast_connections{side="client",state="open"}', 1)  # the scrape's own
    assert send(port, v1(("192.0.2.1", 4)) + GET).startswith(b"HTTP/1.1 200 ")  # their places are free again


def test_proxy_check_wants_networks(ballast_path, tmp_path):
    path = tmp_path / "ballast.yaml"
    for block, said in (({}, '"from" is missing'), ({"from": []}, "names no network"),
                        ({"from": ["10.0.0.1/8"]}, "write 10.0.0.0/8")):
        path.write_text(json.dumps({"pools": {"web": {"workers": ["3001"]}},
                                    "listeners": [{"address": "8080", "proxy_protocol": block}]}))
        done = subprocess.run([ballast_path, "check", "-c", path], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and said in done.stdout, done
