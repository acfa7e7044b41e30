"""RFC 9113 section 10.5: clients that make much of little. Each flood runs into the limits that are set by default, on
many connections at once; it ends with the right word, holds no more memory and takes no more processor time than
docs/threat-model.md says, and a neighbour is served meanwhile."""

import contextlib
import pathlib
import select
import time

import pytest

from harness.ballast import Ballast, settings
from harness.h2 import (CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, DataFrame,
                        GoAwayFrame, H2Client, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame, head, raw)
from harness.programs import DemoWorker, Steadily, children, memory_bytes
from harness.waiting import wait_for
from harness.worker import CLOSE, Script
from test_http2_hostile import CONTINUATION, DATA, HEADERS, PRIORITY

SESSIONS = 20
FLOOD_BYTES = 1 << 20  # of memory, for each connection that floods
FLOOD_MS = 25  # of processor time, the same; here 1 to 4
STREAM_BYTES = 192 << 10  # for each stream whose client grants nothing
SESSION_BYTES = 64 << 10  # for each connection with both tables of fields full
PROMPT_S = 5  # a neighbour's request, on a machine that is busy with other tests; here 0.04
REQUEST = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"


def literal(*fields):
    """A head without tables: the same bytes for any stream."""
    return b"".join(b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                    for name, value in fields)


GET, POST = literal(*head(path="/bytes/100000")), literal(*head("POST", "/echo"))
SIZED = literal(*head("POST", "/echo"), ("content-length", "1"))
MALFORMED = literal(*head(), ("connection", "x"))


def wire(frame):
    return frame if isinstance(frame, bytes) else frame.serialize()


def requests(block, flags, *ends):
    """4,000 requests, each with what follows it."""
    return b"".join(raw(HEADERS, flags, stream, block) + b"".join(wire(end(stream)) for end in ends)
                    for stream in range(1, 8001, 2))


def unpacked(n):
    """RFC 7541 section 7.3: a field of 4,000 bytes, and one byte for each of n times that it comes again."""
    block = GET + b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * n
    return raw(HEADERS, 1, 1, block[:16384]) + b"".join(
        raw(CONTINUATION, 0 if at + 16384 < len(block) else 4, 1, block[at:at + 16384])
        for at in range(16384, len(block), 16384))


OVER = raw(HEADERS, 5, 1, GET) + RstStreamFrame(1, CANCEL).serialize()


# What is sent, why it ends, and how many of what it is made of are taken in before that.
FLOODS = {
    "requests that are reset": (requests(GET, 5, lambda i: RstStreamFrame(i, CANCEL)), "resets", 200),
    "requests that are reset without an error": (requests(GET, 5, lambda i: RstStreamFrame(i, NO_ERROR)),
                                                 "resets", 200),
    "requests that are reset as refused": (requests(GET, 5, lambda i: RstStreamFrame(i, REFUSED_STREAM)),
                                           "resets", 200),
    "requests that must be reset": (requests(POST, 4, lambda i: WindowUpdateFrame(i, 2**31 - 1)), "resets", 200),
    "bodies longer than was said": (requests(SIZED, 4, lambda i: DataFrame(i, b"xx")), "resets", 200),
    "bodies shorter than was said": (requests(SIZED, 4, lambda i: DataFrame(i, flags=["END_STREAM"])), "resets", 200),
    "second heads": (requests(POST, 4, lambda i: raw(HEADERS, 4, i, literal(("x", "y")))), "resets", 200),
    "malformed trailers": (requests(POST, 4, lambda i: raw(HEADERS, 5, i, literal((":path", "/")))), "resets", 200),
    "malformed requests": (requests(MALFORMED, 5), "resets", 200),
    "requests above the limit": (requests(POST, 4), "resets", 200),
    "PING": (PingFrame(0, b"12345678").serialize() * 20000, "control_frames", 2000),
    "SETTINGS": (SettingsFrame(0, {4: 65535}).serialize() * 20000, "control_frames", 2000),
    "PRIORITY": (raw(PRIORITY, 0, 1, b"\0\0\0\0\1") * 20000, "control_frames", 2000),
    "WINDOW_UPDATE": (WindowUpdateFrame(0, 1).serialize() * 20000, "control_frames", 2000),
    "unknown frames": (raw(0x77, 0, 0) * 20000, "control_frames", 2000),
    "GOAWAY": (raw(HEADERS, 4, 1, POST) + GoAwayFrame(0).serialize() * 20000, "control_frames", 2000),
    "resets of what is over": (OVER + RstStreamFrame(1, CANCEL).serialize() * 20000, "control_frames", 2000),
    "heads of what is over": (OVER + raw(HEADERS, 5, 1, GET) * 4000, "control_frames", 2000),
    "padding alone": (raw(HEADERS, 4, 1, POST) + raw(DATA, 8, 1, b"\0") * 4000, "empty_frames", 100),
    "empty DATA": (raw(HEADERS, 4, 1, POST) + DataFrame(1).serialize() * 4000, "empty_frames", 100),
    "CONTINUATION": (raw(HEADERS, 1, 1, GET) + raw(CONTINUATION, 0, 1, literal(("x", "y"))) * 4000, "head_pieces", 8),
    "large CONTINUATION": (raw(HEADERS, 1, 1, GET)
                           + raw(CONTINUATION, 0, 1, literal(("x", "y" * 120)) * 128) * 40, "head_pieces", 8),
    "a head of 520 MB": (unpacked(130000), "head_pieces", 8),
}


