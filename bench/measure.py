"""Runs the load and takes the samples: rounds of every kind of work, waiting times at a fixed rate, memory at rest."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import contenders
from processes import BenchError, Group, cpu_ns, free_port, private_bytes, wait_ready
from works import (CROWD, CROWD_SECONDS, IDLE_CONNECTIONS, TAIL_CONNECTIONS, TAIL_ROUND_SHARE, TAIL_ROUNDS, TAIL_SHARE,
                   WORKS)

PERCENTILES = ("p50_us", "p90_us", "p99_us", "p999_us")


@dataclasses.dataclass
class Bench:
    """What all measurements of a run share."""
    build: pathlib.Path
    directory: pathlib.Path
    only: list  # contenders' names; None: all
    rounds: int
    seconds: float
    cpus: tuple  # the contender's, the load's and the workers'

    def program(self, name):
        path = self.build / name
        if not path.is_file():
            raise BenchError(f"{path} is not built: ./dev build")
        return str(path)


def load_command(bench, port, options, program="load"):
    return [bench.program(f"bench/{program}"), "--port", str(port), *map(str, options)]


def run_load(command, cpus, limit_s=60):
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    if done.returncode != 0:
        raise BenchError(done.stderr.strip() or f"load ended with {done.returncode}")
    return done.stdout


def checked(report):
    if report["requests"] == 0:
        raise BenchError("no request was answered")
    return report


def load(bench, port, options, cpus, program="load"):
    """Run the load once; returns what it reports. One wrong answer is an error: fast and wrong is worth nothing."""
    return checked(json.loads(run_load(load_command(bench, port, options, program), cpus)))


def report_of_h2load(said):
    """What h2load says in words, as bench/load.c says it. It counts answers that are not 2xx as failed."""
    took = re.search(r"^finished in ([\d.]+)(us|ms|s), ", said, re.MULTILINE)
    counts = re.search(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said,
                       re.MULTILINE)
    if not took or not counts or any(int(count) for count in counts.groups()[1:]):
        raise BenchError(f"h2load: {said[-1000:]}")
    return {"requests": int(counts[1]), "duration_us": float(took[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[took[2]]}


def load_work(bench, contender, work, seconds):
    """The load of this kind of work for so long, by its program."""
    cpus, options = cpus_of(bench, work)[1], work.load_options()
    if work.program != "h2load":
        return load(bench, contender.port, ["--seconds", seconds, *options], cpus, work.program)
    scheme = "https" if contender.tls else "http"
    command = ["h2load", "-D", f"{1000 * seconds:.0f}ms", *options, f"{scheme}://127.0.0.1:{contender.port}/"]
    return checked(report_of_h2load(run_load(command, cpus)))


# --- Who runs ---

def listening_ports(process, log, count, patience_s=20):
    """The ports that a demo worker says it has been given."""
    deadline = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < deadline:
        ports = re.findall(r"^worker \S+ listening on \S+:(\d+)$", log.read_text(), re.MULTILINE)
        if len(ports) == count:
            return ports
        time.sleep(0.01)
    raise BenchError(f"the workers did not start: {log.read_text()[-2000:]}")


def start_workers(bench, group, count, cpus):
    """Addresses of so many workers and their names, in one process. Many are one port under as many addresses of this
    machine."""
    many = count > 8
    command = [bench.program("ballast-worker"), *["--port", "0"] * (1 if many else count)]
    if many:
        command += ["--bind", "0.0.0.0"]
    log = bench.directory / "workers.log"
    ports = listening_ports(group.start(command, cpus, log), log, 1 if many else count)
    if many:
        return [f"127.1.{i // 250}.{i % 250 + 1}:{ports[0]}" for i in range(count)], set(ports)
    return [f"127.0.0.1:{port}" for port in ports], set(ports)


def start_h2c_workers(bench, group, count, cpus):
    """Addresses of so many servers that speak HTTP/2 without TLS: nghttpd, with a body like the demo worker's."""
    files = bench.directory / "files"
    files.mkdir()
    for name in ("index.html", "health"):
        (files / name).write_text("worker 3001 answered GET /\n")
    ports = [free_port() for _ in range(count)]
    for port in ports:
        group.start(["nghttpd", "--no-tls", "--address=127.0.0.1", "-d", str(files), str(port)], cpus,
                    bench.directory / f"nghttpd-{port}.log")
    return [f"127.0.0.1:{port}" for port in ports]


