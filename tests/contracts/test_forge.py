"""Runs the Solidity tests, which also compare gas and code sizes with the committed snapshots."""

import subprocess

import pytest

from contracts.toolchain import REPOSITORY, foundry_path

FOLDER = REPOSITORY / "contracts"


def forge(*arguments: str) -> None:
    command = [foundry_path("forge"), *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def test_a_failure_of_forge_shows() -> None:
    with pytest.raises(AssertionError, match="no-such-option"):
        forge("test", "--no-such-option")


def test_forge() -> None:
    forge("test")


def test_format() -> None:
    forge("fmt", "--check")
