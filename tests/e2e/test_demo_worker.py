"""The demo worker by itself, without a balancer: what every other test relies on when it puts one behind Ballast."""

import contextlib
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from harness.client import Client, CutShort
from harness.waiting import free_port, wait_for

PATTERN = bytes(range(ord("0"), ord("0") + 63)) + b"\n"
LISTENING = re.compile(r"worker (\S+) listening on 127\.0\.0\.1:(\d+)\n")


class DemoWorker:
    def __init__(self, process, ports, names):
        self.process, self.ports, self.names = process, ports, names

    def connect(self, index=0, timeout=20.0):
        return Client(("127.0.0.1", self.ports[index]), timeout)

    def get(self, target=b"/", method=b"GET", fields=b"", body=b"", index=0):
        with self.connect(index) as client:
            client.send(request(target, method, fields, body))
            return client.read_answer(method)


def request(target=b"/", method=b"GET", fields=b"", body=b"", version=b"1.1"):
    return method + b" " + target + b" HTTP/" + version + b"\r\nHost: w\r\n" + fields + b"\r\n" + body


def length_of(body):
    return b"Content-Length: %d\r\n" % len(body)


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture
def start(demo_worker_path, tmp_path):
    """Starts a worker with these options on a free port (or on as many as asked); ended and judged after the test."""
    with contextlib.ExitStack() as stack:
        def run(*options, ports=1):
            command = [str(demo_worker_path), *["--port=0"] * ports, *map(str, options)]
            errors = stack.enter_context(open(tmp_path / "stderr", "a+", encoding="utf-8"))
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            stack.callback(end, process, errors)
            said = [LISTENING.fullmatch(process.stdout.readline()) for _ in range(ports)]
            assert all(said)
            return DemoWorker(process, [int(line[2]) for line in said], [line[1] for line in said])
        yield run


def end(process, errors):
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(20)
    finally:
        process.kill()
        process.stdout.close()
    errors.seek(0)
    assert (code, errors.read()) == (0, "")


def refused(path, *options):
    done = subprocess.run([str(path), *options], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("ballast-worker: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_says_who_it_is(start):
    worker = start("--name", "blue", ports=2)
    assert worker.names == ["blue", str(worker.ports[1])]
    for index in range(2):
        answer = worker.get(b"/some/path?q=1", index=index)
        name = worker.names[index].encode()
        assert answer.status == 200 and answer.framing == "length"
        assert answer.fields.one(b"X-Worker") == name
        assert answer.fields.one(b"Content-Type") == b"text/plain"
        assert answer.fields.one(b"Date").endswith(b" GMT")
        assert answer.body == b"worker %s on port %d: GET /some/path?q=1\n" % (name, worker.ports[index])


@pytest.mark.parametrize("options,words", [
    ([], "no --port"),
    (["--port", "70000"], "from 0 to 65535"),
    (["--port", "x"], "from 0 to 65535"),
    (["--prot", "3001"], "did you mean --port"),
    (["--xyzzyx"], "--help"),
    (["3001"], "not an option"),
    (["--port"], "needs a value"),
    (["--port", "0", "--chunked=1"], "takes no value"),
    (["--port", "0", "--status", "99"], "from 200 to 599"),
    (["--port", "0", "--trailers"], "needs --chunked"),
    (["--port", "0", "--chunked", "--http10"], "excludes"),
    (["--port", "0", "--truncate-after", "1", "--reset-after", "1"], "exclude"),
    (["--port", "0", "--name", "a", "--name", "b"], "more names than ports"),
    (["--port", "0", "--name", "a b"], "visible"),
    (["--port", "0", "--bind", "nowhere"], "not an address"),
])
def test_refuses_wrong_options(demo_worker_path, options, words):
    assert words in refused(demo_worker_path, *options)


def test_says_that_the_port_is_in_use(demo_worker_path):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is already in use" in refused(demo_worker_path, "--port", str(port))


def test_help_names_every_option(demo_worker_path):
    done = subprocess.run([str(demo_worker_path), "--help"], capture_output=True, text=True, timeout=20, check=True)
    for option in ("port bind name delay-ms status body-bytes chunked trailers close-delimited close-after "
                   "keep-alive-ms truncate-after reset-after health-status health-delay-ms slow-bytes-per-s "
                   "no-answer http10 early").split():
        assert f"--{option} " in done.stdout


def test_int_exits_with_0_with_connections_open(start):
    worker = start()
    with worker.connect() as client:
        client.send(request())
        client.read_answer()
        worker.process.send_signal(signal.SIGINT)
        assert worker.process.wait(20) == 0
        assert client.ended() == b""


def test_health_and_its_switch(start):
    worker = start("--status", 500)
    assert worker.get(b"/health").body == b"ok\n"
    worker.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: worker.get(b"/health").status == 503, what="health 503")
    worker.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: worker.get(b"/health").status == 200, what="health 200")
    assert worker.get(b"/").status == 500


