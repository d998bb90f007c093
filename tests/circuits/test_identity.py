"""The identity: against the verifier's own reading of it, and what changes it."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.merkle import LEAF_BYTES
from circuits.records import Region
from tests.budget import examples
from tests.circuits.random_circuits import circuits
from verifier.circuit_header import parse_header
from verifier.merkle import merkle_root
from verifier.statement import circuit_id_of


def small(weight: int = 3, scale: float = 0.5, hi: int = 10, shift: int = 1, name: str = "x") -> Circuit:
    """relu((x @ w + b) / 2^shift), x [1, 2], and the place of its largest cell."""
    builder = CircuitBuilder()
    builder.label = f"from {name}"
    x = builder.input(name, (1, 2), -10, hi, scale, "real")
    y = builder.add("matmul", [x, builder.constant([[1, 2, weight], [4, 5, 6]])])
    y = builder.add("add", [y, builder.constant([100, -200, 300])])
    y = builder.add("rescale", [y], mul=1, shift=shift, lo=0, hi=None)
    best = builder.add("top_k", [y], axis=1, k=1)
    return builder.build([Port("y", y, 2.0, "real"), Port("best", best, 1.0, "int")], {"note": name})


def test_the_id_of_a_known_circuit_has_not_changed() -> None:
    """Ids are public and permanent: if this fails, the plan, a record or the header has changed."""
    assert small().circuit_id.hex() == "c2e90723012f39dc2b8999c86e8c66b1bc0a547dd3c73fe95e8c2700ac0463d3"


def test_the_verifier_reads_the_header() -> None:
    header = parse_header(small().header)
    (x,) = header.inputs
    assert (x.shape, x.width, x.lo, x.hi, x.offset, x.elements) == ((1, 2), 1, -10, 10, 0, 2)
    y, best = header.outputs
    assert (y.shape, y.offset, best.shape, best.width, best.offset) == ((1, 3), 1, (1, 1), 1, 2)
    assert (header.trace_leaves, header.weights_leaves, header.op_records) == (1, 2, 3)


def test_scales_are_hashed_as_big_endian_floats() -> None:
    assert small().scales_hash == keccak(struct.pack(">ddd", 0.5, 2.0, 1.0))


def test_matrix_weights_lie_output_by_output() -> None:
    leaves = small().identity.weights_leaves
    assert leaves[0, :6].tolist() == [1, 4, 2, 5, 3, 6]
    assert leaves[1, :6].tobytes() == struct.pack(">3h", 100, -200, 300)


@settings(max_examples=examples(60))
@given(circuits())
def test_ids_of_random_circuits_follow_from_their_parts(circuit: Circuit) -> None:
    identity = circuit.identity
    packed = identity.weights_leaves.tobytes()
    leaves = [packed[i : i + LEAF_BYTES] for i in range(0, len(packed), LEAF_BYTES)]
    assert circuit.weights_root == merkle_root(leaves)
    level = [keccak(b"\0" + record) for record in identity.records]
    while len(level) & (len(level) - 1):
        level.append(keccak(b"\0"))
    while len(level) > 1:
        level = [keccak(b"\1" + left + right) for left, right in zip(level[::2], level[1::2], strict=True)]
    assert circuit.ops_root == level[0]
    parts = (circuit.header, circuit.ops_root, circuit.weights_root, circuit.scales_hash)
    assert circuit.circuit_id == circuit_id_of(*parts)
    header = parse_header(circuit.header)
    assert header.op_records == len(identity.records)
    for number, port in enumerate(header.outputs):
        record = identity.plan.records[port.offset]
        assert (record.region, record.first, record.cells) == (Region.OUTPUT, number, port.elements)
        assert record.width == port.width


@pytest.mark.parametrize("change", [{"weight": -3}, {"scale": 0.25}, {"hi": 11}, {"shift": 2}])
def test_whatever_changes_the_function_changes_the_id(change: dict[str, int]) -> None:
    assert small(**change).circuit_id != small().circuit_id


def test_names_and_notes_do_not_change_the_id() -> None:
    assert small(name="other").circuit_id == small().circuit_id


def test_the_identity_is_computed_once() -> None:
    circuit = small()
    assert circuit.identity is circuit.identity
    assert replace(circuit, info={}).identity is not circuit.identity


@settings(max_examples=examples(40))
@given(circuits())
def test_every_constant_of_a_circuit_is_bound_by_its_id(circuit: Circuit) -> None:
    """Changing one element of a constant that is read, within its bound, changes the id."""
    read = {slot.node for slot in circuit.identity.plan.weights}
    for i, value in circuit.constants.items():
        if i not in read or value.size < 3 or value.min() == value.max():
            # x - x reads nothing: the function, and so the id, does not depend on what x was made of
            continue
        changed = np.array(value)
        at = next(
            k for k, v in enumerate(changed.flat) if value.min() < v < value.max() or k == value.size - 1
        )
        changed.flat[at] = value.min() if changed.flat[at] != value.min() else value.max()
        if (changed.min(), changed.max()) != (value.min(), value.max()):
            continue
        other = replace(circuit, constants={**circuit.constants, i: changed})
        assert other.circuit_id != circuit.circuit_id
