"""Raw answers of a worker against the real program: each reaches the client as exactly these bytes, is replaced by an
answer of ours, or is cut so that the client can tell."""

import pytest

from corpus import ANSWERS
from harness.client import CutShort, Stream, WasReset
from harness.worker import Script
from judge import assert_ours, expected_answer_head


class Replay:
    """Received bytes as a socket to read from again."""

    def __init__(self, data):
        self.data = data

    def recv(self, count):
        piece, self.data = self.data[:count], self.data[count:]
        return piece


def partial_content(head, raw):
    """(content so far, whether its framing says that it is whole) of a body that ended with the connection."""
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        try:
            Stream(Replay(raw)).take_chunked()
            return raw, True
        except CutShort:
            return chunks_so_far(raw), False
    if b"content-length: " in lower:
        length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
        return raw, len(raw) >= length
    return raw, None


def chunks_so_far(raw):
    stream, content = Stream(Replay(raw)), b""
    try:
        while True:
            size = int(stream.take_until(b"\r\n")[:-2], 16)
            content += stream.take(size)
            stream.take(2)
    except CutShort:
        return content + stream.buffer if b"\r\n" not in stream.buffer else content


def read_cut(client, case):
    """By a reset, which may overtake the head; what does arrive must be the beginning of the answer, and never look
    whole."""
    try:
        head = client.read_head()[3]
    except WasReset:
        assert case.head.startswith(client.stream.buffer.split(b"Date: ")[0])
        return
    assert head == expected_answer_head(case.head, head)
    raw = client.ended_by_reset()
    content, whole = partial_content(case.head, raw)
    assert not whole, f"a whole answer: {raw!r}"
    assert case.body.startswith(content)


def read_whole(client, case, method, version):
    answer = client.read_answer(method, version)
    assert tuple(answer.interim) == case.interim or (case.status and not case.interim)
    if case.status:
        assert_ours(answer, case.status, case.reason, method)
        return
    assert answer.head == expected_answer_head(case.head, answer.head)
    assert (answer.body, answer.trailers) == (case.body, case.trailers)


def assert_reuse(bench, case):
    """Whether the next request took the same connection to the worker."""
    requests = bench.take()
    if len(requests) < 2:
        answer = bench.ballast.get("/next")
        assert (answer.status, answer.body) == (200, b"ok")
        requests += bench.take()
    assert (requests[1].connection == requests[0].connection) == case.reused


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case.id)
def test_answer(bench, case):
    bench.cool()
    bench.worker.play(Script(case.steps, case.early))
    line = case.request.split(b"\r\n", 1)[0]
    with bench.ballast.connect() as client:
        client.send(case.request)
        if case.cut:
            read_cut(client, case)
        else:
            read_whole(client, case, line.split()[0], line[-3:])
        if case.closes and not case.cut:
            assert client.ended() == b""
        elif not case.closes and not case.status:
            bench.assert_serves(client)
    if case.reused is not None:
        assert_reuse(bench, case)
    bench.take()
