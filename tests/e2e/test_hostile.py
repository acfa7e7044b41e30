"""Workers and clients that misbehave on the wire, and stops at the worst moment: what each once broke stays mended."""

import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.ballast import Ballast, settings
from harness.client import CutShort
from harness.programs import asleep, children, memory_bytes
from harness.waiting import PATIENCE_S, free_port, pause, wait_for
from harness.worker import CLOSE, OK, Script, signal as tell, wait

HOST = b"Host: test.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
LAST_GET = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
TRACE = b"TRACE / HTTP/1.1\r\n" + HOST + b"Max-Forwards: 0\r\n"
ONE_PROBE = {"web": {"health": {"interval": "1h", "interval_doubt": "1h"}}}
GROWTH_MAX = 2 << 20


def present(balancer):
    server, = children(balancer.pid)
    return memory_bytes(server, "VmRSS")


def details(answer):
    """The reason's name in an answer of ours."""
    return re.fullmatch(rb'ballast; error=\w+; details="(\w+)"', answer.fields.one(b"proxy-status"))[1].decode()


def at_once(count, action):
    """What `count` threads got when each called action(its number) at the same time."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(action, range(count)))


# ---- workers ----

class Slammer:
    """Answers one probe on its first connection; every further one it closes as soon as it has it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.slammed = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            probe, _ = self.listener.accept()
            with probe:
                probe.settimeout(20)
                probe.recv(65536)
                probe.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                while True:
                    self.listener.accept()[0].close()
                    self.slammed += 1


def test_a_worker_that_closes_what_it_accepts(stack, balance):
    """The end may arrive before the connection is opened, beside the request, or after it: never a use after free."""
    worker = stack.enter_context(Slammer())
    balancer = balance(worker, pools=ONE_PROBE, limits={"tries": 8}, threads=2)

    def knock(_):
        statuses = set()
        with balancer.connect() as client:
            for _ in range(200):
                client.send(GET)
                statuses.add(client.read_answer().status)
        return statuses
    server = children(balancer.pid)
    assert set().union(*at_once(20, knock)) == {502}
    assert worker.slammed >= 4000
    assert children(balancer.pid) == server, balancer.stderr
    metrics = balancer.assert_accounts()
    assert (metrics["requests_total"], metrics["requests_failed"], metrics["requests_active"]) == (4000, 4000, 0)


