"""Connections: RFC 9112 section 9, and several requests in one go."""

from .case import HOST, forward, passes, refuses, request

GET = b"GET /%s HTTP/1.1"
A, B, C = (request(GET % name) for name in (b"a", b"b", b"c"))
FWD_A, FWD_B, FWD_C = (forward(GET % name) for name in (b"a", b"b", b"c"))
POST = request(b"POST /p HTTP/1.1", b"Content-Length: 5", body=b"hello")
FWD_POST = forward(b"POST /p HTTP/1.1", framing=[b"Content-Length: 5"], body=b"hello")
CHUNKED = request(b"POST /p HTTP/1.1", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
FWD_CHUNKED = forward(b"POST /p HTTP/1.1", framing=[b"Transfer-Encoding: chunked"], body=b"hello")
OLD = b"GET /old HTTP/1.0"
FWD_OLD = forward(b"GET /old HTTP/1.1", via=b"1.0")
G, P = b"GET", b"POST"

CASES = [
    passes("keep-alive-1.1", "9112-9.3", A, FWD_A),
    passes("close-1.1", "9112-9.6", request(GET % b"a", b"Connection: close"), FWD_A, closes=True),
    passes("close-1.1-any-case", "9110-7.6.1", request(GET % b"a", b"connection: CLOSE"), FWD_A, closes=True),
    passes("close-among-others", "9112-9.6", request(GET % b"a", b"Connection: foo, close , bar"), FWD_A, closes=True),
    passes("close-wins-over-keep-alive", "9112-9.3", request(GET % b"a", b"Connection: keep-alive, close"), FWD_A,
           closes=True),
    passes("close-1.0", "9112-9.3", request(OLD), FWD_OLD, closes=True, version=b"1.0"),
    passes("keep-alive-1.0", "9112-C.2.2", request(OLD, b"Connection: Keep-Alive"), FWD_OLD, version=b"1.0"),
    passes("close-1.0-said", "9112-9.3", request(OLD, b"Connection: close"), FWD_OLD, closes=True, version=b"1.0"),
    passes("body-1.0", "9112-6.2", request(b"POST /old HTTP/1.0", b"Content-Length: 5", body=b"hello"),
           forward(b"POST /old HTTP/1.1", via=b"1.0", framing=[b"Content-Length: 5"], body=b"hello"), closes=True,
           version=b"1.0", methods=(P,)),
    passes("head", "9110-9.3.2", request(b"HEAD /h HTTP/1.1"), forward(b"HEAD /h HTTP/1.1"), methods=(b"HEAD",)),
    passes("head-1.0", "9110-9.3.2", request(b"HEAD /h HTTP/1.0"), forward(b"HEAD /h HTTP/1.1", via=b"1.0"),
           methods=(b"HEAD",), version=b"1.0", closes=True),
    passes("half-closed", "9112-9.6", A, FWD_A, finish=True, closes=True),
    passes("half-closed-with-body", "9112-9.6", POST, FWD_POST, finish=True, closes=True, methods=(P,)),

    passes("pipeline-two", "9112-9.3.2", A + B, FWD_A, FWD_B, methods=(G, G)),
    passes("pipeline-three-with-bodies", "9112-9.3.2", POST + CHUNKED + A, FWD_POST, FWD_CHUNKED, FWD_A,
           methods=(P, P, G)),
    passes("pipeline-twenty", "9112-9.3.2", A * 20, *[FWD_A] * 20, methods=(G,) * 20),
    passes("pipeline-head-between", "9112-9.3.2", A + request(b"HEAD /h HTTP/1.1") + B, FWD_A,
           forward(b"HEAD /h HTTP/1.1"), FWD_B, methods=(G, b"HEAD", G)),
    passes("pipeline-half-closed", "9112-9.6", A + B + C, FWD_A, FWD_B, FWD_C, methods=(G, G, G), finish=True,
           closes=True),
    passes("pipeline-empty-line-between", "9112-2.2", POST + b"\r\n" + A, FWD_POST, FWD_A, methods=(P, G)),
    passes("pipeline-ends-at-close", "9112-9.6", request(GET % b"a", b"Connection: close") + B, FWD_A, closes=True),
    refuses("pipeline-bad-second", "9112-9.3.2", A + b"bad\r\n\r\n", 400, after=[FWD_A], methods=(G, G)),
    refuses("pipeline-nothing-after-bad", "9112-9.3", request(b"GET / HTTP/1.1", b"X : 1") + B, 400),
    refuses("pipeline-body-too-long", "9112-6.3",
            request(b"POST /p HTTP/1.1", b"Content-Length: 5", body=b"hello{}") + A, 400,
            after=[forward(b"POST /p HTTP/1.1", framing=[b"Content-Length: 5"], body=b"hello")], methods=(P, G)),
    refuses("pipeline-smuggled-in-refused-body", "9112-6.3",
            request(b"POST /p HTTP/1.1", b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG") + A,
            400, "length_and_coding", methods=(P,)),
    refuses("pipeline-behind-bad-chunk", "9112-7.1",
            request(b"POST /p HTTP/1.1", b"Transfer-Encoding: chunked", body=b"zz\r\n\r\n") + A, 400, "bad_chunk",
            methods=(P,), begun=True),
    refuses("pipeline-refused-version", "9110-15.6.6", A + b"GET /b HTTP/2.0\r\n" + HOST + b"\r\n" + C, 505,
            "bad_version", after=[FWD_A], methods=(G, G)),
]
