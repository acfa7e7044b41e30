"""One balancer with one scripted worker for the whole corpus.

The runner's balancer has one reactor and one worker, so that which connection a request takes is certain, and limits
and time-outs that are quick to reach. At the end of the session its numbers must add up.
"""

import contextlib
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from corpus.request_limits import BODY_BYTES, FIELDS, HEAD_BYTES, TARGET_BYTES  # noqa: E402
from harness.ballast import Ballast, settings  # noqa: E402
from harness.waiting import free_port, has_ipv6  # noqa: E402
from harness.worker import Worker  # noqa: E402
from judge import Bench  # noqa: E402


@pytest.fixture(scope="session")
def ballast_path():
    build = ROOT / os.environ.get("BALLAST_BUILD", "build/release")
    path = build / "ballast"
    if not path.is_file():
        pytest.fail(f"ballast is not built in {build}: build it first, or set BALLAST_BUILD")
    return path


def make_config(workers, **extra):
    return settings(workers, **{
        "listeners": [{"address": f"127.0.0.1:{free_port()}"}]
                     + ([{"address": f"[::1]:{free_port('::1')}"}] if has_ipv6() else []),
        "threads": 1,
        "limits": {"header_bytes": HEAD_BYTES, "headers": FIELDS, "target_bytes": TARGET_BYTES,
                   "body_bytes": BODY_BYTES, "connections": 1000},
        "timeouts": {"request_head": "1500ms", "request_body": "1500ms", "response_head": "1500ms",
                     "response_idle": "1500ms", "worker_idle": "60s", "drain": "2s"},
        **extra,
    })


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember on the item whether its test failed: then what it left behind is not held against it again."""
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed


@contextlib.contextmanager
def running(ballast_path, count):
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker()) for _ in range(count)]
        ballast = stack.enter_context(Ballast(ballast_path, make_config(workers)))
        bench = Bench(ballast.wait_alive(count), *workers)
        yield bench
        bench.assert_over()


@pytest.fixture(scope="session")
def bench_of_one(ballast_path):
    with running(ballast_path, 1) as bench:
        yield bench


@pytest.fixture(scope="session")
def bench_of_two(ballast_path):
    with running(ballast_path, 2) as bench:
        yield bench


@pytest.fixture
def bench(bench_of_one, request):
    """The balancer of the corpus, with one worker."""
    bench_of_one.start_case()
    yield bench_of_one
    bench_of_one.end_case(request.node.failed)


@pytest.fixture
def pair(bench_of_two, request):
    """A balancer with two workers, for what is tried again."""
    bench_of_two.start_case()
    yield bench_of_two
    bench_of_two.end_case(request.node.failed)
