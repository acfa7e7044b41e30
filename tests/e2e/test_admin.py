"""The administration API: each answer against its schema, orders to workers, requests in flight, what is explained."""

import re
import signal
import threading

import pytest

from harness.admin import Admin, check
from harness.waiting import wait_for
from harness.worker import OK, Script, wait

GET = b"GET /some/where?x=1 HTTP/1.1\r\nHost: test.example\r\nX-Request-ID: a-request-of-mine\r\n\r\n"


@pytest.fixture
def operate(balance, tmp_path):
    """A balancer in front of these workers, with its API open for writing: (balancer, admin)."""
    def start(*workers, write=True, **extra):
        path = tmp_path / "admin.sock"
        balancer = balance(*workers, admin={"address": f"unix:{path}", "write": write}, **extra)
        return balancer, Admin(path)
    return start


def test_every_answer_is_of_its_schema(operate, demo):
    balancer, admin = operate(demo().address, demo().address, demo("--health-status", "500").address, alive=2)
    for _ in range(3):
        balancer.get()
    balancer.ask(GET)
    balancer.get(host="test.example", target="/%zz")
    wait_for(lambda: admin.get("/v1/history")["samples"], what="a sample")
    document = admin.get("/openapi.json")
    balancer.send_signal(signal.SIGHUP)
    wait_for(lambda: (r := admin.get("/v1/reloads")["reloads"]) and r[0]["state"] == "applied", what="a reload")
    status = admin.get("/v1/status")
    worker = status["pools"][0]["workers"][0]["name"]
    asked = 0
    for path, methods in document["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content")
        if content:
            answer = admin.get(path.format(pool="web", worker=worker, id="a-request-of-mine", number=1))
            check(document, content["application/json"]["schema"], answer, path)
            asked += 1
    assert asked >= 13
    assert status["requests"]["total"] == 5 and status["requests"]["active"] == 0
    assert status["health"] == "degraded"
    assert status["version"]["write"] is True


def test_status_tells_of_health_with_causes(operate, scripted):
    good, bad = scripted(), scripted()
    balancer, admin = operate(good, bad)
    assert admin.get("/v1/status")["health"] == "ok"
    bad.healthy = False
    name = str(bad.port)
    down = wait_for(lambda: (w := admin.worker("web", name))["state"] == "down" and w, 15, "the worker is down")
    assert down["cause"] == "status_503" and down["taking"] is False
    assert [change["state"] for change in down["changes"]] == ["down", "up"]
    assert down["last_probes"][0]["status"] == 503 and down["last_probes"][0]["cause"] == "status_503"
    assert admin.get("/v1/status")["health"] == "degraded"
    messages = [event["message"] for event in admin.get("/v1/events")["events"]]
    assert "worker is down" in messages and "ready" in messages
    bad.healthy = True
    wait_for(lambda: admin.worker("web", name)["state"] == "up", 15, "the worker is up")


def test_drain_keeps_new_requests_away_and_ends_none(operate, scripted):
    held = threading.Event()
    a, b = scripted(), scripted()
    balancer, admin = operate(a, b)
    a.play(Script((wait(held), OK)))
    with balancer.connect() as first, balancer.connect() as second:
        first.send(GET)
        second.send(GET)  # one of the two is at a
        wait_for(lambda: len(a.requests) == 1, what="a request at the worker")
        drained = admin.patch_worker("web", a.port, mode="drain")
        assert drained["mode"] == "drain" and drained["state"] == "up" and drained["taking"] is False
        assert drained["active"] == 1
        for _ in range(6):
            assert balancer.get().status == 200
        assert len(a.requests) == 1
        metrics = balancer.metrics()
        assert metrics[f"worker_{a.port}_alive"] == 1  # health is the probes' alone
        assert metrics[f'ballast_worker_takes_requests{{pool="web",worker="{a.port}"}}'] == 0
        assert metrics[f'ballast_worker_takes_requests{{pool="web",worker="{b.port}"}}'] == 1
        assert admin.get("/v1/status")["health"] == "ok"
        held.set()
        assert first.read_answer().status == second.read_answer().status == 200
    admin.patch_worker("web", b.port, mode="drain")
    assert balancer.get().status == 503
    assert admin.get("/v1/status")["health"] == "down"
    assert admin.patch_worker("web", a.port, mode="ready")["taking"] is True
    assert balancer.get().status == 200


def test_disable_stops_probes(operate, scripted):
    a, b = scripted(), scripted()
    balancer, admin = operate(a, b)
    disabled = admin.patch_worker("web", a.port, mode="disabled")
    assert disabled["state"] == "unknown" and disabled["mode"] == "disabled"
    probes = admin.worker("web", a.port)["probes"]
    before = admin.worker("web", b.port)["probes"]
    wait_for(lambda: admin.worker("web", b.port)["probes"] >= before + 2, 15, "two probes of the other")
    assert admin.worker("web", a.port)["probes"] == probes
    admin.patch_worker("web", a.port, mode="ready")
    wait_for(lambda: admin.worker("web", a.port)["taking"], 15, "the worker takes requests")


