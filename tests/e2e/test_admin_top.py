"""`ballast top`, seen as a person sees it: through a terminal."""

import itertools
import os
import re
import subprocess

import pytest

from harness.admin import Admin
from harness.waiting import free_port, wait_for


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


@pytest.mark.parametrize("columns", [62, 80, 112])
def test_top_fits_a_narrow_terminal(top, ballast_path, stack, columns):
    """A worker has one line, whose numbers stand under their titles; what does not fit is left out."""
    balancer, workers, admin, _ = top
    terminal = stack.enter_context(Terminal(ballast_path, "top", "--admin", f"unix:{admin.where}", columns=columns))
    lines = terminal.wait("RECENT EVENTS", "worker is up").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("POOL"))
    assert lines[at + 1].split()[:2] == ["web", str(workers[0].port)]
    assert lines[at + 2].split()[:2] == ["web", str(workers[1].port)]
    assert lines[at + 3].startswith("RECENT EVENTS") or not lines[at + 3].strip()
    end = lines[at].index("RATE/S") + len("RATE/S")
    assert all(re.search(r" \d+\.\d$", line[:end]) for line in lines[at + 1:at + 3])
    assert ("WEIGHT" in lines[at]) == (columns >= 112) and ("ACTIVE" in lines[at]) == (columns >= 88)


@pytest.mark.parametrize("columns, lines", [(80, 24), (80, 16), (132, 24)])
def test_top_says_why_a_worker_is_down(balance, scripted, ballast_path, tmp_path, stack, columns, lines):
    """On the smallest screen that a terminal has, and with more workers than events have room beside."""
    path, dead = tmp_path / "admin.sock", free_port()
    balance(*[scripted() for _ in range(4)], f"127.0.0.1:{dead}", alive=4, admin=f"unix:{path}")
    terminal = stack.enter_context(Terminal(ballast_path, "top", "--admin", f"unix:{path}", columns=columns,
                                            lines=lines))
    screen = terminal.wait("RECENT EVENTS", " down ", "connect_refused")
    assert row(screen, dead)[-1] == "connect_refused" and row(screen, dead)[2] == "down"
    assert "q quit" in screen.splitlines()[lines - 1]


def test_top_sorts_and_filters(top):
    balancer, (a, b), admin, terminal = top
    admin.patch_worker("web", b.port, weight=5)
    terminal.wait("RECENT EVENTS")
    terminal.press("s")
    screen = terminal.wait("sort: WEIGHT", "5 ")
    assert screen.index(f" {b.port} ") < screen.index(f" {a.port} ")
    terminal.press("/", *str(a.port), "Enter")
    terminal.wait(f"filter: {a.port}", f"web         {a.port}", without=[f"web         {b.port}"])


def test_top_says_when_the_balancer_is_away(top):
    balancer, workers, admin, terminal = top
    terminal.wait("RECENT EVENTS")
    balancer.stop()
    terminal.wait("cannot be asked")
    terminal.press("q")
    wait_for(terminal.has_ended, what="the program to end")
