"""Another configuration while traffic goes on: nothing is dropped, nothing forgotten, and a bad one changes nothing."""

import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.certificates import Authority
from harness.client import Client
from harness.load import Load
from harness.programs import Server
from harness.reloads import newest, reload, with_workers
from harness.waiting import free_port, wait_for
from harness.worker import OK

RELOADS = int(os.environ.get("BALLAST_RELOADS", "200"))
NODE_WORKER = pathlib.Path(__file__).resolve().parent / "real" / "exchange_worker.js"
HOST = b"Host: test.example\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 200000\r\n\r\n" + bytes(200000)


@pytest.fixture
def run(stack, ballast_path, tmp_path):
    """run(*workers, **settings) -> a balancer with an administration API that may write."""
    def start(*workers, wrapper=(), **extra):
        config = settings(workers, **{"admin": {"address": f"unix:{tmp_path}/admin", "write": True}, **extra})
        ballast = stack.enter_context(Ballast(ballast_path, config, wrapper=wrapper))
        ballast.admin = Admin(tmp_path / "admin")
        return ballast
    return start


def probes_of(ballast, port):
    return ballast.metrics()[f'ballast_probes_total{{pool="web",worker="{port}",result="good"}}']


def test_workers_come_and_go(run, demo):
    """A kept worker keeps health and counters; a new one gets requests at once; a removed one gets no more."""
    a, b, c = demo(), demo(), demo()
    ballast = run(a, b).wait_alive(2)
    for _ in range(4):
        assert ballast.get().status == 200
    entry = reload(ballast, with_workers(ballast, a, c))
    assert [w["worker"] for w in entry["plan"]["workers_added"]] == [str(c.port)]
    assert [w["worker"] for w in entry["plan"]["workers_removed"]] == [str(b.port)]
    assert entry["plan"]["workers_kept"] == 1 and entry["cause"] == "signal"
    ballast.wait_alive(2)
    for _ in range(4):
        assert ballast.get().status == 200
    metrics = ballast.settled_metrics()
    assert metrics[f"worker_{a.port}_requests"] == 4 and metrics[f"worker_{c.port}_requests"] == 2
    assert f"worker_{b.port}_requests" not in metrics
    assert metrics[f'ballast_worker_dispatches_total{{pool="web",worker="{b.port}"}}'] == 2  # it was, and stays
    assert (metrics["requests_total"], metrics["requests_failed"]) == (8, 0)
    # The one that comes back is asked before it gets anything.
    b.kill()
    reload(ballast, with_workers(ballast, a, b))
    assert ballast.metrics()[f"worker_{b.port}_alive"] == 0
    for _ in range(3):
        assert ballast.get().status == 200
    assert ballast.settled_metrics()[f"worker_{b.port}_requests"] == 2


def test_a_pool_of_new_workers_is_proved_first(run, demo):
    """All workers are others: no request meets a pool that knows of nobody."""
    a, b, c = demo(), demo(), demo()
    ballast = run(a, b).wait_alive(2)
    with ballast.connect() as client:
        for workers in ((c,), (a, b), (c,), (a,)):
            reload(ballast, with_workers(ballast, *workers))
            client.send(GET)
            answer = client.read_answer()
            assert answer.status == 200 and answer.fields.one(b"x-worker").decode() in {w.names[0] for w in workers}


