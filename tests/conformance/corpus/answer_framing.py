"""How workers' answers say where they end: RFC 9112 section 6."""

from harness.worker import CLOSE

from .case import HOST, answers, fails, to_client

OK = b"HTTP/1.1 200 OK"
GET_OLD = b"GET /answer HTTP/1.0\r\n" + HOST + b"\r\n"
GET_OLD_KEEP = b"GET /answer HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n"
HEAD = b"HEAD /answer HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKS = b"2\r\nok\r\n0\r\n\r\n"
CHUNKED = (b"Transfer-Encoding: chunked",)


def answer(*fields, body=b"ok", line=OK):
    return line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def bad(id, clause, *fields, body=b"ok", line=OK, reason="answer_framing"):
    return fails(id, clause, answer(*fields, body=body, line=line), 502, reason)


def length(id, *values):
    return bad(id, "9110-8.6", *[b"Content-Length: " + value for value in values], body=b"hello", reason=None)


def coding(id, *values, clause="9112-6.1", reason=None):
    return bad(id, clause, *[b"Transfer-Encoding: " + value for value in values], body=CHUNKS, reason=reason)


CASES = [
    answers("answer-length", "9112-6.2", answer(b"Content-Length: 2"), to_client(OK), reused=True),
    answers("answer-length-zero", "9112-6.2", answer(b"Content-Length: 0", body=b""),
            to_client(OK, framing=[b"Content-Length: 0"]), b"", reused=True),
    answers("answer-length-repeated-same", "9110-8.6", answer(b"Content-Length: 2", b"Content-Length: 2"),
            to_client(OK), reused=True),
    answers("answer-length-leading-zeros", "9110-8.6", answer(b"Content-Length: 0002"), to_client(OK), reused=True),
    answers("answer-length-moved-last", "9112-6.2", answer(b"Content-Length: 2", b"X-A: 1"), to_client(OK, b"X-A: 1")),
    answers("answer-chunked", "9112-7.1", answer(*CHUNKED, body=CHUNKS), to_client(OK, framing=CHUNKED), reused=True),
    answers("answer-chunked-any-case", "9112-7", answer(b"transfer-encoding: CHUNKED", body=CHUNKS),
            to_client(OK, framing=CHUNKED), reused=True),
    answers("answer-chunked-to-1.0-client", "9112-6.1", answer(*CHUNKED, body=CHUNKS),
            to_client(OK, framing=(), connection=b"close"), request=GET_OLD, closes=True),
    answers("answer-chunked-to-1.0-client-keep-alive", "9112-6.1", answer(*CHUNKED, body=CHUNKS),
            to_client(OK, framing=(), connection=b"close"), request=GET_OLD_KEEP, closes=True),
    answers("answer-length-to-1.0-client", "9112-9.3", answer(b"Content-Length: 2"),
            to_client(OK, connection=b"close"), request=GET_OLD, closes=True),
    answers("answer-length-to-1.0-client-keep-alive", "9112-C.2.2", answer(b"Content-Length: 2"),
            to_client(OK, connection=b"keep-alive"), request=GET_OLD_KEEP),
    answers("answer-length-to-closing-client", "9112-9.6", answer(b"Content-Length: 2"),
            to_client(OK, connection=b"close"), closes=True,
            request=b"GET /answer HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"),
    answers("answer-end-of-connection", "9112-6.3", (answer(), CLOSE), to_client(OK, framing=CHUNKED), reused=False),
    answers("answer-end-of-connection-empty", "9112-6.3", (answer(body=b""), CLOSE), to_client(OK, framing=CHUNKED),
            b"", reused=False),
    answers("answer-end-of-connection-keep-alive-said", "9112-6.3", (answer(b"Connection: keep-alive"), CLOSE),
            to_client(OK, framing=CHUNKED), reused=False),
    answers("answer-end-of-connection-to-1.0-client", "9112-6.3", (answer(), CLOSE),
            to_client(OK, framing=(), connection=b"close"), request=GET_OLD, closes=True),
    answers("answer-from-1.0-worker", "9110-7.6.3", (answer(line=b"HTTP/1.0 200 OK"), CLOSE),
            to_client(OK, via=b"1.0", framing=CHUNKED), reused=False),
    answers("answer-from-1.0-worker-length", "9112-9.3", answer(b"Content-Length: 2", line=b"HTTP/1.0 200 OK"),
            to_client(OK, via=b"1.0"), reused=False),
    answers("answer-from-1.0-worker-keep-alive", "9112-C.2.2",
            answer(b"Content-Length: 2", b"Connection: keep-alive", line=b"HTTP/1.0 200 OK"),
            to_client(OK, via=b"1.0"), reused=True),

    answers("answer-head-with-length", "9110-9.3.2", answer(b"Content-Length: 2", body=b""), to_client(OK), b"",
            request=HEAD, reused=True),
    answers("answer-head-without-framing", "9110-9.3.2", answer(b"X-A: 1", body=b""),
            to_client(OK, b"X-A: 1", framing=()), b"", request=HEAD, reused=True),
    answers("answer-no-content", "9110-15.3.5", answer(b"X-A: 1", body=b"", line=b"HTTP/1.1 204 No Content"),
            to_client(b"HTTP/1.1 204 No Content", b"X-A: 1", framing=()), b"", reused=True),
    answers("answer-no-content-with-length", "9110-8.6",
            answer(b"Content-Length: 0", body=b"", line=b"HTTP/1.1 204 No Content"),
            to_client(b"HTTP/1.1 204 No Content", framing=()), b"", reused=True),
    answers("answer-not-modified", "9110-15.4.5", answer(b'ETag: "a"', body=b"", line=b"HTTP/1.1 304 Not Modified"),
            to_client(b"HTTP/1.1 304 Not Modified", b'ETag: "a"', framing=()), b"", reused=True),
    answers("answer-not-modified-with-length", "9110-8.6",
            answer(b"Content-Length: 5", body=b"", line=b"HTTP/1.1 304 Not Modified"),
            to_client(b"HTTP/1.1 304 Not Modified", framing=[b"Content-Length: 5"]), b"", reused=True),
    answers("answer-reset-content", "9110-15.3.6",
            answer(b"Content-Length: 0", body=b"", line=b"HTTP/1.1 205 Reset Content"),
            to_client(b"HTTP/1.1 205 Reset Content", framing=[b"Content-Length: 0"]), b"", reused=True),

    length("bad-length-repeated-different", b"5", b"2"),
    length("bad-length-list-different", b"5, 2"),
    length("bad-length-plus", b"+5"),
    length("bad-length-minus", b"-5"),
    length("bad-length-hexadecimal", b"0x5"),
    length("bad-length-empty", b""),
    length("bad-length-letters", b"five"),
    length("bad-length-inner-space", b"5 5"),
    length("bad-length-2-to-63", b"9223372036854775808"),
    length("bad-length-2-to-64-and-5", b"18446744073709551621"),
    bad("bad-length-and-coding", "9112-6.3", b"Content-Length: 12", *CHUNKED, body=CHUNKS),
    bad("bad-coding-and-length", "9112-6.3", *CHUNKED, b"Content-Length: 2", body=CHUNKS),
    coding("bad-coding-gzip-then-chunked", b"gzip, chunked", reason="answer_coding"),
    coding("bad-coding-gzip", b"gzip", reason="answer_coding"),
    coding("bad-coding-chunked-twice", b"chunked, chunked"),
    coding("bad-coding-chunked-not-last", b"chunked, gzip"),
    coding("bad-coding-two-lines", b"chunked", b"chunked"),
    coding("bad-coding-identity", b"identity"),
    coding("bad-coding-xchunked", b"xchunked"),
    coding("bad-coding-empty", b""),
    bad("bad-coding-in-1.0", "9112-6.1", *CHUNKED, body=CHUNKS, line=b"HTTP/1.0 200 OK", reason=None),
]
