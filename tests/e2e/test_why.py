"""`ballast why`: what became of a request, told in the words of what the test has caused."""

import socket
import struct
import subprocess

import pytest

from harness.admin import Admin, check
from harness.client import WasReset
from harness.waiting import free_port, wait_for
from harness.worker import CLOSE, RESET, Script, fill_backlog

NEVER = {"web": {"health": {"interval": "1h", "interval_doubt": "1h"}}}  # one probe, at the start
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"


@pytest.fixture
def operate(balance, tmp_path):
    def start(*workers, **extra):
        path = tmp_path / "admin.sock"
        return balance(*workers, admin={"address": f"unix:{path}"}, **extra), Admin(path)
    return start


def request(number, method=b"GET", *fields):
    lines = b"".join(field + b"\r\n" for field in fields)
    return method + b" /a/b?c HTTP/1.1\r\nHost: h\r\nX-Request-ID: mine-%d\r\n" % number + lines + b"\r\n"


def ask(ballast, data):
    with ballast.connect() as client:
        client.send(data)
        try:
            return client.read_answer().status
        except WasReset:
            return None


def story(admin, number):
    return wait_for(lambda: (told := admin.ask("GET", f"/v1/requests/mine-{number}")).status == 200 and told.json, 10,
                    "the request is remembered")


def test_of_a_request_that_went_well(operate, scripted):
    worker = scripted()
    ballast, admin = operate(worker)
    assert ask(ballast, request(1)) == 200
    told = story(admin, 1)
    check(admin.get("/openapi.json"), {"$ref": "#/components/schemas/Story"}, told, "why")
    assert (told["method"], told["target"], told["client"], told["pool"]) == ("GET", "/a/b?c", "127.0.0.1", "web")
    assert (told["status"], told["by"], told["reason"], told["tries"]) == (200, "worker", "ok", 1)
    attempt, = told["attempts"]
    assert (attempt["worker"], attempt["reason"], attempt["failed_ms"]) == (str(worker.port), "ok", -1)
    assert 0 <= attempt["picked_ms"] <= attempt["connected_ms"] <= told["first_byte_ms"] <= told["total_ms"]
    assert any(str(worker.port) in line["text"] for line in told["lines"])


@pytest.mark.parametrize("steps, extra, status, reason, tries", [
    ((RESET,), {}, 502, "connection_reset", 2),
    ((CLOSE,), {}, 502, "connection_closed", 2),
    ((b"HTTP/1.1 2000 Odd\r\n\r\n",), {}, 502, "answer_malformed", 1),
    ((CUT, CLOSE), {}, 200, "answer_cut", 1),
], ids=["reset", "closed", "malformed", "cut"])
def test_of_a_worker_that_fails(operate, scripted, steps, extra, status, reason, tries):
    first, second = scripted(), scripted()
    for worker in (first, second):
        worker.play_at(b"/a/b?c", Script(steps))
    ballast, admin = operate(first, second, limits={"tries": 2, "connections": 100}, **extra)
    ask(ballast, request(2))
    told = story(admin, 2)
    assert (told["status"], told["reason"], told["tries"]) == (status, reason, tries)
    asked = [attempt["worker"] for attempt in told["attempts"]]
    assert len(asked) == tries and set(asked) <= {str(first.port), str(second.port)} and len(set(asked)) == tries
    if tries == 2:
        assert told["attempts"][0]["reason"] == reason and told["attempts"][0]["failed_ms"] >= 0
        assert told["by"] == "ballast"


def test_of_a_worker_that_is_gone(operate, scripted):
    first, second = scripted(), scripted()
    ballast, admin = operate(first, second, pools={"web": {"health": {"interval": "1h", "interval_doubt": "1h"}}})
    first.close()
    for number in range(10, 12):  # one of them begins at the one that is gone
        assert ask(ballast, request(number)) == 200
    told = next(told for told in (story(admin, 10), story(admin, 11)) if told["tries"] > 1)
    assert told["attempts"][0]["reason"] in ("connect_refused", "connection_reset", "connection_closed")
    assert told["attempts"][-1] | {"picked_ms": 0, "connected_ms": 0, "reused": 0} == {
        "worker": str(second.port), "picked_ms": 0, "connected_ms": 0, "failed_ms": -1, "reason": "ok", "reused": 0,
        "waited": False}


