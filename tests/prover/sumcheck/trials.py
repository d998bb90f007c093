"""Whole proofs of small circuits, made in plain Python and checked, fast enough to make thousands.

The tau of the development SRS is public. With it a commitment is one multiple of [1]_1, and the pairing
check e(C, [1]_2) = e(V, [tau]_2) is the equation C = tau * V. `checked` uses that; `verified` is the verifier
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol
from unittest.mock import patch

import numpy as np

from circuits.circuit import Circuit
from circuits.errors import CheckFailed, FormatError
from circuits.tensor import IntArray
from prover.sumcheck.argument import prove
from prover.sumcheck.commitments import commit
from prover.sumcheck.inputs import commit_inputs
from prover.sumcheck.witness import Witness
from tests.prover.sumcheck.python_device import PythonDevice
from verifier.bn254 import G1_GENERATOR, SCALAR_FIELD, G1Point, encode_g1
from verifier.circuit_header import parse_header
from verifier.development_srs import TAU, development_head
from verifier.input_commitment import InputCommitment
from verifier.key import VerifyingKey
from verifier.msm import MultiplesTable, Sum, multi_scalar_multiply
from verifier.sumcheck import argument
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.key import encode_sections
from verifier.sumcheck.messages import decode_points
from verifier.sumcheck.plan import Options, Plan, make_plan
from verifier.sumcheck.structure import structure_of

SMALL = Options(chunk_bits=4, limb_bits=5, clamp_bits=0)
"""Many chunks, several limbs, clamps by two excesses."""
COMMITTED = Options(chunk_bits=4, limb_bits=5, clamp_bits=0, commit_inputs=True)
"""Inputs that are committed, in many chunks, with several limbs."""
TABLED = Options(chunk_bits=6, limb_bits=8, clamp_bits=14)
"""Clamps by table."""
CONTEXT = bytes(range(96)) + bytes(12) + bytes(range(20))
"""Four words, the last of which is an address."""


class TrapdoorDevice(PythonDevice):
    """Commits with tau: the commitment to v is  (sum_i v_i tau^i) [1]_1."""

    def __init__(self) -> None:
        super().__init__([])

    def commit(self, vector: Any) -> bytes:
        scalar = self.evaluate(vector, TAU)
        return encode_g1(_multiples().multiples([scalar])[0]) if scalar else bytes(64)


@cache
def _multiples() -> MultiplesTable:
    return MultiplesTable(G1_GENERATOR, 8)


@dataclass
class Trial:
    """A circuit set up for a number of inputs, and what one proof of it says."""

    circuit: Circuit
    plan: Plan
    device: TrapdoorDevice
    parameters: list[Sum]
    """The key's commitments."""
    cells: Sequence[IntArray]
    """The cells of the plan's polynomials of parameters."""
    inputs: Sequence[IntArray]
    witness: Witness
    committed: InputCommitment | None = None
    context: bytes = CONTEXT

    @property
    def instance(self) -> Instance:
        """The true statement."""
        return self.statement(self.witness.outputs)

    def statement(self, outputs: Sequence[Any]) -> Instance:
        """The statement that the inputs have outputs."""
        claimed = statement(self.inputs, outputs, self.context)
        return replace(claimed, inputs=[], committed=self.committed) if self.committed else claimed

    def key(self) -> VerifyingKey:
        """The key as a file has it."""
        circuit = self.circuit
        points = b"".join(bytes(64) if point is None else encode_g1(point) for point in self.parameters)
        return VerifyingKey(
            backend="sumcheck",
            circuit_id=circuit.circuit_id,
            header=circuit.header,
            ops_root=circuit.ops_root,
            weights_root=circuit.weights_root,
            scales_hash=circuit.scales_hash,
            scales=tuple(port.scale for port in (*circuit.inputs, *circuit.outputs)),
            srs=development_head(),
            insecure_srs=True,
            sections=encode_sections(structure_of(circuit), self.plan.options, points),
        )

    def prove(self) -> bytes:
        """An honest proof."""
        return prove(self.device, self.plan, self.instance, self.witness, self.cells)

    def checked(self, proof: bytes, instance: Instance | None = None, **changed: Any) -> bool:
        """Whether the argument holds, of the true statement if of no other."""
        given = {"plan": self.plan, "instance": instance or self.instance, "parameters": self.parameters}
        with known_tau():
            return holds(proof, **{**given, **changed})

    def verified(self, proof: bytes) -> bool:
        """The same with pairings, and of the true statement."""
        return holds(proof, self.plan, self.instance, self.parameters)