def test_weight_changes_the_shares(operate, scripted):
    a, b = scripted(), scripted()
    balancer, admin = operate(a, b)
    changed = admin.patch_worker("web", a.port, weight=3)
    assert (changed["weight"], changed["configured_weight"]) == (3, 1)
    for _ in range(40):
        assert balancer.get().status == 200
    assert (len(a.requests), len(b.requests)) == (30, 10)
    assert balancer.metrics()[f'ballast_worker_weight{{pool="web",worker="{a.port}"}}'] == 3


def test_wrong_orders_change_nothing(operate, scripted):
    a = scripted()
    balancer, admin = operate(a)
    path = f"/v1/pools/web/workers/{a.port}"
    for body in ({}, {"mode": "gone"}, {"weight": 0}, {"weight": 257}, {"weight": "2"}, {"mode": 1}, {"colour": "red"},
                 {"mode": "drain", "weight": 1000}):
        answer = admin.ask("PATCH", path, body)
        assert answer.status == 422 and answer.json["reason"] == "bad_order", body
    for body, sentence in (
            ("", "The body must be one JSON object; it is empty."), ("[]", "The body must be one JSON object."),
            ("{", "The body must be one JSON object; line 1, column 1: "),
            ('{"mode": "drain", "mode": "ready"}', "The body must be one JSON object; line 1, column 24: duplicate"),
            (b'{"mode": "\xff"}', "The body must be one JSON object; line 1, column 10: unable to decode byte 0xff")):
        answer = admin.ask("PATCH", path, body).json
        assert answer["reason"] == "bad_body" and answer["sentence"].startswith(sentence), answer
    assert admin.ask("PATCH", "/v1/pools/web/workers/none", {"weight": 1}).json["reason"] == "no_such_worker"
    assert admin.ask("PATCH", "/v1/pools/none/workers/none", {"weight": 1}).json["reason"] == "no_such_pool"
    worker = admin.worker("web", a.port)
    assert (worker["mode"], worker["weight"]) == ("ready", 1)


def test_read_only_unless_told_otherwise(operate, scripted):
    a = scripted()
    balancer, admin = operate(a, write=False)
    answer = admin.ask("PATCH", f"/v1/pools/web/workers/{a.port}", {"mode": "drain"})
    assert answer.status == 403 and answer.json["reason"] == "read_only"
    assert admin.ask("PATCH", "/v1/log", {"level": "debug"}).status == 403
    assert admin.worker("web", a.port)["mode"] == "ready"


def test_exchanges_in_flight_are_told(operate, scripted):
    held = threading.Event()
    a = scripted()
    balancer, admin = operate(a, threads=2)
    assert admin.get("/v1/exchanges") == {"exchanges": [], "total": 0}
    a.play(Script((wait(held), OK)))
    with balancer.connect() as client, balancer.connect():
        client.send(GET)
        wait_for(lambda: a.requests, what="the request at the worker")
        listed = admin.get("/v1/exchanges")
        assert listed["total"] == 1
        exchange = listed["exchanges"][0]
        assert (exchange["id"], exchange["method"], exchange["host"]) == ("a-request-of-mine", "GET", "test.example")
        assert (exchange["target"], exchange["worker"], exchange["step"]) == ("/some/where?x=1", str(a.port), "RELAY")
        assert exchange["age_ms"] > 0 and exchange["tries"] == 1 and exchange["client"] == "127.0.0.1"
        listed = wait_for(lambda: (c := admin.get("/v1/connections"))["counts"]["clients"] == 2 and c, what="2 clients")
        assert sorted(one["busy"] for one in listed["clients"]) == [False, True]
        held.set()
        assert client.read_answer().status == 200
    assert wait_for(lambda: admin.get("/v1/exchanges")["total"] == 0, what="no exchange")


def test_explain_says_what_the_next_request_gets(operate, scripted):
    a, b, c = scripted(), scripted(), scripted()
    balancer, admin = operate(a, b, c)
    admin.patch_worker("web", b.port, mode="drain")
    by_port = {str(w.port): w for w in (a, b, c)}
    for _ in range(5):
        told = admin.get("/v1/explain?path=/x%3Fy&host=h")
        assert admin.get("/v1/explain?path=/x%3Fy&host=h")["worker"] == told["worker"]  # asking takes no turn
        before = len(by_port[told["worker"]].requests)
        assert balancer.get("/x?y").status == 200
        assert len(by_port[told["worker"]].requests) == before + 1
    why = {worker["name"]: worker["why"] for worker in told["workers"]}
    assert "drained" in why[str(b.port)] and "its turn" in why[told["worker"]]
    assert told["route"]["number"] == 1 and told["pool"] == "web" and told["status"] == 0
    assert admin.get("/v1/explain?path=/metrics")["answer"] == "Ballast answers with its metrics."
    for query, sentence in (("path=x", "`path` (begins with /)"), ("scheme=ftp", "`scheme` is http or https."),
                            ("client=me", "`client` is an IP address."), ("client=", "`client` is an IP address.")):
        answer = admin.ask("GET", f"/v1/explain?{query}")
        assert (answer.status, answer.json["reason"]) == (400, "bad_query") and sentence in answer.json["sentence"]
    assert admin.get("/v1/explain?scheme=https&client=::1")["client"] == "::1"


