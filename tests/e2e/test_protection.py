"""What the server gives up before it serves, that everything still works without it, and what it does about a thread
that is stuck and about clients that take too much."""

import contextlib
import ctypes
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.programs import children
from harness.waiting import free_port, wait_for
from harness.worker import OK, Script, wait
from harness.worker import signal as tell

HOST = b"Host: test.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
WALL = 0x40000000  # waitpid: threads too
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def server_of(ballast):
    server, = children(ballast.pid)
    return server


def threads_of(pid):
    """What /proc says of every thread of a process: dicts of strings."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        pairs = (line.split(":", 1) for line in (task / "status").read_text().splitlines())
        found[int(task.name)] = {name: " ".join(value.split()) for name, value in pairs}
    return found


def kernel_has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1


# Confined.

def test_the_server_is_confined_and_the_keeper_is_not(demo, balance, sanitized):
    ballast = balance(demo().address, threads=2)
    line = ballast.wait_log("server is confined")
    assert "no_new_privileges=on" in line
    assert ("landlock=on" in line) == kernel_has_landlock()
    assert ('seccomp="off: built with a sanitizer"' if sanitized else "seccomp=on") in line
    server = server_of(ballast)
    threads = threads_of(server)
    assert len(threads) >= 4, "the control thread, the log's writer and two reactors"
    if sanitized:  # it may have a thread of its own, older than anything of ours
        threads = {server: threads[server]}
    assert {(thread["NoNewPrivs"], thread["Seccomp"]) for thread in threads.values()} == {
        ("1", "0" if sanitized else "2")}
    keeper = threads_of(ballast.pid)[ballast.pid]
    assert (keeper["NoNewPrivs"], keeper["Seccomp"]) == ("0", "0")


def test_it_can_be_switched_off(demo, balance):
    ballast = balance(demo().address, sandbox="off")
    line = ballast.wait_log("server is confined")
    assert 'no_new_privileges=on landlock="off: switched off"' in line and 'seccomp="off: switched off"' in line
    assert threads_of(server_of(ballast))[server_of(ballast)]["Seccomp"] == "0"


def assert_all_works(ballast, worker, scripted):
    """Traffic, numbers, a worker's death and return, a rotated log, and a drain, under whatever confines the server."""
    assert ballast.get("/bytes/3000000").body and ballast.ask(GET).status == 200
    worker.end()
    ballast.wait_alive(1)
    worker.again()
    ballast.wait_alive(2)
    moved = ballast.access_path.with_suffix(".1")
    ballast.access_path.rename(moved)
    ballast.send_signal(signal.SIGUSR1)
    ballast.wait_log("log is reopened log=access")
    before = ballast.settled_metrics()["requests_total"]
    assert ballast.ask(GET).status == 200
    assert len(ballast.wait_access(1)) == 1 and len(moved.read_text().splitlines()) == before
    go, begun = threading.Event(), threading.Event()
    scripted.play_at(b"/slow", Script((tell(begun), wait(go), OK)))
    with ballast.connect() as client:
        while not begun.is_set():
            client.send(GET.replace(b"/", b"/slow", 1))
            wait_for(lambda: begun.is_set() or select.select([client.sock], [], [], 0)[0], what="a worker's turn")
            if not begun.is_set():
                client.read_answer()
        ballast.send_signal(signal.SIGTERM)
        ballast.wait_log("stopping")
        go.set()
        assert client.read_answer().status == 200
    assert ballast.process.wait(10) == 0


def test_everything_works_confined(demo, scripted, balance):
    worker, other = demo(), scripted()
    ballast = balance(worker.address, other, timeouts={"drain": "10s"})
    assert_all_works(ballast, worker, other)


