"""How much memory there is, and how much this process took."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

from circuits.errors import InputError

_CGROUP = Path("/sys/fs/cgroup")
_RESET_PEAK = "5"


def available_bytes() -> int | None:
    """What this process may still take before the system refuses or swaps; None where nobody says."""
    known = [size for size in (_system(), _control_group()) if size is not None]
    return min(known, default=None)


def require(needed: int, what: str) -> None:
    """Refuse what would not fit.

    Raises
    ------
    InputError
        If more is needed than is available; it states both.
    """
    available = available_bytes()
    if available is not None and needed > available:
        raise InputError(
            f"{what} takes about {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are "
            "available: use a machine with more, or a smaller batch"
        )


def forget_peak() -> None:
    """Begin a new peak, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)


def peak_rss_bytes() -> int:
    """The most memory that this process has had since `forget_peak`; where the system cannot, ever."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _system() -> int | None:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    return None


def _control_group() -> int | None:
    """What the process's container may still take."""
    with contextlib.suppress(OSError, ValueError):  # no limit reads "max"
        most, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        return max(0, most - used + _reclaimable())
    return None


def _reclaimable() -> int:
    """The part of what a container uses that is files, which the system drops when memory runs short."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
    return 0
