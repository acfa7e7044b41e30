"""Real clients in front: curl, wrk, Python's http.client, and a headless browser with a page of fifty parts."""

import http.client
import http.server
import random
import re
import shutil
import subprocess
import threading

import pytest

from harness.waiting import wait_for

PARTS = 50


def tool(*names):
    """A test that needs a program fails when it is not there: ./dev test installs it."""
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"missing: {' or '.join(names)}"
    return found


def curl(ballast, *arguments, path="/", check=True):
    url = f"http://{ballast.address[0]}:{ballast.address[1]}{path}"
    return subprocess.run([tool("curl"), "-sS", "--max-time", "60", *arguments, url], capture_output=True,
                          timeout=90, check=check)


def written(done):
    """What curl's -w said: status and the version of the answer."""
    return done.stdout.decode().splitlines()[-1]


@pytest.fixture
def ballast(demo, balance):
    return balance(*demo(ports=(0, 0, 0)).addresses)


def test_curl_versions_and_head(ballast):
    report = ["-o", "/dev/null", "-w", "%{http_code} %{http_version} %{size_download}"]
    assert written(curl(ballast, *report, path="/bytes/1000")) == "200 1.1 1000"
    assert written(curl(ballast, "--http1.0", *report, path="/bytes/1000")) == "200 1.1 1000"
    assert written(curl(ballast, "--http1.0", *report, path="/?chunked=1")).startswith("200 1.1 ")
    head = curl(ballast, "-I", path="/bytes/1000").stdout
    assert b"HTTP/1.1 200" in head and b"Content-Length: 1000\r\n" in head
    assert written(curl(ballast, "-X", "OPTIONS", *report)).startswith("200")
    assert written(curl(ballast, "-X", "DELETE", *report)).startswith("200")


def test_curl_keeps_one_connection(ballast):
    url = f"http://{ballast.address[0]}:{ballast.address[1]}/"
    done = subprocess.run([tool("curl"), "-sS", "-w", "%{num_connects}\n", "-o", "/dev/null", url + "[1-20]"],
                          capture_output=True, text=True, timeout=30, check=True)
    assert [int(count) for count in done.stdout.split()] == [1] + [0] * 19


def test_curl_uploads_with_expect_and_in_chunks(ballast, tmp_path):
    body = random.Random(3).randbytes(3_000_000)
    (tmp_path / "body").write_bytes(body)
    upload = ["-T", tmp_path / "body"]
    assert curl(ballast, *upload, path="/echo").stdout == body
    done = curl(ballast, *upload, "-v", "-H", "Expect: 100-continue", path="/echo")
    assert done.stdout == body and b"< HTTP/1.1 100 Continue" in done.stderr
    assert curl(ballast, *upload, "-H", "Transfer-Encoding: chunked", path="/echo").stdout == body
    assert curl(ballast, *upload, "--http1.0", "-H", "Expect:", path="/echo").stdout == body
    assert curl(ballast, "--data-binary", f"@{tmp_path / 'body'}", path="/echo").stdout == body
    assert curl(ballast, "-F", f"file=@{tmp_path / 'body'}", path="/").stdout.endswith(b" bytes\n")


def test_curl_says_when_an_answer_is_cut(demo, balance):
    ballast = balance(demo("--body-bytes=100000", "--truncate-after=1000").address)
    assert curl(ballast, check=False).returncode in (18, 56), "a partial file, or a failure to receive"


def test_curl_ranges(ballast):
    """The worker ignores Range: what matters is that the field goes through, and the answer back."""
    head = curl(ballast, "-r", "100-199", path="/headers").stdout
    assert b"Range: bytes=100-199\r\n" in head


