"""Listeners whose sockets somebody else has opened: systemd's launcher, a supervisor, and what is no such socket."""

import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.client import Client
from harness.waiting import free_port, wait_for

# Says that the sockets are for the process that it becomes.
EXEC = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"
GET = b"GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n"


@pytest.fixture
def activated(balance, demo, tmp_path):
    """activated(listeners, *opened, names=...) -> a balancer that systemd's launcher starts when a client comes; the
    first of the addresses opened is the one that it is asked at."""
    def start(listeners, *opened, names, admin=None):
        class Activated(Ballast):
            def __init__(self, program, config):
                ports = [word for address in opened for word in ("-l", address)]
                super().__init__(program, config,
                                 wrapper=("systemd-socket-activate", f"--fdname={':'.join(names)}", *ports))
                host, _, port = opened[0].rpartition(":")
                self.address = (host, int(port))
        ballast = balance(demo(), demo(), ballast=Activated, threads=2,
                          admin={"address": admin or f"unix:{tmp_path}/admin", "write": True},
                          listeners=[{"address": address} for address in listeners])
        ballast.admin = Admin(tmp_path / "admin")
        return ballast
    return start


def reload(ballast, listeners, expect="applied"):
    ballast.write_config({**ballast.config, "listeners": [{"address": address} for address in listeners]})
    ballast.send_signal(signal.SIGHUP)
    def entry():
        entries = ballast.admin.get("/v1/reloads")["reloads"]
        return entries and entries[0]["number"] > getattr(ballast, "reloaded", 0) and entries[0]["state"] != "waiting" \
            and entries[0]
    told = wait_for(entry, 20, "the reload to be over")
    ballast.reloaded = told["number"]
    assert told["state"] == expect, told
    return told


def ask(address):
    with Client(address, 20) as client:
        client.send(GET)
        return client.read_answer(b"GET").status


@pytest.mark.parametrize("name", ["fd:3", "fd:web"])
def test_socket_activation(activated, name):
    """systemd's launcher starts it as the first client comes, who is served; a reload keeps the socket."""
    ballast = activated([name], f"127.0.0.1:{free_port()}", names=["web"])
    assert [ask(ballast.address) for _ in range(20)] == [200] * 20
    reload(ballast, [name])
    assert [ask(ballast.address) for _ in range(20)] == [200] * 20


def test_a_server_that_dies_is_followed_on_the_same_socket(activated):
    ballast = activated(["fd:web"], f"127.0.0.1:{free_port()}", names=["web"])
    server = int(pathlib.Path(f"/proc/{ballast.pid}/task/{ballast.pid}/children").read_text())
    os.kill(server, signal.SIGKILL)
    assert ask(ballast.address) == 200  # it waits in the socket until a worker has answered its probe
    ballast.wait_alive(2)


def test_a_socket_left_out_waits_for_its_return(activated):
    """It is the launcher's to close: who comes meanwhile waits in it, and a later configuration serves them."""
    other = ("127.0.0.1", free_port())
    ballast = activated(["fd:web", "fd:api"], f"127.0.0.1:{free_port()}", f"127.0.0.1:{other[1]}", names=["web", "api"])
    assert ask(ballast.address) == ask(other) == 200
    reload(ballast, ["fd:web"])
    with Client(other, 20) as client:
        client.send(GET)
        assert ask(ballast.address) == 200
        reload(ballast, ["fd:web", "fd:api"])
        assert client.read_answer(b"GET").status == 200


def test_an_upgrade_keeps_them_and_finds_others(activated, ballast_path):
    """The first is handed from server to server; the second is looked up by the new program."""
    other = ("127.0.0.1", free_port())
    ballast = activated(["fd:web"], f"127.0.0.1:{free_port()}", f"127.0.0.1:{other[1]}", names=["web", "api"])
    for listeners in (["fd:web"], ["fd:web", "fd:api"]):
        ballast.write_config({**ballast.config, "listeners": [{"address": address} for address in listeners]})
        done = subprocess.run([ballast_path, "upgrade", "--admin", f"unix:{ballast.admin.where}"], capture_output=True,
                              text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + ballast.stderr
        assert ask(ballast.address) == 200
    assert ask(other) == 200


def test_a_unix_socket_stays_its_launchers(activated, tmp_path):
    path = tmp_path / "web.sock"
    ballast = activated(["fd:web", "fd:local"], f"127.0.0.1:{free_port()}", str(path), names=["web", "local"])
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(path),
                           "http://test.example/"], capture_output=True, timeout=30, check=False)
    assert done.stdout == b"200", done.stderr
    ballast.stop()
    assert path.exists()


def test_a_reload_that_names_no_socket_changes_nothing(activated):
    ballast = activated(["fd:web"], f"127.0.0.1:{free_port()}", names=["web"])
    told = reload(ballast, ["fd:web", "fd:nobody"], expect="failed")
    assert "has that name" in str(told), told
    told = reload(ballast, ["fd:web", "fd:3"], expect="failed")
    assert "it is the socket of fd:web" in str(told), told
    assert ask(ballast.address) == 200


