"""Wrong cells in the advice of every operation: in each tensor of each role, alone or with all that follows.

Soundness in two halves. Of the relations: a witness that breaks no demand has the circuit's outputs. Of the
argument: a proof is accepted exactly where its witness breaks none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from circuits.errors import VerinferError
from tests.budget import examples
from tests.circuits.random_circuits import circuits
from tests.prover.circuits_to_prove import BUILDS
from tests.prover.sumcheck.cheating import Cells, CheatingWitness, violated
from tests.prover.sumcheck.corner_circuits import CORNERS
from tests.prover.sumcheck.forging import Forger
from tests.prover.sumcheck.test_operations import circuit_called
from tests.prover.sumcheck.trials import SMALL, TABLED, Trial, random_inputs, set_up
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.system import Advice

NAMES = [*BUILDS, *CORNERS]
HALF = pow(2, -1, SCALAR_FIELD)


def test_an_honest_forger_says_what_the_prover_says() -> None:
    for name in ("a layer", "max_pool", "attention", "one cell, nothing but a sum"):
        trial = set_up(circuit_called(name), random_inputs(circuit_called(name), 2, seed=3))
        forger = Forger(trial)
        assert not violated(forger.witness)
        assert forger.prove() == trial.prove()


@pytest.mark.parametrize("name", NAMES)
def test_no_wrong_cell_satisfies_the_system(name: str) -> None:
    """Some alternatives are as true: another of several greatest cells. Then the outputs are the same."""
    for options in (SMALL, TABLED):
        trial = set_up(circuit_called(name), random_inputs(circuit_called(name), 2, seed=1), options)
        for witness in wrong_witnesses(trial, np.random.default_rng(2), examples(2)):
            if not violated(witness):
                for output, true in zip(witness.outputs, trial.witness.outputs, strict=True):
                    assert (output == true).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_proof_is_accepted_only_of_a_witness_that_satisfies_the_system(name: str) -> None:
    trial = set_up(circuit_called(name), random_inputs(circuit_called(name), 1, seed=2))
    rng = np.random.default_rng(3)
    witnesses = list(wrong_witnesses(trial, rng, 1))
    for i in rng.permutation(len(witnesses))[: examples(3)]:
        forger = Forger(trial, witnesses[i])
        assert trial.checked(forger.prove(), forger.instance) == (not violated(witnesses[i]))


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
def test_many_proofs_of_wrong_witnesses(name: str) -> None:
    """The same with other inputs and more cells, batches and options."""
    for seed in range(examples(1)):
        rng = np.random.default_rng(100 + seed)
        inputs = random_inputs(circuit_called(name), int(rng.integers(1, 4)), seed=seed)
        trial = set_up(circuit_called(name), inputs, (SMALL, TABLED)[seed % 2])
        witnesses = list(wrong_witnesses(trial, rng, 1))
        for i in rng.permutation(len(witnesses))[:5]:
            satisfied = not violated(witnesses[i])
            forger = Forger(trial, witnesses[i])
            assert trial.checked(forger.prove(), forger.instance) == satisfied
            assert not satisfied or forger.instance == trial.instance


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(circuits(), st.integers(0, 1000))
def test_no_wrong_cell_satisfies_the_system_of_a_random_circuit(circuit: Circuit, seed: int) -> None:
    trial = set_up(circuit, random_inputs(circuit, 1, seed), (SMALL, TABLED)[seed % 2])
    for witness in wrong_witnesses(trial, np.random.default_rng(seed), 1):
        if not violated(witness):
            for output, true in zip(witness.outputs, trial.witness.outputs, strict=True):
                assert (output == true).all()


def wrong_witnesses(trial: Trial, rng: np.random.Generator, each: int) -> Iterator[CheatingWitness]:
    """For each tensor of advice, witnesses with a wrong cell in it, made in three ways."""
    for tensor, advice in trial.plan.system.committed().items():
        if not isinstance(advice, Advice):
            continue
        for _ in range(each):
            cells = wrong_cells(trial, tensor, rng)
            yield CheatingWitness(trial, {tensor: cells}, consistent=False)
            yield CheatingWitness(trial, {tensor: cells})
            name, *arguments = advice.role
            if name == "node":
                [node] = arguments
                assert isinstance(node, int)
                try:
                    yield CheatingWitness(trial, nodes={node: cells})
                except VerinferError:
                    continue


def wrong_cells(trial: Trial, tensor: int, rng: np.random.Generator) -> Cells:
    """The cells of an advice tensor, one of them changed, by little, by a limb, or to a fraction."""
    cells = np.array(trial.witness.value(tensor)).astype(object)
    cells = np.broadcast_to(cells, trial.plan.system.shape(tensor)).copy()
    place = tuple(rng.integers(n) for n in cells.shape)
    old = int(cells[place])
    base = 1 << trial.plan.options.limb_bits
    choices = [old + 1, old - 1, old + base, old - base, -old, 0, 1, old * HALF, HALF, old + base * HALF]
    choices.append(int.from_bytes(rng.bytes(32), "big"))
    values = [value for value in choices if (value - old) % SCALAR_FIELD]
    cells[place] = values[rng.integers(len(values))] % SCALAR_FIELD
    return cells
