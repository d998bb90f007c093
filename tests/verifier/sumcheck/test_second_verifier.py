"""Specification and code agree: the verifier written from docs/protocol.md alone says what ours says."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import astuple, replace
from unittest.mock import patch

import pytest
from py_ecc import optimized_bn128 as curve

from circuits.circuit import Circuit
from tests.circuits.random_circuits import random_circuit
from tests.prover.sumcheck.test_operations import NAMES, circuit_called
from tests.prover.sumcheck.trials import (
    COMMITTED,
    CONTEXT,
    SMALL,
    TABLED,
    Trial,
    from_words,
    random_inputs,
    set_up,
    words,
)
from tests.verifier.sumcheck import second_verifier
from verifier.bn254 import SCALAR_FIELD, encode_g1
from verifier.development_srs import TAU
from verifier.sumcheck.argument import Instance
from verifier.sumcheck.plan import Options
from verifier.sumcheck.structure import structure_of

SAMPLE = (
    "attention",
    "order of the widest values",
    "a clamp of the widest values",
    "wide pools with strides",
)
"""With windows, copies, one-hot choices, limbs, excesses, parameters and tables among them."""


def agrees(trial: Trial, proof: bytes, instance: Instance | None = None) -> bool:
    """What the second verifier says. The secret of the SRS stands in for the pairing."""
    claimed = instance or trial.instance
    points = b"".join(bytes(64) if point is None else encode_g1(point) for point in trial.parameters)
    with patch.object(second_verifier, "pairing_holds", _holds_by_tau):
        try:
            second_verifier.verify(
                structure_of(trial.circuit).encode(),
                bytes(astuple(trial.plan.options)),
                points,
                None,
                CONTEXT,
                trial.plan.batch,
                claimed.inputs,
                claimed.outputs,
                proof,
                claimed.committed.encode() if claimed.committed else None,
            )
        except second_verifier.Refused:
            return False
    return True


def _holds_by_tau(left: object, right: object, tau_g2: object) -> bool:
    return bool(curve.eq(left, curve.multiply(right, TAU)))


def trial_of(circuit: Circuit, batch: int, options: Options, seed: int = 1) -> Trial:
    return set_up(circuit, random_inputs(circuit, batch, seed), options)


def test_both_accept() -> None:
    for name, options in zip(SAMPLE, (SMALL, SMALL, SMALL, TABLED), strict=True):
        trial = trial_of(circuit_called(name), 1 + (options is TABLED), options)
        proof = trial.prove()
        assert trial.checked(proof)
        assert agrees(trial, proof), name


def test_both_accept_committed_inputs() -> None:
    for name in ("attention", "a clamp to one bit"):
        trial = trial_of(circuit_called(name), 1, COMMITTED)
        proof = trial.prove()
        assert trial.checked(proof)
        assert agrees(trial, proof), name


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_both_accept_every_operation(name: str) -> None:
    for batch, options in ((1, SMALL), (2, TABLED), (1, COMMITTED)):
        trial = trial_of(circuit_called(name), batch, options)
        assert agrees(trial, trial.prove())


@pytest.mark.long
def test_both_accept_random_circuits() -> None:
    for seed in range(40):
        trial = trial_of(random_circuit(seed, 8), 1 + seed % 2, (SMALL, TABLED)[seed % 2], seed)
        proof = trial.prove()
        assert trial.checked(proof), seed
        assert agrees(trial, proof), seed


def test_with_pairings() -> None:
    trial = trial_of(circuit_called("a clamp to one bit"), 1, SMALL)
    proof = trial.prove()
    assert trial.verified(proof)
    tau_g2 = curve.multiply(curve.G2, TAU)
    holds: Callable[..., bool] = second_verifier.pairing_holds
    with patch.object(second_verifier, "pairing_holds", lambda left, right, _: holds(left, right, tau_g2)):
        points = b"".join(bytes(64) if point is None else encode_g1(point) for point in trial.parameters)
        structure = structure_of(trial.circuit).encode()
        options = bytes(astuple(trial.plan.options))
        said = trial.instance
        second_verifier.verify(structure, options, points, None, CONTEXT, 1, said.inputs, said.outputs, proof)


def test_both_refuse_every_changed_word() -> None:
    trial = trial_of(circuit_called("a clamp to one bit"), 1, SMALL)
    proof = trial.prove()
    rng = random.Random(3)
    original = words(proof)
    for i in rng.sample(range(len(original)), 12):
        changed = original.copy()
        changed[i] = rng.choice(
            [0, 1, original[i] + 1, SCALAR_FIELD - 1, (original[i] + SCALAR_FIELD) % 2**256]
        )
        forged = from_words(changed)
        if changed != original:
            assert not trial.checked(forged)
            assert not agrees(trial, forged)


def test_both_refuse_other_outputs_and_lengths() -> None:
    trial = trial_of(circuit_called("a clamp to one bit"), 1, SMALL)
    proof = trial.prove()
    outputs = [[1 - n for n in values] for values in trial.instance.outputs]
    false = replace(trial.instance, outputs=outputs)
    assert not trial.checked(proof, false) and not agrees(trial, proof, false)
    for forged in (proof[:-32], proof + bytes(32), proof[32:]):
        assert not trial.checked(forged) and not agrees(trial, forged)
