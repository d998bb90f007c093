"""The drawing is well-formed, shows every operation, and nothing in it hides anything else."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.compile import compile_model
from circuits.cost import total
from circuits.drawing import draw
from circuits.drawing_layout import CARD_WIDTH, CHANNEL, Plan, arrange
from circuits.layers import layers
from tests.circuits.random_circuits import circuits
from tests.circuits.random_models import random_model

SVG = "{http://www.w3.org/2000/svg}"


def chain(labels: list[str]) -> Circuit:
    """One operation after another, from nodes of these names."""
    b = CircuitBuilder()
    x = b.input("x", (1, 4), -9, 9, 0.5, "real")
    for k, label in enumerate(labels):
        b.label = label
        x = b.add("add", [x, b.constant(k + 1)])
    return b.build([Port("y", x, 0.5, "real")], {})


# -- layers
# ----------------------------------------------------------------------------------------------------


def test_operations_of_one_node_make_one_layer() -> None:
    found = layers(chain(["a", "a", "b", "b", "b"]))
    assert [(layer.label, len(layer.nodes), layer.reads) for layer in found] == [
        ("x", 1, []),
        ("a", 2, [0]),
        ("b", 3, [1]),
    ]


def test_a_name_that_comes_again_behind_another_makes_a_layer_of_its_own() -> None:
    found = layers(chain(["turn", "body", "turn", "body"]))
    assert [layer.label for layer in found] == ["x", "turn", "body", "turn", "body"]
    assert [layer.reads for layer in found] == [[], [0], [1], [2], [3]]


def test_operations_without_a_name_stand_alone() -> None:
    assert len(layers(chain(["", "", ""]))) == 4


def check_layers(circuit: Circuit) -> None:
    """Every operation is in one layer; layers read layers before them, and just those that they say."""
    found = layers(circuit)
    of = {i: k for k, layer in enumerate(found) for i in layer.nodes}
    shown = [i for i, node in enumerate(circuit.nodes) if node.op != "constant"]
    assert sorted(of) == shown and sum(len(layer.nodes) for layer in found) == len(shown)
    for k, layer in enumerate(found):
        assert layer.nodes == sorted(layer.nodes)
        assert all(read < k for read in layer.reads)
        needed = {of[x] for i in layer.nodes for x in circuit.nodes[i].inputs if x in of} - {k}
        assert set(layer.reads) == needed and len(layer.reads) == len(needed)
    whole = total(circuit)
    assert sum(layer.cost(circuit).macs for layer in found) == whole.macs
    assert sum(layer.cost(circuit).witness for layer in found) == whole.witness


@pytest.mark.parametrize("seed", range(30))
def test_layers_of_models(seed: int) -> None:
    made = random_model(seed)
    check_layers(compile_model(made.model, (made.samples, None, "samples")).circuit)


@given(circuits())
def test_layers_of_circuits(circuit: Circuit) -> None:
    check_layers(circuit)


# -- layout
# ----------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn, most: int = 60) -> tuple[list[list[int]], list[int]]:
    """What each card reads, and the heights of the cards."""
    count = draw(st.integers(1, most))
    reads = [
        sorted(draw(st.sets(st.integers(max(0, k - 6), k - 1), max_size=3))) if k else []
        for k in range(count)
    ]
    return reads, [draw(st.sampled_from([48, 63, 75, 120])) for _ in range(count)]


def check_plan(plan: Plan, reads: list[list[int]], heights: list[int]) -> None:
    boxes = [(c.x, c.y, c.x + CARD_WIDTH, c.y + h) for c, h in zip(plan.cards, heights, strict=True)]
    for a, b in itertools.combinations(boxes, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1], "cards overlap"
    for left, top, right, bottom in boxes:
        assert 0 < left and right < plan.width and 0 < top and bottom < plan.height
    wanted = [(s, k) for k, sources in enumerate(reads) for s in sources]
    assert len(plan.edges) == len(wanted)
    for (s, k), edge in zip(wanted, plan.edges, strict=True):
        (x0, y0), (x1, y1) = edge.points[0], edge.points[-1]
        assert (x0, y0) == (boxes[s][0] + CARD_WIDTH / 2, boxes[s][3])
        assert (x1, y1) == (boxes[k][0] + CARD_WIDTH / 2, boxes[k][1])
        source, target = plan.cards[s], plan.cards[k]
        assert target.column > source.column or (target.column == source.column and y1 > y0)
        for (ax, ay), (bx, by) in itertools.pairwise(edge.points):
            assert ax == bx or ay == by, "a line runs askew"
            assert 0 <= min(ax, bx) and max(ax, bx) <= plan.width and 0 <= min(ay, by)
            for left, top, right, bottom in boxes:
                crosses = (
                    min(ax, bx) < right and max(ax, bx) > left and min(ay, by) < bottom and max(ay, by) > top
                )
                assert not crosses, "a line runs through a card"


@given(graphs())
def test_cards_do_not_overlap_and_lines_keep_clear_of_them(graph: tuple[list[list[int]], list[int]]) -> None:
    reads, heights = graph
    check_plan(arrange(reads, heights), reads, heights)


def test_a_long_chain_is_laid_out_as_a_page() -> None:
    reads = [[k - 1] if k else [] for k in range(400)]
    plan = arrange(reads, [75] * 400)
    check_plan(plan, reads, [75] * 400)
    assert 0.8 < plan.width / plan.height < 2.5
    assert max(card.column for card in plan.cards) > 5


def test_lines_that_run_side_by_side_keep_apart() -> None:
    reads = [[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    plan = arrange(reads, [60] * 5)
    channels = [edge.points[2][0] for edge in plan.edges if edge.far]
    crossing = sorted(set(channels))
    assert len(crossing) > 2
    assert all(b - a >= CHANNEL for a, b in itertools.pairwise(crossing))


# -- the document
# ----------------------------------------------------------------------------------------------


def check_drawing(circuit: Circuit) -> ElementTree.Element:
    root = ElementTree.fromstring(draw(circuit))
    cards = root.findall(f"{SVG}g")
    found = layers(circuit)
    assert root.tag == f"{SVG}svg" and len(cards) == len(found)
    assert len(root.findall(f"{SVG}path")) == sum(len(layer.reads) for layer in found)
    for card, layer in zip(cards, found, strict=True):
        shown = "".join(card.itertext())
        for i in layer.nodes[:40]:
            assert circuit.nodes[i].op in shown
    return root


@pytest.mark.parametrize("seed", range(20))
def test_drawings_of_models_are_well_formed(seed: int) -> None:
    made = random_model(seed)
    check_drawing(compile_model(made.model, (made.samples, None, "samples")).circuit)


@given(circuits())
def test_drawings_of_circuits_are_well_formed(circuit: Circuit) -> None:
    check_drawing(circuit)


def test_names_of_strangers_stay_text() -> None:
    evil = "</text><script>alert(1)</script>\x00\x1b[31m\ufffe&<\"'"
    b = CircuitBuilder()
    x = b.input(evil, (1, 4), -9, 9, 0.5, "real")
    b.label = evil
    y = b.add("max", [x, b.constant(np.zeros(4, np.int8))])
    root = check_drawing(b.build([Port(evil, y, 0.5, "real")], {}))
    assert not root.findall(".//{*}script")
    assert "\x1b" not in draw(b.build([Port(evil, y, 0.5, "real")], {}))


def test_a_large_circuit_is_drawn_in_little_time() -> None:
    circuit = chain([f"node {k // 3}" for k in range(6000)])
    root = check_drawing(circuit)
    assert len(root.findall(f"{SVG}g")) == 2001
