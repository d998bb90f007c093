"""Draws the graph of a circuit as SVG: one box an operation, layer below layer, coloured by what a prover
must do for it."""

from __future__ import annotations

import html

from circuits.circuit import Circuit, Node
from circuits.cost import WITNESSED, cost_of

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 236, 58, 28, 34, 40
AFFINE = frozenset({"add", "sub", "mul", "matmul", "conv", "reduce_sum"})
STYLE = """
svg{font-family:system-ui,-apple-system,"Segoe UI",sans-serif;background:#fff}
.box{stroke-width:1.2}
.source{fill:#eef1f5;stroke:#8792a2}
.move{fill:#f7f8fa;stroke:#b9c2cf}
.affine{fill:#e3eefc;stroke:#4a83c9}
.witness{fill:#fdeedd;stroke:#d98a34}
.op{font-size:14px;font-weight:600;fill:#16202e}
.fact{font-size:11px;fill:#4b5768}
.from{font-size:10px;fill:#7b8798}
.edge{fill:none;stroke:#8a95a5;stroke-width:1.3}
.key{font-size:12px;fill:#4b5768}
@media(prefers-color-scheme:dark){
svg{background:#12171f}
.source{fill:#232b37;stroke:#64748b}
.move{fill:#1a212b;stroke:#475569}
.affine{fill:#16304f;stroke:#5b9bea}
.witness{fill:#4a2f12;stroke:#e59c4b}
.op{fill:#eef2f7}
.fact{fill:#b7c2d0}
.from{fill:#8694a6}
.edge{stroke:#66758a}
.key{fill:#b7c2d0}
}
"""


def draw(circuit: Circuit) -> str:
    """The circuit as an SVG document; constants are told by the operations that read them."""
    shown = [i for i, node in enumerate(circuit.nodes) if node.op != "constant"]
    rows: dict[int, list[int]] = {}
    depth: dict[int, int] = {}
    for i in shown:
        above = [depth[x] for x in circuit.nodes[i].inputs if x in depth]
        depth[i] = 1 + max(above, default=-1)
        rows.setdefault(depth[i], []).append(i)
    widest = max(len(row) for row in rows.values())
    width = max(2 * MARGIN + widest * (BOX_WIDTH + GAP_X) - GAP_X, 640)
    height = 2 * MARGIN + len(rows) * (BOX_HEIGHT + GAP_Y) + 24
    place = {
        i: (
            (width - len(row) * (BOX_WIDTH + GAP_X) + GAP_X) / 2 + k * (BOX_WIDTH + GAP_X),
            MARGIN + 24 + level * (BOX_HEIGHT + GAP_Y),
        )
        for level, row in rows.items()
        for k, i in enumerate(row)
    }
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">',
        f"<title>{escape(', '.join(port.name for port in circuit.outputs))}</title><style>{STYLE}</style>",
        _key(width),
    ]
    parts += [_edge(place[x], place[i]) for i in shown for x in circuit.nodes[i].inputs if x in place]
    outputs = {port.node: port.name for port in circuit.outputs}
    parts += [_box(circuit, i, place[i], outputs.get(i)) for i in shown]
    return "\n".join([*parts, "</svg>\n"])


def _family(node: Node) -> str:
    if node.op in WITNESSED:
        return "witness"
    return "affine" if node.op in AFFINE else "source" if node.op == "input" else "move"


def _box(circuit: Circuit, i: int, at: tuple[float, float], output: str | None) -> str:
    node = circuit.nodes[i]
    x, y = at
    constants = [
        "×".join(map(str, circuit.nodes[c].shape)) or "1"
        for c in node.inputs
        if circuit.nodes[c].op == "constant"
    ]
    title = node.op + (f" [{', '.join(constants)}]" if constants else "")
    bits = max((-node.lo - 1).bit_length() if node.lo < 0 else node.lo.bit_length(), node.hi.bit_length()) + (
        node.lo < 0
    )
    macs = cost_of(circuit, node).macs
    facts = f"{'×'.join(map(str, node.shape)) or 'scalar'} · {bits} bits" + (
        f" · {macs:,} MACs" if macs else ""
    )
    name = f"output {output}" if output else node.label
    return (
        f'<g><rect class="box {_family(node)}" x="{x:g}" y="{y:g}" '
        f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
        f"<title>{escape(f'{i}: {node.op} in [{node.lo}, {node.hi}] from {node.label}')}</title>"
        f'<text class="op" x="{x + 12:g}" y="{y + 20:g}">{escape(_short(title, 28))}</text>'
        f'<text class="fact" x="{x + 12:g}" y="{y + 36:g}">{escape(_short(facts, 40))}</text>'
        f'<text class="from" x="{x + 12:g}" y="{y + 50:g}">{escape(_short(name, 42))}</text></g>'
    )


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x0, y0 = start[0] + BOX_WIDTH / 2, start[1] + BOX_HEIGHT
    x1, y1 = end[0] + BOX_WIDTH / 2, end[1]
    bend = max(GAP_Y / 2, (y1 - y0) / 2)
    return f'<path class="edge" d="M{x0:g} {y0:g}C{x0:g} {y0 + bend:g} {x1:g} {y1 - bend:g} {x1:g} {y1:g}"/>'


def _key(width: float) -> str:
    entries = (
        ("source", "input"),
        ("move", "movement"),
        ("affine", "linear"),
        ("witness", "committed by a prover"),
    )
    boxes = [
        f'<rect class="box {family}" x="{MARGIN + k * 130}" y="14" width="18" height="14" rx="3"/>'
        f'<text class="key" x="{MARGIN + k * 130 + 24}" y="26">{text}</text>'
        for k, (family, text) in enumerate(entries)
    ]
    return "".join(boxes)


def escape(text: str) -> str:
    """Text of strangers for XML, which has no room for control characters."""
    return html.escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
