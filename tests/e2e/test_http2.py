"""HTTP/2 clients in front of HTTP/1 workers: real clients, bodies of every size, trailers, cuts, limits, the end."""

import hashlib
import random
import re
import subprocess
import threading

import pytest

from harness.h2 import (CANCEL, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, DataFrame, H2Client, PingFrame,
                        RstStreamFrame, SettingsFrame, WindowUpdateFrame, head)
from harness.waiting import wait_for
from harness.worker import CLOSE, OK, RESET, Script, wait
from test_real_clients import curl, tool

KNOWLEDGE = "--http2-prior-knowledge"
GAVE_UP = 55  # curl could not send


@pytest.fixture
def ballast(demo, balance):
    return balance(*demo(ports=(0, 0, 0)).addresses)


def client(ballast):
    return H2Client(ballast.address)


def test_curl(ballast):
    done = curl(ballast, KNOWLEDGE, "-D", "-", "-o", "/dev/null", "-w", "%{http_code} %{http_version} %{size_download}",
                path="/bytes/1000")
    assert done.stdout.splitlines()[-1] == b"200 2 1000"
    assert b"via: 1.1 ballast\r\n" in done.stdout
    line = ballast.wait_access_line(lambda line: line["target"] == "/bytes/1000")
    assert line["protocol"] == "HTTP/2" and line["reason"] == "ok" and line["bytes_out"] == 1000


def upload(ballast, path):
    """What curl gets for it. Up to its version 8.2 it gives up an upload over HTTP/2 now and then (curl/curl#10591)."""
    for times in range(1, 4):
        done = curl(ballast, KNOWLEDGE, "--data-binary", f"@{path}", "-H", "Content-Type: x/y", path="/echo",
                    check=False)
        lines = ballast.wait_access(times)
        if done.returncode != GAVE_UP:
            break
        assert lines[-1]["reason"] == "client_gone"
    assert done.returncode == 0, done.stderr
    return done.stdout, lines[-1]


@pytest.mark.parametrize("size", [0, 1, 65536, 20 << 20])
def test_curl_bodies_both_ways(ballast, tmp_path, size):
    body = random.Random(size).randbytes(size)
    (tmp_path / "body").write_bytes(body)
    echoed, line = upload(ballast, tmp_path / "body")
    assert hashlib.sha256(echoed).digest() == hashlib.sha256(body).digest()
    assert (line["bytes_in"], line["bytes_out"]) == (size, size)


def test_worker_gets_an_ordinary_request(scripted, balance):
    worker = scripted()
    ballast = balance(worker)
    with client(ballast) as h2:
        h2.ask(1, head(path="/p?q", extra=[("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x", "y")]))
        assert h2.answer(1).status == 200
    request, = worker.take()
    lines = request.head.split(b"\r\n")
    assert lines[0] == b"GET /p?q HTTP/1.1" and b"Host: test.example" in lines
    assert b"cookie: a=1; b=2" in lines and b"x: y" in lines and b"Via: 2 ballast" in lines
    assert b"TE: trailers" in lines and not any(b"ontent-" in line for line in lines)


