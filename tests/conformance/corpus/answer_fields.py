"""Field lines of workers' answers: RFC 9112 section 5, RFC 9110 sections 5 and 7.6. End-to-end ones pass unchanged."""

from .case import answers, fails, to_client

OK = b"HTTP/1.1 200 OK"
TAIL = b"Content-Length: 2\r\n\r\nok"


def answer(*fields):
    return OK + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + TAIL


def same(id, clause, *fields):
    return answers(id, clause, answer(*fields), to_client(OK, *fields))


def changed(id, clause, fields, kept=(), **more):
    return answers(id, clause, answer(*fields), to_client(OK, *kept), **more)


def bad(id, clause, *fields, reason="answer_malformed"):
    return fails(id, clause, answer(*fields), 502, reason)


CASES = [
    same("answer-fields-order-kept", "9110-5.3", b"x-b: 2", b"Set-Cookie: a=1", b"X-A: 1", b"set-cookie: b=2"),
    same("answer-obs-text-kept", "9110-5.5", b"X-A: caf\xc3\xa9 \xff"),
    same("answer-date-and-server-kept", "9110-6.6.1", b"Date: Sun, 06 Nov 1994 08:49:37 GMT", b"Server: w/1"),
    same("answer-request-id-kept", "design-7", b"X-Request-ID: the worker's own"),
    same("answer-content-encoding-kept", "9110-8.4", b"Content-Encoding: gzip", b"Vary: Accept-Encoding", b'ETag: "a"'),
    same("answer-via-grows", "9110-7.6.3", b"Via: 1.1 inner"),
    same("answer-empty-value", "9112-5", b"X-Empty: "),
    changed("answer-white-space-trimmed", "9112-5.1", [b"X-A:1", b"X-B: \t 2 \t"], [b"X-A: 1", b"X-B: 2"]),
    changed("answer-keep-alive-removed", "9110-7.6.1", [b"Connection: keep-alive", b"Keep-Alive: timeout=5"],
            reused=True),
    changed("answer-close-removed", "9112-9.6", [b"Connection: close"], reused=False),
    changed("answer-nominated-removed", "9110-7.6.1", [b"X-A: 1", b"Connection: X-A", b"X-B: 2"], [b"X-B: 2"]),
    changed("answer-nominated-close", "9112-9.6", [b"X-A: 1", b"Connection: x-a, Close"], reused=False),
    changed("answer-length-not-nominable", "9110-7.6.1", [b"Connection: Content-Length"]),
    changed("answer-proxy-connection-removed", "9110-7.6.1", [b"Proxy-Connection: keep-alive"]),
    changed("answer-upgrade-removed", "9110-7.8", [b"Upgrade: h2c", b"Connection: Upgrade"]),
    changed("answer-te-removed", "9110-7.6.1", [b"TE: trailers"]),

    bad("answer-space-before-colon", "9112-5.1", b"X-A : 1"),
    bad("answer-space-in-name", "9112-5.1", b"X A: 1"),
    bad("answer-no-colon", "9112-5", b"X-A"),
    bad("answer-name-empty", "9112-5", b": 1"),
    bad("answer-name-control", "9110-5.1", b"X\x01A: 1"),
    bad("answer-value-nul", "9110-5.5", b"X-A: a\x00b"),
    bad("answer-value-control", "9110-5.5", b"X-A: a\x01b"),
    bad("answer-value-bare-cr", "9112-2.2", b"X-A: a\rb"),
    bad("answer-splitting", "9112-2.2", b"X-A: a\rSet-Cookie: evil=1"),
    bad("answer-folded", "9112-5.2", b"X-A: a", b" b"),
    bad("answer-folded-tab", "9112-5.2", b"X-A: a", b"\tb"),
    bad("answer-white-space-first", "9112-2.2", b" X-A: a"),
    bad("answer-bare-lf", "9112-2.2", b"X-A: a\nX-B: b"),
    fails("answer-head-ends-in-bare-lf", "9112-2.2", OK + b"\r\nContent-Length: 2\r\n\nok", 502, "answer_malformed"),
    bad("answer-head-too-large", "design-8", b"X-A: " + b"v" * 9000, reason="answer_head_too_large"),
    bad("answer-too-many-fields", "design-8", *[b"X-%d: v" % i for i in range(60)], reason="answer_head_too_large"),
    fails("answer-head-without-end", "design-8", (OK + b"\r\nX-A: " + b"v" * 300000,), 502, "answer_head_too_large"),
]
