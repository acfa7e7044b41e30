"""A page in a headless Chromium, by playwright-core. Its modules are those that tools/dashboard.py put into
build/dashboard, where Node.js 20 is; elsewhere the tests that need it are skipped, and say so."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODULES = ROOT / "build" / "dashboard"
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")

needs_browser = pytest.mark.skipif(not (MODULES / "node_modules" / "playwright-core").is_dir() or not CHROMIUM,
                                   reason="needs Node.js 20, `tools/dashboard.py prepare` and Chromium")


class Browser:
    """One page, as a context manager. Called with a verb of browser_driver.mjs and what it takes."""

    def __init__(self):
        driver = pathlib.Path(__file__).resolve().parent / "browser_driver.mjs"
        self.process = subprocess.Popen(["node", str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "BALLAST_DASHBOARD": str(MODULES),
                                             "BALLAST_CHROMIUM": CHROMIUM})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self("close")
        finally:
            self.process.stdin.close()
            self.process.wait(20)

    def __call__(self, verb, **order):
        self.process.stdin.write(json.dumps({"verb": verb, **order}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, f"{verb} {order}: {answer['error']}"
        return answer["ok"]
