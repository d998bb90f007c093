"""How claims' tensors are packed."""

from __future__ import annotations

import numpy as np
import pytest
from eth_hash.auto import keccak

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Node, Port
from circuits.errors import InputError
from contracts.packing import output_hashes, pack_inputs, pack_outputs, unpack_inputs, unpack_outputs


def two_ports() -> Circuit:
    """Inputs of one and two bytes an element, and outputs of two and one."""
    builder = CircuitBuilder()
    a = builder.input("a", (3,), -100, 100, 1.0, "int")
    b = builder.input("b", (1, 2), -300, 300, 1.0, "int")
    y = builder.add("rescale", [b], mul=3, shift=1, lo=None, hi=None)
    z = builder.add("rescale", [a], mul=1, shift=1, lo=None, hi=None)
    return builder.build([Port("y", y, 1.0, "int"), Port("z", z, 1.0, "int")], {})


def test_tensors_are_packed_back_to_back() -> None:
    circuit = two_ports()
    inputs = [np.array([[1, -2, 3]]), np.array([[[-300, 258]]])]
    assert pack_inputs(circuit, inputs) == bytes.fromhex("01fe03fed40102")
    outputs = [np.array([[-450, 387]]), np.array([0, -1, 1])]
    packed = bytes.fromhex("fe3e018300ff01")
    assert pack_outputs(circuit, outputs) == packed
    for mine, found in zip(outputs, unpack_outputs(circuit, packed), strict=True):
        assert found.dtype == np.int64 and np.array_equal(mine, found)
    for mine, found in zip(inputs, unpack_inputs(circuit, pack_inputs(circuit, inputs)), strict=True):
        assert found.shape == mine.shape and np.array_equal(mine, found)


def test_tensors_that_do_not_fit_are_refused() -> None:
    circuit = two_ports()
    y, z = np.zeros((1, 2), int), np.zeros(3, int)
    with pytest.raises(InputError, match="has 2 outputs, not 1"):
        pack_outputs(circuit, [y])
    with pytest.raises(InputError, match="output 'z' has 3 elements, not 4"):
        pack_outputs(circuit, [y, np.zeros(4, int)])
    with pytest.raises(InputError, match="output 'z' has elements that take more than 1 bytes"):
        pack_outputs(circuit, [y, z + 128])
    for packed in (b"", bytes(6), bytes(8)):
        with pytest.raises(InputError, match="take up 7 bytes"):
            unpack_outputs(circuit, packed)
        with pytest.raises(InputError, match="take up 7 bytes"):
            unpack_inputs(circuit, packed)


def test_the_hashes_of_a_batch_are_those_of_its_samples() -> None:
    nodes = (
        Node("input", (), {}, (2, 2), -300, 300, "x"),
        Node("input", (), {}, (), -(1 << 40), 1 << 40, "y"),
    )
    ports = (Port("x", 0, 1.0, "int"), Port("y", 1, 1.0, "int"))
    circuit = Circuit(nodes, {}, ports, ports)
    rng = np.random.default_rng(0)
    outputs = [rng.integers(-300, 301, (5, 2, 2)), rng.integers(-(1 << 40), 1 << 40, 5)]
    for given in (outputs, [np.broadcast_to(output[:1], output.shape) for output in outputs]):
        each = [pack_outputs(circuit, [output[i] for output in given]) for i in range(5)]
        assert output_hashes(circuit, given) == [keccak(packed) for packed in each]
    for wrong in (outputs[:1], [outputs[0], outputs[1][:4]], [outputs[0] * 1000, outputs[1]]):
        with pytest.raises(InputError):
            output_hashes(circuit, wrong)
