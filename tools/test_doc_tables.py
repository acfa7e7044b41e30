"""The tables in docs/ say what the .def files say."""

import re

import doc_tables


def test_every_row_is_read():
    errors = (doc_tables.ROOT / "src/base/err.def").read_text().count("\nERR(")
    assert len(doc_tables.rows("src/base/err.def", "ERR", 7)) == errors > 40
    metrics = (doc_tables.ROOT / "src/control/metric.def").read_text().count("\nMETRIC(")
    assert len(doc_tables.rows("src/control/metric.def", "METRIC", 4)) == metrics > 10
    differences = (doc_tables.ROOT / "tests/fuzz/h1_diff.def").read_text().count("\nDIFF(")
    assert len(doc_tables.rows("tests/fuzz/h1_diff.def", "DIFF", 5)) == differences > 20


def test_every_harness_is_documented():
    text = (doc_tables.ROOT / "docs/fuzzing.md").read_text()
    names = [path.name.removesuffix("_fuzz.c") for path in doc_tables.ROOT.glob("tests/fuzz/*_fuzz.c")]
    assert len(names) > 8
    for name in names:
        assert f"| `{name}` |" in text and any((doc_tables.ROOT / "tests/fuzz/corpus" / name).iterdir())


def test_docs_are_current(capsys):
    assert doc_tables.main([]) == 0, capsys.readouterr().out


def test_a_stale_table_is_replaced():
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
    assert doc_tables.current(text, "x", ["new"]) == "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"


def first_cells(path, heading):
    """The names in the first cells of the table below a heading."""
    text = (doc_tables.ROOT / path).read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_whoever_is_on_call_finds_every_reason_and_every_alert():
    """Each reason and each alert has its row in the operations guide, once; and none is told that is no more."""
    reasons = [row[1] for row in doc_tables.rows("src/base/err.def", "ERR", 7)]
    told = first_cells("docs/operations.md", "Reasons and what to do")
    assert (set(reasons) - set(told), set(told) - set(reasons), len(told)) == (set(), set(), len(reasons))
    rules = (doc_tables.ROOT / "packaging/prometheus/ballast.rules.yaml").read_text()
    assert sorted(first_cells("docs/operations.md", "Alerts")) == sorted(re.findall(r"alert: (\w+)", rules))
