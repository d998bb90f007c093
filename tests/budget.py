"""How hard the tests search: as hard as a change must bear, or as `make fuzz` asks."""

from __future__ import annotations

import os


def examples(normal: int) -> int:
    """How many examples a property gets: `normal` of them, times the environment's VERINFER_TEST_BUDGET."""
    return normal * int(os.environ.get("VERINFER_TEST_BUDGET", "1"))
