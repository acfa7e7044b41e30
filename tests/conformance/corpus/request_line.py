"""Request lines: RFC 9112 sections 2.2, 2.3 and 3."""

from .case import HOST, forward, passes, refuses, request

PLAIN = forward(b"GET /x HTTP/1.1")


def malformed(id, line, clause="9112-3", reason=None, status=400):
    return refuses(id, clause, request(line), status, reason)


CASES = [
    passes("line-plain", "9112-3", request(b"GET /x HTTP/1.1"), PLAIN),
    passes("line-empty-line-first", "9112-2.2", b"\r\n" + request(b"GET /x HTTP/1.1"), PLAIN),
    refuses("line-bare-lf-first", "9112-2.2", b"\n" + request(b"GET /x HTTP/1.1"), 400),
    refuses("line-bare-cr-first", "9112-2.2", b"\r" + request(b"GET /x HTTP/1.1"), 400),

    # The method: RFC 9110 section 9.1 (a token, case-sensitive; unknown ones are the worker's business).
    passes("method-unknown", "9110-9.1", request(b"BREW /pot HTTP/1.1"), forward(b"BREW /pot HTTP/1.1")),
    passes("method-lower-case", "9110-9.1", request(b"get /x HTTP/1.1"), forward(b"get /x HTTP/1.1")),
    passes("method-all-tchars", "9110-5.6.2", request(b"!#$%&'*+-.^_`|~09azAZ /x HTTP/1.1"),
           forward(b"!#$%&'*+-.^_`|~09azAZ /x HTTP/1.1")),
    passes("method-delete-without-body", "9110-9.3.5", request(b"DELETE /x HTTP/1.1"), forward(b"DELETE /x HTTP/1.1")),
    malformed("method-empty", b" /x HTTP/1.1"),
    malformed("method-with-parenthesis", b"GE(T /x HTTP/1.1", "9110-9.1"),
    malformed("method-with-colon", b"GET: /x HTTP/1.1", "9110-9.1"),
    malformed("method-quoted", b'"GET" /x HTTP/1.1', "9110-9.1"),
    malformed("method-with-nul", b"GE\x00T /x HTTP/1.1", "9110-9.1"),
    malformed("method-with-obs-text", b"G\xc9T /x HTTP/1.1", "9110-9.1"),
    refuses("method-connect", "9110-9.3.6", request(b"CONNECT test.example:443 HTTP/1.1", host=b"test.example:443"),
            501, "connect_method"),

    # The line's white space: one SP, nothing else. RFC 9112 section 3 allows leniency; we use none of it.
    malformed("line-two-spaces-after-method", b"GET  /x HTTP/1.1"),
    malformed("line-two-spaces-before-version", b"GET /x  HTTP/1.1"),
    malformed("line-tab-after-method", b"GET\t/x HTTP/1.1"),
    malformed("line-tab-before-version", b"GET /x\tHTTP/1.1"),
    malformed("line-vertical-tab", b"GET /x\x0bHTTP/1.1"),
    malformed("line-form-feed", b"GET\x0c/x HTTP/1.1"),
    malformed("line-space-first", b" GET /x HTTP/1.1"),
    malformed("line-space-last", b"GET /x HTTP/1.1 "),
    malformed("line-tab-last", b"GET /x HTTP/1.1\t"),
    malformed("line-four-words", b"GET /x y HTTP/1.1"),
    malformed("line-only-method", b"GET"),
    malformed("line-target-missing", b"GET HTTP/1.1"),
    malformed("line-target-empty", b"GET  HTTP/1.1"),
    refuses("line-bare-lf", "9112-2.2", b"GET /x HTTP/1.1\n" + HOST + b"\r\n", 400, "bare_line_feed"),
    refuses("line-bare-cr", "9112-2.2", b"GET /x HTTP/1.1\r" + HOST + b"\r\n", 400),
    refuses("line-cr-cr-lf", "9112-2.2", b"GET /x HTTP/1.1\r\r\n" + HOST + b"\r\n", 400),
    refuses("line-nul-alone", "9112-3", b"\x00\r\n\r\n", 400),
    refuses("line-tls-hello", "9112-3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),

    # The version: RFC 9112 section 2.3.
    refuses("version-0.9-simple-request", "9112-2.3", b"GET /x\r\n\r\n", 400),
    refuses("version-0.9-named", "9112-2.3", request(b"GET /x HTTP/0.9"), 505, "bad_version"),
    passes("version-1.2", "9110-2.5", request(b"GET /x HTTP/1.2"), PLAIN),
    passes("version-1.9", "9110-2.5", request(b"GET /x HTTP/1.9"), PLAIN),
    refuses("version-2.0", "9110-15.6.6", request(b"GET /x HTTP/2.0"), 505, "bad_version"),
    # The preface itself begins HTTP/2; what only begins like it does not.
    refuses("version-2.0-no-preface", "9113-3.4", b"PRI * HTTP/2.0\r\nHost: h\r\n\r\n", 505, "bad_version"),
    refuses("version-3.0", "9110-15.6.6", request(b"GET /x HTTP/3.0"), 505, "bad_version"),
    malformed("version-lower-case", b"GET /x http/1.1", "9112-2.3"),
    malformed("version-mixed-case", b"GET /x Http/1.1", "9112-2.3"),
    malformed("version-two-digits", b"GET /x HTTP/1.10", "9112-2.3"),
    malformed("version-leading-zero", b"GET /x HTTP/01.1", "9112-2.3"),
    malformed("version-no-minor", b"GET /x HTTP/1", "9112-2.3"),
    malformed("version-no-digits", b"GET /x HTTP/", "9112-2.3"),
    malformed("version-comma", b"GET /x HTTP/1,1", "9112-2.3"),
    malformed("version-sign", b"GET /x HTTP/+1.1", "9112-2.3"),
    malformed("version-other-protocol", b"GET /x HTTQ/1.1", "9112-2.3"),
    malformed("version-https", b"GET /x HTTPS/1.1", "9112-2.3"),
]
