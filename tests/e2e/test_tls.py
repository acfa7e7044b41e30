"""TLS with clients: names, versions, tickets, certificates of their own, and whatever is no TLS."""

import json
import pathlib
import random
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from harness.ballast import Ballast, read_metrics, settings
from harness.certificates import Authority
from harness.client import Client, WasReset
from harness.h2 import PREFACE, PROTOCOL_ERROR, H2Client, SettingsFrame
from harness.programs import asleep, children
from harness.waiting import free_port, wait_for
from harness.worker import Script

NAMES = ("test.example", "*.wild.example")
GET = b"GET /headers HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def certificates(authority):
    return {name: authority.sign(name) for name in NAMES}


@pytest.fixture
def secure(balance, demo, certificates):
    """start(**tls) -> (ballast, port): a plain listener and one with TLS, before a demo worker."""
    def start(limits=None, timeouts=None, chosen=tuple(NAMES), workers=None, http2=None, threads=None, **tls):
        port = free_port()
        chains = [chain_of(*certificates[name]) for name in chosen]
        workers = workers or demo().addresses
        ballast = balance(*workers, listeners=[
            {"address": f"127.0.0.1:{free_port()}"},
            {"address": f"127.0.0.1:{port}", "tls": {"certificates": chains, **tls}},
        ], limits=limits or {}, timeouts=timeouts or {}, http2=http2 or {}, **({"threads": threads} if threads else {}))
        return ballast, port
    return start


def chain_of(chain, key):
    return {"chain": str(chain), "key": str(key)}


