"""The bench's load: it counts what was answered, its clock does not wait for late answers, and it believes nobody."""

import json
import os
import re
import subprocess

import pytest

import contenders
import measure
import processes


@pytest.fixture
def start(build):
    """Starts a demo worker with these options; gives its port."""
    started = []

    def run(*options):
        process = subprocess.Popen([build / "ballast-worker", "--port", "0", *map(str, options)],
                                   stdout=subprocess.PIPE, text=True)
        started.append(process)
        return re.search(r":(\d+)$", process.stdout.readline().strip())[1]

    yield run
    for process in started:
        process.terminate()
        process.communicate()


@pytest.fixture
def load(build):
    def run(port, *options):
        return subprocess.run([build / "bench" / "load", "--port", port, *map(str, options)], capture_output=True,
                              text=True, timeout=60, check=False)
    return run


@pytest.mark.parametrize("options", [
    (), ("--browser", "--path", "/page"), ("--close",), ("--post-bytes", 100000),
    ("--path", "/bytes/300000", "--answer-bytes", 300000), ("--rate", 2000),
])
def test_asks_as_often_as_it_was_told(start, load, options):
    done = load(start(), "--requests", 200, "--connections", 7, *options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["requests"] == 200
    assert 0 < report["p50_us"] <= report["p99_us"] <= report["p999_us"] <= report["max_us"]


def test_late_answers_do_not_stop_an_open_loop_s_clock(start, load):
    """One connection to a worker that needs 10 ms takes at most 100 requests a second. Of 200 a second each waits for
    those before it as well: the 100th, due after 0.5 s, is answered after 1 s at the earliest."""
    port = start("--delay-ms", 10)
    opened = json.loads(load(port, "--connections", 1, "--rate", 200, "--seconds", 0.5).stdout)
    assert opened["requests"] == 100
    assert opened["max_us"] >= 490_000 and opened["p50_us"] >= 200_000
    closed = json.loads(load(port, "--connections", 1, "--requests", 20).stdout)
    assert 10_000 <= closed["p50_us"] < opened["p50_us"]


@pytest.mark.parametrize("worker, options, words", [
    (("--status", 503), (), "503"),
    (("--close-after", 5), (), "closed that should have been kept"),
    (("--body-bytes", 1000, "--truncate-after", 10), (), "ended inside an answer"),
    (("--chunked",), (), "without a length"),
    ((), ("--answer-bytes", 1000), "wrong length"),
])
def test_ends_at_a_wrong_answer(start, load, worker, options, words):
    done = load(start(*worker), "--requests", 50, "--connections", 2, "--rate", 500, *options)
    assert done.returncode == 1 and words in done.stderr and not done.stdout


def test_holds_connections_that_have_asked_once(start, build):
    port = start()
    command = [build / "bench" / "load", "--port", port, "--connections", "50", "--idle", "--rate", "2000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert json.loads(holder.stdout.readline()) == {"held": 50}
        assert holder.poll() is None
        holder.stdin.close()
        assert holder.wait(30) == 0


@pytest.fixture
def shaking(build, tmp_path):
    """The bare loop of handshakes; gives its port."""
    if not (build / "bench" / "tls_loop").exists():
        pytest.skip("built without TLS")
    port = processes.free_port()
    with processes.Group() as group:
        loop = contenders.Loop(build, tmp_path)
        loop.tls, loop.port = measure.make_certificate(tmp_path), port
        loop.process = group.start(loop.command(port, []), os.sched_getaffinity(0), tmp_path / "log")
        processes.wait_ready(loop, tmp_path / "log", set())
        yield port


@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_shakes_hands_over_and_over(build, shaking, options):
    done = subprocess.run([build / "bench" / "handshakes", "--port", str(shaking), "--seconds", "0.2", *options],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["requests"] >= 16


def test_handshakes_with_who_speaks_no_tls_fail(build, start):
    done = subprocess.run([build / "bench" / "handshakes", "--port", start(), "--seconds", "0.2"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 1 and "handshakes:" in done.stderr and not done.stdout
