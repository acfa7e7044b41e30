"""Starting, pinning, timing and ending processes. Whatever is started here is ended here, with all its children."""

import http.client
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import time


class BenchError(Exception):
    """The measurement cannot be trusted or cannot be made; the message says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Group:
    """All processes of one run, as a context manager that ends them."""

    def __init__(self):
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            for process in self.processes:
                if process.poll() is None:
                    os.killpg(process.pid, number)
            deadline = time.monotonic() + patience
            for process in self.processes:
                try:
                    process.wait(max(0.01, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue

    def start(self, command, cpus, log, **options):
        """Start a command in a process group of its own, kept with its children to these processors."""
        with open(log, "wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=options.pop("stdout", output),
                                       stderr=output, start_new_session=True,
                                       preexec_fn=lambda: os.sched_setaffinity(0, cpus), **options)
        self.processes.append(process)
        return process


def tree(pid):
    """pid and all its living descendants."""
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        found.append(current)
        for children in pathlib.Path(f"/proc/{current}/task").glob("*/children"):
            try:
                todo += [int(child) for child in children.read_text().split()]
            except OSError:
                pass  # the thread has ended
    return found


def cpu_ns(pid):
    """Processor time, user and system, of all threads of a process and its descendants, in nanoseconds."""
    total = 0
    for process in tree(pid):
        for schedstat in pathlib.Path(f"/proc/{process}/task").glob("*/schedstat"):
            total += int(schedstat.read_text().split()[0])
    return total


def private_bytes(pid):
    """Memory that a process and its descendants have for themselves alone, written at least once."""
    total = 0
    for process in tree(pid):
        for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                total += int(line.split()[1]) * 1024
    return total


def ask(contender):
    """(what it says of a request's fate, the name of the worker that answered). No request for one that only shakes
    hands."""
    if contender.tls:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", contender.port, timeout=5, context=trusting)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", contender.port, timeout=5)
    try:
        if not contender.leads:
            connection.connect()
            return "ready", None
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        words = f"{answer.status} {answer.headers.get('Proxy-Status', '')}".strip()
        return "ready" if answer.status == 200 else words, answer.headers["X-Worker"]
    except (OSError, http.client.HTTPException):
        return None, None  # not listening yet
    finally:
        connection.close()


def wait_ready(contender, log, names, patience=20.0):
    """Wait until the contender has led requests to every one of the named workers, if it leads to any."""
    seen, said = set(), None
    names = names if contender.leads else set()
    deadline = time.monotonic() + patience
    while said != "ready" or not names <= seen:
        if contender.process.poll() is not None:
            raise BenchError(f"{contender.label()} ended with {contender.process.returncode}: "
                             f"{log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            raise BenchError(f"{contender.label()} did not lead to all workers in {patience} s, only to "
                             f"{sorted(seen)}; it last said {said}: {log.read_text()[-1000:]}")
        said, name = ask(contender)
        seen |= {name} - {None}
        time.sleep(0.01)