def test_of_workers_that_refuse_to_the_last(operate, scripted):
    workers = [scripted(), scripted()]
    ballast, admin = operate(*workers, pools=NEVER)
    for worker in workers:
        worker.close()
    assert ask(ballast, request(20)) == 502
    told = story(admin, 20)
    assert (told["status"], told["by"], told["reason"], told["tries"]) == (502, "ballast", "connect_refused", 2)
    assert [attempt["reason"] for attempt in told["attempts"]] == ["connect_refused"] * 2
    assert {attempt["worker"] for attempt in told["attempts"]} == {str(worker.port) for worker in workers}
    assert all(attempt["connected_ms"] == -1 for attempt in told["attempts"])


def test_of_a_worker_that_accepts_nothing(operate, scripted, stack):
    worker = scripted()
    ballast, admin = operate(worker, pools=NEVER, timeouts={"connect": "200ms"})
    fill_backlog(stack, worker)
    assert ask(ballast, request(21)) == 504
    told = story(admin, 21)
    attempt, = told["attempts"]
    assert (told["status"], told["reason"], attempt["reason"]) == (504, "connect_timeout", "connect_timeout")
    assert attempt["failed_ms"] >= 190 and attempt["connected_ms"] == -1


@pytest.mark.parametrize("method, body, status, reasons", [
    (b"GET", b"", 200, ["connection_closed", "ok"]), (b"POST", b"hello", 502, ["connection_closed"]),
], ids=["sent-again", "not-repeatable"])
def test_of_an_idle_connection_that_closes(operate, scripted, method, body, status, reasons):
    """A GET is sent again, on a fresh connection, and has not failed; a POST whose body has left is not."""
    worker = scripted()
    ballast, admin = operate(worker, pools=NEVER, threads=1)
    assert ask(ballast, request(22)) == 200
    story(admin, 22)  # it is over, and its connection idle
    worker.play(Script((CLOSE,)))
    assert ask(ballast, request(23, method, *[b"Content-Length: %d" % len(body)] * bool(body)) + body) == status
    told = story(admin, 23)
    assert (told["status"], told["reason"]) == (status, reasons[-1])
    assert [attempt["reason"] for attempt in told["attempts"]] == (reasons if status == 200 else ["connection_closed"])
    assert [attempt["reused"] for attempt in told["attempts"]] == [1, 0][:len(reasons)]
    assert ballast.settled_metrics()["requests_failed"] == (status != 200)


def test_of_a_5xx_that_is_passed_on(operate, demo):
    ballast, admin = operate(demo("--status=503"))
    assert ask(ballast, request(24)) == 503
    told = story(admin, 24)
    assert (told["status"], told["by"], told["reason"], told["tries"]) == (503, "worker", "ok", 1)


def test_of_a_silent_worker(operate, demo):
    worker = demo("--no-answer")
    ballast, admin = operate(worker, timeouts={"response_head": "300ms"})
    assert ask(ballast, request(3)) == 504
    told = story(admin, 3)
    assert (told["reason"], told["by"], told["status"]) == ("answer_timeout", "ballast", 504)
    assert told["first_byte_ms"] >= 250


def test_of_nobody_alive_and_of_no_route(operate):
    ballast, admin = operate(f"127.0.0.1:{free_port()}", alive=0, routes=[{"path": "/a/", "pool": "web"}])
    assert ask(ballast, request(4)) == 503
    told = story(admin, 4)
    assert (told["reason"], told["attempts"]) == ("no_worker_alive", [])
    assert ask(ballast, request(5).replace(b"/a/b?c", b"/other")) == 404
    assert story(admin, 5)["reason"] == "no_route"


def test_of_a_client_that_left(operate, demo):
    ballast, admin = operate(demo("--delay-ms=20000"))
    client = ballast.connect()
    client.send(request(6))
    wait_for(lambda: ballast.metrics()["requests_active"] == 1)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    told = story(admin, 6)
    assert (told["reason"], told["status"]) == ("client_gone", 0)  # nobody saw an answer


def test_what_the_command_prints(operate, scripted, ballast_path):
    worker = scripted()
    worker.play_at(b"/a/b?c", Script((RESET,)))
    ballast, admin = operate(worker, limits={"tries": 1, "connections": 100})
    assert ask(ballast, request(7)) == 502
    told = story(admin, 7)

    def why(*arguments):
        return subprocess.run([str(ballast_path), "why", *arguments, "--admin", f"unix:{admin.where}"], text=True,
                              capture_output=True, timeout=20, check=False)
    said = why("mine-7")
    assert said.returncode == 0 and said.stdout.splitlines() == [line["text"] for line in told["lines"]]
    assert str(worker.port) in said.stdout and "connection_reset" in said.stdout
    assert '"reason": "connection_reset"' in why("mine-7", "--json").stdout
    nobody = why("never-seen")
    assert nobody.returncode == 3 and "No recent request had this id" in nobody.stderr
    assert "needs the id" in why().stderr
