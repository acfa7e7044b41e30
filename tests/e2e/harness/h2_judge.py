"""What RFC 9113 asks of whoever sends, judged frame by frame: each test that reads frames of a balancer checks it."""

import re

import hyperframe.frame as frames

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
DEFINED_FLAGS = {DATA: 0x09, HEADERS: 0x2d, RST_STREAM: 0, SETTINGS: 0x01, PING: 0x01, GOAWAY: 0, WINDOW_UPDATE: 0,
                 CONTINUATION: 0x04}  # sections 6.1 to 6.10; PRIORITY and PUSH_PROMISE are never sent
LENGTHS = {RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
OF_CONNECTION = {SETTINGS, PING, GOAWAY}
END_STREAM = ACK = 0x01
END_HEADERS = 0x04
MAX_FRAME_SIZE, DEFAULT_FRAME_SIZE = frames.SettingsFrame.MAX_FRAME_SIZE, 16384
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
VALUE = re.compile(r"(?![ \t])[^\0\r\n]*(?<![ \t])")
OF_ONE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}


class BrokenRule(AssertionError):
    """The balancer sent what RFC 9113 does not allow."""


def rule(holds, section, what):
    if not holds:
        raise BrokenRule(f"RFC 9113 section {section}: {what}")


class FrameJudge:
    """Of one connection. `answers`: what is judged comes from a server."""

    def __init__(self, answers):
        self.answers = answers
        self.any = False
        self.most, self.announced = DEFAULT_FRAME_SIZE, []  # the frame size in force; those not acknowledged yet
        self.head_of = 0  # the stream whose head goes on
        self.begun, self.headed, self.ended, self.reset = 0, set(), set(), set()
        self.last = None  # of GOAWAY

    def note_settings(self, values):
        """Our own settings go out: they hold from their acknowledgement on (section 6.5.3)."""
        self.announced.append(values.get(MAX_FRAME_SIZE))

    def judge(self, head, payload):
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:9], "big")
        rule(stream < 1 << 31, "4.1", f"the reserved bit of frame {kind} is set")
        rule(kind in DEFINED_FLAGS, "5.3.2, 5.5, 8.4", f"a frame of type {kind}")
        rule(not flags & ~DEFINED_FLAGS[kind], "4.1", f"frame {kind} has flags {flags:#x}")
        rule(length <= max([self.most, *filter(None, self.announced)]), "4.2", f"frame {kind} has {length} bytes")
        rule((kind in OF_CONNECTION) == (stream == 0) or kind == WINDOW_UPDATE, "6", f"frame {kind} on stream {stream}")
        rule(length == LENGTHS.get(kind, length), "6", f"frame {kind} has {length} bytes")
        rule(self.any or (kind == SETTINGS and not flags), "3.4", f"frame {kind} is the first")
        rule(not self.head_of or (kind, stream) == (CONTINUATION, self.head_of), "6.10", f"{kind} inside a head")
        rule(self.head_of or kind != CONTINUATION, "6.10", "CONTINUATION without a head")
        self.any = True
        if stream:
            self.judge_state(kind, flags, stream)
        self.judge_payload(kind, flags, payload)

    def judge_state(self, kind, flags, stream):
        """Section 5.1, by what the sender has sent."""
        rule(stream not in self.reset, "5.1", f"frame {kind} on stream {stream}, which was reset")
        rule(stream not in self.ended or kind in (RST_STREAM, WINDOW_UPDATE), "5.1", f"frame {kind} behind END_STREAM")
        if kind == HEADERS and not self.answers and stream not in self.headed:
            rule(stream % 2 and stream > self.begun, "5.1.1", f"stream {stream} after {self.begun}")
            self.begun = stream
        rule(kind != DATA or stream in self.headed, "8.1", f"DATA before a head on stream {stream}")
        rule(self.answers or stream <= self.begun, "5.1", f"frame {kind} on idle stream {stream}")
        if kind in (HEADERS, CONTINUATION):
            self.headed.add(stream)
            self.head_of = 0 if flags & END_HEADERS else stream
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.ended.add(stream)
        if kind == RST_STREAM:
            self.reset.add(stream)

    def judge_payload(self, kind, flags, payload):
        if kind == SETTINGS and flags & ACK:
            rule(not payload, "6.5", "an acknowledgement with values")
            if self.announced:
                self.most = self.announced.pop(0) or self.most
        elif kind == SETTINGS:
            rule(len(payload) % 6 == 0, "6.5", f"SETTINGS of {len(payload)} bytes")
        elif kind == WINDOW_UPDATE:
            rule(0 < int.from_bytes(payload, "big") < 1 << 31, "6.9", "WINDOW_UPDATE without an increment")
        elif kind == GOAWAY:
            last = int.from_bytes(payload[:4], "big")
            rule(self.last is None or last <= self.last, "6.8", f"GOAWAY with {last} after {self.last}")
            self.last = last

    def judge_fields(self, fields, trailers):
        """Sections 8.2 and 8.3, of one head or of trailers."""
        names = [name for name, _ in fields]
        pseudo = [name for name in names if name.startswith(":")]
        rule(names[:len(pseudo)] == pseudo and len(set(pseudo)) == len(pseudo), "8.3", f"pseudo-fields in {names}")
        self.judge_pseudo(dict(fields), set(pseudo), trailers)
        for name, value in fields[len(pseudo):]:
            rule(NAME.fullmatch(name) and VALUE.fullmatch(value), "8.2.1", f"{name!r}: {value!r}")
            rule(name not in OF_ONE_CONNECTION, "8.2.2", f"{name} is of one connection")
            rule(name != "te" or value == "trailers", "8.2.2", f"te: {value}")

    def judge_pseudo(self, fields, names, trailers):
        if trailers:
            rule(not names, "8.1", f"{names} in trailers")
        elif self.answers:
            rule(names == {":status"} and re.fullmatch("[1-5][0-9][0-9]", fields[":status"]), "8.3.2", f"{names}")
            rule(fields[":status"] != "101", "8.6", "101")
        else:
            wanted = {":method", ":scheme", ":path"} | ({":protocol"} & names) | ({":authority"} & names)
            rule(names == wanted and fields[":path"].startswith(("/", "*")), "8.3.1", f"{fields}")
            rule(fields.get("host", fields.get(":authority")) == fields.get(":authority"), "8.3.1", "host differs")
