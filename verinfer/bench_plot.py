"""A picture of a bench: the time of a proof against the circuit's parameters, and against its activations.

Both axes are logarithmic. A row is a point; rows of one backend have one colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

_COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea")
_PANEL, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 480, 360, 62, 44, 48, 28
_AXES = (("parameters", "parameters"), ("activations", "activations that are committed"))
_FONT = "font-family='system-ui, sans-serif' font-size='12' fill='#374151'"


def plot(rows: Sequence[dict[str, Any]]) -> str:
    """The picture as SVG. Rows that were refused are left out."""
    measured = [row for row in rows if "refused" not in row]
    backends = list(dict.fromkeys(row["backend"] for row in measured))
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(backends)}
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_PANEL * len(_AXES)}' height='{_HEIGHT}' "
        f"viewBox='0 0 {_PANEL * len(_AXES)} {_HEIGHT}'>",
        "<rect width='100%' height='100%' fill='white'/>",
    ]
    for i, name in enumerate(backends):
        x = _LEFT + 110 * i
        parts.append(f"<circle cx='{x}' cy='18' r='5' fill='{colours[name]}'/>")
        parts.append(f"<text x='{x + 10}' y='22' {_FONT}>{escape(name)}</text>")
    for number, (key, title) in enumerate(_AXES):
        parts.append(f"<g transform='translate({_PANEL * number} 0)'>")
        parts += _panel([row for row in measured if row[key] > 0], key, title, colours)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _panel(rows: Sequence[dict[str, Any]], key: str, title: str, colours: dict[str, str]) -> list[str]:
    if not rows:
        return [f"<text x='{_LEFT}' y='{_HEIGHT / 2}' {_FONT}>nothing measured</text>"]
    x_range, y_range = (_decades([row[name] for row in rows]) for name in (key, "prove_seconds"))

    def x_of(value: float) -> float:
        return _LEFT + (_PANEL - _LEFT - _RIGHT) * _part(value, x_range)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * _part(value, y_range)

    parts = []
    for power in range(x_range[0], x_range[1] + 1):
        x = x_of(10.0**power)
        parts.append(f"<path d='M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}' stroke='#e5e7eb'/>")
        label = _power(power)
        parts.append(
            f"<text x='{x:.1f}' y='{_HEIGHT - _BOTTOM + 16}' text-anchor='middle' {_FONT}>{label}</text>"
        )
    for power in range(y_range[0], y_range[1] + 1):
        y = y_of(10.0**power)
        parts.append(f"<path d='M{_LEFT} {y:.1f}H{_PANEL - _RIGHT}' stroke='#e5e7eb'/>")
        parts.append(
            f"<text x='{_LEFT - 8}' y='{y + 4:.1f}' text-anchor='end' {_FONT}>{_power(power)} s</text>"
        )
    middle = (_LEFT + _PANEL - _RIGHT) / 2
    parts.append(f"<text x='{middle}' y='{_HEIGHT - 10}' text-anchor='middle' {_FONT}>{title}</text>")
    for row in rows:
        x, y = x_of(row[key]), y_of(row["prove_seconds"])
        side = ("end", -8) if x > _PANEL * 0.7 else ("start", 8)
        parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' fill='{colours[row['backend']]}'/>")
        parts.append(
            f"<text x='{x + side[1]:.1f}' y='{y + 4:.1f}' text-anchor='{side[0]}' {_FONT}>"
            f"{escape(row['circuit'])}</text>"
        )
    return parts


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that hold the values between them."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _part(value: float, decades: tuple[int, int]) -> float:
    return (math.log10(value) - decades[0]) / (decades[1] - decades[0])


def _power(power: int) -> str:
    names = {-3: "0.001", -2: "0.01", -1: "0.1", 0: "1", 1: "10", 2: "100", 3: "1,000", 4: "10,000"}
    return names.get(power, f"10<tspan dy='-4' font-size='9'>{power}</tspan>")