def test_health_options(start):
    worker = start("--health-status", 500, "--health-delay-ms", 50)
    began = time.monotonic()
    assert worker.get(b"/health").status == 500
    assert time.monotonic() - began >= 0.05


def test_post_counts_what_it_got(start):
    worker = start()
    body = b"x" * 100000
    assert worker.get(b"/", b"POST", length_of(body), body).body.endswith(b": POST /\ngot 100000 bytes\n")
    assert worker.get(b"/", b"POST", b"Content-Length: 0\r\n").body.endswith(b"got 0 bytes\n")
    chunks = b"3;ext=1\r\nabc\r\n10000\r\n" + b"y" * 65536 + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
    assert worker.get(b"/", b"PUT", CHUNKED, chunks).body.endswith(b"got 65539 bytes\n")


def test_echo_streams_with_a_length(start):
    body = PATTERN * 4000
    with start().connect() as client:
        client.send(request(b"/echo", b"POST", length_of(body)) + body[:1000])
        status, _, fields, _ = client.read_head()
        assert (status, fields.one(b"Content-Length")) == (200, b"%d" % len(body))
        assert client.stream.take(1000) == body[:1000]  # before the rest is sent
        client.send(body[1000:])
        assert client.stream.take(len(body) - 1000) == body[1000:]


def test_echo_streams_chunks_and_trailers(start):
    with start().connect() as client:
        client.send(request(b"/echo", b"POST", CHUNKED) + b"3\r\nabc\r\n")
        _, _, fields, _ = client.read_head()
        assert fields.one(b"Transfer-Encoding") == b"chunked"
        assert client.stream.take(8) == b"3\r\nabc\r\n"
        client.send(b"2\r\nde\r\n0\r\nX-Sum: 5\r\nContent-Length: 9\r\n\r\n")
        assert client.stream.take_chunked() == (b"de", b"X-Sum: 5\r\n")
        client.send(request(b"/x"))
        assert client.read_answer().status == 200


def test_echo_holds_little_of_a_body_nobody_reads_back(start):
    worker = start()
    with worker.connect(timeout=0.5) as client:
        client.send(request(b"/echo", b"POST", b"Content-Length: 1000000000000\r\n"))
        with pytest.raises(TimeoutError):
            for _ in range(4000):
                client.sock.sendall(b"x" * 65536)
        assert resident_bytes(worker.process.pid) < 128 << 20


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def peak_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1]) * 1024


def test_headers_shows_the_head_as_received(start):
    head = request(b"/headers?a=%20", b"GET", b"x-odd:   1  \r\nX-oDD: 2\r\n")
    with start().connect() as client:
        client.send(head)
        assert client.read_answer().body == head


