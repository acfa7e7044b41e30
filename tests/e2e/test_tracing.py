"""Traces: continued or begun, told to workers, in the access log, and exported to a collector that may be away."""

import re
import time

import pytest

from harness.collector import Collector
from harness.waiting import free_port, wait_for
from harness.worker import CLOSE, Script

ID, PARENT = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
TOLD = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])\r\n")


def ask(ballast, target=b"/a?b=c", *fields):
    lines = b"".join(field + b"\r\n" for field in fields)
    return ballast.ask(b"GET " + target + b" HTTP/1.1\r\nHost: shop.example:8080\r\nConnection: close\r\n" + lines
                       + b"\r\n")


def told(worker, target=b"/a?b=c"):
    """What the worker was told: trace, parent and flags of each request for this target."""
    heads = [request.head for request in list(worker.requests) if request.target == target]
    return [TOLD.search(head).groups() for head in heads]


@pytest.fixture
def collector(stack):
    return stack.enter_context(Collector())


def test_a_trace_goes_on(balance, scripted, collector):
    """The caller's trace, its decision, and our span between caller and worker."""
    worker = scripted()
    ballast = balance({"address": worker.address, "name": "blue"},
                      tracing={"collector": collector.address, "ratio": "0%", "service": "edge"})
    ask(ballast, b"/a?b=c", b"traceparent: 00-" + ID + b"-" + PARENT + b"-01", b"tracestate: x=y", b"User-Agent: me/1",
        b"X-Request-ID: abc-1")
    ask(ballast, b"/quiet", b"traceparent: 00-" + ID + b"-" + PARENT + b"-00")
    (trace, ours, flags), = told(worker)
    assert (trace, flags) == (ID, b"01") and ours != PARENT
    assert b"\r\ntracestate: x=y\r\n" in worker.requests[-2].head
    assert told(worker, b"/quiet")[0][2] == b"00"
    span, = collector.wait()
    assert (span["traceId"], span["parentSpanId"], span["spanId"]) == (ID.decode(), PARENT.decode(), ours.decode())
    assert (span["name"], span["kind"], span["status"]) == ("GET", 2, {})
    took_ns = int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])
    assert 0 <= took_ns < 10e9 and abs(int(span["endTimeUnixNano"]) / 1e9 - time.time()) < 60
    known = {"http.request.method": "GET", "url.scheme": "http", "url.path": "/a", "url.query": "b=c",
             "server.address": "shop.example", "server.port": "8080", "client.address": "127.0.0.1",
             "user_agent.original": "me/1", "network.protocol.version": "1.1", "http.response.status_code": "200",
             "ballast.request_id": "abc-1", "ballast.pool": "web", "ballast.worker": "blue", "ballast.tries": "1"}
    assert {key: span["attributes"].get(key) for key in known} == known
    assert span["resource"]["service.name"] == "edge"
    assert collector.batches[0]["path"] == "/v1/traces" and collector.batches[0]["type"] == "application/json"
    line = ballast.wait_access_line(lambda line: line["id"] == "abc-1")
    assert (line["trace"], line["span"]) == (ID.decode(), ours.decode())
    ballast.wait_metric('ballast_trace_spans_total{result="sent"}', 1)


def test_a_trace_begins_here(balance, scripted, collector):
    """Without a caller's, or where strangers' are not continued."""
    worker = scripted()
    ballast = balance(worker, tracing={"collector": collector.address, "ratio": "100%", "incoming": "restart"})
    ask(ballast)
    ask(ballast, b"/a?b=c", b"traceparent: 00-" + ID + b"-" + PARENT + b"-00", b"tracestate: x=y")
    traces = told(worker)
    assert all(flags == b"01" for _, _, flags in traces) and ID not in {trace for trace, _, _ in traces}
    assert not any(b"tracestate" in request.head for request in worker.requests)
    spans = collector.wait(2)
    assert {span["traceId"].encode() for span in spans} == {trace for trace, _, _ in traces}
    assert not any("parentSpanId" in span for span in spans)


def test_failures_are_told(balance, scripted, collector):
    """What failed has its reason, each try its worker; HTTP/1.0, a method of its own."""
    first, second = scripted(), scripted()
    for worker in (first, second):
        worker.play_at(b"/a?b=c", Script((CLOSE,)))
    ballast = balance(first, second, limits={"tries": 2, "connections": 100},
                      tracing={"collector": collector.address, "ratio": "100%"})
    assert ask(ballast).status == 502
    span, = collector.wait()
    assert (span["status"], span["attributes"]["error.type"]) == ({"code": 2}, "connection_closed")
    assert (span["attributes"]["ballast.tries"], span["attributes"]["ballast.answered_by"]) == ("2", "ballast")
    workers = [event["attributes"][0]["value"]["stringValue"] for event in span["events"]]
    assert sorted(workers) == sorted(str(worker.port) for worker in (first, second))


def test_a_collector_that_is_busy_is_asked_again(balance, scripted, collector):
    """503 and its like are for later; what it will never take is given up, and counted."""
    collector.answers = [503, 429]
    ballast = balance(scripted(), tracing={"collector": collector.address, "ratio": "100%"})
    ask(ballast)
    collector.wait()
    assert collector.asked == 3 and len(collector.spans) == 1
    collector.answers = [400]
    ask(ballast)
    ballast.wait_metric('ballast_trace_spans_total{result="failed"}', 1)
    assert collector.asked == 4 and len(collector.spans) == 1


def test_a_dead_collector_costs_nothing(balance, scripted):
    """Spans wait for it, within bounds; what finds no room is counted. When it comes, it gets what has waited."""
    port = free_port()
    worker = scripted()
    ballast = balance(worker, tracing={"collector": f"127.0.0.1:{port}", "ratio": "100%"})
    with ballast.connect() as client:
        for _ in range(2500):
            client.send(b"GET /many HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.read_answer().status == 200
    wait_for(lambda: ballast.metrics()['ballast_trace_spans_total{result="dropped"}'] >= 2500 - 2048 - 256)
    with Collector(port) as collector:
        collector.wait(2048)
        dropped = ballast.metrics()['ballast_trace_spans_total{result="dropped"}']
        ballast.wait_metric('ballast_trace_spans_total{result="sent"}', 2500 - dropped, 20)
        assert len({span["spanId"] for span in collector.spans}) == 2500 - dropped


def test_what_is_left_is_sent_before_it_stops(balance, scripted, collector):
    ballast = balance(scripted(), tracing={"collector": collector.address, "ratio": "100%"})
    for _ in range(10):
        ask(ballast)
    ballast.settled_metrics()
    ballast.stop()
    assert len(collector.spans) == 10


def test_it_is_off_unless_asked_for(balance, scripted):
    """A caller's fields are a worker's business then, and passed on as they are."""
    worker = scripted()
    ballast = balance(worker)
    parent = b"traceparent: 00-" + ID + b"-" + PARENT + b"-01"
    ask(ballast, b"/a?b=c", parent, b"tracestate: x=y")
    ask(ballast, b"/none")
    assert parent + b"\r\n" in worker.requests[-2].head and b"traceparent" not in worker.requests[-1].head
    assert ballast.wait_access(2)[0]["trace"] == ""
