"""Another program in place of the one that runs: the same process, the same sockets, nothing dropped, nothing
forgotten; and one that cannot take over changes nothing."""

import json
import os
import shutil
import signal
import socket
import ssl
import threading
import time

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.certificates import Authority
from harness.load import Load
from harness.programs import Steadily, children
from harness.reloads import order, with_workers
from harness.upgrades import command, settle, state, upgrade, upgrade_by_signal
from harness.waiting import free_port, wait_for
from harness.worker import ECHO, Script, wait

UPGRADES = int(os.environ.get("BALLAST_UPGRADES", "20"))
HOST = b"Host: test.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 200000\r\n\r\n" + bytes(200000)
SWITCH = b"GET /chat HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@pytest.fixture
def run(stack, ballast_path, tmp_path):
    """run(*workers, **settings) -> a balancer that is a copy of the program, which a test may replace; wrapper: what
    starts it, by this name."""
    def start(*workers, wrapper=(), name=None, **extra):
        program = tmp_path / "ballast"
        shutil.copy(ballast_path, program)
        config = settings(workers, **{"admin": {"address": f"unix:{tmp_path}/admin", "write": True},
                                      "timeouts": {"retire": "2s", "drain": "2s"}, **extra})
        ballast = stack.enter_context(Ballast(name or program, config, wrapper=wrapper))
        ballast.admin, ballast.program = Admin(tmp_path / "admin"), program
        return ballast
    return start


def install(ballast, content):
    """As a package manager does: the new file takes the place of the one that runs."""
    fresh = ballast.program.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    os.replace(fresh, ballast.program)


def another_version(ballast):
    """The same program, but for what it calls itself."""
    content = ballast.program.read_bytes()
    version = ballast.admin.get("/v1/version")["version"]
    other = version[:-1] + ("1" if version[-1] != "1" else "2")
    install(ballast, content.replace(version.encode(), other.encode()))
    return version, other


def test_another_version_takes_over(run, demo):
    ballast = run(demo(), demo()).wait_alive(2)
    server, keeper = children(ballast.pid)[0], ballast.pid
    assert state(ballast)["state"] == "none"
    before, after = another_version(ballast)
    said = upgrade(ballast)
    assert said == f"upgrade 1: done: Version {after} took over from {before}.\n"
    assert settle(ballast) != server and ballast.pid == keeper
    assert ballast.admin.get("/v1/version")["version"] == after
    assert state(ballast) == {"number": 1, "state": "done", "version": after,
                              "sentence": f"Version {after} took over from {before}."}
    assert ballast.ask(GET).status == 200


def test_the_api_moves_to_another_address(run, demo, tmp_path):
    """A reload in between leaves it where it is, and forgets nothing of where that is."""
    ballast = run(demo()).wait_alive(1)
    before, after = ballast.admin, Admin(tmp_path / "other")
    ballast.write_config({**ballast.config, "admin": {"address": f"unix:{after.where}", "write": True}})
    order(before)
    assert before.listens() and not after.listens()
    ballast.send_signal(signal.SIGUSR2)
    wait_for(after.listens, what="the API at its other address")
    assert after.get("/v1/upgrade")["state"] == "done"
    ballast.admin = after
    settle(ballast)
    with pytest.raises(ConnectionRefusedError):
        before.ask("GET", "/v1/version")


def test_a_listener_that_is_gone_refuses(run, demo):
    """Nobody holds its socket open any more, where clients would wait for an answer in vain."""
    gone = ("127.0.0.1", free_port())
    ballast = run(demo(), threads=2, listeners=[{"address": f"127.0.0.1:{free_port()}"},
                                                {"address": "%s:%d" % gone}]).wait_alive(1)
    ballast.write_config({**ballast.config, "listeners": ballast.config["listeners"][:1], "threads": 1})
    socket.create_connection(gone, 5).close()
    upgrade(ballast)
    settle(ballast)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(gone, 5)
    assert ballast.ask(GET).status == 200


def test_by_a_signal(run, demo):
    ballast = run(demo()).wait_alive(1)
    ballast.send_signal(signal.SIGUSR2)
    ballast.wait_log("server takes over from the one before")
    ballast.wait_log("the server before has ended")
    assert ballast.ask(GET).status == 200
    assert state(ballast)["number"] == 1


