"""tools/dashboard.py: packed files are compared by what they hold."""

import gzip
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import dashboard


def test_differences(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, level in ((one, 9), (other, 1)):
        folder.mkdir()
        (folder / "same.gz").write_bytes(gzip.compress(b"text" * 1000, level))
        (folder / "changed.gz").write_bytes(gzip.compress(str(level).encode()))
    (one / "gone.gz").write_bytes(gzip.compress(b"x"))
    assert dashboard.differences(one, other) == ["changed.gz", "gone.gz"]


def test_the_lock_names_no_registry():
    lock = json.loads((dashboard.SOURCE / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