class Judge(Protocol):
    """Another verifier: whether a proof holds, or None if it cannot be asked for such a statement."""

    def __call__(
        self, proof: bytes, plan: Plan, instance: Instance, parameters: Sequence[Sum]
    ) -> bool | None: ...


JUDGES: list[Judge] = []
"""Who must agree with the verifier on every proof. `judges` has them, `conftest` registers them."""


def holds(proof: bytes, plan: Plan, instance: Instance, parameters: Sequence[Sum]) -> bool:
    """Whether the verifier accepts. All judges must say the same."""
    verdict = _accepted(proof, plan, instance, parameters)
    for judge in JUDGES:
        said = judge(proof, plan, instance, parameters)
        assert said in (verdict, None), f"{judge} says {said}: {proof.hex()}"
    return verdict


def _accepted(proof: bytes, plan: Plan, instance: Instance, parameters: Sequence[Sum]) -> bool:
    try:
        argument.verify(proof, plan, instance, parameters, development_head())
    except (CheckFailed, FormatError):
        return False
    return True


def samples() -> int:
    """How many samples the attacks prove at once: two, but one where judges sit, who know no batches."""
    return 1 if JUDGES else 2


@contextmanager
def known_tau() -> Iterator[None]:
    """Pairing checks are made in G1."""
    with patch("verifier.sumcheck.messages.pairing_product_is_one", equal_in_g1):
        yield


def equal_in_g1(pairs: Sequence[tuple[G1Point | None, Any]]) -> bool:
    """C + tau * (-V) = 0."""
    (combined, _), (negated, _) = pairs
    return multi_scalar_multiply([1, TAU], [combined, negated]) is None


def statement(inputs: Sequence[Any], outputs: Sequence[Any], context: bytes = CONTEXT) -> Instance:
    """The statement that inputs have outputs, each of shape (batch, *port's shape)."""
    cells = [[[int(v) for v in np.asarray(x).reshape(-1)] for x in part] for part in (inputs, outputs)]
    return Instance(context, *cells)


def set_up(circuit: Circuit, inputs: Sequence[IntArray], options: Options = SMALL) -> Trial:
    """The trial of a circuit on inputs of shape (batch, *port's shape)."""
    plan = make_plan(structure_of(circuit), options, inputs[0].shape[0])
    device = TrapdoorDevice()

    def constant(tensor: int) -> IntArray:
        value: IntArray = circuit.constants[plan.system.tensors[tensor].node][None]  # type: ignore[union-attr]
        return value

    points, cells = commit(device, plan.parameters, options.chunk_bits, constant)
    committed = None
    if options.commit_inputs:
        committed = commit_inputs(device, parse_header(circuit.header), options.chunk_bits, inputs)
    witness = Witness(circuit, plan, inputs)
    return Trial(circuit, plan, device, decode_points(points), cells, inputs, witness, committed)


def random_inputs(circuit: Circuit, batch: int, seed: int, corners: float = 0.3) -> list[IntArray]:
    """Inputs, some of whose cells are at the edges of their bounds."""
    rng = np.random.default_rng(seed)
    arrays: list[IntArray] = []
    for port in circuit.inputs:
        node = circuit.nodes[port.node]
        shape = (batch, *node.shape)
        inside = rng.integers(node.lo, node.hi, shape, endpoint=True)
        edges = rng.choice([node.lo, node.hi], shape)
        arrays.append(np.asarray(np.where(rng.random(shape) < corners, edges, inside)).astype(node.dtype))
    return arrays


Change = Callable[[list[int]], list[int]]


def words(proof: bytes) -> list[int]:
    """The words of a proof."""
    return [int.from_bytes(proof[i : i + 32], "big") for i in range(0, len(proof), 32)]


def from_words(numbers: Sequence[int]) -> bytes:
    """The proof of such words."""
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def residue(value: int) -> int:
    """An integer as an element of the scalar field."""
    return value % SCALAR_FIELD
