"""Workers that come and go at run time: nothing is dropped, and it is told how that differs from the file."""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.load import Load
from harness.programs import children
from harness.reloads import newest, order, with_workers
from harness.upgrades import settle, upgrade
from harness.waiting import free_port, wait_for
from harness.worker import ECHO, OK, Script, wait

ROUNDS = int(os.environ.get("BALLAST_WORKER_ROUNDS", "50"))
HOST = b"Host: test.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
SWITCH = b"GET /chat HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
POST = b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 200000\r\n\r\n" + bytes(200000)


@pytest.fixture
def run(stack, ballast_path, tmp_path):
    """run(*workers, **settings) -> a balancer with an administration API that may write."""
    def start(*workers, **extra):
        config = settings(workers, **{"admin": {"address": f"unix:{tmp_path}/admin", "write": True}, **extra})
        ballast = stack.enter_context(Ballast(ballast_path, config))
        ballast.admin, ballast.program = Admin(tmp_path / "admin"), ballast_path
        return ballast.wait_alive(len(workers))
    return start


def add(ballast, worker, expect=200, **more):
    body = {"address": getattr(worker, "address", worker), **more}
    answer = ballast.admin.ask("POST", "/v1/pools/web/workers", body)
    assert answer.status == expect, answer.body
    return answer.json


def remove(ballast, worker, expect=200, keep=False):
    name = getattr(worker, "port", worker)
    answer = ballast.admin.ask("DELETE", f"/v1/pools/web/workers/{name}" + ("?keep=true" if keep else ""))
    assert answer.status == expect, answer.body
    return answer.json


def differences(ballast):
    """What the API tells; the metrics page tells how many."""
    found = ballast.admin.get("/v1/differences")["differences"]
    assert ballast.metrics()["ballast_run_time_changes"] == len(found)
    return found


def names(ballast):
    return [worker["name"] for worker in ballast.admin.get("/v1/pools/web")["workers"]]


def messages(ballast):
    return [event["message"] for event in ballast.admin.get("/v1/events")["events"]]


def test_a_worker_comes_and_goes(run, demo):
    """A new one is asked first and then served; a removed one gets no more, and is remembered when it comes back."""
    a, b = demo(), demo()
    ballast = run(a)
    added = add(ballast, b, weight=2)
    assert (added["pool"], added["name"], added["weight"], added["mode"]) == ("web", str(b.port), 2, "ready")
    ballast.wait_alive(2)
    for _ in range(6):
        assert ballast.get().status == 200
    metrics = ballast.settled_metrics()
    assert (metrics[f"worker_{a.port}_requests"], metrics[f"worker_{b.port}_requests"]) == (2, 4)
    found, = differences(ballast)
    assert (found["what"], found["worker"], found["weight"], found["keep"]) == ("added", str(b.port), 2, False)
    assert found["since"] and found["by"] == "POST /v1/pools/{pool}/workers"
    removed = remove(ballast, b)
    assert removed["requests"] == 4 and removed["taking"] is True  # it is well, but in no pool
    assert names(ballast) == [str(a.port)] and differences(ballast) == []
    for _ in range(3):
        assert ballast.get().status == 200
    metrics = ballast.settled_metrics()
    assert f"worker_{b.port}_alive" not in metrics and metrics[f"worker_{a.port}_requests"] == 5
    assert metrics["requests_failed"] == 0
    assert add(ballast, b)["requests"] == 4
    assert {"worker is added at run time", "worker is removed at run time"} <= set(messages(ballast))
    assert ballast.admin.get("/v1/reloads")["reloads"] == []


def test_one_of_the_file_goes_and_comes_back(run, demo):
    a, b = demo(), demo()
    ballast = run(a, b)
    remove(ballast, a)
    found, = differences(ballast)
    assert (found["what"], found["worker"], found["by"]) == (
        "removed", str(a.port), "DELETE /v1/pools/{pool}/workers/{worker}")
    for _ in range(3):
        assert ballast.get().status == 200
    assert ballast.settled_metrics()[f"worker_{b.port}_requests"] == 3
    assert add(ballast, a, name="other", expect=409)["reason"] == "other_name"
    add(ballast, a)
    assert differences(ballast) == [] and names(ballast) == [str(a.port), str(b.port)]
    remove(ballast, a)
    assert add(ballast, a, weight=5)["configured_weight"] == 1
    found, = differences(ballast)
    assert (found["what"], found["weight"]) == ("changed", 5)


