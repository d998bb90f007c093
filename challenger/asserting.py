"""The asserter's beginning: execute a circuit, commit to its trace, and put the answer into a claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.circuit import Circuit
from circuits.errors import CheckFailed, InputError
from circuits.merkle import LEAF_BYTES
from circuits.tensor import IntArray
from circuits.trace import Trace
from contracts.claims import NO_PROOF_SYSTEM, Claim, pack_inputs, pack_outputs
from contracts.dispute_tier import Call, DisputeTier
from contracts.registry import Model, Registry

MAX_INPUT_LEAVES = 512
"""The contracts commit to no more inputs than these; see `InputTree`."""


@dataclass(frozen=True)
class Assertion:
    """A claim that is ready to be posted.

    Attributes
    ----------
    claim, claim_id
        The claim, and its id in the tier that it was made for, 32 bytes.
    trace
        What answers all disputes about it.
    output
        Its outputs, packed.
    call
        Posts it, together with its input.
    """

    claim: Claim
    claim_id: bytes
    trace: Trace
    output: bytes
    call: Call


def assert_answer(
    tier: DisputeTier,
    model: Model,
    circuit: Circuit,
    inputs: Sequence[IntArray],
    *,
    asserter: str,
    bond: int,
    window: int,
    settled_by: bytes = NO_PROOF_SYSTEM,
) -> Assertion:
    """Execute a circuit on one sample and claim the answer.

    Parameters
    ----------
    inputs
        One integer array for each input port, of shape (1, *port's shape).
    bond
        In wei.
    window
        In seconds.
    settled_by
        A proof system whose proofs settle the claim, 4 bytes; zeros if none does.

    Raises
    ------
    InputError, BoundError
        If an input does not fit its port, or the inputs are too large to be posted.
    CheckFailed
        If the model is not of this circuit.
    """
    require_circuit(model, circuit)
    leaves = circuit.identity.plan.input_leaves
    if leaves > MAX_INPUT_LEAVES:
        raise InputError(
            f"the inputs take {leaves * LEAF_BYTES:,} bytes, and a claim posts at most "
            f"{MAX_INPUT_LEAVES * LEAF_BYTES:,}: answer a request, which names larger inputs by their root"
        )
    trace = Trace.of(circuit, inputs)
    output = pack_outputs(circuit, trace.outputs)
    claim = Claim.of(
        model.model_id, trace.input_commitment, trace.root, output,
        asserter=asserter, bond=bond, window=window, settled_by=settled_by,
    )  # fmt: skip
    call = tier.claim(claim, output, pack_inputs(circuit, inputs))
    return Assertion(claim, tier.claim_id(claim), trace, output, call)


def find_model(registry: Registry, circuit: Circuit, model_id: int | None = None) -> Model:
    """The registration of a circuit: the one with this id, or else the one that was committed to first.

    Disputes need nothing of a registration but the circuit, which its id fixes: any of them is as good.

    Raises
    ------
    CheckFailed
        If the model of that id is not of this circuit.
    ChainError
        If the circuit is not registered, or the endpoint fails.
    """
    if model_id is not None:
        model = registry.model(model_id)
        require_circuit(model, circuit)
        return model
    models = registry.models_of(circuit.circuit_id)
    if not models:
        raise CheckFailed(
            f"circuit 0x{circuit.circuit_id.hex()} is not registered at {registry.address}: "
            "verinfer contract register"
        )
    return models[0]


def require_circuit(model: Model, circuit: Circuit) -> None:
    """Check that a registered model is of a circuit.

    Raises
    ------
    CheckFailed
        If it is of another.
    """
    if model.circuit_id != circuit.circuit_id:
        raise CheckFailed(
            f"model {model.model_id:#x} is of circuit 0x{model.circuit_id.hex()}, and this file is of "
            f"circuit 0x{circuit.circuit_id.hex()}"
        )
