"""When things fail: for each row of the design's table what the client gets, and that the access line, Proxy-Status and
the metrics name the same reason."""

import os
import re
import resource
import signal
import socket
import struct
import subprocess
import threading

import pytest

from harness.client import Client, WasReset
from harness.programs import Steadily, children
from harness.waiting import free_port, pause, wait_for
from harness.worker import CLOSE, HALF_CLOSE, OK, READ_BODY, RESET, Script, wait
from harness.worker import fill_backlog
from harness.worker import signal as tell

HOST = b"Host: test.example\r\n"
GET = b"GET /fail HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /fail HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
FAST_PROBES = {"web": {"health": {"interval": "50ms", "interval_doubt": "50ms", "timeout": "900ms", "fall": 2}}}
NEVER = {"web": {"health": {"interval": "1h", "interval_doubt": "1h"}}}  # one probe, at the start


def failure(ballast):
    """The last access line, once it is there, and that metrics agree with it."""
    line = ballast.wait_access(1)[-1]
    metrics = ballast.settled_accounts()
    if line["reason"] != "ok":
        assert metrics[f'ballast_failures_total{{reason="{line["reason"]}"}}'] == 1, metrics
    return line


def assert_failed(ballast, answer, status, reason, error):
    """An answer of ours; the reason stands in Proxy-Status, in the access line and in the metrics."""
    assert answer.status == status
    match = re.fullmatch(rb'ballast; error=(\w+); details="(\w+)"', answer.fields.one(b"proxy-status"))
    assert match.groups() == (error, reason)
    assert answer.fields.one(b"x-request-id")
    line = failure(ballast)
    assert (line["status"], line["reason"], line["by"]) == (status, reason.decode(), "ballast")
    assert line["id"] == answer.fields.one(b"x-request-id").decode()
    metrics = ballast.settled_metrics()
    assert (metrics["requests_failed"], metrics["requests_aborted"], metrics["requests_active"]) == (1, 0, 0)


def reset(client):
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


# No worker alive.

def test_no_worker_alive(balance):
    ballast = balance(f"127.0.0.1:{free_port()}", alive=0, pools=FAST_PROBES)
    answer = ballast.ask(GET)
    assert 1 <= int(answer.fields.one(b"retry-after")) <= 2
    assert_failed(ballast, answer, 503, b"no_worker_alive", b"destination_unavailable")


# Connecting.

def test_connect_refused_another_worker_is_tried(scripted, balance):
    gone, well = scripted(), scripted()
    ballast = balance(gone, well, pools=NEVER)
    gone.close()
    for request in [GET, POST] * 5:
        assert ballast.ask(request).status == 200
    lines = ballast.wait_access(10)
    assert [line["tries"] for line in lines] == [2] * 10, "a try takes its turn, whoever makes it"
    metrics = ballast.settled_accounts()
    assert metrics["requests_failed"] == 0 and metrics["requests_ok"] == 10
    assert metrics['ballast_retries_total{reason="connect_refused"}'] == 10
    assert metrics[f"worker_{gone.port}_requests"] == 10 and metrics[f"worker_{well.port}_requests"] == 10
    assert metrics[f"worker_{gone.port}_alive"] == 1, "only a probe may say so"


def test_connect_refused_by_all(scripted, balance):
    workers = [scripted() for _ in range(2)]
    ballast = balance(*workers, pools=NEVER)
    for worker in workers:
        worker.close()
    assert_failed(ballast, ballast.ask(GET), 502, b"connect_refused", b"connection_refused")
    assert failure(ballast)["tries"] == 2, "each worker once"


def test_connect_timed_out(stack, scripted, balance):
    """A probe must have found it alive first: so it is, and then its backlog is full."""
    worker = scripted()
    ballast = balance(worker, pools=NEVER, timeouts={"connect": "200ms"})
    fill_backlog(stack, worker)
    assert_failed(ballast, ballast.ask(GET), 504, b"connect_timeout", b"connection_timeout")


