"""gRPC end to end: Node.js and the library in C (by Python), each as client and as server."""

import fcntl
import json
import os
import pathlib
import shutil
import subprocess
from concurrent import futures

import grpc
import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.certificates import Authority
from harness.h2 import H2Client, H2Worker, head
from harness.programs import Program, Server
from harness.reloads import order, reload, with_workers
from harness.upgrades import settle, upgrade, upgrade_by_signal
from harness.waiting import free_port, wait_for

REAL = pathlib.Path(__file__).resolve().parent / "real" / "grpc"
MADE = pathlib.Path(__file__).resolve().parents[2] / "build" / "grpc"
RELOADS = int(os.environ.get("BALLAST_RELOADS", "20"))
UPGRADES = int(os.environ.get("BALLAST_UPGRADES", "2"))
WHOLE, GIVEN_UP = ("unary", "large", "scatter", "both"), ("deadline", "cancelled", "dropped")
LATE = ("deadline", "deadline_over")
GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


@pytest.fixture(scope="session")
def pair():
    """The folder of the Node.js pair, with its modules as locked; made anew when a file of it is another."""
    assert shutil.which("npm"), "npm is missing"
    MADE.mkdir(parents=True, exist_ok=True)
    files = {path.name: path.read_text() for path in REAL.iterdir() if path.is_file()}
    installed = MADE / "installed"
    with (MADE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other tests may need it at the same time
        if not installed.exists() or installed.read_text() != repr(files):
            for name, text in files.items():
                (MADE / name).write_text(text)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=MADE, check=True,
                           timeout=120, stdout=subprocess.DEVNULL)
            installed.write_text(repr(files))
    return MADE


@pytest.fixture
def node_worker(stack, pair):
    """node_worker(...) -> the address of a Node.js gRPC server."""
    def start(*arguments):
        port = free_port()
        stack.enter_context(Server(port, shutil.which("node"), pair / "worker.js", port, *arguments))
        return f"127.0.0.1:{port}"
    return start


@pytest.fixture
def ballast(balance):
    def start(*workers, health=None, **extra):
        health = {"interval": "100ms", **(health or {"type": "grpc"})}
        return balance(*workers, **extra, pools={"web": {"protocol": "h2c", "health": health}})
    return start


def ends(ballast):
    metrics = ballast.settled_metrics()
    return {kind: metrics[f"requests_{kind}"] for kind in ("ok", "failed", "aborted")}


def check_calls(results):
    assert results["unary"] == {"code": 0, "details": None, "value": "hello", "trailer": "behind"}
    assert (results["fail"]["code"], results["fail"]["details"]) == (9, "not like this")
    assert results["none"]["code"] == 12
    assert results["gather"] == {"code": 0, "bytes": 64 * 16384}
    assert results["scatter"] == {"code": 0, "parts": [f"{i}:x" for i in range(100)]}
    assert results["both"] == {"code": 0, "parts": [f"ping {i}" for i in range(50)]}
    assert results["deadline"]["code"] == 4
    assert results["cancelled"]["code"] == 1
    assert results["dropped"] == {"code": 1, "parts": ["first"]}


def test_node_pair(node_worker, ballast, pair):
    """Unary, both streamings, deadline, cancellation: and the worker hears of what was given up."""
    balancer = ballast(node_worker())
    done = subprocess.run(["node", pair / "client.js", str(balancer.address[1])], capture_output=True, text=True,
                          timeout=60, check=True)
    check_calls(json.loads(done.stdout))
    with grpc.insecure_channel("%s:%d" % balancer.address) as channel:
        told = channel.unary_unary("/test.Told/Cancelled")
        wait_for(lambda: set(json.loads(told(b"", timeout=10))) == {"deadline", "cancelled", "dropped"},
                 what="the worker to hear of all")
    assert balancer.wait_access_line(lambda line: line["target"] == "/test.Echo/Drip")["reason"] == "client_gone"


class Echo(grpc.GenericRpcHandler):
    """A server in Python, on gRPC's library in C."""

    def service(self, details):
        calls = {
            "/test.Echo/Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "/test.Echo/Both": grpc.stream_stream_rpc_method_handler(lambda parts, context: parts),
            "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(lambda body, context: b"\x08\x01"),
        }
        return calls.get(details.method)

    @staticmethod
    def unary(body, context):
        context.set_trailing_metadata((("x-trailer", "behind"),))
        return body


