"""Runs the Solidity tests, which also compare gas and code sizes with the committed snapshots."""

import subprocess

from contracts.toolchain import NODE_MODULES, REPOSITORY

FOLDER = REPOSITORY / "contracts"


def forge(*arguments: str) -> None:
    command = [str(NODE_MODULES / ".bin" / "forge"), *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def test_forge() -> None:
    forge("test")


def test_format() -> None:
    forge("fmt", "--check")
