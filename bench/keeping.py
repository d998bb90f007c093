"""Keeping what a bench has measured: NAME.json has the figures, NAME.md shows them."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any


def machine() -> str:
    """What figures were measured on, in a line."""
    return f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"


def keep(path: Path, figures: Any, text: str) -> None:
    """Write a bench's results.

    Parameters
    ----------
    path
        A file without its suffix; what is there is overwritten.
    figures
        What was measured, as JSON has it.
    text
        The same for people, in Markdown.
    """
    path.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    path.with_suffix(".md").write_text(text)
