"""Relations of one cell, tried exhaustively: every small witness, and every kind of fraction.

For each input there are witnesses that break no demand, and all of them have the circuit's output. Nothing is
sampled: where a cell has two roles, all pairs are tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.executor import execute
from tests.prover.circuits_to_prove import Build, binary, unary
from tests.prover.sumcheck.cheating import CheatingWitness, violated
from tests.prover.sumcheck.trials import Trial, set_up
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.plan import Options
from verifier.sumcheck.system import Advice

WHOLE = Options(chunk_bits=4, limb_bits=9, clamp_bits=0)
"""Ranges in one limb: what is not committed needs no trying."""
CLAMPED = Options(chunk_bits=4, limb_bits=9, clamp_bits=9)
FRACTIONS = [a * pow(b, -1, SCALAR_FIELD) % SCALAR_FIELD for b in (2, 3, 4, 8) for a in (1, -1, 3, 5, -5, 7)]
CELLS = [*range(-7, 8), *FRACTIONS[:15]]


def one(build_one: Build) -> Circuit:
    """A circuit with one output."""
    builder = CircuitBuilder()
    [output] = build_one(builder, np.random.default_rng(1))
    return builder.build([Port("y", output, 1.0, "int")], {})


def cell(lo: int, hi: int, mul: int, shift: int, *limits: int | None) -> Build:
    """A rescale of one cell."""
    low, high = limits
    return unary("rescale", (1,), (lo, hi), mul=mul, shift=shift, lo=low, hi=high)


def satisfying(trial: Trial, cells: Sequence[int]) -> list[CheatingWitness]:
    """All witnesses with these cells in whatever is committed, but for multiplicities."""
    free = [
        tensor
        for tensor, t in trial.plan.system.committed().items()
        if isinstance(t, Advice) and t.role[0] != "multiplicity"
    ]
    sizes = [int(np.prod(trial.plan.system.shape(tensor))) for tensor in free]
    found = []
    for values in itertools.product(cells, repeat=sum(sizes)):
        rest, changed = list(values), {}
        for tensor, size in zip(free, sizes, strict=True):
            own, rest = rest[:size], rest[size:]
            changed[tensor] = np.array(own, dtype=object).reshape(trial.plan.system.shape(tensor))
        witness = CheatingWitness(trial, changed)
        if not violated(witness):
            found.append(witness)
    return found


@pytest.mark.parametrize("options", [WHOLE, CLAMPED])
@pytest.mark.parametrize(
    "build_one",
    [
        cell(-5, 5, 1, 1, None, None),
        cell(-9, 9, 1, 3, None, None),
        cell(-4, 4, 3, 2, None, None),
        cell(-6, 6, 1, 1, None, 1),
        cell(-6, 6, 1, 1, -1, None),
        cell(-6, 6, 1, 0, 0, None),
    ],
)
def test_rescale(build_one: Build, options: Options) -> None:
    circuit = one(build_one)
    node = circuit.nodes[circuit.inputs[0].node]
    for x in range(node.lo, node.hi + 1, 5):
        _check(circuit, [np.array([[x]])], CELLS, options)


@pytest.mark.parametrize("x", [-6, -1, 0, 3, 6])
def test_a_clamp_from_both_sides(x: int) -> None:
    """Three cells: y and two excesses."""
    _check(one(cell(-6, 6, 1, 1, -1, 2)), [np.array([[x]])], [*range(-4, 5), *FRACTIONS[:3]], WHOLE)


@pytest.mark.parametrize(("x", "d"), [(7, 2), (-7, 2), (6, 3), (0, 1), (-1, 4), (5, 4)])
def test_floor_divide(x: int, d: int) -> None:
    circuit = one(binary("floor_divide", (1,), (1,), (-9, 9), (1, 4)))
    _check(circuit, [np.array([[x]]), np.array([[d]])], CELLS, WHOLE)


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1), (2, 2), (-7, 7), (7, -7)])
@pytest.mark.parametrize("name", ["max", "greater"])
def test_pairs(name: str, a: int, b: int) -> None:
    circuit = one(binary(name, (1,), (1,), (-9, 9), (-9, 9)))
    _check(circuit, [np.array([[a]]), np.array([[b]])], CELLS, WHOLE)


BITS = [-1, 0, 1, 2, FRACTIONS[0], FRACTIONS[1]]


@pytest.mark.parametrize("x", [(1, 2), (2, 1), (2, 2)])
def test_reduce_max(x: tuple[int, int]) -> None:
    _check(one(unary("reduce_max", (2,), (0, 3), axes=[0])), [np.array([x])], [*BITS, 3], WHOLE)


@pytest.mark.parametrize("x", [(1, 2), (2, 1), (2, 2)])
def test_top_k(x: tuple[int, int]) -> None:
    """Choices, the copy of the chosen value, and the bit of descent."""
    _check(one(unary("top_k", (2,), (0, 2), axis=0, k=1)), [np.array([x])], BITS, WHOLE)


@pytest.mark.parametrize("i", [0, 1])
def test_gather(i: int) -> None:
    def build_one(b: CircuitBuilder, rng: np.random.Generator) -> list[int]:
        index = b.input("i", (1,), 0, 1, 1.0, "int")
        index = b.add("mul", [index, index])
        return [b.add("gather", [b.input("x", (2,), -9, 9, 1.0, "int"), index], axis=0)]

    _check(one(build_one), [np.array([[i]]), np.array([[5, -3]])], BITS, WHOLE)


def test_a_limb_more() -> None:
    """Two limbs of two bits: y, and what is committed of the remainder."""
    circuit = one(cell(-9, 9, 1, 4, None, None))
    for x in (-9, 0, 7, 8):
        trial = set_up(circuit, [np.array([[x]])], Options(chunk_bits=4, limb_bits=2, clamp_bits=0))
        expected = execute(circuit, trial.inputs)[0]
        found = satisfying(trial, [*range(-4, 5), *FRACTIONS[:6]])
        assert found and all((w.outputs[0] == expected).all() for w in found)


def _check(circuit: Circuit, inputs: list[np.ndarray], cells: Sequence[int], options: Options) -> None:
    trial = set_up(circuit, inputs, options)
    expected = execute(circuit, inputs)[0]
    found = satisfying(trial, cells)
    assert found, "the true witness is not among those that were tried"
    assert all((witness.outputs[0] == expected).all() for witness in found)
