"""Verifiers of proofs of one sample on a chain, as judges beside the verifier in Python (`trials.JUDGES`).

Both execute the program that the verifier is compiled to: a machine in plain Python, and the contract. They
know neither circuits nor bounds: every port admits 64 bits, so that false statements come to the argument.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from eth_abi.abi import encode as abi_encode

from contracts.devchain import Anvil
from tests.contracts.headers import Header, Port, input_commitment
from tests.contracts.sumcheck_calls import Call, Outcome, Tier
from tests.contracts.sumcheck_machine import Committed, Rejected, run
from tests.prover.sumcheck.trials import Judge, equal_in_g1, words
from verifier.bn254 import SCALAR_FIELD
from verifier.development_srs import development_head
from verifier.msm import Sum
from verifier.statement import INT64_MAX, INT64_MIN
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.plan import Plan
from verifier.sumcheck.program import record
from verifier.sumcheck.program.encoding import encode, parts_of
from verifier.sumcheck.system import Public

CONTEXT_BYTES = 4 * 32
KEPT = 64
"""Programs that are kept for the next proof under the same plan."""


class Programs:
    """Programs of plans and commitments, each compiled once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, tuple[Sum, ...]], tuple[Plan, bytes]] = OrderedDict()

    def of(self, plan: Plan, parameters: Sequence[Sum], srs_id: bytes) -> bytes:
        """The program, for an SRS that is called by that id."""
        key = id(plan), tuple(parameters)  # the plan is kept, too, so no other has its id
        if key not in self._kept:
            self._kept[key] = plan, encode(record(plan), parameters, development_head())
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        _, program = self._kept[key]
        at = 32 * len(parts_of(program))
        return program[:at] + srs_id + program[at + 32 :]


PROGRAMS = Programs()


class MachineJudge:
    """The machine in plain Python. Its pairing check is one in G1, as `trials.known_tau` says."""

    def __call__(
        self, proof: bytes, plan: Plan, instance: Instance, parameters: Sequence[Sum]
    ) -> bool | None:
        srs_id, *context = words(instance.context)
        if not can_be_said(plan, instance):
            return None
        if len(proof) % 32:
            return False  # the contract counts bytes, the machine words
        program = PROGRAMS.of(plan, parameters, srs_id.to_bytes(32, "big"))
        ports = [[value % SCALAR_FIELD for value in port] for port in (*instance.inputs, *instance.outputs)]
        said = instance.committed
        committed = Committed(int.from_bytes(said.digest, "big"), words(said.points)) if said else None
        with patch("tests.contracts.sumcheck_machine.pairing_product_is_one", equal_in_g1):
            try:
                run(program, context, ports, words(proof), committed)
            except Rejected:
                return False
        return True


class ContractJudge:
    """The contract, with pairings."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._placed: dict[bytes, tuple[int, ...]] = {}

    def __call__(
        self, proof: bytes, plan: Plan, instance: Instance, parameters: Sequence[Sum]
    ) -> bool | None:
        claimed = in_integers(instance)
        if not can_be_said(plan, instance) or claimed is None:
            return None
        program = PROGRAMS.of(plan, parameters, instance.context[:32])
        if program not in self._placed:
            self._placed[program] = self._tier.place(program)
        first, *others = self._placed[program]
        call = Call(
            circuit_id=instance.context[32:64],
            header=Header(ports_of(claimed.inputs), ports_of(claimed.outputs)).encode(),
            commitment=commitment_of(claimed),
            output=abi_encode(["int256[]"], [[value for cells in claimed.outputs for value in cells]]),
            recipient=int.from_bytes(claimed.context[96:], "big"),
            program=first,
            key_hash=instance.context[64:96],
            others=tuple(others),
            named=named_inputs(claimed),
            argument=proof,
        )
        outcome = self._tier.outcome(call)
        assert outcome is not Outcome.EXHAUSTED
        return outcome is Outcome.ACCEPTED


def can_be_said(plan: Plan, instance: Instance) -> bool:
    """Whether a program can be asked: of one sample, with as many values as there are cells."""
    if plan.batch != 1 or len(instance.context) != CONTEXT_BYTES:
        return False
    if (instance.committed is None) != (plan.inputs is None):
        return False  # a program reads either values or points
    sizes = {t.port: math.prod(t.shape) for t in plan.system.tensors if isinstance(t, Public)}
    said = [len(cells) for cells in (*instance.inputs, *instance.outputs)]
    return said == [sizes[port] for port in sorted(sizes)]


def in_integers(instance: Instance) -> Instance | None:
    """The statement with the integers of 64 bits that its values are in the field, or None if one is none."""
    parts = [
        [[centred(value) for value in cells] for cells in part]
        for part in (instance.inputs, instance.outputs)
    ]
    if not all(INT64_MIN <= value <= INT64_MAX for part in parts for cells in part for value in cells):
        return None
    return replace(instance, inputs=parts[0], outputs=parts[1])


def centred(value: int) -> int:
    """The element of the field as the integer of least magnitude."""
    residue = value % SCALAR_FIELD
    return residue - SCALAR_FIELD if residue > SCALAR_FIELD // 2 else residue


def ports_of(values: Sequence[Sequence[int]]) -> list[Port]:
    """Ports of 64 bits for the values; a header has one even where the statement says no values."""
    return [Port((len(cells),), INT64_MIN, INT64_MAX) for cells in values or [[0]]]


def commitment_of(instance: Instance) -> bytes:
    """The input commitment of a statement."""
    if instance.committed is not None:
        return instance.committed.digest
    flat = [value for cells in instance.inputs for value in cells]
    return input_commitment(ports_of(instance.inputs), flat)


def named_inputs(instance: Instance) -> bytes:
    """The inputs, or the commitments to them, as the contract takes them."""
    if instance.committed is not None:
        return instance.committed.encode()
    return b"".join(value.to_bytes(8, "big", signed=True) for cells in instance.inputs for value in cells)


@contextmanager
def judges(names: Sequence[str]) -> Iterator[list[Judge]]:
    """The judges called "machine" and "contract"."""
    unknown = set(names) - {"machine", "contract"}
    assert not unknown, f"there are no judges called {unknown}"
    made: list[Judge] = [MachineJudge()] if "machine" in names else []
    if "contract" not in names:
        yield made
        return
    with Anvil() as anvil:
        yield [*made, ContractJudge(Tier(anvil.connect(), anvil.url))]
