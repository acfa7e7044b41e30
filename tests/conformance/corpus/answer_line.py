"""Status lines of workers: RFC 9112 section 4, RFC 9110 section 15."""

from .case import answers, fails, to_client

TAIL = b"\r\nContent-Length: 2\r\n\r\nok"


def good(id, clause, line, **more):
    return answers(id, clause, line + TAIL, to_client(line), **more)


def bad(id, clause, line, reason="answer_malformed"):
    return fails(id, clause, line + TAIL, 502, reason)


CASES = [
    good("status-plain", "9112-4", b"HTTP/1.1 200 OK"),
    good("status-own-reason", "9112-4", b"HTTP/1.1 200 All is well, really"),
    good("status-empty-reason", "9112-4", b"HTTP/1.1 200 "),
    good("status-obs-text-reason", "9112-4", b"HTTP/1.1 200 caf\xc3\xa9"),
    good("status-tab-in-reason", "9112-4", b"HTTP/1.1 200 a\tb"),
    good("status-unknown-2xx", "9110-15", b"HTTP/1.1 299 Odd"),
    good("status-redirect", "9110-15.4", b"HTTP/1.1 302 Found"),
    good("status-404", "9110-15.5", b"HTTP/1.1 404 Not Found"),
    good("status-500-passed", "design-8", b"HTTP/1.1 500 Internal Server Error"),
    good("status-502-passed", "design-8", b"HTTP/1.1 502 Bad Gateway"),
    good("status-503-passed", "design-8", b"HTTP/1.1 503 Service Unavailable"),
    good("status-599", "9110-15", b"HTTP/1.1 599 Last"),
    answers("status-version-1.2", "9110-2.5", b"HTTP/1.2 200 OK" + TAIL, to_client(b"HTTP/1.1 200 OK")),

    bad("status-99", "9110-15", b"HTTP/1.1 99 Low"),
    bad("status-099", "9110-15", b"HTTP/1.1 099 Low"),
    bad("status-000", "9110-15", b"HTTP/1.1 000 None"),
    bad("status-600", "9110-15", b"HTTP/1.1 600 High"),
    bad("status-999", "9110-15", b"HTTP/1.1 999 High"),
    bad("status-1000", "9112-4", b"HTTP/1.1 1000 High"),
    bad("status-letters", "9112-4", b"HTTP/1.1 2x0 OK"),
    bad("status-sign", "9112-4", b"HTTP/1.1 +20 OK"),
    bad("status-missing", "9112-4", b"HTTP/1.1 OK"),
    bad("status-two-spaces", "9112-4", b"HTTP/1.1  200 OK"),
    bad("status-tab", "9112-4", b"HTTP/1.1\t200 OK"),
    bad("status-space-first", "9112-4", b" HTTP/1.1 200 OK"),
    bad("status-control-in-reason", "9112-4", b"HTTP/1.1 200 O\x01K"),
    bad("status-nul-in-reason", "9112-4", b"HTTP/1.1 200 O\x00K"),
    bad("status-bare-cr-in-reason", "9112-2.2", b"HTTP/1.1 200 O\rK"),
    bad("status-version-2", "9112-2.3", b"HTTP/2.0 200 OK"),
    bad("status-version-0.9", "9112-2.3", b"HTTP/0.9 200 OK"),
    bad("status-version-lower-case", "9112-2.3", b"http/1.1 200 OK"),
    bad("status-version-missing", "9112-4", b"200 OK"),
    bad("status-other-protocol", "9112-4", b"ICY 200 OK"),
    fails("status-bare-lf", "9112-2.2", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok", 502, "answer_malformed"),
    fails("status-only-body", "9112-2.3", (b"<html>hello</html>\r\n\r\n",), 502, "answer_malformed"),
    fails("status-ssh-banner", "9112-4", (b"SSH-2.0-OpenSSH_9.2\r\n\r\n",), 502, "answer_malformed"),
    fails("status-binary", "9112-4", (b"\x15\x03\x01\x00\x02\x02\x0a\r\n\r\n",), 502, "answer_malformed"),
]
