"""Other configurations for a balancer that runs, and what became of them."""

import json
import signal

from .waiting import wait_for


def with_workers(ballast, *workers, **pool):
    """Its configuration, with these workers and settings of the pool instead."""
    config = json.loads(json.dumps(ballast.config))
    config["pools"]["web"]["workers"] = [getattr(worker, "address", worker) for worker in workers]
    config["pools"]["web"].update(pool)
    return config


def newest(admin):
    reloads = admin.get("/v1/reloads")["reloads"]
    return reloads[0] if reloads else {"number": 0}


def order(admin, expect="applied", **wish):
    """A reload by the API; what became of it."""
    answer = admin.ask("POST", "/v1/reload", wish)
    assert answer.status == 200, answer.body
    where = f"/v1/reloads/{answer.json['number']}"
    entry = wait_for(lambda: (e := admin.get(where))["state"] != "waiting" and e, 20, "the reload to be over")
    assert entry["state"] == expect, entry
    return entry


def reload(ballast, config=None, expect="applied"):
    """Has the file read again by a signal; the entry that says what became of it."""
    if config is not None:
        ballast.write_config(config)
    before = newest(ballast.admin)["number"]
    ballast.send_signal(signal.SIGHUP)
    entry = wait_for(lambda: (e := newest(ballast.admin))["number"] > before and e["state"] != "waiting" and e, 20,
                     "the reload to be over")
    assert entry["state"] == expect, entry
    return entry
