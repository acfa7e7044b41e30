"""What is measured: kinds of load, what they need, and who takes part."""

import dataclasses

BODY_64K, BODY_1M, BODY_10M = 1 << 16, 1 << 20, 10 << 20


@dataclasses.dataclass(frozen=True)
class Work:
    """One kind of load, as options of its program, and the layout it is measured in."""
    name: str
    title: str
    arguments: tuple = ()
    connections: int = 32
    workers: int = 3
    threads: int = 1  # of the contender; with 2 nobody is pinned, and one thread is measured beside
    who: tuple = ("relay", "ballast", "nginx", "haproxy")  # contenders for whom it means the same
    program: str = "load"  # load and handshakes are in bench/; h2load is Debian's
    tls: bool = False  # for the clients
    h2c: bool = False  # workers speak HTTP/2, the relay's apart

    def load_options(self):
        """Without port and seconds."""
        if self.program == "h2load":
            return ["-c", str(self.connections), *self.arguments]
        return ["--connections", str(self.connections), *self.arguments]


PROXIES = ("ballast", "nginx", "haproxy")

WORKS = {work.name: work for work in (
    Work("small", "small keep-alive requests"),
    Work("fields", "20 fields each way", ("--browser", "--path", "/page")),
    Work("connect", "a connection per request", ("--close",)),
    Work("large", "1 MiB answers", ("--path", f"/bytes/{BODY_1M}", "--answer-bytes", str(BODY_1M))),
    Work("post64k", "64 KiB posts", ("--post-bytes", str(BODY_64K))),
    Work("post10m", "10 MiB posts", ("--post-bytes", str(BODY_10M)), connections=4),
    # The relay ties a worker to each client's connection: it would lead to 32 of them.
    Work("pool", "1,000 workers in the pool", workers=1000, who=PROXIES),
    Work("threads", "two threads", connections=64, threads=2, who=PROXIES),
    Work("handshakes", "TLS handshakes, full", (), 16, tls=True, who=("loop", *PROXIES), program="handshakes"),
    Work("resumed", "TLS handshakes, resumed", ("--resume",), 16, tls=True, who=("loop", *PROXIES),
         program="handshakes"),
    Work("tls", "small requests over TLS", ("--h1",), tls=True, who=PROXIES, program="h2load"),
    Work("h2", "small requests over HTTP/2 and TLS", ("-m", "8"), 16, tls=True, who=PROXIES, program="h2load"),
    # nginx does not speak HTTP/2 to workers. The relay leads to workers of HTTP/1: it cannot tell the difference.
    Work("h2c", "HTTP/1 clients, HTTP/2 workers", connections=128, h2c=True, who=("relay", "ballast", "haproxy")),
)}

# Measured in ways of their own, after the works.
IDLE, TAIL, SCALE = "idle", "tail", "scale"
IDLE_CONNECTIONS = 4000
# Of saturation, as measured by the work `small` in the same run.
TAIL_SHARE = 0.7
TAIL_CONNECTIONS = 64
# A round's 99.9th percentile is its one or two longest stalls: many short rounds say more than few long ones.
TAIL_ROUNDS, TAIL_ROUND_SHARE = 3, 0.5  # of a work's rounds, of a round's seconds
# Ballast alone: a pool so large that probing it is work.
CROWD = Work(SCALE, "10,000 workers", workers=10000, who=("ballast",))
CROWD_INTERVAL_S = 2
CROWD_SECONDS = 8
NAMES = (*WORKS, IDLE, TAIL, SCALE)
