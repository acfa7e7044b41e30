"""The page of metrics: accepted by Prometheus's own judge, and all its numbers agree with each other."""

import contextlib
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

from harness.ballast import Ballast, settings
from harness.certificates import Authority
from harness.client import WasReset
from harness.programs import Steadily
from harness.waiting import free_port, wait_for
from harness.worker import CLOSE, Script, wait

ROOT = pathlib.Path(__file__).resolve().parents[2]
LABELS = re.compile(r'(\w+)\{(.*)\}')


def series(metrics, name):
    """All series of a name: labels as a dict, and the value."""
    found = []
    for key, value in metrics.items():
        match = LABELS.fullmatch(key)
        if match and match[1] == name:
            found.append((dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2])), value))
    assert found, f"no {name}"
    return found


def total(metrics, name, **labels):
    return sum(value for found, value in series(metrics, name) if labels.items() <= found.items())


@pytest.fixture
def busy(demo, scripted, balance):
    """A balancer that has seen everything: good, failed, aborted, retried, refused and routed nowhere."""
    good, dropping, sick = demo(), scripted(), demo("--status=500")
    dropping.default = Script((CLOSE,))
    ballast = balance({"address": good.address, "name": "good.one"}, dropping, sick.address, threads=2,
                      routes=[{"host": "test.example", "pool": "web"}])
    for _ in range(30):
        ballast.get()
        ballast.get("/status/404")
    for _ in range(3):
        ballast.ask(b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
    for _ in range(2):
        assert ballast.get("/", host="other.test").status == 404
        assert ballast.ask(b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n").status == 400
    dropping.default = Script((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", CLOSE))
    for _ in range(3):
        try:
            ballast.get()
        except WasReset:
            pass
    dropping.default = Script((b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n", *[b"x" * 65536] * 1000))
    for _ in range(3):
        client = ballast.connect()
        client.send(b"GET /bytes/100000000 HTTP/1.1\r\nHost: test.example\r\n\r\n")
        client.read_head()
        client.close()
    wait_for(lambda: ballast.metrics()["requests_active"] == 0, what="all to be over")
    return ballast


def test_promtool_accepts_it(busy):
    assert shutil.which("promtool"), "promtool is missing: Debian's package prometheus has it"
    done = subprocess.run(["promtool", "check", "metrics"], input=busy.metrics_text(), capture_output=True, text=True,
                          timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_series_has_help_and_type(busy):
    text = busy.metrics_text()
    helps, types = (set(re.findall(rf"^# {word} (\w+) ", text, re.M)) for word in ("HELP", "TYPE"))
    names = set(re.findall(r"^([a-z]\w*)", text, re.M))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) if name.startswith("ballast_") else name for name in names}
    assert families <= helps
    assert {name for name in families if name.startswith("ballast_")} <= types
    assert helps <= families, "help for a series that is not there"
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    keys = [line.rpartition(" ")[0] for line in lines]
    assert len(keys) == len(set(keys)), "a series stands twice"


def test_labelled_series_add_up(busy):
    m = busy.assert_accounts()
    assert (m["requests_total"], m["requests_active"]) == (30 * 2 + 3 + 4 + 3 + 3, 0)
    assert m["requests_failed"] > 0 and m["requests_aborted"] > 0
    # each request that was answered whole is in one class
    assert total(m, "ballast_requests_total", code_class="2xx") > 0
    assert total(m, "ballast_requests_total", worker="good.one") > 0
    own = total(m, "ballast_requests_total", worker="")
    assert total(m, "ballast_requests_total") == m["requests_ok"] + own
    assert total(m, "ballast_requests_total", code_class="4xx", worker="") == 4
    assert total(m, "ballast_requests_total", code_class="4xx") > 4
    # each that was not has a reason
    assert total(m, "ballast_failures_total") == m["requests_failed"] + m["requests_aborted"]
    assert total(m, "ballast_failures_total", reason="no_route") == 2
    assert total(m, "ballast_failures_total", reason="client_gone") == m["requests_aborted"]
    # first tries and retries are dispatches; a dispatch brought an answer or broke
    plain = sum(value for name, value in m.items() if re.fullmatch(r"worker_\w+_requests", name))
    dispatches = total(m, "ballast_worker_dispatches_total")
    undispatched = total(m, "ballast_failures_total", reason="no_route") + total(m, "ballast_failures_total",
                                                                                 reason="bad_host")
    assert plain == dispatches == m["requests_total"] - undispatched + total(m, "ballast_retries_total")
    for labels, value in series(m, "ballast_worker_dispatches_total"):
        answered = total(m, "ballast_requests_total", worker=labels["worker"])
        assert value == answered + total(m, "ballast_worker_broken_total", worker=labels["worker"]), labels
    # the histogram has each request once
    assert m["ballast_request_duration_seconds_count"] == m["requests_total"]
    buckets = [value for _, value in series(m, "ballast_request_duration_seconds_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == m["requests_total"]
    # probes
    assert total(m, "ballast_worker_up") == 3
    assert total(m, "ballast_probes_total", result="bad") == 0
    for labels, value in series(m, "ballast_probe_duration_seconds_count"):
        assert value == total(m, "ballast_probes_total", worker=labels["worker"]) > 0
    wait_for(lambda: total(busy.metrics(), "ballast_connections", side="client") <= 1, what="no client")


def test_active_requests_and_connections_are_seen_while_they_last(scripted, balance):
    worker, go = scripted(), threading.Event()
    worker.default = Script((wait(go), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    ballast = balance(worker, threads=2)
    clients = [ballast.connect() for _ in range(5)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    worker_side = 'ballast_connections{side="worker",state="open"}'
    wait_for(lambda: (m := ballast.assert_accounts())["requests_active"] == 5 and m[worker_side] == 5, what="five")
    assert ballast.metrics()['ballast_connections{side="client",state="open"}'] >= 5
    go.set()
    for client in clients:
        assert client.read_answer().status == 200
    wait_for(lambda: ballast.metrics()['ballast_connections{side="worker",state="idle"}'] == 5, what="five idle")
    assert ballast.settled_accounts()["requests_ok"] == 5
    for client in clients:
        client.close()


def test_head_and_other_methods(demo, balance):
    ballast = balance(demo().address)
    with ballast.connect() as client:
        client.send(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.read_answer(b"HEAD")
        assert answer.status == 200 and int(answer.fields.one(b"content-length")) > 1000
        client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_answer().status == 200
    assert ballast.metrics()["requests_total"] == 0


def test_elsewhere(demo, balance):
    """Then /metrics is a path like any other."""
    worker = demo()

    class Elsewhere(Ballast):
        def metrics_text(self):
            return self.get("/internal/numbers").body.decode()
    ballast = balance(worker.address, ballast=Elsewhere, metrics={"path": "/internal/numbers"})
    assert b"GET /metrics" in ballast.get("/metrics").body
    assert ballast.metrics()["requests_total"] == 1


def test_off(demo, stack, ballast_path):
    class WithoutMetrics(Ballast):
        def metrics(self):
            return self.get("/metrics").status == 200  # until the worker is alive it is 503
    ballast = WithoutMetrics(ballast_path, settings([demo().address], metrics={"enabled": False}))
    stack.enter_context(ballast)
    assert b"GET /metrics" in ballast.get("/metrics").body


def test_no_request_for_a_number_fails_under_load(demo, balance):
    """Eight scrapers at once, each page whole and consistent."""
    ballast = balance(*demo(ports=(0, 0)).addresses, threads=2)
    with contextlib.ExitStack() as scrapers:
        asking = [scrapers.enter_context(Steadily(ballast.assert_accounts)) for _ in range(4)]
        asking += [scrapers.enter_context(Steadily(ballast.get)) for _ in range(4)]
        for one in asking:
            one.wait_times(30)
    assert ballast.settled_metrics()["requests_failed"] == 0


def series_of(text):
    """{name: its labels} of what stands on a page of metrics."""
    found = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


RULES, DASHBOARD = ROOT / "packaging/prometheus/ballast.rules.yaml", ROOT / "packaging/grafana/ballast.json"
PLAYS = ROOT / "tests/e2e/real/alerts.yaml"


def test_rules_and_dashboards_ask_for_series_that_exist(balance, demo, tmp_path):
    """Both name only series, and of them labels, that stand on the page of a program that has a certificate too."""
    chain, key = Authority(tmp_path).sign("test.example")
    port = free_port()
    ballast = balance(demo().address, listeners=[
        {"address": f"127.0.0.1:{free_port()}"},
        {"address": f"127.0.0.1:{port}", "tls": {"certificates": [{"chain": str(chain), "key": str(key)}]}}])
    known = series_of(ballast.metrics_text())
    for path in (RULES, DASHBOARD):
        asked = re.findall(r"\b((?:ballast|requests)_\w+)(?:\{([^}]*)\})?", path.read_text())
        assert len(asked) > 10, path.name
        for name, labels in asked:
            assert name in known, f"{path.name}: {name}"
            words = set(re.findall(r"(\w+) *[=!]", labels)) - {"instance"}
            assert words <= known[name], f"{path.name}: {name}{{{labels}}}"


def promtool(*words, where=None):
    done = subprocess.run(["promtool", *words], cwd=where, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def plays(rules, where):
    """The alerts of whose plays promtool says that they go otherwise under these rules."""
    shutil.copy(PLAYS, where)
    (where / RULES.name).write_text(rules)
    code, said = promtool("test", "rules", PLAYS.name, where=where)
    failed = set(re.findall(r"alertname: *(\w+), time", said))
    assert (code != 0) == bool(failed), said
    return failed


def test_every_alert_rises_when_it_should_and_then_only(tmp_path):
    """promtool plays numbers to the rules, and a play notices when its rule rises always, never, or at once."""
    code, said = promtool("check", "rules", str(RULES))
    assert code == 0, said
    rules = RULES.read_text()
    alerts = set(re.findall(r"alert: (\w+)", rules))
    patient = set(re.findall(r"alert: (\w+)(?:(?!alert:).)*?\n +for:", rules, re.DOTALL))
    assert alerts and plays(rules, tmp_path) == set()
    for always in (True, False):
        broken, count = re.subn(r" (==|>|<) [0-9.* ]+$", " >= -Inf" if always else " < -Inf", rules, flags=re.MULTILINE)
        assert count == len(alerts), "each rule ends with what its number is compared with"
        assert plays(broken, tmp_path) == alerts, f"plays that do not see that the alert rises {always=}"
    assert plays(re.sub(r"\n +for:.*", "", rules), tmp_path) == patient, "plays that do not see that it rises at once"
