"""Content-Length and Transfer-Encoding: RFC 9112 section 6, RFC 9110 section 8.6. What smuggling is made of."""

from .case import forward, passes, refuses, request

LINE = b"POST /length HTTP/1.1"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
HELLO = forward(LINE, framing=[b"Content-Length: 5"], body=b"hello")
CHUNKED = forward(LINE, framing=[b"Transfer-Encoding: chunked"], body=b"hello")
ONE = (b"POST",)


def length(id, *values, clause="9110-8.6", reason="bad_content_length"):
    """A Content-Length that must be refused."""
    fields = [b"Content-Length: " + value for value in values]
    return refuses(id, clause, request(LINE, *fields, body=b"hello"), 400, reason, methods=ONE)


def coding(id, *values, status=400, clause="9112-6.1", reason=None):
    """A Transfer-Encoding that must be refused."""
    fields = [b"Transfer-Encoding: " + value for value in values]
    return refuses(id, clause, request(LINE, *fields, body=CHUNKS), status, reason, methods=ONE)


def both(id, *fields, line=LINE, reason="length_and_coding", **more):
    return refuses(id, "9112-6.3", request(line, *fields, body=CHUNKS), 400, reason, methods=ONE, **more)


CASES = [
    passes("length-plain", "9112-6.2", request(LINE, b"Content-Length: 5", body=b"hello"), HELLO, methods=ONE),
    passes("length-zero", "9112-6.2", request(LINE, b"Content-Length: 0"),
           forward(LINE, framing=[b"Content-Length: 0"]), methods=ONE),
    passes("length-none", "9112-6.3", request(LINE), forward(LINE), methods=ONE),
    passes("length-with-get", "9110-9.3.1", request(b"GET /length HTTP/1.1", b"Content-Length: 5", body=b"hello"),
           forward(b"GET /length HTTP/1.1", framing=[b"Content-Length: 5"], body=b"hello")),
    passes("length-moved-last", "9112-6.2", request(LINE, b"Content-Length: 5", b"X-A: 1", body=b"hello"),
           forward(LINE, b"X-A: 1", framing=[b"Content-Length: 5"], body=b"hello"), methods=ONE),
    passes("length-white-space-around", "9112-5.1", request(LINE, b"Content-Length: \t5 \t", body=b"hello"), HELLO,
           methods=ONE),
    passes("length-leading-zeros", "9110-8.6", request(LINE, b"Content-Length: 0005", body=b"hello"), HELLO,
           methods=ONE),
    passes("length-repeated-same", "9110-8.6", request(LINE, b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
           HELLO, methods=ONE),
    passes("length-binary-body", "9112-6.2", request(LINE, b"Content-Length: 9", body=b"\x00\r\n\r\n\xff\x80\n\r"),
           forward(LINE, framing=[b"Content-Length: 9"], body=b"\x00\r\n\r\n\xff\x80\n\r"), methods=ONE),
    passes("length-body-looks-like-request", "9112-6.2",
           request(LINE, b"Content-Length: 18", body=b"GET / HTTP/1.1\r\n\r\n"),
           forward(LINE, framing=[b"Content-Length: 18"], body=b"GET / HTTP/1.1\r\n\r\n"), methods=ONE),
    length("length-repeated-different", b"5", b"6"),
    length("length-repeated-different-zeros", b"5", b"0", b"5"),
    length("length-list-different", b"5, 6"),
    length("length-list-trailing-comma", b"5,"),
    length("length-plus", b"+5"),
    length("length-minus", b"-5"),
    length("length-minus-zero", b"-0"),
    length("length-hexadecimal", b"0x5"),
    length("length-decimal-point", b"5.0"),
    length("length-exponent", b"5e0"),
    length("length-empty", b""),
    length("length-inner-space", b"5 5"),
    length("length-letters", b"five"),
    length("length-semicolon", b"5;a=b"),
    length("length-underscore", b"1_0"),
    length("length-quoted", b'"5"'),
    length("length-obs-text-digit", b"5\xb2"),
    length("length-vertical-tab", b"\x0b5", clause="9110-5.5", reason=None),
    length("length-2-to-63", b"9223372036854775808"),
    length("length-2-to-64-and-5", b"18446744073709551621"),
    length("length-forty-digits", b"9" * 40),

    passes("coding-chunked", "9112-6.1", request(LINE, b"Transfer-Encoding: chunked", body=CHUNKS), CHUNKED,
           methods=ONE),
    passes("coding-case", "9112-7", request(LINE, b"transfer-ENCODING: Chunked", body=CHUNKS), CHUNKED, methods=ONE),
    passes("coding-white-space-around", "9112-5.1", request(LINE, b"Transfer-Encoding:\tchunked \t", body=CHUNKS),
           CHUNKED, methods=ONE),
    passes("coding-with-get", "9110-9.3.1",
           request(b"GET /length HTTP/1.1", b"Transfer-Encoding: chunked", body=CHUNKS),
           forward(b"GET /length HTTP/1.1", framing=[b"Transfer-Encoding: chunked"], body=b"hello")),
    coding("coding-chunked-twice", b"chunked, chunked"),
    coding("coding-chunked-twice-in-two-lines", b"chunked", b"chunked"),
    coding("coding-chunked-not-last", b"chunked, gzip", status=(400, 501)),
    coding("coding-chunked-not-last-in-two-lines", b"chunked", b"gzip", status=(400, 501)),
    coding("coding-gzip-then-chunked", b"gzip, chunked", status=501, reason="unknown_transfer_coding"),
    coding("coding-gzip-then-chunked-in-two-lines", b"gzip", b"chunked", status=501, reason="unknown_transfer_coding"),
    coding("coding-gzip-alone", b"gzip", status=(400, 501), clause="9112-6.3"),
    coding("coding-identity", b"identity", status=(400, 501)),
    coding("coding-identity-then-chunked", b"identity, chunked", status=(400, 501)),
    coding("coding-xchunked", b"xchunked", status=(400, 501)),
    coding("coding-chunkedx", b"chunkedx", status=(400, 501)),
    coding("coding-chunked-parameter", b"chunked;q=1", status=(400, 501)),
    coding("coding-chunked-quoted", b'"chunked"', status=(400, 501)),
    coding("coding-inner-space", b"chun ked", status=(400, 501)),
    coding("coding-vertical-tab", b"\x0bchunked", clause="9110-5.5"),
    coding("coding-nul", b"chunked\x00", clause="9110-5.5"),
    coding("coding-empty", b""),
    coding("coding-only-comma", b","),
    refuses("coding-in-1.0", "9112-6.1", request(b"POST /length HTTP/1.0", b"Transfer-Encoding: chunked", body=CHUNKS),
            400, "bad_transfer_coding", methods=ONE, version=b"1.0"),

    both("both-length-first", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    both("both-coding-first", b"Transfer-Encoding: chunked", b"Content-Length: 15"),
    both("both-length-zero", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    both("both-bad-coding", b"Content-Length: 15", b"Transfer-Encoding: xchunked", reason=None),
    both("both-bad-length", b"Content-Length: x", b"Transfer-Encoding: chunked", reason=None),
    both("both-in-1.0", b"Content-Length: 15", b"Transfer-Encoding: chunked", line=b"POST /length HTTP/1.0",
         reason=None, version=b"1.0"),
]
