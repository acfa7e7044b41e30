"""What is removed and what is added on the way: RFC 9110 sections 7.6 and 10.1, RFC 7239."""

from .case import forward, passes, refuses, request

LINE = b"GET /hop HTTP/1.1"
POST = b"POST /hop HTTP/1.1"
PLAIN = forward(LINE)
ONE = (b"POST",)
ID_128 = b"A-z_0.9b" * 16


def removed(id, clause, *fields, kept=(), **more):
    """Of these fields only `kept` reach the worker."""
    return passes(id, clause, request(LINE, *fields), forward(LINE, *kept), **more)


def request_id(id, *fields, kept=b"<ID>"):
    return passes(id, "design-7", request(LINE, *fields), forward(LINE, request_id=kept))


CASES = [
    # Fields of one connection. RFC 9110 section 7.6.1.
    removed("hop-connection-keep-alive", "9110-7.6.1", b"Connection: keep-alive"),
    removed("hop-connection-close", "9112-9.6", b"Connection: close", closes=True),
    removed("hop-field-close", "9112-9.6", b"Close: 5"),
    removed("hop-keep-alive", "9112-C.2.2", b"Keep-Alive: timeout=5", b"Connection: keep-alive"),
    removed("hop-keep-alive-not-named", "9110-7.6.1", b"Keep-Alive: timeout=5"),
    removed("hop-proxy-connection", "9110-7.6.1", b"Proxy-Connection: keep-alive"),
    removed("hop-nominated", "9110-7.6.1", b"X-A: 1", b"Connection: x-a, X-B", b"X-B: 2", b"X-C: 3", kept=[b"X-C: 3"]),
    removed("hop-nominated-before", "9110-7.6.1", b"Connection: X-A", b"X-A: 1"),
    removed("hop-nominated-in-two-lines", "9110-7.6.1", b"Connection: X-A", b"X-A: 1", b"X-B: 2", b"connection: x-b"),
    removed("hop-nominated-and-close", "9110-7.6.1", b"Connection: close,X-A", b"X-A: 1", closes=True),
    removed("hop-nominated-all-repeats", "9110-7.6.1", b"Connection: X-A", b"X-A: 1", b"x-a: 2"),
    removed("hop-nominated-empty-elements", "9110-5.6.1", b"Connection: , ,X-A,,", b"X-A: 1"),
    removed("hop-nominated-not-a-prefix", "9110-7.6.1", b"Connection: X-A", b"X-AB: 1", b"X: 2",
            kept=[b"X-AB: 1", b"X: 2"]),
    removed("hop-nominated-not-there", "9110-7.6.1", b"Connection: X-Nowhere"),
    removed("hop-host-not-nominable", "9110-7.6.1", b"Connection: Host"),
    passes("hop-length-not-nominable", "9110-7.6.1",
           request(POST, b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"),
           forward(POST, framing=[b"Content-Length: 5"], body=b"hello"), methods=ONE),
    passes("hop-coding-not-nominable", "9110-7.6.1",
           request(POST, b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
           forward(POST, framing=[b"Transfer-Encoding: chunked"]), methods=ONE),
    removed("hop-cannot-nominate-what-we-add", "9110-7.6.1",
            b"Connection: Via, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Forwarded, X-Request-ID"),
    removed("hop-te-gzip", "9110-10.1.4", b"TE: gzip", b"Connection: TE"),
    passes("hop-te-trailers", "9110-10.1.4", request(LINE, b"TE: trailers", b"Connection: TE"),
           forward(LINE, trailers_wanted=True)),
    passes("hop-te-trailers-among-others", "9110-10.1.4", request(LINE, b"TE: gzip;q=0.5, Trailers", b"Connection: TE"),
           forward(LINE, trailers_wanted=True)),
    passes("hop-te-trailers-with-body", "9110-10.1.4",
           request(POST, b"TE: trailers", b"Connection: TE", b"Content-Length: 5", body=b"hello"),
           forward(POST, trailers_wanted=True, framing=[b"Content-Length: 5"], body=b"hello"), methods=ONE),
    removed("hop-upgrade-h2c", "9110-7.8", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
    removed("hop-upgrade-h2c-not-named", "9110-7.8", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
    removed("hop-upgrade-unknown", "9110-7.8", b"Connection: upgrade", b"Upgrade: foo/2"),
    passes("hop-upgrade-websocket", "9110-7.8", request(LINE, b"Connection: keep-alive, Upgrade", b"Upgrade: websocket"),
           forward(LINE, upgrade=b"websocket")),
    passes("hop-upgrade-and-te", "9110-7.8",
           request(LINE, b"Connection: TE, upgrade", b"TE: trailers", b"Upgrade: WebSocket"),
           forward(LINE, upgrade=b"WebSocket", trailers_wanted=True)),
    removed("hop-upgrade-websocket-not-named", "9110-7.8", b"Upgrade: websocket"),
    removed("hop-upgrade-two-protocols", "9110-7.8", b"Connection: upgrade", b"Upgrade: websocket, foo/2"),
    removed("hop-upgrade-repeated", "9110-7.8", b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: websocket"),
    passes("hop-upgrade-1.0", "9110-7.8",
           request(b"GET /hop HTTP/1.0", b"Connection: upgrade", b"Upgrade: websocket"),
           forward(LINE, via=b"1.0"), version=b"1.0", closes=True),
    passes("hop-upgrade-with-body", "9110-7.8",
           request(POST, b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 5", body=b"hello"),
           forward(POST, framing=[b"Content-Length: 5"], body=b"hello"), methods=ONE),
    # Not in the list of RFC 9110 section 7.6.1, and a worker may be the proxy that asked for it: passed on.
    removed("hop-proxy-authorization-passed", "9110-11.7.2", b"Proxy-Authorization: Basic YTpi",
            kept=[b"Proxy-Authorization: Basic YTpi"]),
    removed("hop-authorization-passed", "9110-11.6.2", b"Authorization: Basic YTpi",
            kept=[b"Authorization: Basic YTpi"]),
    removed("hop-authorization-nominated", "9110-7.6.1", b"Connection: Authorization", b"Authorization: Basic YTpi"),

    # Added fields: a stranger's copies are replaced, except Via, which only grows.
    passes("add-via-behind-others", "9110-7.6.3", request(LINE, b"Via: 1.0 fred", b"X-A: 1", b"Via: 1.1 p (c)"),
           forward(LINE, b"Via: 1.0 fred", b"X-A: 1", b"Via: 1.1 p (c)")),
    passes("add-via-1.0", "9110-7.6.3", request(b"GET /hop HTTP/1.0"), forward(LINE, via=b"1.0"), version=b"1.0",
           closes=True),
    removed("add-x-forwarded-for-replaced", "design-7", b"X-Forwarded-For: 203.0.113.9", b"x-forwarded-for: 10.0.0.1"),
    removed("add-x-forwarded-proto-replaced", "design-7", b"X-Forwarded-Proto: https"),
    removed("add-x-forwarded-host-replaced", "design-7", b"X-Forwarded-Host: evil.example"),
    removed("add-forwarded-replaced", "7239-8.1", b"Forwarded: for=203.0.113.9;proto=https"),
    passes("add-forwarded-host-quoted", "7239-4", request(LINE, host=b"[::1]:80"), forward(LINE, host=b"[::1]:80")),
    request_id("add-request-id-kept", b"X-Request-ID: abc-DEF_1.2", kept=b"abc-DEF_1.2"),
    request_id("add-request-id-one-byte", b"x-request-id: a", kept=b"a"),
    request_id("add-request-id-128-kept", b"X-Request-ID: " + ID_128, kept=ID_128),
    request_id("add-request-id-129-replaced", b"X-Request-ID: " + ID_128 + b"x"),
    request_id("add-request-id-space-replaced", b"X-Request-ID: a b"),
    request_id("add-request-id-quote-replaced", b'X-Request-ID: "a"'),
    request_id("add-request-id-obs-text-replaced", b"X-Request-ID: \xe9"),
    request_id("add-request-id-empty-replaced", b"X-Request-ID:"),

    # Expect: RFC 9110 section 10.1.1. That 100 is passed on is a conversation: see test_conversations.py.
    passes("expect-continue-passed", "9110-10.1.1",
           request(POST, b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
           forward(POST, b"Expect: 100-continue", framing=[b"Content-Length: 5"], body=b"hello"), methods=ONE),
    passes("expect-continue-any-case", "9110-10.1.1",
           request(POST, b"Expect: 100-Continue", b"Content-Length: 5", body=b"hello"),
           forward(POST, b"Expect: 100-Continue", framing=[b"Content-Length: 5"], body=b"hello"), methods=ONE),
    refuses("expect-unknown", "9110-15.5.18", request(LINE, b"Expect: 200-ok"), 417, "unknown_expectation",
            closes=None),
    refuses("expect-two", "9110-15.5.18", request(LINE, b"Expect: 100-continue, x"), 417, "unknown_expectation",
            closes=None),

    # Max-Forwards: RFC 9110 section 7.6.2.
    refuses("max-forwards-options-0", "9110-7.6.2", request(b"OPTIONS /hop HTTP/1.1", b"Max-Forwards: 0"), 200,
            closes=False, methods=(b"OPTIONS",)),
    refuses("max-forwards-options-asterisk-0", "9110-7.6.2", request(b"OPTIONS * HTTP/1.1", b"Max-Forwards: 0"), 200,
            closes=False, methods=(b"OPTIONS",)),
    refuses("max-forwards-trace-0", "9110-9.3.8", request(b"TRACE /hop HTTP/1.1", b"Max-Forwards: 0"), 200,
            closes=False, methods=(b"TRACE",)),
    passes("max-forwards-options-1", "9110-7.6.2", request(b"OPTIONS /hop HTTP/1.1", b"Max-Forwards: 1"),
           forward(b"OPTIONS /hop HTTP/1.1", b"Max-Forwards: 0"), methods=(b"OPTIONS",)),
    passes("max-forwards-trace-10", "9110-7.6.2", request(b"TRACE /hop HTTP/1.1", b"X-A: 1", b"Max-Forwards: 10"),
           forward(b"TRACE /hop HTTP/1.1", b"X-A: 1", b"Max-Forwards: 9"), methods=(b"TRACE",)),
    passes("max-forwards-trace-none", "9110-7.6.2", request(b"TRACE /hop HTTP/1.1"), forward(b"TRACE /hop HTTP/1.1"),
           methods=(b"TRACE",)),
    passes("max-forwards-get-untouched", "9110-7.6.2", request(LINE, b"Max-Forwards: 0"),
           forward(LINE, b"Max-Forwards: 0")),
]
