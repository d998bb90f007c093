"""Charts as SVG, made here: they need no script, and follow the page's colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 640
NARROW = 400
LEFT, RIGHT, FOOT = 56, 16, 34
ROW = 34
MOST_TICKS = 5


@dataclass(frozen=True)
class Spread:
    """A row of `spreads`: from a smaller value to a larger one, both over 0, or none."""

    name: str
    low: float
    high: float


def spreads(rows: Sequence[Spread], low: str, high: str, axis: str) -> Markup:
    """Rows of two marks each on a logarithmic axis, say a mean and a largest error.

    Parameters
    ----------
    low, high
        What the marks mean.
    axis
        What the axis measures; values are shown as percentages.
    """
    values = [value for row in rows for value in (row.low, row.high) if value > 0]
    first = math.floor(math.log10(min(values, default=0.01)))
    last = max(first + 1, math.ceil(math.log10(max(values, default=1.0))))
    height = 26 + ROW * len(rows) + FOOT
    left = LEFT + 8

    def place(value: float) -> float:
        share = (math.log10(value) - first) / (last - first)
        return left + (WIDTH - left - RIGHT - 12) * share

    bottom = height - FOOT
    parts = [_open(height, f"{axis}: {low} and {high}")]
    for power in range(first, last + 1):
        for digit in (1, 2, 5) if last - first < 3 and power < last else (1,):
            x = place(digit * 10.0**power)
            parts += [
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{bottom}"/>',
                _text(x, bottom + 14, f"{digit * 10.0 ** (power + 2):.10g} %", "middle"),
            ]
    parts.append(_text(WIDTH - RIGHT, height - 4, axis, "end"))
    parts += [
        f'<circle class="mark second" cx="{left + 4}" cy="8" r="4"/>',
        _text(left + 14, 12, low),
        f'<circle class="mark" cx="{left + 110}" cy="8" r="4"/>',
        _text(left + 120, 12, high),
    ]
    for number, row in enumerate(rows):
        y = 26 + ROW * number + ROW / 2
        parts.append(_text(left - 12, y + 4, row.name, "end"))
        if row.low > 0 and row.high > 0:
            parts.append(
                f'<line class="link" x1="{place(row.low):.1f}" x2="{place(row.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        for style, value, what in (("mark second", row.low, low), ("mark", row.high, high)):
            if value > 0:
                parts.append(
                    f'<circle class="{style}" cx="{place(value):.1f}" cy="{y}" r="5">'
                    f"<title>{escape(row.name)}, {escape(what)}: {100 * value:.3g} %</title></circle>"
                )
    return Markup("".join([*parts, "</svg>"]))


@dataclass(frozen=True)
class Column:
    """A column of `columns`; `name` stands below it where there is room, `title` says what it is in full."""

    name: str
    title: str
    value: float


def columns(found: Sequence[Column], axis: str) -> Markup:
    """Columns side by side over a linear axis that begins at 0.

    Parameters
    ----------
    axis
        What the axis measures, with its unit.
    """
    width, height, head = NARROW, 200, 26
    step = _step(max((column.value for column in found), default=0.0))
    if all(float(column.value).is_integer() for column in found):
        step = max(step, 1.0)
    top = step * max(1, math.ceil(max((column.value for column in found), default=0.0) / step))
    bottom, inner = height - FOOT + 8, width - LEFT - RIGHT
    parts = [_open(height, axis, width), _text(0, 12, axis)]
    for tick in range(round(top / step) + 1):
        y = bottom - (bottom - head) * tick * step / top
        line = "axis" if tick == 0 else "grid"
        parts += [
            f'<line class="{line}" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            _text(LEFT - 8, y + 4, f"{tick * step:,.6g}", "end"),
        ]
    each = inner / max(1, len(found))
    every = max(1, math.ceil(len(found) / 5))
    for number, column in enumerate(found):
        x, tall = LEFT + each * number, (bottom - head) * column.value / top
        if column.value > 0:
            parts.append(
                f'<rect class="mark" x="{x + each * 0.15:.1f}" width="{each * 0.7:.1f}" '
                f'y="{bottom - tall:.1f}" height="{max(tall, 1):.1f}" rx="2"><title>{escape(column.title)}'
                "</title></rect>"
            )
        if (len(found) - 1 - number) % every == 0:
            parts.append(_text(x + each / 2, bottom + 16, column.name, "middle"))
    return Markup("".join([*parts, "</svg>"]))


def bar(share: float, style: str = "") -> Markup:
    """A bar of which a share, 0 to 1, is filled; the number itself stands beside it."""
    width = 100 * min(1.0, max(0.0, share))
    return Markup(
        f'<svg class="bar {escape(style)}" viewBox="0 0 100 10" preserveAspectRatio="none" '
        f'aria-hidden="true"><rect width="{width:.2f}" height="10"/></svg>'
    )


def picture(values: Sequence[int], side: int, low: int, high: int) -> Markup:
    """A square image of integers, row by row; `high` and above are white, `low` and below are black."""
    spread = max(1, high - low)
    parts = [
        f'<svg class="picture" viewBox="0 0 {side} {side}" role="img" shape-rendering="crispEdges">'
        f"<title>the input, an image of {side} by {side} pixels</title>"
    ]
    for place, value in enumerate(values):
        light = min(1.0, max(0.0, (value - low) / spread))
        if light > 0:
            y, x = divmod(place, side)
            parts.append(f'<rect x="{x}" y="{y}" width="1" height="1" fill-opacity="{light:.3g}"/>')
    return Markup("".join([*parts, "</svg>"]))


def _step(largest: float) -> float:
    """The distance of ticks: 1, 2 or 5 times a power of ten."""
    if largest <= 0:
        return 1.0
    raw = largest / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def _open(height: float, title: str, width: int = WIDTH) -> str:
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img"><title>{escape(title)}</title>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
