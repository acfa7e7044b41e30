"""Python's http.server with an application of a few lines. Its port and, maybe, its protocol are the arguments."""

import http.server
import sys


class Application(http.server.BaseHTTPRequestHandler):
    protocol_version = sys.argv[2] if len(sys.argv) > 2 else "HTTP/1.1"

    def answer(self, status, body, length=True):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, b"ok")
        elif self.path.startswith("/big/"):
            self.answer(200, b"0123456789abcdef" * (int(self.path[5:]) // 16))
        elif self.path == "/close":
            self.close_connection = True
            self.answer(200, b"until the end", length=False)
        else:
            self.answer(200 if self.path == "/" else 404, f"python: {self.command} {self.path}".encode())

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Application).serve_forever()
