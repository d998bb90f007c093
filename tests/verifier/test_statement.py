"""Statements: ids from parts, bounds at the corners, the embedding, and the input commitment."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import BoundError, FormatError
from verifier.bn254 import SCALAR_FIELD
from verifier.circuit_header import parse_header
from verifier.merkle import merkle_root
from verifier.statement import Statement, check_statement, circuit_id_of, embed, input_commitment

INPUTS = (-5, 100, 0, 1, 2, 3, 1000)
OUTPUTS = (-300, 300)


def test_circuit_id_is_the_hash_of_its_parts() -> None:
    parts = [keccak(name) for name in (b"verinfer circuit v1", b"header", b"ops", b"weights", b"scales")]
    expected = keccak(b"".join(parts))
    assert circuit_id_of(b"header", parts[2], parts[3], parts[4]) == expected
    with pytest.raises(FormatError, match="ops_root is not 32 bytes"):
        circuit_id_of(b"header", b"short", parts[3], parts[4])


def test_the_corners_are_within_the_bounds(header: bytes) -> None:
    check_statement(Statement(bytes(32), INPUTS, OUTPUTS), parse_header(header))


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("side", ["below", "above"])
def test_inputs_just_out_of_bounds_are_refused(header: bytes, position: int, side: str) -> None:
    circuit = parse_header(header)
    port, index, element = (circuit.inputs[0], 0, position) if position < 6 else (circuit.inputs[1], 1, 0)
    inputs = list(INPUTS)
    inputs[position] = port.lo - 1 if side == "below" else port.hi + 1
    with pytest.raises(
        BoundError, match=f"element {element} of input {index} is {inputs[position]}, outside"
    ):
        check_statement(Statement(bytes(32), tuple(inputs), OUTPUTS), circuit)


@pytest.mark.parametrize("outputs", [(-301, 0), (0, 301), (2**63 - 1, 0), (0, -(2**63))])
def test_outputs_out_of_bounds_are_refused(header: bytes, outputs: tuple[int, ...]) -> None:
    with pytest.raises(BoundError, match="output 0"):
        check_statement(Statement(bytes(32), INPUTS, outputs), parse_header(header))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ((), OUTPUTS),
        (INPUTS[:-1], OUTPUTS),
        ((*INPUTS, 0), OUTPUTS),
        (INPUTS, ()),
        (INPUTS, (0,)),
        (INPUTS, (0, 0, 0)),
    ],
)
def test_too_many_or_too_few_values_are_refused(
    header: bytes, inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> None:
    with pytest.raises(BoundError, match="values, but the circuit has"):
        check_statement(Statement(bytes(32), inputs, outputs), parse_header(header))


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, SCALAR_FIELD, SCALAR_FIELD - 1, True, 1.0, None])
def test_only_small_plain_integers_are_stated(value: Any) -> None:
    with pytest.raises(FormatError, match="element 1 of outputs"):
        Statement(bytes(32), (), (0, value))


@pytest.mark.parametrize("circuit_id", [b"", bytes(31), bytes(33), "0" * 32, None])
def test_a_circuit_id_is_32_bytes(circuit_id: Any) -> None:
    with pytest.raises(FormatError, match="circuit_id"):
        Statement(circuit_id, (), ())


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_embedding_is_invertible(value: int) -> None:
    element = embed(value)
    assert 0 <= element < SCALAR_FIELD
    assert (element if element < 2**63 else element - SCALAR_FIELD) == value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, SCALAR_FIELD, 1 - SCALAR_FIELD])
def test_the_embedding_takes_no_alias(value: int) -> None:
    with pytest.raises(BoundError):
        embed(value)


def test_the_input_commitment_spelled_out(header: bytes) -> None:
    first = struct.pack(">6b", *INPUTS[:6]).ljust(128, b"\0")
    second = struct.pack(">h", 1000).ljust(128, b"\0")
    expected = keccak(b"\x01" + keccak(b"\x00" + first) + keccak(b"\x00" + second))
    assert input_commitment(INPUTS, parse_header(header)) == expected


def test_the_input_commitment_needs_inputs_within_the_bounds(header: bytes) -> None:
    for inputs in ((*INPUTS[:6], 1001), INPUTS[:6], (*INPUTS, 0)):
        with pytest.raises(BoundError):
            input_commitment(inputs, parse_header(header))


def test_a_tensor_of_many_leaves(build_header: Callable[..., bytes]) -> None:
    values = tuple(range(-40, 40))  # 5 leaves of 16 elements
    circuit = parse_header(build_header([((80,), 8, -(2**62), 2**62, 0)], [((1,), 1, 0, 1, 0)]))
    leaves = [struct.pack(">16q", *values[i : i + 16]) for i in range(0, 80, 16)]
    assert input_commitment(values, circuit) == merkle_root(leaves + [bytes(128)] * 3)


@pytest.mark.parametrize("count", range(1, 10))
def test_merkle_roots_pad_to_a_power_of_two(count: int) -> None:
    leaves = [bytes([i]) * 128 for i in range(1, count + 1)]
    width = 1
    while width < count:
        width *= 2
    level = [keccak(b"\x00" + leaf) for leaf in leaves + [bytes(128)] * (width - count)]
    while len(level) > 1:
        level = [keccak(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    assert merkle_root(leaves) == level[0]


def test_no_leaves_count_as_one_of_zeros() -> None:
    assert merkle_root([]) == keccak(bytes(129))