def test_an_address_may_be_written_otherwise(run, demo):
    """As a worker that is there already is known by it."""
    a, b = demo(), demo()
    ballast = run(f"{a.port}", b.address)
    for worker in (a, b):
        for text in (f":{worker.port}", worker.address, f"http://127.0.0.1:{worker.port}".replace("/", "%2F")):
            assert ballast.admin.worker("web", text)["name"] == str(worker.port)
    for text in (f"127.0.0.2:{a.port}", f"localhost:{a.port}", "x:y:z"):
        assert remove(ballast, text, expect=404)["reason"] == "no_such_worker"
    assert remove(ballast, f"127.0.0.1:{a.port}")["name"] == str(a.port)


def test_wrong_orders(run, demo):
    a = demo()
    ballast = run(a)
    assert remove(ballast, a, expect=409)["reason"] == "last_worker"
    assert remove(ballast, 1, expect=404)["reason"] == "no_such_worker"
    answer = ballast.admin.ask("DELETE", f"/v1/pools/web/workers/{a.port}?keep=maybe")
    assert (answer.status, answer.json) == (400, {"reason": "bad_query", "sentence": "`keep` is true or false."})
    assert ballast.admin.ask("DELETE", "/v1/pools/none/workers/1").json["reason"] == "no_such_pool"
    assert ballast.admin.ask("POST", "/v1/pools/none/workers", {"address": "3001"}).json["reason"] == "no_such_pool"
    assert add(ballast, a, expect=409)["reason"] == "worker_exists"
    assert add(ballast, str(a.port), expect=409)["reason"] == "worker_exists"  # the same, written otherwise
    for body, sentence in (
            ({"address": "nowhere.invalid:80"},
             'address: "nowhere.invalid" is a name, and names are not looked up here.'),
            ({"address": "x:y:z"},
             'address: "x:y:z" is no address: an IPv6 address must stand in brackets, as in [::1]:3001.'),
            ({"address": 70000}, 'address: "70000" is no address: the port must be 1 to 65535.'),
            ({"address": "3001", "weight": 257},
             'weight: "257" is out of range; expected a whole number from 1 to 256.'),
            ({"address": "3001", "colour": "red"}, 'colour: unknown key "colour".'),
            ({"address": "3001", "keep": "yes"}, 'keep: unknown key "keep".'),
            ({"weight": 1}, 'worker: "address" is missing.'),
            ({"address": ["3001"]},
             "`address` and `name` are texts, `weight` is a number, `keep` is true or false."),
            ({"address": "127.0.0.2:3999", "name": str(a.port)},
             f'worker: the worker\'s id in metrics, "{a.port}", is that of the worker at '
             f'{ballast.config_path}:')):
        answer = ballast.admin.ask("POST", "/v1/pools/web/workers", body)
        assert answer.status == 422 and answer.json["reason"] == "bad_worker", answer.body
        assert answer.json["sentence"].startswith(sentence), (answer.json["sentence"], sentence)
    assert ballast.admin.ask("POST", "/v1/pools/web/workers", "[]").json["reason"] == "bad_body"
    assert differences(ballast) == [] and names(ballast) == [str(a.port)]


def test_read_only(run, demo, tmp_path):
    a = demo()
    ballast = run(a, admin={"address": f"unix:{tmp_path}/admin"})
    assert add(ballast, "3001", expect=403)["reason"] == "read_only"
    assert remove(ballast, a, expect=403)["reason"] == "read_only"


def test_a_removed_worker_finishes_what_it_has(run, scripted, demo):
    """It is seen as long as requests are at it, and never after."""
    held = threading.Event()
    a, b = scripted(), demo()
    ballast = run(a)
    a.play(Script((wait(held), OK)))
    with ballast.connect() as client:
        client.send(GET)
        wait_for(lambda: a.requests, what="the request at the worker")
        add(ballast, b)
        assert remove(ballast, a)["active"] == 1
        leaving, = ballast.admin.get("/v1/differences")["leaving"]
        assert (leaving["worker"], leaving["active"]) == (str(a.port), 1)
        for _ in range(4):
            assert ballast.get().fields.one(b"x-worker").decode() == b.names[0]
        held.set()
        assert client.read_answer().status == 200
    wait_for(lambda: not ballast.admin.get("/v1/differences")["leaving"], what="nobody leaving")


