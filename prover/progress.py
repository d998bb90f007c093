"""Telling a person what a long call is doing: the step's name and the time it has taken so far, on stderr.

The display moves by itself while the caller waits, so the caller must wait in a way that lets other threads
run (a pipe, a subprocess), not inside a native call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

Progress = Callable[[str], None]
"""Called with the name of each step as it begins."""


def silent(step: str) -> None:
    """Show nothing."""


class Display:
    """A `Progress` that shows the running step with a spinner and a clock, and leaves a line for each
    finished one.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        self._bar = Bar(*columns, console=self._console, transient=True)
        self._step = ""
        self._began = 0.0

    def __enter__(self) -> Display:
        """Start the display."""
        self._bar.start()
        return self

    def __call__(self, step: str) -> None:
        """Begin a step, and finish the one before. A step that begins anew goes on."""
        if step == self._step:
            return
        self._finish()
        self._step, self._began = step, time.monotonic()
        self._bar.add_task(step, total=None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the last step, unless it failed, and remove the display."""
        if kind is None:
            self._finish()
        self._bar.stop()

    def _finish(self) -> None:
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        if self._step:
            self._console.print(f"  {self._step}: {time.monotonic() - self._began:.1f} s", highlight=False)
        self._step = ""
