"""Reloads and upgrades, mixed, under load of every kind: nothing fails, nothing is reset, nothing is forgotten, and the
balancer, its workers and the clients have counted the same."""

import collections
import http.client
import itertools
import json
import os
import pathlib
import re
import shutil

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.client import Client
from harness.load import Chat, Load, Successions
from harness.load_h2 import H2Chat, H2Load
from harness.programs import Server, Steadily
from harness.proxy_header import v2
from harness.reloads import order, reload, with_workers
from harness.upgrades import settle, upgrade, upgrade_by_signal
from harness.waiting import free_port, pause, wait_for

RELOADS = int(os.environ.get("BALLAST_RELOADS", "40"))
UPGRADES = int(os.environ.get("BALLAST_UPGRADES", "4"))
TALLY = pathlib.Path(__file__).resolve().parent / "real" / "tally.js"
HOST = b"Host: test.example\r\n"
CLOSE = b"Connection: close\r\n"
TOLD = ("192.0.2.1", 40000)
SPOKEN = list(itertools.product(("http1", "h2c", "auto"), ("off", "v1", "v2")))[::2] + [("h2c", "off"), ("http1", "v1")]
PROXIED = [None, {"from": ["127.0.0.2/32"], "others": "plain"},
           {"from": ["127.0.0.2/32", "10.0.0.0/8"], "others": "plain", "timeout": "7s"}]
UPLOAD = 100000


def get(target, more=b""):
    return b"GET /%d HTTP/1.1\r\n" % target + HOST + more + b"\r\n"


