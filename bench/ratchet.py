#!/usr/bin/python3
"""How many instructions Ballast runs for a small keep-alive request: a number that repeats to a fraction of a percent,
on a busy machine too, and that may not grow unnoticed.

    ./dev bench --ratchet            measures, prints, compares with bench/ratchet.json; status 1 if it has grown
    ./dev bench --ratchet --write    measures and writes bench/ratchet.json: after a gain, or for a growth with a reason

The real program runs under callgrind twice, with a few requests and with many, one after the other on one connection;
the difference is what requests cost, start and end cancel out. The number holds for one compiler and one set of
processor features (libc chooses its copying loops by them): elsewhere nothing is compared, and why is said.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from contenders import ROOT, Ballast
from processes import BenchError, Group, free_port, wait_ready

COMMITTED = ROOT / "bench" / "ratchet.json"
SLACK = 0.03
FEW, MANY = 200, 1200


class ConfinedBallast(Ballast):
    """Under callgrind, which must read and write files, and without probes but the first."""

    def __init__(self, build, directory):
        super().__init__(build, directory)
        self.health = {"path": "/health", "interval": "1h"}
        self.top = {"sandbox": "off"}

    def command(self, port, workers):
        return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.directory}/counts",
                "--combine-dumps=yes", *super().command(port, workers)]


def compiler():
    """The compiler's name and version, and whether libc's widest loops can run: what the number depends on."""
    words = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    wide = "avx2" if flags and " avx2 " in flags[1] + " " else "no avx2"
    return f"{words}; {wide}"


def why_not():
    """Why nothing can be measured here, or None."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    if shutil.which("gcc") is None:
        return "gcc is not installed"
    return None


def count(build, requests):
    """Instructions of a whole run with so many requests."""
    with tempfile.TemporaryDirectory(prefix="ballast-ratchet-") as directory, Group() as group:
        cpus = os.sched_getaffinity(0)
        directory = pathlib.Path(directory)
        port = free_port()
        group.start([str(build / "ballast-worker"), "--port", str(port)], cpus, directory / "worker.log")
        contender = ConfinedBallast(build, directory)
        contender.port = free_port()
        log = directory / "log"
        contender.process = group.start(contender.command(contender.port, [f"127.0.0.1:{port}"]), cpus, log)
        wait_ready(contender, log, {str(port)}, patience=60)
        subprocess.run([build / "bench" / "load", "--port", str(contender.port), "--connections", "1", "--requests",
                        str(requests)], check=True, stdout=subprocess.DEVNULL, timeout=120)
        contender.process.terminate()
        if contender.process.wait(60) != 0:
            raise BenchError(f"ballast did not end well: {log.read_text()[-2000:]}")
        found = re.search(r"Collected : (\d+)", log.read_text())
        if not found:
            raise BenchError(f"callgrind has counted nothing: {log.read_text()[-2000:]}")
        return int(found[1])


def instructions_per_request(build):
    few = count(build, FEW)
    return (count(build, MANY) - few) / (MANY - FEW)


def judge(measured, committed, here):
    """(whether it may pass, a sentence)."""
    allowed = committed["instructions"] * (1 + SLACK)
    said = f"{measured:.0f} instructions for a small keep-alive request; committed: {committed['instructions']:.0f}"
    if committed["compiler"] != here:
        return True, f"{said}, but for another compiler ({committed['compiler']}; here {here}): not compared"
    if measured > allowed:
        return False, (f"{said}, at most {allowed:.0f} with {100 * SLACK:.0f} % of slack. Make it cheaper, or say in "
                       "the commit why not and run: ./dev bench --ratchet --write")
    if measured < committed["instructions"] * (1 - SLACK):
        return True, f"{said}. Keep the gain: ./dev bench --ratchet --write"
    return True, said


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--write", action="store_true", help="commit what is measured")
    options = parser.parse_args(arguments)
    if why_not():
        print(f"ratchet: {why_not()}", file=sys.stderr)
        return 1
    try:
        measured = instructions_per_request(options.build.resolve())
    except BenchError as error:
        print(f"ratchet: {error}", file=sys.stderr)
        return 1
    if options.write:
        COMMITTED.write_text(json.dumps({"instructions": round(measured), "compiler": compiler()}, indent=2) + "\n")
        print(f"{measured:.0f} instructions for a small keep-alive request: written")
        return 0
    passed, sentence = judge(measured, json.loads(COMMITTED.read_text()), compiler())
    print(sentence)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