def test_a_tunnel_to_a_removed_worker_has_its_time(run, scripted, demo):
    """It goes on, is seen as long as it does, and is closed in order at the end of timeouts.retire."""
    a, b = scripted(), demo()
    ballast = run(a, timeouts={"retire": "1s"})
    a.play(Script((SWITCHED, ECHO)))
    with ballast.connect(30) as peer:
        peer.send(SWITCH)
        assert peer.read_answer().status == 101
        add(ballast, b)
        remove(ballast, a)
        peer.send(b"still there")
        assert peer.stream.take(11) == b"still there"
        assert [x["active"] for x in ballast.admin.get("/v1/differences")["leaving"]] == [1]
        assert ballast.metrics()["ballast_tunnels"] == 1
        assert peer.ended() == b""
    wait_for(lambda: not ballast.admin.get("/v1/differences")["leaving"], what="nobody leaving")
    metrics = ballast.settled_metrics()
    assert metrics['ballast_tunnels_closed_total{reason="drained"}'] == 1
    assert (metrics["ballast_tunnels"], metrics["requests_failed"], metrics["requests_aborted"]) == (0, 0, 0)


def reload(ballast, config=None, expect="applied", **wish):
    if config is not None:
        ballast.write_config(config)
    return order(ballast.admin, expect, **wish)


def test_a_reload_takes_back_what_is_not_kept(run, demo):
    a, b, c, d = demo(), demo(), demo(), demo()
    ballast = run(a, b)
    add(ballast, c)
    add(ballast, d, keep=True)
    ballast.admin.patch_worker("web", a.port, mode="drain")  # kept, unless told otherwise
    ballast.admin.patch_worker("web", b.port, weight=3, keep=False)
    assert [(x["what"], x["keep"]) for x in differences(ballast)] == [
        ("added", False), ("added", True), ("changed", True), ("changed", False)]
    reload(ballast)
    assert names(ballast) == [str(a.port), str(b.port), str(d.port)]
    assert [(x["what"], x["worker"]) for x in differences(ballast)] == [
        ("added", str(d.port)), ("changed", str(a.port))]
    assert ballast.admin.worker("web", a.port)["mode"] == "drain"
    assert ballast.admin.worker("web", b.port)["weight"] == 1
    assert messages(ballast).count("a change of run time ends") == 2
    # Ready and of the file's weight again: no difference.
    ballast.admin.patch_worker("web", b.port, weight=3)
    ballast.admin.patch_worker("web", b.port, weight=1)
    ballast.admin.patch_worker("web", a.port, mode="ready")
    ballast.admin.patch_worker("web", d.port, keep=False)
    assert [(x["what"], x["keep"]) for x in differences(ballast)] == [("added", False)]
    reload(ballast)
    assert names(ballast) == [str(a.port), str(b.port)] and differences(ballast) == []


def test_what_means_nothing_any_more_is_dropped(run, demo):
    """The file is another one: each change that no longer applies goes, with an event that says why."""
    a, b, c, d = demo(), demo(), demo(), demo()
    ballast = run(a, b, c)
    add(ballast, d, keep=True)
    remove(ballast, b, keep=True)
    ballast.admin.patch_worker("web", c.port, mode="disabled")
    reload(ballast, with_workers(ballast, a, b, d))
    assert names(ballast) == [str(a.port), str(d.port)]  # the removed one stays removed
    assert [(x["what"], x["worker"]) for x in differences(ballast)] == [("removed", str(b.port))]
    facts = [event["facts"] for event in ballast.admin.get("/v1/events")["events"]
             if event["message"] == "a change of run time that was to be kept is dropped"]
    assert len(facts) == 2
    assert "change=added" in facts[0] and 'why="the file has this worker now"' in facts[0]
    assert "change=changed" in facts[1] and 'why="the file has no such worker any more"' in facts[1]
    # The one that was disabled and comes back is as the file says.
    reload(ballast, with_workers(ballast, a, c))
    assert ballast.admin.worker("web", c.port)["mode"] == "ready" and differences(ballast) == []