def make_certificate(directory):
    """Paths of a certificate and its key: ECDSA with P-256."""
    paths = str(directory / "cert.pem"), str(directory / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=shop.example", "-out", paths[0], "-keyout", paths[1]], check=True,
                   capture_output=True)
    return paths


def layouts(work):
    """The threads that each contender runs with: for a comparison of threads, one beside many."""
    return (1,) if work.threads == 1 else (1, work.threads)


def cpus_of(bench, work):
    """The contender's, and the load's and workers'. There is no processor to spare for two threads."""
    return ({bench.cpus[0]}, {bench.cpus[1]}) if work.threads == 1 else (set(bench.cpus), set(bench.cpus))


def start_contender(group, contender, addresses, names, cpus):
    """Started and leading to its workers. Its port is free when it is chosen; somebody may take it meanwhile."""
    for left in (2, 1, 0):
        contender.port = free_port()
        contender.started_s = time.monotonic()
        log = contender.directory / "log"
        contender.process = group.start(contender.command(contender.port, addresses), cpus, log)
        try:
            wait_ready(contender, log, names)
            return
        except BenchError:
            if left == 0 or contender.process.poll() is None:
                raise


def start_contenders(bench, group, work, addresses, names):
    running = []
    tls = make_certificate(bench.directory) if work.tls else None
    h2c = start_h2c_workers(bench, group, work.workers, cpus_of(bench, work)[1]) if work.h2c else None
    for kind in contenders.ALL:
        if (bench.only and kind.name not in bench.only) or kind.name not in work.who:
            continue
        for threads in layouts(work):
            contender = kind(bench.build, bench.directory, threads)
            if contender.locate() is None:
                print(f"without {contender.name}: {contender.missing()}", file=sys.stderr)
                continue
            contender.tls, contender.h2c = tls, work.h2c and kind.name != "relay"
            lead = (h2c, set()) if contender.h2c else (addresses, names)
            start_contender(group, contender, *lead, cpus_of(bench, work)[0])
            running.append(contender)
    if not running:
        raise BenchError("there is nothing to measure")
    return running


@contextlib.contextmanager
def stage(bench, work):
    """Workers and contenders for one kind of work, fresh; ended with it."""
    with Group() as group, tempfile.TemporaryDirectory(dir=bench.directory) as directory:
        staged = dataclasses.replace(bench, directory=pathlib.Path(directory))
        addresses, names = start_workers(staged, group, work.workers, cpus_of(bench, work)[1])
        yield start_contenders(staged, group, work, addresses, names)


def rotated(running, number):
    turn = number % len(running)
    return running[turn:] + running[:turn]


