"""The process tree as an operator meets it: a server that dies, signals, what stops a start, and the demo."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.client import Client, CutShort, WasReset
from harness.programs import Steadily, children
from harness.waiting import PATIENCE_S, free_port, wait_for
from harness.worker import OK, Script, signal as set_event, wait

GET = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"
STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


def is_alive(pid):
    """Running, not merely unreaped."""
    try:
        return " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:4]
    except (FileNotFoundError, ProcessLookupError):
        return False


def server_of(balancer):
    pids = children(balancer.pid)
    return pids[0] if len(pids) == 1 else None


def new_server(balancer, old):
    pid = server_of(balancer)
    return pid if pid != old else None


def refuses(address):
    try:
        socket.create_connection(address, PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


# ---- a server that dies ----

def knock(address, lost):
    """One request on its own connection. What a dying server had in its hands may be lost; nobody is refused."""
    try:
        with Client(address, 20) as client:
            client.send(GET)
            assert client.read_answer().status == 200
    except (CutShort, WasReset, ConnectionResetError):
        lost.append(time.monotonic())


def seconds_without_a_server(balancer, lost):
    with Steadily(lambda: knock(balancer.address, lost)) as one, Steadily(lambda: knock(balancer.address, lost)):
        one.wait_times(20)
        old = server_of(balancer)
        began = time.monotonic()
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: new_server(balancer, old), what="a new server")
        took = time.monotonic() - began
        one.wait_times(50)
    return took


@pytest.mark.alone
def test_a_killed_server_is_started_again_at_once(balance, scripted):
    took = []
    while not took or min(took) > 0.1 and len(took) < 3:  # the machine may have been busy elsewhere
        balancer, lost = balance(scripted(), scripted()), []
        took.append(seconds_without_a_server(balancer, lost))
        assert "SIGKILL" in balancer.wait_log("started again") or "Killed" in balancer.wait_log("started again")
        assert len(lost) <= 4  # two clients: the request in flight, and one on a connection taken but not answered
        balancer.wait_alive(2)
        assert balancer.get().status == 200
    assert min(took) <= 0.1, took


def test_a_server_that_keeps_dying_is_waited_for_longer(balance, scripted):
    balancer = balance(scripted())
    for expected in (0, 100, 200):
        old = server_of(balancer)
        seen = len(balancer.stderr_lines)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: any("started again" in line for line in balancer.stderr_lines[seen:]), what="the reason")
        line = next(line for line in balancer.stderr_lines[seen:] if "started again" in line)
        assert re.search(rf'wait_ms"?[=:]{expected}\b', line), line
        wait_for(lambda: new_server(balancer, old), what="a new server")
    balancer.wait_alive(1)


def test_a_stop_between_two_servers_is_heard(balance, scripted):
    balancer = balance(scripted())
    for count in range(1, 5):
        old = wait_for(lambda: server_of(balancer))
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: sum("started again" in line for line in balancer.stderr_lines) == count)
    assert server_of(balancer) is None  # it waits 400 ms now
    assert balancer.stop() == 0


def test_a_killed_keeper_takes_its_server_along(balance, scripted):
    balancer = balance(scripted())
    server = server_of(balancer)
    balancer.expect = -signal.SIGKILL
    os.kill(balancer.pid, signal.SIGKILL)
    balancer.process.wait(PATIENCE_S)
    wait_for(lambda: not is_alive(server), what="the server to end")
    assert refuses(balancer.address)


# ---- signals ----

@contextlib.contextmanager
def request_in_flight(balancer, worker):
    """A client whose request the worker has and will answer when the event is set."""
    arrived, go = threading.Event(), threading.Event()
    worker.play(Script((set_event(arrived), wait(go), OK)))
    with balancer.connect() as client:
        client.send(GET)
        assert arrived.wait(10)
        yield client, go


@pytest.mark.parametrize("arguments", [(), ("--no-keeper",)])
@pytest.mark.parametrize("number", STOPS)
def test_a_stop_drains(stack, ballast_path, scripted, number, arguments):
    worker = scripted()
    balancer = stack.enter_context(Ballast(
        ballast_path, settings([worker], timeouts={"drain": "20s"}), arguments)).wait_alive(1)
    assert len(children(balancer.pid)) == (0 if arguments else 1)
    with balancer.connect() as idle, request_in_flight(balancer, worker) as (client, go):
        idle.send(GET)
        assert idle.read_answer().status == 200
        balancer.send_signal(number)
        assert idle.ended() == b""
        go.set()
        answer = client.read_answer()
        assert (answer.status, answer.body) == (200, b"ok")
        assert client.ended() == b""
    assert balancer.process.wait(10) == 0
    assert refuses(balancer.address)


@pytest.mark.parametrize("arguments", [(), ("--no-keeper",)])
def test_a_second_stop_ends_at_once(stack, ballast_path, scripted, arguments):
    worker = scripted()
    config = settings([worker], timeouts={"drain": "60s"})
    balancer = stack.enter_context(Ballast(ballast_path, config, arguments)).wait_alive(1)
    with request_in_flight(balancer, worker) as (client, go):
        balancer.send_signal(signal.SIGTERM)
        balancer.wait_log("stopping")
        balancer.send_signal(signal.SIGTERM)
        balancer.expect = 2
        assert balancer.process.wait(PATIENCE_S) == 2
        with pytest.raises((CutShort, WasReset)):
            client.read_answer()
        go.set()


def test_the_drain_has_its_time(stack, ballast_path, scripted):
    worker = scripted()
    config = settings([worker], timeouts={"drain": "300ms"})
    balancer = stack.enter_context(Ballast(ballast_path, config)).wait_alive(1)
    with request_in_flight(balancer, worker) as (_, go):
        balancer.send_signal(signal.SIGTERM)
        balancer.expect = 2
        assert balancer.process.wait(PATIENCE_S) == 2
        balancer.wait_log("drain time is over")
        go.set()


def test_usr1_opens_the_log_again(balance, scripted):
    balancer = balance(scripted())
    balancer.get("/before")
    balancer.wait_access(1)
    kept = balancer.access_path.rename(balancer.path / "access.log.1")
    balancer.send_signal(signal.SIGUSR1)
    balancer.wait_log("log is reopened log=access")
    balancer.get("/after")
    lines = balancer.wait_access(1)
    assert [line["target"] for line in lines] == ["/after"]
    assert "/before" in kept.read_text() and "/after" not in kept.read_text()


def test_many_hups_are_one_server(balance, scripted):
    """They may be told together; the last one counts."""
    balancer = balance(scripted())
    server = server_of(balancer)
    for _ in range(20):
        balancer.send_signal(signal.SIGHUP)
    balancer.wait_log("configuration is reloaded")
    assert balancer.get().status == 200
    wait_for(lambda: server_of(balancer) == server, what="nothing but the server to run")


# ---- what stops a start ----

def one_sentence(command, **options):
    """It does not start, says so in one line, and that line names a remedy."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=20, check=False,
                          stdin=subprocess.DEVNULL, **options)
    assert (done.returncode, done.stdout) == (1, ""), done
    said = [line for line in done.stderr.splitlines() if " info " not in line]  # what was fine until then
    assert len(said) == 1 and said[0].startswith("ballast: "), done.stderr
    return said[0]


