"""The access log: one line for each request, in both formats, wherever it goes, and after a rotation."""

import json
import re
import signal
import subprocess

import pytest

from harness.ballast import Ballast, settings
from harness.programs import Program, Steadily
from harness.waiting import free_port, wait_for
from harness.worker import Script

NAMES = ["id", "client", "method", "host", "target", "path", "protocol", "status", "by", "reason", "pool", "worker",
         "tries", "bytes_in", "bytes_out", "queue_us", "connect_us", "first_byte_us", "total_us", "reused", "trace",
         "span"]
NUMBERS = {"status", "tries", "bytes_in", "bytes_out", "queue_us", "connect_us", "first_byte_us", "total_us", "reused"}
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
POST = (b"POST /path?q=1 HTTP/1.1\r\nHost: shop.example\r\nX-Request-ID: abc-123\r\nContent-Length: 5\r\n\r\nhello")


def lines_of(path, count):
    wait_for(lambda: path.exists() and path.read_text().count("\n") >= count, what=f"{count} lines in {path.name}")
    text = path.read_text()
    assert text.endswith("\n")
    return text.splitlines()


def parse_text(line):
    """A time, then name=value; a value that would be ambiguous is quoted."""
    stamp, _, rest = line.partition(" ")
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)', rest)
    assert " ".join("=".join(pair) for pair in pairs) == rest, f"not all name=value: {line!r}"
    return {"time": stamp, **{name: int(value) if name in NUMBERS else value for name, value in pairs}}


PARSERS = {"text": parse_text, "json": json.loads}


@pytest.fixture
def logged(demo, balance, tmp_path):
    """A balancer with an access log in this format, and its path."""
    def start(form="json"):
        path = tmp_path / "access.log"
        worker = {"address": demo().address, "name": "blue"}
        return balance(worker, access_log={"path": str(path), "format": form}), path
    return start


@pytest.mark.parametrize("form", PARSERS)
def test_a_line_says_all_of_a_request(logged, form):
    ballast, path = logged(form)
    answer = ballast.ask(POST)
    line = PARSERS[form](lines_of(path, 1)[0])
    assert list(line) == ["time", *NAMES]
    assert re.fullmatch(STAMP, line["time"])
    known = {"id": "abc-123", "client": "127.0.0.1", "method": "POST", "host": "shop.example", "target": "/path?q=1",
             "path": "/path", "protocol": "HTTP/1.1", "status": 200, "by": "worker", "reason": "ok", "pool": "web",
             "worker": "blue", "tries": 1, "bytes_in": 5, "bytes_out": len(answer.body), "reused": 0}
    assert {name: line[name] for name in known} == known
    times = [line[name] for name in ("queue_us", "connect_us", "first_byte_us", "total_us")]
    assert times == sorted(times) and times[0] >= 0 and times[-1] < 10_000_000


@pytest.mark.parametrize("form", PARSERS)
def test_whatever_a_client_sends_a_line_stays_a_line(logged, form):
    """Quotes, backslashes, high bytes: nobody writes a line, or a field, that was not there."""
    ballast, path = logged(form)
    targets = [b'/"', b"/\\", b'/" status=200 by="x', b"/%0a", b"/caf\xc3\xa9", b"/\xff\xfe", b"/a=b", b"/'`$(x)"]
    statuses = []
    for target in targets:
        request = b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nX-Request-ID: bad id\r\nConnection: close\r\n\r\n"
        statuses.append(ballast.ask(request).status)
    lines = [PARSERS[form](line) for line in lines_of(path, len(targets))]
    assert len(lines) == len(targets)
    assert all(list(line) == ["time", *NAMES] for line in lines)
    assert sorted(line["status"] for line in lines) == sorted(statuses), "two reactors: in any order"
    assert "bad id" not in path.read_text(), "a malformed id is replaced"


@pytest.mark.parametrize("form", PARSERS)
def test_requests_that_are_refused_have_a_line(logged, form):
    ballast, path = logged(form)
    answer = ballast.ask(b"GET / HTTP/1.1\r\n\r\n")
    line = PARSERS[form](lines_of(path, 1)[0])
    assert (line["status"], line["reason"], line["by"], line["tries"]) == (answer.status, "bad_host", "ballast", 0)


def test_as_many_lines_as_requests(logged):
    ballast, path = logged()
    with ballast.connect() as client:
        for i in range(500):
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i)
            assert client.read_answer().status == 200
            if i % 100 == 0:
                ballast.get("/metrics")
    lines = [json.loads(line) for line in lines_of(path, 500)]
    assert [line["target"] for line in lines] == [f"/{i}" for i in range(500)], "in order, without /metrics"
    assert len({line["id"] for line in lines}) == 500
    assert ballast.metrics()["requests_total"] == 500


def test_lines_are_written_before_it_stops(logged):
    ballast, path = logged()
    for _ in range(20):
        ballast.get()
    ballast.stop()
    assert len(path.read_text().splitlines()) == 20


