"""What a service manager sees of Ballast: readiness, the watchdog's sign of life, the end; and `ballast doctor`."""

import os
import pathlib
import signal
import socket
import subprocess

import pytest

from harness.ballast import Ballast, settings


@pytest.fixture
def manager(tmp_path):
    """A service manager's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


def test_a_service_manager_is_told(manager, stack, ballast_path, demo):
    path = manager.getsockname()
    wrapper = ("/usr/bin/env", f"NOTIFY_SOCKET={path}", "WATCHDOG_USEC=400000")
    ballast = stack.enter_context(Ballast(ballast_path, settings([demo()]), wrapper=wrapper))
    assert manager.recv(1000).split(b"\n") == [b"READY=1", b"STATUS=Serving"]
    assert [manager.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    # A server that died is not the service's end: the next one says that it is ready.
    os.kill(int(pathlib.Path(f"/proc/{ballast.pid}/task/{ballast.pid}/children").read_text()), signal.SIGKILL)
    while b"READY=1" not in manager.recv(1000):
        pass
    ballast.send_signal(signal.SIGTERM)
    while b"STOPPING=1" not in manager.recv(1000):
        pass
    assert ballast.process.wait(20) == 0


def test_the_doctor_says_what_to_do(ballast_path, tmp_path):
    config = tmp_path / "ballast.yaml"
    config.write_text("listeners: [127.0.0.1:8123]\npools: {web: {workers: [127.0.0.1:3001]}}\n"
                      "threads: 200\nsandbox: off\n")
    done = subprocess.run([str(ballast_path), "doctor", "-c", str(config)], text=True, capture_output=True, timeout=20,
                          check=False)
    assert done.returncode == 0 and done.stderr == ""
    findings = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert findings["threads"].startswith("warn") and findings["threads"].endswith("threads: auto")
    assert findings["sandbox"].startswith("warn") and findings["sandbox"].endswith("sandbox: auto")
    assert findings["privileges"].startswith("ok")
    assert {"descriptors", "somaxconn", "ports", "clock", "io_uring", "kernel_tls"} <= set(findings)


def test_the_doctor_reads_the_configuration_first(ballast_path, tmp_path):
    config = tmp_path / "ballast.yaml"
    config.write_text("listners: []\n")
    done = subprocess.run([str(ballast_path), "doctor", "-c", str(config)], text=True, capture_output=True, timeout=20,
                          check=False)
    assert done.returncode == 1 and "did you mean" in done.stderr and done.stdout == ""