def test_a_list_has_as_many_rows_as_asked_for(operate, scripted):
    """More than there may be are as many as there may be; what is no number is said, and not passed over."""
    balancer, admin = operate(scripted())
    with balancer.connect() as one, balancer.connect() as other:
        for client in (one, other):
            client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.read_answer().status == 200
        for limit, rows in (("", 2), ("?limit=1", 1), ("?limit=1000000", 2)):
            assert len(admin.get(f"/v1/connections{limit}")["clients"]) == rows
    for limit in ("0", "-1", "many", "", "%00"):
        for path in ("/v1/connections", "/v1/exchanges"):
            answer = admin.ask("GET", f"{path}?limit={limit}")
            assert (answer.status, answer.json) == (
                400, {"reason": "bad_query", "sentence": "`limit` is a whole number from 1 on."})


WRONG = {"integer": "0", "boolean": "maybe", "string": "nothing-of-that-kind"}


def test_what_the_document_lists_is_what_is_read(operate, scripted):
    """Each parameter and each member of a body: a value that its schema does not allow is refused by its name."""
    balancer, admin = operate(scripted())
    worker = admin.get("/v1/status")["pools"][0]["workers"][0]["name"]
    named = {"pool": "web", "worker": worker, "id": "x", "number": 1}
    asked = 0
    for path, methods in admin.get("/openapi.json")["paths"].items():
        for method, operation in methods.items():
            place = path.format(**named)
            queries = {one["name"]: one["schema"] for one in operation["parameters"] if one["in"] == "query"}
            places = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert places == set(re.findall(r"{(\w+)}", path))
            for name, schema in queries.items():
                if schema["type"] != "string" or "enum" in schema:
                    answer = admin.ask(method.upper(), f"{place}?{name}={WRONG[schema['type']]}")
                    assert answer.status == 400 and f"`{name}`" in answer.json["sentence"], (path, name, answer.body)
                    asked += 1
            content = operation.get("requestBody", {"content": {}})["content"].get("application/json")
            if not content:
                continue
            schema = content["schema"]
            assert set(schema["required"]) <= set(schema["properties"]) and schema["additionalProperties"] is False
            assert admin.ask(method.upper(), place, {"nothing-of-that-kind": 1}).status == 422, path
            for name, one in schema["properties"].items():
                answer = admin.ask(method.upper(), place, {name: ["wrong"]})
                assert answer.status == 422 and f"`{name}`" in answer.json["sentence"], (path, name, answer.body)
                asked += 1
    assert asked >= 14


def test_explain_where_nobody_would_answer(operate, scripted):
    a = scripted()
    balancer, admin = operate(a, routes=[{"host": "known.example", "pool": "web"}])
    told = admin.get("/v1/explain?host=other.example")
    assert (told["status"], told["reason"], told["route"]["number"]) == (404, "no_route", 0)
    assert told["status"] == balancer.get(host="other.example").status
    admin.patch_worker("web", a.port, mode="drain")
    told = admin.get("/v1/explain?host=known.example")
    assert (told["status"], told["reason"]) == (503, "no_worker_alive")
    assert told["status"] == balancer.get(host="known.example").status


def test_stream_tells_as_it_happens(operate, scripted):
    a = scripted()
    balancer, admin = operate(a)
    kinds = []
    with admin.stream() as stream:
        for kind, value in stream:
            kinds.append(kind)
            if len(kinds) == 1:
                admin.patch_worker("web", a.port, mode="drain")
            if kind == "event":
                assert value["message"] == "worker's mode was changed"
                assert f"worker={a.port}" in value["facts"]
            if kind == "status" and kinds.count("event"):
                assert value["pools"][0]["workers"][0]["mode"] == "drain"
                break
    assert kinds[0] == "status"


def test_log_level_changes(operate, scripted):
    a = scripted()
    balancer, admin = operate(a)
    assert admin.get("/v1/log") == {"level": "info"}
    assert admin.ask("PATCH", "/v1/log", {"level": "error"}).json == {"level": "error"}
    admin.patch_worker("web", a.port, weight=2)
    assert "weight was changed" not in balancer.stderr
    assert "worker's weight was changed" in [event["message"] for event in admin.get("/v1/events")["events"]]
    assert admin.ask("PATCH", "/v1/log", {"level": "loud"}).status == 422
    assert admin.ask("PATCH", "/v1/log", {"level": "info"}).status == 200


def test_config_is_shown_without_secrets(operate, scripted):
    balancer, admin = operate(scripted(), limits={"tries": 2})
    config = admin.get("/v1/config")
    assert config["limits"]["tries"] == 2 and config["admin"]["write"] is True
    assert config["pools"]["web"]["health"]["interval"] == "1000ms"
