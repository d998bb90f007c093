"""Numbers, times and names as pages show them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from circuits.cost import shortened
from service.database import Kind, Status

KINDS = {Kind.COMPILE: "compile", Kind.SETUP: "make keys", Kind.PROVE: "prove", Kind.VERIFY: "verify"}
STATUSES = {
    Status.NONE: "none",
    Status.QUEUED: "waiting",
    Status.RUNNING: "running",
    Status.SUCCEEDED: "done",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}


def number(value: float) -> str:
    """A count in full, 12,345; a real number with at most five significant digits."""
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}".replace("-", "\N{MINUS SIGN}")
    return f"{value:.5g}".replace("-", "\N{MINUS SIGN}")


def size(value: int) -> str:
    """Bytes: 812 bytes, 5.4 kB, 12 MB."""
    if value < 1000:
        return f"{value} byte{'' if value == 1 else 's'}"
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value < 1000 * scale else f"{value / scale:,.0f} {unit}"
    raise AssertionError


def seconds(value: float) -> str:
    """A length of time: 0.42 s, 3 min 5 s, 2 h 10 min."""
    if value < 10:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def roughly(value: float) -> str:
    """A length of time that is not known well: 2 s, 3 min, 2 h."""
    for unit, length in (("h", 3600), ("min", 60)):
        if value >= length:
            return f"{round(value / length)} {unit}"
    return f"{max(1, round(value))} s"


def ago(at: datetime, now: datetime | None = None) -> str:
    """How long ago a time was."""
    passed = ((now or datetime.now(UTC)) - at).total_seconds()
    if passed < 60:
        return "just now"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if passed >= length:
            count = int(passed // length)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    raise AssertionError


def when(at: datetime) -> str:
    """A time in full, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def machine(at: datetime) -> str:
    """A time as RFC 3339 has it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def digest(value: str) -> str:
    """The beginning and end of a long name: 0xa77c8f3b…6ed3."""
    return value if len(value) <= 20 else f"{value[: 10 if value.startswith('0x') else 8]}…{value[-4:]}"


def shape(value: tuple[int, ...]) -> str:
    """A tensor's shape: 1 × 8 × 8."""
    return " × ".join(map(str, value)) or "scalar"


def percent(value: float) -> str:
    """A share: 99.6 %, 0.093 %; 100 % and 0 % only where it is all or nothing."""
    shown = f"{100 * value:.3g}"
    if value < 1 and float(shown) == 100:
        shown = f"{100 * value:.6f}".rstrip("0")
    return f"{shown} %"


def segment(value: str) -> str:
    """A name as a part of a URL's path."""
    return quote(value, safe="@")


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "segment": segment,
    "shortened": shortened,
    "size": size,
    "seconds": seconds,
    "roughly": roughly,
    "ago": ago,
    "when": when,
    "machine": machine,
    "digest": digest,
    "shape": shape,
    "percent": percent,
    "kind": KINDS.__getitem__,
    "status": STATUSES.__getitem__,
}
