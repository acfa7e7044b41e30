"""`ballast top`, seen as a person sees it: through a terminal."""

import itertools
import os
import re
import ssl
import subprocess

import pytest

from harness.admin import Admin
from harness.certificates import Authority
from harness.waiting import free_port, wait_for


WRONG_NAME = "tls_certificate: it is for test.example, not for other.example"


class Terminal:
    """A tmux of its own with one program in it."""

    numbers = itertools.count()

    def __init__(self, *command, columns=150, lines=30):
        self.name = f"ballast-test-{os.getpid()}-{next(self.numbers)}"  # a server that ends is not asked for the next
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(lines), " ".join(map(str, command)))

    def tmux(self, *arguments, check=True):
        return subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", *arguments], capture_output=True, text=True,
                              timeout=20, check=check, env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server", check=False)

    def screen(self):
        return self.tmux("capture-pane", "-p", check=False)

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def wait(self, *texts, without=()):
        def there():
            screen = self.screen()
            return all(t in screen for t in texts) and not any(t in screen for t in without) and screen
        return wait_for(there, 15, f"{texts} on the screen, now:\n{self.screen()}")

    def has_ended(self):
        return not self.tmux("list-sessions", check=False)


@pytest.fixture
def top(balance, scripted, ballast_path, tmp_path, stack):
    path = tmp_path / "admin.sock"
    workers = [scripted(), scripted()]
    balancer = balance(*workers, admin={"address": f"unix:{path}", "write": True})
    return balancer, workers, Admin(path), stack.enter_context(Terminal(ballast_path, "top", "--admin", f"unix:{path}"))


def row(screen, name):
    return next(line.split() for line in screen.splitlines() if line.split()[1:2] == [str(name)])


def test_top_shows_workers_and_drains_one(top):
    balancer, (a, b), admin, terminal = top
    for _ in range(6):
        balancer.get()
    screen = terminal.wait("RECENT EVENTS", "worker is up", "6 requests:", " ms")
    assert row(screen, a.port)[2:7] == ["up", "ready", "1", "0", "3"]
    terminal.press("j", "d")
    terminal.wait(f"{b.port}: mode drain", "worker's mode was changed")
    assert admin.worker("web", b.port)["mode"] == "drain" and admin.worker("web", a.port)["mode"] == "ready"
    terminal.press("+")
    terminal.wait(f"{b.port}: mode drain, weight 2")
    terminal.press("r")
    wait_for(lambda: admin.worker("web", b.port)["taking"], what="the worker to take requests again")


def test_top_fits_a_narrow_terminal(top, ballast_path, stack):
    """A worker has one line, whose numbers stand under their titles; what does not fit is left out."""
    _, workers, admin, _ = top
    terminals = {columns: stack.enter_context(Terminal(ballast_path, "top", "--admin", f"unix:{admin.where}",
                                                       columns=columns)) for columns in (62, 80, 112)}
    for columns, terminal in terminals.items():
        assert_fits(terminal.wait("RECENT EVENTS", "worker is up").splitlines(), columns, workers)


def assert_fits(lines, columns, workers):
    at = next(i for i, line in enumerate(lines) if line.startswith("POOL"))
    assert lines[at + 1].split()[:2] == ["web", str(workers[0].port)]
    assert lines[at + 2].split()[:2] == ["web", str(workers[1].port)]
    assert lines[at + 3].startswith("RECENT EVENTS") or not lines[at + 3].strip()
    end = lines[at].index("RATE/S") + len("RATE/S")
    assert all(re.search(r" \d+\.\d$", line[:end]) for line in lines[at + 1:at + 3])
    assert ("WEIGHT" in lines[at]) == (columns >= 112) and ("ACTIVE" in lines[at]) == (columns >= 88)


