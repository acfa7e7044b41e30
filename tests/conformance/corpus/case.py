"""How a case is written down: what is sent, and exactly what must come out on the other side.

A clause is the section of RFC 9110 or RFC 9112 (or another RFC) that a case is about: "9112-5.1" is RFC 9112
section 5.1; "design-7" is a rule of ours that no RFC states, "design-8" what happens when things fail.

In expected bytes <ID> stands for a request id, <IP> for the client's address (<FOR>: as Forwarded has it) and <DATE>
for a date that we add. A body in chunked coding is compared by its content and its trailers, since where chunks end is
not part of a message; everything else is compared byte by byte.
"""

import dataclasses
import re

HOST = b"Host: test.example\r\n"
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclasses.dataclass(frozen=True)
class Forward:
    """One request as a worker must get it."""
    head: bytes
    body: bytes = b""
    trailers: bytes = b""


@dataclasses.dataclass(frozen=True)
class RequestCase:
    """Bytes from a client. First the `forwards` reach the worker, each answered with 200; then, when `status` is not
    0, an answer of ours with that status ends the matter, and nothing more reaches the worker.

    status   one status, or several where the RFC leaves the choice
    reason   what Proxy-Status must give as details (None: not looked at)
    closes   True: the balancer closes afterwards; False: the connection serves another request
    begun    a refused request's head may have been forwarded before its body turned out bad (never the whole request)
    method, version   how the client reads the answers: of the last request sent
    finish   the client ends its direction after sending
    """
    id: str
    clause: str
    send: bytes
    forwards: tuple = ()
    status: tuple = ()
    reason: str = None
    closes: bool = False
    begun: bool = False
    methods: tuple = (b"GET",)
    version: bytes = b"1.1"
    finish: bool = False


@dataclasses.dataclass(frozen=True)
class AnswerCase:
    """Bytes from a worker, and what the client must get.

    steps    what the worker plays (see harness/worker.py)
    head     the answer's head as the client must get it; with body and trailers
    interim  heads of the 1xx answers before it
    status   instead of head: an answer of ours with this status
    reason   what its Proxy-Status must give as details
    cut      the client must get some beginning of this head and body, and then an end that it can tell from a clean one
    closes   whether the client's connection ends after the answer
    reused   whether the worker's connection serves the next request (None: not looked at)
    """
    id: str
    clause: str
    steps: tuple
    head: bytes = b""
    body: bytes = b""
    trailers: bytes = b""
    interim: tuple = ()
    status: tuple = ()
    reason: str = None
    cut: bool = False
    closes: bool = False
    reused: bool = None
    request: bytes = b"GET /answer HTTP/1.1\r\n" + HOST + b"\r\n"
    early: bool = False


def lines(*fields):
    return b"".join(field + b"\r\n" for field in fields)


def request(line, *fields, host=b"test.example", body=b""):
    """A request's bytes: Host (unless None) first, then the given field lines."""
    head = [line] + ([] if host is None else [b"Host: " + host]) + list(fields)
    return lines(*head) + b"\r\n" + body


def forwarded_host(host):
    """host= of a Forwarded field: a token as it is, anything else quoted. RFC 7239 section 4."""
    return host if TOKEN.fullmatch(host) else b'"' + host + b'"'


def forward(line, *fields, host=b"test.example", via=b"1.1", request_id=b"<ID>", trailers_wanted=False, framing=(),
            upgrade=None, body=b"", trailers=b""):
    """A request as a worker must get it: Host, the client's end-to-end fields in order, what we add, framing."""
    added = [b"Via: " + via + b" ballast", b"X-Forwarded-For: <IP>", b"X-Forwarded-Proto: http"]
    if host:
        added += [b"X-Forwarded-Host: " + host,
                  b"Forwarded: for=<FOR>;host=" + forwarded_host(host) + b";proto=http"]
    else:
        added += [b"Forwarded: for=<FOR>;proto=http"]
    added += [b"X-Request-ID: " + request_id]
    if trailers_wanted:
        added += [b"TE: trailers"]
    if upgrade:
        added += [b"Upgrade: " + upgrade]
    added += list(framing)
    options = ([b"upgrade"] if upgrade else []) + ([b"TE"] if trailers_wanted else [])
    if options:
        added += [b"Connection: " + b", ".join(options)]
    head = lines(line, b"Host: " + host, *fields, *added) + b"\r\n"
    return Forward(head, body, trailers)


def passes(id, clause, send, *expected, **more):
    """A case whose request (or requests) must be forwarded."""
    return RequestCase(id, clause, send, forwards=tuple(expected), **more)


def refuses(id, clause, send, status, reason=None, *, after=(), closes=True, **more):
    """A case that must be answered by us with one of these statuses."""
    statuses = status if isinstance(status, tuple) else (status,)
    return RequestCase(id, clause, send, forwards=tuple(after), status=statuses, reason=reason, closes=closes, **more)


def to_client(line, *fields, via=b"1.1", framing=(b"Content-Length: 2",), connection=None):
    """An answer's head as a client must get it: the worker's end-to-end fields in order; Date if a final answer has
    none (RFC 9110 section 6.6.1); Via; framing; Connection."""
    dated = line[9:10] == b"1" or any(field.lower().startswith(b"date:") for field in fields)
    date = [] if dated else [b"Date: <DATE>"]
    last = [] if connection is None else [b"Connection: " + connection]
    return lines(line, *fields, *date, b"Via: " + via + b" ballast", *framing, *last) + b"\r\n"


def answers(id, clause, steps, head, body=b"ok", **more):
    """A case whose answer must reach the client."""
    return AnswerCase(id, clause, as_steps(steps), head=head, body=body, **more)


def fails(id, clause, steps, status, reason=None, **more):
    """A case whose answer must be replaced by one of ours."""
    return AnswerCase(id, clause, as_steps(steps), status=(status,), reason=reason, **more)


def cuts(id, clause, steps, head, body=b"", **more):
    """A case whose answer must end visibly incomplete."""
    return AnswerCase(id, clause, as_steps(steps), head=head, body=body, cut=True, closes=True, **more)


def as_steps(steps):
    return steps if isinstance(steps, tuple) else (steps,)
