"""Proofs of fixed statements stay the same, byte for byte.

Another digest means another argument: what was proved before no longer verifies. Whoever changes one on
purpose gives the transcript a new tag (`verifier.sumcheck.transcript`), so that no old verifier takes a new
proof for one of its own. A prover that merely becomes faster changes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from eth_hash.auto import keccak

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from prover.sumcheck.argument import prove
from prover.sumcheck.commitments import commit
from prover.sumcheck.cpu import CpuDevice
from prover.sumcheck.inputs import commit_inputs
from prover.sumcheck.witness import Witness
from tests.prover.circuits_to_prove import ONES
from tests.prover.sumcheck.test_operations import circuit_called
from tests.prover.sumcheck.trials import SMALL, TABLED, random_inputs, statement
from verifier.circuit_header import parse_header
from verifier.halo2_srs import read_monomial_points
from verifier.srs import StoredSrs
from verifier.sumcheck.plan import Options, make_plan
from verifier.sumcheck.structure import structure_of

CONTEXT = b"golden".rjust(64, b"\0")
"""What stands before the statement is none of this test's business."""


def convolutions() -> Circuit:
    """Convolutions, a residual, pooling and a dense layer, with tensors longer and shorter than a chunk."""
    b, rng = CircuitBuilder(), np.random.default_rng(11)
    x = b.input("x", (1, 12, 12, 3), -128, 127, 1.0, "int")
    y = b.add("conv", [x, b.constant(rng.integers(-127, 128, (16, 3, 3, 3)))], groups=1, **ONES)
    y = b.add("rescale", [y], mul=3, shift=9, lo=0, hi=255)
    z = b.add("conv", [y, b.constant(rng.integers(-127, 128, (16, 3, 3, 16)))], groups=1, **ONES)
    z = b.add("rescale", [b.add("add", [z, y])], mul=1, shift=10, lo=0, hi=255)
    pool = {"kernel": [2, 2], "strides": [2, 2], "pads_before": [0, 0], "pads_after": [0, 0]}
    z = b.add("reshape", [b.add("max_pool", [z], dilations=[1, 1], **pool)], shape=[1, 576])
    w = b.constant(rng.integers(-(2**10), 2**10, (576, 20)))
    return b.build([Port("y", b.add("matmul", [z, w]), 1.0, "int")], {})


def transformer() -> Circuit:
    """Two like blocks of attention and a dense layer, and the choice of the best token."""
    b, rng = CircuitBuilder(), np.random.default_rng(12)
    x = b.input("x", (20, 48), -128, 127, 1.0, "int")
    for _ in range(2):
        q, k, v = (b.add("matmul", [x, b.constant(rng.integers(-127, 128, (48, 48)))]) for _ in range(3))
        q, k, v = (b.add("rescale", [y], mul=1, shift=11, lo=-128, hi=127) for y in (q, k, v))
        scores = b.add("matmul", [q, b.add("transpose", [k], perm=[1, 0])])
        scores = b.add("sub", [scores, b.add("reduce_max", [scores], axes=[1])])
        scores = b.add("rescale", [scores], mul=1, shift=12, lo=-100, hi=0)
        exp = b.add("table", [scores, b.constant((2 ** (np.arange(101) / 10)).astype(np.int64))], lo=-100)
        total = b.add("max", [b.add("reduce_sum", [exp], axes=[1]), b.constant(1)])
        soft = b.add("floor_divide", [b.add("mul", [exp, b.constant(128)]), total])
        mixed = b.add("matmul", [soft, v])
        x = b.add("rescale", [b.add("add", [x, mixed])], mul=1, shift=7, lo=-128, hi=127)
    return b.build([Port("y", b.add("top_k", [x], axis=0, k=1), 1.0, "int")], {})


NETWORKS: dict[str, Callable[[], Circuit]] = {
    "convolutions": convolutions,
    "transformer": transformer,
    **{
        name: lambda name=name: circuit_called(name)  # type: ignore[misc]
        for name in ("attention", "products as arguments of everything", "a layer")
    },
}
GOLDEN = {
    "5ab35d9e63b32675f7ab73e11b3dd81a5538530b920f58c76b7e19e4603f5039": ("convolutions", 1, Options(8, 8, 0)),
    "1f52cb5a417e2e76054859180d21fd08d4b61fe648bd1a68f104d6a958df55ce": (
        "convolutions",
        2,
        Options(10, 9, 18),
    ),
    "262ee1e2adecbca87f0c555b344dd05b2a5108188770caa8ec7841e2890c586c": ("transformer", 1, Options(7, 9, 0)),
    "8c9531f7eef78310b45cb885c3c10022b9945b4b9c04f96f628484a3accf6cad": (
        "transformer",
        3,
        Options(10, 8, 12),
    ),
    "604553f25d678760e8eb60dbfa26ebf38ee7b96d8801fd9ec1bfc52ea876c90b": ("attention", 2, TABLED),
    "36b9ee9d3eeb035380b66f04a5a7cd08e4c6687252d95026bfc1002ab4c1730b": (
        "products as arguments of everything",
        1,
        SMALL,
    ),
    "a7d5d35e0b49583fc8fefe5262e5a52e086b6271529fe5df2228956974d5324e": (
        "convolutions",
        1,
        Options(8, 8, 0, commit_inputs=True),
    ),
    "132e931dba989cd92eb85c8d156bb0a8ec9aac93de020f522ed026b66fd1a7fd": ("a layer", 1, Options(1, 4, 0)),
}
"""For keccak256 of the key's commitments, those of committed inputs and the argument: the circuit, the batch,
the options."""


@pytest.mark.parametrize(("digest", "name", "batch", "options"), [(key, *of) for key, of in GOLDEN.items()])
def test_a_proof_stays_the_same(
    digest: str, name: str, batch: int, options: Options, srs: Callable[[int], StoredSrs]
) -> None:
    circuit = NETWORKS[name]()
    inputs = random_inputs(circuit, batch, seed=3)
    plan = make_plan(structure_of(circuit), options, batch)
    device = CpuDevice(read_monomial_points(srs(10).path, 10)[: 64 << options.chunk_bits])

    def constant(tensor: int) -> np.ndarray:
        value: np.ndarray = circuit.constants[plan.system.tensors[tensor].node][None]  # type: ignore[union-attr]
        return value

    points, cells = commit(device, plan.parameters, options.chunk_bits, constant)
    witness = Witness(circuit, plan, inputs)
    claimed = statement(inputs, witness.outputs, CONTEXT)
    if options.commit_inputs:
        committed = commit_inputs(device, parse_header(circuit.header), options.chunk_bits, inputs)
        claimed, points = replace(claimed, inputs=[], committed=committed), points + committed.encode()
    proof = prove(device, plan, claimed, witness, cells)
    assert keccak(points + proof).hex() == digest
