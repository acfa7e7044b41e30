"""A client that leaves: whatever it speaks and whatever its worker speaks, in the clear and over TLS, at each moment
and in each way, the accounts say the same. Workers hold back until they are told."""

import contextlib
import dataclasses
import re
import ssl
import threading

import pytest

from harness.ballast import Ballast, settings
from harness.certificates import Authority
from harness.either import H1, H2
from harness.h2 import CANCEL, DataFrame, H2Worker
from harness.programs import asleep, children
from harness.waiting import free_port, wait_for
from harness.worker import READ_REST, Script, Worker, fill_backlog, wait

BEHIND = [(version, secure) for version in (1, 2) for secure in (False, True)]
MOMENTS = ["asking", "connecting", "thinking", "uploading", "answering", "over"]
HEALTH = {"interval": "1h", "interval_doubt": "1h"}  # one probe, at the start
BEGUN, GOES_ON = b"begun", b"x" * 1000
SAME = re.compile(r"requests_(total|ok|failed|aborted|active)|worker_\w+_requests"
                  r"|ballast_(worker_dispatches|worker_broken|requests|failures|retries|retries_refused|retries_waited)"
                  r"_total.*|ballast_request_duration_seconds_count")


class Far1:
    """A worker of HTTP/1 that answers as far as it is told to."""

    def __init__(self, tls):
        self.worker, self.told = Worker(tls=tls), threading.Event()

    def hold(self, target):
        self.worker.play_at(target.encode(), Script((READ_REST,), early=True))

    def begin(self, target, size):
        self.told = threading.Event()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
        self.worker.play_at(target.encode(), Script((head + BEGUN, wait(self.told), GOES_ON)))

    def go_on(self):
        self.told.set()

    def wait_asked(self, target):
        """The request of this target, when it has come."""
        return wait_for(lambda: [r for r in self.worker.requests if r.target == target.encode()], what="the request")[0]

    def wait_ended(self, request):
        wait_for(lambda: request.connection in self.worker.ended, what="the worker's connection to end")


class Far2:
    """The same of HTTP/2."""

    def __init__(self, tls):
        self.worker, self.began = H2Worker(tls=tls), None

    def hold(self, target):
        self.worker.play[target] = lambda connection, stream: None

    def begin(self, target, size):
        def play(connection, stream):
            self.began = connection, stream, size == len(BEGUN + GOES_ON)
            connection.answer_with(stream, BEGUN, extra=[("content-length", str(size))], ends=False)
        self.worker.play[target] = play

    def go_on(self):
        connection, stream, ends = self.began
        connection.send(DataFrame(stream, GOES_ON, flags=["END_STREAM"] if ends else []))

    def wait_asked(self, target):
        return wait_for(lambda: [asked for asked in self.worker.asked if asked[2] == target], what="the request")[0]

    def wait_ended(self, asked):
        connection, stream, _ = asked
        wait_for(lambda: self.worker.connections[connection].streams[stream].reset == CANCEL, what="RST_STREAM")


@dataclasses.dataclass
class Sides:
    kind: type
    far: object
    ballast: Ballast
    address: tuple
    tls: object

    def __call__(self):
        return self.kind(self.address, self.tls)

    def counted(self):
        return {name: n for name, n in self.ballast.settled_metrics().items() if SAME.fullmatch(name)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("site"))
    return authority, [str(path) for path in authority.sign("test.example")]


def contexts(site, kind, version):
    """What the workers and the clients speak TLS by."""
    authority, files = site
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*files)
    server.set_alpn_protocols(["h2" if version == 2 else "http/1.1"])
    client = ssl.create_default_context(cafile=authority.path)
    client.set_alpn_protocols(["h2" if kind is H2 else "http/1.1"])
    return server, client


def serve(kind, version, secure, ballast_path, site):
    """Clients of this kind, a worker of this version, the balancer between."""
    server, client = contexts(site, kind, version) if secure else (None, None)
    with contextlib.ExitStack() as stack:
        far, deaf = [{1: Far1, 2: Far2}[version](server) for _ in range(2)]
        stack.enter_context(far.worker)
        pool = {"protocol": "http1" if version == 1 else "h2" if secure else "h2c", "health": HEALTH}
        if secure:
            pool["worker_tls"] = {"enabled": True, "ca": str(site[0].path), "name": "test.example"}
        config = settings([{"address": far.worker.address, "name": "far"}], threads=1, pools={
            "web": pool, "deaf": {**pool, "workers": [{"address": deaf.worker.address, "name": "deaf"}]}},
            routes=[{"path": "/connecting/", "pool": "deaf"}, {"pool": "web"}],
            timeouts={"half_closed": "100ms", "connect": "60s", "response_head": "60s"})
        listener = {"address": f"127.0.0.1:{free_port()}"}
        front = {"address": f"127.0.0.1:{free_port()}"}
        if secure:
            front["tls"] = {"certificates": [dict(zip(("chain", "key"), site[1]))]}
        config["listeners"] = [listener, front]
        ballast = stack.enter_context(Ballast(ballast_path, config)).wait_alive(2)
        fill_backlog(stack, deaf.worker)
        yield Sides(kind, far, ballast, ("127.0.0.1", int(front["address"].rpartition(":")[2])), client)
        ballast.assert_accounts()


