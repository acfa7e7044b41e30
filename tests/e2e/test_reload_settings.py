"""A plan knows every setting there is: each, changed alone, is told, with whether it has to wait for a start. The table
below is compared with the reference, so that a setting that is new has to be thought of."""

import json
import re
import subprocess

import pytest

from harness.admin import Admin
from harness.ballast import Ballast, settings
from harness.reloads import order
from harness.waiting import free_port

APPLIES, WAITS = False, True
#: setting -> (another value, does it wait for a start); None: it has a test of its own, named beside it
SETTINGS = {
    "include": None,  # it stands for what it brings in
    "threads": (1, WAITS), "user": ("nobody", WAITS), "group": ("nogroup", WAITS), "sandbox": ("off", WAITS),
    "watchdog": ("7s", WAITS),
    "listeners[].address": None,  # test_reload.py: test_listeners_come_and_go
    "listeners[].dual_stack": (True, WAITS), "listeners[].mode": ("0600", WAITS), "listeners[].owner": ("root", WAITS),
    "listeners[].group": ("root", WAITS),
    "listeners[].tls": None,  # test_reload.py: certificates, HSTS and rules of TLS are told as a whole
    "listeners[].proxy_protocol.from": (["10.0.0.0/8"], APPLIES),
    "listeners[].proxy_protocol.others": ("plain", APPLIES), "listeners[].proxy_protocol.timeout": ("7s", APPLIES),
    "pools.NAME.balance": None,  # there is one way
    "pools.NAME.protocol": ("h2c", APPLIES), "pools.NAME.send_proxy": ("v1", APPLIES),
    "pools.NAME.workers[].address": None,  # test_reload.py: test_workers_come_and_go
    "pools.NAME.workers[].name": ("other", APPLIES), "pools.NAME.workers[].weight": (2, APPLIES),
    "pools.NAME.worker_tls.enabled": (True, APPLIES), "pools.NAME.worker_tls.verify": (False, APPLIES),
    "pools.NAME.worker_tls.ca": None,  # files are read again: test_reload.py
    "pools.NAME.worker_tls.name": ("other.example", APPLIES),
    "pools.NAME.worker_tls.certificate": None, "pools.NAME.worker_tls.key": None,
    "pools.NAME.health.path": ("/other", APPLIES), "pools.NAME.health.type": ("grpc", APPLIES),
    "pools.NAME.health.service": ("other", APPLIES), "pools.NAME.health.interval": ("3s", APPLIES),
    "pools.NAME.health.interval_doubt": ("700ms", APPLIES), "pools.NAME.health.timeout": ("800ms", APPLIES),
    "pools.NAME.health.rise": (5, APPLIES), "pools.NAME.health.fall": (5, APPLIES),
    "pools.NAME.health.jitter": ("5%", APPLIES), "pools.NAME.health.expect": (204, APPLIES),
    "routes[].host": ("other.example", APPLIES), "routes[].path": ("/other", APPLIES),
    "routes[].pool": ("spare", APPLIES), "routes[].server_timing": (True, APPLIES),
    "routes[].redirect.to": ("http://other.example", APPLIES), "routes[].redirect.status": (307, APPLIES),
    "routes[].redirect.port": (8443, APPLIES),
    "metrics.enabled": (False, APPLIES), "metrics.path": ("/other", APPLIES),
    "access_log.path": ("/dev/null", WAITS), "access_log.format": ("text", APPLIES),
    "access_log.sample": ("5%", APPLIES),
    "log.path": ("/dev/null", WAITS), "log.level": ("debug", APPLIES), "log.format": ("json", APPLIES),
    "syslog.facility": ("daemon", WAITS), "syslog.app_name": ("other", WAITS), "syslog.hostname": ("other", WAITS),
    "syslog.enterprise": (1, WAITS),
    "limits.header_bytes": ("16KiB", APPLIES), "limits.headers": (50, APPLIES), "limits.target_bytes": (2048, APPLIES),
    "limits.body_bytes": (1000, APPLIES), "limits.connections": (900, WAITS), "limits.tls_handshakes": (10, WAITS),
    "limits.tries": (1, APPLIES), "limits.idle_per_worker": (3, APPLIES), "limits.warm_per_worker": (1, APPLIES),
    "limits.connections_per_client": (100, WAITS), "limits.min_rate": (100, APPLIES),
    "timeouts.connect": ("3s", APPLIES), "timeouts.tls_handshake": ("3s", APPLIES),
    "timeouts.request_head": ("3s", APPLIES), "timeouts.request_body": ("3s", APPLIES),
    "timeouts.response_head": ("3s", APPLIES), "timeouts.response_idle": ("3s", APPLIES),
    "timeouts.client_idle": ("3s", APPLIES), "timeouts.client_stall": ("3s", APPLIES),
    "timeouts.worker_idle": ("3s", APPLIES), "timeouts.drain": ("3s", APPLIES), "timeouts.retire": ("3s", APPLIES),
    "timeouts.tunnel_idle": ("3s", APPLIES), "timeouts.tunnel_drain": ("3s", APPLIES),
    "timeouts.half_closed": ("3s", APPLIES),
    "admin.address": ("127.0.0.1:1", WAITS), "admin.token": None,  # never told; test_admin.py
    "admin.write": (False, APPLIES),
    "tracing.collector": ("127.0.0.1:1", WAITS), "tracing.path": ("/other", WAITS), "tracing.ratio": ("20%", APPLIES),
    "tracing.incoming": ("restart", APPLIES), "tracing.service": ("other", WAITS),
    "reload.watch": ("5s", APPLIES), "reload.max_failed": ("6%", APPLIES),
    "http2.enabled": (False, APPLIES), "http2.streams": (10, APPLIES), "http2.total_streams": (1000, WAITS),
    "http2.worker_streams": (10, APPLIES), "http2.resets": (50, APPLIES), "http2.control_frames": (50, APPLIES),
    "http2.empty_frames": (50, APPLIES),
    "forwarded.via": (False, APPLIES), "forwarded.x_forwarded": (False, APPLIES),
    "forwarded.forwarded": (False, APPLIES),
    "forwarded.request_id": (False, APPLIES), "forwarded.client_subject": ("X-Other", APPLIES),
    "forwarded.upgrade": ("off", APPLIES), "forwarded.trusted": (["10.0.0.0/8"], APPLIES),
}
#: Settings that stand in another pool than the first.
POOLS = {"pools.NAME.health.type": "spare", "pools.NAME.worker_tls.name": "secret"}
#: Below a mapping that is told as a whole.
WHOLE = ("listeners[].tls.",)


