"""Claims on any tensors, reduced: what is known, committed and multiplied adds up to what was claimed."""

from __future__ import annotations

import random

import numpy as np
import pytest

from prover.sumcheck.images import product_image
from tests.prover.sumcheck.test_operations import NAMES, circuit_called
from tests.prover.sumcheck.trials import SMALL, TABLED, random_inputs, set_up
from tests.verifier.sumcheck.random_weights import random_weights, weighted
from verifier.bn254 import SCALAR_FIELD as R
from verifier.sumcheck.argument import public_values
from verifier.sumcheck.reduction import reduce, weighted_sum


@pytest.mark.parametrize("name", NAMES)
def test_reduced_claims_say_the_same(name: str) -> None:
    rng = random.Random(name)
    circuit = circuit_called(name)
    batch = rng.choice([1, 2])
    trial = set_up(circuit, random_inputs(circuit, batch, 3), rng.choice([SMALL, TABLED]))
    system, witness = trial.plan.system, trial.witness
    claims = {
        tensor: [random_weights(rng, system.shape(tensor)) for _ in range(rng.choice([1, 1, 2]))]
        for tensor in rng.sample(range(len(system.tensors)), min(12, len(system.tensors)))
        if not hasattr(system.tensors[tensor], "index")
    }
    claimed = sum(weighted(w, witness.value(tensor)) for tensor, all_ in claims.items() for w in all_)
    reduced = reduce(system, claims)
    found = reduced.known(public_values(trial.plan, trial.instance))
    for tensor, all_ in reduced.committed.items():
        found += sum(weighted(w, witness.value(tensor)) for w in all_)
    for claim in reduced.products:
        image = product_image(claim.product, *map(witness.value, (claim.product.left, claim.product.right)))
        shape = [1 if label is None else 0 for label in claim.product.labels]
        sizes = iter(image.shape)
        found += weighted(claim.weights, image.reshape([n or next(sizes) for n in shape]))
    assert found % R == claimed % R


def test_sums_of_public_cells() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        shape = tuple(rng.choice([1, 2, 3, 4, 5]) for _ in range(rng.randrange(4)))
        weights = random_weights(rng, shape)
        cells = np.asarray(np.random.default_rng(seed).integers(-99, 99, shape))
        assert weighted_sum(weights, cells.reshape(-1).tolist()) == weighted(weights, cells)


def test_claims_that_are_alike_become_one() -> None:
    circuit = circuit_called("add")
    system = set_up(circuit, random_inputs(circuit, 1, 0)).plan.system
    weights = random_weights(random.Random(1), system.shape(0))
    reduced = reduce(system, {0: [weights, weights.scaled(5), weights.scaled(R - 6)]})
    assert not reduced.public and not reduced.committed
    reduced = reduce(system, {0: [weights, weights.scaled(5)]})
    assert [w.coefficient for w in reduced.public[0]] == [6 * weights.coefficient % R]
