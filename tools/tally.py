#!/usr/bin/python3
"""Adds up what the layers of `./dev test` did.

    tally.py layer NAME --counts FILE --status N --seconds N [--junit FILE] [--log FILE]
        prints one line for a layer that has run (with its log if it failed) and appends its counts to FILE
    tally.py total --counts FILE
        prints `N passed, N failed`, and exits 1 if anything failed or nothing ran

A layer's cases are read from its JUnit report, never guessed. A layer without a report is one case: its exit status.
"""

import argparse
import fcntl
import pathlib
import sys
import xml.etree.ElementTree


def count_report(path):
    """(passed, failed, skipped) of a JUnit report; zeros if there is none that can be read."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return 0, 0, 0
    cases = list(root.iter("testcase"))
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None and case.find("failure") is None and case.find("error") is None
                  for case in cases)
    return len(cases) - failed - skipped, failed, skipped


def count_layer(status, junit):
    """The same for a layer: one that ends badly has a failure, whatever its report says."""
    if junit is None:
        return (1, 0, 0) if status == 0 else (0, 1, 0)
    passed, failed, skipped = count_report(junit)
    return passed, failed or int(status != 0), skipped


def format_counts(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def end_layer(options):
    """Layers that run beside each other end one after the other: what one has to say stays in one piece."""
    counts = count_layer(options.status, options.junit)
    with options.counts.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if counts[1] and options.log and options.log.exists():
            sys.stdout.write(options.log.read_text(errors="replace"))
        word = "FAILED" if counts[1] else "ok"
        print(f"{word:6} {options.name:28} {format_counts(*counts):36} {options.seconds:4} s", flush=True)
        file.write(" ".join(map(str, counts)) + "\n")
    return 1 if counts[1] else 0


def total(options):
    lines = options.counts.read_text().splitlines() if options.counts.exists() else []
    sums = [sum(column) for column in zip(*[map(int, line.split()) for line in lines])] or [0, 0, 0]
    print(format_counts(*sums))
    return 1 if sums[1] or not sums[0] else 0


def main(arguments):
    parser = argparse.ArgumentParser(description="Adds up what the layers of ./dev test did.")
    commands = parser.add_subparsers(dest="command", required=True)
    layer = commands.add_parser("layer")
    layer.add_argument("name")
    layer.add_argument("--status", type=int, required=True)
    layer.add_argument("--seconds", type=int, required=True)
    layer.add_argument("--junit", type=pathlib.Path)
    layer.add_argument("--log", type=pathlib.Path)
    for command in (layer, commands.add_parser("total")):
        command.add_argument("--counts", type=pathlib.Path, required=True)
    options = parser.parse_args(arguments)
    return end_layer(options) if options.command == "layer" else total(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
