"""Host: RFC 9112 section 3.2 and RFC 9110 section 7.2."""

from .case import forward, passes, refuses, request

LINE = b"GET /host HTTP/1.1"
OLD_LINE = b"GET /host HTTP/1.0"


def good(id, host, clause="9110-7.2"):
    return passes(id, clause, request(LINE, host=host), forward(LINE, host=host))


def bad(id, host, clause="9112-3.2"):
    return refuses(id, clause, request(LINE, host=host), 400, "bad_host")


CASES = [
    good("host-with-port", b"test.example:8080"),
    good("host-empty-port", b"test.example:"),
    good("host-ipv4", b"192.0.2.1"),
    good("host-ipv6", b"[2001:db8::1]"),
    good("host-ipv6-port", b"[2001:db8::1]:8080"),
    good("host-case-kept", b"Test.EXAMPLE"),
    good("host-underscore", b"my_host.example"),
    good("host-trailing-dot", b"test.example."),
    passes("host-white-space-around", "9112-5.1", request(LINE, b"Host: \t test.example \t ", host=None),
           forward(LINE)),
    passes("host-name-any-case", "9110-5.1", request(LINE, b"hOsT: test.example", host=None), forward(LINE)),
    passes("host-moved-to-front", "9110-7.2", request(LINE, b"X-A: 1", b"Host: test.example", host=None),
           forward(LINE, b"X-A: 1")),
    passes("host-missing-in-1.0", "9112-3.2", request(OLD_LINE, host=None), forward(LINE, host=b"", via=b"1.0"),
           version=b"1.0", closes=True),

    refuses("host-missing", "9112-3.2", request(LINE, host=None), 400, "bad_host"),
    refuses("host-missing-others-there", "9112-3.2", request(LINE, b"Accept: */*", b"X-Host: a", host=None), 400,
            "bad_host"),
    refuses("host-twice-different", "9112-3.2", request(LINE, b"Host: other.example"), 400, "bad_host"),
    refuses("host-twice-same", "9112-3.2", request(LINE, b"Host: test.example"), 400, "bad_host"),
    refuses("host-twice-in-1.0", "9112-3.2", request(OLD_LINE, b"Host: other.example"), 400, "bad_host",
            version=b"1.0"),
    bad("host-empty", b""),
    bad("host-inner-space", b"test .example"),
    bad("host-list", b"test.example, other.example"),
    bad("host-userinfo", b"user@test.example", "9110-4.2.4"),
    bad("host-with-path", b"test.example/a"),
    bad("host-with-scheme", b"http://test.example"),
    bad("host-port-letters", b"test.example:8o80"),
    bad("host-port-sign", b"test.example:-1"),
    bad("host-port-too-big", b"test.example:65536"),
    bad("host-port-twice", b"test.example:80:80"),
    bad("host-only-port", b":80"),
    bad("host-ipv6-open", b"[::1"),
    bad("host-ipv6-no-brackets", b"::1"),
    bad("host-ipv6-garbage-behind", b"[::1]x"),
    bad("host-obs-text", b"t\xe9st.example"),
    bad("host-angle-brackets", b"<test.example>"),
    bad("host-question-mark", b"test.example?x"),
    bad("host-hash", b"test.example#x"),
    bad("host-backslash", b"test.example\\x"),
    refuses("host-with-nul", "9110-5.5", request(LINE, host=b"test\x00.example"), 400),
]
