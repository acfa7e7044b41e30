"""What every end-to-end test needs: where the built programs are, and the harness on the import path.

BALLAST_BUILD names the build directory (default: build/release), relative to the repository's root.
"""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


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
