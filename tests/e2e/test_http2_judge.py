"""The judge of frames that all tests of HTTP/2 read by: it sees each rule broken, and nothing where none is."""

import pytest

from harness.h2 import raw
from harness.h2_judge import BrokenRule, FrameJudge

SETTINGS, ACK, HEAD, PIECE = raw(4, 0, 0), raw(4, 1, 0), raw(1, 4, 1, b"\x88"), raw(0, 0, 1, b"x")
END = raw(0, 1, 1, b"x")
KEPT = [SETTINGS, ACK, HEAD, PIECE, raw(8, 0, 1, b"\0\0\0\1"), END, raw(3, 0, 1, bytes(4)), raw(7, 0, 0, bytes(8))]
BROKEN = {
    "3.4": [HEAD],
    "4.1 reserved bit": [SETTINGS, raw(8, 0, 1 << 31, b"\0\0\0\1")],
    "4.1 undefined flag": [SETTINGS, raw(6, 2, 0, bytes(8))],
    "4.2": [SETTINGS, HEAD, raw(0, 0, 1, bytes(16385))],
    "5.1 reset": [SETTINGS, HEAD, raw(3, 0, 1, bytes(4)), PIECE],
    "5.1 END_STREAM": [SETTINGS, HEAD, END, PIECE],
    "5.5 unknown type": [SETTINGS, raw(0x77, 0, 0)],
    "6 of a stream": [SETTINGS, raw(0, 0, 0, b"x")],
    "6 of the connection": [SETTINGS, raw(6, 0, 1, bytes(8))],
    "6.5": [SETTINGS, raw(4, 1, 0, bytes(6))],
    "6.8": [SETTINGS, raw(7, 0, 0, b"\0\0\0\1" + bytes(4)), raw(7, 0, 0, b"\0\0\0\3" + bytes(4))],
    "6.9": [SETTINGS, raw(8, 0, 0, bytes(4))],
    "6.10 missing": [SETTINGS, raw(1, 0, 1, b"\x88"), PIECE],
    "6.10 alone": [SETTINGS, raw(9, 4, 1, b"\x88")],
    "8.1": [SETTINGS, PIECE],
    "8.4": [SETTINGS, raw(5, 4, 1, bytes(4))],
}
ANSWER, REQUEST = [(":status", "200")], [(":method", "GET"), (":scheme", "http"), (":path", "/")]
BROKEN_FIELDS = {
    "8.1": (True, True, ANSWER),
    "8.2.1 letters": (True, False, [*ANSWER, ("X", "y")]),
    "8.2.1 space": (True, False, [*ANSWER, ("x", "y ")]),
    "8.2.2": (True, False, [*ANSWER, ("connection", "close")]),
    "8.2.2 te": (False, False, [*REQUEST, ("te", "gzip")]),
    "8.3 behind": (True, False, [("x", "y"), *ANSWER]),
    "8.3 twice": (True, False, ANSWER * 2),
    "8.3.1 missing": (False, False, REQUEST[:2]),
    "8.3.1 empty": (False, False, [*REQUEST[:2], (":path", "")]),
    "8.3.1 hosts": (False, False, [*REQUEST, (":authority", "a"), ("host", "b")]),
    "8.3.2": (True, False, [*ANSWER, (":path", "/")]),
    "8.6": (True, False, [(":status", "101")]),
}


def judge(frames, judging):
    for frame in frames:
        judging.judge(frame[:9], frame[9:])


def test_kept():
    judging = FrameJudge(answers=True)
    judge(KEPT, judging)
    judging.judge_fields([*ANSWER, ("x", "y")], trailers=False)
    judging.judge_fields([("x", "")], trailers=True)
    FrameJudge(answers=False).judge_fields([*REQUEST, ("te", "trailers")], trailers=False)


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name):
    *before, last = BROKEN[name]
    judging = FrameJudge(answers=True)
    judge(before, judging)
    with pytest.raises(BrokenRule, match=name.split()[0]):
        judge([last], judging)


@pytest.mark.parametrize("streams", [[2], [3, 1]])
def test_streams_of_a_client(streams):
    judging = FrameJudge(answers=False)
    judge([SETTINGS, *[raw(1, 4, stream, b"\x82") for stream in streams[:-1]]], judging)
    with pytest.raises(BrokenRule, match="5.1.1"):
        judge([raw(1, 4, streams[-1], b"\x82")], judging)


def test_frame_size_holds_from_its_acknowledgement():
    judging, large = FrameJudge(answers=True), raw(0, 0, 1, bytes(20000))
    judge([SETTINGS, HEAD], judging)
    judging.note_settings({5: 30000})
    judge([large, ACK, large], judging)  # the first may have been sent when it knew already
    judging.note_settings({5: 16384})
    judge([large, ACK], judging)
    with pytest.raises(BrokenRule, match="4.2"):
        judge([large], judging)


@pytest.mark.parametrize("name", BROKEN_FIELDS)
def test_broken_fields(name):
    answers, trailers, fields = BROKEN_FIELDS[name]
    with pytest.raises(BrokenRule, match=name.split()[0]):
        FrameJudge(answers).judge_fields(fields, trailers)
