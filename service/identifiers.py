"""Names of rows: UUIDs of version 7 (RFC 9562), which sort by the time they were made.

48 bits  Unix time in milliseconds
 4 bits  0111, the version
12 bits  the rest of the time, in 1/4096 of a millisecond
 2 bits  10, the variant
62 bits  from the operating system's randomness
"""

from __future__ import annotations

import os
import time
from uuid import UUID


def new_id() -> str:
    """A name that no other row has, in its 36 characters."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    value = milliseconds << 80 | 7 << 76 | rest * 4096 // 1_000_000 << 64 | 2 << 62 | random
    return str(UUID(int=value))