@as_root
def test_everything_works_as_another_user(demo, scripted, balance, public):
    """The log is opened as root; made anew it is as the user, in a directory of the user's."""
    log = public / "log"
    log.mkdir()
    os.chown(log, 65534, 65534)
    worker, other = demo(), scripted()
    path = log / "access.log"
    ballast = balance(worker.address, other, timeouts={"drain": "10s"}, user="nobody",
                      access_log={"path": str(path), "format": "json"})
    ballast.access_path = path
    for thread in threads_of(server_of(ballast)).values():
        assert thread["Uid"] == thread["Gid"] == "65534 65534 65534 65534" and thread["Groups"] == ""
        assert thread["CapEff"] == thread["CapPrm"] == "0" * 16
    assert not any("runs as root" in line for line in ballast.stderr_lines)
    assert_all_works(ballast, worker, other)
    assert (log / "access.1").owner() == "root" and path.owner() == "nobody"


@as_root
def test_a_log_that_cannot_be_reopened_is_written_on(demo, balance):
    ballast = balance(demo().address, user="nobody")
    assert ballast.ask(GET).status == 200
    ballast.wait_access(1)
    moved = ballast.access_path.with_suffix(".1")
    ballast.access_path.rename(moved)
    ballast.send_signal(signal.SIGUSR1)
    assert "reason=" in ballast.wait_log("log cannot be reopened: the old file is written on")
    assert ballast.ask(GET).status == 200
    wait_for(lambda: len(moved.read_text().splitlines()) == 2, what="the line in the old file")


@as_root
def test_another_user_s_server_still_ends_with_its_keeper(demo, balance):
    ballast = balance(demo().address, user="nobody")
    server = server_of(ballast)
    ballast.expect = -signal.SIGKILL
    ballast.process.kill()
    ballast.process.wait()
    wait_for(lambda: not pathlib.Path(f"/proc/{server}").exists(), what="the server to end")


@as_root
def test_root_without_a_user_is_warned(demo, balance):
    ballast = balance(demo().address)
    assert "user: nobody" in ballast.wait_log("warn the server runs as root")