@pytest.fixture
def as_nobody(ballast_path, public):
    """The beginning of a command that runs without privileges, and the program where anybody may run it."""
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    return prefix, shutil.copy(ballast_path, public / "ballast")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_port_in_use(ballast_path, threads):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = one_sentence([ballast_path, "run", "--listen", f"127.0.0.1:{port}", "--threads", threads])
    assert f"127.0.0.1:{port}" in text and "already in use" in text and "--listen" in text


def test_a_port_in_use_by_another_ballast(ballast_path, balance, scripted):
    balancer = balance(scripted(), threads=2)
    text = one_sentence([ballast_path, "run", "--listen", f"127.0.0.1:{balancer.address[1]}", "--threads", 2])
    assert "already in use" in text
    assert balancer.get().status == 200


def test_no_privilege(as_nobody):
    if int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 1:
        pytest.skip("this machine lets anybody listen on any port")
    prefix, program = as_nobody
    text = one_sentence([*prefix, program, "run", "--listen", "127.0.0.1:1"])
    assert "permission was denied" in text and "CAP_NET_BIND_SERVICE" in text


def test_too_few_descriptors(as_nobody):
    prefix, program = as_nobody
    arguments = ["run", "--listen", f"127.0.0.1:{free_port()}", "--access-log", "off", "--threads", 1]
    text = one_sentence(["prlimit", "--nofile=64:64", *prefix, program, *arguments])
    assert "only 64" in text and "ulimit -n" in text
    config = pathlib.Path(program).parent / "many.yaml"
    config.write_text('{"limits": {"connections": 5000}, "pools": {"web": {"workers": [3001]}}}')
    config.chmod(0o644)
    arguments = ["run", "-c", config, "--listen", f"127.0.0.1:{free_port()}"]
    text = one_sentence(["prlimit", "--nofile=1024:1024", *prefix, program, *arguments])
    assert "limits.connections 5000 needs" in text and "only 1024" in text


def test_fewer_descriptors_mean_fewer_connections(stack, as_nobody, scripted):
    prefix, program = as_nobody
    worker = scripted()
    arguments = ["--worker", worker.address, "--threads", "1", "--access-log", "off"]
    wrapper = ["prlimit", "--nofile=512:512", *prefix]
    balancer = stack.enter_context(Ballast(program, None, arguments, wrapper=wrapper)).wait_alive(1)
    line = balancer.wait_log("fewer connections than usual")
    assert 16 <= int(re.search(r'connections"?[=:](\d+)', line)[1]) < 256
    assert balancer.get().status == 200