# An idle connection that is closed as the request is sent: tests/conformance/test_conversations.py has each method.

def test_gets_survive_a_killed_worker_and_posts_are_never_executed_twice(demo, scripted, balance):
    """SIGKILL in the middle of traffic on kept connections, before any probe has noticed."""
    killed, well = demo(), demo()
    ballast = balance(killed.address, well.address, pools=NEVER, threads=2)

    def get():
        assert ballast.ask(GET).status == 200
    with Steadily(get) as one, Steadily(get):
        one.wait_times(50)
        killed.kill()
        one.wait_times(50)
    metrics = ballast.assert_accounts()
    assert metrics["requests_failed"] == 0
    assert metrics[f"worker_{killed.port}_alive"] == 1


def test_a_post_is_sent_again_only_if_none_of_it_was(scripted, balance):
    """The worker takes the whole POST and dies: it may have been executed."""
    first, second = scripted(), scripted()
    first.default = second.default = Script((CLOSE,))
    ballast = balance(first, second)
    answer = ballast.ask(POST)
    assert_failed(ballast, answer, 502, b"connection_closed", b"connection_terminated")
    assert len(first.requests) + len(second.requests) == 1


@pytest.mark.parametrize("end", [CLOSE, RESET, HALF_CLOSE], ids=["close", "reset", "half"])
def test_a_get_is_tried_at_another_worker(scripted, balance, end):
    first, second = scripted(), scripted()
    ballast = balance(first, second)
    first.default = Script((end, CLOSE))
    for _ in range(4):
        assert ballast.ask(GET).status == 200
    assert len(second.requests) == 4
    ballast.wait_metric("requests_active", 0)  # the last is counted after its client has the answer
    metrics = ballast.settled_accounts()
    assert metrics["requests_ok"] == 4 and metrics["requests_failed"] == 0
    retries = sum(v for name, v in metrics.items() if name.startswith("ballast_retries_total"))
    assert retries == len(first.requests) == 4
    assert [metrics[f"worker_{worker.port}_requests"] for worker in (first, second)] == [4, 4]


def test_retries_beyond_their_budget_wait_and_none_fails(stack, scripted, balance):
    """A worker dies with 16 of 48 requests: 9 (a fifth) may load the others a second time, 7 wait for an answer."""
    die, go = threading.Event(), threading.Event()
    stack.callback(go.set)
    dying, *well = workers = [scripted() for _ in range(3)]
    dying.default = Script((wait(die), RESET))
    for worker in well:
        worker.default = Script((wait(go), OK))
    ballast = balance(*workers, pools=NEVER, threads=1)
    clients = [stack.enter_context(Client(ballast.address)) for _ in range(48)]
    for client in clients:
        client.send(GET)
    wait_for(lambda: [len(worker.requests) for worker in workers] == [16] * 3, what="all requests to be with workers")
    dying.close()
    die.set()
    wait_for(lambda: sum(len(worker.requests) for worker in well) == 32 + 9, what="a fifth of the live requests")
    wait_for(lambda: ballast.metrics()["ballast_retries_waited_total"] == 7, what="the others to wait")
    go.set()
    assert [client.read_answer().status for client in clients] == [200] * 48
    metrics = ballast.settled_accounts()
    assert metrics["requests_ok"] == 48 and metrics["requests_failed"] == 0
    assert metrics['ballast_retries_refused_total{reason="budget"}'] == 0


