"""The dashboard in a headless Chromium: what it shows and what it does."""

import os
import signal

import pytest

from harness.admin import Admin
from harness.browser import Browser, needs_browser
from harness.dashboard import open_dashboard
from harness.programs import asleep, children
from harness.reloads import newest, with_workers
from harness.waiting import free_port, wait_for

TOKEN = "a-token-of-the-test-1234"
DIFFERENCES = "section[aria-label='differences from the file']"

pytestmark = needs_browser


@pytest.fixture
def page(balance, scripted, stack):
    address = ("127.0.0.1", free_port())
    workers = [scripted(), scripted()]
    balancer = balance(*workers, admin={"address": "%s:%d" % address, "token": TOKEN, "write": True})
    browser = stack.enter_context(Browser())
    browser("open", url="http://%s:%d/#token=%s" % (*address, TOKEN))
    browser("wait", selector=".link.live")
    return balancer, workers, Admin(address, TOKEN), browser


def row(worker):
    return f'tr[data-worker="{worker.port}"]'


def test_it_shows_a_worker_going_down_with_its_cause(page):
    balancer, (a, b), admin, browser = page
    browser("wait", selector=f"{row(a)} .pill.up")
    assert browser("evaluate", code="location.hash") == ""  # the token left the address
    a.healthy = False
    browser("wait", selector=f"{row(a)} .pill.down")
    browser("wait", selector=row(a), text="status_503")
    browser("wait", selector=f"{row(a)} .timeline rect.down")
    browser("wait", selector=".events li.warn", text="worker is down")
    browser("wait", selector="header .pill.degraded")
    a.healthy = True
    browser("wait", selector=f"{row(a)} .pill.up")
    assert browser("faults") == []  # nor did the content policy refuse anything


def test_it_shows_why_a_certificate_is_refused(stack, balance, scripted):
    """Also of a worker that has not been asked often enough to be down, or is still up."""
    dashboard = open_dashboard(stack, balance, [scripted(), scripted(), scripted()])
    status = dashboard.admin.get("/v1/status")
    why = "CN=past.example expired on 2020-02-03 04:05 UTC"
    for worker, state, detail in zip(status["pools"][0]["workers"], ("down", "unknown", "up"), (why, why, "")):
        worker.update(state=state, cause="tls_certificate", detail=detail)
    dashboard.tell(status)
    dashboard.browser("wait", selector=".pill.down")
    told = [dashboard.browser("text", selector=f"{row(worker)} [data-label=State]") for worker in dashboard.workers]
    assert [why in text for text in told] == [True, True, False]
    assert ["tls_certificate" in text for text in told] == [True, False, False]


def test_it_drains_and_weighs_one(page):
    balancer, (a, b), admin, browser = page
    browser("click", selector=f"{row(b)} button", text="Drain")
    browser("wait", selector=f"{row(b)} .pill.mode", text="drain")
    assert admin.worker("web", b.port)["mode"] == "drain"
    assert admin.worker("web", a.port)["mode"] == "ready"
    browser("fill", selector=f"{row(a)} input", text="7")
    browser("press", key="Enter")
    wait_for(lambda: admin.worker("web", a.port)["weight"] == 7, what="the weight")
    browser("click", selector=f"{row(b)} button", text="Ready")
    wait_for(lambda: admin.worker("web", b.port)["taking"], what="the worker to take requests")
    assert browser("faults") == []


def test_an_order_to_a_balancer_that_hangs_ends(page):
    balancer, (a, b), admin, browser = page
    (server,) = children(balancer.pid)
    plan = "section[aria-label=reloads] .orders button"
    with asleep(server):
        browser("click", selector=plan)
        browser("click", selector=f"{row(b)} button", text="Drain")
        browser("wait", selector=f"{plan}[aria-disabled=true]")
        browser("wait", selector=f"tr[data-below='{b.port}'] .bad[role=alert]", text="no answer for 10 s", ms=30000)
        browser("wait", selector=f"{plan}[aria-disabled=false]", ms=30000)
        browser("wait", selector=".said", text="no answer for 10 s")
    browser("wait", selector=".link.live")
    browser("click", selector=plan)
    browser("wait", selector=".plan")
    browser("click", selector=f"{row(b)} button", text="Drain")
    browser("wait", selector=f"{row(b)} .pill.mode", text="drain")
    browser("gone", selector=f"tr[data-below='{b.port}']")


