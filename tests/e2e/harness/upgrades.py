"""Another program in the place of one that runs, and what became of it."""

import signal
import subprocess

from .programs import children
from .waiting import wait_for


def command(ballast):
    done = subprocess.run([ballast.program, "upgrade", "--admin", f"unix:{ballast.admin.where}"],
                          capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout + done.stderr


def upgrade(ballast):
    code, said = command(ballast)
    assert code == 0, said + ballast.stderr
    return said


def settle(ballast):
    """Waits until the server before has ended."""
    return wait_for(lambda: len(children(ballast.pid)) == 1 and children(ballast.pid)[0], 20,
                    "the server before to end")


def state(ballast):
    return ballast.admin.get("/v1/upgrade")


def upgrade_by_signal(ballast):
    number = state(ballast)["number"] + 1
    ballast.send_signal(signal.SIGUSR2)
    wait_for(lambda: (now := state(ballast))["number"] == number and now["state"] == "done", 30, "the upgrade")
