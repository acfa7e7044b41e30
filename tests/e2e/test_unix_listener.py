"""Listeners on Unix sockets: who may use the file, and what becomes of it. Listeners for both kinds of IP."""

import grp
import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from harness.waiting import free_port, wait_for


@pytest.fixture
def listen(balance, demo, tmp_path):
    """start(**settings) -> (ballast, path): a listener on TCP and one on a Unix socket."""
    def start(**extra):
        path = tmp_path / "web.sock"
        return balance(*demo().addresses, listeners=[{"address": f"127.0.0.1:{free_port()}"},
                                                     {"address": f"unix:{path}", **extra}]), path
    return start


def curl(path):
    return subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path, "http://a/"],
                          capture_output=True, timeout=30, check=False).stdout


@pytest.mark.parametrize("mode", ["0660", "0600", "666"])
def test_unix_mode_and_group(listen, mode):
    group = grp.getgrgid(os.getgroups()[0] if os.getgroups() else os.getgid())
    _, path = listen(mode=mode, group=group.gr_name)
    info = path.lstat()
    assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == int(mode, 8)
    assert info.st_gid == group.gr_gid
    assert curl(path) == b"200"


def test_unix_file_goes_at_the_end(listen):
    ballast, path = listen()
    assert curl(path) == b"200"
    ballast.stop()
    assert not path.exists()


def test_unix_file_of_another_stays(listen):
    ballast, path = listen()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        ballast.stop()
        assert path.exists()


def test_unix_file_left_behind_is_replaced(listen):
    ballast, path = listen()
    ballast.send_signal(signal.SIGKILL)
    ballast.process.wait(20)
    assert path.exists()
    wait_for(lambda: curl(path) == b"000", what="nobody to listen there")  # the server ends after its keeper
    ballast.expect = -signal.SIGKILL
    _, again = listen(mode="0600")
    assert again == path and curl(path) == b"200"


def test_unix_clients_may_be_trusted(balance, demo, tmp_path):
    path = tmp_path / "web.sock"
    balance(*demo().addresses, forwarded={"trusted": ["unix"]}, listeners=[
        {"address": f"127.0.0.1:{free_port()}"}, {"address": f"unix:{path}"}])
    told = subprocess.run(["curl", "-sS", "--unix-socket", path, "-H", "X-Forwarded-For: 192.0.2.1",
                           "http://a/headers"], capture_output=True, timeout=30, check=True).stdout.lower()
    assert b"x-forwarded-for: 192.0.2.1, unix\r\n" in told
    assert b"forwarded: for=unknown;" in told  # RFC 7239 knows no Unix sockets


@pytest.mark.parametrize("dual", [True, False])
def test_dual_stack(balance, demo, dual):
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    port = free_port()
    ballast = balance(*demo().addresses, forwarded={"trusted": []}, listeners=[
        {"address": f"127.0.0.1:{free_port()}"}, {"address": f"[::]:{port}", "dual_stack": dual}])
    def fetch(host):
        return subprocess.run(["curl", "-sS", "-g", f"http://{host}:{port}/headers"], capture_output=True, timeout=30,
                              check=False).stdout.lower()
    assert b"x-forwarded-for: ::1" in fetch("[::1]")
    four = fetch("127.0.0.1")
    assert (b"x-forwarded-for: 127.0.0.1" in four) == dual  # and not as ::ffff:127.0.0.1
    lines = ballast.wait_access(2 if dual else 1)
    assert sorted(line["client"] for line in lines) == (["127.0.0.1", "::1"] if dual else ["::1"])


@pytest.mark.parametrize("listener, said", [
    ({"address": "[::1]:8080", "dual_stack": True}, "is for [::]"),
    ({"address": "[::ffff:127.0.0.1]:8080"}, "is an IPv4 address: write it as 127.0.0.1:80"),
    ({"address": "[fe80::1]:8080"}, "is an address of one link, which is not supported"),
    ({"address": "8080", "mode": "0660"}, "are for Unix sockets"),
    ({"address": "unix:/tmp/x.sock", "mode": "rw"}, "is no mode"),
    ({"address": "unix:/tmp/x.sock", "mode": "0680"}, "is no mode"),
])
def test_unix_check(ballast_path, tmp_path, listener, said):
    path = tmp_path / "ballast.yaml"
    path.write_text(json.dumps({"pools": {"web": {"workers": ["3001"]}}, "listeners": [listener]}))
    done = subprocess.run([ballast_path, "check", "-c", path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and said in done.stdout, done.stdout


def refused(ballast_path, directory, listener):
    """What `run` says of a listener on which it cannot listen."""
    path = directory / "ballast.yaml"
    path.write_text(json.dumps({"pools": {"web": {"workers": ["3001"]}}, "listeners": [listener]}))
    done = subprocess.run([ballast_path, "run", "-c", path], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    return done.stderr


def test_unix_unknown_group_is_told(ballast_path, tmp_path):
    said = refused(ballast_path, tmp_path, {"address": f"unix:{tmp_path}/x.sock", "group": "nobody-knows-it"})
    assert 'this system has no group "nobody-knows-it"' in said
    assert not (tmp_path / "x.sock").exists()


def test_unix_path_that_cannot_be_is_told(ballast_path, tmp_path):
    (tmp_path / "file").write_text("kept")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        for name, words in (("none/web", "its directory is not there"), ("file/web", "its directory is not there"),
                            ("file", "there is a file that is no socket, and it is not overwritten"),
                            ("other", "a program has its socket there")):
            assert words in refused(ballast_path, tmp_path, {"address": f"unix:{tmp_path}/{name}"})
    assert (tmp_path / "file").read_text() == "kept"