def test_it_works_by_keyboard(page):
    balancer, (a, b), admin, browser = page
    browser("wait", selector=f"{row(a)} button")
    for _ in range(40):
        browser("press", key="Tab")
        if browser("evaluate", code="document.activeElement.ariaLabel") == f"Drain {a.port}":
            break
    browser("press", key="Enter")
    wait_for(lambda: admin.worker("web", a.port)["mode"] == "drain", what="the worker to be drained")


def type_address(browser, address, **fields):
    browser("focus", selector="[data-add=web]")
    browser("press", key="Enter")
    browser("wait", selector=".adding")
    assert browser("evaluate", code="document.activeElement.name") == "address"
    for name, text in {"address": address, **fields}.items():
        browser("fill", selector=f".adding [name={name}]", text=str(text))
    browser("press", key="Enter")


def test_it_adds_a_worker_that_takes_traffic_and_removes_it(page, scripted):
    """By keyboard alone; what is not as the file says is shown meanwhile."""
    balancer, (a, b), admin, browser = page
    new = scripted()
    browser("wait", selector=DIFFERENCES, text="Every worker is as the file says.")
    type_address(browser, new.address, name="blue", weight=2)
    browser("wait", selector='tr[data-worker="blue"] .pill.up')
    browser("wait", selector='.signs [data-sign="+"][data-worker=blue]', text="ends with the next reload")
    browser("wait", selector='tr[data-worker="blue"] th', text="not in the file")
    assert browser("evaluate", code="document.activeElement.dataset.add") == "web"
    wait_for(lambda: admin.worker("web", "blue")["taking"], what="its first good probe")
    for _ in range(4):
        balancer.get()
    assert admin.worker("web", "blue")["requests"] == 2
    browser("wait", selector='tr[data-worker="blue"] [data-label=Requests]', text="2")

    browser("focus", selector='[data-remove="web/blue"]')
    browser("press", key="Enter")
    browser("wait", selector=".question", text="Remove blue?")
    browser("wait", selector=".question button:focus", text="Cancel")
    browser("press", key="Enter")  # a hasty one
    browser("gone", selector=".question")
    assert admin.worker("web", "blue")["taking"]
    browser("press", key="Enter")  # where the keyboard was before
    browser("wait", selector=".question button:focus", text="Cancel")
    browser("press", key="Shift+Tab")
    browser("press", key="Enter")
    browser("gone", selector='tr[data-worker="blue"]')
    assert admin.ask("GET", "/v1/pools/web/workers/blue").status == 404
    browser("wait", selector=DIFFERENCES, text="Every worker is as the file says.")
    assert browser("faults") == []


def test_what_the_file_has_is_removed_and_shown_so(page):
    balancer, (a, b), admin, browser = page
    browser("click", selector=f'[data-remove="web/{b.port}"]')
    browser("click", selector=".question .check input")
    browser("click", selector=".question .danger")
    browser("gone", selector=row(b))
    browser("wait", selector=f'.signs [data-sign="−"][data-worker="{b.port}"]', text="goes on over reloads")
    assert [one["keep"] for one in admin.get("/v1/differences")["differences"]] == [True]
    browser("click", selector=f'[data-remove="web/{a.port}"]')
    browser("wait", selector=".question", text="Nobody else of web takes requests now.")
    browser("click", selector=".question .danger")
    browser("wait", selector=".question .bad[role=alert]", text="last")
    browser("press", key="Escape")
    browser("gone", selector=".question")
    assert len(admin.get("/v1/pools/web")["workers"]) == 1


def test_a_refusal_stands_beside_the_control_in_the_servers_words(page):
    balancer, (a, b), admin, browser = page
    type_address(browser, a.address)
    browser("wait", selector=".adding .bad[role=alert]", text="The pool has a worker at this address.")
    said_of = "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    assert browser("evaluate", code=said_of) == "The pool has a worker at this address."
    browser("fill", selector=".adding [name=address]", text="nowhere:99999")
    browser("press", key="Enter")
    browser("wait", selector=".adding .bad[role=alert]", text="the port must be 1 to 65535")
    browser("press", key="Escape")
    browser("gone", selector=".adding")
    wait_for(lambda: browser("evaluate", code="document.activeElement.dataset.add") == "web", what="the keyboard back")
    browser("fill", selector=f"{row(a)} input", text="0")
    browser("press", key="Enter")
    browser("wait", selector=f'[data-below="{a.port}"] .bad[role=alert]', text="1 to 256")
    assert browser("evaluate", code=f"document.querySelector('{row(a)} input').value") == "1"
    assert len(admin.get("/v1/pools/web")["workers"]) == 2


