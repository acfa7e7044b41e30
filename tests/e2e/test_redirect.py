"""Clients are sent to https, or elsewhere; browsers are told to come by https alone."""

import json
import subprocess

import pytest

from harness.certificates import Authority
from harness.waiting import free_port

TO_HTTPS = [{"redirect": "https"}, {"pool": "web"}]
HSTS = b"Strict-Transport-Security"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def site(balance, demo, authority):
    """start(routes, tls settings) -> (ballast, its TLS port, curl): a plain listener and one with TLS."""
    chain, key = authority.sign("test.example")
    def start(routes=None, workers=None, tls=None, **extra):
        port = free_port()
        ballast = balance(*(workers or demo().addresses), routes=routes or [{"pool": "web"}], listeners=[
            {"address": f"127.0.0.1:{free_port()}"},
            {"address": f"127.0.0.1:{port}", "tls": {"certificates": [{"chain": str(chain), "key": str(key)}],
                                                     **(tls or {})}}], **extra)
        def curl(*arguments):
            return subprocess.run(["curl", "-sS", "--cacert", authority.path,
                                   "--resolve", f"test.example:{port}:127.0.0.1", "--resolve",
                                   f"test.example:{ballast.address[1]}:127.0.0.1", *arguments],
                                  capture_output=True, timeout=30, check=True).stdout
        return ballast, port, curl
    return start


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_redirect_curl_ends_at_https(site, version):
    port = free_port()
    ballast, port, curl = site()
    ballast.stop()
    routes = [{"redirect": {"to": "https", "port": port}}, {"pool": "web"}]
    ballast, port, curl = site(routes)
    answer = curl(version, "-i", f"http://test.example:{ballast.address[1]}/headers?a=b%20c")
    head = answer.lower()
    assert b" 308" in head and b"location: https://test.example:" in head and b"/headers?a=b%20c\r\n" in head
    secure = curl("-i", f"https://test.example:{port}/headers")
    assert b" 200" in secure.split(b"\r\n")[0]


def test_redirect_says_where(site):
    ballast, _, _ = site(TO_HTTPS)
    answer = ballast.get("/x?y=1", host="test.example:8080")
    assert answer.status == 308 and answer.fields.one(b"Location") == b"https://test.example/x?y=1"
    posted = ballast.ask(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", method=b"POST")
    assert posted.status == 308 and posted.fields.one(b"Location") == b"https://h/p"
    numbers = ballast.settled_metrics()
    assert (numbers["requests_total"], numbers["requests_failed"]) == (2, 0)
    line = ballast.wait_access(2)[0]
    assert line["status"] == 308


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_to_a_url(site, status):
    routes = [{"host": "old.example", "redirect": {"to": "https://new.example", "status": status}},
              {"path": "/moved", "redirect": {"to": "http://other.example/there", "status": status}}, {"pool": "web"}]
    ballast, port, curl = site(routes)
    answer = ballast.get("/a?b", host="old.example")
    assert (answer.status, answer.fields.one(b"Location")) == (status, b"https://new.example/a?b")
    assert ballast.get("/moved/a").fields.one(b"Location") == b"http://other.example/there"
    assert ballast.get("/other").status == 200
    assert b"http://other.example/there" in curl("-i", f"https://test.example:{port}/moved")  # whatever the scheme


def test_redirect_believes_a_trusted_proxy(site):
    """Behind a proxy that ends TLS everything comes in the clear: it would be sent round and round."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n"
    ballast, _, _ = site(TO_HTTPS, forwarded={"trusted": ["127.0.0.0/8"]})
    assert ballast.ask(head).status == 200
    ballast, _, _ = site(TO_HTTPS)
    assert ballast.ask(head).status == 308


@pytest.mark.parametrize("hsts, said", [
    (None, None), ({}, b"max-age=31536000"), (300, b"max-age=300"), (0, b"max-age=0"),
    ({"max_age": 63072000, "include_subdomains": True, "preload": True},
     b"max-age=63072000; includeSubDomains; preload")])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_hsts_over_tls_alone(site, hsts, said, version):
    ballast, port, curl = site(tls={} if hsts is None else {"hsts": hsts})
    for path in ("/", "/metrics"):
        head = curl(version, "-i", f"https://test.example:{port}{path}").lower()
        wanted = b"" if said is None else b"strict-transport-security: " + said.lower() + b"\r\n"
        assert wanted in head and head.count(HSTS.lower()) == (said is not None)
    assert ballast.get("/").fields.all(HSTS) == []  # RFC 6797 section 7.2


def test_hsts_of_a_worker_stays(site, scripted):
    worker = scripted()
    own = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nStrict-Transport-Security: max-age=7\r\n\r\n"
    from harness.worker import Script
    worker.play_at(b"/own", Script((own,)))
    _, port, curl = site(workers=[worker.address], tls={"hsts": 300})
    assert b"max-age=7\r\n" in curl("-i", f"https://test.example:{port}/own")
    assert curl("-i", f"https://test.example:{port}/own").lower().count(HSTS.lower()) == 1
    assert b"max-age=300\r\n" in curl("-i", f"https://test.example:{port}/other")


@pytest.mark.parametrize("extra, said", [
    ({"routes": [{"pool": "web", "redirect": "https"}]}, "not both"),
    ({"routes": [{"path": "/"}]}, '"pool" is missing, or "redirect"'),
    ({"routes": [{"redirect": "ftp://x"}]}, "is no URL"),
    ({"routes": [{"redirect": "https://"}]}, "is no URL"),
    ({"routes": [{"redirect": 'https://a/"'}]}, "is no URL"),
    ({"routes": [{"redirect": "https://a.example"}, {"pool": "web"}]}, "never reached"),
    ({"listeners": [{"address": "8443", "tls": {"certificates": ["/x"], "hsts": {"max_age": 1, "preload": True}}}]},
     '"preload" needs'),
])
def test_redirect_check(ballast_path, tmp_path, extra, said):
    path = tmp_path / "ballast.yaml"
    path.write_text(json.dumps({"pools": {"web": {"workers": ["3001"]}}, **extra}))
    done = subprocess.run([ballast_path, "check", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and said in done.stdout, done.stdout
