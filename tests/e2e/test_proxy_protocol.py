"""The PROXY protocol: whose client it is, told by the proxy in front; and everybody who may not tell it."""

import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading

import pytest

from harness.certificates import Authority
from harness.client import Client
from harness.proxy_header import (SIGNATURE, TLV_ALPN, TLV_SSL, TLV_SSL_VERSION, TLV_UNIQUE_ID, parse_tlvs, read, tlv,
                                  v1, v2)
from harness.waiting import free_port

CLIENT = ("192.0.2.1", 40000)
CLIENT6 = ("2001:db8::1", 40000)
MAPPED = ("::ffff:192.0.2.1", 40000)  # as a proxy tells it whose own listener is for both kinds of IP
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
    """Everything that comes back until the other side ends in order."""
    with Client(("127.0.0.1", port), 20, source=(source, 0)) as client:
        client.send(data)
        return client.ended()


def result(ballast, name):
    return ballast.metrics()[f'ballast_proxy_headers_total{{result="{name}"}}']


@pytest.mark.parametrize("header, told", [
    (v1(CLIENT), "192.0.2.1"),
    (v1(CLIENT6, ("2001:db8::2", 443)), "2001:db8::1"),
    (v2(CLIENT), "192.0.2.1"),
    (v2(CLIENT6, ("2001:db8::2", 443)), "2001:db8::1"),
    (v2(CLIENT, tlvs=tlv(TLV_ALPN, b"h2"), summed=True), "192.0.2.1"),
    (v1(MAPPED, MAPPED), "192.0.2.1"),
    (v2(MAPPED, MAPPED), "192.0.2.1"),
], ids=["v1", "v1-ipv6", "v2", "v2-ipv6", "v2-sum", "v1-mapped", "v2-mapped"])
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
    with Client(("127.0.0.1", port), 20) as client:  # nobody reads what it says
        client.offer(v1(CLIENT) + GET)
        assert client.gone() == b""
    ballast.wait_metric('ballast_proxy_headers_total{result="untrusted"}', 1)
    ballast, port = behind(**{"from": ["192.0.2.0/24"], "others": "plain"})
    assert b"x-forwarded-for: 127.0.0.1\r\n" in send(port, GET).lower()
    assert send(port, v1(CLIENT) + GET).startswith(b"HTTP/1.1 400 ")  # a header from there is no header
    assert result(ballast, "plain") == 2


