#!/usr/bin/python3
"""The dashboard's build, where Node.js 20 and npm are; nothing else needs it, because dashboard/dist is committed.

    tools/dashboard.py prepare        modules as locked, into build/dashboard
    tools/dashboard.py build          dashboard/dist from dashboard/src
    tools/dashboard.py check          types, and whether dashboard/dist is what src gives; says so where it cannot tell
    tools/dashboard.py shots URL TOKEN [FOLDER]   screenshots of a balancer that runs, for the documents
"""

import gzip
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE = ROOT / "dashboard"
MADE = ROOT / "build" / "dashboard"
NODE_MIN = 20


def node_version():
    try:
        text = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
        return int(text.removeprefix("v").partition(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0


def can_build():
    return node_version() >= NODE_MIN and shutil.which("npm") is not None


def run(*command):
    subprocess.run(command, cwd=MADE, check=True)


def prepare():
    """Copies what the build reads, and installs the locked modules unless they are there."""
    MADE.mkdir(parents=True, exist_ok=True)
    lock = SOURCE / "package-lock.json"
    fresh = (MADE / "installed").exists() and (MADE / "installed").read_text() == lock.read_text()
    shutil.rmtree(MADE / "src", ignore_errors=True)
    for path in SOURCE.iterdir():
        if path.name == "src":
            shutil.copytree(path, MADE / "src")
        elif path.is_file():
            shutil.copy(path, MADE / path.name)
    if not fresh:
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        (MADE / "installed").write_text(lock.read_text())


def differences(one, other):
    """Names of files whose unpacked bytes differ: packed ones may, from one zlib to the next."""
    names = sorted({path.name for folder in (one, other) for path in folder.glob("*.gz")})

    def unpacked(folder, name):
        path = folder / name
        return gzip.decompress(path.read_bytes()) if path.exists() else None

    return [name for name in names if unpacked(one, name) != unpacked(other, name)]


def build(out):
    prepare()
    run("node", "build.mjs", str(out))


def check():
    if not can_build():
        print(f"dashboard: not checked, needs Node.js {NODE_MIN} and npm")
        return 0
    build(MADE / "dist")
    run("node", "node_modules/typescript/bin/tsc")
    stale = differences(SOURCE / "dist", MADE / "dist")
    for name in stale:
        print(f"dashboard/dist/{name} is not what dashboard/src gives: run tools/dashboard.py build")
    return 1 if stale else 0


def shots(url, token, folder=str(ROOT / "docs" / "images")):
    prepare()
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    subprocess.run(["node", "shots.mjs", url, token, folder], cwd=MADE, check=True,
                   env={**os.environ, "BALLAST_CHROMIUM": chromium})


def main(arguments):
    match arguments:
        case ["prepare"]:
            prepare()
        case ["build"]:
            build(SOURCE / "dist")
        case ["check"]:
            return check()
        case ["shots", url, token, *folder]:
            shots(url, token, *folder)
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
