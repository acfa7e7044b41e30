"""The same clients over HTTP/2: many requests at a time on a connection, and WebSockets (RFC 8441)."""

import socket

from .h2 import NO_ERROR, DataFrame, H2Client, WindowUpdateFrame, head
from .load import GOODBYE, Asking, Chat
from .waiting import pause
from .websockets import establish, masked, plain

AT_A_TIME = 8


class CreditedClient(H2Client):
    """It reads all that comes, and says so."""

    def note(self, frame):
        super().note(frame)
        if isinstance(frame, DataFrame) and frame.data:
            self.send(WindowUpdateFrame(0, window_increment=len(frame.data)),
                      WindowUpdateFrame(frame.stream_id, window_increment=len(frame.data)))

    def leave(self):
        """A server that has said goodbye ends the connection itself, cleanly."""
        if self.goaway is not None:
            assert self.end() == NO_ERROR, "no clean end after GOAWAY"


def opened(ballast):
    client = CreditedClient(ballast.address, timeout=30)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert client.until(lambda: client.settings), "no SETTINGS came"
    return client


class H2Load(Asking):
    """Eight at a time: short answers, long ones, and uploads."""

    def use(self):
        with opened(self.ballast) as client:
            first = 1
            while not self.over.is_set() and client.goaway is None and first < 4000:
                streams = range(first, first + 2 * AT_A_TIME, 2)
                for stream in streams:
                    self.ask(client, stream)
                for stream in streams:
                    self.look(client.answer(stream), stream)
                    del client.streams[stream]
                first = streams.stop
                pause(0.001)
            client.leave()

    @staticmethod
    def kind(stream):
        """(bytes of the request's body, bytes of the answer)"""
        return ((0, 1), (15000, 5), (0, 30000), (0, 1))[stream // 2 % 4]

    def ask(self, client, stream):
        sent, wanted = self.kind(stream)
        client.ask(stream, head("POST" if sent else "GET", f"/{wanted}"), bytes(sent) if sent else None)

    def look(self, answer, stream):
        sent, wanted = self.kind(stream)
        assert answer.reset is None and answer.ended and answer.status == 200, answer
        assert int(answer.body) == sent and len(answer.body) == wanted
        self.count(answer.heads[-1]["x-worker"].encode())


class H2Chat(Chat):
    """Two WebSockets on a connection. After GOAWAY they go on as long as the server lets them."""

    def use(self):
        done = self.successions.done
        with opened(self.ballast) as client:
            streams, workers = [1, 3], {}
            for stream in streams:
                establish(client, stream)
            for stream in streams:
                assert client.until(lambda: client.streams.get(stream) and client.streams[stream].heads), "no answer"
                assert client.streams[stream].status == 200
                workers[stream] = client.streams[stream].heads[-1]["x-worker"].encode()
                self.count(workers[stream])
            for text, opcode in self.texts():
                for stream in list(streams):
                    if not self.echo_on(client, stream, text, opcode):
                        streams.remove(stream)
                        self.may_end(done, workers[stream])
                pause(0.002)
            for stream in streams:
                assert client.until(lambda: client.streams[stream].ended), "no clean end after the goodbye"
                client.send(DataFrame(stream, b"", flags=["END_STREAM"]))
            client.leave()

    def texts(self):
        for number in self.numbers():
            yield b"%d" % number, 1
        yield GOODBYE, 8

    @staticmethod
    def echo_on(client, number, text, opcode):
        stream, wanted = client.streams[number], plain(text, opcode)
        del stream.body[:]
        client.send(DataFrame(number, masked(text, opcode)))
        client.until(lambda: len(stream.body) >= len(wanted) or stream.ended or stream.reset is not None)
        if stream.body == wanted:
            return True
        # END_STREAM is what a FIN is (RFC 9113 section 8.5); a reset, with whatever code, comes only behind it.
        assert not stream.body and stream.ended, f"cut, not ended: {stream.reset}"
        client.send(DataFrame(number, b"", flags=["END_STREAM"]))
        return False
