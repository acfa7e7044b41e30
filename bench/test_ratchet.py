"""The instructions of a small request may not grow unnoticed. How to lower or raise the number: bench/ratchet.py."""

import json

import pytest

import ratchet

COMMITTED = {"instructions": 10000, "compiler": "gcc 12"}


@pytest.mark.parametrize("measured, passes, words", [
    (10000, True, "committed"), (10299, True, "committed"), (10301, False, "at most 10300"),
    (9701, True, "committed: 10000"), (9699, True, "Keep the gain"),
])
def test_judges_with_slack(measured, passes, words):
    passed, sentence = ratchet.judge(measured, COMMITTED, "gcc 12")
    assert passed == passes and words in sentence


def test_compares_nothing_between_compilers():
    passed, sentence = ratchet.judge(20000, COMMITTED, "gcc 13")
    assert passed and "not compared" in sentence and "gcc 13" in sentence


def test_instructions_of_a_small_request_have_not_grown(build):
    committed, here = json.loads(ratchet.COMMITTED.read_text()), ratchet.compiler()
    if ratchet.why_not() or committed["compiler"] != here:
        pytest.skip(ratchet.why_not() or f"the number is for {committed['compiler']}, here is {here}")
    passed, sentence = ratchet.judge(ratchet.instructions_per_request(build), committed, here)
    print(sentence)
    assert passed, sentence
