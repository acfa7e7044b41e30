"""The one command's own tests: what it says, and what it does where nothing is installed."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEV = ROOT / "dev"


def run(*arguments, path=None):
    environment = dict(os.environ, PATH=str(path) if path else os.environ["PATH"])
    return subprocess.run(["/bin/sh", str(DEV), *arguments], env=environment, cwd="/", stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)


def box(folder, **fakes):
    """A folder to be the whole path: a few plain tools, and fakes of others as shell scripts."""
    for name in ("sh", "dirname", "cat", "mkdir", "rm", "id"):
        (folder / name).symlink_to(shutil.which(name))
    for name, script in fakes.items():
        (folder / name).write_text("#!/bin/sh\n" + script)
        (folder / name).chmod(0o755)
    return folder


def test_help_names_every_command():
    text = run("help").stdout
    commands = set(re.findall(r"^command_(\w+)\(\)", DEV.read_text(), re.MULTILINE)) - {"help"}
    assert commands == set(re.findall(r"^  (\w+)", text, re.MULTILINE))
    assert run().stdout == text


@pytest.mark.parametrize("arguments, sentence", [
    (["frobnicate"], "dev: no command frobnicate; ./dev help lists them"),
    (["worker"], "dev: which port? ./dev worker PORT... [options of ballast-worker]"),
    (["worker", "--name"], "dev: which port? ./dev worker PORT... [options of ballast-worker]"),
    (["fuzz", "--minutes", "x"], "dev: --minutes takes a number"),
])
def test_a_wrong_command_is_told(arguments, sentence):
    result = run(*arguments)
    assert (result.returncode, result.stderr.strip()) == (1, sentence)


def test_without_apt_it_names_what_is_missing(tmp_path):
    result = run("build", path=box(tmp_path))
    assert result.returncode == 1
    assert "missing, by Debian's names: meson ninja-build gcc" in result.stderr


def test_without_root_and_sudo_it_says_what_root_would_do(tmp_path):
    path = box(tmp_path, **{"apt-get": "exit 1\n"})
    (path / "id").unlink()
    (path / "id").write_text("#!/bin/sh\necho 1000\n")
    (path / "id").chmod(0o755)
    result = run("build", path=path)
    assert result.returncode == 1
    assert "run as root: apt-get install --no-install-recommends meson ninja-build gcc" in result.stderr


def collect(*options):
    """Some end to end tests, as pytest chooses from them."""
    files = [f"tests/e2e/test_{name}.py" for name in ("contract", "keeper", "idle")]
    return subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", *files,
                           *options], cwd=ROOT, capture_output=True, text=True, check=False)


def collected(*options):
    return [line for line in collect(*options).stdout.splitlines() if "::" in line]


@pytest.mark.parametrize("some", [(), ("-k", "not stop")])
def test_every_end_to_end_test_is_in_one_part_or_runs_alone(some):
    parts = [collected("--part", f"{number}/3", *some) for number in (1, 2, 3)]
    alone = collected("-m", "alone", *some)
    assert alone and sorted(sum(parts, alone)) == sorted(collected(*some))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("part", ["0/3", "4/3", "3", "x"])
def test_a_part_that_there_is_not(part):
    done = collect("--part", part)
    assert done.returncode == 4 and "argument --part: invalid" in done.stderr
