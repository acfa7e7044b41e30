"""tools/embed.py: the bytes come out as they went in."""

import re

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from embed import embed  # noqa: E402


def test_bytes_and_names(tmp_path):
    data = bytes(range(256)) * 3
    (tmp_path / "app.js.gz").write_bytes(data)
    (tmp_path / "index.html.gz").write_bytes(b"x")
    text = embed([tmp_path / "app.js.gz", tmp_path / "index.html.gz"])
    numbers = re.search(r"bytes_0\[\] = \{(.*?)\}", text, re.S).group(1)
    assert bytes(int(number) for number in numbers.split(",")) == data
    assert '"app.js"' in text and '"index.html"' in text and "admin_file_count = 2" in text


def test_the_tag_follows_the_bytes(tmp_path):
    path = tmp_path / "a.gz"
    tags = set()
    for data in (b"one", b"two"):
        path.write_bytes(data)
        tags.add(re.search(r'\\"([0-9a-f]{16})\\"', embed([path])).group(1))
    assert len(tags) == 2
