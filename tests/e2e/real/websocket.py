"""A WebSocket server that echoes, on Python's websockets; /health, /page and /said are plain HTTP. Its port is the
argument."""

import asyncio
import http
import pathlib
import sys

import websockets


async def echo(socket):
    async for message in socket:
        await socket.send(message)
        if message == "close me":
            await socket.close(4001, "as you wish")
            return


PAGE = pathlib.Path(__file__).resolve().parent / "websocket_page.html"


async def answer_plain(path, _):
    if path == "/page":
        return http.HTTPStatus.OK, [("Content-Type", "text/html")], PAGE.read_bytes()
    return (http.HTTPStatus.OK, [], b"ok") if path == "/health" or path.startswith("/said") else None


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), process_request=answer_plain, max_size=None,
                                backlog=1024):
        await asyncio.Future()


asyncio.run(main())
