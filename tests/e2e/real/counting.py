"""A worker that writes down each POST it executes: the id in its path, a line each, before it answers.

Arguments: its port, and the file. Killed at any time, it has executed what stands in the file.
"""

import asyncio
import os
import sys

PORT, PATH = int(sys.argv[1]), sys.argv[2]
DONE = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
            method, target, _ = head[0].split(b" ")
            length = next((int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            if method == b"POST":
                os.write(DONE, target + b"\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(target), target))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT, backlog=1024)
    await server.serve_forever()

asyncio.run(main())
