"""The trace: packing and roots against plain Python, and against the verifier's own trees."""

from __future__ import annotations

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import BoundError, InputError
from circuits.executor import execute
from circuits.merkle import LEAF_BYTES
from circuits.records import Region
from circuits.trace import Trace, input_commitments, input_tree
from tests.budget import examples
from tests.circuits.random_circuits import circuits, samples
from verifier.circuit_header import parse_header
from verifier.merkle import merkle_root
from verifier.statement import input_commitment


def leaf_list(packed: bytes) -> list[bytes]:
    return [packed[i : i + LEAF_BYTES] for i in range(0, len(packed), LEAF_BYTES)]


def mlp() -> Circuit:
    """[1, 70] -> [1, 3], with a hidden tensor of two bytes an element."""
    builder = CircuitBuilder()
    rng = np.random.default_rng(0)
    x = builder.input("x", (1, 70), -100, 100, 0.01, "real")
    hidden = builder.add("matmul", [x, builder.constant(rng.integers(-9, 9, (70, 80)))])
    hidden = builder.add("rescale", [hidden], mul=1, shift=2, lo=0, hi=3000)
    y = builder.add("matmul", [hidden, builder.constant(rng.integers(-9, 9, (80, 3)))])
    return builder.build([Port("y", y, 0.25, "real")], {})


def mlp_input(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-100, 100, (1, 1, 70), endpoint=True)


def test_the_trace_is_packed_as_documented() -> None:
    circuit = mlp()
    trace = Trace.of(circuit, [mlp_input()])
    values: dict[int, np.ndarray] = {}
    execute(circuit, [mlp_input()], observe=lambda i, value: values.update({i: value}))
    (hidden,) = (i for i, node in enumerate(circuit.nodes) if node.op == "rescale")
    packed = b"".join(int(v).to_bytes(2, "big", signed=True) for v in values[hidden].ravel())
    assert len(packed) == 160
    assert trace.leaves.tobytes() == packed.ljust(2 * LEAF_BYTES, b"\0")
    left, right = (keccak(b"\0" + leaf) for leaf in leaf_list(trace.leaves.tobytes()))
    assert trace.root == keccak(b"\1" + left + right)


def test_the_input_commitment_is_the_verifiers() -> None:
    circuit, x = mlp(), mlp_input()
    expected = input_commitment(x.ravel().tolist(), parse_header(circuit.header))
    assert Trace.of(circuit, [x]).input_commitment == expected
    assert input_tree(circuit, [x]).root == expected


@settings(max_examples=examples(30))
@given(st.data())
def test_the_commitments_of_a_batch_are_those_of_its_samples(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    batch = [data.draw(samples(circuit)) for _ in range(3)]
    joined = [np.concatenate(parts) for parts in zip(*batch, strict=True)]
    assert input_commitments(circuit, joined) == [input_tree(circuit, one).root for one in batch]


@settings(max_examples=examples(60))
@given(st.data())
def test_roots_and_outputs_of_random_circuits(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    inputs = data.draw(samples(circuit))
    trace = Trace.of(circuit, inputs)
    for mine, theirs in zip(trace.outputs, execute(circuit, inputs), strict=True):
        assert np.array_equal(mine, theirs[0])
    assert trace.root == merkle_root(leaf_list(trace.leaves.tobytes()))
    flat = [int(v) for x in inputs for v in x.ravel()]
    assert trace.input_commitment == input_commitment(flat, parse_header(circuit.header))
    assert trace.root == Trace.of(circuit, inputs).root


@settings(max_examples=examples(60))
@given(st.data())
def test_every_byte_outside_the_elements_is_zero(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    trace = Trace.of(circuit, data.draw(samples(circuit)))
    free = np.ones(trace.leaves.size, bool)
    end = 0
    for record in circuit.identity.plan.records:
        if record.region is Region.TRACE:
            assert record.first == end  # back to back, each from a new leaf on
            end = record.first + record.leaves
            start = record.first * LEAF_BYTES
            free[start : start + record.cells * record.width] = False
    assert end == circuit.identity.plan.trace_leaves
    assert not trace.leaves.reshape(-1)[free].any()


def test_another_input_gives_another_root() -> None:
    circuit = mlp()
    first, second = (Trace.of(circuit, [mlp_input(seed)]) for seed in (0, 1))
    assert first.root != second.root
    assert first.input_commitment != second.input_commitment


def test_a_circuit_without_intermediate_tensors_has_an_empty_trace() -> None:
    builder = CircuitBuilder()
    x = builder.input("x", (3,), -5, 5, 1.0, "real")
    y = builder.add("mul", [x, builder.constant(3)])
    circuit = builder.build([Port("y", y, 1.0, "real")], {})
    trace = Trace.of(circuit, [np.array([[1, 2, 3]])])
    assert trace.leaves.shape == (0, LEAF_BYTES)
    assert trace.root == keccak(b"\0" + bytes(LEAF_BYTES))
    assert parse_header(circuit.header).trace_leaves == 0


def test_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="one sample"):
        Trace.of(mlp(), [np.zeros((2, 1, 70), np.int64)])


def test_an_input_outside_its_bound_is_refused() -> None:
    with pytest.raises(BoundError):
        Trace.of(mlp(), [np.full((1, 1, 70), 101)])


def test_a_tensor_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError):
        Trace.of(mlp(), [mlp_input()]).tensor(99)
