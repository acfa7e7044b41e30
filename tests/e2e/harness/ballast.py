"""Starts the real program, waits until it serves, reads its numbers and logs, and stops it as an operator would."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

from .client import Client
from .waiting import PATIENCE_S, WaitTimeout, free_port, wait_for

METRIC_LINE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*(?:\{.*\})?) (\S+)(?: -?\d+)?")


def merge(base, extra):
    """base with extra laid over it, mapping by mapping; neither is changed."""
    merged = dict(base)
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def settings(workers, **extra):
    """A configuration for tests: one pool of these workers (Worker objects, addresses or mappings), quick probes."""
    entries = [getattr(worker, "address", worker) for worker in workers]
    base = {
        "pools": {"web": {
            "balance": "round-robin",
            "workers": entries,
            "health": {"path": "/health", "interval": "1s", "timeout": "900ms", "rise": 1, "fall": 3},
        }},
        "limits": {"connections": 1000},
        "timeouts": {"drain": "2s"},
    }
    if os.environ.get("BALLAST_THREADS"):
        base["threads"] = int(os.environ["BALLAST_THREADS"])
    return merge(base, extra)


def read_metrics(text):
    """/metrics as a dict: plain names to numbers, labelled series under their name with its labels."""
    values = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = METRIC_LINE.fullmatch(line)
        assert match, f"malformed metrics line: {line!r}"
        number = float(match.group(2))
        values[match.group(1)] = int(number) if number.is_integer() else number
    return values


class Ballast:
    """A running balancer, as a context manager: leaving it sends TERM and expects exit code 0.

    Give `config` (a mapping; a listener on a free port is added when it names none) or `arguments` for `ballast run`.
    """

    def __init__(self, program, config=None, arguments=(), ready_timeout=PATIENCE_S, wrapper=(), pass_fds=()):
        self.directory = tempfile.TemporaryDirectory(prefix="ballast-test-")
        self.path = pathlib.Path(self.directory.name)
        self.access_path = self.path / "access.log"
        self.address = ("127.0.0.1", free_port())
        self.command = [*map(str, wrapper), str(program), "run", *self._arguments(config, arguments)]
        self.ready_timeout = ready_timeout
        self.pass_fds = pass_fds
        self.expect = 0  # how it is to end
        self.stderr_lines = []
        self.process = None
        self.reader = None

    def _arguments(self, config, arguments):
        arguments = [str(argument) for argument in arguments]
        if config is None:
            if "--listen" not in arguments:
                arguments += ["--listen", f"127.0.0.1:{self.address[1]}"]
            if "--access-log" not in arguments:
                arguments += ["--access-log", str(self.access_path)]
            return arguments
        config = dict(config)
        config.setdefault("listeners", [{"address": f"127.0.0.1:{self.address[1]}"}])
        config.setdefault("access_log", {"path": str(self.access_path), "format": "json"})
        host, _, port = config["listeners"][0]["address"].rpartition(":")
        if host != "fd":  # else the wrapper hands over a socket at that address
            self.address = ("127.0.0.1" if host in ("", "0.0.0.0") else host.strip("[]"), int(port))
        self.config = config
        self.config_path = self.path / "ballast.yaml"
        self.write_config(config)
        return ["-c", str(self.config_path), *arguments]

    def write_config(self, config):
        """JSON is a subset of the YAML that Ballast reads."""
        self.config_path.write_text(json.dumps(config, indent=2) + "\n")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()
            self.directory.cleanup()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace",
                                        pass_fds=self.pass_fds)
        self.reader = threading.Thread(target=self._read_stderr, daemon=True)
        self.reader.start()
        wait_for(self._answers, self.ready_timeout, "the balancer to listen")
        return self

    def _read_stderr(self):
        for line in self.process.stderr:
            self.stderr_lines.append(line.rstrip("\n"))

    def _answers(self):
        if self.process.poll() is not None:
            self.reader.join(5)
            raise AssertionError(f"ballast ended with {self.process.returncode}:\n{self.stderr}")
        try:
            return self.metrics()
        except ConnectionError:
            return None

    @property
    def stderr(self):
        return "\n".join(self.stderr_lines)

    @property
    def pid(self):
        return self.process.pid

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait_log(self, text, timeout=PATIENCE_S):
        """Wait for a line on standard error that contains text, and return it."""
        return wait_for(lambda: next((line for line in list(self.stderr_lines) if text in line), None), timeout,
                        f"{text!r} on standard error")

    def stop(self, number=signal.SIGTERM, expect=None, timeout=PATIENCE_S):
        """Ask it to stop; fails unless it exits with `expect` (self.expect) in time, without a sanitizer's report."""
        expect = self.expect if expect is None else expect
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise WaitTimeout(f"ballast did not stop within {timeout} s:\n{self.stderr}") from None
        self.reader.join(5)
        assert code == expect, f"ballast ended with {code}, not {expect}:\n{self.stderr}"
        # The last is a sanitizer that the sandbox keeps from its file: what it found is lost, but not that it found.
        for found in ("Sanitizer", "runtime error", "ERROR: Can't open file"):
            assert found not in self.stderr, self.stderr
        return code

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def connect(self, timeout=PATIENCE_S):
        return Client(self.address, timeout)

    def ask(self, request, method=b"GET", timeout=PATIENCE_S):
        """One request on a connection of its own, one answer."""
        with self.connect(timeout) as client:
            client.send(request)
            return client.read_answer(method)

    def get(self, target="/", host="test.example", timeout=PATIENCE_S):
        return self.ask(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), timeout=timeout)

    def metrics_text(self):
        answer = self.get("/metrics")
        assert answer.status == 200, answer.head
        return answer.body.decode()

    def metrics(self):
        return read_metrics(self.metrics_text())

    def settled_metrics(self):
        """The same once no request is active: a client has its answer before the answer's thread has counted it."""
        return wait_for(lambda: (values := self.metrics())["requests_active"] == 0 and values, what="all to be over")

    def wait_metric(self, name, value, timeout=PATIENCE_S):
        return wait_for(lambda: self.metrics().get(name) == value, timeout, f"{name} {value}")

    def wait_alive(self, count, timeout=PATIENCE_S):
        """Wait until exactly `count` workers are alive."""
        def alive():
            lines = {name: v for name, v in self.metrics().items() if re.fullmatch(r"worker_\w+_alive", name)}
            return sum(lines.values()) == count
        wait_for(alive, timeout, f"{count} workers alive")
        return self

    def assert_accounts(self):
        """The identity that holds in every scrape (requests still active included). Returns the metrics."""
        return self._with_accounts(self.metrics())

    def settled_accounts(self):
        """The same once no request is active, for whoever compares counts with what clients have seen."""
        return self._with_accounts(self.settled_metrics())

    @staticmethod
    def _with_accounts(m):
        parts = m["requests_ok"] + m["requests_failed"] + m["requests_aborted"] + m["requests_active"]
        assert m["requests_total"] == parts, m
        return m

    def access_lines(self):
        """The JSON access log so far, one dict a line. One without its newline is being written."""
        if not self.access_path.exists():
            return []
        whole, _, _ = self.access_path.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def wait_access(self, count, timeout=PATIENCE_S):
        """Wait for `count` access lines, and return all."""
        wait_for(lambda: len(self.access_lines()) >= count, timeout, f"{count} access lines")
        return self.access_lines()

    def wait_access_line(self, is_it, timeout=PATIENCE_S):
        """Wait for an access line of this kind, and return the last: other requests may have left lines before it."""
        wait_for(lambda: any(map(is_it, self.access_lines())), timeout, "that access line")
        return [line for line in self.access_lines() if is_it(line)][-1]
