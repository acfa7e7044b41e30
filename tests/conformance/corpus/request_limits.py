"""Limits, as the runner's configuration sets them: 8 KiB of head, 40 fields, 2 KiB of target, 64 KiB of body."""

from .case import forward, passes, refuses, request

GET = b"GET /limit HTTP/1.1"
POST = b"POST /limit HTTP/1.1"
ONE = (b"POST",)
HEAD_BYTES = 8 * 1024
FIELDS = 40
TARGET_BYTES = 2 * 1024
BODY_BYTES = 64 * 1024


def of_target(length):
    return b"GET /" + b"t" * (length - 1) + b" HTTP/1.1"


def many(count):
    return [b"X-%d: v" % i for i in range(count - 1)]  # Host is one more


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


CASES = [
    passes("limit-target-at", "9112-3", request(of_target(TARGET_BYTES)), forward(of_target(TARGET_BYTES))),
    refuses("limit-target-over", "9110-15.5.15", request(of_target(TARGET_BYTES + 1)), 414, "target_too_long"),
    refuses("limit-target-far-over", "9110-15.5.15", request(of_target(5 * TARGET_BYTES)), 414, "target_too_long"),
    refuses("limit-target-without-end", "9110-15.5.15", b"GET /" + b"t" * 4 * HEAD_BYTES, (414, 431)),
    refuses("limit-method-without-end", "9112-3", b"G" * 4 * HEAD_BYTES, (400, 414, 431, 501)),
    passes("limit-fields-at", "6585-5", request(GET, *many(FIELDS)), forward(GET, *many(FIELDS))),
    refuses("limit-fields-over", "6585-5", request(GET, *many(FIELDS + 1)), 431, "too_many_fields"),
    refuses("limit-fields-far-over", "6585-5", request(GET, *many(20 * FIELDS)), 431),
    refuses("limit-head-one-long-field", "6585-5", request(GET, b"X-A: " + b"v" * HEAD_BYTES), 431, "head_too_large"),
    refuses("limit-head-one-long-name", "6585-5", request(GET, b"N" * HEAD_BYTES + b": v"), 431, "head_too_large"),
    refuses("limit-head-in-sum", "6585-5", request(GET, *[b"X-%d: " % i + b"v" * 500 for i in range(20)]), 431,
            "head_too_large"),
    refuses("limit-head-without-end", "6585-5", GET + b"\r\nX-A: " + b"v" * 8 * HEAD_BYTES, 431, "head_too_large"),

    passes("limit-body-at", "9110-15.5.14", request(POST, b"Content-Length: 65536", body=b"b" * BODY_BYTES),
           forward(POST, framing=[b"Content-Length: 65536"], body=b"b" * BODY_BYTES), methods=ONE),
    refuses("limit-body-over", "9110-15.5.14", request(POST, b"Content-Length: 65537", body=b"b" * (BODY_BYTES + 1)),
            413, "body_too_large", methods=ONE),
    refuses("limit-body-over-announced-only", "9110-15.5.14", request(POST, b"Content-Length: 65537"), 413,
            "body_too_large", methods=ONE),
    refuses("limit-body-2-to-63-less-1", "9110-15.5.14", request(POST, b"Content-Length: 9223372036854775807"),
            (400, 413), methods=ONE),
    passes("limit-chunked-body-at", "9110-15.5.14",
           request(POST, b"Transfer-Encoding: chunked", body=chunk(b"b" * BODY_BYTES) + b"0\r\n\r\n"),
           forward(POST, framing=[b"Transfer-Encoding: chunked"], body=b"b" * BODY_BYTES), methods=ONE),
    refuses("limit-chunked-body-over", "9110-15.5.14",
            request(POST, b"Transfer-Encoding: chunked", body=chunk(b"b" * 40000) * 2 + b"0\r\n\r\n"), 413,
            "body_too_large", methods=ONE, begun=True),
    refuses("limit-chunk-size-over", "9110-15.5.14",
            request(POST, b"Transfer-Encoding: chunked", body=b"7fffffff\r\n" + b"b" * (BODY_BYTES + 1)), 413,
            "body_too_large", methods=ONE, begun=True),
]
