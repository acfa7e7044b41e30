#!/usr/bin/python3
"""Proof that the simulation finds bugs: builds the balancer with one bug planted, and says after how many seeds which
check found it.

Each planted/*.patch holds one bug; its first line says what it is. A patched file is compiled with the very command of
the build directory and linked before the library that holds the right one, so a bug costs one compilation and one link.

    tests/sim/planted.py [--build DIR] [--limit SEEDS] [--table] [NAME...]
"""

import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATCHES = ROOT / "tests/sim/planted"
PROGRAM = "tests/sim/ballast-sim"
SECONDS = 120


def describe(patch):
    return patch.read_text().splitlines()[0].removeprefix("#").strip()


def apply_patch(patch, folder):
    """Copies of the files that the patch changes, changed; their paths in the tree."""
    paths = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.MULTILINE)
    for path in paths:
        copy = folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / path).read_bytes())
    done = subprocess.run(["patch", "-p1", "--quiet", "--no-backup-if-mismatch", "-i", str(patch)], cwd=folder,
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{patch.name} does not fit the tree any more; plant it anew:\n{done.stdout}{done.stderr}")
    return paths


def compile_planted(build, path, folder):
    """The object of a patched file, compiled as the build directory compiles the right one."""
    source = folder / path
    entries = json.loads((build / "compile_commands.json").read_text())
    entry = next(e for e in entries if (build / e["file"]).resolve() == ROOT / path)
    command = shlex.split(entry["command"])
    object_file = source.with_suffix(".o")
    for at, word in enumerate(command):
        if word == entry["file"]:
            command[at] = str(source)
        elif command[at - 1] in ("-o", "-MF", "-MQ"):
            command[at] = str(object_file) if command[at - 1] != "-MF" else str(source.with_suffix(".d"))
    subprocess.run(command + ["-w"], cwd=build, check=True)
    return object_file


def link_planted(build, objects, folder):
    lines = subprocess.run(["ninja", "-C", str(build), "-t", "commands", PROGRAM], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    command = shlex.split(next(line for line in reversed(lines) if f"-o {PROGRAM} " in line + " "))
    program = folder / "planted-sim"
    place = command.index("-o")
    command[place:place + 2] = ["-o", str(program)] + [str(o) for o in objects]
    subprocess.run(command, cwd=build, check=True)
    return program


def hunt(program, limit):
    """(seeds needed, check) or None."""
    done = subprocess.run([str(program), "--seed", "1", "--count", str(limit), "--quiet"], capture_output=True,
                          text=True, timeout=SECONDS)
    found = re.search(r"FAILED seed (\d+): check (\S+)", done.stdout)
    return (int(found.group(1)), found.group(2)) if found else None


def plant(build, patch, limit):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        objects = [compile_planted(build, path, folder) for path in apply_patch(patch, folder)]
        return hunt(link_planted(build, objects, folder), limit)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/release", help="a configured and built build directory")
    parser.add_argument("--limit", type=int, default=2000, help="seeds after which a bug counts as not found")
    parser.add_argument("--table", action="store_true", help="print the table of docs/simulation.md")
    parser.add_argument("names", nargs="*", help="planted bugs, without .patch; none: all")
    options = parser.parse_args()
    build = (ROOT / options.build).resolve()
    patches = [PATCHES / f"{n}.patch" for n in options.names] or sorted(PATCHES.glob("*.patch"))
    missed = 0
    if options.table:
        print("| bug | what is wrong | check | seeds |\n|---|---|---|---|")
    for patch in patches:
        began = time.monotonic()
        found = plant(build, patch, options.limit)
        missed += found is None
        seeds, check = found or ("none", "not found")
        if options.table:
            print(f"| {patch.stem} | {describe(patch)} | {check} | {seeds} |", flush=True)
        else:
            print(f"{patch.stem:18} {check:17} after {seeds} seeds, {time.monotonic() - began:.1f} s", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