class Neighbour(Steadily):
    """Another client, on a connection of its own: it asks without a pause, and every answer comes soon."""

    def __init__(self, ballast):
        self.client, self.slowest = ballast.connect(), 0
        super().__init__(self.ask)

    def ask(self):
        begun = time.monotonic()
        self.client.send(REQUEST)
        assert self.client.read_answer().status == 200
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        self.client.close()
        assert kind or self.slowest < PROMPT_S


class Cost:
    """What a balancer's server has used since this was made."""

    def __init__(self, ballast):
        self.pid, = children(ballast.pid)
        self.memory, self.ms_before = memory_bytes(self.pid, "VmRSS"), self.busy_ms()

    def busy_ms(self):
        tasks = pathlib.Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6

    @property
    def grown(self):
        return memory_bytes(self.pid, "VmRSS") - self.memory

    @property
    def ms(self):
        return self.busy_ms() - self.ms_before


@pytest.fixture(scope="module")
def ballast(ballast_path, demo_worker_path):
    with DemoWorker(demo_worker_path) as worker, Ballast(ballast_path, settings([worker], threads=1)) as balancer:
        yield balancer.wait_alive(1)
        balancer.assert_accounts()


def counted(ballast, reason):
    return ballast.metrics()[f'ballast_http2_connections_ended_total{{reason="{reason}"}}']


@pytest.mark.parametrize("flood", FLOODS)
def test_flood(ballast, sanitized, flood):
    data, reason, most = FLOODS[flood]
    before = counted(ballast, reason)
    with contextlib.ExitStack() as stack:
        neighbour = stack.enter_context(Neighbour(ballast))
        neighbour.wait_times(1)
        cost = Cost(ballast)
        clients = [stack.enter_context(H2Client(ballast.address)) for _ in range(SESSIONS)]
        for client in clients:
            client.send(data)
        for client in clients:
            assert client.end() == ENHANCE_YOUR_CALM
            assert len(client.frames) <= most + 20  # what was answered, beside the greetings
        assert sanitized or cost.grown < SESSIONS * FLOOD_BYTES, cost.grown
        assert sanitized or cost.ms < SESSIONS * FLOOD_MS, cost.ms
        neighbour.wait_times(1)
    wait_for(lambda: counted(ballast, reason) == before + SESSIONS, what="all floods to be counted")


def test_streams_above_the_limit_are_refused(ballast):
    """Section 5.1.2: one by one while the limit is on its way to the client."""
    with H2Client(ballast.address) as h2:
        for i in range(105):
            h2.send(raw(HEADERS, 4, 2 * i + 1, POST))
        h2.until(lambda: sum(stream.reset is not None for stream in h2.streams.values()) >= 5)
        h2.settle()
        refused = {number for number, stream in h2.streams.items() if stream.reset == REFUSED_STREAM}
        assert refused == {201, 203, 205, 207, 209} and h2.settings[3] == 100 and h2.goaway is None


def test_stalled_windows(ballast, sanitized):
    """Clients that ask for much and grant nothing: a hundred answers stand still on each of four connections."""
    with contextlib.ExitStack() as stack:
        neighbour = stack.enter_context(Neighbour(ballast))
        neighbour.wait_times(1)
        cost = Cost(ballast)
        asked = literal(*head(path="/bytes/1000000"))
        for _ in range(4):
            h2 = stack.enter_context(H2Client(ballast.address))
            h2.send(SettingsFrame(0, {4: 0}), *[raw(HEADERS, 5, stream, asked) for stream in range(1, 201, 2)])
            h2.until(lambda: len(h2.streams) > 100)  # pylint: disable=W0640
        neighbour.wait_times(20)
        assert sanitized or cost.grown < 400 * STREAM_BYTES, cost.grown


