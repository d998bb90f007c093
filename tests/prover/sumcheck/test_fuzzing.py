"""Runs the fuzz target for as long as the budget says, where atheris is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.budget import examples

ROOT = Path(__file__).parents[3]


@pytest.mark.fuzz
def test_whatever_a_stranger_writes_is_read_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.prover.sumcheck.fuzz_target", str(tmp_path)]
    subprocess.run([*command, "--seeds"], cwd=ROOT, check=True)
    assert len(list(tmp_path.iterdir())) == 4
    limits = [f"-runs={examples(10_000)}", "-max_len=8192", "-timeout=60", "-rss_limit_mb=4096", "-seed=1"]
    done = subprocess.run([*command, *limits], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
