"""Waiting for something to become true, bounded, and free ports. No test sleeps for a guessed time."""

import contextlib
import functools
import itertools
import pathlib
import select
import socket
import time

FIRST_PORT, BLOCK = 10_000, 1000
PATIENCE_S = 30.0  # with what comes at once, but on a machine that is busy with a dozen other things


class WaitTimeout(AssertionError):
    """What was waited for did not happen in time."""


def wait_for(predicate, timeout=PATIENCE_S, what=None):
    """Return the first true value of predicate(), asked every few milliseconds; WaitTimeout after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise WaitTimeout(f"not within {timeout} s: {what or getattr(predicate, '__name__', predicate)}")
        select.select([], [], [], 0.005)


def pause(seconds):
    """The pace of a slow peer, where a test is about one; nothing is waited for by this."""
    select.select([], [], [], seconds)


@functools.cache
def own_ports():
    """The ports that this process of tests gives out, in turn, and the socket that says so: whoever has its name has a
    block of them, as long as it lives. The system gives them to no outgoing connection: those are taken from a range of
    its own, and one of them may have a port before the program that it is meant for."""
    outgoing = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for first in range(FIRST_PORT, max(outgoing - BLOCK, FIRST_PORT) + 1, BLOCK):
        owner = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            owner.bind(f"\0ballast-tests-{first}")
            return owner, itertools.cycle(range(first, first + BLOCK))
        owner.close()
    raise AssertionError("other tests have all ports")


def free_port(host="127.0.0.1"):
    """A TCP port nobody listens on at this moment, and that no other test is given, here or in another process."""
    _, ports = own_ports()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in itertools.islice(ports, BLOCK):
        with socket.socket(family, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise AssertionError("no port is free")


def has_ipv6():
    """Whether this machine can listen on [::1]."""
    try:
        free_port("::1")
    except OSError:
        return False
    return True
