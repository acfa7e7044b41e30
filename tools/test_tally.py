"""tally.py's own tests: what a report says is what is counted, and a layer that ends badly is never a pass."""

import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import tally

PASS = '<testcase name="a"/>'
FAIL = '<testcase name="b"><failure message="no"/></testcase>'
ERROR = '<testcase name="c"><error/></testcase>'
SKIP = '<testcase name="d"><skipped/></testcase>'
# A case that was meant to be skipped and then broke, as pytest reports a teardown that fails.
SKIP_ERROR = '<testcase name="e"><skipped/><error/></testcase>'


def report(path, *cases):
    first, second = "".join(cases[:1]), "".join(cases[1:])
    path.write_text(f"<testsuites><testsuite>{first}</testsuite><testsuite>{second}</testsuite></testsuites>")
    return path


@pytest.mark.parametrize("cases, status, counts", [
    ([PASS, PASS, PASS], 0, (3, 0, 0)),
    ([PASS, FAIL, ERROR], 1, (1, 2, 0)),
    ([PASS, SKIP], 0, (1, 0, 1)),
    ([PASS, SKIP_ERROR], 1, (1, 1, 0)),
    ([PASS, FAIL], 0, (1, 1, 0)),
    ([PASS], 139, (1, 1, 0)),
    ([], 5, (0, 1, 0)),
    ([], 0, (0, 0, 0)),
])
def test_a_report_is_counted(tmp_path, cases, status, counts):
    assert tally.count_layer(status, report(tmp_path / "r.xml", *cases)) == counts


@pytest.mark.parametrize("text", [None, "", "<testsuites><testsuite>"])
def test_a_report_that_is_missing_or_cut_short(tmp_path, text):
    path = tmp_path / "r.xml"
    if text is not None:
        path.write_text(text)
    assert tally.count_layer(1, path) == (0, 1, 0)
    assert tally.count_layer(0, path) == (0, 0, 0)


@pytest.mark.parametrize("status, counts", [(0, (1, 0, 0)), (1, (0, 1, 0))])
def test_a_layer_without_a_report_is_one_case(status, counts):
    assert tally.count_layer(status, None) == counts


@pytest.mark.parametrize("lines, last, status", [
    (["3 0 0", "4 0 0"], "7 passed, 0 failed", 0),
    (["3 1 0", "4 0 0"], "7 passed, 1 failed", 1),
    (["3 0 2", "4 0 1"], "7 passed, 0 failed, 3 skipped", 0),
    (["0 0 0"], "0 passed, 0 failed", 1),
    ([], "0 passed, 0 failed", 1),
])
def test_the_total(tmp_path, capsys, lines, last, status):
    (tmp_path / "counts").write_text("".join(line + "\n" for line in lines))
    assert tally.main(["total", "--counts", str(tmp_path / "counts")]) == status
    assert capsys.readouterr().out == last + "\n"


def test_nothing_ran(tmp_path, capsys):
    assert tally.main(["total", "--counts", str(tmp_path / "counts")]) == 1
    assert capsys.readouterr().out == "0 passed, 0 failed\n"


def test_layers_add_up_and_only_failures_are_shown_in_full(tmp_path, capsys):
    log = tmp_path / "log"
    log.write_text("what the layer wrote\n")
    common = ["--counts", str(tmp_path / "counts"), "--log", str(log), "--seconds", "2"]
    good = report(tmp_path / "good.xml", PASS, PASS)
    assert tally.main(["layer", "unit", "--status", "0", "--junit", str(good), *common]) == 0
    out = capsys.readouterr().out
    assert out.split() == ["ok", "unit", "2", "passed,", "0", "failed", "2", "s"]
    assert tally.main(["layer", "build", "--status", "1", *common]) == 1
    assert capsys.readouterr().out.startswith("what the layer wrote\nFAILED build")
    assert tally.main(["total", "--counts", str(tmp_path / "counts")]) == 1
    assert capsys.readouterr().out == "2 passed, 1 failed\n"


def test_layers_that_end_at_once_tell_so_one_after_the_other(tmp_path):
    """The first is caught as it reads its log; the other must not write between."""
    def end(name):
        return subprocess.Popen([sys.executable, tally.__file__, "layer", name, "--counts", tmp_path / "counts",
                                 "--log", tmp_path / name, "--status", "1", "--seconds", "2"], stdout=out)

    def waits(process):
        locks = pathlib.Path("/proc/locks").read_text().splitlines()
        return process.poll() is not None or any("->" in line and f" {process.pid} " in line for line in locks)
    os.mkfifo(tmp_path / "first")
    (tmp_path / "second").write_text("of the second\n")
    with (tmp_path / "out").open("w") as out, end("first") as first:
        with (tmp_path / "first").open("w") as log:
            second = end("second")
            while not waits(second):
                pass
            log.write("of the first\n")
        assert (first.wait(), second.wait()) == (1, 1)
    lines = (tmp_path / "out").read_text().splitlines()
    assert [line.split()[:3] for line in lines] == [["of", "the", "first"], ["FAILED", "first", "0"],
                                                    ["of", "the", "second"], ["FAILED", "second", "0"]]
