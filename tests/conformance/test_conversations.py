"""What takes more than one message: 100-continue, idle connections that die, second tries, time-outs, streaming."""

import json
import threading

import pytest

from corpus.case import HOST, forward, request
from harness.client import Client, parse_fields
from harness.waiting import has_ipv6, wait_for
from harness.worker import CLOSE, OK, READ_BODY, RESET, Script, signal, wait
from judge import COLD, assert_ours, expected_head

GET = request(b"GET /talk HTTP/1.1")
POST = request(b"POST /talk HTTP/1.1", b"Content-Length: 5", body=b"hello")
EXPECT = request(b"POST /talk HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 5")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def warm(bench):
    """Leave one idle connection to the worker, and forget the request that made it."""
    bench.cool()
    assert bench.ballast.get("/warm").status == 200
    return bench.take()[0].connection


# 100-continue: RFC 9110 section 10.1.1.

def test_continue_is_passed_and_the_body_follows(bench):
    bench.worker.play(Script((CONTINUE, READ_BODY, OK), early=True))
    with bench.ballast.connect() as client:
        client.send(EXPECT)
        assert client.read_head()[0] == 100
        assert bench.worker.requests[0].complete is False
        client.send(b"hello")
        assert client.read_answer().status == 200
        bench.assert_serves(client)
    assert bench.take()[0].body == b"hello"


def test_a_final_answer_instead_of_continue_needs_no_body(bench):
    refusal = b"HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
    bench.worker.play(Script((refusal, CLOSE), early=True))
    with bench.ballast.connect() as client:
        client.send(EXPECT)
        answer = client.read_answer()
        assert (answer.status, answer.body, answer.interim) == (417, b"no", [])
        assert client.ended() == b""
    assert bench.take()[0].body == b""


def test_continue_from_an_http_1_0_client_is_ignored(bench):
    bench.worker.play(Script((CONTINUE, READ_BODY, OK), early=True))
    with bench.ballast.connect() as client:
        client.send(EXPECT.replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello")
        assert client.read_answer(version=b"1.0").status == 200
    assert bench.take()[0].body == b"hello"


# Idle connections to the worker: RFC 9112 section 9.3.1, RFC 9110 section 9.2.2, design section 8.

def test_a_worker_that_closes_its_idle_connection_costs_nothing(bench):
    connection = warm(bench)
    bench.worker.play(Script((OK, CLOSE)))
    assert bench.ballast.get("/talk").status == 200
    wait_for(lambda: connection in bench.worker.ended, what="the worker to close the connection")
    answer = bench.ballast.ask(POST)
    assert (answer.status, answer.body) == (200, b"ok")
    assert [r.connection == connection for r in bench.take()] == [True, False]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
def test_a_repeatable_request_on_a_dead_idle_connection_is_sent_again(bench, method, end):
    connection = warm(bench)
    bench.worker.play(Script((end,)), Script((b"HTTP/1.1 204 No Content\r\n\r\n",)))
    answer = bench.ballast.ask(request(method.encode() + b" /talk HTTP/1.1"), method.encode())
    assert answer.status == 204
    first, second = bench.take()
    assert first.connection == connection != second.connection
    assert first.head == second.head, "the second try must be the same request"


def test_a_repeatable_request_with_a_small_body_is_sent_again(bench):
    warm(bench)
    bench.worker.play(Script((CLOSE,)))
    answer = bench.ballast.ask(request(b"PUT /talk HTTP/1.1", b"Content-Length: 5", body=b"hello"))
    assert answer.status == 200
    assert [r.body for r in bench.take()] == [b"hello", b"hello"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "BREW"])
def test_a_request_that_may_not_be_repeated_is_not(bench, method):
    warm(bench)
    bench.worker.play(Script((CLOSE,)))
    answer = bench.ballast.ask(request(method.encode() + b" /talk HTTP/1.1", b"Content-Length: 5", body=b"hello"))
    assert_ours(answer, (502,), "connection_closed")
    assert len(bench.take()) == 1


def test_nothing_is_sent_again_after_a_byte_of_answer(bench):
    warm(bench)
    bench.worker.play(Script((b"H", CLOSE)))
    assert_ours(bench.ballast.ask(GET), (502,))
    assert len(bench.take()) == 1


def test_bytes_on_an_idle_connection_are_never_an_answer(bench):
    """RFC 9112 section 9.2: an answer without a request; the connection is worthless."""
    connection = warm(bench)
    late, sent = threading.Event(), threading.Event()
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    bench.worker.play(Script((OK, wait(late), evil, signal(sent))))
    assert bench.ballast.get("/talk").body == b"ok"
    late.set()
    assert sent.wait(10)
    wait_for(lambda: connection in bench.worker.ended, what="the balancer to close the connection")
    answer = bench.ballast.get("/talk")
    assert (answer.status, answer.body) == (200, b"ok")
    assert [r.connection == connection for r in bench.take()] == [True, False]


# Two workers: what is tried again goes to the other one.

def pair_play(pair, script):
    """The first worker plays this once, on a connection of its own; all else is a plain 200."""
    for worker in pair.workers:
        worker.default = COLD
    for _ in pair.workers:
        assert pair.ballast.get("/cold").status == 200
    first = len(pair.worker.take()), len(pair.workers[1].take())
    assert first == (1, 1), "two workers in turn"
    pair.worker.play(script)
    pair.workers[1].play()


