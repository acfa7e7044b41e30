"""A client of the administration API, over its Unix socket or TCP; and a reader of its schema."""

import dataclasses
import http.client
import json
import socket

from .waiting import PATIENCE_S


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=PATIENCE_S):
        super().__init__("ballast", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclasses.dataclass
class Answer:
    status: int
    fields: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Admin:
    """Asks; each request on a connection of its own. `where`: a path, or (host, port)."""

    def __init__(self, where, token=None):
        self.where = where
        self.token = token

    def connection(self, timeout=PATIENCE_S):
        if isinstance(self.where, tuple):
            return http.client.HTTPConnection(*self.where, timeout=timeout)
        return UnixConnection(self.where, timeout)

    def ask(self, method, path, body=None, **fields):
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        connection = self.connection()
        try:
            text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def listens(self):
        """A Unix socket's file is there before it can be connected to."""
        try:
            self.ask("GET", "/v1/version")
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def get(self, path):
        answer = self.ask("GET", path)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def patch_worker(self, pool, worker, **order):
        answer = self.ask("PATCH", f"/v1/pools/{pool}/workers/{worker}", order)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    def worker(self, pool, worker):
        return self.get(f"/v1/pools/{pool}/workers/{worker}")

    def stream(self, timeout=PATIENCE_S):
        return Stream(self, timeout)


class Stream:
    """Server-sent events, as a context manager and an iterator of (kind, value)."""

    def __init__(self, admin, timeout):
        self.connection = admin.connection(timeout)
        fields = {"Authorization": f"Bearer {admin.token}"} if admin.token else {}
        self.connection.request("GET", "/v1/stream", headers=fields)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        assert self.answer.getheader("Content-Type") == "text/event-stream"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def __iter__(self):
        kind = None
        while True:
            line = self.answer.readline()
            if not line:
                return
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                yield kind, json.loads(line[6:])


TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


def check(document, schema, value, where="answer"):
    """Fails unless the value is exactly of this schema: each field there, of its type, and no other."""
    if "$ref" in schema:
        check(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, where)
    elif schema["type"] == "array":
        assert isinstance(value, list), where
        for at, item in enumerate(value):
            check(document, schema["items"], item, f"{where}[{at}]")
    elif schema["type"] == "object" and "properties" not in schema:
        for name, item in value.items():
            check(document, schema["additionalProperties"], item, f"{where}.{name}")
    elif schema["type"] == "object":
        assert set(value) == set(schema["required"]), f"{where}: {set(value) ^ set(schema['required'])}"
        for name, item in value.items():
            check(document, schema["properties"][name], item, f"{where}.{name}")
    else:
        assert isinstance(value, TYPES[schema["type"]]), f"{where}: {value!r}"
        assert schema["type"] != "integer" or not isinstance(value, bool), where
        assert value in schema.get("enum", [value]), f"{where}: {value!r}"
