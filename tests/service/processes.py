"""Processes that tests kill: forked from one that has imported what they need, which takes seconds each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
WORKERS = ("backing_up", "claiming_worker", "compiling_worker", "crash_worker", "proving_worker", "storing")


def process(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that does not run yet. Its environment is that of the first one's beginning."""
    # All share one server of forks, which imports what is asked for when it starts.
    CONTEXT.set_forkserver_preload([f"tests.service.{name}" for name in WORKERS])
    return CONTEXT.Process(target=target, args=arguments, daemon=True)
