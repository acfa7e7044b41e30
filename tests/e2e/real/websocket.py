"""A WebSocket server that echoes, on Python's websockets; /health is plain HTTP. Its port is the argument."""

import asyncio
import http
import sys

import websockets


async def echo(socket):
    async for message in socket:
        await socket.send(message)
        if message == "close me":
            await socket.close(4001, "as you wish")
            return


async def answer_health(path, _):
    return (http.HTTPStatus.OK, [], b"ok") if path == "/health" else None


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), process_request=answer_health, max_size=None,
                                backlog=1024):
        await asyncio.Future()


asyncio.run(main())
