"""Slow clients by the thousand, in a process of their own: a third each send a head, send a body, and read an answer,
a few bytes about every ten seconds. Arguments: the balancer's port, and how many. Says `attached`, and ends with its
input."""

import contextlib
import select
import socket
import sys

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
FIRST = [b"GET / HTTP/1.1\r\n",
         b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
         b"GET /bytes/300000 HTTP/1.1\r\nHost: h\r\n\r\n"]  # more than buffers hold for a client as far as this
SEGMENT = 1460  # bytes, as over Ethernet: for one on the same machine the system's buffers hold megabytes
SLICE = 50

clients = []
for number in range(COUNT):
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    if number % 3 == 2:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((f"127.0.0.{2 + number % 50}", 0))
    sock.connect(("127.0.0.1", PORT))
    sock.setblocking(False)
    sock.send(FIRST[number % 3])
    clients.append((sock, number % 3))
print("attached", flush=True)
while True:
    for start in range(0, COUNT, SLICE):
        if select.select([sys.stdin], [], [], 10 * SLICE / COUNT)[0]:
            sys.exit(0)
        for sock, kind in clients[start:start + SLICE]:
            with contextlib.suppress(OSError):
                if kind == 2:
                    sock.recv(100)
                else:
                    sock.send(b"X" if kind else b"X-A: b\r\n")
