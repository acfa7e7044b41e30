#!/usr/bin/python3
"""The same seed is the same run: each seed twice, in two processes, and the whole trace is compared byte for byte.

The last line of a trace is a digest of every byte that was sent and of the order in which all of it arrived, so what no
line tells of is compared too. The second process has other addresses (the system sees to that), another environment and
another working directory.

    tests/sim/same_trace.py PROGRAM [--seed N] [--count M]
"""

import argparse
import itertools
import os
import pathlib
import subprocess
import sys


def run(program, seed, folder, words):
    environment = os.environ | {"BALLAST_SIM_WORDS": words}
    done = subprocess.run([program, "--seed", str(seed), "--trace"], cwd=folder, env=environment, capture_output=True)
    return done.stdout.splitlines() + done.stderr.splitlines()


def compare(program, seed):
    """None, or in words where the two differ."""
    first, second = run(program, seed, ".", ""), run(program, seed, "/", "word " * 1000)
    if not any(b"all that was sent" in line for line in first):
        return f"seed {seed} did not run to its end: {first[-1:]}"
    for n, (a, b) in enumerate(itertools.zip_longest(first, second), start=1):
        if a != b:
            return f"seed {seed}, line {n} of its trace:\n  {a}\n  {b}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40)
    options = parser.parse_args()
    program = options.program.resolve()
    different = [d for d in (compare(program, s) for s in range(options.seed, options.seed + options.count)) if d]
    for text in different:
        print(text)
    print(f"{options.count} seeds, {len(different)} of them different in two runs")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
