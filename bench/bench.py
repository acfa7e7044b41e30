#!/usr/bin/python3
"""Measures Ballast beside HAProxy, nginx and a bare byte relay: processor time per request, in one run on one machine.

The contender has processor 0 for itself; load (bench/load.c) and workers share processor 1. Rounds are short and
interleaved, their order rotates, and the median over the rounds counts, so that a disturbance hits all alike. Any wrong
answer fails the bench: a fast wrong answer is worth nothing.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

import contenders
import report
import sampling
from measure import Bench, measure_idle, measure_scale, measure_tail, measure_work
from processes import BenchError
from works import IDLE, NAMES, SCALE, TAIL, WORKS

ROOT = pathlib.Path(__file__).resolve().parents[1]
PERFORMANCE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def machine():
    model = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"date": datetime.date.today().isoformat(), "cores": len(os.sched_getaffinity(0)),
            "processor": model.group(1) if model else platform.machine(), "kernel": platform.release(),
            "load": os.getloadavg()[0]}


def write_performance(lines, svg):
    text = PERFORMANCE.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"{PERFORMANCE} has lost its markers {BEGIN} and {END}")
    PERFORMANCE.write_text(head + begin + "\n\n" + "\n".join(lines).strip() + "\n\n" + end + tail)
    CHART.write_text(svg)


def check_names(parser, given, known, what):
    unknown = [name for name in given or [] if name not in known]
    if unknown:
        parser.error(f"unknown {what} {', '.join(unknown)}; there are {', '.join(known)}")


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, small requests only: a first look")
    parser.add_argument("--work", help=f"kinds of work, separated by commas: {', '.join(NAMES)} (all)")
    parser.add_argument("--only", help="contenders, separated by commas (all that are there)")
    parser.add_argument("--rounds", type=int, help="rounds for each contender and work (5)")
    parser.add_argument("--seconds", type=float, help="seconds of a round (2)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="build directory")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the numbers here")
    parser.add_argument("--write", action="store_true", help="write tables and chart into docs/; needs all works")
    parser.add_argument("--micro", nargs="*", metavar="NAME", help="time parser, picker, timer, ... by themselves")
    parser.add_argument("--profile", metavar="WORK", help="where Ballast's time goes (or --only another's), by perf")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    options.works = (options.work or ("small" if options.quick else ",".join(NAMES))).split(",")
    options.only = options.only.split(",") if options.only else None
    check_names(parser, options.works, NAMES, "work")
    check_names(parser, options.only, [kind.name for kind in contenders.ALL], "contender")
    if options.write and (set(options.works) != set(NAMES) or options.only):
        parser.error("--write puts a whole run into docs/: without --work, --only and --quick")
    if TAIL in options.works and "small" not in options.works:
        options.works.insert(0, "small")  # whose throughput is the saturation
    options.build = options.build.resolve()
    return options


def choose_cpus():
    """One processor for the contender, another for load and workers."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        print("only one processor: contender, load and workers share it", file=sys.stderr)
    return usable[0], usable[-1]


def versions(bench):
    found = {}
    for kind in contenders.ALL:
        contender = kind(bench.build, bench.directory)
        if contender.locate() and (not bench.only or kind.name in bench.only):
            found[kind.name] = contender.version()
    return found


def measure_one(bench, name, result):
    if name == IDLE:
        result[IDLE] = measure_idle(bench)
    elif name == SCALE:
        result[SCALE] = measure_scale(bench)
    elif name == TAIL:
        result[TAIL] = measure_tail(bench, {one: row["per_s"] for one, row in result["works"]["small"].items()})
    else:
        result["works"][name] = measure_work(bench, WORKS[name])


def measure(bench, names):
    """All works, each with a second chance: on a machine of many a start may fail for others' reasons."""
    result = {"machine": machine(), "rounds": bench.rounds, "seconds": bench.seconds, "versions": versions(bench),
              "works": {}}
    for name in names:
        print(f"measuring {WORKS[name].title if name in WORKS else name}", file=sys.stderr, flush=True)
        try:
            measure_one(bench, name, result)
        except BenchError as error:
            print(f"once more, because: {error}", file=sys.stderr, flush=True)
            measure_one(bench, name, result)
    return result


def run(options):
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as directory:
        bench = Bench(options.build, pathlib.Path(directory), options.only, options.rounds, options.seconds,
                      choose_cpus())
        if options.profile:
            print("\n".join(sampling.profile(bench, options.profile)))
            return
        result = measure(bench, [name for name in NAMES if name in options.works])
    print("\n".join(report.lines_of(result)))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.write:
        write_performance(report.lines_of(result, CHART.name), report.chart(result))


def main(arguments):
    options = parse_options(arguments)
    try:
        if options.micro is not None:
            return subprocess.run([options.build / "bench" / "micro", *options.micro], check=False).returncode
        run(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
