"""The processor's device against the one in plain Python: the same proofs, byte for byte."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit
from prover import _kernels
from prover.sumcheck.argument import prove
from prover.sumcheck.commitments import commit
from prover.sumcheck.cpu import CpuDevice
from tests.budget import examples
from tests.circuits.random_circuits import circuits
from tests.prover.circuits_to_prove import BUILDS
from tests.prover.sumcheck.corner_circuits import CORNERS
from tests.prover.sumcheck.test_operations import circuit_called
from tests.prover.sumcheck.trials import SMALL, TABLED, random_inputs, set_up
from verifier.halo2_srs import read_monomial_points
from verifier.srs import StoredSrs
from verifier.sumcheck.plan import Options

SETTINGS = settings(
    max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class Powers:
    """The powers of tau that the tests' options need."""

    def __init__(self, points: bytes) -> None:
        self.points = points


@pytest.fixture(scope="module")
def powers(srs: Callable[[int], StoredSrs]) -> Powers:
    """Those of the development SRS."""
    return Powers(read_monomial_points(srs(10).path, 10))


def assert_same(powers: Powers, circuit: Circuit, batch: int, options: Options) -> None:
    """Check that both devices make the same key and the same proof."""
    trial = set_up(circuit, random_inputs(circuit, batch, seed=5), options)
    device = CpuDevice(powers.points[: 64 << options.chunk_bits])

    def constant(tensor: int) -> np.ndarray:
        node = trial.plan.system.tensors[tensor].node  # type: ignore[union-attr]
        value: np.ndarray = circuit.constants[node][None]
        return value

    commitments, cells = commit(device, trial.plan.parameters, options.chunk_bits, constant)
    assert commitments == commit(trial.device, trial.plan.parameters, options.chunk_bits, constant)[0]
    proof = prove(device, trial.plan, trial.instance, trial.witness, cells)
    assert proof == trial.prove()


@pytest.mark.parametrize("name", [*BUILDS, *CORNERS])
def test_a_circuit_has_one_proof(name: str, powers: Powers) -> None:
    for batch, options in ((1, SMALL), (2, TABLED)):
        assert_same(powers, circuit_called(name), batch, options)


@SETTINGS
@given(
    circuit=circuits(), batch=st.integers(1, 3), chunk_bits=st.integers(1, 10), limb_bits=st.integers(3, 11)
)
def test_a_random_circuit_has_one_proof(
    powers: Powers, circuit: Circuit, batch: int, chunk_bits: int, limb_bits: int
) -> None:
    assert_same(powers, circuit, batch, Options(chunk_bits, limb_bits, 10))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("instruction_set", _kernels.instruction_sets())
def test_threads_and_instruction_sets_make_no_difference(
    threads: int, instruction_set: str, powers: Powers
) -> None:
    before = _kernels.threads()
    _kernels.set_threads(threads)
    _kernels.set_instruction_set(instruction_set)
    try:
        assert_same(powers, circuit_called("attention"), 2, SMALL)
    finally:
        _kernels.set_threads(before)
        _kernels.set_instruction_set(None)
