"""The dashboard by keyboard alone: each control is reached, seen, named and worked, and keeps the keyboard while the
page is drawn again each second."""

import re

import pytest

from harness.browser import Browser, needs_browser
from harness.dashboard import TOKEN, open_dashboard
from harness.waiting import free_port, wait_for

CONTROLS = "a[href], button, input, select, summary, [tabindex='0']"
pytestmark = needs_browser


@pytest.fixture
def opened(balance, scripted, stack):
    """A page of a balancer with two workers; options are those of a browser's context."""
    return lambda write=True, **options: open_dashboard(stack, balance, [scripted(), scripted()], write, options)


def luminance(color):
    """WCAG 2.1, relative luminance."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", color)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def walk(browser, limit=120):
    """Tab from the page's top until it leaves the page."""
    browser("evaluate", code="document.activeElement.blur(), document.body.focus()")
    stops = []
    for _ in range(limit):
        browser("press", key="Tab")
        if browser("evaluate", code="document.activeElement === document.body"):
            return stops
        stops.append(browser("focused"))
    raise AssertionError(f"no end after {limit} controls: {stops[-5:]}")


@pytest.mark.parametrize("write", [True, False], ids=["writing", "reading"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_tab_reaches_each_control_which_is_seen_and_named(opened, theme, write):
    browser = opened(write, colorScheme=theme).browser
    stops = walk(browser)
    assert len(stops) == browser("evaluate", code=f'document.querySelectorAll("{CONTROLS}").length')
    for stop in stops:
        assert stop["name"].strip(), stop
        assert stop["outline"] >= 2 and contrast(stop["color"], stop["ground"]) >= 3, stop
        assert not stop["covered"], stop
    names = [stop["name"] for stop in stops]
    assert len({(stop["role"], stop["name"]) for stop in stops}) == len(stops), names
    assert browser("faults") == []


def test_tab_goes_by_the_order_that_is_seen(opened):
    dashboard = opened()
    browser, admin, (a, b) = dashboard.browser, dashboard.admin, dashboard.workers
    names = [stop["name"] for stop in walk(browser)]
    row = [f"weight of {a.port}", f"Ready {a.port}", f"Drain {a.port}", f"Disable {a.port}", f"Remove {a.port}"]
    start = names.index(row[0])
    assert names[start:start + 5] == row
    assert names[start + 5:start + 10] == [name.replace(str(a.port), str(b.port)) for name in row]
    assert names[start + 10] == "Add a worker to web"
    assert names[0].startswith("Skip to")


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_buttons_are_worked_by_both_keys_and_keep_the_keyboard(opened, key):
    dashboard = opened()
    browser, admin, (a, b) = dashboard.browser, dashboard.admin, dashboard.workers
    for name, mode in (("Drain", "drain"), ("Disable", "disabled"), ("Ready", "ready")):
        browser("focus", selector=f'[aria-label="{name} {a.port}"]')
        browser("press", key=key)
        wait_for(lambda: admin.worker("web", a.port)["mode"] == mode, what=mode)
        browser("wait", selector=f'[aria-label="{name} {a.port}"][aria-pressed=true]')
        dashboard.updates(3)
        assert browser("focused")["name"] == f"{name} {a.port}"


def test_what_is_typed_outlives_updates(opened):
    dashboard = opened()
    browser, admin, (a, b) = dashboard.browser, dashboard.admin, dashboard.workers
    weight = f'tr[data-worker="{a.port}"] input'
    browser("focus", selector=weight)
    browser("press", key="ControlOrMeta+a")
    browser("press", key="4")
    dashboard.updates(3)
    browser("press", key="2")
    assert browser("evaluate", code="document.activeElement.value") == "42"
    browser("press", key="Enter")
    wait_for(lambda: admin.worker("web", a.port)["weight"] == 42, what="the weight")
    browser("press", key="ControlOrMeta+a")
    browser("press", key="9")
    browser("press", key="Escape")
    assert browser("evaluate", code="document.activeElement.value") == "42"
    browser("fill", selector="[name=host]", text="other.example")
    browser("press", key="Enter")
    browser("wait", selector=".explained")
    dashboard.updates(1)
    assert browser("evaluate", code="document.activeElement.value") == "other.example"


def test_a_form_outlives_a_balancer_that_is_away(opened):
    dashboard = opened()
    browser, admin, (a, b) = dashboard.browser, dashboard.admin, dashboard.workers
    browser("click", selector="[data-add=web]")
    browser("fill", selector=".adding [name=address]", text="10.0.0.7:3001")
    dashboard.balancer.stop()
    browser("wait", selector=".link.lost")
    assert browser("evaluate", code="document.activeElement.value") == "10.0.0.7:3001"
    browser("press", key="Enter")
    browser("wait", selector=".adding .bad[role=alert]", text="no answer")
    dashboard.balancer.start()
    browser("wait", selector=".link.live")
    assert browser("evaluate", code="document.activeElement.value") == "10.0.0.7:3001"


def test_the_question_holds_the_keyboard_and_gives_it_back(opened):
    dashboard = opened()
    browser, admin, (a, b) = dashboard.browser, dashboard.admin, dashboard.workers
    browser("focus", selector=f'[data-remove="web/{a.port}"]')
    browser("press", key="Enter")
    browser("wait", selector=".question button:focus", text="Cancel")
    for _ in range(5):
        browser("press", key="Tab")
        assert browser("evaluate", code="document.activeElement === document.body"
                                        " || document.activeElement.closest('.question') !== null")
    dashboard.updates(2)
    browser("wait", selector=".question", text=f"Remove {a.port}?")
    browser("press", key="Escape")
    browser("gone", selector=".question")
    assert browser("focused")["name"] == f"Remove {a.port}"


def test_a_question_about_a_worker_that_goes_away_is_closed(opened):
    dashboard = opened()
    browser, admin, (a, b) = dashboard.browser, dashboard.admin, dashboard.workers
    browser("click", selector=f'[data-remove="web/{a.port}"]')
    browser("wait", selector=".question button:focus", text="Cancel")
    assert admin.ask("DELETE", f"/v1/pools/web/workers/{a.port}").status == 200
    browser("gone", selector=".question")
    browser("wait", selector=".said", text=f"{a.port} is gone")
    browser("click", selector=f'[aria-label="Drain {b.port}"]')  # nothing is in the way


def test_a_plan_that_is_left_gives_the_keyboard_back(opened):
    browser = opened().browser
    browser("focus", selector="section[aria-label=reloads] button")
    browser("press", key="Enter")
    browser("wait", selector=".plan:focus")
    browser("focus", selector=".plan button >> text=Leave it")
    browser("press", key="Enter")
    wait_for(lambda: browser("focused")["name"] == "What would a reload change?", what="the keyboard back")


def test_a_skip_link_passes_the_workers(opened):
    browser = opened().browser
    browser("evaluate", code="document.body.focus()")
    browser("press", key="Tab")
    assert browser("focused")["name"] == "Skip to the workers"
    browser("press", key="Tab")
    assert browser("focused")["name"] == "Skip past the workers"
    browser("press", key="Enter")
    browser("press", key="Tab")
    assert "weight" not in browser("focused")["name"] and "Drain" not in browser("focused")["name"]
    assert browser("evaluate", code="document.activeElement.closest('.pool')") is None


def test_a_token_that_is_not_taken_is_told(balance, scripted, stack):
    address = ("127.0.0.1", free_port())
    balance(scripted(), admin={"address": "%s:%d" % address, "token": TOKEN})
    browser = stack.enter_context(Browser())
    browser("open", url="http://%s:%d/" % address)
    browser("wait", selector="[name=token]:focus")
    browser("fill", selector="[name=token]", text="wrong")
    browser("press", key="Enter")
    browser("wait", selector=".lock [role=alert]", text="not the token")
    browser("wait", selector="[name=token]:focus")
