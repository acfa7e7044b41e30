#!/usr/bin/python3
"""Measures Ballast beside HAProxy, nginx and a bare byte relay: processor time per request, in one run on one machine.

The contender has processor 0 for itself; load (wrk) and workers share processor 1. Rounds are short and interleaved,
their order rotates, and the median over the rounds counts, so that a disturbance hits all alike. Any answer with an
error fails the bench: a fast wrong answer is worth nothing.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import contenders
from processes import BenchError, Group, cpu_ns, free_port, wait_ready

ROOT = pathlib.Path(__file__).resolve().parents[1]
PERFORMANCE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


@dataclasses.dataclass(frozen=True)
class Work:
    """One kind of load. bench.lua knows what to send by the name."""
    name: str
    title: str
    path: str = "/"
    connections: int = 32
    answer_bytes: int = 0  # at least so many for each answer


WORKS = {work.name: work for work in (
    Work("small", "small keep-alive requests"),
    Work("connect", "a connection per request"),
    Work("large", "1 MiB answers", path="/bytes/1048576", answer_bytes=1 << 20),
    Work("post64k", "64 KiB posts"),
)}


@dataclasses.dataclass
class Sample:
    cpu_us: float  # of the contender, for each request
    per_s: float
    p50_us: int
    p99_us: int


def check_load(report, work):
    errors = {kind: report[kind] for kind in ("connect", "read", "write", "status", "timeout") if report[kind]}
    if errors:
        raise BenchError(f"errors in answers: {errors}")
    if report["requests"] == 0:
        raise BenchError("no request was answered")
    if report["bytes"] < report["requests"] * work.answer_bytes:
        raise BenchError("answers were too short")


def load(work, port, seconds, cpu):
    """Run wrk once; returns what bench.lua reports."""
    command = ["wrk", "-t1", f"-c{work.connections}", f"-d{seconds}s", "--timeout", "10s",
               "-s", str(ROOT / "bench" / "bench.lua"), f"http://127.0.0.1:{port}{work.path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False,
                          env={**os.environ, "BENCH_WORK": work.name},
                          preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    match = re.search(r"^BENCH (.*)$", done.stdout, re.MULTILINE)
    if not match:
        raise BenchError(f"wrk reported nothing: {(done.stdout + done.stderr)[-1000:]}")
    report = json.loads(match.group(1))
    check_load(report, work)
    return report


def measure(contender, work, seconds, cpu):
    before = cpu_ns(contender.process.pid)
    report = load(work, contender.port, seconds, cpu)
    spent = cpu_ns(contender.process.pid) - before
    return Sample(spent / 1000 / report["requests"], report["requests"] * 1e6 / report["duration_us"],
                  report["p50_us"], report["p99_us"])


def run_work(work, running, options, load_cpu):
    """All rounds of one kind of work; returns samples by contender."""
    samples = {contender.name: [] for contender in running}
    for contender in running:
        load(work, contender.port, 1, load_cpu)
    for number in range(options.rounds):
        turn = number % len(running)
        for contender in running[turn:] + running[:turn]:
            try:
                samples[contender.name].append(measure(contender, work, options.seconds, load_cpu))
            except BenchError as error:
                raise BenchError(f"{contender.name}, {work.title}: {error}") from None
    return samples


def summary(samples):
    """Samples by contender to medians, with ratios to each contender."""
    rows = {}
    for name, taken in samples.items():
        times = [sample.cpu_us for sample in taken]
        rows[name] = {
            "cpu_us": statistics.median(times), "cpu_us_min": min(times), "cpu_us_max": max(times),
            "per_s": statistics.median(sample.per_s for sample in taken),
            "p50_us": statistics.median(sample.p50_us for sample in taken),
            "p99_us": statistics.median(sample.p99_us for sample in taken),
        }
    for row in rows.values():
        row["ratio"] = {name: row["cpu_us"] / other["cpu_us"] for name, other in rows.items()}
    return rows


def start_all(group, options, directory, cpus):
    """Workers and contenders; returns the contenders that run."""
    worker = options.build / "ballast-worker"
    if not worker.is_file():
        raise BenchError(f"{worker} is not built: ./dev build")
    ports = [free_port() for _ in range(3)]
    log = directory / "workers.log"
    group.start([str(worker), *(word for port in ports for word in ("--port", str(port)))], cpus[1], log)
    running = []
    for kind in contenders.ALL:
        if options.only and kind.name not in options.only:
            continue
        contender = kind(options.build, directory)
        if contender.locate() is None:
            print(f"without {contender.name}: {contender.missing()}", file=sys.stderr)
            continue
        contender.port = free_port()
        log = directory / f"{contender.name}.log"
        contender.process = group.start(contender.command(contender.port, ports), cpus[0], log)
        wait_ready(contender, log, {str(port) for port in ports})
        running.append(contender)
    if not running:
        raise BenchError("there is nothing to measure")
    return running


def machine():
    model = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"date": datetime.date.today().isoformat(), "cores": len(os.sched_getaffinity(0)),
            "processor": model.group(1) if model else platform.machine(), "kernel": platform.release()}


def table(rows):
    """One kind of work as lines of a Markdown table, the cheapest first."""
    names = list(rows)
    lines = ["| contender | us/request | min-max | requests/s | p99 us | " +
             " | ".join(f"of {name}" for name in names) + " |",
             "|---|---:|---:|---:|---:|" + "---:|" * len(names)]
    for name in sorted(rows, key=lambda name: rows[name]["cpu_us"]):
        row = rows[name]
        ratios = " | ".join(f"{row['ratio'][other]:.2f}" for other in names)
        lines.append(f"| {name} | {row['cpu_us']:.1f} | {row['cpu_us_min']:.1f}-{row['cpu_us_max']:.1f} | "
                     f"{row['per_s']:.0f} | {row['p99_us']:.0f} | {ratios} |")
    return lines


def reading(rows):
    """What the numbers say of Ballast, in a sentence."""
    if "ballast" not in rows:
        return "Ballast was not measured in this run."
    ratio = rows["ballast"]["ratio"]
    parts = [f"{ratio['relay']:.2f} of the bare relay's processor time"] if "relay" in ratio else []
    others = [name for name in ("nginx", "haproxy") if name in ratio]
    if others:
        better = max(others, key=lambda name: ratio[name])
        parts.append(f"{ratio[better]:.2f} of the better of the others ({better})")
    return "Ballast needs " + " and ".join(parts) + "." if parts else "Ballast was measured alone."


def report_lines(result):
    host = result["machine"]
    versions = ", ".join(f"{name} {version}".strip() for name, version in result["versions"].items())
    lines = [f"Measured on {host['date']}: {host['cores']} cores ({host['processor']}), Linux {host['kernel']}; "
             f"{versions}; {result['rounds']} rounds of {result['seconds']} s each.", ""]
    for name, rows in result["works"].items():
        lines += [f"### {WORKS[name].title[0].upper()}{WORKS[name].title[1:]}", "", *table(rows), "",
                  reading(rows), ""]
    return lines


def write_performance(lines):
    text = PERFORMANCE.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"{PERFORMANCE} has lost its markers {BEGIN} and {END}")
    PERFORMANCE.write_text(head + begin + "\n\n" + "\n".join(lines).strip() + "\n\n" + end + tail)


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, small requests only: a first look")
    parser.add_argument("--work", help=f"kinds of work, separated by commas: {', '.join(WORKS)} (all)")
    parser.add_argument("--only", help="contenders, separated by commas (all that are there)")
    parser.add_argument("--rounds", type=int, help="rounds for each contender and work (5)")
    parser.add_argument("--seconds", type=int, help="seconds of a round (2)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="build directory")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the numbers here")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    options.works = (options.work or ("small" if options.quick else ",".join(WORKS))).split(",")
    options.only = options.only.split(",") if options.only else None
    unknown = [name for name in options.works if name not in WORKS]
    if unknown:
        parser.error(f"unknown work {', '.join(unknown)}; there are {', '.join(WORKS)}")
    unknown = [name for name in options.only or [] if name not in [kind.name for kind in contenders.ALL]]
    if unknown:
        parser.error(f"unknown contender {', '.join(unknown)}")
    options.build = options.build.resolve()
    return options


def choose_cpus():
    """One processor for the contender, another for load and workers."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        print("only one processor: contender, load and workers share it", file=sys.stderr)
    return usable[0], usable[-1]


def bench(options):
    result = {"machine": machine(), "rounds": options.rounds, "seconds": options.seconds, "works": {}}
    if shutil.which("wrk") is None:
        raise BenchError("wrk is not installed")
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as directory, Group() as group:
        cpus = choose_cpus()
        running = start_all(group, options, pathlib.Path(directory), cpus)
        result["versions"] = {contender.name: contender.version() for contender in running}
        for name in options.works:
            print(f"measuring {WORKS[name].title}", file=sys.stderr)
            result["works"][name] = summary(run_work(WORKS[name], running, options, cpus[1]))
    return result


def main(arguments):
    options = parse_options(arguments)
    try:
        result = bench(options)
        lines = report_lines(result)
        print("\n".join(lines))
        if options.json:
            options.json.write_text(json.dumps(result, indent=2) + "\n")
        if options.write:
            write_performance(lines)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
