"""The asserter's beginning: execute a circuit, commit to its trace, and put the answer into a claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from circuits.circuit import Circuit
from circuits.errors import ChainError, CheckFailed, InputError
from circuits.merkle import LEAF_BYTES
from circuits.tensor import IntArray
from circuits.trace import Commit, Commitment, commitment
from contracts.chain import ZERO_ADDRESS, checked_address
from contracts.claim_tier import Call
from contracts.claims import NO_PROOF_SYSTEM, Claim
from contracts.dispute_tier import DisputeTier
from contracts.inference import MAX_INPUT_BYTES
from contracts.inference_oracle import InferenceOracle, RequestState, distinct_bond
from contracts.packing import pack_inputs, pack_outputs
from contracts.registry import Model, Registry


@dataclass(frozen=True)
class Assertion:
    """A claim that is ready to be posted.

    Attributes
    ----------
    claim, claim_id
        The claim, and its id in the tier that it was made for, 32 bytes.
    run
        What it states about the run of the circuit.
    output
        Its outputs, packed.
    calls
        Post it: one call, together with its input, or two, which lock a request and answer it.
    """

    claim: Claim
    claim_id: bytes
    run: Commitment
    output: bytes
    calls: tuple[Call, ...]


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
    commit: Commit = commitment,
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
    commit
        What executes the circuit.

    Raises
    ------
    InputError, BoundError
        If an input does not fit its port, or the inputs are too large to be posted.
    CheckFailed
        If the model is not of this circuit.
    """
    require_circuit(model, circuit)
    size = circuit.identity.plan.input_leaves * LEAF_BYTES
    if size > MAX_INPUT_BYTES:
        raise InputError(
            f"the inputs take {size:,} bytes, and a claim posts at most {MAX_INPUT_BYTES:,}: "
            "answer a request, which names larger inputs by their root"
        )
    run = commit(circuit, inputs)
    output = pack_outputs(circuit, run.outputs)
    claim = Claim.of(
        model.model_id, run.input_commitment, run.root, output,
        asserter=asserter, bond=bond, window=window, settled_by=settled_by,
    )  # fmt: skip
    call = tier.claim(claim, output, pack_inputs(circuit, inputs))
    return Assertion(claim, tier.claim_id(claim), run, output, (call,))


def answer_request(
    oracle: InferenceOracle,
    request_id: bytes,
    circuit: Circuit,
    inputs: Sequence[IntArray],
    *,
    asserter: str,
    bond: int | None = None,
    commit: Commit = commitment,
) -> tuple[DisputeTier, Assertion]:
    """Execute a circuit on what a request asks about, and claim the answer to it.

    Parameters
    ----------
    inputs, commit
        As for `assert_answer`.
    bond
        In wei; if None, the least that is allowed and a few wei, so that answers to equal requests are
        different claims.

    Returns
    -------
    tuple of DisputeTier and Assertion
        The tier that the request names, and the claim in it.

    Raises
    ------
    InputError, BoundError
        If an input does not fit its port, or is not the one that the request is about.
    CheckFailed
        If the request is about another circuit.
    ChainError
        If there is no such request, it is not open, wants a proof, or names a tier of another kind.
    """
    record = oracle.record(request_id)
    request = record.request
    if record.state is not RequestState.OPEN:
        raise ChainError(f"request 0x{request_id.hex()} is not open: it is {record.state.name}")
    if request.tier == ZERO_ADDRESS:
        raise ChainError("the request wants a proof: verinfer prove --recipient makes one")
    tier = DisputeTier(oracle.chain, request.tier)
    require_circuit(tier.registry.model(request.model_id), circuit)
    run = commit(circuit, inputs)
    if run.input_commitment != request.input:
        raise InputError(
            f"the request is about the input with root 0x{request.input.hex()}, and this one's root is "
            f"0x{run.input_commitment.hex()}"
        )
    least = max(oracle.parameters().min_bond, tier.parameters().min_bond, request.min_bond)
    locked = replace(
        record, asserter=checked_address(asserter), bond=distinct_bond(least) if bond is None else bond
    )
    output = pack_outputs(circuit, run.outputs)
    claim = locked.claim(oracle.address, run.root, output)
    calls = (oracle.accept(request_id, claim.bond), oracle.answer(request_id, output, run.root))
    return tier, Assertion(claim, tier.claim_id(claim), run, output, calls)


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