TOKEN = "a-token-of-the-test-1234"


@pytest.fixture
def handed(stack, ballast_path, demo):
    """handed(sock, **admin) -> a balancer whose administration API is at this socket."""
    def start(sock, **admin):
        config = settings([demo()], admin={"address": f"fd:{sock.fileno()}", "write": True, **admin})
        return stack.enter_context(Ballast(ballast_path, config, pass_fds=[sock.fileno()])).wait_alive(1)
    return start


def upgrade(ballast, admin):
    number = admin.get("/v1/upgrade")["number"] + 1
    ballast.send_signal(signal.SIGUSR2)
    def done():
        now = admin.get("/v1/upgrade")
        return now["number"] == number and now["state"] == "done"
    wait_for(done, 20, "the upgrade")


def test_the_api_at_a_socket_of_somebody_else(handed):
    """At an IP address it asks for the token; it goes on over a reload, a server's death and an upgrade."""
    with listening() as sock:
        ballast = handed(sock, token=TOKEN)
        admin = ballast.admin = Admin(sock.getsockname(), TOKEN)
        assert admin.get("/v1/config")["admin"]["address"] == f"fd:{sock.fileno()}"
        assert Admin(sock.getsockname()).ask("GET", "/v1/version").status == 401
        reload(ballast, [f"127.0.0.1:{ballast.address[1]}"])
        before = admin.get("/v1/version")["pid"]
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: admin.get("/v1/version")["pid"] != before, what="another server")
        ballast.reloaded = 0  # it counts from its own start
        upgrade(ballast, admin)
        assert Admin(sock.getsockname()).ask("GET", "/v1/version").status == 401
        told = reload(ballast, [f"127.0.0.1:{ballast.address[1]}", f"fd:{sock.fileno()}"], expect="failed")
        assert "clients are served at" in str(told), told
        ballast.write_config({**ballast.config, "admin": {"address": f"fd:{sock.fileno()}"}})
        ballast.send_signal(signal.SIGHUP)
        told = wait_for(lambda: (e := admin.get("/v1/reloads")["reloads"][0])["number"] > told["number"] and e,
                        what="the reload to be over")
        assert told["state"] == "failed" and "there it needs a token" in told["sentence"]


def test_the_api_at_a_unix_socket_of_somebody_else(handed, tmp_path):
    """Its mode is who may ask: no token is needed."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "handed"))
        (tmp_path / "handed").chmod(0o666)
        sock.listen()
        handed(sock)
        assert Admin(tmp_path / "handed").get("/v1/version")["write"] is True
        assert (tmp_path / "handed").stat().st_mode & 0o777 == 0o666


def test_the_api_by_socket_activation(activated, tmp_path):
    """A further socket unit has it, by its name; a client's listener cannot be the same."""
    path = tmp_path / "handed"
    ballast = activated(["fd:web"], f"127.0.0.1:{free_port()}", str(path), names=["web", "admin"], admin="fd:admin")
    ballast.admin = Admin(path)
    assert ballast.admin.get("/v1/status")["health"] == "ok"
    told = reload(ballast, ["fd:web", "fd:4"], expect="failed")
    assert "cannot listen on fd:4: it is the socket of the administration API: name it once" in str(told), told
    assert ask(ballast.address) == 200


def test_where_the_api_cannot_be(ballast_path, tmp_path):
    config = tmp_path / "ballast.yaml"
    def said(admin, *sockets):
        config.write_text("pools: {web: {workers: [3001]}}\n"
                          f"listeners: ['127.0.0.1:{free_port()}']\nadmin: {admin}\n")
        done = subprocess.run([str(ballast_path), "run", "-c", str(config)], capture_output=True, text=True, timeout=30,
                              pass_fds=[sock.fileno() for sock in sockets], check=False)
        assert done.returncode == 1, done.stderr
        return done.stderr.replace(str(config), "FILE").splitlines()[-1]
    where = "ballast: FILE:3:1: the administration API cannot listen on"
    assert said("fd:250").startswith(f"{where} fd:250: descriptor 250 was not handed over: ")
    assert said("fd:admin").startswith(f"{where} fd:admin: no sockets were handed over ")
    with listening() as sock:
        assert said(f"fd:{sock.fileno()}", sock) == (
            f"{where} fd:{sock.fileno()}: anybody who reaches it could ask; set a token, or hand over a Unix socket.")
        address = "%s:%d" % sock.getsockname()
        assert said(f"{{address: '{address}', token: {TOKEN}}}") == (
            f"{where} {address}: the address is already in use: stop the program that listens there, or name another "
            "(admin.address).")
    for words in (["-c", str(config)], ["--admin", "fd:3"]):
        config.write_text("pools: {web: {workers: [3001]}}\nadmin: fd:3\n")
        done = subprocess.run([str(ballast_path), "status", *words], capture_output=True, text=True, timeout=30,
                              check=False)
        assert (done.returncode, done.stderr) == (
            3, "ballast: fd:3 is a socket that Ballast was given, and does not say where that is: name its path or "
               "address (--admin ADDR, or $BALLAST_ADMIN)\n")


