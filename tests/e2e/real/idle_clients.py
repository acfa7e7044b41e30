#!/usr/bin/python3
"""Clients that ask once and then say nothing, in a process of their own: idle_clients.py PORT COUNT FIRST [together].

They ask one after the other, or all before any is answered. Sockets go out from 127.0.FIRST.x, each address with a few
thousand of them, so that ports suffice. When all were answered it prints how many, waits for a line, asks the first and
the last once more, prints "again", and holds all until its input ends.
"""

import resource
import socket
import sys

GET = b"GET / HTTP/1.1\r\nHost: idle.example\r\n\r\n"
EACH = 5000  # sockets of one address


def hear(sock):
    answer = sock.recv(65536)
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) == 0:
        answer += sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def ask(sock):
    sock.sendall(GET)
    hear(sock)


def main():
    port, count, first = map(int, sys.argv[1:4])
    together = sys.argv[4:] == ["together"]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    socks = []
    for number in range(count):
        sock = socket.socket()
        sock.settimeout(60)
        sock.bind((f"127.0.{first}.{2 + number // EACH}", 0))
        sock.connect(("127.0.0.1", port))
        sock.sendall(GET)
        if not together:
            hear(sock)
        socks.append(sock)
    if together:
        for sock in socks:
            hear(sock)
    print(len(socks), flush=True)
    sys.stdin.readline()
    ask(socks[0])
    ask(socks[-1])
    print("again", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
