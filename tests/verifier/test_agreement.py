"""The verifier's own reading of a circuit, against the circuits' own writing of it, on random circuits."""

import struct

from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from circuits.executor import execute
from circuits.merkle import MerkleTree
from circuits.packing import pack_inputs
from tests.budget import examples
from tests.circuits.random_circuits import circuits, samples
from verifier.circuit_header import PortEntry, parse_header
from verifier.statement import Statement, check_statement, circuit_id_of, input_commitment


def shapes_and_bounds(circuit: Circuit, ports: tuple[PortEntry, ...], nodes: list[int]) -> None:
    assert [(p.shape, p.lo, p.hi, p.width, p.elements) for p in ports] == [
        (n.shape, n.lo, n.hi, n.width, n.size) for n in (circuit.nodes[i] for i in nodes)
    ]


@settings(max_examples=examples(50))
@given(st.data())
def test_header_id_statement_and_input_commitment(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    header = parse_header(circuit.header)
    shapes_and_bounds(circuit, header.inputs, [port.node for port in circuit.inputs])
    shapes_and_bounds(circuit, header.outputs, [port.node for port in circuit.outputs])

    scales = [port.scale for port in (*circuit.inputs, *circuit.outputs)]
    assert circuit.scales_hash == keccak(struct.pack(f">{len(scales)}d", *scales))
    assert circuit.circuit_id == circuit_id_of(
        circuit.header, circuit.ops_root, circuit.weights_root, circuit.scales_hash
    )

    inputs = data.draw(samples(circuit))
    outputs = execute(circuit, inputs)
    flat = tuple(int(value) for array in inputs for value in array.ravel())
    check_statement(
        Statement(
            circuit.circuit_id, flat, tuple(int(value) for array in outputs for value in array.ravel())
        ),
        header,
    )
    leaves = pack_inputs(circuit, circuit.identity.plan, [array[0] for array in inputs])
    assert input_commitment(flat, header) == MerkleTree.of_leaves(leaves).root
