"""The structure in a key: one encoding, and nothing that could not be lowered."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import BoundError, FormatError
from tests.budget import examples
from tests.prover.circuits_to_prove import BUILDS, build
from verifier.sumcheck.plan import Options, make_plan
from verifier.sumcheck.structure import MAX_NODES, Structure, structure_of

OPTIONS = Options(8, 8, 8)
Content = dict[str, Any]


def encoded(content: Content) -> bytes:
    """The canonical form of JSON that may be no structure."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def content_of(name: str) -> Content:
    """The JSON of a circuit's structure."""
    content: Content = json.loads(structure_of(build(name)).encode())
    return content


@pytest.mark.parametrize("name", BUILDS)
def test_round_trips(name: str) -> None:
    structure = structure_of(build(name))
    read = Structure.decode(structure.encode())
    assert read.encode() == structure.encode()
    assert [replace(node, label="") for node in structure.nodes] == [
        replace(node, attrs=dict(node.attrs)) for node in read.nodes
    ]
    assert make_plan(read, OPTIONS, 2).advice == make_plan(structure, OPTIONS, 2).advice


def test_the_encoding_spelled_out() -> None:
    b = CircuitBuilder()
    x = b.input("x", (2, 3), -4, 5, 1.0, "int")
    half = b.add("rescale", [x], mul=3, shift=1, lo=None, hi=7)
    y = b.add("mul", [b.add("gather", [half, b.constant([2, 0])], axis=1), b.constant(-9)])
    structure = structure_of(b.build([Port("y", y, 1.0, "int")], {}))
    assert structure.encode() == (
        b'{"inputs":[0],"nodes":[["input",[],[],[2,3],-4,5],["rescale",[0],[3,1,null,7],[2,3],-6,7],'
        b'["constant",[],[],[2],0,2],["gather",[1,2],[1],[2,2],-6,7],["constant",[],[],[],-9,-9],'
        b'["mul",[3,4],[],[2,2],-63,54]],"outputs":[5],"revealed":[[2,[2,0]],[4,[-9]]]}'
    )


def weights_stay_secret(circuit: Circuit) -> bool:
    """Whether all revealed constants are numbers or indices."""
    structure = structure_of(circuit)
    indices = {node.inputs[1] for node in circuit.nodes if node.op == "gather"}
    return all(value.size == 1 or i in indices for i, value in structure.revealed.items())


@pytest.mark.parametrize("name", BUILDS)
def test_weights_are_not_in_it(name: str) -> None:
    assert weights_stay_secret(build(name))


def test_every_other_spelling_is_refused() -> None:
    data = structure_of(build("a layer")).encode()
    for other in (
        data + b" ",
        b" " + data,
        data[:-1],
        data.replace(b",", b", ", 1),
        data.replace(b'"inputs":[0]', b'"inputs":[0],"inputs":[0]'),
        data.replace(b'"inputs":[0]', b'"inputs":[0.0]'),
        data.replace(b'"inputs":[0]', b'"inputs":[-0]'),
        data.replace(b'"inputs":[0]', b'"inputs":[false]'),
        data.replace(b'"input"', b'"\\u0069nput"'),
        b"",
        b"null",
        b"[" * 100_000,
        b'{"inputs":' + b"9" * 10_000,
        b"\xff" + data,
    ):
        assert other != data
        with pytest.raises(FormatError):
            Structure.decode(other)