def test_trailers_both_ways(scripted, balance):
    worker = scripted()
    worker.play(Script((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n",)))
    ballast = balance(worker)
    with client(ballast) as h2:
        h2.ask(1, head("POST"), b"abc", [("x-sent", "1"), ("host", "evil")])
        stream = h2.answer(1)
    assert stream.body == b"abc" and stream.heads[-1] == {"x-sum": "6"}
    request, = worker.take()
    assert request.body == b"abc"
    assert b"x-sent: 1" in request.trailers and b"evil" not in request.trailers


def test_head_204_304_and_continue(scripted, balance):
    worker = scripted()
    worker.play_at(b"/none", Script((b"HTTP/1.1 204 No Content\r\n\r\n",)))
    worker.play_at(b"/same", Script((b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",)))
    worker.play_at(b"/wait", Script((b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                     b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",), early=True))
    ballast = balance(worker)
    with client(ballast) as h2:
        h2.ask(1, head("HEAD"))
        assert h2.answer(1).heads[0]["content-length"] == "2" and h2.streams[1].body == b""
        h2.ask(3, head(path="/none"))
        assert h2.answer(3).status == 204
        h2.ask(5, head(path="/same"))
        assert h2.answer(5).status == 304 and h2.streams[5].heads[0]["content-length"] == "7"
        h2.send(h2.head_frame(7, head("POST", "/wait", extra=[("expect", "100-continue")]), end_stream=False))
        h2.until(lambda: 7 in h2.streams and len(h2.streams[7].heads) >= 2)
        assert [h[":status"] for h in h2.streams[7].heads[:2]] == ["100", "103"]
        h2.send(DataFrame(7, b"x", flags=["END_STREAM"]))
        assert h2.answer(7).status == 200


@pytest.mark.parametrize("ending", [CLOSE, RESET])
def test_a_cut_answer_is_a_reset_stream(scripted, balance, ending):
    worker = scripted()
    worker.play_at(b"/cut", Script((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", ending)))
    ballast = balance(worker)
    with client(ballast) as h2:
        h2.ask(1, head(path="/cut"))
        h2.ask(3)
        assert h2.answer(1).reset == INTERNAL_ERROR and not h2.streams[1].ended
        assert h2.answer(3).status == 200 and h2.goaway is None
    assert ballast.wait_access_line(lambda line: line["target"] == "/cut")["reason"] == "answer_cut"


def test_a_client_that_resets_is_aborted(scripted, balance):
    worker = scripted()
    worker.play_at(b"/hang", Script((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",), early=True))
    ballast = balance(worker)
    with client(ballast) as h2:
        h2.send(h2.head_frame(1, head("POST", "/hang"), end_stream=False))
        h2.until(lambda: 1 in h2.streams and h2.streams[1].body == b"half")
        h2.send(RstStreamFrame(1, CANCEL))
        assert ballast.wait_access_line(lambda line: line["target"] == "/hang")["reason"] == "client_gone"
        h2.ask(3)
        assert h2.answer(3).status == 200
    assert ballast.settled_metrics()["requests_aborted"] == 1


def test_early_answer_ends_the_upload(scripted, balance):
    worker = scripted()
    worker.play_at(b"/early", Script((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", CLOSE), early=True))
    ballast = balance(worker)
    with client(ballast) as h2:
        h2.send(h2.head_frame(1, head("POST", "/early"), end_stream=False))
        h2.until(lambda: 1 in h2.streams and h2.streams[1].reset is not None)
        assert h2.streams[1].status == 200 and h2.streams[1].ended and h2.streams[1].reset == NO_ERROR
        h2.ask(3)
        assert h2.answer(3).status == 200


def test_own_answers_and_metrics(ballast):
    with client(ballast) as h2:
        h2.ask(1, head(path="/metrics"))
        assert b"requests_total 0" in h2.answer(1).body
        h2.ask(5, head(extra=[("expect", "wonders")]))
        assert h2.answer(5).status == 417 and b"(reason: unknown_expectation, " in h2.streams[5].body
    ballast.wait_metric("ballast_http2_connections_total", 1)


def test_limits_of_heads_and_bodies(demo, balance):
    ballast = balance(*demo().addresses, limits={
        "header_bytes": "2KiB", "target_bytes": "1KiB", "headers": 10, "body_bytes": "1KiB"})
    with client(ballast) as h2:
        h2.ask(1, head(extra=[("x", "y" * 3000)]))
        assert h2.answer(1).status == 431
        h2.ask(3, head(extra=[("x", "y")] * 11))
        assert h2.answer(3).status == 431
        h2.ask(5, head("POST", "/echo", extra=[("content-length", "2000")]), b"z" * 2000)
        assert h2.answer(5).status == 413
        h2.ask(7, head("POST", "/echo"), b"z" * 1000)
        assert h2.answer(7).body == b"z" * 1000


def test_streams_above_the_cap_are_refused_unseen(scripted, balance):
    worker = scripted()
    ballast = balance(worker, http2={"streams": 10, "total_streams": 2}, threads=1)
    with client(ballast) as h2:
        for stream in (1, 3, 5):
            h2.send(h2.head_frame(stream, head("POST"), end_stream=False))
        assert h2.answer(5).reset == REFUSED_STREAM
        h2.send(DataFrame(1, b"", flags=["END_STREAM"]), DataFrame(3, b"", flags=["END_STREAM"]))
        assert h2.answer(1).status == 200 and h2.answer(3).status == 200
        assert h2.settings[3] == 10
    wait_for(lambda: ballast.metrics()['ballast_http2_streams_total{result="refused"}'] == 1, what="it to be counted")
    assert len(worker.take()) == 2


@pytest.mark.parametrize(("words", "beside"), [([], True), ([("priority", "u=3, i")], True),
                                               ([("priority", "u=3")], False)])
def test_a_long_answer_leaves_room_for_others(ballast, words, beside):
    """But where its client says (RFC 9218) that it wants one answer after the other."""
    with client(ballast) as h2:
        h2.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 10 << 20}))
        h2.ask(1, head(path="/bytes/5000000", extra=words))
        granted = 65535  # the connection's window
        assert h2.until(lambda: 1 in h2.streams and len(h2.streams[1].body) == granted)
        h2.ask(3, head(path="/bytes/30000", extra=words))
        assert h2.until(lambda: 3 in h2.streams)  # its head needs no window
        while granted < 1_000_000 and not h2.streams[3].ended:
            h2.send(WindowUpdateFrame(0, 20_000))
            granted += 20_000
            assert h2.until(lambda: h2.streams[3].ended
                            or sum(len(stream.body) for stream in h2.streams.values()) == granted)
        assert h2.streams[3].ended == beside and (len(h2.streams[1].body) < 500_000) == beside


def test_drain_lets_requests_end(scripted, balance):
    worker = scripted()
    ballast = balance(worker, timeouts={"drain": "20s"})
    with client(ballast) as h2:
        h2.send(h2.head_frame(1, head("POST"), end_stream=False))
        ballast.wait_metric("requests_active", 1)
        ballast.send_signal(15)
        assert h2.until(lambda: h2.goaways[-1:] == [(1, NO_ERROR)]), h2.goaways
        assert h2.goaways[0] == (2**31 - 1, NO_ERROR)
        h2.send(DataFrame(1, b"", flags=["END_STREAM"]))
        assert h2.answer(1).status == 200
        assert h2.end() == NO_ERROR
    assert ballast.process.wait(10) == 0


class Deaf(H2Client):
    """Never answers a PING, so nobody knows whether it has seen a GOAWAY."""

    def note(self, frame):
        if not isinstance(frame, PingFrame):
            super().note(frame)


def test_a_drain_does_not_wait_for_a_deaf_client(scripted, balance):
    ballast = balance(scripted(), timeouts={"drain": "60s"})
    with Deaf(ballast.address) as h2:
        h2.send(h2.head_frame(1, head("POST"), end_stream=False))
        ballast.wait_metric("requests_active", 1)
        ballast.send_signal(15)
        assert h2.until(lambda: h2.goaways)[0] == (2**31 - 1, NO_ERROR)
        assert h2.until(lambda: h2.goaways[-1:] == [(1, NO_ERROR)]), h2.goaways
        h2.send(DataFrame(1, b"", flags=["END_STREAM"]))
        assert h2.answer(1).status == 200
        assert h2.end() == NO_ERROR and not h2.reset
    assert ballast.process.wait(10) == 0


def test_a_drain_does_not_wait_for_a_deaf_client_that_is_answered(scripted, balance):
    held = threading.Event()
    worker = scripted()
    worker.play(Script((wait(held), OK)))
    ballast = balance(worker, timeouts={"drain": "60s"})
    with Deaf(ballast.address) as h2:
        h2.ask(1)
        ballast.wait_metric("requests_active", 1)
        ballast.send_signal(15)
        assert h2.until(lambda: h2.goaways)[0] == (2**31 - 1, NO_ERROR)
        held.set()
        assert h2.answer(1).status == 200
        assert h2.end() == NO_ERROR and not h2.reset
    assert ballast.process.wait(10) == 0


def test_without_http2(demo, balance):
    ballast = balance(*demo().addresses, http2={"enabled": False})
    assert curl(ballast, KNOWLEDGE, check=False).returncode != 0
    with H2Client(ballast.address) as h2:
        assert h2.socket.recv(12) == b"HTTP/1.1 505"
    assert ballast.get().status == 200


def test_nghttp(ballast):
    url = f"http://{ballast.address[0]}:{ballast.address[1]}"
    done = subprocess.run([tool("nghttp"), "-nsv", url + "/bytes/300000", url + "/", url + "/chunked"],
                          capture_output=True, text=True, timeout=30, check=True)
    assert "200" in done.stdout and "PROTOCOL_ERROR" not in done.stdout


def test_h2load(ballast):
    url = f"http://{ballast.address[0]}:{ballast.address[1]}/"
    done = subprocess.run([tool("h2load"), "-n3000", "-c20", "-m20", url], capture_output=True, text=True, timeout=60,
                          check=True)
    assert re.search(r"3000 total, 3000 started, 3000 done, 3000 succeeded, 0 failed, 0 errored", done.stdout)
    metrics = ballast.settled_metrics()
    counts = [count for name, count in metrics.items() if re.fullmatch(r"worker_\w+_requests", name)]
    assert metrics["requests_total"] == metrics["requests_ok"] == 3000 and counts == [1000] * 3