@pytest.fixture(scope="module")
def planned(ballast_path, tmp_path_factory):
    """planned(config) -> the settings that a plan for it tells, name -> does it wait for a start."""
    directory = tmp_path_factory.mktemp("settings")
    worker = {"name": "one", "address": f"127.0.0.1:{free_port()}"}
    config = settings([worker], **{
        "admin": {"address": f"unix:{directory}/admin", "write": True, "token": "x" * 20},
        "listeners": [{"address": f"127.0.0.1:{free_port()}"}, {"address": f"[::]:{free_port()}"},
                      {"address": f"unix:{directory}/listener"},
                      {"address": f"127.0.0.1:{free_port()}", "proxy_protocol": {"from": ["127.0.0.0/8"]}}],
        "routes": [{"host": "test.example", "path": "/a", "pool": "web"},
                   {"host": "to.example", "redirect": {"to": "https"}}, {"pool": "web"}],
        "tracing": {"collector": "127.0.0.1:2"},
        "pools": {"spare": {"workers": [worker["address"]], "protocol": "h2c"},
                  "secret": {"workers": [f"127.0.0.1:{free_port()}"],
                             "worker_tls": {"enabled": True, "verify": False}}},
    })
    with Ballast(ballast_path, config) as ballast:
        admin = Admin(directory / "admin", token="x" * 20)

        def plan(changed):
            ballast.write_config(changed)
            entry = order(admin, "planned", plan=True)
            return {each["name"]: each["start"] for each in entry["plan"]["settings"]}
        plan.config = ballast.config
        yield plan


def place_of(config, setting):
    """The mapping that holds it: the first of a list that it may stand in, by the setting."""
    which = {"listeners[].dual_stack": 1, "listeners[].mode": 2, "listeners[].owner": 2, "listeners[].group": 2,
             "listeners[].proxy_protocol.from": 3, "listeners[].proxy_protocol.others": 3,
             "listeners[].proxy_protocol.timeout": 3, "routes[].redirect.to": 1, "routes[].redirect.status": 1,
             "routes[].redirect.port": 1}
    at = config
    for step in setting.split(".")[:-1]:
        if step == "NAME":
            at = at[POOLS.get(setting, "web")]
        elif step.endswith("[]"):
            at = at[step[:-2]][which.get(setting, 0)]
        else:
            at = at.setdefault(step, {})
    return at


def reference(ballast_path):
    """Every setting that holds a value, by where it stands."""
    text = subprocess.run([ballast_path, "check", "--reference"], capture_output=True, text=True, check=True).stdout
    found, section = set(), None
    for line in text.splitlines():
        if line.startswith("## "):
            section = "" if line == "## the top of the file" else line[3:] + "."
        row = re.match(r"\| `(\w+)` \| (.*?) \|", line)
        if row and section is not None and (not row[2].startswith("[a ") or section + row[1] == "listeners[].tls"):
            found.add(section + row[1])
    return {setting for setting in found if not setting.startswith(WHOLE)}


def test_the_table_is_whole(ballast_path):
    assert reference(ballast_path) == set(SETTINGS)


@pytest.mark.parametrize("setting", [setting for setting, what in SETTINGS.items() if what])
def test_a_plan_tells(planned, setting):
    value, waits = SETTINGS[setting]
    config, name = json.loads(json.dumps(planned.config)), setting.rpartition(".")[2]
    place_of(config, setting)[name] = value
    told = planned(config)
    assert [start for key, start in told.items() if key.rpartition(".")[2] == name] == [waits], told
