"""How much memory there is, and how much this process took."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from circuits.errors import InputError

_CGROUP, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_RESET_PEAK = "5"


def available_bytes() -> int | None:
    """What this process may still take before the system refuses or swaps; None where nobody says."""
    return _least([_system("MemAvailable:"), *map(_left, _control_groups())])


def whole_bytes() -> int | None:
    """What the machine has, or this process's container if that may have less; None where nobody says."""
    return _least([_system("MemTotal:"), *map(_limit, _control_groups())])


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


def _least(sizes: Iterable[int | None]) -> int | None:
    return min((size for size in sizes if size is not None), default=None)


def _system(what: str) -> int | None:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])
    return None


def _control_groups() -> list[Path]:
    """The control group of the process, and those round it, as far as they are seen from here."""
    with contextlib.suppress(OSError, StopIteration):
        lines = _MEMBERSHIP.read_text().splitlines()
        own = PurePosixPath(next(line for line in lines if line.startswith("0::/")).removeprefix("0::/"))
        return [_CGROUP / group for group in (own, *own.parents)]
    return []


def _limit(group: Path) -> int | None:
    """What a control group may take."""
    with contextlib.suppress(OSError, ValueError):  # no limit reads "max"
        return int((group / "memory.max").read_text())
    return None


def _left(group: Path) -> int | None:
    """What a control group may still take."""
    most = _limit(group)
    with contextlib.suppress(OSError, ValueError):
        used = int((group / "memory.current").read_text())
        return None if most is None else max(0, most - used + _reclaimable(group))
    return None


def _reclaimable(group: Path) -> int:
    """The part of what a control group uses that is files, which the system drops when memory runs short."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = (group / "memory.stat").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
    return 0
