"""Chunked bodies of requests: RFC 9112 section 7.1. The body is passed on chunk by chunk, so a request's head may reach
a worker before its body turns out bad: then the worker must never see the end of that request."""

from .case import forward, passes, refuses, request

LINE = b"POST /chunk HTTP/1.1"
ONE = (b"POST",)


def good(id, clause, chunks, body, trailers=b"", fields=()):
    send = request(LINE, *fields, b"Transfer-Encoding: chunked", body=chunks)
    return passes(id, clause, send, forward(LINE, *fields, framing=[b"Transfer-Encoding: chunked"], body=body,
                                            trailers=trailers), methods=ONE)


def bad(id, clause, chunks, reason="bad_chunk", status=400):
    send = request(LINE, b"Transfer-Encoding: chunked", body=chunks)
    return refuses(id, clause, send, status, reason, methods=ONE, begun=True)


def trailer(id, clause, sent, kept=b""):
    return good(id, clause, b"5\r\nhello\r\n0\r\n" + sent + b"\r\n", b"hello", kept)


CASES = [
    good("chunk-empty-body", "9112-7.1", b"0\r\n\r\n", b""),
    good("chunk-several", "9112-7.1", b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
    good("chunk-hex-lower", "9112-7.1", b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    good("chunk-hex-upper", "9112-7.1", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    good("chunk-leading-zeros", "9112-7.1", b"005\r\nhello\r\n000\r\n\r\n", b"hello"),
    good("chunk-data-with-line-ends", "9112-7.1", b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
    good("chunk-extension-dropped", "9112-7.1.1", b"5;a=b\r\nhello\r\n0;c\r\n\r\n", b"hello"),
    good("chunk-extension-quoted-dropped", "9112-7.1.1", b"5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", b"hello"),
    good("chunk-many-small", "9112-7.1", b"1\r\nx\r\n" * 500 + b"0\r\n\r\n", b"x" * 500),
    good("chunk-20000-bytes", "9112-7.1", b"4e20\r\n" + b"y" * 20000 + b"\r\n0\r\n\r\n", b"y" * 20000),
    bad("chunk-size-empty", "9112-7.1", b"\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-0x", "9112-7.1", b"0x5\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-plus", "9112-7.1", b"+5\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-minus", "9112-7.1", b"-5\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-space-first", "9112-7.1", b" 5\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-not-hex", "9112-7.1", b"g\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-comma", "9112-7.1", b"5,5\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-nul", "9112-7.1", b"5\x00\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-2-to-64", "9112-7.1", b"10000000000000000\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-2-to-64-and-5", "9112-7.1", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-2-to-63", "9112-7.1", b"8000000000000000\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-bare-lf", "9112-7.1", b"5\nhello\r\n0\r\n\r\n"),
    bad("chunk-size-bare-cr", "9112-7.1", b"5\rhello\r\n0\r\n\r\n"),
    bad("chunk-size-cr-cr-lf", "9112-7.1", b"5\r\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-extension-bare-lf", "9112-7.1.1", b"5;a\nhello\r\n0\r\n\r\n"),
    bad("chunk-extension-bare-cr", "9112-7.1.1", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-extension-nul", "9112-7.1.1", b"5;a=\x00\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-extension-too-long", "9112-7.1.1", b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n"),
    bad("chunk-data-too-long", "9112-7.1", b"5\r\nhellox\r\n0\r\n\r\n"),
    bad("chunk-data-ends-in-lf", "9112-7.1", b"5\r\nhello\n0\r\n\r\n"),
    bad("chunk-data-ends-in-cr", "9112-7.1", b"5\r\nhello\r0\r\n\r\n"),
    bad("chunk-data-without-end", "9112-7.1", b"5\r\nhello0\r\n\r\n"),
    bad("chunk-last-bare-lf", "9112-7.1", b"5\r\nhello\r\n0\n\r\n"),
    bad("chunk-end-bare-lf", "9112-7.1", b"5\r\nhello\r\n0\r\n\n", reason=None),

    trailer("trailer-passed", "9112-7.1.2", b"X-Sum: 1\r\nX-Other:  2 \r\n", b"X-Sum: 1\r\nX-Other: 2\r\n"),
    trailer("trailer-framing-dropped", "9110-6.5.1",
            b"Content-Length: 5\r\nX-Sum: 1\r\nTransfer-Encoding: chunked\r\n", b"X-Sum: 1\r\n"),
    trailer("trailer-host-dropped", "9110-6.5.1", b"Host: evil.example\r\n"),
    trailer("trailer-forwarding-dropped", "design-7",
            b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n"
            b"Forwarded: for=6.6.6.6\r\nX-Request-ID: evil\r\nVia: 1.1 evil\r\nX-Sum: 1\r\n", b"X-Sum: 1\r\n"),
    trailer("trailer-connection-dropped", "9110-6.5.1", b"Connection: close\r\nKeep-Alive: 5\r\nUpgrade: x\r\n"),
    good("trailer-announced", "9110-6.6.2", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hello", b"X-Sum: 1\r\n",
         fields=[b"Trailer: X-Sum"]),
    bad("trailer-space-before-colon", "9112-5.1", b"0\r\nX-Sum : 1\r\n\r\n", "bad_trailer"),
    bad("trailer-no-colon", "9112-5", b"0\r\nX-Sum\r\n\r\n", "bad_trailer"),
    bad("trailer-name-empty", "9112-5", b"0\r\n: 1\r\n\r\n", "bad_trailer"),
    bad("trailer-folded", "9112-5.2", b"0\r\nX-Sum: 1\r\n 2\r\n\r\n", reason=None),
    bad("trailer-control", "9110-5.5", b"0\r\nX-Sum: \x01\r\n\r\n", "bad_trailer"),
    bad("trailer-bare-lf", "9112-2.2", b"0\r\nX-Sum: 1\nX-B: 2\r\n\r\n", reason=None),
    bad("trailer-bare-cr", "9112-2.2", b"0\r\nX-Sum: 1\rX-B: 2\r\n\r\n", reason=None),
    bad("trailer-too-large", "6585-5", b"0\r\nX-Sum: " + b"x" * 40000 + b"\r\n\r\n", reason=None, status=(400, 431)),
    bad("trailer-too-many", "6585-5", b"0\r\n" + b"X-Sum: 1\r\n" * 400 + b"\r\n", reason=None, status=(400, 431)),
]
