"""Bodies of workers' answers: RFC 9112 sections 6.3, 7.1 and 8. What is cut short is never ended cleanly, and bytes
behind the end neither reach the client nor the next answer."""

from harness.worker import CLOSE, HALF_CLOSE, RESET

from .case import HOST, answers, cuts, to_client

OK = b"HTTP/1.1 200 OK"
CHUNKED = (b"Transfer-Encoding: chunked",)
CHUNKED_OK = to_client(OK, framing=CHUNKED)
GET_OLD = b"GET /answer HTTP/1.0\r\n" + HOST + b"\r\n"
BIG = bytes(range(256)) * 1024
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def by_length(length, body, line=OK):
    return line + b"\r\nContent-Length: %d\r\n\r\n" % length + body


def chunked(chunks):
    return OK + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks


def good(id, clause, chunks, body=b"ok", **more):
    return answers(id, clause, chunked(chunks), CHUNKED_OK, body, reused=True, **more)


def bad(id, clause, chunks, body=b"hello", end=()):
    """A chunked body that turns bad after (at most) these bytes of content."""
    return cuts(id, clause, (chunked(chunks), *end), CHUNKED_OK, body)


CASES = [
    answers("body-big", "9112-6.2", by_length(len(BIG), BIG),
            to_client(OK, framing=[b"Content-Length: %d" % len(BIG)]), BIG, reused=True),
    good("body-big-chunked", "9112-7.1", b"%x\r\n" % len(BIG) + BIG + b"\r\n0\r\n\r\n", BIG),
    answers("body-big-end-of-connection", "9112-6.3", (OK + b"\r\n\r\n" + BIG, CLOSE), CHUNKED_OK, BIG, reused=False),
    answers("body-half-closed-worker", "9112-6.3", (OK + b"\r\n\r\nok", HALF_CLOSE), CHUNKED_OK, reused=False),
    good("body-chunks", "9112-7.1", b"1\r\no\r\n01\r\nk\r\n000\r\n\r\n"),
    good("body-chunk-extensions-dropped", "9112-7.1.1", b"2;a=\"b\";c\r\nok\r\n0;d\r\n\r\n"),
    good("body-chunked-empty", "9112-7.1", b"0\r\n\r\n", b""),
    good("body-trailers-passed", "9112-7.1.2", b"2\r\nok\r\n0\r\nX-Sum:1\r\nX-B: 2\r\n\r\n",
         trailers=b"X-Sum: 1\r\nX-B: 2\r\n",
         request=b"GET /answer HTTP/1.1\r\n" + HOST + b"TE: trailers\r\nConnection: TE\r\n\r\n"),
    good("body-trailers-framing-dropped", "9110-6.5.1",
         b"2\r\nok\r\n0\r\nContent-Length: 9\r\nX-Sum: 1\r\nTransfer-Encoding: x\r\nConnection: close\r\n\r\n",
         trailers=b"X-Sum: 1\r\n",
         request=b"GET /answer HTTP/1.1\r\n" + HOST + b"TE: trailers\r\nConnection: TE\r\n\r\n"),
    answers("body-trailers-not-to-1.0-client", "9112-7.1.2", chunked(b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
            to_client(OK, framing=(), connection=b"close"), request=GET_OLD, closes=True),

    # Bytes behind the end: RFC 9112 section 6.3 (surplus is not part of the answer, and poisons the connection).
    answers("surplus-behind-length", "9112-6.3", by_length(2, b"ok" + SMUGGLED), to_client(OK), reused=False),
    answers("surplus-behind-zero-length", "9112-6.3", by_length(0, SMUGGLED),
            to_client(OK, framing=[b"Content-Length: 0"]), b"", reused=False),
    answers("surplus-behind-chunked", "9112-6.3", chunked(b"2\r\nok\r\n0\r\n\r\n" + SMUGGLED), CHUNKED_OK,
            reused=False),
    answers("surplus-behind-204", "9110-15.3.5", by_length(5, b"hello", b"HTTP/1.1 204 No Content"),
            to_client(b"HTTP/1.1 204 No Content", framing=()), b"", reused=False),
    answers("surplus-behind-304", "9110-15.4.5", by_length(5, b"hello", b"HTTP/1.1 304 Not Modified"),
            to_client(b"HTTP/1.1 304 Not Modified", framing=[b"Content-Length: 5"]), b"", reused=False),
    answers("surplus-behind-head", "9110-9.3.2", by_length(5, b"hello"),
            to_client(OK, framing=[b"Content-Length: 5"]), b"", reused=False,
            request=b"HEAD /answer HTTP/1.1\r\n" + HOST + b"\r\n"),
    answers("surplus-line-end", "9112-6.3", by_length(2, b"ok\r\n"), to_client(OK), reused=False),

    # Cut short: RFC 9112 section 8.
    cuts("cut-length", "9112-8", (by_length(10, b"hello"), CLOSE), to_client(OK, framing=[b"Content-Length: 10"]),
         b"hello"),
    cuts("cut-length-reset", "9112-8", (by_length(10, b"hello"), RESET), to_client(OK, framing=[b"Content-Length: 10"]),
         b"hello"),
    cuts("cut-length-before-first-byte", "9112-8", (by_length(10, b""), CLOSE),
         to_client(OK, framing=[b"Content-Length: 10"])),
    cuts("cut-length-half-close", "9112-8", (by_length(10, b"hello"), HALF_CLOSE),
         to_client(OK, framing=[b"Content-Length: 10"]), b"hello"),
    cuts("cut-length-1.0-client", "9112-8", (by_length(10, b"hello"), CLOSE),
         to_client(OK, framing=[b"Content-Length: 10"], connection=b"close"), b"hello", request=GET_OLD),
    cuts("cut-reset-of-open-end", "9112-8", (OK + b"\r\n\r\nhello", RESET), CHUNKED_OK, b"hello"),
    bad("cut-chunked-before-first", "9112-8", b"", b"", (CLOSE,)),
    bad("cut-chunked-in-size", "9112-8", b"5\r\nhello\r\n5", end=(CLOSE,)),
    bad("cut-chunked-in-data", "9112-8", b"a\r\nhello", end=(CLOSE,)),
    bad("cut-chunked-before-last", "9112-8", b"5\r\nhello\r\n", end=(CLOSE,)),
    bad("cut-chunked-in-last", "9112-8", b"5\r\nhello\r\n0\r\n", end=(CLOSE,)),
    bad("cut-chunked-in-trailers", "9112-8", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n", end=(CLOSE,)),
    bad("cut-chunked-reset", "9112-8", b"5\r\nhello\r\n", end=(RESET,)),
    cuts("cut-chunked-1.0-client", "9112-8", (chunked(b"5\r\nhello\r\n"), CLOSE),
         to_client(OK, framing=(), connection=b"close"), b"hello", request=GET_OLD),

    # Malformed chunks behind a head that is on its way already.
    bad("bad-chunk-size", "9112-7.1", b"5\r\nhello\r\nxx\r\n\r\n"),
    bad("bad-chunk-size-empty", "9112-7.1", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    bad("bad-chunk-size-sign", "9112-7.1", b"5\r\nhello\r\n-1\r\n\r\n"),
    bad("bad-chunk-size-0x", "9112-7.1", b"5\r\nhello\r\n0x0\r\n\r\n"),
    bad("bad-chunk-size-overflow", "9112-7.1", b"5\r\nhello\r\n10000000000000000\r\n\r\n"),
    bad("bad-chunk-bare-lf", "9112-7.1", b"5\r\nhello\r\n0\n\n"),
    bad("bad-chunk-data-end", "9112-7.1", b"5\r\nhelloworld\r\n0\r\n\r\n"),
    bad("bad-chunk-data-end-lf", "9112-7.1", b"5\r\nhello\n0\r\n\r\n"),
    bad("bad-chunk-extension-bare-cr", "9112-7.1.1", b"5\r\nhello\r\n0;a\rb\r\n\r\n"),
    bad("bad-trailer-space-before-colon", "9112-5.1", b"5\r\nhello\r\n0\r\nX : 1\r\n\r\n"),
    bad("bad-trailer-folded", "9112-5.2", b"5\r\nhello\r\n0\r\nX: 1\r\n 2\r\n\r\n"),
    bad("bad-trailer-bare-lf", "9112-2.2", b"5\r\nhello\r\n0\r\nX: 1\nY: 2\r\n\r\n"),
]