def test_rotation_loses_no_line(logged, tmp_path):
    """Rename, then USR1: what came before is in the old file, what comes after in the new, under traffic."""
    ballast, path = logged()
    with Steadily(ballast.get) as asking:
        for number in range(3):
            asking.wait_times(50)
            path.rename(tmp_path / f"old.{number}")
            ballast.send_signal(signal.SIGUSR1)
            wait_for(path.exists, what="a new access log")
        asking.wait_times(50)
    ballast.stop()
    files = [tmp_path / f"old.{number}" for number in range(3)] + [path]
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(lines) == asking.times and len({line["id"] for line in lines}) == asking.times
    assert path.stat().st_mode & 0o777 == 0o640


def test_off(demo, stack, ballast_path, tmp_path):
    """By default, and when said: no file, nothing on standard output."""
    for extra in ([], ["--access-log", "off"]):
        ballast = Ballast(ballast_path, arguments=[f"--worker={demo().address}", *extra])
        if not extra:
            at = ballast.command.index("--access-log")
            del ballast.command[at:at + 2]
        with ballast:
            assert ballast.wait_alive(1).get().status == 200
            assert list(ballast.path.iterdir()) == []


@pytest.mark.parametrize("form", PARSERS)
def test_standard_output(demo, stack, ballast_path, tmp_path, form):
    """For a container: lines on standard output, Ballast's own log on standard error."""
    port, config = free_port(), tmp_path / "ballast.yaml"
    config.write_text(json.dumps(settings([demo()], listeners=[f"127.0.0.1:{port}"],
                                          access_log={"path": "-", "format": form})))
    out = tmp_path / "out"
    with open(out, "w", encoding="utf-8") as file:
        program = stack.enter_context(Program(ballast_path, "run", "-c", config, stdout=file,
                                              stderr=subprocess.DEVNULL))
    asked = Ballast(ballast_path)
    stack.callback(asked.directory.cleanup)
    asked.address, asked.process = ("127.0.0.1", port), program.process
    wait_for(asked._answers, what="the balancer to listen")
    asked.wait_alive(1)
    for _ in range(3):
        assert asked.get().status == 200
    assert [PARSERS[form](line)["status"] for line in lines_of(out, 3)] == [200] * 3


def test_a_path_that_cannot_be_opened_stops_the_start(demo, ballast_path, tmp_path):
    done = subprocess.run([ballast_path, "run", "--listen", str(free_port()), "--worker", demo().address,
                           "--access-log", tmp_path / "absent" / "access.log"], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 1 and "access log cannot be opened" in done.stderr


def test_a_full_disk_stops_nothing(demo, balance):
    """Lines that cannot be written are counted."""
    ballast = balance(demo().address, access_log={"path": "/dev/full"})
    for _ in range(10):
        assert ballast.get().status == 200
    ballast.wait_metric("ballast_access_log_dropped_total", 10)


def test_sampled_lines_and_all_that_is_notable(balance, scripted, tmp_path):
    worker = scripted()
    worker.play_at(b"/bad", Script((b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",)))
    ballast = balance(worker, threads=1,
                      access_log={"path": str(tmp_path / "log"), "format": "json", "sample": "10%"})
    with ballast.connect() as client:
        for target in [b"/"] * 50 + [b"/bad"] * 3:
            client.send(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            client.read_answer()
    ballast.access_path = tmp_path / "log"
    assert sorted(line["status"] for line in ballast.wait_access(8)) == [200] * 5 + [503] * 3


def test_a_template_of_ones_own(logged):
    """What stands between quotes stays there, whatever clients send; the rest is one word or quoted."""
    ballast, path = logged('{client} - - [{time}] "{method} {target} {protocol}" {status} {bytes_out} "{referer}" '
                           '"{user_agent}" {worker} {{{total_us}}}')
    with ballast.connect() as client:
        client.send(b'GET /a?b HTTP/1.1\r\nHost: h\r\nReferer: http://r/"x\r\nUser-Agent: a" 500 "b\xff\r\n\r\n')
        answer = client.read_answer()
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        client.read_answer()
    first, second = lines_of(path, 2)
    begins = rf"127\.0\.0\.1 - - \[{STAMP}\] "
    assert re.fullmatch(begins + rf'"GET /a\?b HTTP/1\.1" 200 {len(answer.body)} '
                        r'"http://r/\\"x" "a\\" 500 \\"b\\ufffd" blue \{\d+\}', first), first
    assert re.fullmatch(begins + r'"GET / HTTP/1\.1" 200 \d+ "-" "-" blue \{\d+\}', second), second


@pytest.mark.parametrize("form, said", [
    ("{time} {stauts}", 'at its character 9: there is no field "stauts"; did you mean "status"?'),
    ('{time} "{method}', "at its character 8: this quote is never closed"),
    ("jsn", 'neither "text" nor "json"'),
])
def test_a_template_that_is_wrong_is_pointed_at(ballast_path, tmp_path, form, said):
    config = tmp_path / "ballast.yaml"
    config.write_text(f"pools: {{ web: {{ workers: [3001] }} }}\naccess_log:\n  path: log\n  format: '{form}'\n")
    done = subprocess.run([ballast_path, "check", "-c", config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20, check=False)
    assert done.returncode == 1 and f"{config}:4:11: access_log.format: " in done.stdout and said in done.stdout