def listening(kind=socket.SOCK_STREAM, listens=True):
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(("127.0.0.1", 0))
    if listens:
        sock.listen()
    return sock


def refused(ballast_path, tmp_path, addresses, sockets=(), environment=()):
    """What is said of a configuration with these listeners, one on each line from the second on."""
    config = tmp_path / "ballast.yaml"
    config.write_text("listeners:\n" + "".join(f"  - {address}\n" for address in addresses) +
                      "pools: {web: {workers: [127.0.0.1:3001]}}\n")
    done = subprocess.run([sys.executable, "-c", EXEC, str(ballast_path), "run", "-c", str(config)],
                          pass_fds=[sock.fileno() for sock in sockets], env={**os.environ, **dict(environment)},
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr.replace(str(config), "FILE")


def test_what_cannot_be_listened_on(ballast_path, tmp_path):
    """The place, the value, what is wrong, what to do."""
    with listening(socket.SOCK_DGRAM, False) as datagrams, listening(listens=False) as deaf, listening() as good:
        names = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
        cases = [
            (["fd:250"], [], {}, "FILE:2:5: cannot listen on fd:250: descriptor 250 was not handed over"),
            ([f"fd:{datagrams.fileno()}"], [datagrams], {}, "no stream socket of IP or Unix: use ListenStream="),
            ([f"fd:{deaf.fileno()}"], [deaf], {}, "does not listen: use Accept=no"),
            (["fd:web"], [], {}, "FILE:2:5: cannot listen on fd:web: no sockets were handed over"),
            (["fd:api"], [], names, "none of the 1 sockets handed over has that name: set FileDescriptorName="),
            ([f"127.0.0.1:{free_port()}", "fd:250"], [], {}, "FILE:3:5: cannot listen on fd:250"),
        ]
        for addresses, sockets, environment, text in cases:
            assert text in refused(ballast_path, tmp_path, addresses, sockets, environment), text
        with socket.socket(fileno=os.dup(good.fileno())) as again:
            one, other = f"fd:{good.fileno()}", f"fd:{again.fileno()}"
            said = refused(ballast_path, tmp_path, [one, other], [good, again])
            assert f"FILE:3:5: cannot listen on {other}: it is the socket of {one}: name it once" in said
            said = refused(ballast_path, tmp_path, [one, one], [good])
            assert f"the address {one} is listened on twice; first at FILE:2:5" in said


def test_sockets_of_another_process_are_not_taken(ballast_path, tmp_path):
    config = tmp_path / "ballast.yaml"
    config.write_text("listeners: [fd:web]\npools: {web: {workers: [127.0.0.1:3001]}}\n")
    done = subprocess.run([str(ballast_path), "run", "-c", str(config)], capture_output=True, text=True, timeout=30,
                          env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"}, check=False)
    assert done.returncode == 1 and "must `exec` Ballast" in done.stderr


def test_a_supervisor_hands_over_a_number(stack, demo, ballast_path):
    """No LISTEN_FDS: a descriptor left open over exec is enough."""
    with listening() as sock:
        ballast = Ballast(ballast_path, settings([demo()], listeners=[{"address": f"fd:{sock.fileno()}"}]),
                          pass_fds=[sock.fileno()])
        ballast.address = sock.getsockname()
        assert ask(stack.enter_context(ballast).wait_alive(1).address) == 200


def test_a_client_that_came_before_the_start_is_served(stack, demo, ballast_path):
    """It waits until a worker has answered its probe: to start is no reason to tell anybody 503."""
    with listening() as sock, Client(sock.getsockname(), 20) as client:
        client.send(GET)
        ballast = Ballast(ballast_path, settings([demo()], listeners=[{"address": f"fd:{sock.fileno()}"}]),
                          pass_fds=[sock.fileno()])
        ballast.address = sock.getsockname()
        stack.enter_context(ballast)
        assert client.read_answer(b"GET").status == 200


def silent_settings(stack, **extra):
    """Before a worker that takes connections and says nothing, for longer than a test lasts."""
    silent = stack.enter_context(listening())
    return settings(["127.0.0.1:%d" % silent.getsockname()[1]], **extra,
                    pools={"web": {"health": {"timeout": "60s", "interval": "60s"}}})


def test_clients_do_not_wait_for_workers_that_say_nothing(stack, ballast_path):
    ballast = stack.enter_context(Ballast(ballast_path, silent_settings(stack)))
    assert ask(ballast.address) == 503


def test_a_stop_is_heard_while_clients_wait(stack, ballast_path, tmp_path):
    """The API is there by then, and ready is never said. A busy machine may take all of the second to ask."""
    class Asked(Ballast):
        def _answers(self):
            try:
                return Admin(tmp_path / "admin").get("/v1/status")
            except OSError:
                return None

    def said():
        config = silent_settings(stack, admin={"address": f"unix:{tmp_path}/admin"})
        with Asked(ballast_path, config) as ballast:
            assert ballast.stop() == 0 and "stopping" in ballast.stderr
        return ballast.stderr
    assert any("info ready " not in said() for _ in range(5))
