"""Where a contender's time goes under one kind of work, by sampling with Linux's perf."""

import dataclasses
import shutil
import subprocess

from measure import load_work, stage
from processes import BenchError
from works import WORKS

SECONDS, SYMBOLS = 6, 25


def perf(*arguments, **options):
    return subprocess.run(["perf", *arguments], capture_output=True, text=True, timeout=120, check=False, **options)


def samples_of(report, limit):
    """The report's lines without its heading, the largest shares first."""
    lines = [line.rstrip() for line in report.splitlines() if line.strip() and not line.startswith("#")]
    return lines[:limit]


def record(bench, contender, work, data):
    """Samples the contender while the load runs beside it."""
    command = ["perf", "record", "-q", "-F", "999", "-g", "-o", data, "-p", str(contender.process.pid), "--", "sleep",
               str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as recorder:
        load_work(bench, contender, work, SECONDS)
        _, errors = recorder.communicate(timeout=60)
        if recorder.returncode != 0:
            raise BenchError(f"perf could not record (as root, or with kernel.perf_event_paranoid at 1): {errors}")


def profile(bench, name):
    """Lines: the shares of kernel and program, then the symbols that took most."""
    if shutil.which("perf") is None:
        raise BenchError("perf is not installed (Debian: linux-perf)")
    if name not in WORKS:
        raise BenchError(f"no profile of {name}; there are {', '.join(WORKS)}")
    work = WORKS[name]
    wanted = dataclasses.replace(bench, only=bench.only or ["ballast"])
    with stage(wanted, work) as running:
        contender = running[-1]
        data = str(bench.directory / "perf.data")
        record(wanted, contender, work, data)
    shares = perf("report", "-i", data, "--no-children", "--sort", "dso", "-g", "none").stdout
    symbols = perf("report", "-i", data, "--no-children", "--sort", "dso,symbol", "-g", "none").stdout
    return [f"{contender.label()}, {work.title}: shares of its processor time", "", *samples_of(shares, 5), "",
            *samples_of(symbols, SYMBOLS)]
