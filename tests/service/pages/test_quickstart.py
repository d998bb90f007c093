"""The README's way from `verinfer serve` to a verified proof, walked in a browser by the names it gives."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.docs.figures import ROOT
from tests.service.pages.looking import draw_two, window
from tests.service.pages.test_journeys import LONG

FIVE_MINUTES = 300
SECTION = (ROOT / "README.md").read_text("utf-8").partition("## Over HTTP")[2].partition("\n## ")[0]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The README's command, on a machine that has nothing yet. Yields the address that it prints."""
    found = re.search(r"^\$ verinfer (.*)\n(serving on )http\S+(.*)$", SECTION, re.MULTILINE)
    assert found is not None
    command = [sys.executable, "-m", "verinfer.cli", *shlex.split(found[1]), "--port", "0"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VERINFER_", "XDG_"))}
    environment = clean | {"HOME": str(folder), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            printed = re.fullmatch(rf"{found[2]}(http://\S+){re.escape(found[3])}\n", line)
            assert printed is not None, line
            yield printed[1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def follow(page: Page, name: str) -> None:
    """Press or follow what the README names."""
    named = page.get_by_role("button", name=name, exact=True).or_(
        page.get_by_role("link", name=name, exact=True)
    )
    named.first.click(timeout=LONG)


def test_a_newcomer_has_a_verified_proof_within_five_minutes(tmp_path: Path, browser: Browser) -> None:
    begun = time.monotonic()
    steps = [" ".join(step.split()) for step in re.findall(r"\*\*(.+?)\*\*", SECTION, re.DOTALL)]
    assert steps[-1] == "Verify now"
    with serving(tmp_path) as url, window(browser) as page:
        page.goto(url)
        for step in steps:
            follow(page, step)
            if step == "Try digits":
                draw_two(page, page.locator("canvas"))
            if step == "Ask the model":
                expect(page.locator(".answer-value")).to_have_text("2")
        expect(page.locator("#verdict")).to_contain_text("Valid", timeout=LONG)
        expect(page.get_by_text("gives exactly the output below")).to_be_visible()
    assert time.monotonic() - begun < FIVE_MINUTES