@contextlib.contextmanager
def blamed(contender, title):
    """An error names who was measured, with what."""
    try:
        yield
    except (BenchError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{contender.label()}, {title}: {error}") from None


# --- Processor time ---

def sample(bench, contender, work):
    before = cpu_ns(contender.process.pid)
    report = load_work(bench, contender, work, bench.seconds)
    spent_us = (cpu_ns(contender.process.pid) - before) / 1000
    return {"cpu_us": spent_us / report["requests"], "per_s": report["requests"] * 1e6 / report["duration_us"],
            "busy": spent_us / report["duration_us"]}


def summary(taken):
    """Samples by contender, in the order of rounds, to medians. Ratios of processor time are medians too, of those
    within each round: from one round to the next the machine may become slower for everybody."""
    rows = {}
    for name, samples in taken.items():
        times = [one["cpu_us"] for one in samples]
        rows[name] = {key: statistics.median(one[key] for one in samples) for key in samples[0]}
        rows[name] |= {"cpu_us_min": min(times), "cpu_us_max": max(times)}
    for name, row in rows.items():
        row["ratio"] = {other: statistics.median(one["cpu_us"] / its["cpu_us"] for one, its in
                                                 zip(taken[name], taken[other], strict=True)) for other in taken}
    return rows


def measure_work(bench, work):
    with stage(bench, work) as running:
        taken = {contender.label(): [] for contender in running}
        for contender in running:
            with blamed(contender, work.title):
                load_work(bench, contender, work, 0.5)
        for number in range(bench.rounds):
            for contender in rotated(running, number):
                with blamed(contender, work.title):
                    taken[contender.label()].append(sample(bench, contender, work))
    return summary(taken)


# --- Waiting times ---

def wait_at(bench, contender, rate, seconds):
    options = ["--connections", TAIL_CONNECTIONS, "--rate", f"{rate:.0f}", "--seconds", seconds]
    return load(bench, contender.port, options, {bench.cpus[1]})


def medians(reports):
    return {key: statistics.median(report[key] for report in reports) for key in PERCENTILES}


def measure_tail(bench, saturation):
    """Waiting times by contender, at one rate for all (a share of what the slowest can do) and at the same share of
    each one's own saturation. saturation: requests per second, by contender."""
    common = TAIL_SHARE * min(saturation.values())
    seconds = max(0.5, TAIL_ROUND_SHARE * bench.seconds)
    with stage(bench, WORKS["small"]) as running:
        running = [contender for contender in running if contender.label() in saturation]
        at = {contender.label(): {"common": [], "own": []} for contender in running}
        for contender in running:
            wait_at(bench, contender, common / 2, 0.5)
        for number in range(TAIL_ROUNDS * bench.rounds):
            for contender in rotated(running, number):
                with blamed(contender, "waiting times"):
                    name = contender.label()
                    at[name]["common"].append(wait_at(bench, contender, common, seconds))
                    at[name]["own"].append(wait_at(bench, contender, TAIL_SHARE * saturation[name], seconds))
    return {name: {"common": {"rate": common, **medians(reports["common"])},
                   "own": {"rate": TAIL_SHARE * saturation[name], **medians(reports["own"])}}
            for name, reports in at.items()}


# --- Memory ---

def held_bytes(bench, contender):
    """Memory for each kept connection that has asked once and then rests."""
    options = ["--connections", IDLE_CONNECTIONS, "--idle", "--rate", 1000]
    before = private_bytes(contender.process.pid)
    with subprocess.Popen(load_command(bench, contender.port, options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, {bench.cpus[1]})) as holder:
        if not holder.stdout.readline():
            raise BenchError(holder.stderr.read().strip())
        time.sleep(0.5)  # what was needed for the requests is given back
        after = private_bytes(contender.process.pid)
        holder.stdin.close()
        holder.wait(30)
    return {"bytes": (after - before) / IDLE_CONNECTIONS, "start_bytes": before}


def measure_idle(bench):
    with stage(bench, WORKS["small"]) as running:
        rows = {}
        for contender in running:
            with blamed(contender, "idle connections"):
                load(bench, contender.port, ["--seconds", 0.5], {bench.cpus[1]})
                rows[contender.label()] = held_bytes(bench, contender)
    return rows


# --- A very large pool ---

def count_alive(contender):
    with urllib.request.urlopen(f"http://127.0.0.1:{contender.port}/metrics", timeout=30) as answer:
        return sum(line.startswith(b"worker_") and line.endswith(b"_alive 1\n") for line in answer)


def wait_all_alive(contender, workers, patience_s=60):
    """Seconds from its start until every worker is known to be alive."""
    while count_alive(contender) < workers:
        if time.monotonic() > contender.started_s + patience_s:
            raise BenchError(f"not all of {workers} workers were alive after {patience_s} s")
        time.sleep(0.1)
    return time.monotonic() - contender.started_s


def measure_scale(bench):
    """What the largest pool costs Ballast when nobody asks for anything: its probes."""
    with stage(bench, CROWD) as running:
        if not running:
            return None
        contender, = running
        with blamed(contender, CROWD.title):
            start_s = wait_all_alive(contender, CROWD.workers)
            time.sleep(3)  # the connections' first probes are over
            before, began = cpu_ns(contender.process.pid), time.monotonic()
            time.sleep(CROWD_SECONDS)
            share = (cpu_ns(contender.process.pid) - before) / 1e9 / (time.monotonic() - began)
            return {"start_s": start_s, "share": share, "bytes": private_bytes(contender.process.pid)}
