"""A dashboard that is open on a balancer of its own."""

import dataclasses
import json

from .admin import Admin
from .browser import Browser
from .waiting import free_port

TOKEN = "a-token-of-the-test-1234"


@dataclasses.dataclass
class Opened:
    balancer: object
    workers: list
    admin: Admin
    browser: Browser

    def tell(self, status, *events):
        """What the page is told in place of the balancer's stream, again and again."""
        told = [("status", status), *(("event", event) for event in events)]
        body = "".join(f"event: {kind}\ndata: {json.dumps(value)}\n\n" for kind, value in told)
        self.browser("answer", path="/v1/stream", type="text/event-stream", body=body)
        self.browser("again", script="")

    def updates(self, count):
        """Waits until the page has drawn so many more states of the balancer."""
        self.browser("evaluate", code="""(count => new Promise(resolve => {
            const facts = document.querySelector(".facts");
            const seen = new MutationObserver(() => --count || (seen.disconnect(), resolve()));
            seen.observe(facts, { characterData: true, subtree: true, childList: true });
        }))(%d)""" % count)


def open_dashboard(stack, balance, workers, write=True, options=None, **extra):
    """Options are those of a browser's context: viewport, colorScheme, timezoneId."""
    address = ("127.0.0.1", free_port())
    balancer = balance(*workers, admin={"address": "%s:%d" % address, "token": TOKEN, "write": write}, **extra)
    browser = stack.enter_context(Browser())
    browser("open", url="http://%s:%d/#token=%s" % (*address, TOKEN), options=options or {})
    browser("wait", selector=".link.live", ms=60000)
    browser("wait", selector="pre", text="listeners")
    return Opened(balancer, workers, Admin(address, TOKEN), browser)