# ---- the demo ----

class Demo:
    """`ballast demo`, with what it says on standard output."""

    def __init__(self, program, *options):
        for port in (3001, 3002, 3003):
            wait_for(lambda port=port: refuses(("127.0.0.1", port)), 30, f"port {port} to be free")
        self.process = subprocess.Popen([str(program), "demo", *map(str, options)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def __enter__(self):
        def is_ready():
            assert self.process.poll() is None, f"the demo ended with {self.process.returncode}:\n{self.text}"
            return any("Ctrl-C" in line for line in self.said)
        wait_for(is_ready, 20, "the demo to say what to try")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()

    def read(self):
        for line in self.process.stdout:
            self.said.append(line)

    @property
    def text(self):
        return "".join(self.said)


def ask(port, target=b"/"):
    with Client(("127.0.0.1", port), 10) as client:
        client.send(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client.read_answer()


def wait_demo(port, alive):
    def enough():
        with contextlib.suppress(ConnectionRefusedError):
            return ask(port, b"/metrics").body.count(b"_alive 1\n") == alive
        return False
    wait_for(enough, 20, f"{alive} demo workers alive")


@pytest.mark.alone
def test_the_demo_shows_three_workers_in_turn(ballast_path):
    port = free_port()
    with Demo(ballast_path, "--port", port) as demo:
        wait_demo(port, 3)
        answers = [ask(port).body for _ in range(6)]
        assert len(set(answers[:3])) == 3 and answers[:3] == answers[3:]
        for number in (b"3001", b"3002", b"3003"):
            assert sum(number in answer for answer in answers[:3]) == 1
        # An answer may be there a moment before its thread has counted it.
        metrics = wait_for(lambda: "requests_active 0\n" in (page := ask(port, b"/metrics").body.decode()) and page)
        assert metrics.startswith("requests_total 6\nrequests_failed 0\nrequests_active 0\n")
        assert "".join(f"worker_{n}_requests 2\n" for n in (3001, 3002, 3003)) in metrics
        workers = children(demo.process.pid)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(10) == 0
        assert not any(map(is_alive, workers))


@pytest.mark.alone
def test_the_demo_has_a_dashboard(ballast_path):
    port = free_port()
    with Demo(ballast_path, "--port", port) as demo:
        found = wait_for(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/#token=(\w+)\n", demo.text), what="its address")
        wait_demo(port, 3)
        admin = Admin(("127.0.0.1", int(found.group(1))), found.group(2))
        assert admin.get("/v1/status")["version"]["write"] is True
        assert admin.ask("GET", "/").status == 200


@pytest.mark.alone
def test_a_demo_worker_may_be_killed(ballast_path):
    port = free_port()
    with Demo(ballast_path, "--port", port) as demo:
        wait_demo(port, 3)
        victim = int(re.search(r"kill (\d+)\s+stops worker 3002", demo.text)[1])
        with Steadily(lambda: ask(port).status == 200 or pytest.fail("a request failed")) as steadily:
            steadily.wait_times(20)
            os.kill(victim, signal.SIGTERM)
            wait_demo(port, 2)
            steadily.wait_times(20)
        metrics = ask(port, b"/metrics").body
        assert b"worker_3002_alive 0\n" in metrics and b"requests_failed 0\n" in metrics


@pytest.mark.alone
def test_the_demo_falls_back_to_8080(ballast_path):
    with contextlib.ExitStack() as stack:
        if refuses(("127.0.0.1", 80)):
            try:
                stack.enter_context(socket.create_server(("0.0.0.0", 80)))
            except PermissionError:
                pass  # then the demo may not have it either
        wait_for(lambda: refuses(("127.0.0.1", 8080)), 30, "port 8080 to be free")
        demo = stack.enter_context(Demo(ballast_path))
        assert re.search(r"^Port 80 cannot be had \((address_in_use|no_permission)\): port 8080 is used instead",
                         demo.text, re.MULTILINE)
        assert "curl http://localhost:8080/metrics" in demo.text
        wait_demo(8080, 3)


@pytest.mark.alone
def test_the_demo_says_what_stands_in_its_way(ballast_path, tmp_path):
    wait_for(lambda: refuses(("127.0.0.1", 3002)), 30, "port 3002 to be free")
    with socket.create_server(("127.0.0.1", 3002)):
        text = one_sentence([ballast_path, "demo", "--port", free_port()])
    assert "127.0.0.1:3002" in text and "in use" in text
    alone = shutil.copy(ballast_path, tmp_path / "ballast")
    text = one_sentence([alone, "demo", "--port", free_port()])
    assert "ballast-worker" in text and "missing" in text
