"""Waiting for something to become true, bounded, and free ports. No test sleeps for a guessed time."""

import contextlib
import pathlib
import random
import select
import socket
import time


class WaitTimeout(AssertionError):
    """What was waited for did not happen in time."""


def wait_for(predicate, timeout=10.0, what=None):
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


def free_port(host="127.0.0.1"):
    """A TCP port nobody listens on at this moment, and that the system gives to no outgoing connection: those are taken
    from a range of its own, and one of them may have the port before the program that it is meant for."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    first_outgoing = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        with socket.socket(family, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.bind((host, random.randrange(10_000, max(first_outgoing, 10_100))))
            return probe.getsockname()[1]
    raise AssertionError("no port is free")


def has_ipv6():
    """Whether this machine can listen on [::1]."""
    try:
        free_port("::1")
    except OSError:
        return False
    return True