def test_a_pool_with_nobody_alive_is_not_waited_for(run, demo, stack):
    """It has nothing to lose by a worker whose first probe takes long; one with somebody alive has."""
    alive, silent, slow = demo(), *(stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
    ballast = run(f"127.0.0.1:{free_port()}", pools={"web": {"health": {"interval": "60s", "timeout": "50s"}}})
    began = time.monotonic()
    reload(ballast, with_workers(ballast, "%s:%d" % silent.getsockname()))
    reload(ballast, with_workers(ballast, alive))
    assert time.monotonic() - began < 4  # a wait would be of 5 s
    ballast.wait_alive(1)
    ballast.write_config(with_workers(ballast, "%s:%d" % slow.getsockname()))
    number = ballast.admin.ask("POST", "/v1/reload").json["number"]
    slow.settimeout(20)
    with slow.accept()[0] as probe:
        assert probe.recv(4096).startswith(b"GET /health ")
        assert ballast.admin.get(f"/v1/reloads/{number}")["state"] == "waiting"
        assert ballast.get().fields.one(b"x-worker").decode() == alive.names[0]
        probe.sendall(OK)
        wait_for(lambda: ballast.admin.get(f"/v1/reloads/{number}")["state"] == "applied", what="the reload")
    ballast.wait_alive(1)


def test_names_that_another_worker_changes(run, demo):
    """A second worker with the same port: both are called by host and port, and the first keeps what it counted."""
    a = demo()
    b = demo(ports=(a.port,), host="127.0.0.2")
    ballast = run(a).wait_alive(1)
    assert ballast.get().status == 200
    reload(ballast, with_workers(ballast, a, f"127.0.0.2:{b.port}"))
    ballast.wait_alive(2)
    metrics = ballast.settled_metrics()
    assert metrics[f"worker_127_0_0_1_{a.port}_requests"] == 1 and metrics[f"worker_127_0_0_2_{a.port}_requests"] == 0
    # Only the other one stays: it has the short name now, and with it what was counted under that.
    reload(ballast, with_workers(ballast, f"127.0.0.2:{b.port}"))
    metrics = ballast.settled_metrics()
    assert metrics[f"worker_{a.port}_requests"] == 0
    names = [name for name in metrics if name.startswith("ballast_worker_dispatches_total")]
    assert len(names) == len(set(names)) and sum(metrics[name] for name in names) == 1


def test_listeners_open_and_close(run, demo):
    """A closed one finishes its clients' requests; one that stays keeps its clients."""
    worker = demo()
    ballast = run(worker).wait_alive(1)
    config = json.loads(json.dumps(ballast.config))
    other = ("127.0.0.1", free_port())
    config["listeners"].append({"address": f"127.0.0.1:{other[1]}"})
    with ballast.connect() as stays:
        stays.send(GET)
        assert stays.read_answer().status == 200
        reload(ballast, config)
        with Client(other, 10) as goes, Client(other, 10) as busy:
            goes.send(GET)
            assert goes.read_answer().status == 200
            busy.send(b"GET /delay/500 HTTP/1.1\r\n" + HOST + b"\r\n")
            wait_for(lambda: ballast.metrics()["requests_active"] == 1)
            entry = reload(ballast, ballast.config)
            assert [item["address"] for item in entry["plan"]["listeners_closed"]] == [f"127.0.0.1:{other[1]}"]
            assert goes.ended() == b""
            answer = busy.read_answer()
            assert answer.status == 200 and answer.fields.one(b"connection") == b"close"
        wait_for(lambda: socket.socket().connect_ex(other) != 0, what="the port to be closed")
        stays.send(GET)
        assert stays.read_answer().status == 200
    # An address that is taken: refused, and everything goes on.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config["listeners"][1] = {"address": f"127.0.0.1:{taken.getsockname()[1]}"}
        entry = reload(ballast, config, "failed")
    assert "already in use" in entry["sentence"]
    assert ballast.get().status == 200


@pytest.mark.parametrize("text, says", [
    ("pools: [", "ballast.yaml:"), ("pools: {web: {workers: [1, 2], wrong: 3}}\n", "unknown key"),
    (None, "cannot be read"),
])
def test_a_bad_file_changes_nothing(run, demo, text, says):
    worker = demo()
    ballast = run(worker).wait_alive(1)
    before = ballast.admin.get("/v1/config")
    if text is None:
        ballast.config_path.unlink()
    else:
        ballast.config_path.write_text(text)
    entry = reload(ballast, None, "failed")
    assert says in entry["sentence"] and "plan" not in entry
    assert says in ballast.wait_log("the configuration does not load")
    assert ballast.admin.get("/v1/config") == before
    assert ballast.get().status == 200
    assert ballast.metrics()["requests_failed"] == 0
    reload(ballast, ballast.config)


def test_settings_count_for_requests_that_begin(run, scripted):
    """One that began under the old ones ends under them."""
    worker = scripted()
    ballast = run(worker, timeouts={"response_head": "10s", "drain": "2s"}).wait_alive(1)
    config = json.loads(json.dumps(ballast.config))
    config["timeouts"]["response_head"] = "200ms"
    config["threads"] = 3
    release = threading.Event()
    for target in (b"/old", b"/new"):
        worker.play_at(target, slow_answer(release))
    with ballast.connect() as old, ballast.connect() as new:
        old.send(b"GET /old HTTP/1.1\r\n" + HOST + b"\r\n")
        worker.wait_requests(1)
        entry = reload(ballast, config)
        assert {"name": "timeouts.response_head", "from": "10000ms", "to": "200ms", "start": False} in \
            entry["plan"]["settings"]
        assert [s["start"] for s in entry["plan"]["settings"] if s["name"] == "threads"] == [True]
        new.send(b"GET /new HTTP/1.1\r\n" + HOST + b"\r\n")
        assert new.read_answer().status == 504
        release.set()
        assert old.read_answer().status == 200


def slow_answer(release):
    from harness.worker import Script, wait
    return Script((wait(release), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))


def command(ballast_path, ballast, *arguments):
    done = subprocess.run([ballast_path, "reload", "--admin", f"unix:{ballast.admin.where}", *arguments],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_plan_and_apply(run, demo, ballast_path):
    a, b, c = demo(), demo(), demo()
    ballast = run(a, b).wait_alive(2)
    code, out, _ = command(ballast_path, ballast, "--plan")
    assert code == 0 and "nothing" not in out and "2 workers and 1 listeners are kept" in out
    ballast.write_config(with_workers(ballast, a, c, health={"interval": "2s"}))
    code, out, _ = command(ballast_path, ballast, "--plan", "--json")
    plan = json.loads(out)["plan"]
    assert code == 0 and [w["worker"] for w in plan["workers_added"]] == [str(c.port)]
    assert {"name": "pools.web.health.interval", "from": "1000ms", "to": "2000ms", "start": False} in plan["settings"]
    assert f"worker_{b.port}_alive" in ballast.metrics(), "a plan changes nothing"
    # The file moves on: the plan does not hold any more.
    ballast.write_config(with_workers(ballast, a))
    code, out, _ = command(ballast_path, ballast, "--apply", plan["id"])
    assert code == 1 and "no longer those" in out
    assert f"worker_{b.port}_alive" in ballast.metrics()
    ballast.write_config(with_workers(ballast, a, c, health={"interval": "2s"}))
    code, out, _ = command(ballast_path, ballast, "--apply", plan["id"])
    assert code == 0 and f"+ worker {c.port} of pool web" in out and f"- worker {b.port} of pool web" in out
    ballast.wait_alive(2)
    assert f"worker_{b.port}_alive" not in ballast.metrics()
    # So does the configuration in use.
    assert command(ballast_path, ballast, "--apply", plan["id"])[0] == 1
    assert command(ballast_path, ballast)[0] == 0
    assert "nothing is different" in newest(ballast.admin)["sentence"]
    ballast.config_path.write_text("x: 1\n")
    code, out, _ = command(ballast_path, ballast)
    assert code == 1 and "unknown key" in out
    answer = ballast.admin.ask("POST", "/v1/reload", {"plan": True, "apply": "x"})
    assert (answer.status, answer.json["reason"]) == (422, "bad_order")
    assert ballast.admin.ask("GET", "/v1/reloads/99999").status == 404


def test_the_watchdog_rolls_back(run, demo):
    """Pointed at a dead port: the one before comes back by itself, and it is said why."""
    worker = demo()
    ballast = run(worker, reload={"watch": "30s", "max_failed": "5%"}).wait_alive(1)
    for _ in range(30):
        assert ballast.get().status == 200
    bad = with_workers(ballast, f"127.0.0.1:{free_port()}", health={"interval": "1s", "timeout": "300ms"})
    reload(ballast, bad)

    def is_back():
        ballast.get()
        entry = newest(ballast.admin)
        return entry["state"] == "rolled_back" and entry
    entry = wait_for(is_back, 20, "the configuration before")
    assert entry["cause"] == "watchdog" and "requests failed since the reload, more than 5 %" in entry["sentence"]
    assert entry["sentence"] in ballast.wait_log("the configuration before comes back")
    ballast.wait_alive(1)
    assert ballast.get().status == 200
    numbers = ballast.settled_metrics()
    failed = numbers["requests_failed"]
    assert 20 <= failed < 60
    assert [numbers[f'ballast_reloads_total{{result="{result}"}}'] for result in (
        "applied", "failed", "refused", "rolled_back")] == [1, 0, 0, 1]
    why = [int(numbers[f'ballast_rollback_requests{{result="{result}"}}']) for result in ("failed", "ended")]
    assert entry["sentence"].startswith("%d of %d requests failed" % tuple(why))
    # There is no second step back, and the next reload is as good as ever.
    reload(ballast, ballast.config)
    assert ballast.get().status == 200 and ballast.settled_metrics()["requests_failed"] == failed


def test_certificates_are_read_again(run, demo, tmp_path):
    """Connections that stand go on by the old one, new ones get the new one; an unchanged one keeps its tickets."""
    authority = Authority(tmp_path)
    chain, key = authority.sign("test.example", days=100)
    port = free_port()
    tls = {"certificates": [{"chain": str(chain), "key": str(key)}]}
    ballast = run(demo(), listeners=[{"address": f"127.0.0.1:{free_port()}"},
                                     {"address": f"127.0.0.1:{port}", "tls": tls}]).wait_alive(1)
    context = ssl.create_default_context(cafile=str(authority.path))
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def connect(session=None):
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        return context.wrap_socket(plain, server_hostname="test.example", session=session)

    def ask(secured):
        secured.sendall(GET)
        return secured.recv(65536).split(b"\r\n")[0]
    with connect() as first:
        assert ask(first) == b"HTTP/1.1 200 OK"
        until = first.getpeercert()["notAfter"]
        reload(ballast)
        with connect(first.session) as again:
            assert again.session_reused and ask(again) == b"HTTP/1.1 200 OK"
        authority.sign("test.example", days=200)
        entry = reload(ballast)
        assert [s["name"] for s in entry["plan"]["settings"]] == [f"listeners[127.0.0.1:{port}].tls"]
        with connect() as second:
            assert second.getpeercert()["notAfter"] != until and ask(second) == b"HTTP/1.1 200 OK"
        assert ask(first) == b"HTTP/1.1 200 OK"
        chain.write_text("junk")
        assert "certificate" in reload(ballast, None, "failed")["sentence"]
        assert ask(first) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("before, after, field", [
    ({"max_age": 1000}, {"max_age": 2000}, b"max-age=2000"), (None, {"max_age": 2000}, b"max-age=2000"),
    ({"max_age": 1000}, None, None),
])
def test_hsts_alone_changes(run, demo, tmp_path, before, after, field):
    chain, key = Authority(tmp_path).sign("test.example")
    port = free_port()
    ballast = run(demo(), listeners=[{"address": f"127.0.0.1:{free_port()}"}, {"address": f"127.0.0.1:{port}", "tls": {
        "certificates": [{"chain": str(chain), "key": str(key)}], **({"hsts": before} if before else {})}}])
    ballast.wait_alive(1)
    config = json.loads(json.dumps(ballast.config))
    config["listeners"][1]["tls"].pop("hsts", None)
    if after:
        config["listeners"][1]["tls"]["hsts"] = after
    assert f"listeners[127.0.0.1:{port}].tls" in [s["name"] for s in reload(ballast, config)["plan"]["settings"]]
    context = ssl.create_default_context(cafile=str(tmp_path / "Test-Authority.pem"))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname="test.example") as secured:
            secured.sendall(GET)
            head = secured.recv(65536).partition(b"\r\n\r\n")[0].lower()
    said = [line.partition(b": ")[2] for line in head.split(b"\r\n") if line.startswith(b"strict-transport-security")]
    assert said == ([field] if field else [])


@pytest.mark.parametrize("before, after", itertools.permutations(("http1", "h2", "auto"), 2))
def test_the_protocol_to_tls_workers_changes(run, stack, tmp_path, before, after):
    """What is offered by ALPN, and so what is spoken, goes by the newest configuration."""
    authority = Authority(tmp_path)
    chain, key = authority.sign("test.example")
    port = free_port()
    stack.enter_context(Server(port, shutil.which("node"), NODE_WORKER, "auto", port, chain, key))
    tls = {"enabled": True, "ca": str(authority.path), "name": "test.example"}
    ballast = run(f"127.0.0.1:{port}", pools={"web": {"protocol": before, "worker_tls": tls}}).wait_alive(1)
    version = {"http1": b'"version":"1.1"', "h2": b'"version":"2.0"', "auto": b'"version":"2.0"'}
    assert version[before] in ballast.get("/headers").body
    config = json.loads(json.dumps(ballast.config))
    config["pools"]["web"]["protocol"] = after
    reload(ballast, config)
    ballast.wait_alive(1)
    assert version[after] in ballast.get("/headers").body


def test_a_server_that_dies_begins_with_the_newest(run, demo):
    a, b = demo(), demo()
    ballast = run(a).wait_alive(1)
    reload(ballast, with_workers(ballast, b))
    ballast.config_path.write_text("junk: 1\n")
    reload(ballast, None, "failed")
    os.kill(ballast.admin.get("/v1/version")["pid"], signal.SIGKILL)
    ballast.wait_log("the server died")
    wait_for(lambda: ballast.metrics().get(f"worker_{b.port}_alive") == 1 if can_connect(ballast) else False, 20)
    assert ballast.get().fields.one(b"x-worker").decode() == b.names[0]


def can_connect(ballast):
    with socket.socket() as probe:
        return probe.connect_ex(ballast.address) == 0


def test_without_a_keeper_it_says_so(stack, ballast_path, demo, tmp_path):
    config = settings([demo()], admin={"address": f"unix:{tmp_path}/admin", "write": True})
    ballast = stack.enter_context(Ballast(ballast_path, config, ["--no-keeper"])).wait_alive(1)
    ballast.send_signal(signal.SIGHUP)
    ballast.wait_log("without its keeper")
    answer = Admin(tmp_path / "admin").ask("POST", "/v1/reload", {})
    assert (answer.status, answer.json["reason"]) == (503, "no_keeper")


def test_many_reloads_under_load(run, demo):
    """Keep-alive, a connection for each request, uploads: zero failures, and the totals are exact."""
    a, b, c = demo(), demo(), demo()
    ballast = run(a, b, threads=2).wait_alive(2)
    loads = [Load(ballast, GET, True), Load(ballast, GET, True), Load(ballast, GET, False), Load(ballast, POST, True)]
    for load in loads:
        load.start()
    configs = [with_workers(ballast, *workers) for workers in ((a, c), (b, c), (c, a, b), (a, b))]
    other = free_port()
    for config in configs[::2]:
        config["listeners"] = [*ballast.config["listeners"], {"address": f"127.0.0.1:{other}"}]
    for number in range(RELOADS):
        reload(ballast, configs[number % len(configs)])
        assert not any(load.wrong for load in loads), [load.wrong for load in loads]
    for load in loads:
        load.end()
    asked = sum(load.answers for load in loads)
    metrics = ballast.settled_metrics()
    assert (metrics["requests_total"], metrics["requests_ok"], metrics["requests_failed"]) == (asked, asked, 0)
    dispatched = sum(value for name, value in metrics.items() if name.startswith("ballast_worker_dispatches_total"))
    assert dispatched == asked + sum(v for n, v in metrics.items() if n.startswith("ballast_retries_total"))
    assert newest(ballast.admin)["number"] == RELOADS
