"""What every end-to-end test needs: where the built programs are, and the harness on the import path.

BALLAST_BUILD names the build directory (default: build/release), relative to the repository's root. With
--part 2/3 this is the second of three processes that have a third of the tests each; none has those that run alone.
"""

import contextlib
import os
import pathlib
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness.ballast import Ballast, settings  # noqa: E402
from harness.programs import DemoWorker  # noqa: E402
from harness.worker import Worker  # noqa: E402


def part(text):
    """"2/3" as (2, 3)."""
    number, _, parts = text.partition("/")
    if not 1 <= int(number) <= int(parts):
        raise ValueError(text)
    return int(number), int(parts)


def pytest_addoption(parser):
    parser.addoption("--part", type=part, metavar="N/M", help="of M processes that share the tests this is the Nth")


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs what there is once, as a port, or would judge a busy machine")


@pytest.hookimpl(trylast=True)  # what -k and -m have left
def pytest_collection_modifyitems(config, items):
    """Dealt out one by one: neighbours take about as long as each other."""
    if config.option.part:
        number, parts = config.option.part
        shared = [item for item in items if not item.get_closest_marker("alone")]
        mine = set(shared[number - 1::parts])
        config.hook.pytest_deselected(items=[item for item in items if item not in mine])
        items[:] = [item for item in items if item in mine]


def built(name):
    """The path of a built program; a test that needs it fails, rather than passing unseen, when it is missing."""
    build = ROOT / os.environ.get("BALLAST_BUILD", "build/release")
    for candidate in (build / name, build / "worker" / name, build / "src" / "main" / name):
        if candidate.is_file():
            return candidate
    pytest.fail(f"{name} is not built in {build}: build it first, or set BALLAST_BUILD")


@pytest.fixture(scope="session")
def ballast_path():
    return built("ballast")


@pytest.fixture(scope="session")
def demo_worker_path():
    return built("ballast-worker")


@pytest.fixture
def stack():
    """Whatever a test enters here is left, last first, when it is over."""
    with contextlib.ExitStack() as entered:
        yield entered


@pytest.fixture
def public(stack):
    """A directory that every user reaches. What pytest gives is its user's own, and it sees to that at any time."""
    place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ballast-test-")))
    place.chmod(0o755)
    return place


@pytest.fixture
def demo(stack, demo_worker_path):
    """Starts a demo worker with these options; ended after the test."""
    def start(*options, ports=(0,), host="127.0.0.1"):
        return stack.enter_context(DemoWorker(demo_worker_path, *options, ports=ports, host=host))
    return start


@pytest.fixture
def scripted(stack):
    """Starts a scripted worker; ended after the test."""
    return lambda *arguments, **options: stack.enter_context(Worker(*arguments, **options))


@pytest.fixture
def balance(stack, ballast_path):
    """Starts a balancer in front of these workers and waits until all are alive; at the end its numbers must add up."""
    def start(*workers, alive=None, ballast=Ballast, **extra):
        balancer = stack.enter_context(ballast(ballast_path, settings(workers, **extra)))
        stack.callback(lambda: balancer.process.poll() is None and balancer.assert_accounts())
        return balancer.wait_alive(len(workers) if alive is None else alive)
    return start


@pytest.fixture(scope="session")
def sanitized(ballast_path):
    """Whether the program was built with a sanitizer: then it is slow, and its memory says nothing."""
    return b"__asan_init" in ballast_path.read_bytes() or b"__tsan_init" in ballast_path.read_bytes()
