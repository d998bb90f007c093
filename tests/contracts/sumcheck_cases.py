"""Small circuits set up for a chain, with two honest proofs each, and the calls that check these."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cached_property

from eth_abi.abi import encode

from circuits.circuit import Circuit
from tests.circuits.random_circuits import random_circuit
from tests.contracts.headers import input_commitment
from tests.contracts.sumcheck_calls import Call, Tier
from tests.prover.circuits_to_prove import BUILDS, build
from tests.prover.sumcheck.corner_circuits import CORNERS, corner
from tests.prover.sumcheck.trials import COMMITTED, SMALL, TABLED, Trial, random_inputs, set_up
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE
from verifier.statement import split_by_port
from verifier.sumcheck.plan import Options
from verifier.sumcheck.program import compile_program
from verifier.sumcheck.verify import context

COARSE = Options(chunk_bits=3, limb_bits=4, clamp_bits=0)
OPTIONS = [SMALL, SMALL, TABLED, COARSE, COMMITTED, COMMITTED]
FINE = Options(chunk_bits=1, limb_bits=1, clamp_bits=0)
"""Makes long programs."""


@dataclass
class Case:
    """A circuit, its key and its program on a chain, and honest proofs of two inputs.

    Attributes
    ----------
    trial
        The circuit with the first input.
    accounts
        Where the program's parts are.
    proof, other
        The proofs; the second is for an input of its own and for nobody in particular.
    """

    trial: Trial
    key: VerifyingKey
    program: bytes
    accounts: tuple[int, ...]
    proof: Proof
    other: Proof

    @cached_property
    def honest(self) -> Call:
        """What the tier accepts."""
        return self.call(self.proof)

    def call(self, proof: Proof) -> Call:
        """What the tier is called with, for the model's program, whatever the proof says."""
        header = self.key.circuit
        if proof.committed is not None:
            named, commitment = proof.committed.encode(), proof.committed.digest
        else:
            by_port = split_by_port("input", proof.inputs, header.inputs)
            named = b"".join(
                value.to_bytes(port.width, "big", signed=True)
                for port, values in zip(header.inputs, by_port, strict=True)
                for value in values
            )
            commitment = input_commitment(header.inputs, proof.inputs)
        return Call(
            circuit_id=proof.circuit_id,
            header=self.key.header,
            commitment=commitment,
            output=encode(["int256[]"], [proof.outputs]),
            recipient=int.from_bytes(proof.recipient, "big"),
            program=self.accounts[0],
            key_hash=proof.key_digest,
            others=self.accounts[1:],
            named=named,
            argument=proof.sections["argument"],
        )


def small_case(rng: random.Random, tier: Tier) -> Case:
    """A case of any small circuit.

    Where nothing that a prover says depends on a challenge (a circuit may do nothing but repeat its input),
    one proof serves for every name, and anybody can write it down. Such a circuit makes no case.
    """
    while True:
        case = case_of(
            rng,
            tier,
            random_small_circuit(rng),
            rng.choice([SMALL, SMALL, TABLED, COARSE, COMMITTED, COMMITTED]),
        )
        for_another = proved(case.trial, case.key, bytes(range(20)))
        if for_another.sections != case.proof.sections:
            return case


def long_case(rng: random.Random, tier: Tier) -> Case:
    """A case whose program has several parts."""
    case = case_of(rng, tier, random_circuit(0, 60), FINE)
    assert len(case.accounts) > 2
    return case


def random_small_circuit(rng: random.Random) -> Circuit:
    """One for some operation, one that has a corner, or one of several operations."""
    kind = rng.randrange(3)
    if kind == 0:
        return build(rng.choice(sorted(BUILDS)))
    if kind == 1:
        return corner(rng.choice(sorted(CORNERS)))
    return random_circuit(rng.randrange(1 << 32), rng.randint(1, 8))


def case_of(rng: random.Random, tier: Tier, circuit: Circuit, options: Options) -> Case:
    """The case of a circuit."""
    trial = set_up(circuit, random_inputs(circuit, 1, rng.randrange(1 << 32)), options)
    another = set_up(circuit, random_inputs(circuit, 1, rng.randrange(1 << 32)), options)
    key = trial.key()
    program = compile_program(key)
    return Case(
        trial,
        key,
        program,
        tier.place(program),
        proved(trial, key, rng.choice([ANYONE, rng.randbytes(20)])),
        proved(another, key, ANYONE),
    )


def proved(trial: Trial, key: VerifyingKey, recipient: bytes) -> Proof:
    """An honest proof, as a file has it."""
    trial = replace(trial, context=context(key, recipient))
    said = trial.instance
    inputs, outputs = (
        tuple(value for cells in part for value in cells) for part in (said.inputs, said.outputs)
    )
    sections = {"argument": trial.prove()}
    return Proof(
        "sumcheck", key.circuit_id, key.digest, True, inputs, outputs, sections, recipient, said.committed
    )
