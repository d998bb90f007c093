"""Draws a dispute as SVG: the trace from end to end, and the descent through it, round by round, to the cell
that decides.

On top lies the trace as a bar, a stripe for each tensor, with the place of the disputed leaf. Below, each
round is a row of the hashes that the asserter revealed: those that the challenger passed over, because they
were its own, the one it chose, and those that did not matter any more. The last row are leaves. At the bottom
stand the cell and the verdict.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from challenger.history import ClaimHistory, GameHistory, Round, Verdict
from challenger.rounds import Rounds
from circuits.circuit import Circuit
from circuits.records import Record, Region
from contracts.claim_status import ClaimStatus

WIDTH, MARGIN = 920, 30
INNER = WIDTH - 2 * MARGIN
HEAD, BAR, ROW, GAP, CARD = 112, 26, 34, 50, 74
LEGEND = (("same", "as the challenger's", 128), ("chosen", "differs", 72), ("rest", "not looked at", 0))
"""The colours of the rows: the style, what it means, and the width of that."""
STYLE = """
svg{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;background:#fff}
.title{font-size:17px;font-weight:600;fill:#16202e}.fact{font-size:12px;fill:#5a6677}.strong{font-size:13px;fill:#16202e}
.mono{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:9.5px;fill:#5a6677}
.same{fill:#e3f1e8;stroke:#9cc9ae}.chosen{fill:#fbe3df;stroke:#c9483a;stroke-width:1.6}.rest{fill:#f1f4f8;stroke:#c3ccd8}
.even{fill:#c9d6e6}.odd{fill:#dde6f0}.hit{fill:#c9483a}.fan{fill:#c9483a;opacity:.10}.card{fill:#fff;stroke:#c9483a;stroke-width:1.6}
.won{fill:#2c7a4b}.lost{fill:#b3382b}.open{fill:#8a6a12}.badge{font-size:12px;font-weight:600;fill:#fff}
@media(prefers-color-scheme:dark){svg{background:#12171f}.title,.strong{fill:#eef2f7}.fact,.mono{fill:#aab6c5}
.same{fill:#1d3326;stroke:#47795b}.chosen{fill:#47211d;stroke:#e87868}.rest{fill:#1f2630;stroke:#3c4858}
.even{fill:#3a4a5e}.odd{fill:#2a3644}.hit,.fan{fill:#e87868}.card{fill:#1a212b;stroke:#e87868}}
"""


def draw_dispute(history: ClaimHistory, game: GameHistory, circuit: Circuit | None = None) -> str:
    """One game about a claim as an SVG document.

    Parameters
    ----------
    circuit
        The claim's circuit, whose layers are then named.
    """
    rounds = Rounds(history.header.trace_depth)
    y = HEAD
    parts = [*_head(history, game, rounds), *_trace_bar(history, game, circuit, rounds, y)]
    source, bottom = _Span(MARGIN, MARGIN + INNER), y + BAR
    for shown in game.rounds:
        y = bottom + GAP
        chosen = _chosen(game, shown, rounds)
        parts += [_fan(source, bottom, y), *_row(shown, chosen, rounds, y)]
        source = _Span(MARGIN, MARGIN + INNER) if chosen is None else _box(chosen, len(shown.children))
        bottom = y + ROW
    y = bottom + (GAP if game.verdict is not None else MARGIN)
    if game.verdict is not None:
        parts += [_fan(source, bottom, y + 20), *_card(game, circuit, y)]
        y += CARD
    height = y + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}">',
            f"<title>Dispute about claim 0x{history.claim_id.hex()}</title><style>{STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


@dataclass(frozen=True)
class _Span:
    left: float
    right: float


def _head(history: ClaimHistory, game: GameHistory, rounds: Rounds) -> list[str]:
    leaves = history.header.trace_leaves
    model = history.claim.model_id.to_bytes(32, "big")
    sides = _short_address(history.claim.asserter), _short_address(game.challenger)
    badge, style = _badge(history, game)
    right = WIDTH - MARGIN
    return [
        _text(MARGIN, 34, f"Claim {_short(history.claim_id)}", "title"),
        f'<rect class="{style}" x="{right - 190}" y="17" width="190" height="24" rx="12"/>',
        f'<text class="badge" x="{right - 95}" y="33" text-anchor="middle">{html.escape(badge)}</text>',
        _text(MARGIN, 54, f"model {_short(model)}, claimed by {sides[0]}, disputed by {sides[1]}"),
        _text(
            MARGIN,
            71,
            f"a trace of {leaves:,} leaves in a tree of depth {rounds.depth}: "
            f"{_plural(rounds.count, 'round')}, {len(game.rounds)} revealed",
        ),
        *_legend(right),
    ]


def _legend(right: int) -> list[str]:
    """What the colours of the rows mean."""
    parts, x = [], right - 330
    for style, text, width in LEGEND:
        parts += [
            f'<rect class="{style}" x="{x}" y="61" width="11" height="11" rx="2"/>',
            _text(x + 17, 71, text),
        ]
        x += width + 17
    return parts


def _badge(history: ClaimHistory, game: GameHistory) -> tuple[str, str]:
    if game.verdict is None:
        return "in dispute", "open"
    if game.verdict.won:
        return "the claim is revoked", "lost"
    stands = history.status is ClaimStatus.FINAL
    return ("the claim stands" if stands else "the challenge failed"), "won"


def _trace_bar(
    history: ClaimHistory, game: GameHistory, circuit: Circuit | None, rounds: Rounds, y: int
) -> list[str]:
    """The trace as a bar; stripes are the tensors, where the circuit is known."""
    parts = []
    records = _trace_records(circuit)
    whole = max(1, history.header.trace_leaves)
    for number, record in enumerate(records):
        left, width = INNER * record.first / whole, INNER * record.leaves / whole
        name = html.escape(_layer_name(circuit, number))
        parts.append(
            f'<rect class="{"odd" if number % 2 else "even"}" x="{MARGIN + left:.1f}" y="{y}" '
            f'width="{max(width, 0.5):.1f}" height="{BAR}"><title>{name}</title></rect>'
        )
    if not records:
        parts.append(f'<rect class="even" x="{MARGIN}" y="{y}" width="{INNER}" height="{BAR}"/>')
    leaves = _disputed(game, rounds)
    if leaves is not None:
        first, last = (MARGIN + INNER * min(1.0, leaf / whole) for leaf in leaves)
        middle, name = (first + last) / 2, _layer_of(circuit, leaves[0])
        anchor = "start" if middle < WIDTH / 3 else "end" if middle > WIDTH * 2 / 3 else "middle"
        end = f" to {leaves[1] - 1:,}" if leaves[1] - leaves[0] > 1 else ""
        parts += [
            f'<rect class="hit" x="{first:.1f}" y="{y - 5}" width="{max(2.5, last - first):.1f}" '
            f'height="{BAR + 10}"/>',
            f'<text class="fact" x="{middle:.1f}" y="{y - 11}" text-anchor="{anchor}">'
            f"{html.escape(name)}leaf {leaves[0]:,}{end}</text>",
        ]
    return parts


def _disputed(game: GameHistory, rounds: Rounds) -> tuple[int, int] | None:
    """The leaves that are disputed, the first and the one behind the last; None before the first reveal."""
    if game.verdict is not None and game.verdict.leaf is not None:
        return game.verdict.leaf, game.verdict.leaf + 1
    if not game.rounds:
        return None
    last = game.rounds[-1]
    height = rounds.height(last.level)
    return last.position << height, (last.position + 1) << height


def _layer_of(circuit: Circuit | None, leaf: int) -> str:
    """The layer that a leaf belongs to, where that is known."""
    for number, record in enumerate(_trace_records(circuit)):
        if record.first <= leaf < record.first + record.leaves:
            return f"{_layer_name(circuit, number)}, "
    return ""


def _row(shown: Round, chosen: int | None, rounds: Rounds, y: int) -> list[str]:
    """The hashes or leaves of one round."""
    count = len(shown.children)
    first = shown.position * count
    below = 1 << rounds.bottom(shown.level)
    what = "leaves" if shown.leaves else f"subtrees of {_plural(below, 'leaf', 'leaves')}"
    parts = [_text(MARGIN, y - 9, f"round {shown.level + 1}: {count} {what}")]
    for child in range(count):
        box = _box(child, count)
        if chosen is None:
            style = "rest"
        else:
            style = "same" if child < chosen else "chosen" if child == chosen else "rest"
        parts.append(
            f'<rect class="{style}" x="{box.left + 2:.1f}" y="{y}" width="{box.right - box.left - 4:.1f}" '
            f'height="{ROW}" rx="3"/>'
        )
        label = f"{first + child:,}" if shown.leaves else shown.children[child][:3].hex()
        middle = (box.left + box.right) / 2
        parts.append(f'<text class="mono" x="{middle:.1f}" y="{y + 21}" text-anchor="middle">{label}</text>')
    return parts


def _chosen(game: GameHistory, shown: Round, rounds: Rounds) -> int | None:
    """The child that the challenger named; among leaves, the one of the cell that was looked at."""
    if not shown.leaves or game.verdict is None or game.verdict.leaf is None:
        return shown.chosen
    child = game.verdict.leaf - (shown.position << rounds.levels(shown.level))
    return child if 0 <= child < len(shown.children) else None


def _box(child: int, count: int) -> _Span:
    width = INNER / count
    return _Span(MARGIN + child * width, MARGIN + (child + 1) * width)


def _fan(source: _Span, top: float, bottom: float) -> str:
    """From the chosen child to the row of its own children."""
    return (
        f'<polygon class="fan" points="{source.left:.1f},{top} {source.right:.1f},{top} '
        f'{MARGIN + INNER},{bottom - 26} {MARGIN},{bottom - 26}"/>'
    )


def _card(game: GameHistory, circuit: Circuit | None, y: int) -> list[str]:
    """What decided the game."""
    verdict = game.verdict
    assert verdict is not None
    lines = [ENDINGS.get((verdict.move, verdict.won), f"decided by {verdict.move}")]
    if verdict.record is not None:
        lines.append(_where(verdict, circuit))
    lines.append(
        "half of the asserter's bond is the challenger's, the other half is burnt"
        if verdict.won
        else "half of the challenger's bond is the asserter's, the other half is burnt"
    )
    return [
        f'<rect class="card" x="{MARGIN}" y="{y}" width="{INNER}" height="{CARD}" rx="6"/>',
        _text(MARGIN + 16, y + 24, lines[0], "strong"),
        *(_text(MARGIN + 16, y + 24 + 19 * i, line) for i, line in enumerate(lines[1:], start=1)),
    ]


def _where(verdict: Verdict, circuit: Circuit | None) -> str:
    """The cell that was looked at, and its two values."""
    what = "byte" if verdict.claimed is None else "cell"
    text = f"{what} {verdict.index:,} of op record {verdict.record}"
    if circuit is not None and verdict.record is not None:
        found = circuit.identity.plan.records[verdict.record]
        text += f", {found.kind.name} in {_layer_name(circuit, verdict.record)} {_shape(found)}"
    if verdict.claimed is not None:
        value = "no value at all" if verdict.recomputed is None else _number(verdict.recomputed)
        text += f": claimed {_number(verdict.claimed)}, recomputed {value}"
    return text


ENDINGS = {
    (
        "proveCell",
        True,
    ): "The contract recomputed one cell of the disputed leaf: it is not what the asserter committed to.",
    ("proveCell", False): "The contract recomputed the cell that the challenger named: it is right.",
    (
        "proveOutput",
        True,
    ): "The contract recomputed an output from the asserter's trace: it is not the claim's.",
    ("proveOutput", False): "The contract recomputed the output that the challenger named: it is right.",
    (
        "provePadding",
        True,
    ): "The asserter committed to bytes behind a tensor's last element that are not zero.",
    ("provePadding", False): "The byte of padding that the challenger named is zero.",
    ("proveInput", True): "The claim is about an input that the model does not admit.",
    ("proveInput", False): "The input that the challenger named is within its bound.",
    ("expire", True): "The asserter did not answer in time.",
    ("expire", False): "The challenger did not move in time.",
    ("close", True): "The claim had fallen to another challenger.",
    ("close", False): "The claim was settled by a proof.",
}


def _trace_records(circuit: Circuit | None) -> list[Record]:
    if circuit is None:
        return []
    return [record for record in circuit.identity.plan.records if record.region is Region.TRACE]


def _layer_name(circuit: Circuit | None, record: int) -> str:
    """The layer that a record's tensor belongs to."""
    if circuit is None:
        return f"record {record}"
    node = circuit.identity.plan.nodes[record]
    if node is None:
        return "partial sums"
    found = circuit.nodes[node]
    return found.label or found.op


def _shape(record: Record) -> str:
    return f"[{' × '.join(str(size) for size in record.dims if size > 1) or '1'}]"


def _text(x: float, y: float, text: str, style: str = "fact") -> str:
    return f'<text class="{style}" x="{x}" y="{y}">{html.escape(text)}</text>'


def _number(value: int) -> str:
    return f"{value:,}".replace("-", "−")


def _short(digest: bytes) -> str:
    return f"0x{digest[:4].hex()}…{digest[-3:].hex()}"


def _short_address(address: str) -> str:
    return f"{address[:8]}…{address[-4:]}"


def _plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