def test_top_says_why_a_worker_is_down(balance, scripted, ballast_path, tmp_path, stack):
    """On the smallest screen that a terminal has, and with more workers than events have room beside."""
    path, dead = tmp_path / "admin.sock", free_port()
    balance(*[scripted() for _ in range(4)], f"127.0.0.1:{dead}", alive=4, admin=f"unix:{path}")
    terminals = {(columns, lines): stack.enter_context(Terminal(
        ballast_path, "top", "--admin", f"unix:{path}", columns=columns, lines=lines))
        for columns, lines in ((80, 24), (80, 16), (132, 24))}
    for (_, lines), terminal in terminals.items():
        screen = terminal.wait("RECENT EVENTS", " down ", "connect_refused")
        assert row(screen, dead)[-1] == "connect_refused" and row(screen, dead)[2] == "down"
        assert "q quit" in screen.splitlines()[lines - 1]


@pytest.mark.parametrize("columns, told", [(80, "tls_certificate"), (132, "tls_certificate: it is"), (200, WRONG_NAME)])
def test_top_says_why_a_certificate_is_refused(balance, scripted, ballast_path, tmp_path, stack, columns, told):
    """Behind its reason, as far as the screen goes; the selected worker's in full, below the workers."""
    authority, path = Authority(tmp_path), tmp_path / "admin.sock"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("test.example"))
    one, other = sorted(str(scripted(tls=context).port) for _ in range(2))
    secure = {"enabled": True, "ca": str(authority.path), "name": "other.example"}
    balance(*(f"127.0.0.1:{port}" for port in (one, other)), alive=0, admin=f"unix:{path}",
            pools={"web": {"worker_tls": secure}})
    terminal = stack.enter_context(Terminal(ballast_path, "top", "--admin", f"unix:{path}", columns=columns))
    shown = terminal.wait("RECENT EVENTS", f"\n  {one}: it is for").splitlines()
    assert shown[9] == f"  {one}: it is for test.example, not for other.example"
    assert [re.search("tls_certificate.*", line)[0][:len(told)] for line in shown[7:9]] == [told, told]
    assert all(len(line) < columns for line in shown)
    terminal.press("j")
    terminal.wait(f"\n  {other}: it is for test.example, not for other.example\n", without=[f"{one}: it is"])


