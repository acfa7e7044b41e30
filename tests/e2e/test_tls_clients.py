"""Mutual TLS: whose certificate was shown is told to workers, and a revoked one is none. Stapled OCSP answers."""

import random
import socket
import ssl
import subprocess

import pytest

from harness.certificates import Authority
from harness.waiting import free_port

FIELD = "X-Client-Subject"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("clients"), "Clients")


@pytest.fixture(scope="module")
def site(authority):
    return authority.sign("test.example")


@pytest.fixture
def mutual(balance, demo, site, clients):
    """start(**tls) -> (ballast, port) of a listener that asks its clients for certificates."""
    def start(verify="optional", subject=FIELD, certificate=None, **tls):
        port = free_port()
        chain = {"chain": str(site[0]), "key": str(site[1]), **(certificate or {})}
        ballast = balance(*demo().addresses, forwarded={"client_subject": subject}, listeners=[
            {"address": f"127.0.0.1:{free_port()}"},
            {"address": f"127.0.0.1:{port}", "tls": {
                "certificates": [chain], "client_verify": verify, "client_ca": str(clients.path), **tls}}])
        return ballast, port
    return start


def ask(port, authority, shown=None, fields="", session=None, version=None, body=""):
    """(answer, session) of a request over TLS with this certificate."""
    context = ssl.create_default_context(cafile=str(authority.path))
    if version:
        context.minimum_version = context.maximum_version = version
    if shown:
        context.load_cert_chain(*shown)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        if session:
            context = session[0]
        with context.wrap_socket(plain, server_hostname="test.example", session=session and session[1]) as secured:
            method = "POST /headers" if body else "GET /headers"
            secured.sendall(f"{method} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n{body}".encode())
            answer = b""
            while part := secured.recv(65536):
                answer += part
            return answer.decode(), (context, secured.session, secured.session_reused)


def told(answer):
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 "), answer
    return [line.partition(": ")[2] for line in body.splitlines() if line.lower().startswith(FIELD.lower() + ":")]


def test_tls_subject_reaches_the_worker(mutual, authority, clients):
    ballast, port = mutual()
    shown = clients.sign("some client")
    forged = f"{FIELD}: CN=admin\r\nx_client_subject: CN=admin\r\n"
    answer, session = ask(port, authority, shown, forged)
    assert told(answer) == ["CN=some client"] and "admin" not in answer
    answer, session = ask(port, authority, shown, forged, session=session)
    assert told(answer) == ["CN=some client"] and session[2]  # resumed: the same client
    answer, _ = ask(port, authority, None, forged)
    assert told(answer) == [] and "admin" not in answer
    head = f"GET /headers HTTP/1.1\r\nHost: a\r\n{forged}Connection: close\r\n\r\n".encode()
    plain = ballast.ask(head)
    assert b"admin" not in plain.body and FIELD.lower().encode() not in plain.body.lower()


def test_tls_subject_with_hostile_letters(mutual, authority, clients):
    _, port = mutual()
    shown = clients.sign('a,b="c"\u00e4', alternatives=["DNS:c"])
    answer, _ = ask(port, authority, shown)
    subject, = told(answer)
    assert subject.isascii() and subject.isprintable() and subject.startswith("CN=a\\,b=")


def test_tls_subject_not_in_trailers(mutual, authority, scripted, balance):
    worker = scripted()
    ballast = balance(worker, forwarded={"client_subject": FIELD})
    answer = ballast.ask(f"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
                         f"1\r\nx\r\n0\r\n{FIELD}: CN=admin\r\nX-Other: kept\r\n\r\n".encode(), method=b"POST")
    assert answer.status == 200
    assert worker.take()[0].trailers == b"X-Other: kept\r\n"


def test_tls_revoked_client_is_refused(mutual, authority, clients):
    revoked, good = clients.sign("revoked"), clients.sign("good")
    _, port = mutual(verify="required", client_crl=str(clients.revocations(revoked[0])))
    assert told(ask(port, authority, good)[0]) == ["CN=good"]
    with pytest.raises(OSError, match="(?i)revoked"):
        ask(port, authority, revoked)
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cert", revoked[0],
                           "-key", revoked[1],
                           "-ign_eof"], input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=30, check=False)
    assert b"alert certificate revoked" in done.stderr