def test_it_survives_the_balancers_restart(page):
    balancer, workers, admin, browser = page
    old = children(balancer.pid)[0]
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: children(balancer.pid) not in ([], [old]), what="another server")
    browser("wait", selector=".link.live")
    wait_for(lambda: admin.get("/v1/status")["version"]["pid"] != old, what="the new server to tell")
    for _ in range(3):
        balancer.get()
    browser("wait", selector=".figures", text="Since the start")
    wait_for(lambda: "\n3" in browser("text", selector=".figure:last-child"), 15, "the new server's count")


def test_it_asks_for_the_token(balance, scripted, stack):
    address = ("127.0.0.1", free_port())
    balance(scripted(), admin={"address": "%s:%d" % address, "token": TOKEN})
    browser = stack.enter_context(Browser())
    browser("open", url="http://%s:%d/" % address)
    browser("fill", selector="input[name=token]", text=TOKEN)
    browser("click", selector=".lock button")
    browser("wait", selector=".link.live")
    browser("wait", selector=".facts", text="read only")
    assert browser("evaluate", code="document.querySelectorAll('.pool button').length") == 0


def ask_for_a_plan(balancer, browser, *workers):
    balancer.write_config(with_workers(balancer, *workers))
    browser("click", selector="section[aria-label=reloads] button")
    browser("wait", selector=".plan li")


def test_a_plan_is_shown_and_applied_by_keyboard(page):
    balancer, (a, b), admin, browser = page
    balancer.write_config(with_workers(balancer, a))
    browser("focus", selector="section[aria-label=reloads] button")
    browser("press", key="Enter")
    browser("wait", selector='.plan li[data-sign="−"]', text=str(b.port))
    browser("wait", selector=".plan", text="Kept: 1 workers, 1 listeners.")
    assert len(admin.get("/v1/pools/web")["workers"]) == 2
    browser("focus", selector=".plan button")
    browser("press", key="Enter")
    wait_for(lambda: len(admin.get("/v1/pools/web")["workers"]) == 1, what="the worker to go")
    browser("wait", selector=".reloads .pill.ok", text="applied")
    assert browser("evaluate", code="document.querySelector('pre').textContent.includes('%d')" % b.port) is False
    assert browser("faults") == []


def test_a_plan_that_no_longer_holds_is_not_applied(page):
    balancer, (a, b), admin, browser = page
    ask_for_a_plan(balancer, browser, a)
    balancer.write_config(with_workers(balancer, b))
    browser("click", selector=".plan button", text="Apply")
    browser("wait", selector=".standing", text="The file is not what is in use")
    assert len(admin.get("/v1/pools/web")["workers"]) == 2


def test_the_watchdogs_reason_is_shown(page):
    balancer, (a, b), admin, browser = page
    balancer.config["reload"] = {"watch": "30s", "max_failed": "5%"}
    balancer.write_config(balancer.config)
    balancer.send_signal(signal.SIGHUP)
    browser("wait", selector=".reloads .pill.ok", text="applied")
    balancer.write_config(with_workers(balancer, f"127.0.0.1:{free_port()}"))
    balancer.send_signal(signal.SIGHUP)

    def is_back():
        balancer.get()
        return newest(admin)["state"] == "rolled_back"
    wait_for(is_back, 20, "the configuration before")
    browser("wait", selector=".standing", text="requests failed since the reload, more than 5 %")
    browser("wait", selector=".reloads .pill.down", text="rolled back")
    browser("wait", selector=".reloads", text="by watchdog:")
    assert browser("faults") == []


def test_nothing_is_wider_than_a_phone(page):
    balancer, (a, b), admin, browser = page
    ask_for_a_plan(balancer, browser, a)
    browser("click", selector="[data-add=web]")
    browser("click", selector=f'[data-remove="web/{a.port}"]')
    browser("wait", selector=".adding")
    browser("wait", selector=".question")
    browser("size", width=390, height=844)
    assert browser("evaluate", code="document.documentElement.scrollWidth") <= 390