def test_a_program_that_was_found_by_path(run, demo, tmp_path):
    """Its place is known though the file there is another by the time of each upgrade."""
    ballast = run(demo(), wrapper=("env", f"PATH={tmp_path}:{os.environ['PATH']}"), name="ballast").wait_alive(1)
    for _ in range(2):
        after = another_version(ballast)[1]
        assert f"Version {after} took over from " in upgrade(ballast)
        settle(ballast)
    assert ballast.ask(GET).status == 200


def hold(ballast):
    """A request is under way, whoever of the two servers has it."""
    return ballast.wait_metric("requests_active", 1)


def test_what_is_under_way_ends_with_the_server_before(run, scripted):
    release = threading.Event()
    worker = scripted()
    ballast = run(worker).wait_alive(1)
    with ballast.connect(30) as slow, ballast.connect(30) as idle:
        idle.send(GET)
        assert idle.read_answer().status == 200
        worker.play(Script((wait(release), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
        slow.send(GET)
        hold(ballast)
        upgrade(ballast)
        assert len(children(ballast.pid)) == 2
        hold(ballast)
        release.set()
        answer = slow.read_answer()
        assert (answer.status, answer.fields.one(b"connection")) == (200, b"close")
        idle.send(GET)
        assert idle.read_answer().fields.one(b"connection") == b"close"
    settle(ballast)
    metrics = ballast.settled_metrics()
    assert (metrics["requests_failed"], metrics["requests_aborted"]) == (0, 0)
    assert metrics[f"worker_{worker.address.rpartition(':')[2]}_requests"] == 3


def test_what_is_pipelined_behind_a_last_answer_is_never_begun(run, scripted):
    """RFC 9112 section 9.6: no worker has seen it, so whoever sent it may safely send it again."""
    worker = scripted()
    ballast = run(worker).wait_alive(1)
    with ballast.connect(30) as client:
        client.send(GET)
        assert client.read_answer().status == 200
        upgrade(ballast)
        client.send(GET + POST + GET)
        assert client.read_answer().fields.one(b"connection") == b"close"
        assert client.ended() == b""
    settle(ballast)
    metrics = ballast.settled_metrics()
    assert (metrics["requests_total"], metrics["requests_ok"]) == (2, 2) and len(worker.take()) == 2


def test_what_takes_too_long_is_cut_and_counted(run, scripted):
    release = threading.Event()
    worker = scripted()
    ballast = run(worker, timeouts={"retire": "100ms", "drain": "300ms"}).wait_alive(1)
    worker.play(Script((wait(release), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
    with ballast.connect(30) as slow:
        slow.send(GET)
        hold(ballast)
        upgrade(ballast)
        settle(ballast)
        metrics = ballast.settled_metrics()
        assert metrics['ballast_failures_total{reason="draining"}'] == 1
        total = sum(metrics[f"requests_{part}"] for part in ("ok", "failed", "aborted"))
        assert metrics["requests_total"] == total
        release.set()


def test_a_tunnel_goes_on(run, scripted):
    worker = scripted()
    worker.play_at(b"/chat", Script((SWITCHED, ECHO)))
    ballast = run(worker).wait_alive(1)
    with ballast.connect(30) as peer:
        peer.send(SWITCH)
        assert peer.read_answer().status == 101
        upgrade(ballast)
        for message in (b"still", b"there"):
            peer.send(message)
            assert peer.stream.take(len(message)) == message
        assert ballast.metrics()["ballast_tunnels"] == 1
    settle(ballast)
    assert ballast.settled_metrics()["ballast_tunnels"] == 0


def test_health_modes_and_weights_are_kept(run, demo, scripted):
    """And nothing is asked anew before requests are served: the next server begins with what was known."""
    a, b, c = demo(), demo(), demo()
    quiet = {"pools": {"web": {"health": {"interval": "1h", "timeout": "900ms"}}}}
    ballast = run(a, b, c, free_port_worker(), **quiet).wait_alive(3)
    ports = [worker.address.rpartition(":")[2] for worker in (a, b, c)]
    ballast.admin.patch_worker("web", ports[0], mode="drain")
    ballast.admin.patch_worker("web", ports[1], weight=7)
    before = ballast.metrics()
    upgrade(ballast)
    assert ballast.ask(GET).status == 200
    settle(ballast)
    assert ballast.admin.worker("web", ports[0])["mode"] == "drain"
    assert ballast.admin.worker("web", ports[1])["weight"] == 7
    after = ballast.metrics()
    for name, value in before.items():
        if name.startswith(("ballast_probes_total", "ballast_worker_up", "ballast_worker_takes")) or "_alive" in name:
            assert after[name] >= value if "probes" in name else after[name] == value, name


def test_events_and_reloads_are_told_on(run, demo):
    """What an operator can look at: the last lines of the log and what became of reloads, numbers and plans too."""
    one, two = demo(), demo()
    ballast = run(one).wait_alive(1)
    ballast.write_config(with_workers(ballast, one, two))
    assert order(ballast.admin)["plan"]["workers_added"]
    order(ballast.admin, "planned", plan=True)
    order(ballast.admin, "refused", apply="0" * 16)
    reloads, events = ballast.admin.get("/v1/reloads"), ballast.admin.get("/v1/events")["events"]
    assert len(reloads["reloads"]) == 3 and len(events) > 3
    for _ in range(2):
        upgrade(ballast)
        settle(ballast)
        assert ballast.admin.get("/v1/reloads") == reloads
        now = ballast.admin.get("/v1/events")["events"]
        assert now[:len(events)] == events and [event["number"] for event in now] == list(range(1, len(now) + 1))
        assert [event["message"] for event in now[len(events):]].count("server takes over from the one before") == 1
        events = now
    assert order(ballast.admin, "planned", plan=True)["number"] == 4


def test_changes_of_run_time_that_are_kept_go_on(run, demo):
    """The next server begins with them: the added worker is served at once, the removed one not at all."""
    a, b, c, d = demo(), demo(), demo(), demo()
    quiet = {"pools": {"web": {"health": {"interval": "1h", "timeout": "900ms"}}}}
    ballast = run(a, b, **quiet).wait_alive(2)
    ports = [worker.address.rpartition(":")[2] for worker in (a, b, c, d)]
    for worker, keep in ((c, True), (d, False)):
        body = {"address": worker.address, "weight": 3, "keep": keep}
        assert ballast.admin.ask("POST", "/v1/pools/web/workers", body).status == 200
    for port in ports[:2]:
        assert ballast.admin.ask("DELETE", f"/v1/pools/web/workers/{port}?keep=true").status == 200
    ballast.wait_alive(2)
    before = ballast.admin.get("/v1/differences")["differences"]
    client = Load(ballast, GET, False)
    client.start()
    client.more()
    upgrade(ballast)
    client.more()
    client.end()
    settle(ballast)
    after = ballast.admin.get("/v1/differences")["differences"]
    assert after == [one for one in before if one["keep"]] and len(after) == 3
    assert ballast.metrics()["ballast_run_time_changes"] == 3
    assert [w["name"] for w in ballast.admin.get("/v1/pools/web")["workers"]] == [ports[2]]
    metrics = ballast.settled_metrics()
    assert (metrics["requests_failed"], metrics["requests_total"]) == (0, client.answers)
    assert metrics[f"worker_{ports[2]}_alive"] == 1
    for port in ports[:2]:
        assert metrics.get(f'ballast_worker_dispatches_total{{pool="web",worker="{port}"}}', 0) == 0


def free_port_worker():
    return f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize("content, says", [
    (b"#!/bin/sh\necho 'ballast: no such luck' >&2\nexit 3\n", "the new program refuses: no such luck"),
    (b"#!/bin/sh\nexit 0\n", "says nothing of taking over"),
    (b"#!/bin/sh\nkill -9 $$\n", "the new program died: Killed"),
    (b"not a program", "cannot be run: Exec format error"),
])
def test_a_program_that_cannot_take_over(run, demo, content, says):
    ballast = run(demo()).wait_alive(1)
    good, server = ballast.program.read_bytes(), children(ballast.pid)[0]
    install(ballast, content)
    answer = ballast.admin.ask("POST", "/v1/upgrade")
    assert answer.status == 200 and answer.json["state"] == "waiting"
    view = wait_for(lambda: (v := state(ballast))["state"] == "failed" and v, 20, "the refusal")
    assert says in view["sentence"]
    assert children(ballast.pid) == [server] and ballast.ask(GET).status == 200
    ballast.wait_log("no upgrade: this server goes on")
    install(ballast, good)
    upgrade(ballast)
    assert state(ballast)["number"] == 2


def test_a_configuration_that_does_not_load(run, demo):
    ballast = run(demo()).wait_alive(1)
    good = ballast.config
    ballast.config_path.write_text("pools: {web: {workers: [127.0.0.1:1], nonsense: 1}}\n")
    code, said = command(ballast)
    assert code == 1 and "failed" in said and "nonsense" in ballast.stderr, said
    assert ballast.ask(GET).status == 200
    ballast.write_config(good)
    upgrade(ballast)


@pytest.mark.parametrize("what", ["socket", "log"])
def test_the_next_server_cannot_start(run, demo, tmp_path, what):
    """What a rehearsal does not find. The server before goes on, and can be replaced once the cause is mended."""
    ballast = run(demo()).wait_alive(1)
    good, server = ballast.config, children(ballast.pid)[0]
    bad = json.loads(json.dumps(good))
    with socket.create_server(("127.0.0.1", 0)) as other:
        if what == "socket":
            bad["listeners"] = [*bad["listeners"], {"address": f"127.0.0.1:{other.getsockname()[1]}"}]
        else:
            bad["access_log"]["path"] = str(tmp_path / "none" / "access.log")
        ballast.write_config(bad)
        code, said = command(ballast)
        assert code == 1, said
        assert children(ballast.pid) == [server] and ballast.ask(GET).status == 200
        ballast.send_signal(signal.SIGHUP)  # this keeper has not read what that server goes by
        ballast.wait_log("ballast upgrade tries again")
        assert ballast.admin.get("/v1/reloads")["reloads"][0]["state"] == "failed"
    ballast.write_config(good)
    upgrade(ballast)
    settle(ballast)
    ballast.send_signal(signal.SIGHUP)
    ballast.wait_log("configuration is reloaded")
    assert ballast.ask(GET).status == 200


def test_settings_of_the_start_change(run, demo, tmp_path):
    """Threads, the place of a log and of the administration API, listeners."""
    a = demo()
    ballast = run(a, threads=1).wait_alive(1)
    loads = [Load(ballast, GET, False), Load(ballast, GET, True)]
    for load in loads:
        load.start()
    for number, threads in enumerate((4, 2, 3, 1)):
        config = json.loads(json.dumps(ballast.config))
        config["threads"] = threads
        config["access_log"]["path"] = str(tmp_path / f"access-{number}")
        config["listeners"].append({"address": f"unix:{tmp_path}/listener"})
        config["admin"]["address"] = f"unix:{tmp_path}/admin-{number}"
        ballast.write_config(config)
        ballast.send_signal(signal.SIGUSR2)
        ballast.admin = Admin(tmp_path / f"admin-{number}")
        wait_for(ballast.admin.listens, 20, "the new administration API")
        assert ballast.admin.get("/v1/version")["threads"] == threads
        settle(ballast)
        loads[0].more()
        assert (tmp_path / f"access-{number}").read_text()
        assert (tmp_path / "listener").is_socket()
    for load in loads:
        load.end()
    ballast.write_config(ballast.config)
    ballast.send_signal(signal.SIGUSR2)
    wait_for(lambda: not (tmp_path / "listener").exists(), 20, "the Unix socket to go")


def test_sessions_are_resumed(run, demo, tmp_path):
    authority = Authority(tmp_path)
    chain, key = authority.sign("test.example")
    port = free_port()
    tls = {"certificates": [{"chain": str(chain), "key": str(key)}]}
    ballast = run(demo(), listeners=[{"address": f"127.0.0.1:{free_port()}"},
                                     {"address": f"127.0.0.1:{port}", "tls": tls}]).wait_alive(1)
    context = ssl.create_default_context(cafile=str(authority.path))
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def session(known=None):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock, \
                context.wrap_socket(sock, server_hostname="test.example", session=known) as tls:
            tls.sendall(GET)
            assert b"200" in tls.recv(1 << 16)
            return tls.session, tls.session_reused
    known, _ = session()
    upgrade(ballast)
    assert session(known)[1]


def test_the_keeper_stops_both(run, scripted):
    release = threading.Event()
    worker = scripted()
    ballast = run(worker).wait_alive(1)
    worker.play(Script((wait(release), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
    with ballast.connect(30) as slow:
        slow.send(GET)
        hold(ballast)
        upgrade(ballast)
        both = children(ballast.pid)
        assert len(both) == 2
        ballast.send_signal(signal.SIGTERM)
        ballast.wait_log("stopping")
        release.set()
        assert slow.read_answer().status == 200
    assert ballast.process.wait(20) == 0  # told once: nothing is cut
    assert not any(os.path.exists(f"/proc/{pid}") for pid in both)


def test_the_next_server_dies_while_the_one_before_drains(run, scripted):
    release = threading.Event()
    worker = scripted()
    ballast = run(worker, timeouts={"retire": "20s", "drain": "2s"}).wait_alive(1)
    worker.play(Script((wait(release), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
    before = children(ballast.pid)[0]
    with ballast.connect(30) as slow:
        slow.send(GET)
        hold(ballast)
        upgrade(ballast)
        new = next(pid for pid in children(ballast.pid) if pid != before)
        os.kill(new, signal.SIGKILL)
        wait_for(lambda: {before} < set(children(ballast.pid)) - {new}, 20, "another server")
        release.set()
        assert slow.read_answer().status == 200
    assert settle(ballast) != before
    ballast.wait_alive(1)
    assert ballast.settled_metrics()["requests_failed"] == 0


def test_many_upgrades_under_load(run, demo, scripted):
    """Keep-alive, a connection for each request, uploads, a WebSocket: zero failures, health never forgotten, the
    totals exact, and never less than before."""
    a, b = demo(), demo()
    echo = scripted()
    echo.play_at(b"/chat", Script((SWITCHED, ECHO)))
    ballast = run(a, b, threads=2, pools={"chat": {"workers": [echo.address]}},
                  routes=[{"path": "/chat", "pool": "chat"}, {"path": "/", "pool": "web"}],
                  timeouts={"retire": "20s", "drain": "2s"}).wait_alive(3)
    loads = [Load(ballast, GET, True), Load(ballast, GET, True), Load(ballast, GET, False), Load(ballast, POST, True)]
    seen = [0]

    def look():
        metrics = ballast.metrics()
        assert metrics["requests_total"] >= seen[0]
        assert sum(value for name, value in metrics.items() if name.endswith("_alive")) == 3
        seen[0] = metrics["requests_total"]

    for load in loads:
        load.start()
    tunnels = 0
    with Steadily(look) as looks:
        for _ in range(UPGRADES):
            with ballast.connect(30) as peer:
                peer.send(SWITCH)
                assert peer.read_answer().status == 101
                tunnels += 1
                upgrade_by_signal(ballast)
                peer.send(b"still there")
                assert peer.stream.take(11) == b"still there"
            settle(ballast)
            looks.wait_times(1)
            assert not any(load.wrong for load in loads), [load.wrong for load in loads]
    for load in loads:
        load.end()
    asked = sum(load.answers for load in loads) + tunnels
    metrics = ballast.settled_metrics()
    assert (metrics["requests_total"], metrics["requests_ok"], metrics["requests_failed"]) == (asked, asked, 0)
    dispatched = sum(value for name, value in metrics.items() if name.startswith("ballast_worker_dispatches_total"))
    assert dispatched == asked + sum(v for n, v in metrics.items() if n.startswith("ballast_retries_total"))


class Timed(Load):
    """It knows the longest time between two of its answers."""

    longest, before = 0, None

    def count(self, worker):
        super().count(worker)
        now = time.monotonic()
        self.longest = max(self.longest, now - (self.before or now))
        self.before = now


def longest_while(clients, action):
    for client in clients:
        client.longest = 0
    action()
    for client in clients:
        client.more()
    return [client.longest for client in clients]


def spread(seconds):
    """(half of them, 99 of 100, and all) took at most so many milliseconds."""
    ordered = sorted(seconds)
    return [round(1000 * ordered[max(0, -(-len(ordered) * share // 100) - 1)], 1) for share in (50, 99, 100)]


def test_how_long_it_takes(run, demo):
    """From the order to its success, and for a client from one answer to the next, beside what that is without one.
    Figures for docs/adr/0027: BALLAST_UPGRADES=300, with -s."""
    ballast = run(demo(), demo()).wait_alive(2)
    clients, orders, quiet, during = [Timed(ballast, GET, True), Timed(ballast, GET, False)], [], [], []

    def order_one():
        began = time.monotonic()
        upgrade(ballast)
        orders.append(time.monotonic() - began)

    for client in clients:
        client.start()
    for _ in range(int(os.environ.get("BALLAST_UPGRADES", "5"))):
        settle(ballast)
        quiet.append(longest_while(clients, lambda: [client.more() for client in clients * 5]))
        during.append(longest_while(clients, order_one))
    for client in clients:
        client.end()
    gaps = {name: dict(zip(("kept", "each"), map(spread, zip(*found)))) for name, found in (("quiet", quiet),
                                                                                           ("upgrade", during))}
    print("milliseconds, half, 99 % and all of them at most:", {"order": spread(orders), **gaps})
    assert max(map(max, during)) < 5 and ballast.settled_metrics()["requests_failed"] == 0
