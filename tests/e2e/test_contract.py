"""The contract: what was asked for, item by item (design section 1), against the real program."""

import contextlib
import errno
import re
import socket
import statistics
import subprocess
import threading

import pytest

from harness.ballast import Ballast
from harness.programs import DemoWorker
from harness.waiting import free_port, wait_for
from harness.worker import CLOSE, Script, wait

GET = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"


def can_bind(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            assert error.errno in (errno.EACCES, errno.EPERM, errno.EADDRINUSE)
            return False
    return True


def curl(address, path="/"):
    url = f"http://{address[0]}:{address[1]}{path}"
    done = subprocess.run(["curl", "-sS", url], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


class OnPort80(Ballast):
    """`ballast run` and nothing else."""

    def __init__(self, program):
        super().__init__(program)
        self.command = [str(program), "run"]
        self.address = ("127.0.0.1", 80)


@pytest.mark.alone
def test_1_a_single_entry_point_port_80_by_default(ballast_path):
    """The default layout: port 80, workers on 127.0.0.1:3001 to 3003. Where port 80 cannot be had, it says so."""
    defaults = subprocess.run([ballast_path, "check", "--defaults"], capture_output=True, text=True, check=True).stdout
    assert "0.0.0.0:80" in defaults
    if not can_bind(80):
        refused = subprocess.run([ballast_path, "run"], capture_output=True, text=True, timeout=20, check=False)
        assert refused.returncode == 1 and re.search(r"cannot listen on .*80.*--listen", refused.stderr)
        return
    with OnPort80(ballast_path) as ballast:
        metrics = ballast.metrics()
        assert [f"worker_{port}_alive" in metrics for port in (3001, 3002, 3003)] == [True] * 3


@pytest.mark.parametrize("threads", [1, 4])
def test_2_each_request_goes_to_the_next_healthy_worker_in_turn(demo, balance, threads):
    worker = demo(ports=(0, 0, 0))
    ballast = balance(*worker.addresses, threads=threads)
    said = [re.match(r"worker (\w+) on port \1: GET /", curl(ballast.address))[1] for _ in range(6)]
    assert sorted(said[:3]) == sorted(worker.names), "three requests, three workers"
    assert said[3:] == said[:3], "and again in the same order"


def test_3_the_answer_is_streamed_back(scripted, balance):
    """The client has the first bytes while the worker has not yet sent the others."""
    worker, go = scripted(), threading.Event()
    ballast = balance(worker)
    worker.play(Script((b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst", wait(go), b"other")))
    with ballast.connect() as client:
        client.send(GET)
        assert client.read_head()[0] == 200
        assert client.stream.take(5) == b"first"
        go.set()
        assert client.stream.take(5) == b"other"


def test_4_health_checks_run_by_themselves_at_a_fixed_interval(scripted, balance):
    """They ask /health, and read the body to its end: one connection serves them all."""
    worker = scripted()
    worker.health_body = b"h" * 300_000
    balance(worker, pools={"web": {"health": {"interval": "200ms", "timeout": "10s", "jitter": "0%"}}})
    wait_for(lambda: len(worker.probes) >= 8, what="eight probes without any traffic")
    times, connections = zip(*worker.probes[:8])
    assert len(set(connections)) == 1, "a probe left its connection unusable"
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert 0.15 < statistics.median(gaps) < 0.3, gaps  # a busy machine makes some late
    assert worker.requests == [], "a probe asked for something else than /health"


def test_5_only_health_checks_decide_whether_a_worker_is_alive(scripted, balance):
    failing, well = scripted(), scripted()
    ballast = balance(failing, well, pools={"web": {"health": {"interval": "100ms", "timeout": "10s"}}})
    failing.default = Script((CLOSE,))
    probes = len(failing.probes)
    statuses = [ballast.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").status for _ in range(10)]
    assert sorted(statuses) == [200] * 5 + [502] * 5
    wait_for(lambda: len(failing.probes) >= probes + 5, what="five more probes")
    metrics = ballast.metrics()
    assert metrics[f"worker_{failing.port}_alive"] == 1, "a failed request changed a worker's health"
    assert metrics[f"worker_{failing.port}_requests"] == 5, "and it went on getting its turns"

    well.healthy = False
    ballast.wait_alive(1)
    well.take()
    assert [ballast.get().status for _ in range(4)] == [502] * 4
    assert well.take() == [], "an unhealthy worker got traffic"


def test_6_metrics_begin_with_the_lines_that_were_asked_for(demo, balance):
    worker = demo(ports=(0, 0, 0))
    ballast = balance(*worker.addresses)
    for _ in range(3):
        assert ballast.get().status == 200
    ballast.wait_metric("requests_active", 0)  # the last answer is here before its thread has counted it
    answer = ballast.get("/metrics")
    assert answer.fields.one(b"content-type").startswith(b"text/plain")
    assert answer.body.decode().splitlines()[:9] == [
        "requests_total 3", "requests_failed 0", "requests_active 0",
        *[f"worker_{port}_alive 1" for port in worker.ports],
        *[f"worker_{port}_requests 1" for port in worker.ports],
    ]
    assert ballast.metrics()["requests_total"] == 3, "/metrics requests are counted"


def test_6_a_worker_is_called_by_its_name_or_port_or_host_and_port(scripted, balance):
    named, plain = scripted(), scripted()
    port = free_port()
    twins = [f"127.0.0.1:{port}", f"127.0.0.2:{port}"]
    ballast = balance({"address": named.address, "name": "blue"}, plain, *twins, alive=2)
    lines = ballast.metrics_text().splitlines()[3:11]
    names = ["blue", plain.port, f"127_0_0_1_{port}", f"127_0_0_2_{port}"]
    assert lines == [*[f"worker_{name}_alive {int(i < 2)}" for i, name in enumerate(names)],
                     *[f"worker_{name}_requests 0" for name in names]]


def test_7_the_demo_worker_is_a_program_of_its_own(demo_worker_path, balance):
    """One by one or all at once, the same code on different ports."""
    with contextlib.ExitStack() as stack:
        one_by_one = [stack.enter_context(DemoWorker(demo_worker_path)) for _ in range(2)]
        at_once = stack.enter_context(DemoWorker(demo_worker_path, ports=(0, 0)))
        addresses = [*[worker.address for worker in one_by_one], *at_once.addresses]
        ballast = balance(*addresses)
        said = {ballast.get().body for _ in range(4)}
        assert said == {b"worker %s on port %s: GET /\n" % (port, port)
                        for port in (address.rpartition(":")[2].encode() for address in addresses)}
        ballast.stop()
