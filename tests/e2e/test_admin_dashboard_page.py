"""How the dashboard reads: on a phone, by a screen reader, with long names, many workers, large numbers and a
wrong clock."""

import json

import pytest

from harness.browser import needs_browser
from harness.dashboard import open_dashboard
from harness.reloads import reload
from harness.waiting import wait_for

pytestmark = needs_browser

MARKUP = "<img src=x onerror=\"document.title='taken'\">"
LONG = "checkout-service-production-eu-central-1a-blue-replica-000000001"
SOCKET = "unix:/run/some/deep/directory/of/a/service/with/long/names/checkout-service.sock"
PHONE = {"width": 360, "height": 740}
PHONES = [PHONE, {"width": 390, "height": 844}]
WIDTHS = [*PHONES, {"width": 768, "height": 1024}, {"width": 1280, "height": 800}, {"width": 1360, "height": 1000}]

# Targets below 40 pixels; a label counts with its control, and skip links are for the keyboard.
SMALL_TARGETS = """[...document.querySelectorAll("button, input, select, a[href]")].filter((one) => {
    const box = (one.closest("label.check") ?? one).getBoundingClientRect();
    return box.width > 0 && !one.closest(".skip") && (box.width < 40 || box.height < 40);
}).map((one) => one.outerHTML)"""

# Charts follow a change of size with the next frame.
WIDEST = """[...document.querySelectorAll("#page *")].filter((one) =>
    one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll"))
    .map((one) => one.outerHTML.slice(0, 200))"""

# Values whose words are cut off.
CUT = """[...document.querySelectorAll(".figure dd, .pool td, .pool th, .pool header > *, .panels small")]
    .filter((one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.outerHTML.slice(0, 300))"""

# Keeps whatever a screen reader is told.
LISTEN = """(() => {
    const region = document.querySelector("p.hidden[role=status]");
    window.told = [];
    new MutationObserver(() => told.push(region.textContent)).observe(region, { childList: true, characterData: true,
        subtree: true });
})()"""


@pytest.fixture
def dashboard(stack, balance, scripted):
    return open_dashboard(stack, balance, [scripted(), scripted()])


def with_numbers(status, number, **worker):
    """The same status, with this for each count and rate, and this for each worker."""
    status = json.loads(json.dumps(status))
    for rates in (status["rates"], *(pool["rates"] for pool in status["pools"])):
        rates.update({name: number for name in rates})
    status["requests"].update({name: number for name in status["requests"]})
    status["connections"].update(clients=number)
    for one in status["pools"][0]["workers"]:
        one["rates"].update({name: number for name in one["rates"]})
        one.update(active=number, requests=number, broken=number, **worker)
    return status


def test_nothing_is_cut_off_or_wider_than_the_page(dashboard):
    """With long names and addresses, and numbers of 10^9."""
    status = with_numbers(dashboard.admin.get("/v1/status"), 1234567890, cause="connect_unreachable", state="down",
                          detail="CN=" + 236 * "x")
    one, other = status["pools"][0]["workers"]
    one.update(name=LONG, address="[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535")
    other.update(name="sock", address=SOCKET)
    status["pools"][0]["name"] = LONG
    dashboard.tell(status, {"number": 1, "time": status["time"], "level": "warn", "message": "worker is down",
                            "facts": f"pool={LONG} worker={LONG} address={SOCKET}"})
    browser = dashboard.browser
    browser("wait", selector="th", text=LONG)
    assert "1.2 G" in browser("text", selector=".figure:last-child")
    for size in WIDTHS:
        browser("size", **size)
        wait_for(lambda: browser("evaluate", code=WIDEST) == [], what=f"everything to fit {size}")
        assert browser("evaluate", code="document.documentElement.scrollWidth") <= size["width"]
        assert browser("evaluate", code=CUT) == [], (size, browser("evaluate", code=CUT))


def test_on_a_phone_values_have_names_and_targets_are_large(dashboard):
    browser = dashboard.browser
    browser("click", selector="[data-add=web]")
    browser("wait", selector=".adding")
    for size in PHONES:
        browser("size", **size)
        assert browser("evaluate", code=SMALL_TARGETS) == []
        assert browser("evaluate", code="document.documentElement.scrollWidth") <= size["width"]
    said = browser("evaluate", code="""[...document.querySelectorAll(".pool tbody tr:first-child td[data-label]")].map(
        (cell) => getComputedStyle(cell, "::before").content.replaceAll('"', ""))""")
    heads = browser("evaluate", code='[...document.querySelectorAll(".pool thead th")].map((head) => head.textContent)')
    assert said == heads[1:-1] and "Weight" in said


def test_markup_in_what_it_is_told_is_text(dashboard):
    status = dashboard.admin.get("/v1/status")
    status["pools"][0]["workers"][0].update(state="down", cause=MARKUP, detail=MARKUP, name=MARKUP,
                                                 address=MARKUP)
    status["reasons"] = {MARKUP: 3}
    exchange = {name: MARKUP for name in ("id", "client", "method", "host", "target", "pool", "worker", "step")}
    numbers = dict.fromkeys(("thread", "age_ms", "tries", "status", "bytes_in", "bytes_out"), 1)
    browser = dashboard.browser
    browser("answer", path="/v1/exchanges*", body=json.dumps({"exchanges": [exchange | numbers], "total": 1}))
    browser("wait", selector=".plain td", text=MARKUP)
    dashboard.tell(status, {"number": 1, "time": status["time"], "level": "warn", "message": MARKUP, "facts": MARKUP})
    for place in ("th", ".bars li", ".events li"):
        browser("wait", selector=place, text=MARKUP)
    assert browser("evaluate", code="document.images.length") == 0
    assert "taken" not in browser("evaluate", code="document.title")
    assert browser("faults") == []