def test_proxy_through_a_unix_socket(balance, demo, tmp_path):
    path = tmp_path / "proxied.sock"
    ballast = balance(*demo().addresses, listeners=[
        {"address": f"127.0.0.1:{free_port()}"}, {"address": f"unix:{path}", "proxy_protocol": {"from": ["unix"]}}])
    for header in (v1(CLIENT), v2(CLIENT)):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(header + GET)
            assert b"x-forwarded-for: 192.0.2.1\r\n" in client.makefile("rb").read().lower()
    assert result(ballast, "taken") == 2


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
    for block, said, address in (({}, '"from" is missing', "8080"), ({"from": []}, "names no network", "8080"),
                                 ({"from": ["10.0.0.1/8"]}, "write 10.0.0.0/8", "8080"),
                                 ({"from": ["10.0.0.0/8"]}, "write from: [unix]", "unix:/tmp/proxied.sock")):
        path.write_text(json.dumps({"pools": {"web": {"workers": ["3001"]}},
                                    "listeners": [{"address": address, "proxy_protocol": block}]}))
        done = subprocess.run([ballast_path, "check", "-c", path], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and said in done.stdout, done


# ---- to workers ----

class ToldWorker(socketserver.ThreadingTCPServer):
    """Reads a header at the front of each connection, then answers every request: `seen` has (told, TLVs, target)."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), None)
        self.tls = tls
        self.lock = threading.Lock()
        self.seen = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request, client_address):
        request.settimeout(20)
        plain = request.makefile("rb", buffering=0)  # nothing of what follows may be read with it
        told, tlvs = read(plain)
        stream = (self.tls.wrap_socket(request, server_side=True) if self.tls else request).makefile("rwb")
        while line := stream.readline():
            with self.lock:
                self.seen.append((told, tlvs, line.split()[1].decode()))
            while stream.readline().strip():
                pass
            stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            stream.flush()

    def handle_error(self, request, client_address):
        pass  # a probe's connection that ends inside

    def requests(self):
        with self.lock:
            return [seen for seen in self.seen if seen[2] != "/health"]

    def probes(self):
        with self.lock:
            return [seen for seen in self.seen if seen[2] == "/health"]


@pytest.fixture
def told_worker(stack):
    def start(tls=None):
        worker = ToldWorker(tls)
        stack.callback(worker.server_close)
        stack.callback(worker.shutdown)
        return worker
    return start


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_proxy_worker_is_told_of_each_client(balance, told_worker, version):
    worker = told_worker()
    ballast = balance(worker, pools={"web": {"send_proxy": version}})
    for source in ("127.0.0.2", "127.0.0.3", "127.0.0.2"):
        answer = send(ballast.address[1], b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
                      b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", source)
        assert answer.count(b"HTTP/1.1 200 ") == 2
    seen = worker.requests()
    assert [told[0][0] for told, _, _ in seen] == ["127.0.0.2"] * 2 + ["127.0.0.3"] * 2 + ["127.0.0.2"] * 2
    assert {told[1] for told, _, _ in seen} == {ballast.address}
    probes = worker.probes()
    assert probes and all(told is None for told, _, _ in probes)
    ballast.wait_metric('ballast_connections{side="worker",state="idle"}', 0)


def test_proxy_worker_is_told_of_tls_and_the_request(balance, told_worker, authority):
    chain, key = authority.sign("test.example")
    worker = told_worker()
    port = free_port()
    ballast = balance(worker, pools={"web": {"send_proxy": "v2"}}, listeners=[
        {"address": f"127.0.0.1:{free_port()}"},
        {"address": f"127.0.0.1:{port}", "tls": {"certificates": [{"chain": str(chain), "key": str(key)}]}}])
    done = subprocess.run(["curl", "-sS", "--cacert", authority.path,
                           "--connect-to", f"test.example:443:127.0.0.1:{port}", "--http2",
                           "-H", "X-Request-ID: it-is-this", "https://test.example/"],
                          capture_output=True, check=True, timeout=30)
    assert done.stdout == b"ok"
    (told, tlvs, _), = worker.requests()
    assert told[1] == ("127.0.0.1", port)
    assert tlvs[TLV_ALPN] == b"h2" and tlvs[TLV_UNIQUE_ID] == b"it-is-this"
    assert tlvs[TLV_SSL][:5] == b"\x01\0\0\0\x01"
    assert parse_tlvs(tlvs[TLV_SSL][5:]) == {TLV_SSL_VERSION: b"TLSv1.3"}
    assert ballast.get("/").status == 200
    assert set(worker.requests()[1][1]) == {TLV_UNIQUE_ID}  # that one came without TLS


def test_proxy_worker_is_told_when_a_certificate_was_shown(balance, told_worker, authority):
    """On the connection, or when the session that it resumes began."""
    chain, key = authority.sign("test.example")
    worker = told_worker()
    port = free_port()
    balance(worker, pools={"web": {"send_proxy": "v2"}}, listeners=[
        {"address": f"127.0.0.1:{free_port()}"},
        {"address": f"127.0.0.1:{port}", "tls": {"certificates": [{"chain": str(chain), "key": str(key)}],
                                                 "client_verify": "optional", "client_ca": str(authority.path)}}])
    context = ssl.create_default_context(cafile=str(authority.path))
    context.load_cert_chain(*authority.sign("some client"))
    session = None
    for flags in (1 | 2 | 4, 1 | 4):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, \
                context.wrap_socket(plain, server_hostname="test.example", session=session) as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n")
            while secured.recv(65536):
                pass
            session = secured.session
        assert worker.requests()[-1][1][TLV_SSL][:5] == bytes([flags, 0, 0, 0, 0])


def test_proxy_header_stands_before_tls_to_the_worker(balance, told_worker, authority):
    chain, key = authority.sign("localhost", alternatives=["IP:127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    worker = told_worker(context)
    ballast = balance(worker, pools={"web": {"send_proxy": "v2", "worker_tls": {"ca": str(authority.path),
                                                                                "enabled": True}}})
    assert ballast.get("/").status == 200
    assert worker.requests()[0][0][0][0] == "127.0.0.1"


def test_proxy_from_one_ballast_to_another(balance, behind):
    _, inner = behind()
    for version in ("v1", "v2"):
        outer = balance(f"127.0.0.1:{inner}", pools={"web": {"send_proxy": version}})
        answer = send(outer.address[1], GET, "127.0.0.9").lower()
        assert b"x-forwarded-for: 127.0.0.9\r\n" in answer


def test_proxy_to_nginx(balance, stack, tmp_path):
    """A receiver that is not ours."""
    command = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    assert command, "nginx is missing"
    port = free_port()
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; pid {tmp_path}/pid; error_log stderr; worker_processes 1;
events {{ }}
http {{ access_log off;
  client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;
  uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
  server {{ listen 127.0.0.1:{port} proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr to $proxy_protocol_server_port"; }} }} }}
""")
    process = stack.enter_context(subprocess.Popen([command, "-c", tmp_path / "nginx.conf"], stderr=subprocess.DEVNULL))
    stack.callback(process.terminate)
    for version in ("v1", "v2"):
        ballast = balance(f"127.0.0.1:{port}", pools={"web": {"send_proxy": version}})
        assert send(ballast.address[1], GET, "127.0.0.7").endswith(f"127.0.0.7 to {ballast.address[1]}".encode())