@pytest.mark.parametrize("term", ["dumb", "no-such-terminal"])
def test_top_says_what_it_needs_where_the_cursor_cannot_be_moved(top, ballast_path, stack, tmp_path, term):
    command = f"TERM={term} {ballast_path} top --admin unix:{tmp_path}/admin.sock; echo ended with $?; read x"
    terminal = stack.enter_context(Terminal(command))
    screen = terminal.wait("ended with 3")
    assert screen.splitlines()[0] == "ballast: top needs a terminal whose cursor can be moved; ballast status does not"
    told = subprocess.run([ballast_path, "top", "--admin", f"unix:{tmp_path}/admin.sock"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)
    assert (told.returncode, told.stdout) == (3, "")


def test_top_sorts_and_filters(top):
    balancer, (a, b), admin, terminal = top
    admin.patch_worker("web", b.port, weight=5)
    terminal.wait("RECENT EVENTS")
    terminal.press("s")
    terminal.wait("sort: STATE")
    terminal.press("s")
    screen = terminal.wait("sort: WEIGHT", "5 ")
    assert screen.index(f" {b.port} ") < screen.index(f" {a.port} ")
    terminal.press("/", *str(a.port), "Enter")
    terminal.wait(f"filter: {a.port}", f"web         {a.port}", without=[f"web         {b.port}"])
    terminal.press("Escape")
    terminal.wait(f"web         {a.port}", f"web         {b.port}", without=["filter:"])


def test_a_key_is_for_the_worker_that_was_selected_wherever_its_row_went(top):
    balancer, workers, admin, terminal = top
    first, second = sorted(str(worker.port) for worker in workers)
    terminal.wait("RECENT EVENTS")
    terminal.press("s", "s", "j")
    terminal.wait("sort: WEIGHT")
    admin.patch_worker("web", second, weight=5)
    wait_for(lambda: (screen := terminal.screen()).index(f" {second} ") < screen.index(f" {first} "), what="its row up")
    terminal.press("d")
    terminal.wait(f"{second}: mode drain")
    assert admin.worker("web", first)["mode"] == "ready"


BLUE, GREEN = "payments-eu-central-blue", "payments-eu-central-green"


@pytest.fixture
def night(balance, scripted, tmp_path):
    """A bad one: a worker down, one drained, one removed, and two whose names differ at their ends alone."""
    path = tmp_path / "admin.sock"
    workers = [scripted() for _ in range(5)]
    down, drained, removed, blue, green = workers
    balance(down, drained, removed, admin={"address": f"unix:{path}", "write": True})
    admin = Admin(path)
    for worker, name in ((blue, BLUE), (green, GREEN)):
        answer = admin.ask("POST", "/v1/pools/web/workers", {"address": f"127.0.0.1:{worker.port}", "name": name})
        assert answer.status == 200, answer.body
        wait_for(lambda name=name: admin.worker("web", name)["taking"], what="a first good probe")
    admin.patch_worker("web", drained.port, mode="drain")
    assert admin.ask("DELETE", f"/v1/pools/web/workers/{removed.port}").status == 200
    down.healthy = False
    wait_for(lambda: admin.worker("web", down.port)["state"] == "down", what="the worker to go down")
    return admin, down.port, drained.port


@pytest.mark.parametrize("columns, lines", [(80, 24), (120, 40)])
def test_a_bad_night_on_one_screen(night, ballast_path, stack, columns, lines):
    """Nothing that an operator acts on is cut off, on the smallest screen either."""
    admin, down, drained = night
    terminal = stack.enter_context(Terminal(ballast_path, "top", "--admin", f"unix:{admin.where}", columns=columns,
                                            lines=lines))
    screen = terminal.wait("RECENT EVENTS, newest first, UTC", "cause=status_503")
    shown = screen.splitlines()
    assert re.match(r"Ballast \S+  degraded  2 of 4 workers take requests  up ", shown[0])
    assert re.fullmatch(r"  [\d.]+ requests/s  [\d.]+ failures/s  p50 [\d.]+ ms  p99 [\d.]+ ms", shown[1])
    assert re.fullmatch(r"  \d+ requests: 0 failed, 0 aborted, 0 active", shown[2])
    assert re.fullmatch(r"  0 clients, \d+ connections to workers \(\d+ idle\)", shown[3])
    assert shown[5].strip() == "4 workers are not as the file says"
    assert shown[6].split()[:4] == ["POOL", "WORKER", "STATE", "MODE"] and shown[6].split()[-1] == "PROBES"
    rows = [line.split() for line in shown[7:11]]
    assert [cells[1:4] for cells in rows[:2]] == [[str(down), "down", "ready"], [str(drained), "up", "drain"]]
    assert rows[0][-1] == "status_503"
    assert [cells[1] for cells in rows[2:]] == ["paymen~al-blue", "paymen~l-green"]
    assert "-" in rows[2]  # there were no requests: no latency either
    assert shown[lines - 1] == "q quit  j k select  s sort  / filter  d drain  r ready  x disable  + - weight"


def test_a_bad_night_as_one_answer(night, ballast_path, stack):
    """`ballast status` keeps to the width of its screen, and tells everything to a file."""
    admin, down, drained = night
    command = [ballast_path, "status", "--admin", f"unix:{admin.where}"]
    shown = stack.enter_context(Terminal(*command, ";", "cat", columns=80, lines=24)).wait(
        "4 workers are not as the file says: `ballast worker changes`", "pool web is degraded", "green").splitlines()
    at = next(i for i, line in enumerate(shown) if line.startswith("  WORKER"))
    assert shown[at].split() == ["WORKER", "STATE", "MODE", "RATE/S", "P99", "MS", "LAST", "PROBE"]
    assert [line.split()[:3] for line in shown[at + 1:at + 3]] == [[str(down), "down", "ready"],
                                                                   [str(drained), "up", "drain"]]
    whole = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert whole.returncode == 1 and BLUE in whole.stdout and GREEN in whole.stdout
    assert "WEIGHT ACTIVE   REQUESTS   RATE/S   P50 MS   P99 MS  BROKEN  LAST PROBE" in whole.stdout


def test_top_says_when_the_balancer_is_away(top):
    balancer, workers, admin, terminal = top
    terminal.wait("RECENT EVENTS")
    balancer.stop()
    terminal.wait("cannot be asked")
    terminal.press("q")
    wait_for(terminal.has_ended, what="the program to end")
