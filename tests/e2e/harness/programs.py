"""Other programs that tests start: demo workers on ports of their own, real servers; what /proc says of a process."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

from .waiting import PATIENCE_S, wait_for

LISTENING = re.compile(r"worker (\S+) listening on (\S+):(\d+)\n")


class Program:
    """A program of a test, as a context manager: ended, and waited for, when the test is over."""

    def __init__(self, *command, **options):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    @property
    def pid(self):
        return self.process.pid

    def end(self, timeout=10):
        """Ask it to stop; kill it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process.stdout:
            self.process.stdout.close()

    def kill(self):
        """SIGKILL: what happens to a worker whose machine loses its power."""
        self.process.kill()
        self.process.wait()


class DemoWorker(Program):
    """One `ballast-worker`, with one port or several."""

    def __init__(self, path, *options, ports=(0,), host="127.0.0.1"):
        self.path, self.options, self.host = path, options, host
        super().__init__(path, *[f"--port={port}" for port in ports], f"--bind={host}", *options,
                         stdout=subprocess.PIPE, text=True)
        said = [LISTENING.fullmatch(self.process.stdout.readline()) for _ in ports]
        assert all(said), "the demo worker does not listen"
        self.names = [line[1] for line in said]
        self.ports = [int(line[3]) for line in said]

    @property
    def port(self):
        return self.ports[0]

    @property
    def addresses(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return [f"{host}:{port}" for port in self.ports]

    @property
    def address(self):
        return self.addresses[0]

    def again(self):
        """The same worker, started again on its ports after it ended."""
        assert self.process.poll() is not None
        self.process.stdout.close()
        self.__init__(self.path, *self.options, ports=self.ports, host=self.host)


class Server(Program):
    """Any other server: started, and awaited until it accepts on its port."""

    def __init__(self, port, *command, **options):
        super().__init__(*command, **options)
        self.address = f"127.0.0.1:{port}"

        def accepts():
            assert self.process.poll() is None, f"{command[0]} ended with {self.process.returncode}"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
            except ConnectionRefusedError:
                return False
            return True
        try:
            wait_for(accepts, what=f"{command[0]} to listen")
        except BaseException:
            self.end()
            raise


class Steadily(threading.Thread):
    """Calls a function over and over in a thread until `stop`, which raises what the function raised."""

    def __init__(self, action):
        super().__init__(daemon=True)
        self.action, self.done, self.times, self.error = action, threading.Event(), 0, None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.done.set()
        self.join(30)
        if kind is None:
            assert not self.is_alive()
            if self.error:
                raise self.error

    def run(self):
        try:
            while not self.done.is_set():
                self.action()
                self.times += 1
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def wait_times(self, more, timeout=PATIENCE_S):
        """Wait until the function was called so many times more."""
        goal = self.times + more
        wait_for(lambda: self.error or self.times >= goal, timeout, f"{goal} calls")
        if self.error:
            raise self.error


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def asleep(pid):
    """Each of the process's threads is stopped meanwhile: what comes to it comes all at once as it wakes."""
    os.kill(pid, signal.SIGSTOP)
    try:
        tasks = pathlib.Path(f"/proc/{pid}/task")
        wait_for(lambda: all(") T " in (task / "stat").read_text() for task in tasks.iterdir()), 5, "all to stop")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def memory_bytes(pid, what="VmHWM"):
    """The highest (VmHWM) or the present (VmRSS) resident memory of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(what + r":\s*(\d+) kB", status)[1]) * 1024