def test_an_interim_and_a_final_answer_and_the_end_in_one_write(scripted, balance):
    worker = scripted()
    worker.default = Script((b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                             b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", CLOSE))
    balancer = balance(worker)
    for _ in range(200):
        answer = balancer.ask(GET)
        assert (answer.status, answer.body, len(answer.interim)) == (200, b"hello", 1)
    balancer.wait_metric("requests_active", 0)
    assert balancer.settled_accounts()["requests_ok"] == 200


def test_a_silent_worker_is_to_blame_not_a_client_that_waits_for_100(scripted, balance, stack):
    worker, never = scripted(), threading.Event()
    stack.callback(never.set)
    worker.default = Script((wait(never),), early=True)
    balancer = balance(worker, timeouts={"request_body": "200ms", "response_head": "600ms"})
    began = time.monotonic()
    answer = balancer.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert (answer.status, details(answer)) == (504, "answer_timeout")
    assert time.monotonic() - began >= 0.55


def test_a_flood_of_interim_answers_waits_for_the_client(scripted, balance, stack, sanitized):
    worker, through = scripted(), threading.Event()
    flood = (b"HTTP/1.1 103 Early Hints\r\nX: " + b"a" * 30_000 + b"\r\n\r\n") * 100
    worker.default = Script((flood,) * 30 + (tell(through),))
    balancer = balance(worker)
    before = present(balancer)
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(balancer.address)
    client.sendall(GET)
    worker.wait_requests(1)
    assert not through.wait(2), "90 MB went somewhere, and not to the client"
    assert sanitized or present(balancer) - before < GROWTH_MAX
    client.close()
    balancer.wait_metric("requests_aborted", 1)


@pytest.mark.parametrize("first", ["answer", "request"])
def test_an_answer_that_nobody_asked_for_reaches_nobody(scripted, balance, first):
    """It comes on an idle connection while the server sleeps, just before or just after the next client's request."""
    worker = scripted()
    balancer = balance(worker, threads=1, pools=ONE_PROBE)
    server, = children(balancer.pid)
    for _ in range(10):
        go, gone = threading.Event(), threading.Event()
        worker.play(Script((OK, wait(go), b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON", tell(gone))))
        with balancer.connect() as before, balancer.connect() as client:
            for one in (before, client):  # the connections stand, and the server has nothing left to do
                one.send(GET.replace(b" / ", b" /metrics "))
                assert one.read_answer().status == 200
            before.send(GET)
            assert before.read_answer().body == b"ok"
            with asleep(server):
                if first == "request":
                    client.send(GET)
                go.set()
                assert gone.wait(10)
                if first == "answer":
                    client.send(GET)
            assert client.read_answer().body == b"ok"
    assert balancer.settled_accounts()["requests_ok"] == 20


class UnixWorker:
    """Answers the requests of each connection on a path: probes as they keep their connection, others once."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    @staticmethod
    def serve(sock):
        with sock, contextlib.suppress(OSError):
            sock.settimeout(20)
            while data := sock.recv(65536):
                probe = data.startswith(b"GET /health ")
                end = b"" if probe else b"Connection: close\r\n"
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + end + b"\r\n")
                if not probe:
                    return


def test_a_worker_socket_without_permission(stack, ballast_path, public):
    """Its reason is said, and the request is over; only root is let through whatever the mode says."""
    program = shutil.copy(ballast_path, public / "ballast")
    path = public / "worker.sock"
    stack.enter_context(UnixWorker(path))
    path.chmod(0o777)
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    arguments = ["--worker", f"unix:{path}", "--threads", "1", "--access-log", "off"]
    balancer = stack.enter_context(Ballast(program, None, arguments, wrapper=wrapper)).wait_alive(1)
    assert balancer.get().status == 200
    path.chmod(0)
    answer = balancer.get()
    assert (answer.status, details(answer)) == (502, "connect_unreachable")
    metrics = balancer.assert_accounts()
    assert (metrics["requests_failed"], metrics['ballast_failures_total{reason="connect_unreachable"}']) == (1, 1)


# ---- clients ----

def test_a_trace_of_60_fields_is_reflected(scripted, balance):
    balancer = balance(scripted())
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 200) for i in range(60))
    answer = balancer.ask(TRACE + fields + b"\r\n", b"TRACE")
    assert (answer.status, answer.fields.one(b"content-type")) == (200, b"message/http")
    assert answer.body.startswith(b"TRACE / HTTP/1.1\r\n") and answer.body.count(b": " + b"a" * 200 + b"\r\n") == 60


def test_60_trusted_lines_of_addresses_are_joined(scripted, balance):
    worker = scripted()
    balancer = balance(worker, forwarded={"trusted": ["127.0.0.0/8"]})
    lists = [b", ".join([b"10.10.10.%d" % i] * 20) for i in range(60)]
    fields = b"".join(b"X-Forwarded-For: " + one + b"\r\n" for one in lists)
    assert balancer.ask(b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n").status == 200
    request, = worker.take()
    sent = b"".join(re.findall(rb"\r\nX-Forwarded-For: ([^\r]*)", request.head))
    assert sent.split(b", ") == b", ".join(lists).split(b", ") + [b"127.0.0.1"]


@pytest.mark.parametrize("idle", [0, 64])
@pytest.mark.parametrize("request_of_many", [GET, GET.replace(b" / ", b" /metrics "), TRACE + b"\r\n"])
def test_pipelined_requests_on_the_only_connection(scripted, balance, request_of_many, idle):
    balancer = balance(scripted(), threads=1, limits={"connections": 1, "idle_per_worker": idle})
    method = request_of_many.split(b" ")[0]
    for _ in range(20):
        with balancer.connect() as client:
            client.send(request_of_many * 5 + LAST_GET)
            assert [client.read_answer(method).status for _ in range(5)] == [200] * 5
            assert client.read_answer().status == 200
            assert client.ended() == b""


@pytest.mark.parametrize("count", [1, 2])
def test_listeners_at_the_limit_lose_nobody(scripted, balance, count):
    ports = [free_port() for _ in range(count)]
    listeners = [{"address": f"127.0.0.1:{port}"} for port in ports]
    balancer = balance(scripted(), threads=1, limits={"connections": 4}, listeners=listeners)

    def come_and_go(number):
        """A connection a request; as many clients as five times the limit."""
        bodies = b""
        for _ in range(30):
            with socket.create_connection(("127.0.0.1", ports[number % count]), timeout=20) as sock:
                sock.sendall(LAST_GET)
                data = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))
                bodies += data.partition(b"\r\n\r\n")[2]
        return bodies
    assert at_once(20, come_and_go) == [b"ok" * 30] * 20
    assert balancer.settled_accounts()["requests_ok"] == 600


def test_30_000_segments_of_one_byte_cost_others_nothing(scripted, balance, sanitized):
    worker = scripted()
    balancer = balance(worker, threads=1, limits={"connections": 100})
    before = present(balancer)
    with balancer.connect() as client:
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 30001\r\n\r\n")
        for sent in range(30_000):
            client.sock.send(b"x")
            if sent % 4 == 0:
                pause(0.00005)  # or the kernel joins them
        assert at_once(30, lambda _: balancer.get().status) == [200] * 30
        assert sanitized or present(balancer) - before < GROWTH_MAX
        client.send(b"y")
        assert client.read_answer().status == 200
    assert worker.take()[0].body == b"x" * 30_000 + b"y"


def test_a_slow_reader_is_served_and_a_silent_one_is_not(demo, balance):
    """Slow: it takes some bytes within every client_stall, though too few for the kernel to say so each time."""
    balancer = balance(demo().address, timeouts={"client_stall": "1s"})
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(5)
        client.connect(balancer.address)
        client.sendall(b"GET /bytes/100000000 HTTP/1.1\r\n" + HOST + b"\r\n")
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert client.recv(2048)
            pause(0.05)
        metrics = balancer.assert_accounts()
        assert (metrics["requests_active"], metrics["requests_aborted"]) == (1, 0)
        began = time.monotonic()
        balancer.wait_metric("requests_aborted", 1)
        assert 0.5 <= time.monotonic() - began <= 4
    assert balancer.wait_access(1)[-1]["reason"] == "client_stalled"


# ---- stops ----

@pytest.mark.parametrize("first", ["keeper", "server"])
def test_a_stop_of_the_whole_process_group_drains(scripted, balance, first):
    """As Ctrl-C does it, and systemd: keeper and server get the signal, in any order."""
    worker, begun, go = scripted(), threading.Event(), threading.Event()
    worker.play(Script((tell(begun), wait(go), OK)))
    balancer = balance(worker, timeouts={"drain": "10s"})
    pids = [balancer.pid, *children(balancer.pid)]
    with balancer.connect() as client:
        client.send(GET)
        assert begun.wait(10)
        for pid in pids if first == "keeper" else reversed(pids):
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: refuses(balancer.address), what="new clients to be refused")
        assert balancer.process.poll() is None
        go.set()
        answer = client.read_answer()
        assert (answer.status, answer.body) == (200, b"ok")
    assert balancer.process.wait(10) == 0


def test_a_stop_that_goes_on_to_the_whole_group_is_no_second_one(scripted, balance):
    """Each process may get its own signal more than once within one stop; the request in flight still ends well."""
    worker, begun, go = scripted(), threading.Event(), threading.Event()
    worker.play(Script((tell(begun), wait(go), OK)))
    balancer = balance(worker, timeouts={"drain": "10s"})
    server, = children(balancer.pid)
    with balancer.connect() as client:
        client.send(GET)
        assert begun.wait(10)
        os.kill(balancer.pid, signal.SIGTERM)
        balancer.wait_log("stopping")
        os.kill(server, signal.SIGTERM)
        pause(0.1)
        go.set()
        assert client.read_answer().body == b"ok"
    assert balancer.process.wait(10) == 0


def refuses(address):
    try:
        socket.create_connection(address, PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def stop_early(ballast_path, path, moment):
    """Start it, send one TERM when moment(process) returns, and see that this was enough."""
    port = free_port()
    config = path / "ballast.yaml"
    config.write_text(f"listeners: ['127.0.0.1:{port}']\npools: {{ web: {{ workers: ['127.0.0.1:1'] }} }}\n"
                      "threads: 1\naccess_log: off\n")
    process = subprocess.Popen([ballast_path, "run", "-c", config], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        moment(process)
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)
    finally:
        for pid in [*children(process.pid), process.pid] if process.poll() is None else []:
            os.kill(pid, signal.SIGKILL)
        process.wait()
    assert code in (0, -signal.SIGTERM)  # the latter before main() has begun
    wait_for(lambda: refuses(("127.0.0.1", port)), what="nothing to be left behind")


@pytest.mark.parametrize("after_ms", [i * 0.5 for i in range(21)])
def test_a_stop_in_the_first_milliseconds_is_heard(ballast_path, tmp_path, after_ms):
    stop_early(ballast_path, tmp_path, lambda _: pause(after_ms / 1000))


@pytest.mark.parametrize("round_of_many", range(10))
def test_a_stop_as_soon_as_there_is_a_server_is_heard(ballast_path, tmp_path, round_of_many):
    """The server has a keeper's signals, and not yet an ear for its own."""
    def moment(process):
        end = time.monotonic() + 10
        while not children(process.pid) and time.monotonic() < end:
            pass
        pause(round_of_many * 0.00002)
    stop_early(ballast_path, tmp_path, moment)
