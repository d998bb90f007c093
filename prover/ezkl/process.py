"""Runs ezkl's steps in a process of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from circuits.errors import VerinferError
from prover.progress import Progress

Step = tuple[str, str, dict[str, Any]]
"""What to tell the user, the step's name in `worker`, its arguments."""
_WORKER = Path(__file__).with_name("worker.py")
_NOWHERE = "http://127.0.0.1:9"


class EzklError(VerinferError):
    """ezkl failed at a step that it should have managed."""


@dataclass(frozen=True)
class Run:
    """What the steps returned, in order, and what they took."""

    results: list[Any]
    seconds: float
    peak_rss_bytes: int


def run(steps: Sequence[Step], progress: Progress, threads: int | None = None) -> Run:
    """Run steps one after another in one process, on so many threads or one for each processor, and wait.

    Raises
    ------
    EzklError
        If a step fails, or the process dies. Nothing of ours is harmed.
    """
    began = time.monotonic()
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    # ezkl would fetch a Solidity compiler for us: send it nowhere. We have our own, and need no network.
    environment |= dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), _NOWHERE
    )
    if threads is not None:
        environment["RAYON_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        try:
            assert process.stdin and process.stdout
            with (
                contextlib.suppress(BrokenPipeError),
                process.stdin,
            ):  # it may die at once; its exit code tells
                json.dump([[name, arguments] for _, name, arguments in steps], process.stdin)
            results = _collect(process.stdout, steps, progress)
            peak = _wait(process)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        if len(results) < len(steps):
            log.seek(0)
            raise EzklError(
                f"ezkl failed while {steps[len(results)][0]}: {_cause(process.returncode, log.read())}"
            )
    return Run(results, time.monotonic() - began, peak)


def _collect(lines: IO[str], steps: Sequence[Step], progress: Progress) -> list[Any]:
    results: list[Any] = []
    for text in lines:
        line = json.loads(text)
        if "begun" in line:
            progress(steps[len(results)][0])
        elif "done" in line:
            results.append(line["done"])
        else:
            raise EzklError(f"ezkl failed while {steps[len(results)][0]}: {line['failed']}")
    return results


def _wait(process: subprocess.Popen[str]) -> int:
    """Wait for the process to end; the most memory it had, in bytes."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _cause(code: int, log: str) -> str:
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint} {last}".rstrip()
    return f"its process ended with code {code} {last}".rstrip()