def context_for(authority, **changes):
    context = ssl.create_default_context(cafile=str(authority.path))
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def ask(port, context, name="test.example", request=GET, session=None):
    """(answer, TLS socket's facts) of one request; the peer must end with a close_notify."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=name, session=session,
                                 suppress_ragged_eofs=False) as secured:
            facts = {"version": secured.version(), "alpn": secured.selected_alpn_protocol(),
                     "peer": secured.getpeercert(), "reused": secured.session_reused}
            secured.sendall(request)
            answer = b""
            while part := secured.recv(65536):
                answer += part
            facts["session"] = secured.session
            return answer, facts


def kernel_has_tls():
    return "tls" in pathlib.Path("/proc/sys/net/ipv4/tcp_available_ulp").read_text().split()


def test_tls_in_the_kernel_is_used_where_it_is(secure, authority):
    ballast, port = secure(kernel="auto", min_version="1.2")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        answer, _ = ask(port, context_for(authority, maximum_version=version))
        assert answer.startswith(b"HTTP/1.1 200 "), answer
    counted = ballast.metrics()['ballast_tls_kernel_connections_total{direction="send"}']
    assert counted == (2 if kernel_has_tls() else 0)


def names_of(facts):
    return [value for kind, value in facts["peer"]["subjectAltName"]]


def test_tls_request_is_answered_and_ended_properly(secure, authority):
    ballast, port = secure()
    answer, facts = ask(port, context_for(authority))
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert facts["version"] == "TLSv1.3"
    assert ballast.metrics()['ballast_tls_handshakes_total{result="full"}'] == 1


def test_tls_scheme_reaches_the_worker(secure, authority):
    _, port = secure()
    answer, _ = ask(port, context_for(authority))
    assert b"x-forwarded-proto: https\r\n" in answer.lower()
    assert b";proto=https\r\n" in answer.lower()


@pytest.mark.parametrize("asked, strict, given", [
    ("test.example", False, "test.example"),
    ("TEST.example", False, "test.example"),
    ("a.wild.example", False, "*.wild.example"),
    ("a.b.wild.example", False, "test.example"),  # a wildcard stands for one label
    ("wild.example", False, "test.example"),
    ("unknown.example", False, "test.example"),
    (None, False, "test.example"),
    ("unknown.example", True, None),
    ("a.wild.example", True, "*.wild.example"),
])
def test_tls_certificate_by_name(secure, authority, asked, strict, given):
    _, port = secure(strict_sni=strict)
    context = context_for(authority, check_hostname=False)
    if given is None:
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            ask(port, context, asked)
    else:
        assert names_of(ask(port, context, asked)[1]) == [given]


@pytest.mark.parametrize("other", ["spdy/1", "h2c"])  # RFC 9113 section 3.2: h2c is for no handshake
def test_tls_protocol_is_agreed_on(secure, authority, other):
    _, port = secure()
    context = context_for(authority)
    context.set_alpn_protocols([other, "http/1.1", "http/1.0"])
    assert ask(port, context)[1]["alpn"] == "http/1.1"
    context.set_alpn_protocols([other])
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        ask(port, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_session_is_resumed(secure, authority, version):
    ballast, port = secure()
    context = context_for(authority, minimum_version=version, maximum_version=version)
    _, first = ask(port, context)
    _, second = ask(port, context, session=first["session"])
    assert (first["reused"], second["reused"]) == (False, True)
    numbers = ballast.metrics()
    assert numbers['ballast_tls_handshakes_total{result="resumed"}'] == 1
    assert numbers['ballast_tls_handshakes_total{result="full"}'] == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("first, then, reused", [
    ("a.wild.example", "a.wild.example", True),
    ("test.example", "a.wild.example", False),
    ("a.wild.example", "test.example", False),
    ("a.wild.example", "b.wild.example", False),
    (None, "a.wild.example", False),
    ("unknown.example", None, True),
])
def test_tls_session_belongs_to_its_name(secure, authority, version, first, then, reused):
    """RFC 6066 section 3: one that began under another name is not resumed; what follows is a whole handshake."""
    _, port = secure()
    context = context_for(authority, check_hostname=False, minimum_version=version, maximum_version=version)
    _, before = ask(port, context, first)
    answer, after = ask(port, context, then, session=before["session"])
    assert answer.startswith(b"HTTP/1.1 200 ") and after["reused"] == reused
    if not reused:
        assert names_of(after) == ["test.example" if then == "test.example" else "*.wild.example"]


def test_tls_certificates_of_two_kinds(secure, authority, certificates, ballast_path, tmp_path):
    """Both are there for a name, whichever it is asked by, each with its staple, and the client understands one of
    them, or both. BoringSSL takes one for a connection: then no client gets the other."""
    ec, rsa = certificates["test.example"], authority.sign("test.example", kind="rsa")
    both = [{**chain_of(*one), "ocsp": str(authority.staple(one[0]))} for one in (ec, rsa)]
    both.append(chain_of(*certificates["*.wild.example"]))
    code, text = check_file(ballast_path, tmp_path, {"listeners": [{"address": "8443", "tls": {"certificates": both}}],
                                                     "pools": {"web": {"workers": ["3001", "3002"]}}})
    assert code == 0, text
    if f"no client gets the certificate in {rsa[0]}" in text:
        assert "is used, whatever its kind of key (BoringSSL)" in text
        return
    ballast, port = secure(certificates=both)
    for arguments, kind in (((), "id-ecPublicKey"),
                            (("-sigalgs", "ecdsa_secp256r1_sha256"), "id-ecPublicKey"),
                            (("-sigalgs", "rsa_pss_rsae_sha256"), "rsaEncryption"),
                            (("-tls1_2",), "id-ecPublicKey"),
                            (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), "id-ecPublicKey"),
                            (("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"), "rsaEncryption")):
        for name in ("test.example", "unknown.example"):
            code, said = s_client(port, *arguments, "-servername", name, "-CAfile", authority.path, "-status",
                                  "-verify_return_error", said=b"Q\n")
            assert code == 0 and "Verify return code: 0 (ok)" in said and kind in shown(said), said
            number = re.search(r"Serial Number:\s+([0-9a-f:]+)", shown(said))[1].replace(":", "").upper()
            assert "Cert Status: good" in said and f"Serial Number: {number}" in said, said
    assert s_client(port, "-servername", "a.wild.example", "-sigalgs", "rsa_pss_rsae_sha256")[0] != 0
    ends = [key for key in ballast.metrics() if key.startswith("ballast_tls_cert_expiry_seconds")]
    assert len(ends) == 3 and any(str(rsa[0]) in key for key in ends), ends


def shown(said):
    certificate = said[said.index("Server certificate\n"):]
    return subprocess.run(["openssl", "x509", "-noout", "-text"], input=certificate, capture_output=True, text=True,
                          check=True).stdout


def test_tls_ticket_keys_are_shared_by_a_file(secure, authority, tmp_path):
    old, new = random.randbytes(80), random.randbytes(80)
    (tmp_path / "first").write_bytes(old)
    (tmp_path / "second").write_bytes(new + old)
    _, one = secure(ticket_keys=str(tmp_path / "first"))
    _, other = secure(ticket_keys=str(tmp_path / "second"))
    _, stranger = secure()
    context = context_for(authority)
    session = ask(one, context)[1]["session"]
    assert ask(other, context, session=session)[1]["reused"]
    assert not ask(stranger, context, session=session)[1]["reused"]


def test_tls_old_versions_are_refused(secure):
    _, port = secure(min_version="1.3")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert "alert protocol version" in done.stderr


def test_tls_plain_request_is_told_so(secure):
    _, port = secure()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(GET)
        answer = b"".join(iter(lambda: plain.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and b"TLS" in body
    assert int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) == len(body)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\xff\xff" + bytes(100), b"\x16\x03\x01\x00\x05hello",
                                     b"\0" * 64, b"SSH-2.0-x\r\n", b"\x80\x2e\x01\x00\x02"])
def test_tls_garbage_ends_the_connection(secure, authority, garbage):
    ballast, port = secure()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(garbage)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):
            pass
    assert ask(port, context_for(authority))[0].startswith(b"HTTP/1.1 200 ")
    ballast.wait_metric('ballast_tls_handshakes_total{result="failed"}', 1)


class Shaker:
    """A handshake by hand: what the client has to say next is in `says`."""

    def __init__(self, port, authority):
        self.plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.inside, self.outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context_for(authority).wrap_bio(self.inside, self.outside, server_hostname="test.example")
        self.done = False
        self.go_on()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.close()

    def go_on(self):
        try:
            self.tls.do_handshake()
            self.done = True
        except ssl.SSLWantReadError:
            pass
        self.says = self.outside.read()

    def finish(self):
        """Whatever the server is still to be told, up to the handshake's end; says the client's last word."""
        while not self.done:
            self.plain.sendall(self.says)
            self.inside.write(self.plain.recv(65536))
            self.go_on()


def test_tls_garbage_behind_the_handshake(secure, authority):
    ballast, port = secure()
    with Shaker(port, authority) as shaker:
        plain = shaker.plain
        shaker.finish()
        plain.sendall(shaker.says + b"\x17\x03\x03\x00\x20" + random.Random(1).randbytes(32))
        while plain.recv(65536):
            pass
    assert ask(port, context_for(authority))[0].startswith(b"HTTP/1.1 200 ")


STEPS, PUT_OFF = "ballast_tls_handshake_steps_total", "ballast_tls_handshakes_put_off_total"
STEPS_A_TURN = 8


def test_tls_a_flood_of_handshakes_lets_established_clients_through(secure, authority, stack):
    """A hundred handshakes have come before their request, and all of it is there when the server wakes: the request
    is answered after the steps of one turn. The answer is the page of numbers, so that it says itself how many."""
    ballast, port = secure(threads=1)
    established = stack.enter_context(Client(("127.0.0.1", port), tls=context_for(authority)))

    def ask_numbers():
        established.send(b"GET /metrics HTTP/1.1\r\nHost: test.example\r\n\r\n")

    flood = [stack.enter_context(Shaker(port, authority)) for _ in range(100)]
    ask_numbers()
    accepted = read_metrics(established.read_answer().body.decode())[STEPS] + len(flood)
    for shaker in flood:  # a connection is accepted with its first bytes: a step, and there is more to come
        shaker.plain.sendall(shaker.says[:5])
    ballast.wait_metric(STEPS, accepted)
    before = ballast.metrics()
    with asleep(*children(ballast.pid)):
        for shaker in flood:
            shaker.plain.sendall(shaker.says[5:])
            shaker.says = b""
        ask_numbers()
    meanwhile = read_metrics(established.read_answer().body.decode())
    assert meanwhile[STEPS] - before[STEPS] <= STEPS_A_TURN

    for shaker in flood:
        shaker.finish()
        shaker.plain.sendall(shaker.says)
    ballast.wait_metric('ballast_tls_handshakes_total{result="full"}', 1 + len(flood))
    after = ballast.metrics()
    assert after[PUT_OFF] - before[PUT_OFF] >= len(flood) // STEPS_A_TURN
    ask_numbers()
    assert established.read_answer().status == 200


def test_tls_silent_clients_are_closed_and_counted(secure, authority):
    ballast, port = secure(limits={"tls_handshakes": 2}, timeouts={"tls_handshake": "300ms"}, chosen=("test.example",))
    silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(40)]
    for plain in silent:
        assert plain.recv(100) == b""
        plain.close()

    def counted():
        numbers = ballast.metrics()
        return [numbers[f'ballast_tls_handshakes_total{{result="{how}"}}'] for how in ("refused", "failed")]
    wait_for(lambda: sum(counted()) == 40, what="all to be counted")
    assert min(counted()) > 0
    assert ask(port, context_for(authority))[0].startswith(b"HTTP/1.1 200 ")


def test_tls_bodies_both_ways(secure, authority):
    _, port = secure()
    body = random.Random(2).randbytes(3 << 20)
    request = (b"POST /echo HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body))
    answer, _ = ask(port, context_for(authority), request=request + body)
    assert answer.partition(b"\r\n\r\n")[2] == body


def test_tls_curl(secure, authority):
    _, port = secure()
    done = subprocess.run(["curl", "-sS", "--cacert", authority.path, "--resolve", f"test.example:{port}:127.0.0.1",
                           *[f"https://test.example:{port}/headers?{i}" for i in range(3)]], capture_output=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().count(b"x-forwarded-proto: https") == 3


# Clients with certificates.

@pytest.mark.parametrize("verify, shown, good", [
    ("required", "known", True), ("required", None, False), ("required", "stranger", False),
    ("optional", "known", True), ("optional", None, True), ("optional", "stranger", False),
])
def test_tls_client_certificates(secure, authority, tmp_path, verify, shown, good):
    clients = Authority(tmp_path, "Clients")
    strangers = Authority(tmp_path, "Strangers")
    _, port = secure(client_verify=verify, client_ca=str(clients.path))
    context = context_for(authority)
    if shown:
        context.load_cert_chain(*{"known": clients, "stranger": strangers}[shown].sign("someone"))
    if good:
        assert ask(port, context)[0].startswith(b"HTTP/1.1 200 ")
    else:
        with pytest.raises(OSError):
            ask(port, context)


# What is wrong before it starts.

@pytest.mark.parametrize("days, says", [(365, None), (5, "warning: the certificate in {chain} expires in "),
                                        (0, "warning: the certificate in {chain} has expired")])
def test_tls_check_looks_at_the_end(ballast_path, authority, tmp_path, days, says):
    chain, key = authority.sign(f"days-{days}.example", days=days)
    code, text = check(ballast_path, tmp_path, {"chain": str(chain), "key": str(key)})
    assert code == 0, text
    assert (says is None) or says.format(chain=chain) in text, text


def test_tls_check_finds_a_certificate_that_nobody_gets(ballast_path, authority, tmp_path):
    def sign(name, *names):
        chain, key = authority.sign(name, alternatives=names)
        return {"chain": str(chain), "key": str(key)}
    more, less = sign("more", "DNS:a.example", "DNS:b.example"), sign("less", "DNS:b.example")
    for order, warned in (([more, less], True), ([less, more], False)):
        code, text = check_file(ballast_path, tmp_path, {
            "listeners": [{"address": "8443", "tls": {"certificates": order}}],
            "pools": {"web": {"workers": ["3001", "3002"]}}})
        assert code == 0 and ("no client gets the certificate in " + less["chain"] in text) == warned, text


def test_tls_check_looks_at_the_beginning(ballast_path, authority, tmp_path):
    chain, key = authority.sign_between("later.example", "20990102030405Z", "20991231235959Z")
    code, text = check(ballast_path, tmp_path, {"chain": str(chain), "key": str(key)})
    assert code == 0 and f"warning: the certificate in {chain} is not good before 2099-01-02" in text, text


def test_tls_check_looks_at_what_workers_are_shown(ballast_path, authority, tmp_path):
    chain, key = authority.sign("shown.example", days=5)
    code, text = check_file(ballast_path, tmp_path, {"pools": {"web": {"workers": ["3001", "3002"], "worker_tls": {
        "enabled": True, "ca": str(authority.path), "certificate": str(chain), "key": str(key)}}}})
    assert code == 0 and f"warning: the certificate in {chain} expires in " in text, text


def test_tls_check_looks_at_lists_of_revoked_certificates(ballast_path, authority, tmp_path, certificates):
    chain, key = certificates["test.example"]
    old = authority.revocations(end="20200101000000Z")
    for crl, warned in ((old, True), (authority.revocations(), False)):
        code, text = check(ballast_path, tmp_path, {"chain": str(chain), "key": str(key)}, client_verify="required",
                           client_ca=str(authority.path), client_crl=str(crl))
        assert code == 0 and (f"the list of revoked certificates in {crl} has run out: clients" in text) == warned, text


def test_tls_check_finds_lists_of_no_authority(ballast_path, authority, tmp_path, certificates):
    """Without a list by whoever signed its certificate every client is refused (test_tls_clients)."""
    chain, key = certificates["test.example"]
    other = Authority(tmp_path, "Other").revocations()
    both = tmp_path / "both.pem"
    both.write_bytes(other.read_bytes() + authority.revocations().read_bytes())
    for crl, warned in ((other, True), (both, False)):
        code, text = check(ballast_path, tmp_path, chain_of(chain, key), client_verify="required",
                           client_ca=str(authority.path), client_crl=str(crl))
        says = f"warning: {crl} has no list of revoked certificates by any authority in {authority.path}: "
        assert code == 0 and (says in text) == warned, text


def test_tls_check_names_the_line_of_each_file(ballast_path, authority, tmp_path, certificates):
    (chain, key), (other_chain, other_key) = certificates.values()
    old = authority.sign("old.example", days=0)
    template = """listeners:
  - address: 127.0.0.1:8443
    tls:
      client_verify: required
      client_ca: {ca}
      client_crl: {crl}
      certificates:
        - chain: {chain}
          key: {key}
        - chain: {other_chain}
          key: {other_key}
          ocsp: {ocsp}