def test_library_in_c(stack, ballast):
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stack.callback(lambda: server.stop(0).wait())
    balancer = ballast(f"127.0.0.1:{port}")
    with grpc.insecure_channel("%s:%d" % balancer.address) as channel:
        value, call = channel.unary_unary("/test.Echo/Unary").with_call(b"x" * 1000000, timeout=20)
        assert value == b"x" * 1000000 and dict(call.trailing_metadata())["x-trailer"] == "behind"
        parts = [b"%d" % i for i in range(200)]
        assert list(channel.stream_stream("/test.Echo/Both")(iter(parts), timeout=20)) == parts
    assert ends(balancer) == {"ok": 2, "failed": 0, "aborted": 0}


# ---- reloads and upgrades under calls ----

@pytest.fixture(params=["h2c", "tls"])
def site(request, tmp_path, node_worker):
    """(workers, listener, settings of the pool, the authority's file): TLS on both sides, or on none."""
    pool, front = {"protocol": "h2c", "health": {"type": "grpc"}}, {"address": f"127.0.0.1:{free_port()}"}
    if request.param == "h2c":
        return [node_worker(), node_worker()], front, pool, None
    authority = Authority(tmp_path)
    chain, key = map(str, authority.sign("test.example"))
    front["tls"] = {"certificates": [{"chain": chain, "key": key}]}
    pool |= {"protocol": "h2", "worker_tls": {"enabled": True, "ca": str(authority.path), "name": "test.example"}}
    return [node_worker("none", chain, key) for _ in range(2)], front, pool, str(authority.path)


