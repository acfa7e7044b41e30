"""Routes: which host and path lead to which pool; the first match wins."""

import contextlib
import re

import pytest

from harness.ballast import Ballast
from harness.client import Client
from harness.programs import DemoWorker
from harness.worker import Script

ROUTES = [
    {"host": "api.example.com", "path": "/v1/", "pool": "api"},
    {"host": "api.example.com", "path": "/v2", "pool": "next"},
    {"host": "*.example.com", "path": "/files", "pool": "files"},
    {"host": "[::1]", "pool": "next"},
    {"path": "/only", "pool": "next"},
    {"host": "www.example.com", "pool": "web"},
]


@pytest.fixture(scope="module")
def routed(ballast_path, demo_worker_path):
    """Four pools with two workers each; each worker is named after its pool."""
    with contextlib.ExitStack() as stack:
        pools = {}
        for name in ("web", "api", "next", "files"):
            worker = stack.enter_context(DemoWorker(demo_worker_path, f"--name={name}-1", f"--name={name}-2",
                                                    ports=(0, 0)))
            pools[name] = {"workers": worker.addresses, "health": {"interval": "1s"}}
        ballast = stack.enter_context(Ballast(ballast_path, {"pools": pools, "routes": ROUTES, "threads": 2}))
        yield ballast.wait_alive(8)


def pool_of(ballast, host, target, method=b"GET"):
    """The pool that answered, or the status of our own answer."""
    with ballast.connect() as client:
        client.send(method + b" " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        answer = client.read_answer(method)
    worker = answer.fields.one(b"x-worker")
    return answer.status if worker is None else worker.decode()[:-2]


@pytest.mark.parametrize("host, target, pool", [
    (b"api.example.com", b"/v1/", "api"), (b"api.example.com", b"/v1/x/y?z", "api"),
    (b"api.example.com", b"/v1", 404), (b"api.example.com", b"/v10/", 404),
    (b"api.example.com", b"/v2", "next"), (b"api.example.com", b"/v2/x", "next"),
    (b"api.example.com", b"/v2?x", "next"),
    (b"api.example.com", b"/v20", 404),
    (b"API.Example.COM", b"/v1/", "api"), (b"api.example.com:8080", b"/v1/", "api"), (b"api.example.com", b"/V1/", 404),
    (b"a.example.com", b"/files", "files"), (b"a.b.example.com", b"/files/x", "files"),
    (b"example.com", b"/files", 404), (b"xexample.com", b"/files", 404), (b"api.example.com", b"/files/", "files"),
    (b"www.example.com", b"/", "web"), (b"www.example.com", b"/files", "files"), (b"www.example.com", b"/only", "next"),
    (b"other.test", b"/", 404), (b"other.test", b"/only", "next"), (b"other.test", b"/only/x", "next"),
    (b"[::1]", b"/", "next"), (b"[::1]:80", b"/", "next"),
    (b"www.example.com.evil.test", b"/", 404), (b"evil.test", b"//www.example.com/", 404),
    (b"other.test", b"http://www.example.com/", "web"),
])
def test_host_and_path_lead_to_a_pool(routed, host, target, pool):
    """An absolute-form target names the host itself (RFC 9112 section 3.2.2)."""
    assert pool_of(routed, host, target) == pool


def test_options_for_the_whole_server(routed):
    assert pool_of(routed, b"www.example.com", b"*", b"OPTIONS") == "web"
    assert pool_of(routed, b"other.test", b"*", b"OPTIONS") == 404


def test_one_connection_many_pools(routed):
    said = []
    with Client(routed.address) as client:
        for host, target in [(b"api.example.com", b"/v1/"), (b"www.example.com", b"/"), (b"none.test", b"/"),
                             (b"x.example.com", b"/files"), (b"api.example.com", b"/v1/")]:
            client.send(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            answer = client.read_answer()
            said.append((answer.fields.one(b"x-worker") or str(answer.status).encode()).decode().split("-")[0])
    assert said == ["api", "web", "404", "files", "api"]


def test_each_pool_has_its_own_turns(routed):
    def workers(host, target, count):
        return [routed.ask(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
                .fields.one(b"x-worker") for _ in range(count)]
    first = workers(b"api.example.com", b"/v1/", 1)
    workers(b"www.example.com", b"/", 3)
    assert workers(b"api.example.com", b"/v1/", 1) != first


def test_no_route_is_404_and_a_failure_with_its_reason(routed):
    before = routed.settled_metrics().get('ballast_failures_total{reason="no_route"}', 0)
    answer = routed.get("/", host="nobody.test")
    assert answer.status == 404 and b'details="no_route"' in answer.fields.one(b"proxy-status")
    assert routed.settled_metrics()['ballast_failures_total{reason="no_route"}'] == before + 1
    line = routed.wait_access_line(lambda line: line["host"] == "nobody.test")
    assert (line["status"], line["reason"], line["pool"], line["worker"]) == (404, "no_route", "", "")


def test_metrics_come_before_routes(routed):
    assert pool_of(routed, b"nobody.test", b"/metrics") == 200
    assert pool_of(routed, b"nobody.test", b"/metrics/x") == 404
    assert pool_of(routed, b"nobody.test", b"/metrics?x=1") == 200


def test_answers_of_a_route_tell_what_took_how_long(demo, balance, scripted):
    """Where it is asked for, and beside what the worker says itself; nobody else is told."""
    worker = scripted()
    worker.default = Script((b"HTTP/1.1 200 OK\r\nServer-Timing: db;dur=3\r\nContent-Length: 0\r\n\r\n",))
    pools = {"slow": {"workers": [demo("--delay-ms=50").address], "health": {"interval": "1s"}}}
    ballast = balance(worker, alive=2, pools=pools, routes=[
        {"path": "/slow", "pool": "slow", "server_timing": True},
        {"path": "/timed", "pool": "web", "server_timing": True}, {"pool": "web"}])
    for target, said, least in ("/timed", [b"db;dur=3"], 0), ("/slow", [], 50):
        *theirs, ours = ballast.get(target).fields.all(b"server-timing")
        assert theirs == said
        times = re.fullmatch(rb"queue;dur=(\S+), connect;dur=(\S+), worker;dur=(\S+)", ours).groups()
        assert all(0 <= float(time) < 5000 for time in times) and float(times[-1]) >= least
    assert ballast.get("/").fields.all(b"server-timing") == [b"db;dur=3"]