pools:
  web:
    workers: [127.0.0.1:3001, 127.0.0.1:3002]
    worker_tls:
      enabled: true
      ca: {worker_ca}
      certificate: {shown}
      key: {shown_key}
"""
    good = {"ca": authority.path, "crl": authority.revocations(), "chain": chain, "key": key,
            "other_chain": other_chain, "other_key": other_key, "ocsp": authority.staple(other_chain),
            "worker_ca": authority.path, "shown": chain, "shown_key": key}
    for changes, place, says in (
            ({}, None, "ok (1 listener"),
            ({"ca": key}, "5:18", "the authorities cannot be read from"),
            ({"ca": "/nowhere"}, "5:18", "the authorities cannot be read from"),
            ({"crl": key}, "6:19", "the list of revoked certificates cannot be read from"),
            ({"crl": Authority(tmp_path, "Other").revocations()}, "6:19", "no list of revoked certificates by any"),
            ({"chain": key}, "8:18", "the certificate cannot be read from"),
            ({"other_chain": "/nowhere"}, "10:18", "the certificate cannot be read from"),
            ({"other_chain": old[0], "other_key": old[1], "ocsp": authority.staple(old[0])}, "10:18", "has expired"),
            ({"other_key": key}, "11:16", "does not belong to the certificate in"),
            ({"ocsp": key}, "12:17", "it is no OCSP answer in DER"),
            ({"worker_ca": key}, "18:11", "the authorities cannot be read from"),
            ({"shown": key}, "19:20", "the certificate cannot be read from"),
            ({"shown_key": other_key}, "20:12", "does not belong to the certificate in")):
        path = tmp_path / "lines.yaml"
        path.write_text(template.format(**{**good, **changes}))
        done = subprocess.run([str(ballast_path), "check", "-c", str(path)], capture_output=True, text=True, timeout=20)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if says in line]
        assert lines and (place is None or lines[0].startswith(f"{path}:{place}: ")), done.stdout + done.stderr


def test_tls_check_refuses_what_does_not_fit(ballast_path, authority, tmp_path, certificates):
    (chain, key), (_, other) = certificates.values()
    for certificate, says in (
            ({"chain": str(chain), "key": str(other)}, f"in {other} does not belong to the certificate in {chain}"),
            ({"chain": str(key), "key": str(key)}, f"the certificate cannot be read from {key}"),
            ({"chain": str(chain)}, f"there is no private key in {chain}; name the file that has it as \"key\""),
            ({"chain": "/nowhere.pem"}, "the certificate cannot be read from /nowhere.pem: No such file or directory"),
            ({"chain": str(chain), "key": str(key), "ocsp": "/nowhere.der"},
             "the OCSP answer cannot be read from /nowhere.der"),
            ({"chain": str(chain), "key": str(key), "ocsp": str(chain)},
             f"the OCSP answer in {chain} cannot be stapled: it is no OCSP answer in DER")):
        code, text = check(ballast_path, tmp_path, certificate)
        assert code == 1 and says in text, text


def test_tls_check_refuses_authorities_that_nobody_asks(ballast_path, authority, tmp_path, certificates):
    chain, key = certificates["test.example"]
    code, text = check(ballast_path, tmp_path, {"chain": str(chain), "key": str(key)}, client_ca=str(authority.path))
    assert code == 1 and '"client_ca" and "client_crl" without "client_verify: required"' in text, text


@pytest.mark.parametrize("setting", ["ca", "name", "certificate", "key"])
def test_tls_check_lets_nobody_forget_to_enable_it_to_workers(ballast_path, tmp_path, setting):
    code, text = check_file(ballast_path, tmp_path, {"pools": {"web": {"workers": ["3001", "3002"],
                                                                       "worker_tls": {setting: "a.example"}}}})
    assert code == 1 and '"worker_tls" is not enabled, and its workers would be spoken to in the clear' in text, text


def check(program, directory, certificate, **tls):
    return check_file(program, directory, {
        "listeners": [{"address": "127.0.0.1:8443", "tls": {"certificates": [certificate], **tls}}],
        "pools": {"web": {"workers": ["127.0.0.1:3001", "127.0.0.1:3002"]}}})


def check_file(program, directory, config):
    path = directory / "check.json"
    path.write_text(json.dumps(config))
    done = subprocess.run([str(program), "check", "-c", str(path)], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout + done.stderr


# Workers behind TLS.

class SecureWorker:
    """Answers every request over TLS with its protocol's facts; `rudely` ends an answer without a close_notify."""

    def __init__(self, context, rudely=False, asks_names=True):
        self.context, self.rudely = context, rudely
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.names, self.reused, self.peers = [], [], []
        if asks_names:  # Python's library resumes no session where it has to ask
            context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def _accept(self):
        while True:
            try:
                plain = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            plain.settimeout(30)
            with self.context.wrap_socket(plain, server_side=True) as secured:
                self.reused.append(secured.session_reused)
                self.peers.append(secured.getpeercert())
                waiting = b""
                while part := secured.recv(65536):
                    waiting += part
                    while b"\r\n\r\n" in waiting:
                        head, _, waiting = waiting.partition(b"\r\n\r\n")
                        if head.startswith(b"GET /until-the-end "):
                            secured.sendall(b"HTTP/1.1 200 OK\r\n\r\nsome")
                            if not self.rudely:
                                secured.unwrap()
                            plain_socket = secured.detach()
                            socket.socket(fileno=plain_socket).close()
                            return
                        close = b"GET /close " in head
                        secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                                        + (b"Connection: close\r\n" if close else b"") + b"\r\nok")
                        if close:
                            return
        except OSError:
            pass


