"""What a request costs the system: every call of the whole program, counted from outside, for small requests on kept
connections; and how few segments an answer takes that ends its connection."""

import collections
import re
import socket
import statistics
import struct

import pytest

from harness.ballast import Ballast, settings
from harness.waiting import wait_for

CLIENTS, ROUNDS = 16, 60
REQUESTS = CLIENTS * ROUNDS
# Now and then a worker gets one request more at a time than ever before, and memory grows: the same few calls however
# many requests there are.
RARE = 8 * CLIENTS
CALL = re.compile(r"\d+ +(\w+)\(")  # the beginning of one, also where another line tells its end
SEGMENTS_IN_AT = 140  # of struct tcp_info


@pytest.fixture
def traced(stack, ballast_path, demo, sanitized, tmp_path):
    """Starts a balancer of one reactor under strace; returns it and the file with its calls."""
    def start(**extra):
        if sanitized:
            pytest.skip("a sanitizer makes calls of its own")
        calls = tmp_path / "calls"
        config = settings([demo(), demo(), demo()], threads=1, **extra)
        config["pools"]["web"]["health"] = {"interval": "1h"}
        wrapper = ("strace", "-D", "-f", "-qq", "-o", calls)
        return stack.enter_context(Ballast(ballast_path, config, wrapper=wrapper)).wait_alive(3), calls
    return start


def ask_all(clients, word, rounds):
    """Every client asks and then all are read, so often: as many requests as clients are under way at a time."""
    for _ in range(rounds):
        for client in clients:
            client.send(b"GET /%s HTTP/1.1\r\nHost: test.example\r\n\r\n" % word)
        for client in clients:
            assert client.read_answer().status == 200


def calls_between(path, word):
    """The lines of all calls from the first request for this word to the last answer."""
    lines = path.read_text(errors="replace").splitlines()
    first = next(i for i, line in enumerate(lines) if f"GET /{word} " in line)
    last = max(i for i, line in enumerate(lines) if "HTTP/1.1 200" in line)
    return [line for line in lines[first:last + 1] if CALL.match(line)]


def count_by_name(lines):
    return collections.Counter(CALL.match(line)[1] for line in lines)


def wait_calls(path, word):
    """The same once all are there: a client has its answer before the call that sent it is written down."""
    return wait_for(lambda: count_by_name(made := calls_between(path, word))["sendto"] >= 2 * REQUESTS and made)


def count_calls(balancer, calls, stack):
    clients = [stack.enter_context(balancer.connect()) for _ in range(CLIENTS)]
    ask_all(clients, b"warm", 5)
    for word in ("counted", "counted-again", "counted-once-more"):
        ask_all(clients, word.encode(), ROUNDS)
        made = wait_calls(calls, word)
        if not any("GET /health " in line for line in made):  # a probe's calls are its own
            return count_by_name(made)
    pytest.fail("probes come all the time")


def check_calls_of_requests(made):
    """Takes out what each request may cost: two receives, two sends, a share of a wait."""
    assert made.pop("sendto") == 2 * REQUESTS
    assert 2 * REQUESTS - 1 <= made.pop("recvfrom") <= 2 * REQUESTS + RARE
    assert 0 < made.pop("epoll_wait") < REQUESTS


def test_a_small_request_enters_the_kernel_for_two_receives_two_sends_and_a_share_of_a_wait(traced, stack):
    balancer, calls = traced(access_log={"path": "off"})
    made = count_calls(balancer, calls, stack)
    check_calls_of_requests(made)
    assert made.total() <= RARE, made


def test_access_lines_are_written_in_batches_and_at_most_one_a_turn(traced, stack):
    balancer, calls = traced()
    made = count_calls(balancer, calls, stack)
    turns = made["epoll_wait"]
    check_calls_of_requests(made)
    assert made.pop("write", 0) <= turns
    assert made.pop("futex", 0) <= 4 * turns  # the writer's thread is woken, and rests
    assert made.total() <= RARE, made
    balancer.wait_access(REQUESTS)


def segments_of_one_request(balancer):
    with socket.create_connection(balancer.address, 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        return struct.unpack_from("I", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), SEGMENTS_IN_AT)[0]


def test_a_last_answer_and_the_connections_end_share_a_segment(balance, demo):
    """The peer's part of the handshake, its word that the request has come, and the answer: three, not four. A busy
    machine may repeat one."""
    balancer = balance(demo())
    assert statistics.median(segments_of_one_request(balancer) for _ in range(51)) <= 3
