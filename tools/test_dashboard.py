"""tools/dashboard.py: packed files are compared by what they hold."""

import gzip
import json
import pathlib
import re
import sys

import pytest

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


def luminance(color):
    """WCAG 2.1, relative luminance."""
    parts = [int(color[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


STYLE = (dashboard.SOURCE / "src" / "style.css").read_text()
THEMES = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
          for block in re.findall(r":root[^{]*\{([^}]*)\}", STYLE)]
WORDS_ON = [(word, ground) for word in ("text", "quiet", "faint", "accent", "good", "bad", "doubt")
            for ground in ("card", "page")]
PILLS = [("good", "good-bg"), ("bad", "bad-bg"), ("doubt", "doubt-bg"), ("quiet", "off-bg")]
BUTTONS = [("card", "accent"), ("card", "bad"), ("page", "text")]


@pytest.mark.parametrize("theme", range(3), ids=["light", "dark by system", "dark by choice"])
@pytest.mark.parametrize("word, ground", WORDS_ON + PILLS + BUTTONS)
def test_text_stands_out_from_its_ground(theme, word, ground):
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    colors = THEMES[theme]
    assert contrast(colors[word], colors[ground]) >= 4.5


@pytest.mark.parametrize("theme", range(3))
def test_the_edge_of_a_control_can_be_seen(theme):
    """WCAG 2.1, 1.4.11: at least 3 to 1."""
    assert contrast(THEMES[theme]["edge"], THEMES[theme]["card"]) >= 3


def test_both_ways_to_the_dark_theme_have_its_colors():
    assert THEMES[1] == THEMES[2] and len(THEMES) == 3


def test_contrast_is_computed_as_it_is_defined():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
