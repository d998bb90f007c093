"""Where the cards of a drawing stand and how lines run between them.

Cards stand in rows, each below those it reads; a row's cards side by side. Rows follow one another down a
column, and columns from left to right, broken where few lines cross. A line to the next row runs straight
down; a longer one runs down a channel beside the cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

CARD_WIDTH = 248
GAP_X, GAP_Y = 26, 34
MARGIN, TOP = 36, 108
CHANNEL = 11
"""Between lines that run down side by side."""
LEAST_WIDTH = 640
"""What the heading takes."""
ASPECT = 1.5
"""Width over height that a long network's drawing comes near to."""
SHORT = 1500
"""A column this high stays one."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Card:
    """The left upper corner of a card, its row and its column."""

    x: float
    y: float
    row: int
    column: int


@dataclass(frozen=True)
class Edge:
    """A line through points with right angles; `far` if it passes other cards."""

    points: list[Point]
    far: bool


@dataclass(frozen=True)
class Plan:
    """A whole drawing."""

    cards: list[Card]
    edges: list[Edge]
    width: float
    height: float


def arrange(reads: Sequence[Sequence[int]], heights: Sequence[int]) -> Plan:
    """Place cards of the given heights, each reading cards before it."""
    rows = _rows(reads)
    of = {k: r for r, row in enumerate(rows) for k in row}
    tall = [max(heights[k] for k in row) for row in rows]
    column_of = _columns(reads, of, tall, max(map(len, rows)))
    columns = max(column_of) + 1
    channels = _channels(reads, of, column_of)
    wide = [0] * columns
    for r, row in enumerate(rows):
        wide[column_of[r]] = max(wide[column_of[r]], len(row) * (CARD_WIDTH + GAP_X) - GAP_X)
    lanes = [0] * columns
    for used in channels.values():
        for column, lane in used:
            lanes[column] = max(lanes[column], lane + 1)
    own = [w + GAP_X + n * CHANNEL for w, n in zip(wide, lanes, strict=True)]
    x = MARGIN + max(0.0, (LEAST_WIDTH - 2 * MARGIN - sum(own) - GAP_X * (columns - 1)) / 2)
    left: list[float] = []
    for w in own:
        left.append(x)
        x += w + GAP_X
    width = max(LEAST_WIDTH, x - GAP_X + MARGIN)
    cards: dict[int, Card] = {}
    y, bottom = float(TOP), 0.0
    for r, row in enumerate(rows):
        column = column_of[r]
        if r and column != column_of[r - 1]:
            y = TOP
        start = left[column] + (wide[column] - len(row) * (CARD_WIDTH + GAP_X) + GAP_X) / 2
        for place, k in enumerate(row):
            cards[k] = Card(start + place * (CARD_WIDTH + GAP_X), y, r, column)
        y += tall[r] + GAP_Y
        bottom = max(bottom, y)
    edges = []
    for k, sources in enumerate(reads):
        for s in sources:
            beside = [
                left[column] + wide[column] + GAP_X / 2 + CHANNEL * (lane + 0.5)
                for column, lane in channels.get((s, k), [])
            ]
            edges.append(_route(cards[s], heights[s], cards[k], tall[of[s]], beside))
    return Plan([cards[k] for k in range(len(reads))], edges, width, bottom - GAP_Y + MARGIN)


def _rows(reads: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cards by the longest path to them; inputs just above their first reader; parents' order kept in each
    row."""
    depth: list[int] = []
    for sources in reads:
        depth.append(1 + max((depth[s] for s in sources), default=-1))
    first = [len(reads)] * len(reads)
    for k, sources in enumerate(reads):
        for s in sources:
            first[s] = min(first[s], depth[k])
    rows: dict[int, list[int]] = {}
    for k, sources in enumerate(reads):
        rows.setdefault(depth[k] if sources or first[k] == len(reads) else first[k] - 1, []).append(k)
    place: dict[int, float] = {}
    ordered = []
    for r in sorted(rows):
        row = sorted(rows[r], key=lambda k: (_middle([place[s] for s in reads[k]]), k))
        place |= {k: at - (len(row) - 1) / 2 for at, k in enumerate(row)}
        ordered.append(row)
    return ordered


def _middle(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.0


def _columns(
    reads: Sequence[Sequence[int]], of: dict[int, int], tall: Sequence[int], widest: int
) -> list[int]:
    """The column of each row: as many columns as make a good page, broken where few lines cross."""
    height = sum(tall) + GAP_Y * len(tall)
    width = widest * (CARD_WIDTH + GAP_X) + 3 * GAP_X
    columns = max(1, min(round((ASPECT * height / width) ** 0.5), -(-height // SHORT)))
    changes = [0] * (len(tall) + 1)
    for k, sources in enumerate(reads):
        for s in sources:
            changes[of[s] + 1] += 1
            changes[of[k] + 1] -= 1
    live = list(accumulate(changes))
    ends = list(accumulate(t + GAP_Y for t in tall))
    breaks = set()
    for c in range(1, columns):
        target = height * c / columns
        near = [r for r in range(1, len(tall)) if abs(ends[r - 1] - target) < height / columns / 10]
        if near:
            breaks.add(min(near, key=lambda r: (live[r], abs(ends[r - 1] - target))))
    return list(accumulate(int(r in breaks) for r in range(len(tall))))


def _channels(
    reads: Sequence[Sequence[int]], of: dict[int, int], column_of: Sequence[int]
) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """For each line that does not just run to the next row: the columns beside which it runs, and its lane
    there. From one column to the next but one it runs beside both."""
    spans: dict[int, list[tuple[int, int, tuple[int, int]]]] = {}
    for k, sources in enumerate(reads):
        for s in sources:
            start, end = of[s], of[k]
            beside = range(column_of[start], max(column_of[start] + 1, column_of[end]))
            if column_of[start] != column_of[end]:
                for column in {beside[0], beside[-1]}:
                    spans.setdefault(column, []).append((0, len(column_of), (s, k)))
            elif end > start + 1:
                spans.setdefault(column_of[start], []).append((start, end, (s, k)))
    channels: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for column in sorted(spans):
        free: list[int] = []
        for start, end, edge in sorted(spans[column], key=lambda span: (span[0], span[0] - span[1])):
            lane = next((n for n, until in enumerate(free) if until <= start), len(free))
            if lane == len(free):
                free.append(0)
            free[lane] = end
            channels.setdefault(edge, []).append((column, lane))
    return channels


def _route(source: Card, height: int, target: Card, tall: int, beside: Sequence[float]) -> Edge:
    """The line from a card's bottom to another's top, by way of the channels at x = `beside`."""
    x0, y0 = source.x + CARD_WIDTH / 2, source.y + height
    x1, y1 = target.x + CARD_WIDTH / 2, target.y
    below, above = source.y + tall + GAP_Y * 0.4, y1 - GAP_Y * 0.4
    if not beside:
        turn = source.y + tall + GAP_Y / 2
        points = [(x0, y0), (x1, y1)] if x0 == x1 else [(x0, y0), (x0, turn), (x1, turn), (x1, y1)]
        return Edge(points, False)
    first, last = beside[0], beside[-1]
    over = [] if first == last else [(first, TOP - GAP_Y * 0.6), (last, TOP - GAP_Y * 0.6)]
    return Edge([(x0, y0), (x0, below), (first, below), *over, (last, above), (x1, above), (x1, y1)], True)
