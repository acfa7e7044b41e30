"""Every command in the documents is run, and says what the document says that it says.

A ```console block holds commands (`$ `) and what they print, in one shell for a document; `...` stands for any lines. A
```yaml block with a title is a file beside it. The shell has a network of its own, so that ports are free.
"""

import html.parser
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
                   if "```console" in path.read_text())
BLOCK = re.compile(r"^```(console|yaml)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== next command ==="
# To wait for what takes a moment.
WAIT_FOR = """#!/usr/bin/python3
import select, subprocess, sys
for _ in range(200):
    if subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False).returncode == 0:
        sys.exit(0)
    select.select([], [], [], 0.05)
sys.exit(1)
"""

# A network of its own, and processes that all end with it.
APART = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")


def commands_of(block):
    """(command, what it prints) of a console block."""
    command, printed = None, []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line[2:], []
        else:
            printed.append(line)
    if command:
        yield command, printed


def matches(printed, expected):
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed))


@needs_root
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_of(path, tmp_path, ballast_path):
    script, expected = ["ip link set lo up"], []
    for kind, title, text in BLOCK.findall(path.read_text()):
        if kind == "yaml":
            if title:
                (tmp_path / title).write_text(text)
            continue
        for command, printed in commands_of(text):
            # What a started program says of itself comes a moment later.
            # A job that has ended before it is waited for is no job any more, says the shell.
            shown = command + " 2>/dev/null" if command.startswith("wait %") else command
            script += [shown, f"wait-lines {len(printed)}" if command.endswith("&") else ":", f"echo '{MARK}'"]
            expected.append((command, printed))
    assert expected
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "wait-for").write_text(WAIT_FOR)
    since = f"tac \"$OUT\" | sed \"/{MARK}/q\" | grep -vc \"{MARK}\""
    (tools / "wait-lines").write_text(f"#!/bin/sh\nexec wait-for sh -c '[ \"$({since})\" -ge '$1' ]'\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    out = tmp_path / "out"
    script.append("kill $(jobs -p) 2>/dev/null; wait")
    environment = {**os.environ, "PATH": f"{tools}:{ballast_path.parent}:{os.environ['PATH']}", "OUT": str(out)}
    with out.open("wb") as stdout:
        subprocess.run([*APART, "bash", "-c", "\n".join(script)], cwd=tmp_path, env=environment,
                       stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT, timeout=60, check=False)
    parts = out.read_text().split(MARK + "\n")
    assert len(parts) == len(expected) + 1, out.read_text()
    for (command, printed), part in zip(expected, parts):
        assert matches(part.splitlines(), printed), f"{path.name}: {command}\nprinted:\n{part}"


class Page(html.parser.HTMLParser):
    """The links of a page, and what can be linked to in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src"):
                self.links.append(value)
            elif name == "id":
                self.ids.add(value)


def test_the_site_holds_every_document_and_no_dead_link():
    done = subprocess.run([ROOT / "dev", "docs"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0 and "WARNING" not in done.stdout + done.stderr, done.stdout + done.stderr
    site = ROOT / "build/site"
    listed = (ROOT / "mkdocs.yml").read_text()
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name in listed and (site / path.stem / "index.html").is_file() or path.stem == "index", path.name
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    for path, page in pages.items():
        for link in page.links:
            if re.match("[a-z]+:|//", link):
                continue
            target, _, fragment = link.partition("#")
            there = (path.parent / target).resolve() if target else path
            there = there / "index.html" if there.is_dir() else there
            assert there.is_file(), f"{path.relative_to(site)}: {link}"
            known = pages[there].ids if there in pages else {fragment}
            assert not fragment or fragment in known, f"{path.relative_to(site)}: {link}"
