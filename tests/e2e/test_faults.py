"""Real faults on real sockets, under load: whatever happens, Ballast stays up, serves who can be served, and recovers.

BALLAST_ROLLING_S makes the rolling restart longer: 20 is what docs/simulation.md tells of.
"""

import collections
import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

import pytest

from harness.ballast import Ballast, settings
from harness.client import Client, CutShort, WasReset
from harness.programs import Program, Server, Steadily, children
from harness.waiting import free_port, wait_for
from harness.worker import Script, wait

REAL = pathlib.Path(__file__).resolve().parent / "real"
HOST = b"Host: test.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
QUICK = {"web": {"health": {"interval": "100ms", "interval_doubt": "50ms", "timeout": "400ms", "rise": 1, "fall": 2}}}
ROLLING_S = float(os.environ.get("BALLAST_ROLLING_S", "4"))
RESET = struct.pack("ii", 1, 0)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")


# Workers that die, under load.

class Caller(threading.Thread):
    """One client of a rolling restart: GET and POST in turn, on one connection for as long as it lasts."""

    def __init__(self, address, number, over):
        super().__init__(daemon=True)
        self.address, self.number, self.over = address, number, over
        self.gets, self.posted, self.refused, self.bad = 0, [], [], []
        self.start()

    def run(self):
        client, turn = None, 0
        while not self.over.is_set():
            turn += 1
            target = b"/%d/%d" % (self.number, turn)
            post = turn % 4 == 0
            request = (b"POST " + target + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello" if post
                       else b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            try:
                client = client or Client(self.address, 20)
                client.send(request)
                answer = client.read_answer()
                whole = answer.status == 200 and answer.body == target
            except (CutShort, WasReset, OSError) as error:
                answer, whole, client = error, False, None
            if post:
                (self.posted if whole else self.refused).append(target.decode())
            elif whole:
                self.gets += 1
            else:
                self.bad.append((target, answer))
            if client and answer.fields.one(b"connection") == b"close":
                client = None


def test_rolling_restart(balance, stack, tmp_path):
    """64 clients while each worker in turn is killed and started again: no GET fails, no POST is executed twice."""
    executed, ports = tmp_path / "executed", [free_port() for _ in range(3)]

    def start(port):
        return stack.enter_context(Server(port, sys.executable, REAL / "counting.py", port, executed))
    workers = [start(port) for port in ports]
    ballast = balance(*workers, pools=QUICK)
    over = threading.Event()
    callers = [Caller(ballast.address, number, over) for number in range(64)]
    end, turn = time.monotonic() + ROLLING_S, 0
    while time.monotonic() < end or turn < 3:
        index = turn % 3
        workers[index].kill()
        workers[index] = start(ports[index])
        ballast.wait_metric(f"worker_{ports[index]}_alive", 1, 20)
        turn += 1
    over.set()
    for caller in callers:
        caller.join(30)
    bad = [one for caller in callers for one in caller.bad]
    failed = collections.Counter((line["reason"], line["status"], line["tries"]) for line in ballast.access_lines()
                                 if line["method"] == "GET" and line["status"] != 200)
    assert not bad, f"{len(bad)} GETs failed, the first: {bad[0]}; {failed}"
    assert sum(caller.gets for caller in callers) > 300
    counts = collections.Counter(executed.read_text().split())
    assert not [target for target, times in counts.items() if times > 1], "a POST was executed twice"
    posted = {target for caller in callers for target in caller.posted}
    assert posted <= set(counts), "a POST was answered that no worker has executed"
    ballast.assert_accounts()


def test_a_stopped_worker_is_found_by_its_probes(balance, demo):
    """SIGSTOP: it accepts, and says nothing. What it was given fails in its time; once it is down it gets nothing."""
    workers = [demo() for _ in range(3)]
    ballast = balance(*workers, pools=QUICK, timeouts={"response_head": "2s"})
    statuses = collections.Counter()

    def ask():
        statuses[ballast.get().status] += 1
    asking = [stack_asker for stack_asker in (Steadily(ask), Steadily(ask), Steadily(ask))]
    with contextlib.ExitStack() as entered:
        for one in asking:
            entered.enter_context(one)
        asking[0].wait_times(20)
        stopped = workers[1]
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            ballast.wait_metric(f"worker_{stopped.port}_alive", 0, 20)
            # Each asker may be waiting for it once; from then on nobody is.
            wait_for(lambda: all(one.error or one.times > 60 for one in asking), 30, "everybody goes on")
            before = dict(statuses)
            asking[0].wait_times(50)
            assert statuses[504] == before.get(504, 0) <= 9
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        ballast.wait_metric(f"worker_{stopped.port}_alive", 1, 20)
        asking[0].wait_times(20)
    assert set(statuses) <= {200, 504}


def test_a_worker_that_resets_inside_its_answers_harms_its_own_only(balance, demo):
    good, bad = demo("--body-bytes=5000"), demo("--body-bytes=5000", "--reset-after=2000")
    ballast = balance(good, bad)
    whole = cut = 0
    for _ in range(40):
        with ballast.connect() as client:
            client.send(GET)
            try:
                assert len(client.read_answer().body) == 5000
                whole += 1
            except WasReset:
                cut += 1
    assert (whole, cut) == (20, 20)
    metrics = ballast.settled_accounts()
    assert metrics['ballast_failures_total{reason="answer_cut"}'] == 20
    assert metrics[f"worker_{bad.port}_alive"] == 1


# The machine runs out.

@as_root
def test_a_full_disk_under_the_access_log(balance, demo, stack, tmp_path):
    """Traffic goes on; what is lost is counted; when there is room again lines are whole."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    stack.callback(subprocess.run, ["umount", "-l", disk], check=False)
    log = disk / "access.log"
    ballast = balance(demo(), access_log={"path": str(log), "format": "json"})
    while not ballast.metrics()["ballast_access_log_dropped_total"]:
        with ballast.connect() as client:
            for _ in range(50):
                client.send(GET)
                assert client.read_answer().status == 200
    kept = disk / "old.log"
    log.rename(kept)
    kept.unlink()
    ballast.send_signal(signal.SIGUSR1)
    ballast.wait_log("log is reopened log=access")
    dropped = ballast.metrics()["ballast_access_log_dropped_total"]
    assert ballast.get().status == 200
    ballast.access_path = log
    ballast.wait_access(1)
    assert ballast.metrics()["ballast_access_log_dropped_total"] == dropped


def ask(ballast, timeout):
    with ballast.connect(timeout) as client:
        client.send(GET)
        return client.read_answer()


def uploads(ballast, count):
    """So many clients that send a body which nobody takes: as much memory as Ballast gives them."""
    socks = []
    for _ in range(count):
        sock = socket.create_connection(ballast.address)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock.send(b"POST /deaf HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\n")
            while True:
                sock.send(b"x" * 65536)
        socks.append(sock)
    return socks


@pytest.mark.parametrize("megabytes", [40, 24])
def test_capped_memory_is_a_refusal_and_no_crash(balance, stack, demo, scripted, ballast_path, sanitized, megabytes):
    """RLIMIT_DATA: allocations fail for real. Clients may get 503 or a cut; then all is as before."""
    if sanitized:
        pytest.skip("a sanitizer's own memory would not fit")
    silent, good, never = scripted(), demo(), threading.Event()
    stack.callback(never.set)
    silent.play_at(b"/deaf", Script((wait(never),), early=True))
    wrapper = ("prlimit", f"--data={megabytes << 20}")
    extra = {"pools": {"deaf": {"workers": [silent.address]}}, "routes": [{"path": "/deaf", "pool": "deaf"},
                                                                           {"pool": "web"}], "threads": 1}
    ballast = stack.enter_context(Ballast(ballast_path, settings([good], **extra), wrapper=wrapper)).wait_alive(2)
    for _ in range(2):
        socks = uploads(ballast, 150)
        for _ in range(10):
            with contextlib.suppress(CutShort, WasReset, ConnectionError, TimeoutError):
                ask(ballast, 1)
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.close()
        ballast.wait_metric("requests_active", 0, 20)
        assert ballast.get().status == 200
    assert not any("died" in line for line in ballast.stderr_lines), ballast.stderr[-1500:]
    ballast.assert_accounts()


# The clock.

STEPPING = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile int64_t *offset;
__attribute__((constructor)) static void begin(void)
{
    offset = mmap(0, 8, PROT_READ, MAP_SHARED, open(getenv("CLOCK_OFFSET"), O_RDONLY), 0);
}
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && offset != MAP_FAILED)
        now->tv_sec += *offset;
    return result;
}
"""


def test_a_clock_that_is_stepped(balance, stack, demo, scripted, ballast_path, sanitized, tmp_path):
    """The wall clock jumps by days, back and forth: dates follow, and no deadline notices."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sanitized or not compiler:
        pytest.skip("the stepping clock is preloaded, which a sanitizer does not allow, and compiled here")
    (tmp_path / "stepping.c").write_text(STEPPING)
    subprocess.run([compiler, "-shared", "-fPIC", "-O", "-o", tmp_path / "stepping.so", tmp_path / "stepping.c"],
                   check=True)
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("q", 0))
    wrapper = ("env", f"LD_PRELOAD={tmp_path / 'stepping.so'}", f"CLOCK_OFFSET={offset}")
    worker = demo("--delay-ms=20")
    ballast = stack.enter_context(Ballast(ballast_path, settings([worker], pools=QUICK), wrapper=wrapper)).wait_alive(1)
    with Steadily(lambda: ballast.get()) as asking, ballast.connect() as idle:
        idle.send(GET)
        idle.read_answer()
        for days in (2, -400, 10_000, 0):
            with offset.open("r+b") as file:
                file.write(struct.pack("q", days * 86400))
            asking.wait_times(30)
            expected = time.strftime("%d %b %Y", time.gmtime(time.time() + days * 86400)).encode()
            # The demo worker's own Date is passed on; one that Ballast makes itself is its clock's.
            assert expected in ballast.ask(b"GET /x HTTP/1.1\r\nHost: a b\r\n\r\n").fields.one(b"date")
        idle.send(GET)
        assert idle.read_answer().status == 200, "an idle connection was closed by a clock"
    metrics = ballast.settled_accounts()
    assert metrics["requests_failed"] == 4  # those with two names for a host
    assert metrics[f"worker_{worker.port}_alive"] == 1


# Clients by the thousand.

@pytest.fixture
def descriptors():
    """Enough for thousands of clients in this process, and in what it starts."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 16_000:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (16_000, 16_000))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 16_000:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Slow(Program):
    """Thousands of slow clients (real/slow_clients.py), all attached when this is entered."""

    def __init__(self, address, count):
        self.process = subprocess.Popen([sys.executable, REAL / "slow_clients.py", str(address[1]), str(count)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "attached\n"

    def end(self, timeout=10):
        self.process.stdin.close()
        super().end(timeout)


def cost_of_the_attack(calm, attacked):
    """How many times the 99th percentile of a GET's wait is what it is without: the median of 16 batches.

    Both are asked in turn, one GET after the other, so that whatever else the machine does meets them alike.
    """
    ratios = []
    with calm.connect(30) as one, attacked.connect(30) as other:
        for _ in range(16):
            waits = {one: [], other: []}
            for _ in range(300):
                for client, times in waits.items():
                    began = time.perf_counter()
                    client.send(GET)
                    assert client.read_answer().status == 200
                    times.append(time.perf_counter() - began)
            without, beside = (statistics.quantiles(times, n=100)[98] for times in waits.values())
            ratios.append(beside / without)
    return statistics.median(ratios)


@pytest.mark.alone
def test_thousands_of_slow_clients_cost_the_others_little(balance, demo, descriptors):
    """5,000 of them attached: a healthy client's 99th percentile stays within 2 times its value without them.

    Two balancers alike, one of them attacked. Where a busy machine decides what the slowest requests are, chance may
    make it more once, but not each time.
    """
    def start():
        return balance(demo(), demo(), limits={"connections": 6000}, timeouts={"request_head": "60s"})
    calm, attacked = start(), start()
    costs = []
    with Slow(attacked.address, 5000):
        attacked.wait_metric("requests_active", 3333, 60)  # all that send a body or read an answer
        while len(costs) < 5 and min(costs, default=2) >= 2:
            costs.append(cost_of_the_attack(calm, attacked))
        attacked.wait_metric("requests_active", 3333)  # they were there all the time
    assert min(costs) < 2, costs
    attacked.wait_metric("requests_active", 0)


def test_100_000_connects_without_a_byte(balance, demo, descriptors):
    """In waves, each ended by resets; a healthy client is served all the while, and nothing is left.

    Most never get as far as Ballast: the system hands a connection over when it has bytes, or after a second.
    """
    ballast = balance(demo(), limits={"connections": 3000})
    def ask_well():
        assert ballast.get().status == 200
    with Steadily(ask_well) as asking:
        for wave in range(50):
            socks = []
            for number in range(2000):
                sock = socket.socket()
                sock.bind((f"127.0.{wave % 4}.{2 + number % 200}", 0))
                sock.connect(ballast.address)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                socks.append(sock)
            for sock in socks:
                sock.close()
        asking.wait_times(5)
    metrics = ballast.assert_accounts()
    assert (metrics["requests_failed"], metrics["requests_aborted"]) == (0, 0)
    wait_for(lambda: ballast.metrics()['ballast_connections{side="client",state="open"}'] < 10, 20)


ATTACKS = {"headers": ("-H",), "body": ("-B",), "reading": ("-X", "-w", 1, "-y", 1, "-n", 5, "-z", 32, "-k", 1)}


def test_slowhttptest(balance, demo, descriptors, stack):
    """Debian's tool says whether the service was there for its probe while it attacked. Each attack has a balancer of
    its own, and all go on at the same time, which the tool's clock makes long."""
    tool = shutil.which("slowhttptest")
    assert tool, "slowhttptest is missing"
    balancers = {attack: balance(demo("--body-bytes=200000"), limits={"connections": 4000}) for attack in ATTACKS}
    attackers = {attack: stack.enter_context(Program(
        tool, *ATTACKS[attack], "-c", 1000, "-r", 1000, "-i", 2, "-l", 4, "-p", 3, "-u",
        f"http://127.0.0.1:{ballast.address[1]}/", stdout=subprocess.PIPE, text=True))
        for attack, ballast in balancers.items()}
    for attack, attacker in attackers.items():
        said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", attacker.process.communicate(timeout=60)[0])
        verdicts = re.findall(r"service available:\s+(\w+)", said)
        assert verdicts and set(verdicts) == {"YES"}, (attack, said[-1500:])
    for ballast in balancers.values():
        assert ballast.get().status == 200
        wait_for(lambda: ballast.metrics()["requests_active"] == 0, 20)  # pylint: disable=W0640


@pytest.mark.alone
def test_the_server_dies_under_all_that(balance, demo, descriptors):
    """SIGKILL with 2,000 slow clients attached: the next server serves at once, and no connection is refused."""
    ballast = balance(demo(), limits={"connections": 4000})
    with Slow(ballast.address, 2000), Steadily(lambda: ballast.connect().close()) as connecting:
        connecting.wait_times(5)
        os.kill(children(ballast.pid)[0], signal.SIGKILL)
        wait_for(lambda: ballast.get().status == 200, what="the next server")
        connecting.wait_times(20)
