"""Request targets: RFC 9112 section 3.2. Bytes are passed as they are or refused, never rewritten."""

from .case import forward, passes, refuses, request


def same(id, clause, target):
    """Forwarded with exactly this target."""
    line = b"GET " + target + b" HTTP/1.1"
    return passes(id, clause, request(line), forward(line))


def bad(id, clause, target, method=b"GET"):
    return refuses(id, clause, request(method + b" " + target + b" HTTP/1.1"), 400)


CASES = [
    same("target-root", "9112-3.2.1", b"/"),
    same("target-query", "9112-3.2.1", b"/a?b=c&d=e?f/g"),
    same("target-empty-query", "9112-3.2.1", b"/a?"),
    same("target-percent-encoding-untouched", "9110-4.2.3", b"/%41%2e%2E%2f%00%zz%"),
    same("target-double-slash", "9112-3.2.1", b"//a//b"),
    same("target-dot-segments", "9112-3.2.1", b"/a/../b/./c/.."),
    same("target-colon-and-at", "9112-3.2.1", b"/user@host:80/http://x/"),
    same("target-sub-delims", "9112-3.2.1", b"/!$&'()*+,;=~"),
    same("target-not-in-grammar-but-common", "9112-3.2.1", b"/a|b{c}[d]^`"),
    same("target-encoded-fragment", "9112-3.2.1", b"/a%23b"),

    bad("target-no-slash", "9112-3.2", b"x"),
    bad("target-only-query", "9112-3.2", b"?x"),
    bad("target-fragment", "9112-3.2.1", b"/a#b"),
    bad("target-query-fragment", "9112-3.2.1", b"/a?b#"),
    bad("target-obs-text", "9112-3.2", b"/caf\xc3\xa9"),
    bad("target-0x80", "9112-3.2", b"/\x80"),
    bad("target-nul", "9112-3.2", b"/a\x00b"),
    bad("target-del", "9112-3.2", b"/a\x7fb"),
    bad("target-control", "9112-3.2", b"/a\x01b"),
    bad("target-bare-cr", "9112-2.2", b"/a\rb"),
    bad("target-escape", "9112-3.2", b"/a\x1b[31m"),

    # absolute-form: the target's host wins over Host, the worker gets the origin form. RFC 9112 section 3.2.2.
    passes("absolute-sets-host", "9112-3.2.2", request(b"GET http://other.example/a?b HTTP/1.1"),
           forward(b"GET /a?b HTTP/1.1", host=b"other.example")),
    passes("absolute-with-port", "9112-3.2.2", request(b"GET http://other.example:8080/a HTTP/1.1"),
           forward(b"GET /a HTTP/1.1", host=b"other.example:8080")),
    passes("absolute-without-path", "9112-3.2.1", request(b"GET http://other.example HTTP/1.1"),
           forward(b"GET / HTTP/1.1", host=b"other.example")),
    passes("absolute-scheme-upper-case", "9110-4.2.3", request(b"GET HTTP://other.example/a HTTP/1.1"),
           forward(b"GET /a HTTP/1.1", host=b"other.example")),
    passes("absolute-ipv6", "9112-3.2.2", request(b"GET http://[::1]:80/a HTTP/1.1"),
           forward(b"GET /a HTTP/1.1", host=b"[::1]:80")),
    passes("absolute-options-no-path", "9112-3.2.4", request(b"OPTIONS http://other.example HTTP/1.1"),
           forward(b"OPTIONS * HTTP/1.1", host=b"other.example")),
    refuses("absolute-but-no-host-field", "9112-3.2", request(b"GET http://other.example/a HTTP/1.1", host=None), 400,
            "bad_host"),
    refuses("absolute-but-bad-host-field", "9112-3.2", request(b"GET http://other.example/a HTTP/1.1", host=b"a b"),
            400, "bad_host"),
    bad("absolute-empty-host", "9110-4.2.1", b"http:///a"),
    bad("absolute-userinfo", "9110-4.2.4", b"http://user:secret@other.example/a"),
    bad("absolute-bad-port", "9112-3.2.2", b"http://other.example:8o/a"),
    bad("absolute-fragment", "9112-3.2.2", b"http://other.example/a#b"),
    bad("absolute-other-scheme", "9112-3.2.2", b"ftp://other.example/a"),
    bad("absolute-one-slash", "9112-3.2.2", b"http:/other.example/a"),

    bad("authority-form-with-get", "9112-3.2.3", b"test.example:80"),
    bad("asterisk-form-with-get", "9112-3.2.4", b"*"),
    bad("asterisk-and-more", "9112-3.2.4", b"*x", method=b"OPTIONS"),
    passes("asterisk-form-with-options", "9112-3.2.4", request(b"OPTIONS * HTTP/1.1"), forward(b"OPTIONS * HTTP/1.1")),
]