POST = b"POST /1 HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % UPLOAD + bytes(UPLOAD)
CHUNKED = (b"POST /1 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
           + b"".join(b"2710\r\n" + bytes(10000) + b"\r\n" for _ in range(UPLOAD // 10000)) + b"0\r\n\r\n")


@pytest.fixture
def tallies(stack):
    """That many workers that count what they execute."""
    def start(count):
        ports = [free_port() for _ in range(count)]
        return [stack.enter_context(Server(port, shutil.which("node"), TALLY, port)) for port in ports]
    return start


@pytest.fixture
def run(stack, ballast_path, tmp_path):
    """run(*workers, **settings) -> a balancer whose servers give way to others soon."""
    def start(*workers, **extra):
        config = settings(workers, threads=2, **{
            "admin": {"address": f"unix:{tmp_path}/admin", "write": True},
            "timeouts": {"retire": "1s", "tunnel_drain": "200ms", "drain": "10s"}, **extra})
        ballast = stack.enter_context(Ballast(ballast_path, config))
        ballast.admin, ballast.program = Admin(tmp_path / "admin"), ballast_path
        return ballast.wait_alive(len(workers))
    return start


def port_of(worker):
    return worker.address.rpartition(":")[2]


def tally(worker):
    """What it has counted itself, asked without the balancer."""
    connection = http.client.HTTPConnection(worker.address, timeout=20)
    connection.request("GET", "/tally")
    counted = json.loads(connection.getresponse().read())
    connection.close()
    return counted


class Watch(Steadily):
    """Looks at the metrics again and again: who stays is never seen dead, no counter goes back, and all adds up."""

    def __init__(self, ballast, *stay):
        self.ballast, self.stay, self.before = ballast, [f"worker_{port_of(worker)}_alive" for worker in stay], {}
        super().__init__(self.look)

    def look(self):
        now = self.ballast.assert_accounts()
        assert [now[name] for name in self.stay] == [1] * len(self.stay), "health was forgotten"
        for name in ("requests_total", "requests_ok", "requests_failed", "requests_aborted"):
            assert now[name] >= self.before.get(name, 0), f"{name} went back"
        self.before = now
        pause(0.005)


def clients_of(ballast):
    """Kept connections and one for each request, answers short and long, uploads in flight, HTTP/2."""
    fast, slow = {"pace": 0.001}, {"pace": 0.002, "body": b"%d" % UPLOAD}
    return [Load(ballast, get(1), True, **fast), Load(ballast, get(50000), True, **fast),
            Load(ballast, get(1, CLOSE), False, **fast), Load(ballast, get(1), False, **fast),
            Load(ballast, POST, True, **slow), Load(ballast, CHUNKED, True, **slow),
            Load(ballast, POST.replace(HOST, HOST + CLOSE), False, **slow), H2Load(ballast), H2Load(ballast)]


def start(*clients):
    for client in clients:
        client.start()
    for client in clients:
        wait_for(lambda: client.answers or client.wrong, 20, "the first answers")


def end(clients):
    for client in clients:
        client.over.set()
    for client in clients:
        client.end()


def compare(ballast, clients, workers):
    """All must have counted the same, worker by worker."""
    settle(ballast)
    metrics = ballast.settled_metrics()
    asked = sum(client.answers for client in clients)
    lines = ballast.wait_access(asked)
    assert [line for line in lines if line["reason"] not in ("ok", "tunnel_drained")] == [] and len(lines) == asked
    assert [metrics[f"requests_{part}"] for part in ("total", "ok", "failed", "aborted")] == [asked, asked, 0, 0]
    assert [value for name, value in metrics.items() if name.startswith("ballast_retries_total") and value] == []
    answered = sum((client.by_worker for client in clients), collections.Counter())
    ports = {worker: port_of(worker) for worker in workers}
    clients_counted = {port: answered[port.encode()] for port in ports.values()}
    assert {port: tally(worker)["requests"] for worker, port in ports.items()} == clients_counted
    assert {port: metrics[f"worker_{port}_requests"] for port in ports.values()} == clients_counted
    counted = {name: value for name, value in metrics.items() if name.startswith("ballast_worker_dispatches_total{")}
    assert {re.search(r'worker="(\d+)"', name)[1]: value for name, value in counted.items()} == clients_counted
    return metrics


def other_configs(ballast, a, b, c, d):
    """Each has a and b; the others come and go, and with them a listener, weights, and settings."""
    configs = [with_workers(ballast, *workers) for workers in ((a, b, c), (b, a), (d, a, b), (a, c, b, d), (a, b))]
    configs[1]["listeners"] = [*ballast.config["listeners"], {"address": f"127.0.0.1:{free_port()}"}]
    configs[2]["pools"]["web"]["workers"][1] = {"address": a.address, "weight": 3}
    configs[3]["timeouts"].update(response_head="20s", client_idle="50s")
    configs[3]["http2"] = {"streams": 50}
    configs[4]["forwarded"] = {"forwarded": False}
    return configs


def test_reloads_and_upgrades(run, tallies):
    workers = tallies(4)
    ballast = run(*workers)
    configs = other_configs(ballast, *workers)
    successions = Successions(leaving={port_of(worker).encode() for worker in workers[2:]})
    chats = [Chat(ballast, successions), Chat(ballast, successions), H2Chat(ballast, successions)]
    clients = [*clients_of(ballast), *chats]
    start(*clients)
    due = 0
    with Watch(ballast, *workers[:2]) as watch:
        for number in range(RELOADS):
            ballast.write_config(configs[number % len(configs)])
            reload(ballast) if number % 2 else order(ballast.admin)
            due += UPGRADES
            if due >= RELOADS:
                due -= RELOADS
                settle(ballast)
                successions.ordered += 1
                upgrade(ballast) if successions.done % 2 else upgrade_by_signal(ballast)
                successions.done += 1
                watch.wait_times(1)
            for client in clients:
                client.judge()
        reload(ballast, ballast.config)
        watch.wait_times(1)
    end(clients)
    metrics = compare(ballast, clients, workers)
    assert metrics["ballast_tunnels_total"] == sum(chat.answers for chat in chats)
    assert metrics["ballast_tunnels"] == 0
    assert successions.done == UPGRADES and metrics['ballast_reloads_total{result="applied"}'] == RELOADS + 1
    assert sum(chat.ended for chat in chats) > UPGRADES, "few WebSockets met an upgrade"
    print({"reloads": RELOADS, "upgrades": UPGRADES, "requests": metrics["requests_total"], "scrapes": watch.times,
           "webSockets": metrics["ballast_tunnels_total"], "ended by upgrades": sum(chat.ended for chat in chats)})


class Door:
    """Another listener of a balancer, for clients to ask."""

    def __init__(self, port):
        self.address = ("127.0.0.1", port)

    def connect(self, timeout):
        return Client(self.address, timeout)


def told_client(door):
    """A connection from a proxy that tells of another client."""
    client = Client(door.address, 30, source=("127.0.0.2", 0))
    client.send(v2(TOLD))
    return client


def test_what_is_spoken_changes(run, tallies, stack):
    """To workers the version of HTTP and the PROXY header before it, from clients that header: under load, each reload
    counts for the next request, kept connections go on as they began, and nothing fails."""
    workers, door = tallies(2), Door(free_port())
    listeners = [{"address": f"127.0.0.1:{port}"} for port in (free_port(), door.address[1])]
    ballast = run(*workers, listeners=listeners)
    clients = [*clients_of(ballast), *clients_of(door), Chat(ballast, Successions()), H2Chat(door, Successions())]
    fresh, told, kept = Load(ballast, get(1, CLOSE), False), Load(door, get(1), True), []
    start(*clients)
    with Watch(ballast, *workers) as watch:
        for number in range(RELOADS // 4):
            protocol, header = SPOKEN[number % len(SPOKEN)]
            config = with_workers(ballast, *workers, protocol=protocol, send_proxy=header)
            behind = PROXIED[number % len(PROXIED)]
            config["listeners"][1].update({"proxy_protocol": behind} if behind else {})
            reload(ballast, config)
            fresh.use()
            version = b"2.0" if protocol == "h2c" else b"1.1"
            assert fresh.last.fields.one(b"x-spoken") == version + (b" proxied" if header != "off" else b"")
            if behind:
                kept.append(stack.enter_context(told_client(door)))
            for client in kept:
                assert told.ask(client)
            for client in clients:
                client.judge()
            watch.wait_times(1)
    end(clients)
    compare(ballast, [*clients, fresh, told], workers)
    assert sum(line["client"] == TOLD[0] for line in ballast.access_lines()) == told.answers
    assert all(tally(worker)[version] for worker in workers for version in ("http1", "http2"))
