"""Draws a circuit as SVG: one card for each layer, that is for the operations of one ONNX node, coloured by
what a prover must do for them.

A card shows its layer's name, the shape and width of what it yields, its operations in order, and two bars:
how much of the circuit's multiply-accumulates and of the values that a prover commits to are its own. Long
networks go on in the next column, as a newspaper does.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from dataclasses import dataclass

from circuits.circuit import Circuit, Node
from circuits.cost import WITNESSED, Cost, shortened, total
from circuits.drawing_layout import CARD_WIDTH, MARGIN, TOP, Card, Edge, arrange
from circuits.layers import Layer, layers

AFFINE = frozenset({"add", "sub", "mul", "matmul", "conv", "reduce_sum"})
LINE, HEAD, FOOT, PLAIN_FOOT = 15, 44, 16, 4
TEXT_WIDTH = CARD_WIDTH - 24
MOST_LINES = 4
AFTER_DOT = ' dx="4"'
STYLE = """
svg{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;background:#fff}
.card{fill:#fff;stroke:#c3ccd8;stroke-width:1.1}.port{fill:#f1f4f8;stroke:#8f9bad}
.name{font-size:13px;font-weight:600;fill:#16202e}.fact{font-size:11px;fill:#5a6677}.path{font-size:10px;fill:#8793a3}
.op{font-size:11px}.op .path{font-size:11px}
.move{fill:#7b8798}.affine{fill:#2f6db5}.witness{fill:#bd6a12}.none{fill:#e6eaf0}
.edge{fill:none;stroke:#9aa6b6;stroke-width:1.4}.far{stroke:#b9c2ce}
.title{font-size:17px;font-weight:600;fill:#16202e}.key{font-size:12px;fill:#5a6677}
@media(prefers-color-scheme:dark){svg{background:#12171f}.card{fill:#1a212b;stroke:#3c4858}.port{fill:#232b37;stroke:#64748b}
.name,.title{fill:#eef2f7}.fact,.key{fill:#aab6c5}.path{fill:#7f8c9d}.move{fill:#8d9aac}.affine{fill:#6aa5ee}
.witness{fill:#e8a04d}.none{fill:#2a333f}.edge{stroke:#66758a}.far{stroke:#4d5a6b}}
"""


def draw(circuit: Circuit) -> str:
    """The circuit as an SVG document; constants are told by the operations that read them."""
    found = layers(circuit)
    faces = [_face(circuit, layer) for layer in found]
    plan = arrange([layer.reads for layer in found], [face.height for face in faces])
    whole = total(circuit)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {plan.width:g} {plan.height:g}" '
        f'width="{plan.width:g}" height="{plan.height:g}">',
        f"<title>{escape(', '.join(port.name for port in circuit.outputs))}</title><style>{STYLE}</style>",
        *_head(circuit, whole),
    ]
    parts += [_edge(edge) for edge in plan.edges]
    parts += [_card(circuit, *pair, whole) for pair in zip(faces, plan.cards, strict=True)]
    return "\n".join([*parts, "</svg>\n"])


@dataclass(frozen=True)
class Face:
    """What a card shows."""

    layer: Layer
    name: str
    path: str
    cost: Cost
    lines: list[list[tuple[str, str]]]
    """The operations, line by line: the text of each and its family."""

    @property
    def height(self) -> int:
        """The height that the text takes."""
        return HEAD + LINE * len(self.lines) + (FOOT if self.cost.macs or self.cost.witness else PLAIN_FOOT)


def _face(circuit: Circuit, layer: Layer) -> Face:
    nodes = [circuit.nodes[i] for i in layer.nodes]
    outputs = [port.name for port in circuit.outputs if port.node in layer.nodes]
    path, _, name = layer.label.rpartition("/")
    if nodes[0].op == "input":
        path, name = "", f"input {layer.label}"
    if outputs:
        path = "output " + ", ".join(dict.fromkeys(outputs))
    counts = Counter(_operation(circuit, node) for node in nodes if node.op != "input")
    words = [(f"{text} ×{n}" if n > 1 else text, family) for (text, family), n in counts.items()]
    lines: list[list[tuple[str, str]]] = []
    for word in words:
        if lines and _width([*lines[-1], word]) <= TEXT_WIDTH:
            lines[-1].append(word)
        else:
            lines.append([word])
    if len(lines) > MOST_LINES:
        rest = sum(map(len, lines[MOST_LINES - 1 :]))
        lines[MOST_LINES - 1 :] = [[(f"and {rest} more", "move")]]
    return Face(layer, name or nodes[-1].op, path, layer.cost(circuit), lines)


def _operation(circuit: Circuit, node: Node) -> tuple[str, str]:
    """An operation with the shapes of the constants it reads, and its family."""
    constants = [circuit.nodes[x].shape for x in node.inputs if circuit.nodes[x].op == "constant"]
    shapes = ["×".join(map(str, shape)) for shape in constants if math.prod(shape) > 1]
    text = f"{node.op} {' '.join(shapes)}" if shapes and node.op != "table" else node.op
    if node.op in WITNESSED:
        return text, "witness"
    return text, "affine" if node.op in AFFINE else "move"


def _width(words: list[tuple[str, str]]) -> float:
    """About how wide words are on a line of operations."""
    return sum(6.3 * len(text) + 12 for text, _ in words)


def _card(circuit: Circuit, face: Face, card: Card, whole: Cost) -> str:
    last = circuit.nodes[face.layer.nodes[-1]]
    own = face.cost
    bits = max((-last.lo - 1).bit_length() if last.lo < 0 else 0, last.hi.bit_length() if last.hi > 0 else 0)
    facts = f"{'×'.join(map(str, last.shape)) or 'scalar'} · {bits + (last.lo < 0)} bits"
    macs = f"{shortened(own.macs)} MACs" if own.macs else ""
    x, y, name = card.x + 12, card.y, _short(face.name, 26)
    family = "card" if last.op != "input" and not face.path.startswith("output") else "card port"
    text = [
        f'<g><rect class="{family}" x="{card.x:g}" y="{y:g}" width="{CARD_WIDTH}" height="{face.height}" '
        'rx="9"/>',
        f"<title>{escape(_tooltip(circuit, face.layer))}</title>",
        f'<text class="name" x="{x:g}" y="{y + 19:g}">{escape(name)}</text>',
        f'<text class="path" x="{card.x + CARD_WIDTH - 12:g}" y="{y + 19:g}" text-anchor="end">'
        f"{escape(_tail(face.path, int((TEXT_WIDTH - 8.3 * len(name)) / 5.9)))}</text>",
        f'<text class="fact" x="{x:g}" y="{y + 35:g}">{facts}</text>',
        f'<text class="fact" x="{card.x + CARD_WIDTH - 12:g}" y="{y + 35:g}" text-anchor="end">{macs}</text>',
    ]
    for k, line in enumerate(face.lines):
        spans = '<tspan class="path" dx="4">·</tspan>'.join(
            f'<tspan class="{kind}"{AFTER_DOT if place else ""}>{escape(word)}</tspan>'
            for place, (word, kind) in enumerate(line)
        )
        text.append(f'<text class="op" x="{x:g}" y="{y + HEAD + 8 + LINE * k:g}">{spans}</text>')
    shares = [("affine", own.macs, whole.macs), ("witness", own.witness, whole.witness)]
    for k, (kind, part, all_of_it) in enumerate(shares if own.macs or own.witness else []):
        width, at = TEXT_WIDTH / 2 - 3, x + k * (TEXT_WIDTH / 2 + 3)
        filled = width * (part / all_of_it) ** 0.5 if all_of_it else 0
        foot = f'y="{y + face.height - 10:g}" height="3" rx="1.5"'
        text.append(f'<rect class="none" x="{at:g}" width="{width:g}" {foot}/>')
        if filled >= 1:
            text.append(f'<rect class="{kind}" x="{at:g}" width="{filled:.1f}" {foot}/>')
    return "".join([*text, "</g>"])


def _tooltip(circuit: Circuit, layer: Layer) -> str:
    lines = [layer.label or "unnamed"]
    for i in layer.nodes[:40]:
        node = circuit.nodes[i]
        lines.append(f"{i}: {node.op} {'×'.join(map(str, node.shape))} in [{node.lo:,}, {node.hi:,}]")
    return "; ".join([*lines, *(["…"] if len(layer.nodes) > 40 else [])])


def _edge(edge: Edge) -> str:
    """A line through points, its corners rounded."""
    (x, y), *rest = edge.points
    path = [f"M{x:g} {y:g}"]
    for k, (x1, y1) in enumerate(rest):
        if k == len(rest) - 1:
            path.append(f"L{x1:g} {y1:g}")
            break
        x2, y2 = rest[k + 1]
        before = min(8.0, math.hypot(x1 - x, y1 - y) / 2)
        after = min(8.0, math.hypot(x2 - x1, y2 - y1) / 2)
        start = x1 - math.copysign(before, x1 - x) * (x1 != x), y1 - math.copysign(before, y1 - y) * (y1 != y)
        end = x1 + math.copysign(after, x2 - x1) * (x2 != x1), y1 + math.copysign(after, y2 - y1) * (y2 != y1)
        path.append(f"L{start[0]:g} {start[1]:g}Q{x1:g} {y1:g} {end[0]:g} {end[1]:g}")
        x, y = x1, y1
    return f'<path class="{"edge far" if edge.far else "edge"}" d="{"".join(path)}"/>'


def _head(circuit: Circuit, whole: Cost) -> list[str]:
    ends = [
        ", ".join(dict.fromkeys(port.name for port in side)) for side in (circuit.inputs, circuit.outputs)
    ]
    facts = (
        f"{circuit.parameters:,} parameters · {whole.macs:,} multiply-accumulates · "
        f"{whole.witness:,} values that a prover commits to"
    )
    y = MARGIN
    title = " → ".join(escape(_short(end, 32)) for end in ends)
    parts = [
        f'<text class="title" x="{MARGIN}" y="{y}">{title}</text>',
        f'<text class="key" x="{MARGIN}" y="{y + 22}">{facts}</text>',
    ]
    x = float(MARGIN)
    for kind, text in (
        ("move", "moves cells"),
        ("affine", "linear, exact"),
        ("witness", "rounds, compares: committed"),
    ):
        parts.append(f'<rect class="{kind}" x="{x:g}" y="{y + 36}" width="10" height="10" rx="3"/>')
        parts.append(f'<text class="key" x="{x + 16:g}" y="{y + 45}">{text}</text>')
        x += 34 + 6.6 * len(text)
    assert y + 46 < TOP
    return parts


def escape(text: str) -> str:
    """Text of strangers for XML, which has no room for control characters."""
    return html.escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _tail(text: str, length: int) -> str:
    if length < 3:
        return ""
    return text if len(text) <= length else "…" + text[1 - length :]
