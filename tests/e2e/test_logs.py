"""Logs that go elsewhere: to a file apart, to syslog servers, to the journal; and that nobody waits for them."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness import receivers
from harness.ballast import settings
from harness.programs import children
from harness.receivers import parse_journal, parse_syslog
from harness.waiting import free_port, wait_for


def is_access(message):
    return message.get("kind", message.get("BALLAST_KIND")) == "access"


@pytest.fixture
def syslog(stack, tmp_path):
    """A syslog server of a kind, and the path of a log that goes there."""
    def start(kind):
        if kind == "unix":
            server = stack.enter_context(receivers.unix_datagrams(tmp_path / "log.sock", parse_syslog))
            return server, f"syslog:unix:{tmp_path}/log.sock"
        server = stack.enter_context(getattr(receivers, kind)(parse_syslog))
        return server, f"syslog:{kind}://127.0.0.1:{server.sock.getsockname()[1]}"
    return start


@pytest.mark.parametrize("kind", ["unix", "udp", "tcp"])
def test_both_logs_go_to_syslog(demo, balance, syslog, kind):
    server, path = syslog(kind)
    worker = {"address": demo().address, "name": "blue"}
    ballast = balance(worker, access_log={"path": path, "format": "{method} {target} {status}"},
                      log={"path": path}, syslog={"facility": "local3", "hostname": "lb.example"})
    ballast.ask(b"GET /a HTTP/1.1\r\nHost: h\r\nX-Request-ID: abc-1\r\nConnection: close\r\n\r\n")
    ballast.ask(b"GET /]\" HTTP/1.1\r\n\r\n")
    good = server.wait(lambda m: is_access(m) and m["facts"]["status"] == "200")[0]
    assert good | {"time": "", "process": ""} == {
        "pri": str(19 * 8 + 6), "facility": 19, "severity": 6, "time": "", "process": "", "host": "lb.example",
        "app": "ballast", "kind": "access", "text": "GET /a 200",
        "data": '[ballast@32473 request_id="abc-1" status="200" reason="ok" pool="web" worker="blue"]',
        "facts": {"request_id": "abc-1", "status": "200", "reason": "ok", "pool": "web", "worker": "blue"}}
    bad = server.wait(lambda m: is_access(m) and m["facts"]["status"] == "400")[0]
    assert (bad["severity"], bad["facts"]["reason"], bad["facts"]["worker"]) == (4, "bad_host", "")
    up = server.wait(lambda m: m["text"].startswith("worker is up"))[0]
    assert (up["kind"], up["severity"], up["facts"]["worker"]) == ("event", 6, "blue")
    assert re.fullmatch(r"worker is up pool=web worker=blue address=\S+ cause=status_200 alive=1", up["text"])
    ballast.stop()
    server.wait(lambda m: m["text"] == "stopped")
    assert not any("worker is up" in line for line in ballast.stderr_lines), "it is there, and not here"


def test_both_logs_go_to_the_journal(demo, balance, stack, tmp_path):
    server = stack.enter_context(receivers.unix_datagrams(tmp_path / "journal.sock", parse_journal))
    path = f"journal:unix:{tmp_path}/journal.sock"
    worker = demo()
    ballast = balance({"address": worker.address, "name": "blue"}, access_log={"path": path, "format": "json"},
                      log={"path": path}, syslog={"app_name": "edge"}, pools={"web": {"health": {"interval": "50ms"}}})
    ballast.get("/x")
    line = server.wait(is_access)[0]
    assert line | {"MESSAGE": "", "BALLAST_REQUEST_ID": ""} == {
        "PRIORITY": "6", "SYSLOG_IDENTIFIER": "edge", "BALLAST_KIND": "access", "BALLAST_STATUS": "200", "MESSAGE": "",
        "BALLAST_REASON": "ok", "BALLAST_POOL": "web", "BALLAST_WORKER": "blue", "BALLAST_REQUEST_ID": ""}
    assert json.loads(line["MESSAGE"])["target"] == "/x"
    worker.end()
    down = server.wait(lambda m: m["MESSAGE"].startswith("worker is down"))[0]
    assert (down["PRIORITY"], down["BALLAST_CAUSE"], down["BALLAST_WORKER"]) == ("4", "connect_refused", "blue")


def test_a_server_that_ends_and_begins_again_loses_nothing(demo, balance, stack):
    """Over TCP: what is logged while it is away comes when it is back."""
    port = free_port()
    ballast = balance(demo(), access_log={"path": f"syslog:tcp://127.0.0.1:{port}", "format": "{target} {status}"})
    targets = [f"/{number}" for number in range(20)]
    for target in targets[:10]:
        assert ballast.get(target).status == 200
    with receivers.tcp(parse_syslog, port) as server:
        server.wait(is_access, 10)
    for target in targets[10:]:
        assert ballast.get(target).status == 200
    again = stack.enter_context(receivers.tcp(parse_syslog, port))
    again.wait(is_access, 10)
    said = [message["text"] for message in server.messages + again.messages]
    assert sorted(said) == sorted(f"{target} 200" for target in targets)
    assert ballast.metrics()["ballast_access_log_dropped_total"] == 0


def test_nobody_waits_for_a_dead_server(demo, balance):
    """Lines over UDP to nobody are counted; requests do not notice."""
    nobody = f"syslog:udp://127.0.0.1:{free_port()}"
    ballast = balance(demo(), access_log={"path": nobody}, log={"path": nobody, "level": "debug"})
    for _ in range(20):
        assert ballast.get().status == 200
    wait_for(lambda: ballast.get().status == 200 and ballast.metrics()["ballast_access_log_dropped_total"] > 0)


@pytest.mark.parametrize("form", ["text", "json"])
def test_events_in_a_file_of_their_own(demo, balance, tmp_path, form):
    """With rotation: after a rename and USR1 what happens stands in a new file."""
    path, old = tmp_path / "events.log", tmp_path / "events.old"
    worker = demo()
    ballast = balance({"address": worker.address, "name": "blue"}, log={"path": str(path), "format": form},
                      pools={"web": {"health": {"interval": "50ms"}}})
    wait_for(lambda: path.exists() and "worker is up" in path.read_text())
    path.rename(old)
    ballast.send_signal(signal.SIGUSR1)
    wait_for(lambda: path.exists() and "log is reopened" in path.read_text())
    worker.end()
    wait_for(lambda: "worker is down" in path.read_text())
    line = next(line for line in path.read_text().splitlines() if "worker is down" in line)
    if form == "json":
        parsed = json.loads(line)
        assert (parsed["level"], parsed["message"], parsed["worker"], parsed["cause"]) == (
            "warn", "worker is down", "blue", "connect_refused")
    else:
        assert re.search(r" warn worker is down pool=web worker=blue .*cause=connect_refused", line)
    assert "worker is down" not in old.read_text() and "worker is" not in ballast.stderr
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_log_that_cannot_be_opened_stops_the_start(demo, ballast_path, tmp_path):
    config = tmp_path / "ballast.yaml"
    config.write_text(json.dumps(settings([demo()], listeners=[f"127.0.0.1:{free_port()}"],
                                          log={"path": str(tmp_path / "absent" / "log")})))
    done = subprocess.run([ballast_path, "run", "-c", config], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "events log cannot be opened" in done.stderr


def test_a_server_that_died_is_told_in_the_events_log(demo, balance, tmp_path):
    """By the keeper, in the file that the servers write to; after a rotation in the new one."""
    path, old = tmp_path / "events.log", tmp_path / "events.old"
    ballast = balance(demo(), log={"path": str(path)})
    for _ in range(2):
        server, = children(ballast.pid)
        os.kill(server, signal.SIGKILL)
        wait_for(lambda: "the server died and is started again signal=Killed" in path.read_text())
        wait_for(lambda: path.read_text().rstrip().rpartition("started again")[2].count(" info ready ") == 1)
        path.rename(old)
        ballast.send_signal(signal.SIGUSR1)
        wait_for(lambda: path.exists() and "log is reopened" in path.read_text())
    assert "died" not in ballast.stderr