def test_page_has_a_head_of_twenty_fields(start):
    answer = start().get(b"/page")
    assert answer.status == 200 and len(answer.fields.lines) == 20
    assert len(answer.fields.all(b"Set-Cookie")) == 2


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 65535, 65536, 65537, 1000000])
@pytest.mark.parametrize("options", [(), ("--chunked",), ("--close-delimited",)])
def test_bytes_of_every_size_and_framing(start, size, options):
    answer = start(*options, "--status", 500, "--truncate-after", 10).get(b"/bytes/%d" % size)
    assert answer.status == 200
    assert answer.framing == {(): "length", ("--chunked",): "chunked", ("--close-delimited",): "close"}[options]
    assert answer.body == (PATTERN * (size // 64 + 1))[:size]


def test_5_gib_in_constant_memory(start):
    worker = start()
    size = 5 << 30
    scratch = bytearray(1 << 20)
    with worker.connect() as client:
        client.send(request(b"/bytes/%d" % size, fields=b"Connection: close\r\n"))
        assert client.read_head()[0] == 200
        left = size - len(client.stream.buffer)
        while left > 0:
            got = client.sock.recv_into(scratch)
            assert got > 0
            left -= got
        assert left == 0 and peak_bytes(worker.process.pid) < 128 << 20


@pytest.mark.parametrize("target,status", [
    (b"/status/404", 404), (b"/status/204", 204), (b"/status/304", 304), (b"/status/599", 599), (b"/status/100", 400),
    (b"/status/x", 400), (b"/bytes/-1", 400), (b"/?status=418", 418), (b"/?a=b&status=503&c", 503),
    (b"/?status=1", 400), (b"/?status=", 200),
])
def test_status(start, target, status):
    with start().connect() as client:
        client.send(request(target) + request(b"/behind"))
        assert client.read_answer().status == status
        assert client.read_answer().body.endswith(b"GET /behind\n")


@pytest.mark.parametrize("options,target", [
    (("--delay-ms", 60), b"/"), ((), b"/delay/60"), ((), b"/?delay_ms=60"),
])
def test_delay(start, options, target):
    worker = start(*options)
    began = time.monotonic()
    assert worker.get(target).status == 200
    assert time.monotonic() - began >= 0.06


def test_body_bytes_and_status_of_every_answer(start):
    answer = start("--body-bytes", 200, "--status", 201).get(b"/any")
    assert (answer.status, answer.body) == (201, (PATTERN * 4)[:200])


def test_chunked_with_trailers(start):
    answer = start("--chunked", "--trailers", "--body-bytes", 300000).get()
    assert answer.framing == "chunked" and len(answer.body) == 300000
    assert answer.fields.one(b"Trailer") == b"X-Bytes"
    assert answer.trailers == b"X-Bytes: 300000\r\n"


def test_chunked_by_query_and_never_to_http10(start):
    worker = start()
    assert worker.get(b"/?chunked=1").framing == "chunked"
    with worker.connect() as client:
        client.send(request(b"/?chunked=1", version=b"1.0"))
        answer = client.read_answer(version=b"1.0")
        assert answer.framing == "close" and answer.body.endswith(b"GET /?chunked=1\n")


def test_head_has_the_head_alone(start):
    worker = start()
    for target in (b"/bytes/1000", b"/?chunked=1", b"/echo"):
        with worker.connect() as client:
            client.send(request(target, b"HEAD") + request(b"/behind"))
            assert client.read_answer(b"HEAD").status == 200
            assert client.read_answer().body.endswith(b"GET /behind\n")


def test_pipelined_requests_are_answered_in_order(start):
    with start().connect() as client:
        client.send(b"".join(request(b"/%d" % i, b"POST", length_of(b"abc"), b"abc") for i in range(500)))
        for i in range(500):
            assert client.read_answer().body.endswith(b"POST /%d\ngot 3 bytes\n" % i)


def test_a_request_byte_by_byte(start):
    with start().connect() as client:
        client.send(request(b"/slow", b"POST", CHUNKED, b"1\r\na\r\n0\r\nT: 1\r\n\r\n"), bytewise=True)
        assert client.read_answer().body.endswith(b"got 1 bytes\n")


def test_expect_continue(start):
    with start().connect() as client:
        client.send(request(b"/", b"POST", b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        assert client.read_head()[0] == 100
        client.send(b"abc")
        assert client.read_answer().body.endswith(b"got 3 bytes\n")


def test_persistence_by_version_and_request(start):
    worker = start()
    for version, field, kept in ((b"1.1", b"", True), (b"1.1", b"Connection: close\r\n", False),
                                 (b"1.0", b"", False), (b"1.0", b"Connection: keep-alive\r\n", True)):
        with worker.connect() as client:
            client.send(request(b"/", fields=field, version=version))
            answer = client.read_answer(version=version)
            said = answer.fields.one(b"Connection", b"")
            assert said == {(b"1.1", True): b"", (b"1.0", True): b"keep-alive"}.get((version, kept), b"close")
            if kept:
                client.send(request(b"/again"))
                assert client.read_answer().status == 200
            else:
                assert client.ended() == b""


def test_close_after_n_answers(start):
    with start("--close-after", 3).connect() as client:
        client.send(request() * 5)
        answers = [client.read_answer() for _ in range(3)]
        assert [answer.fields.one(b"Connection") for answer in answers] == [None, None, b"close"]
        assert client.ended() == b""


def test_idle_connections_are_closed_in_time(start):
    with start("--keep-alive-ms", 100).connect() as client:
        client.send(request())
        client.read_answer()
        began = time.monotonic()
        assert client.ended() == b"" and time.monotonic() - began >= 0.05


@pytest.mark.parametrize("options", [("--body-bytes", 1000), ("--body-bytes", 1000, "--chunked")])
@pytest.mark.parametrize("stop", ["--truncate-after", "--reset-after"])
def test_dies_inside_the_body(start, options, stop):
    worker = start(*options, stop, 100)
    with worker.connect() as client:
        client.send(request())
        client.read_head()
        rest = client.ended_by_reset() if stop == "--reset-after" else client.ended()
        assert rest == ((b"64\r\n" + (PATTERN * 2)[:100] + b"\r\n") if "--chunked" in options
                        else (PATTERN * 2)[:100])
    assert worker.get(b"/health").status == 200


def test_a_whole_body_is_not_cut(start):
    assert len(start("--body-bytes", 100, "--truncate-after", 100).get().body) == 100
    with pytest.raises(CutShort):
        start("--body-bytes", 100, "--chunked", "--truncate-after", 100).get()


def test_slow_body(start):
    worker = start("--slow-bytes-per-s", 2000, "--body-bytes", 400)
    began = time.monotonic()
    assert len(worker.get().body) == 400
    # Four pieces of 50 ms: three pauses before the last byte, each to the millisecond of the clock it is set by.
    assert 3 * 0.049 <= time.monotonic() - began < 5


def test_no_answer(start):
    worker = start("--no-answer")
    assert worker.get(b"/health").status == 200
    with worker.connect(timeout=0.2) as client:
        client.send(request())
        with pytest.raises(TimeoutError):
            client.stream.fill()


def test_http10(start):
    with start("--http10").connect() as client:
        client.send(request())
        raw = client.stream.rest()
        assert raw.startswith(b"HTTP/1.0 200 OK\r\n") and b"Connection: close\r\n" in raw
        assert b"chunked" not in raw and raw.endswith(b": GET /\n")


def test_early_answer_and_the_body_is_read_anyway(start):
    with start("--early").connect() as client:
        body = b"x" * 100000
        client.send(request(b"/", b"POST", length_of(body)))
        assert client.read_answer().body.endswith(b"POST /\n")
        client.send(body + request(b"/behind"))
        assert client.read_answer().body.endswith(b"GET /behind\n")


@pytest.mark.parametrize("raw,status", [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no-host"),
    pytest.param(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, id="version"),
    pytest.param(b"\x16\x03\x01\r\n\r\n", 400, id="tls"),
    pytest.param(request(b"/", b"POST", b"Content-Length: 1x\r\n"), 400, id="length"),
    pytest.param(request(fields=b"X: " + b"a" * 70000 + b"\r\n"), 431, id="head-size"),
    pytest.param(request(b"/", b"POST", CHUNKED, b"zz\r\n"), 400, id="chunk-size"),
    pytest.param(request(b"/", b"POST", CHUNKED, b"0\r\nbad\r\n\r\n"), 400, id="trailer"),
])
def test_malformed_requests_are_refused(start, raw, status):
    with start().connect() as client:
        client.send(raw)
        answer = client.read_answer()
        assert answer.status == status and answer.fields.one(b"Connection") == b"close"
        assert client.ended() == b""


def test_half_closed_client_gets_its_answer(start):
    with start().connect() as client:
        client.send(request(b"/delay/50"))
        client.finish()
        assert client.read_answer().status == 200
        assert client.ended() == b""