def test_how_long_a_worker_keeps_idle_connections_is_learned(demo, balance):
    """Two closings seen: from then on connections are retired before that age."""
    worker = demo("--keep-alive-ms=400")
    ballast = balance(worker.address, pools=NEVER, threads=2, timeouts={"worker_idle": "60s"})
    name = f'ballast_worker_idle_close_seconds{{pool="web",worker="{worker.port}"}}'

    def idle():
        metrics = ballast.metrics()
        return metrics['ballast_connections{side="worker",state="idle"}']

    def learned():
        if idle() == 0:  # the one before was closed
            assert ballast.ask(POST).status == 200
        return 0.3 < ballast.metrics()[name] < 2
    assert ballast.metrics()[name] == 0
    wait_for(learned, what="the age to be learned")
    assert ballast.ask(POST).status == 200
    before = ballast.settled_metrics()
    wait_for(lambda: idle() == 0, what="the connection to be retired")
    for _ in range(3):
        assert ballast.ask(POST).status == 200
    after = ballast.settled_accounts()
    assert after["requests_failed"] == 0 and after["requests_ok"] == before["requests_ok"] + 3


# A worker that dies inside its answer.

@pytest.mark.parametrize("framing, body", [
    (b"Content-Length: 10", b"hello"), (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
    (b"Transfer-Encoding: chunked", b"a\r\nhello"),
], ids=["length", "chunked", "in-chunk"])
@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
def test_a_worker_dies_inside_its_answer(scripted, balance, framing, body, end):
    worker = scripted()
    ballast = balance(worker)
    got = threading.Event()
    worker.play(Script((b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + body, wait(got), end)))
    with ballast.connect() as client:
        client.send(GET)
        assert client.read_head()[0] == 200
        got.set()
        with pytest.raises(WasReset):
            if b"chunked" in framing:
                client.stream.take_chunked()
            else:
                client.stream.take(10)
    line = failure(ballast)
    assert line["reason"] in ("answer_cut", "connection_reset") and line["status"] == 200
    metrics = ballast.settled_metrics()
    assert (metrics["requests_failed"], metrics["requests_aborted"], metrics["requests_ok"]) == (1, 0, 0)


def test_a_demo_worker_dies_inside_its_answer(demo, balance):
    ballast = balance(demo("--body-bytes=100000", "--truncate-after=50000").address)
    with pytest.raises(WasReset):
        ballast.ask(GET)
    assert failure(ballast)["reason"] == "answer_cut"
    assert ballast.settled_metrics()["requests_failed"] == 1


# A silent worker.

def test_a_silent_worker(demo, balance):
    ballast = balance(demo("--no-answer").address, timeouts={"response_head": "200ms"})
    assert_failed(ballast, ballast.ask(GET), 504, b"answer_timeout", b"http_response_timeout")
    assert failure(ballast)["tries"] == 1, "it may be at work on the request: it is not asked again"


def test_a_worker_that_stops_inside_its_answer(scripted, balance, stack):
    worker, never = scripted(), threading.Event()
    stack.callback(never.set)
    ballast = balance(worker, timeouts={"response_idle": "200ms"})
    worker.play(Script((b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", wait(never))))
    with pytest.raises(WasReset):
        ballast.ask(GET)
    line = failure(ballast)
    assert (line["reason"], line["status"]) == ("answer_stalled", 200)
    assert ballast.settled_metrics()["requests_failed"] == 1


def test_a_worker_that_does_not_read_the_request(scripted, balance, stack):
    worker, never = scripted(), threading.Event()
    stack.callback(never.set)
    ballast = balance(worker, timeouts={"response_idle": "300ms"})
    worker.play(Script((wait(never),), early=True))
    with ballast.connect() as client:
        client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\n")
        client.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.sock.sendall(b"x" * 100_000_000)
        client.sock.settimeout(10)
        answer = client.read_answer()
    assert_failed(ballast, answer, 504, b"send_timeout", b"connection_write_timeout")


# Malformed answers: tests/conformance has all of them.

def test_a_malformed_answer(scripted, balance):
    worker = scripted()
    ballast = balance(worker)
    worker.play(Script((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", CLOSE)))
    assert_failed(ballast, ballast.ask(GET), 502, b"answer_framing", b"http_protocol_error")
    assert failure(ballast)["tries"] == 1


# The client leaves.

@pytest.fixture
def left(scripted, balance, stack):
    """A worker that is at work on a request, and its balancer; tells when the worker's side was ended."""
    worker, never = scripted(), threading.Event()
    stack.callback(never.set)
    ballast = balance(worker, timeouts={"half_closed": "3s", "response_head": "20s"})
    return ballast, worker, never


def assert_aborted(ballast, reason="client_gone"):
    wait_for(lambda: ballast.metrics()["requests_active"] == 0, what="the request to be over")
    line = failure(ballast)
    assert (line["status"], line["reason"]) == (499, reason)
    metrics = ballast.settled_metrics()
    assert (metrics["requests_aborted"], metrics["requests_failed"], metrics["requests_ok"]) == (1, 0, 0)
    return line


def wait_worker_side(worker, request):
    """The worker's own side of that request must be ended: its socket says so."""
    sock = worker.connections[request.connection]
    sock.settimeout(5)
    try:
        assert sock.recv(1) == b""
    except ConnectionResetError:
        pass


@pytest.mark.parametrize("leave", ["reset", "close", "half"])
def test_a_client_leaves_while_the_worker_works(left, leave):
    """With a reset the worker's side is ended at once, with an end of sending after timeouts.half_closed."""
    ballast, worker, never = left
    worker.play(Script((wait(never),)))
    client = ballast.connect()
    client.send(GET)
    request = worker.wait_requests(1)[0]
    if leave == "reset":
        reset(client)
    elif leave == "close":
        client.close()
    else:
        client.finish()
        assert client.ended_by_reset() == b"", "a half-closed client that waited too long has gone"
    wait_worker_side(worker, request)
    line = assert_aborted(ballast)
    assert (line["total_us"] < 2_900_000) == (leave == "reset")


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_client_leaves_inside_the_answer(left, leave):
    ballast, worker, never = left
    piece = b"x" * 65536
    worker.play(Script((b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", *[piece] * 4000, wait(never))))
    client = ballast.connect()
    client.send(GET)
    assert client.read_head()[0] == 200
    reset(client) if leave == "reset" else client.close()
    assert_aborted(ballast)
    wait_for(lambda: worker.requests[0].connection in worker.ended, what="the worker to notice")


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_client_leaves_inside_its_body(left, leave):
    ballast, worker, never = left
    worker.play(Script((READ_BODY, wait(never)), early=True))
    client = ballast.connect()
    client.send(POST[:-1])
    wait_for(lambda: worker.requests, what="the head at the worker")
    reset(client) if leave == "reset" else client.close()
    wait_for(lambda: worker.requests[0].connection in worker.ended, what="the worker's side to end")
    assert not worker.requests[0].complete
    line = assert_aborted(ballast)
    assert line["total_us"] < 2_900_000, "no half-closed client: its request can never become whole"


def test_a_client_is_reset_while_its_upload_is_held_back(left):
    """The worker does not read, so neither does the balancer: a reset must still be seen at once (ADR 0006)."""
    ballast, worker, never = left
    worker.play(Script((wait(never),), early=True))
    client = ballast.connect(timeout=0.2)
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000\r\n\r\n")
    with pytest.raises(TimeoutError):
        while True:
            client.sock.sendall(b"x" * 1_000_000)
    assert ballast.metrics()["requests_active"] == 1
    reset(client)
    assert_aborted(ballast)


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_client_leaves_while_a_worker_is_connected_to(stack, scripted, balance, leave):
    worker = scripted()
    ballast = balance(worker, pools=NEVER, timeouts={"connect": "20s", "half_closed": "300ms"})
    fill_backlog(stack, worker)
    client = ballast.connect()
    client.send(GET)
    ballast.wait_metric("requests_active", 1)
    reset(client) if leave == "reset" else client.close()
    assert_aborted(ballast)


def test_a_client_that_stops_reading(left, demo, balance):
    ballast = balance(demo("--body-bytes=100000000").address, timeouts={"client_stall": "300ms"})
    with ballast.connect() as client:
        client.send(GET)
        client.read_head()
        assert_aborted(ballast, "client_stalled")
        with pytest.raises(WasReset):
            client.stream.take(100_000_000)


def test_a_half_closed_client_of_a_quick_worker_gets_its_answer(demo, balance):
    ballast = balance(demo().address)
    for target in (b"/", b"/delay/100", b"/bytes/3000000"):
        with ballast.connect() as client:
            client.send(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            client.finish()
            assert client.read_answer().status == 200
            assert client.ended() == b""
    metrics = ballast.settled_accounts()
    assert (metrics["requests_ok"], metrics["requests_aborted"]) == (3, 0)


def test_pipelined_requests_before_the_clients_end_are_all_answered(demo, balance):
    ballast = balance(demo().address)
    with ballast.connect() as client:
        client.send(GET * 20)
        client.finish()
        assert [client.read_answer().status for _ in range(20)] == [200] * 20
        assert client.ended() == b""


# 5xx are the worker's own.

@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_of_the_worker_is_passed_on(demo, balance, status):
    worker = demo(f"--status={status}")
    ballast = balance(worker.address)
    answer = ballast.ask(GET)
    assert (answer.status, answer.fields.one(b"proxy-status")) == (status, None)
    line = failure(ballast)
    assert (line["reason"], line["by"], line["tries"], line["status"]) == ("ok", "worker", 1, status)
    metrics = ballast.settled_metrics()
    assert (metrics["requests_ok"], metrics["requests_failed"]) == (1, 0)
    assert metrics[f'ballast_requests_total{{pool="web",worker="{worker.port}",code_class="5xx"}}'] == 1


# Limits.

@pytest.mark.parametrize("threads", [1, 2])
def test_at_the_limit_of_connections_the_listener_waits(demo, balance, stack, threads):
    """Those above it wait to be accepted; nobody is refused, and it goes on when others leave."""
    ballast = balance(demo().address, threads=threads, limits={"connections": 4})
    clients = [stack.enter_context(ballast.connect(timeout=10)) for _ in range(9)]
    for client in clients:
        client.send(GET)
    for client in clients:
        client.sock.settimeout(0.2)
    served = []

    def serve_round():
        for client in [client for client in clients if client not in served]:
            try:
                answer = client.read_answer()
            except TimeoutError:
                continue
            assert answer.status == 200
            served.append(client)
    serve_round()
    assert len(served) <= 4, "more than the limit were accepted"
    while len(served) < len(clients):
        before = len(served)
        for client in served:
            client.close()
        serve_round()
        assert len(served) > before, "the listener did not go on"
    for client in clients:
        client.close()
    assert ballast.get().status == 200
    assert ballast.metrics()['ballast_connections_refused_total{reason="system"}'] == 0


def test_too_few_descriptors_for_the_configured_connections(ballast_path, tmp_path):
    """Said in one sentence with the remedy."""
    path = tmp_path / "ballast.yaml"
    path.write_text(f"pools: {{ web: {{ workers: [3001] }} }}\nlisteners: [ {free_port()} ]\n"
                    "limits: { connections: 1000000 }\n")
    command = ["sh", "-c", f"ulimit -n 1000 && exec {ballast_path} run -c {path}"]
    if os.geteuid() == 0:  # who may raise the limit is not stopped by it
        command = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "ulimit -n" in done.stderr


def test_out_of_descriptors_it_waits_and_goes_on(demo, balance, stack):
    """Cannot happen by itself, as the limit is raised at the start: it is lowered under the running server."""
    ballast = balance(demo().address, threads=1)
    server, = children(ballast.pid)
    limit = resource.prlimit(server, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{server}/fd"))
    resource.prlimit(server, resource.RLIMIT_NOFILE, (used + 6, limit[1]))
    clients = [stack.enter_context(ballast.connect(timeout=0.2)) for _ in range(12)]
    statuses = []
    for client in clients:
        client.send(GET)
    for client in clients:
        try:
            statuses.append(client.read_answer().status)
        except TimeoutError:
            pass  # it waits in the listener
    assert statuses and set(statuses) <= {200, 502, 503}, statuses
    for client in clients:
        client.close()
    wait_for(lambda: ballast.get().status == 200, what="it to go on")
    ballast.wait_metric("requests_active", 0)


def test_a_head_that_is_too_slow(demo, balance):
    ballast = balance(demo().address, timeouts={"request_head": "300ms"})
    with ballast.connect() as client:
        client.send(GET[:-4])
        with Steadily(lambda: (client.send(b"X"), pause(0.02))):
            answer = client.read_answer()
    assert_failed(ballast, answer, 408, b"request_head_timeout", b"http_request_error")


def test_a_body_that_is_too_slow(demo, balance):
    ballast = balance(demo().address, timeouts={"request_body": "300ms"})
    with ballast.connect() as client:
        client.send(POST[:-1])
        answer = client.read_answer()
        assert answer.fields.one(b"connection") == b"close"
        assert client.ended() == b""
    assert_failed(ballast, answer, 408, b"request_body_timeout", b"http_request_error")


def test_an_idle_client_is_closed_without_a_word(demo, balance):
    ballast = balance(demo().address, timeouts={"client_idle": "200ms"})
    with ballast.connect() as client:
        assert client.ended() == b""
    with ballast.connect() as client:
        client.send(GET)
        assert client.read_answer().status == 200
        assert client.ended() == b""
    metrics = ballast.assert_accounts()
    assert metrics["requests_total"] == 1


def test_an_idle_worker_connection_is_closed(scripted, balance):
    worker = scripted()
    ballast = balance(worker, timeouts={"worker_idle": "200ms"}, pools=NEVER)
    assert ballast.ask(GET).status == 200
    number = worker.requests[0].connection
    wait_for(lambda: number in worker.ended, what="the idle connection to be closed")
    wait_for(lambda: ballast.metrics()['ballast_connections{side="worker",state="open"}'] == 0, what="none open")


# Stopping.

def refuses(address):
    try:
        Client(address).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_draining_server_ends_what_it_has_begun(scripted, balance):
    worker, go, begun = scripted(), threading.Event(), threading.Event()
    ballast = balance(worker, timeouts={"drain": "10s"})
    worker.play(Script((tell(begun), wait(go), OK)))
    with ballast.connect() as client, ballast.connect() as idle:
        worker.play_at(b"/health-like", Script())
        idle.send(GET.replace(b"/fail", b"/health-like"))
        assert idle.read_answer().status == 200
        client.send(GET)
        assert begun.wait(10)
        ballast.send_signal(signal.SIGTERM)
        assert idle.ended() == b"", "an idle connection is closed at once"
        wait_for(lambda: refuses(ballast.address), what="new clients to be refused")
        go.set()
        answer = client.read_answer()
        assert (answer.status, answer.fields.one(b"connection")) == (200, b"close")
        assert client.ended() == b""
    assert ballast.process.wait(10) == 0


@pytest.mark.parametrize("how", ["twice", "drain time"])
def test_forced_to_stop(scripted, balance, how, stack):
    worker, never = scripted(), threading.Event()
    stack.callback(never.set)
    ballast = balance(worker, timeouts={"drain": "20s" if how == "twice" else "100ms"})
    worker.play(Script((wait(never),)))
    ballast.expect = 2
    with ballast.connect() as client:
        client.send(GET)
        worker.wait_requests(1)
        ballast.send_signal(signal.SIGTERM)
        if how == "twice":
            ballast.wait_log("stopping")
            ballast.send_signal(signal.SIGTERM)
        assert client.ended() == b""
        assert ballast.process.wait(15) == 2
