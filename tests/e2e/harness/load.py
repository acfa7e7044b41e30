"""Clients that ask without a pause, and to whom nothing may go wrong: no failed answer, no answer cut, no reset."""

import collections
import itertools
import threading

from .client import CutShort
from .waiting import pause, wait_for
from .websockets import masked, plain

SWITCH = (b"GET /chat HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
GOODBYE = (1000).to_bytes(2, "big")


class Successions:
    """How many upgrades were ordered, and how many are done: when a server may end what it has. And which workers come
    and go: what is at one that has gone may end too."""

    def __init__(self, leaving=()):
        self.ordered = self.done = 0
        self.leaving = leaving


class Asking(threading.Thread):
    """One client that asks until it is told to stop: `use` is a connection's life."""

    def __init__(self, ballast):
        super().__init__(daemon=True)
        self.ballast = ballast
        self.over = threading.Event()
        self.answers, self.by_worker, self.wrong = 0, collections.Counter(), None

    def run(self):
        try:
            while not self.over.is_set():
                self.use()
        except Exception as error:  # for the test's thread to tell
            self.wrong = error

    def use(self):
        raise NotImplementedError

    def count(self, worker):
        self.answers += 1
        self.by_worker[worker] += 1

    def judge(self):
        if self.wrong:
            raise AssertionError(f"{type(self).__name__}, after {self.answers} answers") from self.wrong

    def more(self):
        """Waits until another request was answered."""
        goal = self.answers + 1
        wait_for(lambda: self.wrong or self.answers >= goal, 20, "another answer")
        self.judge()

    def end(self):
        self.over.set()
        self.join(30)
        self.judge()
        assert not self.is_alive()


class Load(Asking):
    """The same request again and again; every answer must be 200. pace: seconds between pieces of the request."""

    def __init__(self, ballast, request, keep_alive, pace=0, body=None):
        super().__init__(ballast)
        self.request, self.keep_alive, self.pace, self.body = request, keep_alive, pace, body
        self.last = None

    def use(self):
        with self.ballast.connect(30) as client:
            while self.ask(client):
                pass

    def send(self, client):
        step = 20000 if self.pace else len(self.request)
        for at in range(0, len(self.request), step):
            client.send(self.request[at:at + step])
            pause(self.pace)

    def ask(self, client):
        """Whether the connection goes on."""
        self.send(client)
        answer = client.read_answer(self.request.split(b" ")[0])
        assert answer.status == 200, answer.head
        assert self.body in (None, answer.body), "another answer than was asked for"
        self.count(answer.fields.one(b"x-worker"))
        self.last = answer
        if answer.fields.one(b"connection") != b"close":
            return self.keep_alive and not self.over.is_set()
        assert client.ended() == b"", "no clean end after the last answer"
        return False


class Chat(Asking):
    """WebSockets that echo, each a number of times. A server may end one, in order, while it makes room for another."""

    def __init__(self, ballast, successions, messages=1000):
        super().__init__(ballast)
        self.successions, self.messages, self.ended = successions, messages, 0

    def may_end(self, done, worker):
        assert self.successions.ordered > done or worker in self.successions.leaving, "ended without an upgrade"
        self.ended += 1

    def numbers(self):
        return itertools.takewhile(lambda _: not self.over.is_set(), range(self.messages))

    def use(self):
        done = self.successions.done
        with self.ballast.connect(30) as client:
            client.send(SWITCH)
            answer = client.read_answer()
            assert answer.status == 101, answer.head
            worker = answer.fields.one(b"x-worker")
            self.count(worker)
            for number in self.numbers():
                if not self.echo(client, b"%d" % number):
                    self.may_end(done, worker)
                    return
                pause(0.002)
            if not self.echo(client, GOODBYE, 8):
                self.may_end(done, worker)
            else:
                assert client.ended() == b"", "no clean end after the goodbye"

    @staticmethod
    def echo(client, text, opcode=1):
        """False: the WebSocket was ended in order before that came back."""
        client.send(masked(text, opcode))
        wanted = plain(text, opcode)
        try:
            assert client.stream.take(len(wanted)) == wanted
        except CutShort:
            assert client.stream.buffer == b"", "cut, not ended"
            return False
        return True