def test_calls_outlive_reloads_and_upgrades(stack, ballast_path, pair, tmp_path, site):
    """Calls of each kind, with deadlines and cancelled ones, by a client that hears GOAWAY: each ends as it has to."""
    workers, front, pool, authority = site
    balancer = stack.enter_context(Ballast(ballast_path, settings(
        workers, pools={"web": pool}, listeners=[{"address": f"127.0.0.1:{free_port()}"}, front],
        admin={"address": f"unix:{tmp_path}/admin", "write": True}, threads=2,
        timeouts={"retire": "10s", "drain": "10s"})))
    balancer.admin, balancer.program = Admin(tmp_path / "admin"), ballast_path
    balancer.wait_alive(2)
    client = stack.enter_context(Calls(pair, front["address"], authority))
    client.wait_begun()
    for number in range(RELOADS):
        config = with_workers(balancer, *workers[::-1 if number % 2 else 1])
        config["timeouts"]["response_head"] = f"{20 + number}s"
        balancer.write_config(config)
        reload(balancer) if number % 2 else order(balancer.admin)
        if number % (RELOADS // UPGRADES) == 1:
            settle(balancer)
            upgrade(balancer) if number > RELOADS // 2 else upgrade_by_signal(balancer)
    settle(balancer)
    counts, wrong = client.results()
    assert wrong == [] and min(counts.values()) > 1, counts
    metrics = balancer.settled_accounts()
    # A busy client's, ended here with the same code; its library sends 0m where a deadline has passed meanwhile.
    late = sum(metrics.get(f'ballast_failures_total{{reason="{reason}"}}', 0) for reason in LATE)
    assert metrics["requests_failed"] == late, [
        line for line in balancer.access_lines() if line["reason"] not in ("ok", "client_gone", *LATE)]
    assert metrics["requests_ok"] >= sum(counts[kind] for kind in WHOLE)  # a worker may be the first to see a deadline
    assert metrics["requests_total"] <= sum(counts.values())  # what was given up may not have left yet
    print({"reloads": RELOADS, "upgrades": UPGRADES, "calls": counts, "late": late})


class Calls(Program):
    """The Node.js client that calls all the time."""

    def __init__(self, pair, address, authority):
        self.process = subprocess.Popen(
            ["node", str(pair / "load.js"), address.rpartition(":")[2], *([authority] if authority else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_begun(self):
        """A call of each kind has ended; one that did not as it has to is told of in the results."""
        begun = {self.process.stdout.readline().strip() for _ in WHOLE + GIVEN_UP}
        assert begun == {*WHOLE, *GIVEN_UP}, begun

    def results(self):
        said, _ = self.process.communicate(timeout=60)
        results = json.loads(said)
        return results["counts"], results["wrong"]


# ---- what Ballast answers itself ----

def ask(ballast, path="/test.Echo/Hang", extra=(), body=b"\0\0\0\0\0"):
    with H2Client(ballast.address) as client:
        client.ask(1, head("POST", path, extra=[*GRPC, *extra]), body)
        stream = client.answer(1)
    return stream


def test_deadline_of_the_call_bounds_it(stack, ballast):
    """A client that does not watch its own deadline: the worker gets CANCEL, the client status 4 and no page."""
    far = stack.enter_context(H2Worker({"/test.Echo/Hang": lambda c, s: None}))
    balancer = ballast(far, health={"type": "http"})
    stream = ask(balancer, extra=[("grpc-timeout", "300m")])
    assert stream.status == 200 and stream.body == b""
    assert stream.heads[0]["grpc-status"] == "4" and stream.heads[0]["content-type"] == "application/grpc"
    assert "deadline" in stream.heads[0]["grpc-message"]
    number, asked, _ = far.asked[0]
    wait_for(lambda: far.connections[number].streams[asked].reset is not None, what="RST_STREAM")
    assert balancer.wait_access_line(lambda line: line["target"] == "/test.Echo/Hang")["reason"] == "deadline"
    assert balancer.settled_metrics()["requests_failed"] == 1


@pytest.mark.parametrize("timeout", ["0n", "0m", "00000000H"])
def test_a_call_whose_deadline_is_over_is_given_to_no_worker(stack, ballast, timeout):
    far = stack.enter_context(H2Worker({"/test.Echo/Hang": lambda c, s: None}))
    balancer = ballast(far, health={"type": "http"})
    stream = ask(balancer, extra=[("grpc-timeout", timeout)])
    assert (stream.status, stream.heads[0]["grpc-status"], stream.body) == (200, "4", b"")
    assert "deadline_over" in stream.heads[0]["grpc-message"]
    line = balancer.wait_access_line(lambda line: line["target"] == "/test.Echo/Hang")
    assert (line["reason"], line["by"], line["tries"]) == ("deadline_over", "ballast", 0)
    metrics = balancer.settled_metrics()
    assert metrics["requests_failed"] == metrics['ballast_failures_total{reason="deadline_over"}'] == 1
    assert far.asked == [] and ask(balancer, "/", [("grpc-timeout", "10S")]).status == 200


@pytest.mark.parametrize("timeout", ["", "m", "123456789m", "-1m", "1x", "1 m"])
def test_malformed_deadline_is_none(stack, ballast, timeout):
    far = stack.enter_context(H2Worker())
    assert ask(ballast(far, health={"type": "http"}), "/", [("grpc-timeout", timeout)]).status == 200


def test_status_of_own_answers(balance, ballast, stack):
    """No worker: UNAVAILABLE. No route: UNIMPLEMENTED. And a plain page for whoever does not speak gRPC."""
    far = stack.enter_context(H2Worker())
    balancer = ballast(far, health={"type": "http"}, routes=[{"path": "/test.Echo/", "pool": "web"}])
    stream = ask(balancer, "/other/Method")
    assert (stream.status, stream.heads[0]["grpc-status"], stream.body) == (200, "12", b"")
    with H2Client(balancer.address) as client:
        client.ask(1, head("POST", "/other/Method"), b"x")
        assert client.answer(1).status == 404
    nobody = balance(f"127.0.0.1:{free_port()}", alive=0)
    stream = ask(nobody)
    assert (stream.status, stream.heads[0]["grpc-status"]) == (200, "14")
    assert "no_worker_alive" in stream.heads[0]["grpc-message"]


# ---- health ----

@pytest.mark.parametrize("service,alive", [
    ({}, 1), ({"service": "good"}, 1), ({"service": "bad"}, 0), ({"service": "unknown"}, 0)])
def test_health(node_worker, ballast, service, alive):
    balancer = ballast(node_worker("bad"), alive=alive, health={"type": "grpc", **service})
    if not alive:
        balancer.wait_log("cause=not_serving")


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\0\0", b"\1\0\0\0\2\x08\1", b"\0\0\0\0\2\x08\2", b"\0\0\0\0\3\x08\1",
                                    b"\0\0\0\0\2\x08\x81", b"\0\0\0\0\2\x08\1" * 20])
def test_health_that_says_something_else(stack, ballast, answer):
    """And a worker that answers every probe with 200, but not by the protocol."""
    def check(connection, stream):
        connection.answer_with(stream, answer, extra=[("content-type", "application/grpc")], ends=False)
        connection.send(connection.head_frame(stream, [("grpc-status", "0")]))
    far = stack.enter_context(H2Worker({"/grpc.health.v1.Health/Check": check}))
    balancer = ballast(far, alive=0)
    balancer.wait_log("cause=not_serving")


def test_health_needs_http2(ballast_path, tmp_path):
    path = tmp_path / "ballast.yaml"
    path.write_text("pools: {web: {workers: [3001], health: {type: grpc}}}\n")
    done = subprocess.run([ballast_path, "check", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "health: type grpc needs HTTP/2" in done.stdout + done.stderr
