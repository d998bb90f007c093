"""Where tests keep what only they read: in memory, where the machine has a file system there.

Databases wait for the disk at each commit, and what a killed machine would have kept is no matter here.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""What it must have free, in bytes; a run of all tests takes a tenth of that."""


def scratch() -> Path:
    """A folder for temporary files, whose path is short: sockets lie in it."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        return MEMORY
    return Path(tempfile.gettempdir())