def _node(i: int, place: int, value: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["nodes"][i][place] = value

    return change


def _set(name: str, value: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content[name] = value

    return change


# the layer: 0 input, 1 constant, 2 matmul, 3 rescale, ...
WRONG: dict[str, Callable[[Content], None]] = {
    "an operation that is none": _node(2, 0, "fold_space"),
    "an operation of floats": _node(2, 0, "round"),
    "a node before its input": _node(2, 1, [0, 3]),
    "a node that reads itself": _node(2, 1, [0, 2]),
    "a negative input": _node(2, 1, [0, -1]),
    "too few inputs": _node(2, 1, [0]),
    "an attribute too many": _node(2, 2, [1]),
    "a shift that is out of range": _node(3, 2, [1, 63, None, None]),
    "a shift that is a list": _node(3, 2, [1, [1], None, None]),
    "a factor of 64 bits": _node(3, 2, [2**62, 4, None, None]),
    "another shape": _node(2, 3, [1, 7]),
    "a negative shape": _node(0, 3, [1, -4]),
    "an empty shape": _node(0, 3, [1, 0]),
    "too many axes": _node(0, 3, [1] * 9),
    "too many cells": _node(0, 3, [1 << 16, 1 << 16]),
    "an empty bound": _node(0, 4, 256),
    "a bound of 65 bits": _node(0, 5, 1 << 64),
    "a bound that inputs cannot reach": _node(2, 5, 1 << 62),
    "no nodes": _set("nodes", []),
    "too many nodes": _set("nodes", [["input", [], [], [1], 0, 1]] * (MAX_NODES + 1)),
    "no outputs": _set("outputs", []),
    "an output that is no node": _set("outputs", [99]),
    "no inputs": _set("inputs", []),
    "an input that is a constant": _set("inputs", [0, 1]),
    "a weight that is revealed": _set("revealed", [[1, [-89, *[88] * 11]]]),
    "a revealed constant that is none": _set("revealed", [[99, [1]]]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused(what: str) -> None:
    content = content_of("a layer")
    Structure.decode(encoded(content))
    WRONG[what](content)
    with pytest.raises(FormatError, match="structure of a circuit is invalid"):
        Structure.decode(encoded(content))


def test_a_hidden_index_is_refused() -> None:
    content = content_of("gather with a constant index")
    assert content["revealed"]
    for cells in ([], [4, 0, 1, 5], [4, 0, 1], [4, 0, 1, 1, 1], [3, 0, 1, 1]):
        content["revealed"][0][1] = cells
        with pytest.raises(FormatError):
            Structure.decode(encoded(content))
    content["revealed"] = []
    with pytest.raises(FormatError, match="reveals other constants"):
        Structure.decode(encoded(content))


VALUES = st.one_of(
    st.none(),
    st.integers(-9, 9),
    st.integers(-(2**65), 2**65),
    st.sampled_from([2**k + d for k in (8, 16, 20, 31, 32, 62, 63) for d in (-1, 0, 1)]),
    st.lists(st.integers(-3, 70_000), max_size=4),
    st.sampled_from(["input", "constant", "gather", "top_k", ""]),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(sorted(BUILDS)), st.lists(VALUES, min_size=1, max_size=3), st.integers(0, 2**32))
def test_what_is_accepted_can_be_planned(name: str, values: list[Any], seed: int) -> None:
    """Whatever a stranger writes: it is refused, or has a plan, or is too large or too wide for one."""
    source, content = random.Random(seed), content_of(name)
    for value in values:
        _replace_somewhere(content, value, source)
    try:
        structure = Structure.decode(encoded(content))
        make_plan(structure, OPTIONS, source.choice((1, 2, 3)))
    except (BoundError, FormatError):
        pass


ONE = [1]
HUGE: dict[str, list[Any]] = {
    "a long axis": [["input", [], [], [1 << 26], 0, 1], ["rescale", [0], [1, 0, None, 0], [1 << 26], 0, 0]],
    "a wide window": [
        ["input", [], [], [1, 1 << 28, 1], -9, 9],
        ["constant", [], [], [2, 1 << 20, 1], -9, 9],
        ["conv", [0, 1], [ONE, [0], [0], ONE, 1], [1, (1 << 28) - (1 << 20) + 1, 2], -(81 << 20), 81 << 20],
    ],
    "many taps": [
        ["input", [], [], [1, 1 << 20, 1], -9, 9],
        ["max_pool", [0], [[1 << 20], ONE, [0], [(1 << 20) - 1], ONE], [1, 1 << 20, 1], -9, 9],
    ],
    "a reshape that mixes all cells": [
        ["input", [], [], [3001, 3001, 3], -9, 9],
        ["transpose", [0], [[1, 0, 2]], [3001, 3001, 3], -9, 9],
        ["reshape", [1], [[9003, 3001]], [9003, 3001], -9, 9],
        ["reduce_sum", [2], [[1]], [9003, 1], -27009, 27009],
    ],
}


@pytest.mark.parametrize("what", HUGE)
def test_what_would_take_for_ever_is_refused_at_once(what: str) -> None:
    nodes = HUGE[what]
    structure = Structure.decode(
        encoded({"inputs": [0], "nodes": nodes, "outputs": [len(nodes) - 1], "revealed": []})
    )
    with pytest.raises(FormatError, match=r"too (long|large|many)|would compute"):
        make_plan(structure, Options(22, 8, 8), 1)


def _replace_somewhere(content: Any, value: Any, source: random.Random) -> None:
    """Put a value in place of a random leaf or branch."""
    place: Any = content
    key: Any = source.choice(["nodes", "nodes", "nodes", "inputs", "outputs", "revealed"])
    while isinstance(place[key], list) and place[key] and source.random() < 0.9:
        place, key = place[key], source.randrange(len(place[key]))
    place[key] = value
