"""Raw requests against the real program: each is forwarded as exactly these bytes, or no worker sees it."""

import pytest

from corpus import REQUESTS
from judge import assert_ours

BYTEWISE_MAX = 2000


def run(bench, case, bytewise):
    if case.begun:
        bench.begun.add(case.send.split(b"\r\n")[0])
    with bench.ballast.connect() as client:
        client.send(case.send, bytewise)
        if case.finish:
            client.finish()
        answer = None
        for number in range(len(case.forwards)):
            answer = read(client, case, number)
            assert answer.status == 200, answer.head + answer.body
        if case.status:
            answer = read(client, case, len(case.forwards))
            assert_ours(answer, case.status, case.reason)
        requests = bench.take()
        if case.closes:
            assert answer.fields.one(b"connection") == b"close" or case.finish
            assert client.ended() == b"", "something follows the last answer"
        elif case.closes is False:
            assert answer.fields.one(b"connection", b"") != b"close"
            bench.assert_serves(client)
            bench.take()
    bench.assert_forwarded(requests, case.forwards)


def read(client, case, number):
    return client.read_answer(case.methods[min(number, len(case.methods) - 1)], case.version)


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.id)
def test_request(bench, case):
    run(bench, case, bytewise=False)


@pytest.mark.parametrize("case", [c for c in REQUESTS if len(c.send) <= BYTEWISE_MAX], ids=lambda case: case.id)
def test_request_byte_by_byte(bench, case):
    """The same bytes must mean the same however they are cut."""
    run(bench, case, bytewise=True)