def test_windows_that_open_byte_by_byte(ballast, sanitized):
    """CVE-2019-9511: a hundred answers on each of four connections leave in frames of one byte."""
    streams, rounds = range(1, 201, 2), 20
    with contextlib.ExitStack() as stack:
        neighbour = stack.enter_context(Neighbour(ballast))
        neighbour.wait_times(1)
        cost = Cost(ballast)
        clients = [stack.enter_context(H2Client(ballast.address)) for _ in range(4)]
        for h2 in clients:
            h2.send(SettingsFrame(0, {4: 0}), *[raw(HEADERS, 5, stream, GET) for stream in streams])
            h2.until(lambda: len(h2.streams) > 100)  # pylint: disable=W0640
        stands = cost.ms
        for bytes_each in range(1, rounds + 1):
            for h2 in clients:
                h2.send(*[WindowUpdateFrame(stream, 1) for stream in streams])
                h2.until(lambda: all(len(h2.streams[i].body) == bytes_each for i in streams))  # pylint: disable=W0640
        assert all(h2.count(DataFrame) == rounds * len(streams) for h2 in clients)
        assert sanitized or cost.grown < 400 * STREAM_BYTES, cost.grown
        assert sanitized or cost.ms - stands < len(clients) * FLOOD_MS, cost.ms - stands
        neighbour.wait_times(1)


def test_more_resets_where_they_are_allowed(demo, balance):
    """The setting is the limit, and nothing else."""
    ballast = balance(*demo().addresses, http2={"resets": 10000}, threads=1)
    with H2Client(ballast.address) as h2:
        h2.send(requests(GET, 5, lambda i: RstStreamFrame(i, CANCEL)))
        h2.settle()  # or this one may come above the streams that there may be at once
        h2.ask(8001)
        assert h2.answer(8001).status == 200 and h2.goaway is None


def test_answers_that_workers_cut_are_no_flood(scripted, balance):
    """What is given up here, or by a worker, is not the client's doing."""
    worker = scripted()
    worker.play_at(b"/", Script((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx", CLOSE)))
    ballast = balance(worker, http2={"resets": 10}, threads=1)
    with H2Client(ballast.address) as h2:
        for stream in range(1, 51, 2):
            h2.ask(stream)
            assert h2.answer(stream).reset == INTERNAL_ERROR
        assert h2.goaway is None


def test_a_client_that_grants_nothing_is_let_go(demo, balance):
    ballast = balance(*demo().addresses, timeouts={"client_stall": "300ms"})
    with H2Client(ballast.address) as h2:
        h2.send(SettingsFrame(0, {4: 0}))
        h2.ask(1, head(path="/bytes/1000000"))
        assert h2.answer(1).reset is not None and h2.streams[1].body == b""
    assert ballast.wait_access(1)[0]["reason"] == "client_stalled"


UNREAD = {"client_stall": "300ms", "client_idle": "1s", "drain": "60s"}


def is_held(ballast, client):
    """Whether a process has the other end of the client's connection: the system may still have one that none has."""
    ends = [f"{address}:{port:04X}" for address, port in (("0100007F", ballast.address[1]), ("0100007F", client.port))]
    connections = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(words[1:3] == ends and words[9] != "0" for words in connections)


@pytest.fixture
def unread(demo, balance):
    """A balancer, one of whose clients grants all and reads nothing, and that client: its answer was given up, and what
    is to be said of that waits behind what it does not read."""
    ballast = balance(*demo().addresses, timeouts=UNREAD)
    with H2Client(ballast.address) as h2:
        h2.send(SettingsFrame(0, {4: 2**31 - 1}), WindowUpdateFrame(0, 2**31 - 1 - 65535))
        h2.ask(1, head(path="/bytes/100000000"))
        wait_for(lambda: is_held(ballast, h2), what="it to be taken in")
        assert ballast.wait_access(1)[0]["reason"] == "client_stalled"
        yield ballast, h2


def test_a_client_that_reads_nothing_is_let_go(unread):
    """As one of HTTP/1 is: it idles, and is told the end, whether it reads that or not."""
    ballast, h2 = unread
    wait_for(lambda: not is_held(ballast, h2), what="it to be let go")


def test_a_client_that_reads_nothing_holds_up_no_stop(unread):
    unread[0].stop(timeout=30)


def test_more_sessions_than_connections(demo, balance, sanitized):
    """`limits.connections` holds for them too: who comes above it waits, unheard and without memory of ours."""
    ballast = balance(*demo().addresses, threads=1, limits={"connections": 150})
    fields = [(f"x-{i}", "y" * 60) for i in range(60)]  # more than a table of fields holds
    with contextlib.ExitStack() as stack:
        neighbour = stack.enter_context(Neighbour(ballast))
        neighbour.wait_times(1)
        cost = Cost(ballast)
        sessions = [stack.enter_context(H2Client(ballast.address)) for _ in range(149)]
        for h2 in sessions:
            h2.ask(1, head(extra=fields))
            assert h2.answer(1).status == 200
        assert sanitized or cost.grown < 149 * SESSION_BYTES, cost.grown
        above = [stack.enter_context(H2Client(ballast.address)) for _ in range(50)]
        for h2 in above:
            h2.ask(1)
        neighbour.wait_times(50)
        assert not select.select([h2.socket for h2 in above], [], [], 0)[0]
        assert sanitized or cost.grown < 149 * SESSION_BYTES, cost.grown
        for h2 in sessions[:50]:
            h2.socket.close()
        assert [h2.answer(1).status for h2 in above] == [200] * 50
