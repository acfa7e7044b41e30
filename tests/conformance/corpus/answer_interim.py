"""1xx answers: RFC 9110 section 15.2. They are passed on as they come; 101 only to who asked."""

from harness.worker import CLOSE, RESET

from .case import HOST, answers, fails, lines, to_client

OK = b"HTTP/1.1 200 OK"
FINAL = OK + b"\r\nContent-Length: 2\r\n\r\nok"
GET_OLD = b"GET /answer HTTP/1.0\r\n" + HOST + b"\r\n"


def interim(line, *fields):
    return lines(line, *fields) + b"\r\n"


def to_client_interim(line, *fields):
    return to_client(line, *fields, framing=())


CONTINUE = b"HTTP/1.1 100 Continue"
HINTS = b"HTTP/1.1 103 Early Hints"
LINK = b"Link: </a.css>; rel=preload"

CASES = [
    answers("interim-continue", "9110-15.2.1", interim(CONTINUE) + FINAL, to_client(OK),
            interim=(to_client_interim(CONTINUE),), reused=True),
    answers("interim-processing", "9110-15.2", interim(b"HTTP/1.1 102 Processing") + FINAL, to_client(OK),
            interim=(to_client_interim(b"HTTP/1.1 102 Processing"),)),
    answers("interim-early-hints", "8297-2", interim(HINTS, LINK) + FINAL, to_client(OK),
            interim=(to_client_interim(HINTS, LINK),)),
    answers("interim-unknown", "9110-15", interim(b"HTTP/1.1 199 Odd") + FINAL, to_client(OK),
            interim=(to_client_interim(b"HTTP/1.1 199 Odd"),)),
    answers("interim-several", "9110-15.2", interim(HINTS, LINK) + interim(HINTS) + interim(CONTINUE) + FINAL,
            to_client(OK), interim=(to_client_interim(HINTS, LINK), to_client_interim(HINTS),
                                    to_client_interim(CONTINUE))),
    answers("interim-hop-by-hop-removed", "9110-7.6.1", interim(HINTS, b"Connection: X-A", b"X-A: 1", LINK) + FINAL,
            to_client(OK), interim=(to_client_interim(HINTS, LINK),)),
    answers("interim-framing-removed", "9110-8.6", interim(HINTS, b"Content-Length: 0") + FINAL, to_client(OK),
            interim=(to_client_interim(HINTS),)),
    answers("interim-not-to-1.0-client", "9110-15.2", interim(CONTINUE) + interim(HINTS, LINK) + FINAL,
            to_client(OK, connection=b"close"), request=GET_OLD, closes=True),
    answers("interim-before-head-answer", "9110-9.3.2",
            interim(HINTS, LINK) + OK + b"\r\nContent-Length: 2\r\n\r\n", to_client(OK), b"",
            interim=(to_client_interim(HINTS, LINK),), request=b"HEAD /answer HTTP/1.1\r\n" + HOST + b"\r\n",
            reused=True),
    fails("interim-then-close", "9110-15.2", (interim(HINTS, LINK), CLOSE), 502,
          interim=(to_client_interim(HINTS, LINK),)),
    fails("interim-then-reset", "9110-15.2", (interim(CONTINUE), RESET), 502),
    fails("interim-then-garbage", "9112-4", interim(HINTS) + b"oops\r\n\r\n", 502, "answer_malformed",
          interim=(to_client_interim(HINTS),)),
    fails("interim-malformed", "9112-5", interim(HINTS, b"X A: 1") + FINAL, 502, "answer_malformed"),
    fails("switching-not-asked", "9110-15.2.2",
          interim(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: foo", b"Connection: Upgrade") + b"hello", 502,
          "answer_switched"),
    fails("switching-not-asked-no-upgrade", "9110-15.2.2", interim(b"HTTP/1.1 101 Switching Protocols") + FINAL, 502,
          "answer_switched"),
    fails("switching-h2c-asked", "9110-7.8",
          interim(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: h2c", b"Connection: Upgrade"), 502,
          "answer_switched", request=b"GET /answer HTTP/1.1\r\n" + HOST
          + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"),
]
