"""A browser of a test's own: Debian's Chromium, driven by Playwright, without a window or a network."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL_SECONDS = 300
MISSING = "there is no Chromium, and it could not be installed: apt-get install chromium"


def binary() -> str | None:
    """Where Chromium is; None if it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


def installed() -> str | None:
    """Where Chromium is. Where it is not, root has Debian's installed; None if there is none in the end."""
    found = binary()
    if found is not None or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return found
    # Tests run in several processes, and one of them installs it.
    with (Path(tempfile.gettempdir()) / "verinfer-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if binary() is None:
            _install()
    return binary()


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]
    for command in (install, ["apt-get", "update"], install):
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            return
        if command == install and done.returncode == 0:
            return


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a browser for as long as the block lasts. Other pages than this machine's are not to be had."""
    options = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:  # its sandbox refuses to be run by root
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=options)
        try:
            yield browser
        finally:
            browser.close()
