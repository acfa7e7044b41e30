"""Health: how a worker's death is noticed without a failed request, and what changes its health and what does not."""

import collections
import signal

import pytest

from harness.ballast import Ballast
from harness.client import Client, WasReset
from harness.programs import Steadily
from harness.waiting import wait_for
from harness.worker import CLOSE, RESET, Script, Worker

GET = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"
DEFAULT_PROBES = {"interval": "2s", "timeout": "1s", "rise": 2, "fall": 3}
QUICK_PROBES = {"interval": "50ms", "interval_doubt": "50ms", "timeout": "500ms", "rise": 2, "fall": 2}


class Asker:
    """GET after GET, each checked: on connections of their own, or on one that is kept open."""

    def __init__(self, ballast, keep):
        self.ballast, self.keep, self.client = ballast, keep, None

    def __call__(self):
        self.client = self.client or self.ballast.connect()
        self.client.send(GET)
        answer = self.client.read_answer()
        assert (answer.status, answer.framing) == (200, "length"), answer
        if not self.keep:
            self.client.close()
            self.client = None


def served(ballast, worker):
    return ballast.metrics()[f"worker_{worker.port}_requests"]


def alive(ballast, worker):
    return ballast.metrics()[f"worker_{worker.port}_alive"]


def ask_all(ballast, count):
    """So many GETs in a row; their statuses, without repetition."""
    return {ballast.get().status for _ in range(count)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_a_worker_dies_and_comes_back_and_no_get_fails(demo, stack, ballast_path, number):
    """With probes at their defaults, as the flags alone give them."""
    workers = [demo() for _ in range(3)]
    flags = [f"--worker={worker.address}" for worker in workers]
    ballast = stack.enter_context(Ballast(ballast_path, arguments=[*flags, "--threads=2"])).wait_alive(3)
    gone = workers[1]
    with Steadily(Asker(ballast, keep=False)) as first, Steadily(Asker(ballast, keep=True)) as second:
        first.wait_times(100)
        gone.process.send_signal(number)
        gone.process.wait(10)
        ballast.wait_metric(f"worker_{gone.port}_alive", 0, timeout=10)
        line = ballast.wait_log("worker is down")
        assert f"worker={gone.port}" in line and "cause=connect_refused" in line

        before = served(ballast, gone)
        first.wait_times(100)
        second.wait_times(100)
        assert served(ballast, gone) == before, "a worker that is down got traffic"

        gone.again()
        ballast.wait_metric(f"worker_{gone.port}_alive", 1, timeout=10)
        before = served(ballast, gone)
        first.wait_times(100)
        assert served(ballast, gone) > before
    metrics = ballast.assert_accounts()
    assert (metrics["requests_failed"], metrics["requests_aborted"]) == (0, 0)
    assert metrics["requests_ok"] >= first.times + second.times


def test_a_worker_that_answers_500_to_all_but_health_stays_alive(demo, balance):
    sick, well = demo("--status=500"), demo()
    ballast = balance(sick.address, well.address, pools={"web": {"health": QUICK_PROBES}})
    statuses = [ballast.get().status for _ in range(40)]
    assert sorted(statuses) == [200] * 20 + [500] * 20, "turns go on, and 5xx are passed on"
    good = f'ballast_probes_total{{pool="web",worker="{sick.port}",result="good"}}'
    seen = ballast.metrics()[good]
    wait_for(lambda: ballast.metrics()[good] >= seen + 5, what="five more good probes")
    assert alive(ballast, sick) == 1
    assert ballast.settled_metrics()["requests_failed"] == 0
    assert not any("worker is down" in line for line in ballast.stderr_lines)


@pytest.mark.parametrize("script", [
    Script((CLOSE,)), Script((RESET,)), Script((b"nonsense\r\n\r\n", CLOSE)),
    Script((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut", CLOSE)),
], ids=["close", "reset", "nonsense", "cut"])
def test_a_failed_request_never_changes_health(scripted, balance, script):
    worker = scripted()
    ballast = balance(worker, pools={"web": {"health": QUICK_PROBES}})
    worker.default = script
    for _ in range(20):
        try:
            assert ballast.get().status == 502
        except WasReset:
            pass
    probes = len(worker.probes)
    wait_for(lambda: len(worker.probes) >= probes + 4, what="four more probes")
    assert alive(ballast, worker) == 1
    worker.default = Script()
    assert ask_all(ballast, 5) == {200}
    assert not any("worker is down" in line for line in ballast.stderr_lines)


def test_health_switched_off_and_on_at_the_worker(demo, balance):
    switched, other = demo(), demo()
    ballast = balance(switched.address, other.address, pools={"web": {"health": QUICK_PROBES}})
    switched.process.send_signal(signal.SIGUSR1)
    ballast.wait_metric(f"worker_{switched.port}_alive", 0)
    assert "cause=status_503" in ballast.wait_log("worker is down")
    before = served(ballast, switched)
    assert ask_all(ballast, 20) == {200}
    assert served(ballast, switched) == before
    switched.process.send_signal(signal.SIGUSR1)
    ballast.wait_metric(f"worker_{switched.port}_alive", 1)
    assert ask_all(ballast, 20) == {200}
    assert served(ballast, switched) == before + 10


def test_nobody_alive_is_503_with_retry_after_and_passes(demo, balance):
    worker = demo()
    ballast = balance(worker.address, pools={"web": {"health": {**DEFAULT_PROBES, "interval_doubt": "100ms"}}})
    worker.process.send_signal(signal.SIGUSR1)
    ballast.wait_alive(0)
    answer = ballast.get()
    assert answer.status == 503
    assert 1 <= int(answer.fields.one(b"retry-after")) <= 3
    assert b'details="no_worker_alive"' in answer.fields.one(b"proxy-status")
    worker.process.send_signal(signal.SIGUSR1)
    ballast.wait_alive(1)
    assert ballast.get().status == 200
    metrics = ballast.settled_metrics()
    assert (metrics["requests_total"], metrics["requests_failed"]) == (2, 1)
    assert metrics['ballast_failures_total{reason="no_worker_alive"}'] == 1
    assert metrics[f"worker_{worker.port}_requests"] == 1


def test_a_worker_gets_no_traffic_before_its_first_good_answer(scripted, balance):
    late, well = scripted(), scripted()
    late.healthy = False
    ballast = balance(late, well, alive=1, pools={"web": {"health": QUICK_PROBES}})
    assert ask_all(ballast, 10) == {200}
    assert late.requests == []
    late.healthy = True
    ballast.wait_alive(2)
    assert ask_all(ballast, 10) == {200}
    assert len(late.requests) == 5


class Planned(Worker):
    """Its probes are answered as planned, one by one, and well from then on."""

    def __init__(self, *plan):
        self.plan = collections.deque(plan)
        super().__init__()

    @property
    def healthy(self):
        return self.plan.popleft() if self.plan else True

    @healthy.setter
    def healthy(self, _):
        pass


def test_rise_and_fall_are_counted_in_a_row(stack, balance):
    """fall - 1 bad ones change nothing, and neither do rise - 1 good ones. The first of all is enough to be up."""
    good, bad = True, False
    worker = stack.enter_context(Planned(good, bad, bad, good, good, good,
                                         bad, bad, bad,  # down
                                         good, good, bad, bad, bad,
                                         good, good, good,  # up
                                         bad, bad, bad))  # down
    ballast = balance(worker, pools={"web": {"health": {**QUICK_PROBES, "timeout": "10s", "fall": 3, "rise": 3}}})

    def changes():
        return [line.partition("worker is ")[2].split()[0] for line in ballast.stderr_lines if "worker is " in line]
    wait_for(lambda: not worker.plan and changes() == ["up", "down"] * 2 + ["up"], what="the last change")


def test_a_hung_worker_is_found_by_its_probes_alone(demo, balance):
    """It accepts and says nothing: requests wait for their time-out, and its health is decided by /health."""
    hung, well = demo("--health-delay-ms=5000"), demo()
    ballast = balance(hung.address, well.address, alive=1,
                      pools={"web": {"health": {**QUICK_PROBES, "timeout": "100ms"}}})
    assert ask_all(ballast, 10) == {200}
    assert served(ballast, hung) == 0
    bad = f'ballast_probes_total{{pool="web",worker="{hung.port}",result="bad"}}'
    wait_for(lambda: ballast.metrics()[bad] >= 3, what="probes that time out")


def test_traffic_cannot_delay_a_probe(scripted, balance):
    """One reactor, three clients that never pause: probes come in time all the while."""
    worker = scripted()
    ballast = balance(worker, threads=1, pools={"web": {"health": {**QUICK_PROBES, "interval": "100ms"}}})
    with Steadily(Asker(ballast, True)), Steadily(Asker(ballast, True)), Steadily(Asker(ballast, False)) as asking:
        asking.wait_times(20)
        first = len(worker.probes)
        wait_for(lambda: len(worker.probes) >= first + 10, what="ten probes")
        times = [time for time, _ in worker.probes[first:first + 10]]
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 2


def test_probes_of_an_expected_status(scripted, balance):
    worker = scripted()
    worker.healthy = False  # answers 503
    ballast = balance(worker, pools={"web": {"health": {**QUICK_PROBES, "expect": "503"}}})
    worker.healthy = True
    ballast.wait_alive(0)
    assert "cause=status_200" in ballast.wait_log("worker is down")


def test_the_health_path_is_what_was_configured(demo, balance):
    worker = demo()
    ballast = balance(worker.address, pools={"web": {"health": {**QUICK_PROBES, "path": "/status/418",
                                                                "expect": "418"}}})
    with Client(ballast.address) as client:
        client.send(GET)
        assert client.read_answer().status == 200
