"""`ballast status` and `ballast explain`: what they print, and how they exit."""

import json
import os
import subprocess

import pytest

from harness.admin import Admin, check
from harness.waiting import free_port

TOKEN = "a-token-of-the-test-1234"


@pytest.fixture
def command(ballast_path):
    def run(*arguments, **environment):
        return subprocess.run([str(ballast_path), *map(str, arguments)], capture_output=True, text=True, timeout=20,
                              env={"PATH": "/usr/bin:/bin", **environment}, check=False)
    return run


@pytest.fixture
def operate(balance, tmp_path):
    def start(*workers, **extra):
        path = tmp_path / "admin.sock"
        return balance(*workers, admin={"address": f"unix:{path}", "write": True}, **extra), Admin(path), f"unix:{path}"
    return start


def test_status_exits_by_health(operate, scripted, command):
    a, b = scripted(), scripted()
    balancer, admin, where = operate(a, b)
    for _ in range(4):
        balancer.get()
    good = command("status", "--admin", where)
    assert good.returncode == 0 and "is ok" in good.stdout and "4: 4 ok" in good.stdout
    line = next(line for line in good.stdout.splitlines() if line.split()[:1] == [str(a.port)])
    assert line.split()[1:6] == ["up", "ready", "1", "0", "2"]
    a.close()
    balancer.wait_alive(1)
    degraded = command("status", "--admin", where)
    assert degraded.returncode == 1 and "is degraded" in degraded.stdout and "connect_refused" in degraded.stdout
    admin.patch_worker("web", b.port, mode="drain")
    assert balancer.get().status == 503
    down = command("status", BALLAST_ADMIN=where)
    assert down.returncode == 2 and "is down" in down.stdout
    assert "failures     no_worker_alive 1" in down.stdout.splitlines()


def test_status_as_json_is_the_apis(operate, scripted, command):
    balancer, admin, where = operate(scripted())
    told = command("status", "--json", "--admin", where)
    document = admin.get("/openapi.json")
    check(document, {"$ref": "#/components/schemas/Status"}, json.loads(told.stdout))
    assert told.returncode == 0


def test_status_finds_address_and_token_in_the_file(balance, scripted, command):
    port = free_port()
    balancer = balance(scripted(), admin={"address": f"127.0.0.1:{port}", "token": TOKEN})
    assert command("status", "-c", balancer.config_path).returncode == 0
    refused = command("status", "--admin", f"127.0.0.1:{port}")
    assert (refused.returncode, refused.stderr) == (
        3, "ballast: the token is missing, or is another: it is $BALLAST_ADMIN_TOKEN, or that of the file of -c\n")
    assert command("status", "--admin", f"127.0.0.1:{port}", BALLAST_ADMIN_TOKEN=TOKEN).returncode == 0


def test_status_where_nobody_answers(command, tmp_path):
    where = "is Ballast running, with an `admin` block? --admin, $BALLAST_ADMIN or -c FILE says where"
    port = free_port()
    for address, why in ((f"unix:{tmp_path}/none", f"cannot be asked: No such file or directory ({where})"),
                         (f"127.0.0.1:{port}", f"cannot be asked: Connection refused ({where})"),
                         (f"{tmp_path}/none", "is no address: a Unix socket is written unix:/path"),
                         ("no:where:at:all", "is no address: ")):
        told = command("status", "--admin", address)
        assert told.returncode == 3 and told.stdout == "" and told.stderr.startswith(f"ballast: {address} {why}")


def test_a_socket_of_somebody_else_says_whom_to_ask_as(operate, scripted, ballast_path):
    """Root may open any: without that right it is as others are."""
    admin, where = operate(scripted())[1:]
    admin.where.chmod(0)
    others = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    told = subprocess.run([*others, str(ballast_path), "status", "--admin", where], capture_output=True, text=True,
                          timeout=20, check=False)
    assert (told.returncode, told.stderr) == (
        3, f"ballast: {where} cannot be asked: Permission denied (its socket is for its owner alone: ask as the user "
           "that runs Ballast)\n")


def test_explain_tells_of_a_redirect(operate, scripted, command):
    balancer, admin, where = operate(scripted(), routes=[{"redirect": "https"}, {"pool": "web"}])
    told = command("explain", "--admin", where, "--host", "known.example", "--path", "/a?b")
    assert "Ballast answers 308: go to https://known.example/a?b" in told.stdout and "route 1 " in told.stdout
    assert "redirects" in told.stdout and told.returncode == 1
    told = command("explain", "--admin", where, "--host", "known.example", "--path", "/a?b", "--scheme", "https")
    assert told.returncode == 0 and "route 2 " in told.stdout


def test_explain_tells_in_words(operate, scripted, command):
    a, b = scripted(), scripted()
    balancer, admin, where = operate(a, b, routes=[{"host": "known.example", "path": "/a b/".replace(" ", "-"),
                                                    "pool": "web"}])
    admin.patch_worker("web", b.port, mode="drain")
    told = command("explain", "--admin", where, "--host", "known.example", "--path", "/a-b/?x=1&y=2#z")
    assert told.returncode == 0
    assert f"Worker {a.port} of pool web is asked." in told.stdout
    assert "route 1 (host known.example, path /a-b/) leads to pool web" in told.stdout
    assert f"{b.port}" in told.stdout and "drained by an operator" in told.stdout
    nowhere = command("explain", "--admin", where, "--host", "other.example")
    assert nowhere.returncode == 1 and "Ballast answers 404" in nowhere.stdout
    assert json.loads(command("explain", "--admin", where, "--json").stdout)["status"] == 404