@pytest.mark.parametrize("names, says", [
    ({"user": "no-such-user"}, "there is no user no-such-user"),
    ({"user": "root", "group": "no-such-group"}, "there is no group no-such-group"),
    ({"group": "root"}, "group root needs a user"),
])
def test_a_user_that_is_wrong_stops_the_start(ballast_path, tmp_path, names, says):
    path = tmp_path / "ballast.yaml"
    path.write_text(f"listeners: [ {free_port()} ]\npools: {{ web: {{ workers: [ 3001 ] }} }}\n"
                    + "".join(f"{key}: {value}\n" for key, value in names.items()))
    done = subprocess.run([ballast_path, "run", "-c", path], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and says in done.stderr, done.stderr


# A thread that is stuck.

@contextlib.contextmanager
def held(thread):
    """Stops one thread of another process, as nothing but a debugger can. Leaves when that thread is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, thread, None, None) != 0:  # PTRACE_SEIZE
        pytest.skip(f"no debugger allowed here: errno {ctypes.get_errno()}")
    assert libc.ptrace(0x4207, thread, None, None) == 0  # PTRACE_INTERRUPT
    os.waitpid(thread, WALL)
    yield
    status = os.waitpid(thread, WALL)[1]
    assert os.WIFSIGNALED(status) or os.WIFEXITED(status), status


@pytest.mark.parametrize("user", [None, pytest.param("nobody", marks=as_root)])
def test_a_stuck_thread_ends_the_server_which_is_replaced(demo, balance, user):
    ballast = balance(demo().address, threads=2, watchdog="1s", **({"user": user} if user else {}))
    server = server_of(ballast)
    reactor = max(threads_of(server))
    began = time.monotonic()
    with held(reactor):
        line = ballast.wait_log("a thread is stuck: the server ends itself")
    assert re.search(r" error .* thread=1 active=0 clients=\d+ turns=\d+ watchdog_ms=1000", line), line
    assert 0.9 < time.monotonic() - began < 20
    assert "signal=Aborted wait_ms=0" in ballast.wait_log("the server died and is started again")
    wait_for(lambda: children(ballast.pid) not in ([], [server]), what="another server")
    ballast.wait_alive(1)
    assert ballast.ask(GET).status == 200


def test_a_process_that_was_stopped_is_not_stuck(demo, balance):
    """The whole server sleeps for three times the watchdog's limit; none of its threads is at fault."""
    ballast = balance(demo().address, threads=2, watchdog="1s")
    server = server_of(ballast)
    os.kill(server, signal.SIGSTOP)
    select.select([], [], [], 3)  # what passes is the thing tried
    os.kill(server, signal.SIGCONT)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert ballast.ask(GET).status == 200
    assert children(ballast.pid) == [server]


# Clients that take too much.

def test_one_client_has_only_so_many_connections(demo, balance, stack):
    ballast = balance(demo().address, threads=2, limits={"connections_per_client": 3})

    def connect(host):
        return stack.enter_context(socket.create_connection(ballast.address, 10, source_address=(host, 0)))

    def refused():
        return ballast.metrics()['ballast_connections_refused_total{reason="client_limit"}']
    many = [connect("127.0.0.2") for _ in range(3)]
    for sock in many:
        sock.sendall(GET)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    for sock in [connect("127.0.0.2") for _ in range(5)]:  # the system hands over a silent one after a second
        assert sock.recv(1) == b""
    assert refused() == 5
    for sock in [*many, connect("127.0.0.3")]:
        sock.sendall(GET)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    many.pop().close()

    def served():
        sock = connect("127.0.0.2")
        with contextlib.suppress(ConnectionError):
            sock.sendall(GET)
            return sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        return False
    wait_for(served, what="room for that client again")
    assert ballast.metrics()['ballast_connections_refused_total{reason="system"}'] == 0


def trickle(action, every_s, until):
    """Acts so often, for as long and as long as that says that it may go on."""
    while time.monotonic() < until and action():
        select.select([], [], [], every_s)


def test_a_rate_below_the_least_ends_a_client(demo, balance, stack):
    """Three at once: a slow reader and a slow sender are ended after their grace, one that is quick enough is not, as
    long as they last and a second more."""
    ballast = balance(demo("--body-bytes=1000000000").address, limits={"min_rate": "20KiB"})
    until = time.monotonic() + 30
    ends = {}

    def others_last():
        return not {"slow", "sender"} <= set(ends)

    def read(name, size, every_s):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        stack.callback(sock.close)
        sock.settimeout(10)
        sock.connect(ballast.address)
        sock.sendall(GET)
        try:
            trickle(lambda: sock.recv(size) and (name == "slow" or others_last()), every_s, until)
            trickle(lambda: sock.recv(size), every_s, time.monotonic() + 1)
            ends[name] = None
        except ConnectionResetError:  # its answer is not whole
            ends[name] = time.monotonic()

    def send():
        with ballast.connect() as client:
            client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n")

            def step():
                client.send(b"x" * 100)
                return not select.select([client.sock], [], [], 0)[0]
            trickle(step, 0.1, until)
            ends["sender"] = client.read_answer().status
    began = time.monotonic()
    threads = [threading.Thread(target=read, args=("slow", 1000, 0.1)),
               threading.Thread(target=read, args=("quick", 16384, 0.1)), threading.Thread(target=send)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ends["quick"] is None, "it read 160 KB/s"
    assert ends["sender"] == 408
    assert ends["slow"] is not None and 9 < ends["slow"] - began < 25
    reasons = {line["reason"] for line in ballast.wait_access(2)}
    assert {"client_stalled", "request_body_timeout"} <= reasons


# What docs/threat-model.md says.

def test_the_threat_model_names_what_is_there():
    tests = pathlib.Path(__file__).resolve().parents[1]
    text = (tests.parent / "docs" / "threat-model.md").read_text()
    named = re.findall(r"`((?:unit|e2e|conformance|fuzz|sim|contract)/[\w/]+\.(?:c|py))(?:::(\w+))?`", text)
    assert len(named) > 60
    for path, name in named:
        source = (tests / path).read_text()
        assert not name or re.search(rf"(?:def|void|TEST\() ?{name}\b", source), f"{path}::{name}"