def sides_of(kind):
    @pytest.fixture(scope="module", params=BEHIND, ids=[f"http{v}{'-tls' * secure}" for v, secure in BEHIND])
    def sides(request, ballast_path, site):
        yield from serve(kind, *request.param, ballast_path, site)
    return sides


http1_client, http2_client = sides_of(H1), sides_of(H2)


def ask_and_leave(sides, client, target, moment, how):
    """Up to the moment, and away. What the worker has of it, if it has any."""
    if moment == "asking":
        with asleep(children(sides.ballast.pid)[0]):  # it learns of both at the same time
            client.ask("GET", target)
            client.leave(how)
        return None
    client.begin_upload(target) if moment == "uploading" else client.ask("GET", target)
    if moment == "connecting":
        sides.ballast.wait_metric("requests_active", 1)
    elif moment == "answering":
        client.wait_begun()
    elif moment == "over":
        assert client.answer()[:2] == (200, b"ok")
    asked = sides.far.wait_asked(target) if moment != "connecting" else None
    client.leave(how)
    return asked


def prepare(sides, target, moment, goes_on):
    if moment == "answering":
        sides.far.begin(target, len(BEGUN + GOES_ON) + (not goes_on))
    elif moment != "over":
        sides.far.hold(target)


def expected(ok, dispatched, pool, worker):
    """What the counters have grown by."""
    labels = f'{{pool="{pool}",worker="{worker}"}}'
    grown = {"requests_total": 1, "ballast_request_duration_seconds_count": 1}
    if dispatched:
        grown |= {f"worker_{worker}_requests": 1, f"ballast_worker_dispatches_total{labels}": 1}
    if ok:
        return grown | {"requests_ok": 1, f'ballast_requests_total{labels[:-1]},code_class="2xx"}}': 1}
    if dispatched:
        grown[f"ballast_worker_broken_total{labels}"] = 1
    return grown | {"requests_aborted": 1, 'ballast_failures_total{reason="client_gone"}': 1}


def cases(kind):
    return pytest.mark.parametrize("moment,how", [(moment, how) for moment in MOMENTS for how in kind.WAYS])


@cases(H1)
def test_http1_client_leaves(http1_client, stack, moment, how):
    judge(http1_client, stack, moment, how)


@cases(H2)
def test_http2_client_leaves(http2_client, stack, moment, how):
    judge(http2_client, stack, moment, how)


def judge(sides, stack, moment, how):
    target, pool, worker = f"/{moment}/{how}", *(("deaf", "deaf") if moment == "connecting" else ("web", "far"))
    goes_on = sides.kind is H1 and moment == "answering" and how == "half"
    prepare(sides, target, moment, goes_on)
    client = stack.enter_context(contextlib.closing(sides()))
    client.settle()
    before = sides.counted()
    asked = ask_and_leave(sides, client, target, moment, how)
    if sides.kind is H1 and moment == "answering":  # by now its end alone does not say that it has gone
        sides.far.go_on()
    if goes_on:
        assert client.rest(len(GOES_ON)) == GOES_ON

    line = sides.ballast.wait_access_line(lambda line: line["target"] == target)
    ok = goes_on or moment == "over"
    assert (line["status"], line["reason"]) == ((200, "ok") if ok else (499, "client_gone"))
    dispatched = moment != "asking" or line["tries"] == 1  # it may be known too late to spare the worker
    if dispatched:
        assert (line["pool"], line["worker"], line["tries"]) == (pool, worker, 1)
    after = sides.counted()
    assert {name: n - before.get(name, 0) for name, n in after.items() if n != before.get(name, 0)} == expected(
        ok, dispatched, pool, worker)
    if moment == "answering":
        sides.far.go_on()
    if asked and not ok:
        sides.far.wait_ended(asked)
    assert sides.ballast.get("/last").status == 200
    lines = sides.ballast.wait_access_line(lambda line: line["target"] == "/last") and sides.ballast.access_lines()
    assert sum(line["target"] == target for line in lines) == 1