def test_a_plan_tells_what_becomes_of_them(run, demo, ballast_path):
    a, b, c, d = demo(), demo(), demo(), demo()
    ballast = run(a, b)
    add(ballast, c)
    add(ballast, d, keep=True)
    ballast.admin.patch_worker("web", b.port, mode="drain")
    ballast.write_config(with_workers(ballast, a))
    done = subprocess.run([ballast_path, "reload", "--plan", "--admin", f"unix:{ballast.admin.where}"],
                          capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert f"  - worker {b.port} of pool web at {b.address}" in lines
    assert f"  - worker {c.port} of pool web at {c.address}" in lines
    assert f"  ! worker {c.address} of pool web, added at run time: ends, it was not to be kept" in lines
    assert f"  = worker {d.address} of pool web, added at run time: goes on" in lines
    assert (f"  ! worker {b.address} of pool web, changed at run time: dropped, the file has no such worker any more"
            in lines)
    assert len(names(ballast)) == 4, "a plan changes nothing"
    # Another change: the plan does not hold any more.
    plan = lines[-1].split()[3]
    remove(ballast, c)
    entry = reload(ballast, apply=plan, expect="refused")
    assert "no longer" in entry["sentence"]


@pytest.fixture
def command(ballast_path):
    """command(ballast, *words) -> what `ballast worker` says."""
    def run(ballast, *words, code=0):
        done = subprocess.run([ballast_path, "worker", *map(str, words), "--admin", f"unix:{ballast.admin.where}"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done
        return done.stdout if code == 0 else done.stderr
    return run


def test_the_command_says_what_becomes_of_requests(run, scripted, demo, command):
    held = threading.Event()
    a, b, dead = scripted(), demo(), f"127.0.0.1:{free_port()}"
    ballast = run(a)
    add(ballast, dead, name="dead")
    wait_for(lambda: ballast.admin.worker("web", "dead")["state"] == "down", what="its probes")
    assert command(ballast, "set", "web", "dead", "--weight", 2) == (
        f"worker dead of pool web at {dead} had weight 1 and has weight 2 now: "
        "it is down and gets no requests until its probes are good again, and 0 requests are at it\n")
    a.play(Script((wait(held), OK)))
    with ballast.connect() as client:
        client.send(GET)
        wait_for(lambda: a.requests, what="the request at the worker")
        add(ballast, b)
        where = f"worker {a.port} of pool web at {a.address} "
        assert command(ballast, "remove", "web", a.port) == (
            f"{where}is removed: it gets no new requests, and 1 request is at it\n")
        assert f"  {where}is gone: 1 request is still at it\n" in command(ballast, "changes")
        held.set()
        assert client.read_answer().status == 200


def test_the_command(run, demo, command):
    a, b = demo(), demo()
    ballast = run(a)
    command = functools.partial(command, ballast)
    assert command("changes") == "all workers are as the file says\n"
    blue, other = f"worker blue of pool web at {b.address} ", f"worker {a.port} of pool web at {a.address} "
    none = ", and 0 requests are at it\n"
    assert command("add", "web", b.address, "--weight", "2", "--name", "blue") in (
        f"{blue}is added, of weight 2: {then}{none}"
        for then in ("it gets requests after its first good probe", "it is up and gets requests"))
    assert "The pool has a worker at this address." in command("add", "web", b.address, code=1)
    ballast.wait_alive(2)
    assert command("drain", "web", b.address) == (
        f"{blue}was ready and is drained now: it gets no new requests{none}")
    assert command("drain", "web", "blue") == f"{blue}is drained, of weight 2, as it was: it gets no new requests{none}"
    assert command("ready", "web", "blue", "--weight", "5", "--keep") == (
        f"{blue}was drained, of weight 2, and is ready now, of weight 5: it is up and gets requests{none}")
    assert command("set", "web", "blue", "--weight", "4") == (
        f"{blue}had weight 5 and has weight 4 now: it is up and gets requests{none}")
    before = ballast.admin.worker("web", "blue")
    said = json.loads(command("set", "web", "blue", "--weight", "5", "--json"))
    assert (said["name"], said["mode"], said["weight"], set(said)) == ("blue", "ready", 5, set(before))
    assert command("disable", "web", str(a.port), "--no-keep") == (
        f"{other}was ready and is disabled now: it gets no new requests and no probes{none}")
    assert [line.partition("; since ")[0] for line in command("changes").splitlines()] == [
        f"+ worker blue of pool web at {b.address}: added, of weight 5; kept over reloads",
        f"~ worker {a.port} of pool web at {a.address}: changed, disabled; not kept over reloads"]
    command("set", "web", str(a.port), "--weight", "3")
    assert json.loads(command("changes", "--json"))["differences"] == differences(ballast)
    assert command("remove", "web", "blue") == (
        f"{blue}is removed: it gets no new requests{none}")
    assert "last worker" in command("remove", "web", str(a.port), code=1)
    assert "no pool of that name" in command("remove", "a/b", str(a.port), code=1)


def test_with_the_configuration_before_come_its_changes(run, demo):
    """The watchdog brings back what had been in use: the file's and what was added."""
    a, b = demo(), demo()
    ballast = run(a, reload={"watch": "30s", "max_failed": "5%"})
    add(ballast, b)
    ballast.wait_alive(2)
    ballast.admin.patch_worker("web", a.port, mode="drain")
    bad = with_workers(ballast, f"127.0.0.1:{free_port()}")
    reload(ballast, bad)
    assert names(ballast) != [str(a.port), str(b.port)] and differences(ballast) == []
    for _ in range(30):
        assert ballast.get().status == 503
    wait_for(lambda: newest(ballast.admin)["state"] == "rolled_back", 20, "the roll back")
    assert names(ballast) == [str(a.port), str(b.port)]
    assert [(x["what"], x["worker"]) for x in differences(ballast)] == [
        ("added", str(b.port)), ("changed", str(a.port))]
    for _ in range(3):
        assert ballast.get().fields.one(b"x-worker").decode() == b.names[0]


@contextlib.contextmanager
def change_under_way(run, a):
    """A balancer in the middle of removing `a`: what stays in the pool is asked for the first time, and is silent."""
    ballast = run(a, pools={"web": {"health": {"timeout": "5s", "interval": "5s"}}})
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as other:
        port = silent.getsockname()[1]
        add(ballast, f"127.0.0.1:{port}")
        removed = other.submit(remove, ballast, a)
        wait_for(lambda: names(ballast) == [str(port)], what="the change to begin")
        yield ballast
        assert removed.result(20)["name"] == str(a.port)


def test_one_at_a_time(run, demo):
    """While the others depend on a worker that is asked for the first time, nothing else begins; a reload waits."""
    a, b = demo(), demo()
    with change_under_way(run, a) as ballast:
        assert add(ballast, b, expect=409)["reason"] == "busy"
        assert ballast.admin.ask("POST", "/v1/reload", {}).json["reason"] == "busy"
        ballast.send_signal(signal.SIGHUP)
    wait_for(lambda: [e["state"] for e in ballast.admin.get("/v1/reloads")["reloads"]] == ["applied"], 20,
             "the reload")
    assert names(ballast) == [str(a.port)] and differences(ballast) == []
    # Nobody was alive, so the reload had nothing to wait for: `a` is asked now.
    assert ballast.wait_alive(1).get().status == 200


def kill_server(ballast):
    """Its keeper starts another; returns when that serves."""
    pid, = children(ballast.pid)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: (now := children(ballast.pid)) and now != [pid], what="another server")
    wait_for(ballast.admin.listens, what="the administration API of that")


OUTLIVED = "changes of run time go on: the server before died"
FORGOTTEN = "changes of run time are dropped: servers that began with them died"


def test_changes_outlive_the_server(run, demo):
    """A server that dies takes nothing along of what an operator has changed, to be kept over reloads or not."""
    a, b, c, d = demo(), demo(), demo(), demo()
    ballast = run(a, b, c)
    add(ballast, d, weight=2)
    remove(ballast, a, keep=True)
    ballast.admin.patch_worker("web", b.port, mode="drain")
    ballast.admin.patch_worker("web", c.port, weight=3, mode="disabled", keep=False)
    ballast.admin.patch_worker("web", c.port, mode="ready")
    before = differences(ballast)
    assert [(x["what"], x["keep"]) for x in before] == [
        ("added", False), ("removed", True), ("changed", True), ("changed", False)]
    kill_server(ballast)
    assert differences(ballast) == before, "with the time and the author of each"
    event, = [event for event in ballast.admin.get("/v1/events")["events"] if event["message"] == OUTLIVED]
    assert (event["level"], event["facts"]) == ("info", "changes=4")
    ballast.wait_alive(3)
    for _ in range(5):
        assert ballast.get().status == 200
    metrics = ballast.settled_metrics()
    assert [metrics[f"worker_{x.port}_requests"] for x in (b, c, d)] == [0, 3, 2]
    assert f"worker_{a.port}_alive" not in metrics
    # Each is still what it was: a reload takes back what was not to be kept.
    reload(ballast)
    assert [(x["what"], x["worker"]) for x in differences(ballast)] == [
        ("removed", str(a.port)), ("changed", str(b.port))]
    kill_server(ballast)
    ballast.admin.patch_worker("web", b.port, mode="ready")
    body = {"address": a.address, "weight": 1}  # the API is there before what goes on is in use everywhere
    wait_for(lambda: ballast.admin.ask("POST", "/v1/pools/web/workers", body).status == 200, what="the worker back")
    assert ballast.admin.worker("web", a.port)["configured_weight"] == 1
    assert differences(ballast) == []


def test_what_was_taken_back_stays_so(run, demo):
    a, b = demo(), demo()
    ballast = run(a)
    add(ballast, b)
    ballast.admin.patch_worker("web", a.port, mode="disabled")
    remove(ballast, b)
    ballast.admin.patch_worker("web", a.port, mode="ready")
    kill_server(ballast)
    assert differences(ballast) == [] and names(ballast) == [str(a.port)]
    assert not {OUTLIVED, FORGOTTEN} & set(messages(ballast))
    ballast.wait_alive(1)
    assert ballast.get().status == 200


def test_changes_outlive_a_server_and_then_an_upgrade(run, demo):
    """And a server that has taken over passes them on when it dies."""
    a, b, c = demo(), demo(), demo()
    ballast = run(a, b)
    add(ballast, c, keep=True)
    kill_server(ballast)
    ballast.admin.patch_worker("web", a.port, mode="drain")
    before = differences(ballast)
    assert [x["what"] for x in before] == ["added", "changed"]
    assert "done" in upgrade(ballast)
    settle(ballast)
    assert differences(ballast) == before
    kill_server(ballast)
    assert differences(ballast) == before
    assert ballast.admin.worker("web", a.port)["mode"] == "drain"


def test_changes_that_may_be_why_servers_die_are_dropped(run, demo):
    """The third death in a row within ten seconds of a start costs them, so that none makes servers die for ever."""
    a, b = demo(), demo()
    ballast = run(a)
    add(ballast, b, keep=True)
    for _ in range(2):
        kill_server(ballast)
        assert [x["what"] for x in differences(ballast)] == ["added"]
    for _ in range(20):  # several, where the machine stood still for ten seconds
        kill_server(ballast)
        if differences(ballast) == []:
            break
    assert names(ballast) == [str(a.port)]
    event, = [event for event in ballast.admin.get("/v1/events")["events"] if event["message"] == FORGOTTEN]
    assert (event["level"], event["facts"]) == ("error", "changes=1")
    ballast.wait_log(FORGOTTEN)
    # What is changed from then on has the same chance.
    ballast.admin.patch_worker("web", a.port, mode="drain")
    kill_server(ballast)
    assert [x["what"] for x in differences(ballast)] == ["changed"]
    assert messages(ballast).count(FORGOTTEN) == 0


def test_the_command_waits_its_turn(run, demo, command):
    """Many machines that come at once add themselves all the same."""
    a, b = demo(), demo()
    with change_under_way(run, a) as ballast:
        assert add(ballast, b, expect=409)["reason"] == "busy"
        assert "is added" in command(ballast, "add", "web", b.address)
    others = [f"127.0.0.1:{free_port()}" for _ in range(8)]
    with ThreadPoolExecutor(8) as all_at_once:
        said = list(all_at_once.map(lambda other: command(ballast, "add", "web", other), others))
    assert all("is added" in line for line in said) and len(names(ballast)) == 10


def test_many_under_load(run, demo):
    """Workers come and go while clients keep, open, and upload: no request fails, and the totals are exact."""
    a, b, c = demo(), demo(), demo()
    ballast = run(a, b, threads=2)
    clients = [Load(ballast, GET, True), Load(ballast, GET, False), Load(ballast, POST, True)]
    for client in clients:
        client.start()
    for turn in range(ROUNDS):
        add(ballast, c)
        if turn % 2:
            ballast.wait_alive(3)
        clients[turn % 3].more()
        remove(ballast, c if turn % 3 else a)
        if turn % 3 == 0:
            add(ballast, a)
            ballast.wait_alive(3)
            remove(ballast, c)
    for client in clients:
        client.end()
    metrics = ballast.settled_metrics()
    answers = sum(client.answers for client in clients)
    assert metrics["requests_failed"] == 0 and metrics["requests_total"] == metrics["requests_ok"] == answers
    assert differences(ballast) == [] and names(ballast) == [str(a.port), str(b.port)]
