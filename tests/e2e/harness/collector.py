"""An OpenTelemetry collector: takes OTLP over HTTP as JSON, and answers as it is told."""

import http.server
import json
import threading

from .waiting import wait_for


def plain(attributes):
    """A list of keys and values as a dict."""
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


class Collector:
    """Listens from the start of the context to its end. `answers` are statuses for the next batches, then it is 200."""

    def __init__(self, port=0):
        self.answers, self.batches, self.asked = [], [], 0
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = collector.answers.pop(0) if collector.answers else 200
                collector.asked += 1
                if status == 200:
                    collector.batches.append({"path": self.path, "type": self.headers["Content-Type"], "body": body})
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                """Says nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def spans(self):
        """All spans so far; attributes are dicts."""
        found = []
        for batch in list(self.batches):
            for resource in batch["body"]["resourceSpans"]:
                for span in resource["scopeSpans"][0]["spans"]:
                    found.append(span | {"attributes": plain(span["attributes"]),
                                         "resource": plain(resource["resource"]["attributes"])})
        return found

    def wait(self, count=1):
        return wait_for(lambda: len(self.spans) >= count and self.spans, 20, f"{count} spans")