def worker_context(chain, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@pytest.fixture
def behind(stack, ballast_path, authority):
    """start(worker, **worker_tls) -> a balancer before one worker that speaks TLS."""
    def start(worker, alive=1, **worker_tls):
        config = settings([worker.address])
        config["pools"]["web"]["worker_tls"] = {"enabled": True, "ca": str(authority.path), **worker_tls}
        if worker_tls.get("ca", "") is None:
            del config["pools"]["web"]["worker_tls"]["ca"]
        return stack.enter_context(Ballast(ballast_path, config)).wait_alive(alive)
    return start


def test_tls_worker_is_verified_probed_and_asked(stack, behind, certificates):
    worker = stack.enter_context(SecureWorker(worker_context(*certificates["test.example"])))
    ballast = behind(worker, name="test.example")
    assert [ballast.get("/").body for _ in range(3)] == [b"ok"] * 3
    assert set(worker.names) == {"test.example"}


@pytest.mark.parametrize("changes, why", [
    ({"name": "other.example"}, "it is for test.example, not for other.example"),
    ({"name": "test.example", "ca": None}, "CN=test.example was signed by CN=Test Authority, which is none of"),
    ({}, "it is for test.example, not for 127.0.0.1"),
])
def test_tls_worker_that_is_not_believed_gets_nothing(stack, behind, certificates, changes, why):
    worker = stack.enter_context(SecureWorker(worker_context(*certificates["test.example"])))
    ballast = behind(worker, alive=0, **changes)
    line = ballast.wait_log("cause=tls_certificate")
    assert f'detail="{why}' in line, line
    assert ballast.get("/").status == 503


def test_tls_worker_whose_certificate_has_run_out(stack, behind, authority):
    certificate = authority.sign_between("past.example", "20200102030405Z", "20200203040506Z")
    worker = stack.enter_context(SecureWorker(worker_context(*certificate)))
    line = behind(worker, alive=0, name="past.example").wait_log("cause=tls_certificate")
    assert 'detail="CN=past.example expired on 2020-02-03 04:05 UTC"' in line, line


def test_tls_worker_before_whom_a_header_stands_is_told_of_too(stack, ballast_path, authority, certificates):
    """With send_proxy TLS is what follows: here nobody speaks it, so a certificate is shown behind the header."""
    class Behind(SecureWorker):
        def _serve(self, plain):
            with plain.makefile("rb", buffering=0) as reader:
                while reader.read(1) != b"\n":
                    pass
            super()._serve(plain)
    worker = stack.enter_context(Behind(worker_context(*certificates["test.example"])))
    config = settings([worker.address])
    config["pools"]["web"] |= {"send_proxy": "v1", "worker_tls": {"enabled": True, "ca": str(authority.path)}}
    ballast = stack.enter_context(Ballast(ballast_path, config))
    assert 'detail="it is for test.example, not for 127.0.0.1"' in ballast.wait_log("cause=tls_certificate")


def test_tls_worker_unverified_if_asked_so(stack, behind, certificates):
    worker = stack.enter_context(SecureWorker(worker_context(*certificates["test.example"])))
    assert behind(worker, verify=False).get("/").body == b"ok"


def test_tls_worker_by_its_address(stack, behind, authority):
    chain = authority.sign("by-address", alternatives=["IP:127.0.0.1"])
    worker = stack.enter_context(SecureWorker(worker_context(*chain)))
    assert behind(worker).get("/").body == b"ok"
    assert set(worker.names) == {None}


def test_tls_worker_sees_our_certificate_and_resumes(stack, behind, authority, certificates):
    context = worker_context(*certificates["test.example"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(authority.path))
    worker = stack.enter_context(SecureWorker(context, asks_names=False))
    chain, key = authority.sign("the balancer")
    ballast = behind(worker, name="test.example", certificate=str(chain), key=str(key))
    for _ in range(4):
        assert ballast.get("/close").body == b"ok"
    assert worker.peers[-1]["subject"] == ((("commonName", "the balancer"),),)
    assert worker.reused[-1]


@pytest.mark.parametrize("rudely", [False, True])
def test_tls_answer_until_the_end_needs_its_word(stack, behind, certificates, rudely):
    worker = stack.enter_context(SecureWorker(worker_context(*certificates["test.example"]), rudely))
    ballast = behind(worker, name="test.example")
    with ballast.connect() as client:
        client.send(b"GET /until-the-end HTTP/1.1\r\nHost: test.example\r\n\r\n")
        if rudely:
            with pytest.raises(WasReset):
                client.read_answer()
        else:
            assert client.read_answer().body == b"some"
    line = ballast.wait_access_line(lambda line: line["target"] == "/until-the-end")
    assert (line["reason"] == "ok") != rudely, line


# HTTP/2 over TLS.

def test_tls_nghttp_gets_a_page_with_all_that_it_names(secure, scripted):
    """Over one connection: the page, then its style, script and pictures at once."""
    assets = {b"/style.css": b"a { color: red }", b"/code.js": b"go();" * 20000, b"/one.png": b"\x89PNG" * 50000,
              b"/two.png": b"\x89PNG"}
    page = b"""<html><head><link rel="stylesheet" href="/style.css"><script src="/code.js"></script></head>
        <body><img src="/one.png"><img src="/two.png"></body></html>"""
    worker = scripted()
    for target, body in {b"/page": page, **assets}.items():
        worker.play_at(target, Script((b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),)))
    ballast, port = secure(workers=[worker])
    done = subprocess.run([shutil.which("nghttp"), "-nasy", f"https://127.0.0.1:{port}/page"],
                          capture_output=True, text=True, timeout=30, check=True)
    got = re.findall(r" 200 +\S+ (/\S+)$", done.stdout, re.MULTILINE)
    assert sorted(got) == ["/code.js", "/one.png", "/page", "/style.css", "/two.png"], done.stdout + done.stderr
    sizes = {line["path"].encode(): line["bytes_out"] for line in ballast.wait_access(5)}
    assert sizes == {b"/page": len(page)} | {target: len(body) for target, body in assets.items()}
    assert ballast.settled_metrics()["requests_ok"] == 5
    ballast.wait_metric("ballast_http2_connections_total", 1)
    assert {line["protocol"] for line in ballast.access_lines()} == {"HTTP/2"}


def test_tls_agrees_on_http2(secure, authority):
    ballast, port = secure()
    context = context_for(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, \
            context.wrap_socket(plain, server_hostname="test.example") as secured:
        assert secured.selected_alpn_protocol() == "h2"
    done = subprocess.run([shutil.which("curl"), "-s", "--http2", "--cacert", authority.path, "--resolve",
                           f"test.example:{port}:127.0.0.1", "-o", "/dev/null", "-w",
                           "%{http_code} %{http_version} %{size_download}",
                           f"https://test.example:{port}/bytes/3000000"],
                          capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "200 2 3000000"
    line = ballast.wait_access_line(lambda line: line["protocol"] == "HTTP/2")
    assert (line["status"], line["reason"]) == (200, "ok")


def test_tls_http2_says_https_to_the_worker(secure, authority):
    _, port = secure()
    done = subprocess.run([shutil.which("curl"), "-s", "--http2", "--cacert", authority.path, "--resolve",
                           f"test.example:{port}:127.0.0.1", f"https://test.example:{port}/headers"],
                          capture_output=True, text=True, timeout=30, check=True)
    assert "x-forwarded-proto: https" in done.stdout.lower() and "via: 2 ballast" in done.stdout.lower()


def test_tls_http2_under_load(secure):
    ballast, port = secure()
    done = subprocess.run([shutil.which("h2load"), "-n2000", "-c10", "-m20", f"https://127.0.0.1:{port}/"],
                          capture_output=True, text=True, timeout=60, check=True)
    assert "2000 succeeded, 0 failed, 0 errored" in done.stdout and "Application protocol: h2" in done.stdout
    assert ballast.settled_accounts()["requests_ok"] == 2000


def test_tls_without_http2(secure, authority):
    _, port = secure(http2={"enabled": False})
    context = context_for(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert ask(port, context)[1]["alpn"] == "http/1.1"


@pytest.mark.parametrize("offered", [["http/1.1"], []])
def test_tls_http2_has_to_be_agreed_on(secure, authority, offered):
    """RFC 9113 section 3.2: over TLS no preface makes it HTTP/2."""
    _, port = secure()
    context = context_for(authority)
    if offered:
        context.set_alpn_protocols(offered)
    assert ask(port, context, request=PREFACE + SettingsFrame(0).serialize())[0].startswith(b"HTTP/1.1 505 ")


def test_tls_http2_that_was_agreed_on_has_to_be_spoken(secure, authority):
    """RFC 9113 section 3.4: anything but its preface is an error of the connection."""
    ballast, port = secure()
    context = context_for(authority)
    context.set_alpn_protocols(["h2"])
    with H2Client(("127.0.0.1", port), hello=False, tls=context) as h2:
        h2.send(GET)
        assert h2.end() == PROTOCOL_ERROR
    assert ballast.metrics()["requests_total"] == 0


def s_client(port, *arguments, said=b""):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "test.example",
                           *arguments], input=said, capture_output=True, timeout=20, check=False)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def test_tls_weak_ciphers_are_refused(secure):
    """RFC 9113 section 9.2.2: whatever has no ephemeral key exchange or no authenticated encryption, for TLS 1.2."""
    _, port = secure()
    weak = "ALL:COMPLEMENTOFALL:!ECDHE+AESGCM:!ECDHE+CHACHA20:!DHE+AESGCM:!DHE+CHACHA20:!ECDHE+AESCCM:!DHE+AESCCM" \
           ":!ARIAGCM:!PSK:!SRP:@SECLEVEL=0"
    code, said = s_client(port, "-tls1_2", "-cipher", weak)
    assert code != 0 and "alert handshake failure" in said, said
    code, said = s_client(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", said=b"Q\n")
    assert code == 0, said


def test_tls_is_not_negotiated_again(secure):
    """RFC 9113 section 9.2.1: a client that asks for it within TLS 1.2 is told no."""
    _, port = secure()
    code, said = s_client(port, "-tls1_2", said=b"R\n")
    assert "RENEGOTIATING" in said and "no renegotiation" in said and code != 0, said