def test_a_wrong_clock_and_another_zone_of_the_browser(stack, balance, scripted):
    """What happened "ago" is by the balancer's clock; times are of the browser's zone, with their day if not today."""
    dashboard = open_dashboard(stack, balance, [scripted()], options={"timezoneId": "Asia/Tokyo"})
    browser = dashboard.browser
    browser("again", script="const right = Date.now; Date.now = () => right() + 3 * 3600 * 1000")
    browser("wait", selector=".link.live")
    assert " s ago" in browser("text", selector="[data-label=State] small")
    browser("wait", selector=".count", text="times in Asia/Tokyo")
    status, event = dashboard.admin.get("/v1/status"), {"level": "info", "facts": ""}
    dashboard.tell(status | {"time": "2024-02-29T20:00:00.000Z"},
                   event | {"number": 1, "time": "2024-02-29T15:01:02.000Z", "message": "today"},
                   event | {"number": 2, "time": "2024-02-29T14:01:02.000Z", "message": "before"})
    browser("wait", selector=".events li", text="00:01:02today")
    browser("wait", selector=".events li", text="29 Feb, 23:01before")


def test_what_happens_is_told_in_words(dashboard):
    """The title, and one sentence for a screen reader; the log itself is no live region, which would read all of it."""
    browser, (a, b) = dashboard.browser, dashboard.workers
    assert browser("evaluate", code="document.title") == "Ballast"
    assert browser("evaluate", code="document.documentElement.lang") == "en"
    browser("evaluate", code=LISTEN)
    a.healthy = False
    wait_for(lambda: f"worker is down {a.port}" in browser("evaluate", code="told.join()"), 15, "the event")
    wait_for(lambda: "1 worker is down" in browser("evaluate", code="told.join()"), 15, "the count")
    assert browser("evaluate", code="document.title") == "1 down · Ballast"
    browser("wait", selector=".events em", text="warn")
    assert browser("evaluate", code="document.querySelector('.events').closest('[aria-live], [role=log]')") is None
    a.healthy = True
    wait_for(lambda: "No worker is down" in browser("evaluate", code="told.at(-1)"), 15, "the end of it")
    assert len(browser("evaluate", code="told")) <= 3  # and little else
    assert browser("evaluate", code="document.title") == "Ballast"
    browser("wait", selector="section[aria-label=Latency] p.hidden", text="median: now", state="attached")
    heads = '[...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((head) => +head.tagName[1])'
    levels = browser("evaluate", code=heads)
    assert levels[0] == 1 and set(levels[1:]) == {2}
    assert browser("evaluate", code='document.querySelectorAll("main").length') == 1


def test_states_differ_by_shape(dashboard):
    browser, (a, b) = dashboard.browser, dashboard.workers
    a.healthy = False
    browser("wait", selector=".timeline .down", state="attached")
    height = "document.querySelector('.timeline .%s').height.baseVal.value"
    assert len({browser("evaluate", code=height % state) for state in ("up", "down", "unknown")}) == 3
    radius = "getComputedStyle(document.querySelector('.probes .%s')).borderRadius"
    assert browser("evaluate", code=radius % "good") != browser("evaluate", code=radius % "bad")


def test_it_follows_a_reload_to_other_pools(dashboard):
    browser, (a, b) = dashboard.browser, dashboard.workers
    browser("click", selector="[data-add=web]")
    config = json.loads(json.dumps(dashboard.balancer.config))
    config["pools"] = {"other": {**config["pools"]["web"], "workers": [b.address]}}
    dashboard.balancer.admin = dashboard.admin
    reload(dashboard.balancer, config)
    browser("wait", selector="section[aria-label='pool other'] tr .pill.up")
    browser("gone", selector="section[aria-label='pool web']")
    browser("wait", selector="pre", text='"other"')
    browser("wait", selector="[data-add=other]")
    assert browser("faults") == []


def test_many_workers_are_drawn_quickly_and_found(stack, balance, demo):
    """200 workers: a second's update takes a fraction of a second of a processor, even where that is slow."""
    worker = demo(ports=(0,) * 200)
    dashboard = open_dashboard(stack, balance, worker.addresses, alive=200)
    browser = dashboard.browser
    browser("wait", selector=f'tr[data-worker="{worker.ports[-1]}"]')
    before = browser("processor_s")
    dashboard.updates(5)
    assert (browser("processor_s") - before) / 5 < 0.5
    wanted = worker.ports[7]
    browser("fill", selector="[type=search]", text=f":{wanted}")
    browser("wait", selector=".find [role=status]", text="1 of 200 shown")
    assert browser("evaluate", code="document.querySelectorAll('tr[data-worker]').length") == 1
    dashboard.admin.patch_worker("web", wanted, mode="drain")
    browser("fill", selector="[type=search]", text="")
    browser("click", selector=".find .check input")
    browser("wait", selector=".find [role=status]", text="1 of 200 shown")
    browser("wait", selector=f'tr[data-worker="{wanted}"] .pill.mode')
    assert browser("faults") == []
