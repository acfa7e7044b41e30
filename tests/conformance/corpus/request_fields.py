"""Field lines: RFC 9112 sections 2.2 and 5, RFC 9110 section 5. End-to-end fields pass unchanged and in order."""

from .case import HOST, forward, passes, refuses, request

LINE = b"GET /field HTTP/1.1"


def same(id, clause, *fields):
    return passes(id, clause, request(LINE, *fields), forward(LINE, *fields))


def bad(id, clause, *fields, reason="bad_field"):
    return refuses(id, clause, request(LINE, *fields), 400, reason)


CASES = [
    same("field-order-and-case-kept", "9110-5.3", b"x-b: 2", b"X-A: 1", b"X-a: 3", b"ACCEPT: */*"),
    same("field-repeats-kept", "9110-5.3", b"Cookie: a=1", b"X-A: 1", b"Cookie: b=2"),
    same("field-obs-text-kept", "9110-5.5", b"X-A: caf\xc3\xa9 \xff\x80"),
    same("field-inner-tab-kept", "9110-5.5", b"X-A: a\tb"),
    same("field-inner-spaces-kept", "9110-5.5", b"X-A: a   b"),
    same("field-colons-kept", "9112-5.1", b"X-A: a:b::c"),
    same("field-name-all-tchars", "9110-5.6.2", b"!#$%&'*+-.^_`|~09azAZ: 1"),
    same("field-quotes-and-brackets-kept", "9110-5.5", b"X-A: \"a\\\"b\" (c) <d> {e} [f]"),
    same("field-empty-value", "9112-5", b"X-Empty: "),
    passes("field-no-space-after-colon", "9112-5.1", request(LINE, b"X-A:1"), forward(LINE, b"X-A: 1")),
    passes("field-much-space-after-colon", "9112-5.1", request(LINE, b"X-A: \t \t1"), forward(LINE, b"X-A: 1")),
    passes("field-space-behind-value", "9112-5.1", request(LINE, b"X-A: 1 \t "), forward(LINE, b"X-A: 1")),
    passes("field-only-white-space", "9112-5.1", request(LINE, b"X-Empty: \t  "), forward(LINE, b"X-Empty: ")),
    passes("field-long-value", "9110-5.4", request(LINE, b"X-A: " + b"v" * 4000),
           forward(LINE, b"X-A: " + b"v" * 4000)),
    passes("field-thirty-of-them", "9110-5.4", request(LINE, *[b"X-%d: %d" % (i, i) for i in range(30)]),
           forward(LINE, *[b"X-%d: %d" % (i, i) for i in range(30)])),

    bad("field-space-before-colon", "9112-5.1", b"X-A : 1"),
    bad("field-tab-before-colon", "9112-5.1", b"X-A\t: 1"),
    bad("field-space-before-colon-of-framing", "9112-5.1", b"Transfer-Encoding : chunked"),
    bad("field-space-in-name", "9112-5.1", b"X A: 1"),
    bad("field-no-colon", "9112-5", b"X-A"),
    bad("field-name-empty", "9112-5", b": 1"),
    bad("field-name-parenthesis", "9110-5.1", b"X(A): 1"),
    bad("field-name-slash", "9110-5.1", b"X/A: 1"),
    bad("field-name-nul", "9110-5.1", b"X\x00A: 1"),
    bad("field-name-obs-text", "9110-5.1", b"X-\xc3\xa9: 1"),
    bad("field-name-del", "9110-5.1", b"X-\x7f: 1"),
    bad("field-value-nul", "9110-5.5", b"X-A: a\x00b"),
    bad("field-value-control", "9110-5.5", b"X-A: a\x01b"),
    bad("field-value-escape", "9110-5.5", b"X-A: \x1b[31m"),
    bad("field-value-del", "9110-5.5", b"X-A: a\x7fb"),
    bad("field-value-vertical-tab-first", "9110-5.5", b"X-A: \x0b1"),
    bad("field-value-form-feed-last", "9110-5.5", b"X-A: 1\x0c"),
    bad("field-value-bare-cr", "9112-2.2", b"X-A: a\rb", reason=None),
    bad("field-value-bare-cr-last", "9112-2.2", b"X-A: a\r", reason=None),
    bad("field-value-bare-cr-smuggles", "9112-2.2", b"X-A: a\rTransfer-Encoding: chunked", reason=None),
    bad("field-bare-lf", "9112-2.2", b"X-A: a\nX-B: b", reason="bare_line_feed"),
    bad("field-folded-space", "9112-5.2", b"X-A: a", b" b", reason="folded_field"),
    bad("field-folded-tab", "9112-5.2", b"X-A: a", b"\tb", reason="folded_field"),
    bad("field-folded-blank-line", "9112-5.2", b"X-A: a", b" ", b"X-B: b", reason="folded_field"),
    bad("field-folded-framing", "9112-5.2", b"Transfer-Encoding:", b" chunked", reason="folded_field"),
    refuses("field-white-space-before-first", "9112-2.2", request(LINE, b" Host: test.example", host=None), 400),
    refuses("field-tab-before-first", "9112-2.2", request(LINE, b"\tX-A: 1", b"Host: test.example", host=None), 400),
    refuses("field-head-ends-in-bare-lf", "9112-2.2", LINE + b"\r\n" + HOST + b"\n", 400, "bare_line_feed"),
    refuses("field-head-all-bare-lf", "9112-2.2", LINE + b"\nHost: test.example\n\n", 400, "bare_line_feed"),
    refuses("field-head-ends-in-lf-cr-lf", "9112-2.2", LINE + b"\r\nHost: test.example\n\r\n", 400, "bare_line_feed"),
]