def test_wrk(ballast):
    done = subprocess.run([tool("wrk"), "-t2", "-c64", "-d2s", f"http://127.0.0.1:{ballast.address[1]}/"],
                          capture_output=True, text=True, timeout=30, check=True)
    requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
    assert requests > 1000 and "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done.stdout
    wait_for(lambda: ballast.metrics()["requests_active"] == 0, what="wrk's last requests to be over")
    metrics = ballast.assert_accounts()
    assert metrics["requests_failed"] == 0
    assert requests <= metrics["requests_ok"] <= metrics["requests_total"]
    counts = [value for name, value in metrics.items() if re.fullmatch(r"worker_\d+_requests", name)]
    assert max(counts) - min(counts) <= 1


def test_python_http_client(ballast):
    connection = http.client.HTTPConnection(*ballast.address, timeout=20)
    for method, body in [("GET", None), ("POST", b"x" * 100_000), ("HEAD", None), ("PUT", b""), ("GET", None)]:
        connection.request(method, "/path", body)
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status == 200 and (data == b"") == (method == "HEAD")
        socket = connection.sock
    connection.request("POST", "/", iter([b"one", b"two" * 1000, b"three"]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().read().endswith(b"got 3008 bytes\n")
    assert connection.sock is socket, "one connection for all"
    connection.close()
    assert ballast.settled_accounts()["requests_ok"] == 6


class Site(http.server.BaseHTTPRequestHandler):
    """A page of fifty parts: styles, scripts, pictures; each tells the page that it has come."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind, body = self.part()
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def part(self):
        match = re.fullmatch(r"/part/(\d+)\.(js|css|svg)", self.path)
        if self.path in ("/health", "/favicon.ico"):
            return "text/plain", b"ok"
        if self.path == "/":
            tags = {"js": '<script src="{0}"></script>', "css": '<link rel="stylesheet" href="{0}">',
                    "svg": '<img src="{0}" onload="came++">'}
            kinds = ["js", "css", "svg"]
            parts = [tags[kinds[i % 3]].format(f"/part/{i}.{kinds[i % 3]}") for i in range(PARTS)]
            return "text/html", ("<!doctype html><script>var came = 0</script><p id=n></p>" + "".join(parts)
                                 + "<script>onload = () => { for (const s of document.styleSheets) "
                                   "came += s.cssRules.length; document.title = 'loaded'; "
                                   "document.getElementById('n').textContent = 'came ' + came }</script>").encode()
        if not match:
            return "text/plain", None
        number = int(match[1])
        padding = "x" * (number * 997 % 40_000)
        if match[2] == "js":
            return "text/javascript", f"/* {padding} */ came++".encode()
        if match[2] == "css":
            return "text/css", f"/* {padding} */ #part{number} {{ color: red }}".encode()
        return "image/svg+xml", (f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><!-- {padding} -->'
                                 "</svg>").encode()

    def log_message(self, *_):
        pass


def test_a_headless_browser_loads_a_page_of_fifty_parts(stack, balance, tmp_path):
    sites = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) for _ in range(3)]
    for site in sites:
        stack.callback(site.shutdown)
        threading.Thread(target=site.serve_forever, daemon=True).start()
    ballast = balance(*[f"127.0.0.1:{site.server_port}" for site in sites], threads=2)
    command = [tool("chromium-headless-shell", "chromium"), "--headless", "--no-sandbox", "--disable-gpu",
               "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
               "--disable-sync", f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000", "--dump-dom",
               f"http://127.0.0.1:{ballast.address[1]}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert f"came {PARTS}<" in done.stdout, done.stdout[-400:] + done.stderr[-2000:]
    lines = ballast.wait_access(PARTS + 1)
    assert {line["target"] for line in lines} >= {"/", *[f"/part/{i}.{('js', 'css', 'svg')[i % 3]}"
                                                         for i in range(PARTS)]}
    assert {(line["status"], line["reason"]) for line in lines} == {(200, "ok")}
    metrics = ballast.assert_accounts()
    assert (metrics["requests_failed"], metrics["requests_aborted"]) == (0, 0)
