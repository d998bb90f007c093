"""Circuits as the registry sees them: it accepts their headers and finds the same ids and commitments."""

import pytest

from circuits.trace import input_tree
from contracts.deployment import Deployment
from contracts.registry import Registration, new_salt
from tests.circuits.random_circuits import random_circuit, random_sample


@pytest.mark.parametrize("seed", range(20))
def test_registry_agrees_with_circuits(deployment: Deployment, seed: int) -> None:
    circuit = random_circuit(seed, nodes=6)
    registration, salt = Registration.of(circuit), new_salt()
    deployment.registry.commit(circuit.circuit_id, salt)
    model = deployment.registry.model(deployment.registry.register(registration, salt).model_id)
    assert model.circuit_id == registration.circuit_id == circuit.circuit_id

    sample = random_sample(circuit, seed)
    values = [int(value) for tensor in sample for value in tensor.reshape(-1)]
    expected = input_tree(circuit, sample).root
    assert deployment.verifier.input_commitment(model.model_id, values) == expected
