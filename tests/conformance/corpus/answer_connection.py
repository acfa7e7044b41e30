"""Workers that close, reset, stall or answer early: RFC 9112 sections 7.5, 9.3 and 9.6, and the table of what happens
when things fail (design section 8).

One worker, fresh connections: what another worker or a reused connection changes is in test_conversations.py.
"""

import threading

from harness.worker import CLOSE, RESET, wait

from .case import HOST, answers, cuts, fails, to_client

OK = b"HTTP/1.1 200 OK"
POST = b"POST /answer HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
POST_WITHOUT_BODY = b"POST /answer HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n"
EXPECTS = b"POST /answer HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
SILENT = wait(threading.Event())  # nobody ever sets it

CASES = [
    fails("close-at-once", "9112-9.5", (CLOSE,), 502, "connection_closed"),
    fails("close-at-once-post", "9112-9.5", (CLOSE,), 502, "connection_closed", request=POST),
    fails("reset-at-once", "9112-9.5", (RESET,), 502),
    fails("reset-at-once-post", "9112-9.5", (RESET,), 502, request=POST),
    fails("close-in-status-line", "9112-8", (b"HTTP/1.1 20", CLOSE), 502),
    fails("close-behind-status-line", "9112-8", (OK + b"\r\n", CLOSE), 502),
    fails("close-in-field", "9112-8", (OK + b"\r\nContent-Le", CLOSE), 502),
    fails("close-before-empty-line", "9112-8", (OK + b"\r\nContent-Length: 2\r\n", CLOSE), 502),
    fails("reset-in-head", "9112-8", (OK + b"\r\nContent-Length: 2\r\n", RESET), 502),
    fails("close-behind-one-byte", "9112-8", (b"H", CLOSE), 502),
    fails("silent", "design-8", (SILENT,), 504, "answer_timeout"),
    fails("silent-in-head", "design-8", (OK + b"\r\nContent-Le", SILENT), 504, "answer_timeout"),
    cuts("silent-in-body", "design-8", (OK + b"\r\nContent-Length: 10\r\n\r\nhello", SILENT),
         to_client(OK, framing=[b"Content-Length: 10"]), b"hello"),
    cuts("silent-in-chunked-body", "design-8", (OK + b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", SILENT),
         to_client(OK, framing=[b"Transfer-Encoding: chunked"]), b"hello"),
    answers("close-behind-answer", "9112-9.6", (OK + b"\r\nContent-Length: 2\r\n\r\nok", CLOSE), to_client(OK),
            reused=False),
    answers("early-answer-close", "9112-7.5",
            (b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", CLOSE),
            to_client(b"HTTP/1.1 413 Too Large", connection=b"close"), b"no", request=POST_WITHOUT_BODY, early=True,
            closes=True),
    answers("early-answer-expect-refused", "9110-10.1.1",
            (b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", CLOSE),
            to_client(b"HTTP/1.1 401 Unauthorized", connection=b"close"), b"no", request=EXPECTS, early=True,
            closes=True),
]