def test_tls_revoked_authority_is_no_authority(mutual, authority, clients, tmp_path):
    """A list that revokes an authority between the client and the root counts; that there is none for it does not."""
    between = clients.below("between")
    leaf, key = between.sign("under it")
    shown = tmp_path / "chain.pem", key
    shown[0].write_bytes(leaf.read_bytes() + between.path.read_bytes())
    def lists(name, *paths):
        (tmp_path / name).write_bytes(b"".join(path.read_bytes() for path in paths))
        return str(tmp_path / name)
    own = between.revocations()
    for crl, good in ((lists("own", own), True), (lists("both", clients.revocations(), own), True),
                      (lists("revoked", clients.revocations(between.path), own), False)):
        _, port = mutual(verify="required", client_crl=crl)
        if good:
            assert told(ask(port, authority, shown)[0]) == ["CN=under it"]
        else:
            with pytest.raises(OSError, match="(?i)revoked"):
                ask(port, authority, shown)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_ticket_does_not_outlive_the_belief(mutual, authority, clients, tmp_path, version):
    """A client that is revoked after its session began does not come in by its ticket."""
    (tmp_path / "keys").write_bytes(random.randbytes(80))
    shown = clients.sign("fallen")
    before = {"verify": "required", "ticket_keys": str(tmp_path / "keys"), "client_crl": str(clients.revocations())}
    _, one = mutual(**before)
    _, same = mutual(**before)
    _, after = mutual(**{**before, "client_crl": str(clients.revocations(shown[0]))})
    _, session = ask(one, authority, shown, version=version)
    assert ask(same, authority, session=session)[1][2]
    with pytest.raises(OSError, match="(?i)revoked"):
        ask(after, authority, session=session)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_session_without_a_certificate_is_none_where_one_is_required(mutual, balance, demo, authority, site,
                                                                         tmp_path, version):
    """Not even with the same ticket keys, under the same name."""
    keys = tmp_path / "keys"
    keys.write_bytes(random.randbytes(80))
    _, strict = mutual(verify="required", ticket_keys=str(keys))
    _, lax = mutual(verify="optional", ticket_keys=str(keys))
    port = free_port()
    balance(*demo().addresses, listeners=[{"address": f"127.0.0.1:{free_port()}"}, {
        "address": f"127.0.0.1:{port}", "tls": {"certificates": [{"chain": str(site[0]), "key": str(site[1])}],
                                                "ticket_keys": str(keys)}}])
    for other in (port, lax):
        answer, session = ask(other, authority, version=version)
        assert answer.startswith("HTTP/1.1 200 ")
        assert ask(other, authority, session=session)[1][2]
        with pytest.raises(OSError):
            ask(strict, authority, session=session)


def test_tls_client_without_a_list_by_its_authority_is_refused(mutual, authority, clients, tmp_path):
    """As `ballast check` warns."""
    other = Authority(tmp_path, "Other")
    ballast, port = mutual(verify="required", client_crl=str(other.revocations()))
    with pytest.raises(OSError):
        ask(port, authority, clients.sign("anybody"))
    ballast.wait_log("no list of revoked certificates by any authority")


def test_tls_staple_is_seen_by_openssl(mutual, authority, site):
    staple = authority.staple(site[0])
    _, port = mutual(certificate={"ocsp": str(staple)})
    _, bare = mutual()
    def status(where):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{where}", "-status", "-servername",
                               "test.example", "-CAfile", authority.path, "-verify_return_error"], input=b"",
                              capture_output=True, timeout=30, check=False).stdout.decode()
    text = status(port)
    assert "OCSP Response Status: successful" in text and "Cert Status: good" in text, text
    assert "OCSP response: no response sent" in status(bare)


def test_tls_subject_field_must_be_free(ballast_path, tmp_path):
    path = tmp_path / "ballast.yaml"
    path.write_text('{pools: {web: {workers: ["3001"]}}, forwarded: {client_subject: Host}}')
    done = subprocess.run([ballast_path, "check", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "meaning of its own" in done.stdout
