"""The corpus itself: big enough, without repeated ids, each case with the clause that it is about."""

import re

from corpus import ANSWERS, REQUESTS

CLAUSE = re.compile(r"\d{4}-[\dA-Z]+(\.\d+)*|design-[78]")


def test_the_corpus_is_large_enough():
    assert len(REQUESTS) >= 110
    assert len(ANSWERS) >= 60


def test_ids_are_unique():
    ids = [case.id for case in REQUESTS + ANSWERS]
    assert sorted(set(ids)) == sorted(ids)


def test_every_case_names_its_clause():
    assert [case.id for case in REQUESTS + ANSWERS if not CLAUSE.fullmatch(case.clause)] == []


def test_no_two_request_cases_send_the_same():
    seen = {}
    for case in REQUESTS:
        seen.setdefault((case.send, case.finish), []).append(case.id)
    assert [ids for ids in seen.values() if len(ids) > 1] == []


def test_every_case_expects_something():
    assert [case.id for case in REQUESTS if not case.forwards and not case.status] == []
    assert [case.id for case in ANSWERS if bool(case.head) == bool(case.status)] == []