def taken(pair):
    return [len(worker.take()) for worker in pair.workers]


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
def test_a_get_that_a_worker_drops_is_tried_at_the_other(pair, end):
    pair_play(pair, Script((end,)))
    for _ in range(2):
        answer = pair.ballast.get("/talk")
        assert (answer.status, answer.body) == (200, b"ok")
    counts = taken(pair)
    assert sum(counts) == 3 and min(counts) >= 1, counts


def test_a_post_that_a_worker_drops_is_not_tried_at_the_other(pair):
    pair_play(pair, Script((CLOSE,)))
    statuses = sorted(pair.ballast.ask(POST).status for _ in range(2))
    assert statuses == [200, 502]
    assert taken(pair) == [1, 1]


def test_an_answer_of_500_is_not_tried_at_the_other(pair):
    pair_play(pair, Script((b"HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",)))
    statuses = sorted(pair.ballast.get("/talk").status for _ in range(2))
    assert statuses == [200, 500]
    assert taken(pair) == [1, 1]


# Time-outs of the client's side: RFC 9110 section 15.5.9.

def test_a_head_that_does_not_end_is_answered_408(bench):
    with bench.ballast.connect() as client:
        client.send(GET[:-2])
        assert_ours(client.read_answer(), (408,), "request_head_timeout")
        assert client.ended() == b""


def test_a_body_that_does_not_come_is_answered_408(bench):
    bench.begun.add(POST.split(b"\r\n")[0])
    with bench.ballast.connect() as client:
        client.send(POST[:-2])
        assert_ours(client.read_answer(), (408,), "request_body_timeout")
        assert client.ended() == b""
    assert bench.take() == []


def test_a_client_that_leaves_inside_its_body_is_no_failure(bench):
    bench.begun.add(POST.split(b"\r\n")[0])
    before = bench.ballast.metrics()
    with bench.ballast.connect() as client:
        client.send(POST[:-2])
        wait_for(lambda: bench.worker.requests, what="the request's beginning at the worker")
    after = wait_for(lambda: (m := bench.ballast.metrics())["requests_aborted"] > before["requests_aborted"] and m)
    assert after["requests_failed"] == before["requests_failed"]
    assert bench.take() == []


# Streaming: neither side waits for the whole of a body.

def test_an_answer_is_passed_on_as_it_comes(bench):
    go = threading.Event()
    bench.worker.play(Script((b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", wait(go), b"world")))
    with bench.ballast.connect() as client:
        client.send(GET)
        assert client.read_head()[0] == 200
        assert client.stream.take(5) == b"hello"
        go.set()
        assert client.stream.take(5) == b"world"
        bench.assert_serves(client)
    bench.take()


@pytest.mark.parametrize("fields, pieces", [
    ((b"Content-Length: 10",), (b"hello", b"world")),
    ((b"Transfer-Encoding: chunked",), (b"5\r\nhello\r\n", b"5\r\nworld\r\n0\r\n\r\n")),
], ids=["length", "chunked"])
def test_a_request_is_passed_on_as_it_comes(bench, fields, pieces):
    """The worker answers 103 when it has the head: the client sends the rest only then."""
    bench.worker.play(Script((b"HTTP/1.1 103 Early Hints\r\n\r\n", READ_BODY, OK), early=True))
    with bench.ballast.connect() as client:
        client.send(request(b"POST /talk HTTP/1.1", *fields, body=pieces[0]))
        assert client.read_head()[0] == 103
        client.send(pieces[1])
        assert client.read_answer().status == 200
        bench.assert_serves(client)
    assert bench.take()[0].body == b"helloworld"


# Answers of our own.

@pytest.mark.parametrize("accept, kind", [
    (None, b"text/plain"), (b"*/*", b"text/plain"), (b"image/png", b"text/plain"),
    (b"application/json", b"application/json"), (b"text/html", b"text/html"),
    (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", b"text/html"),
])
def test_the_body_of_our_answers_follows_accept(bench, accept, kind):
    bench.cool()
    bench.worker.play(Script((CLOSE,)))
    answer = bench.ballast.ask(request(b"GET /talk HTTP/1.1", *([b"Accept: " + accept] if accept else [])))
    assert answer.status == 502
    assert answer.fields.one(b"content-type").split(b";")[0] == kind
    assert b"closed the connection" in answer.body
    if kind == b"application/json":
        assert "closed the connection" in json.loads(answer.body)["detail"]
    bench.take()


def test_our_answer_to_head_has_no_body(bench):
    with bench.ballast.connect() as client:
        client.send(b"HEAD /talk HTTP/1.1\r\n" + HOST + b"Expect: the-unexpected\r\nConnection: close\r\n\r\n")
        assert client.read_answer(b"HEAD").status == 417
        assert client.ended() == b""


def test_request_ids_differ(bench):
    with bench.ballast.connect() as client:
        client.send(GET * 50)
        for _ in range(50):
            assert client.read_answer().status == 200
    heads = [parse_fields(r.head.split(b"\r\n", 1)[1][:-2]) for r in bench.take()]
    assert len({fields.one(b"x-request-id") for fields in heads}) == 50


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_an_ipv6_client_is_quoted_in_forwarded(bench):
    """RFC 7239 section 6: an IPv6 address stands in brackets and quotes."""
    address = bench.ballast.config["listeners"][1]["address"]
    with Client(("::1", int(address.rpartition(":")[2]))) as client:
        client.send(GET)
        assert client.read_answer().status == 200
    got = bench.take()[0].head
    assert got == expected_head(forward(b"GET /talk HTTP/1.1").head, got, ip=b"::1")
