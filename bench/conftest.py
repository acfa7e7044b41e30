"""Where the programs of this build are."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def build():
    return (ROOT / os.environ.get("BALLAST_BUILD", "build/release")).resolve()
