"""Starts that must not happen: each says where and what would be right, exits with 1, and leaves nothing running.

What the parser refuses, case by case, is tests/unit/control's; here is what an operator sees.
"""

import json
import os
import re
import socket
import subprocess

import pytest

from harness.waiting import free_port

POOL = "pools: { web: { workers: [127.0.0.1:3001] } }\n"


def ballast(program, *arguments, **options):
    done = subprocess.run([str(word) for word in (program, *arguments)], capture_output=True, text=True, timeout=20,
                          check=False, stdin=subprocess.DEVNULL, **options)
    assert "Sanitizer" not in done.stderr
    return done


def lines_of(done):
    """What it said: `check` on standard output, all else on standard error; without the log's own lines."""
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT\S+ info ", line)]


CASES = {
    "unknown-key": (POOL + "timouts: { connect: 2s }\n", 2, 1, 'did you mean "timeouts"?'),
    "nested-key": ("pools:\n  web:\n    workers: [3001]\n    helth: {}\n", 4, 5, 'did you mean "health"?'),
    "no-unit": (POOL + "timeouts:\n  connect: 2\n", 3, 12, "write 2s or 2ms"),
    "word": (POOL + "access_log: { path: off, format: jsn }\n", 2, 34, '"json"'),
    "range": (POOL + "threads: 1000\n", 2, 10, "1 to 256"),
    "pool": (POOL + "routes: [ { pool: wep } ]\n", 2, 11, '"web"'),
    "twice": (POOL + "threads: 1\nthreads: 2\n", 3, 1, "threads"),
    "anchor": ("pools: { web: &a { workers: [3001] } }\n", 1, 15, "anchor"),
    "address": ("pools: { web: { workers: [127.0.0.1] } }\n", 1, 27, "port"),
    "name-twice": ("pools: { web: { workers: [ { address: 3001, name: a }, { address: 3002, name: a } ] } }\n", 1, None,
                   '"a"'),
    "syntax": ("pools: { web: { workers: [3001 }\n", 1, None, ""),
    "type": ("pools: [web]\n", 1, 8, "mapping"),
    "variable": ("pools: { web: { workers: ['${BALLAST_TEST_ABSENT}'] } }\n", 1, 27, "BALLAST_TEST_ABSENT"),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("case", CASES)
def test_a_wrong_file_is_said_with_its_place(ballast_path, tmp_path, case, command):
    text, line, column, hint = CASES[case]
    path = tmp_path / "ballast.yaml"
    path.write_text(text)
    done = ballast(ballast_path, command, "-c", path)
    assert done.returncode == 1
    said = lines_of(done)
    match = re.fullmatch(re.escape(str(path)) + r":(\d+):(\d+): (.+)", said[0])
    assert match, said
    assert int(match[1]) == line and (column is None or int(match[2]) == column), said
    assert hint in match[3], said


def test_all_errors_are_told_at_once(ballast_path, tmp_path):
    path = tmp_path / "ballast.yaml"
    path.write_text(POOL + "threads: none\ntimouts: {}\nroutes: [ { pool: x } ]\n")
    done = ballast(ballast_path, "check", "-c", path)
    assert done.returncode == 1
    places = [line.split(": ")[0] for line in lines_of(done)[:3]]
    assert places == [f"{path}:2:10", f"{path}:3:1", f"{path}:4:11"]


def test_a_setting_that_must_be_there(ballast_path, tmp_path):
    """What is missing has no line."""
    path = tmp_path / "ballast.yaml"
    path.write_text("threads: 1\n")
    done = ballast(ballast_path, "run", "-c", path)
    assert done.returncode == 1 and lines_of(done)[0] == f'{path}: "pools" is missing'


def test_an_included_file_is_named_in_its_errors(ballast_path, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "limits.yaml").write_text("limits:\n  hedaers: 5\n")
    path = tmp_path / "ballast.yaml"
    path.write_text("include: more/*.yaml\n" + POOL)
    said = lines_of(ballast(ballast_path, "check", "-c", path))
    assert re.search(r'more/limits\.yaml:2:3: .*"headers"', said[0]), said


def test_check_of_a_right_file(ballast_path, tmp_path):
    path = tmp_path / "ballast.yaml"
    path.write_text(POOL)
    done = ballast(ballast_path, "check", "-c", path)
    assert (done.returncode, done.stderr) == (0, "")
    for text in (POOL, json.dumps({"pools": {"web": {"workers": ["3001"]}}, "threads": "auto"})):
        path.write_text(text)
        assert ballast(ballast_path, "check", "-c", path).returncode == 0


def test_the_defaults_and_the_schema_are_usable(ballast_path, tmp_path):
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text(ballast(ballast_path, "check", "--defaults").stdout)
    done = ballast(ballast_path, "check", "-c", defaults)
    assert done.returncode == 0, done.stderr
    schema = json.loads(ballast(ballast_path, "check", "--schema").stdout)
    assert "pools" in schema["properties"]


@pytest.mark.parametrize("arguments, hint", [
    (["-c", "/absent/ballast.yaml"], "/absent/ballast.yaml"), (["--listen", "99999"], "--listen"),
    (["--worker", "host:port"], "--worker"), (["--threads", "0"], "1 to 256"), (["--threds", "1"], "--threads"),
    (["--listen"], "--listen"), (["--no-keeper=1"], "--no-keeper"), (["surplus"], "surplus"),
])
def test_wrong_arguments(ballast_path, arguments, hint):
    done = ballast(ballast_path, "run", *arguments)
    assert done.returncode == 1 and hint in lines_of(done)[0]


def test_commands(ballast_path):
    assert 'did you mean "check"?' in lines_of(ballast(ballast_path, "chek"))[0]
    assert ballast(ballast_path).returncode == 1
    helped = [ballast(ballast_path, *arguments)
              for arguments in (["help"], ["--help"], ["run", "--help"], ["help", "run"])]
    assert {(done.returncode, done.stdout, done.stderr) for done in helped} == {(0, helped[0].stdout, "")}
    assert "ballast run" in helped[0].stdout
    assert 'did you mean "run"?' in lines_of(ballast(ballast_path, "help", "rum"))[0]
    assert re.search(r"\d+\.\d+\.\d+", ballast(ballast_path, "version").stdout)


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_port_in_use(ballast_path, threads):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ballast(ballast_path, "run", "--listen", f"127.0.0.1:{port}", "--worker", "3001", "--threads", threads)
    said = lines_of(done)
    assert done.returncode == 1 and len(said) == 1
    assert str(port) in said[0] and "in use" in said[0] and "--listen" in said[0]


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_second_ballast_does_not_share_the_first_ones_port(demo, balance, ballast_path, threads):
    first = balance(demo().address, threads=4)
    done = ballast(ballast_path, "run", "--listen", f"127.0.0.1:{first.address[1]}", "--worker", "3001", "--threads",
                   threads)
    assert done.returncode == 1 and "in use" in lines_of(done)[0]


def test_an_address_that_is_not_of_this_machine(ballast_path):
    done = ballast(ballast_path, "run", "--listen", f"192.0.2.1:{free_port()}", "--worker", "3001")
    assert done.returncode == 1 and "192.0.2.1" in lines_of(done)[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up the privilege")
def test_no_privilege_for_port_80(ballast_path):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as start:
        if int(start.read()) <= 80:
            pytest.skip("on this machine everybody may listen on port 80")
    done = ballast("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service", ballast_path, "run",
                   "--worker", "3001")
    said = lines_of(done)
    assert done.returncode == 1 and len(said) == 1
    assert "CAP_NET_BIND_SERVICE" in said[0] and "--listen 8080" in said[0]
