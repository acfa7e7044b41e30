"""The judges that all cases share: what reached the worker, what an answer of ours is like, and the numbers."""

import re

from harness.waiting import wait_for
from harness.worker import Script

PROXY_STATUS = re.compile(rb'ballast; error=([a-z_]+); details="([a-z_]+)"')
REQUEST_ID = re.compile(rb"X-Request-ID: ([A-Za-z0-9._-]{1,128})\r\n")
IMF_DATE = re.compile(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
ADDED_DATE = re.compile(rb"\r\nDate: (" + IMF_DATE.pattern + rb")\r\n")
NEXT = b"GET /next HTTP/1.1\r\nHost: test.example\r\n\r\n"
COLD = Script((b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",))


class Bench:
    """A balancer with its workers, and the checks that every case shares."""

    def __init__(self, ballast, *workers):
        self.ballast = ballast
        self.workers = workers
        self.worker = workers[0]
        self.begun = set()  # first lines of requests that were refused inside their bodies
        self.unfinished = []

    def start_case(self):
        """Forget what scripts are left over, and see that nothing came late."""
        self.end_case(failed=False)
        for worker in self.workers:
            worker.play()

    def end_case(self, failed):
        """Nothing may reach a worker, or may have been malformed there, but what the case looked at itself."""
        left = [request.head for worker in self.workers for request in self.take(worker)]
        faults = [worker.faults.pop() for worker in self.workers for _ in list(worker.faults)]
        assert failed or (left, faults) == ([], [])

    def take(self, worker=None):
        """The requests that reached the worker since the last call; beginnings of refused ones are set aside: they may
        show up late, and must never become whole."""
        taken = []
        for request in (worker or self.worker).take():
            line = request.head.split(b"\r\n")[0]
            stray = not request.complete and any(begun.startswith(line) for begun in self.begun)
            (self.unfinished if stray else taken).append(request)
        return taken

    def cool(self):
        """Leave no idle connection to the worker behind, so that the next request opens one."""
        self.worker.play(COLD)
        assert self.ballast.get("/cold").status == 200
        self.take()

    def assert_serves(self, client):
        """This connection takes another request."""
        self.worker.play()
        client.send(NEXT)
        answer = client.read_answer()
        assert (answer.status, answer.body) == (200, b"ok")

    def assert_forwarded(self, requests, forwards):
        """These requests, and nothing else, reached the worker."""
        assert [request.head for request in requests[len(forwards):]] == [], "what must be refused reached the worker"
        assert len(requests) == len(forwards), f"only {len(requests)} of {len(forwards)} requests reached the worker"
        for got, expected in zip(requests, forwards):
            assert got.complete, f"the worker did not get all of it: {got}"
            assert got.head == expected_head(expected.head, got.head)
            assert (got.body, got.trailers) == (expected.body, expected.trailers)

    def assert_over(self):
        """At the end: numbers add up, nothing came late, no worker was judged by its answers."""
        self.end_case(failed=False)
        assert [request for request in self.unfinished if request.complete] == []
        wait_for(lambda: self.ballast.metrics()["requests_active"] == 0, what="no active request")
        metrics = self.ballast.assert_accounts()
        alive = [value for name, value in metrics.items() if re.fullmatch(r"worker_\w+_alive", name)]
        assert alive == [1] * len(self.workers), "a worker's answers changed its health"


def expected_head(template, got, ip=b"127.0.0.1"):
    """The template with its variable parts as they must be; the request id is taken over when it is well formed."""
    found = REQUEST_ID.search(got)
    quoted = b'"[' + ip + b']"' if b":" in ip else ip
    head = template.replace(b"<IP>", ip).replace(b"<FOR>", quoted)
    return head.replace(b"<ID>", found.group(1)) if found else head


def expected_answer_head(template, got):
    """The template with the Date that we add where the worker's answer has none."""
    found = ADDED_DATE.search(got)
    return template.replace(b"<DATE>", found.group(1)) if found else template


def assert_ours(answer, status, reason=None, method=b"GET"):
    """An answer that Ballast makes itself, with all that belongs to it (RFC 9209, design section 8)."""
    assert answer.status in status, answer.head
    assert IMF_DATE.fullmatch(answer.fields.one(b"date", b"")), answer.head
    if answer.status < 400:
        return
    assert REQUEST_ID.search(answer.head), answer.head
    match = PROXY_STATUS.fullmatch(answer.fields.one(b"proxy-status", b""))
    assert match, answer.head
    if reason is not None:
        assert match.group(2).decode() == reason
    assert answer.fields.one(b"content-type", b"").startswith(b"text/plain"), answer.head
    assert re.fullmatch(rb"[^\r\n]*[A-Z][^\r\n]*\.[^\r\n]*\n?", answer.body) or method == b"HEAD", answer.body
