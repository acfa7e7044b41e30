"""Clients that ask without a pause, and to whom nothing may go wrong."""

import threading

from .waiting import wait_for


class Load(threading.Thread):
    """One client that asks until it is told to stop; every answer must be 200."""

    def __init__(self, ballast, request, keep_alive):
        super().__init__(daemon=True)
        self.ballast, self.request, self.keep_alive = ballast, request, keep_alive
        self.over = threading.Event()
        self.answers, self.wrong = 0, None

    def run(self):
        try:
            while not self.over.is_set():
                with self.ballast.connect(30) as client:
                    self.use(client)
        except Exception as error:  # for the test's thread to tell
            self.wrong = error

    def use(self, client):
        while True:
            assert client.send(self.request), "the balancer closed before it had the whole request"
            answer = client.read_answer(self.request.split(b" ")[0])
            assert answer.status == 200, answer.head
            self.answers += 1
            if not self.keep_alive or self.over.is_set() or answer.fields.one(b"connection") == b"close":
                return

    def more(self):
        """Waits until another request was answered."""
        goal = self.answers + 1
        wait_for(lambda: self.wrong or self.answers >= goal, 20, "another answer")
        assert self.wrong is None, self.wrong

    def end(self):
        self.over.set()
        self.join(30)
        assert not self.is_alive() and self.wrong is None, self.wrong
