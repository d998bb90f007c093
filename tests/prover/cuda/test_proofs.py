"""Whole proofs: on a GPU, or on what runs its code, they have the processor's bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import InputError
from circuits.executor import execute
from prover.cuda.driver import Driver
from prover.cuda.execution import Execution
from prover.cuda.kernels import Kernels
from prover.progress import silent
from prover.sumcheck.argument import prove
from prover.sumcheck.backend import SumcheckBackend
from prover.sumcheck.commitments import commit
from prover.sumcheck.cost import cuda_bytes
from prover.sumcheck.cpu import CpuDevice
from prover.sumcheck.cuda import CudaDevice
from prover.sumcheck.witness import Witness
from tests.budget import examples
from tests.circuits.random_circuits import circuits
from tests.prover.circuits_to_prove import BUILDS
from tests.prover.cuda.emulator import Emulator
from tests.prover.sumcheck.corner_circuits import CORNERS
from tests.prover.sumcheck.test_operations import circuit_called
from tests.prover.sumcheck.trials import SMALL, TABLED, random_inputs, set_up
from verifier.halo2_srs import read_monomial_points
from verifier.srs import StoredSrs
from verifier.sumcheck.plan import Options

SETTINGS = settings(
    max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def points(srs: Callable[[int], StoredSrs]) -> bytes:
    """The powers of tau that the tests' options need."""
    return read_monomial_points(srs(10).path, 10)


def assert_same(driver: Driver, points: bytes, circuit: Circuit, batch: int, options: Options) -> None:
    """Check the GPU's key, witness and proof."""
    inputs = random_inputs(circuit, batch, seed=5)
    trial = set_up(circuit, inputs, options)
    cpu, gpu = (
        CpuDevice(points[: 64 << options.chunk_bits]),
        CudaDevice(points[: 64 << options.chunk_bits], driver),
    )
    witness = Witness(circuit, trial.plan, inputs, gpu)
    for made, expected in zip(witness.outputs, trial.witness.outputs, strict=True):
        assert np.array_equal(made, expected)
    proof = prove(gpu, trial.plan, trial.instance, witness, [gpu.hold(cells) for cells in trial.cells])
    assert proof == prove(cpu, trial.plan, trial.instance, trial.witness, trial.cells)
    made, expected = (
        commit(device, trial.plan.advice, options.chunk_bits, held.value)[0]
        for device, held in ((gpu, witness), (cpu, trial.witness))
    )
    assert made == expected


@pytest.mark.parametrize("name", [*BUILDS, *CORNERS])
def test_a_circuit_has_one_proof(driver: Driver, name: str, points: bytes) -> None:
    for batch, options in ((1, SMALL), (2, TABLED)):
        assert_same(driver, points, circuit_called(name), batch, options)


@SETTINGS
@given(
    circuit=circuits(), batch=st.integers(1, 3), chunk_bits=st.integers(1, 10), limb_bits=st.integers(3, 11)
)
def test_a_random_circuit_has_one_proof(
    driver: Driver, points: bytes, circuit: Circuit, batch: int, chunk_bits: int, limb_bits: int
) -> None:
    assert_same(driver, points, circuit, batch, Options(chunk_bits, limb_bits, 10))


@SETTINGS
@given(circuit=circuits(most_nodes=20), batch=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_a_random_circuit_runs_alike(driver: Driver, circuit: Circuit, batch: int, seed: int) -> None:
    inputs, seen, expected = random_inputs(circuit, batch, seed), {}, {}
    execution = Execution(Kernels(driver))
    execute(circuit, inputs, lambda i, x: seen.__setitem__(i, execution.fetch(x)), execution)
    execute(circuit, inputs, expected.__setitem__)
    for i, value in expected.items():
        assert seen[i].dtype == value.dtype
        assert np.array_equal(seen[i], value), circuit.nodes[i]


@pytest.mark.parametrize("bits", [8, 12, 16, 28])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_convolutions_at_the_widest_values(driver: Driver, bits: int, groups: int) -> None:
    edge, rng = 1 << (bits - 1), np.random.default_rng(bits)
    for kernel, stride, dilation, pad in (((3, 3), 1, 1, 1), ((2, 4), 3, 2, 2), ((1, 1), 2, 1, 0)):
        b = CircuitBuilder()
        x = b.input("x", (2, 9, 11, 6), -edge, edge - 1, 1.0, "int")
        w = b.constant(rng.choice([-edge, edge - 1, 0, 1], (12, *kernel, 6 // groups)))
        window = {"strides": [stride] * 2, "dilations": [dilation] * 2}
        y = b.add("conv", [x, w], groups=groups, pads_before=[pad] * 2, pads_after=[pad] * 2, **window)
        circuit = b.build([Port("y", y, 1.0, "int")], {})
        inputs = [rng.choice([-edge, edge - 1, -1], (2, 2, 9, 11, 6))]
        made = execute(circuit, inputs, processor=Execution(Kernels(driver)))
        assert np.array_equal(made[0], execute(circuit, inputs)[0])


def test_a_backend_with_a_gpu_makes_the_same_files(driver: Driver, srs: Callable[[int], StoredSrs]) -> None:
    circuit = circuit_called("attention")
    inputs = random_inputs(circuit, 2, seed=1)
    made = []
    for backend in (
        SumcheckBackend(),
        SumcheckBackend(make_device=lambda points, threads: CudaDevice(points, driver)),
    ):
        key = backend.setup(circuit, srs, silent).key
        prover = backend.load(circuit, key, srs, silent)
        made.append((key.encode(), *(prover.prove(inputs, silent).proof.encode() for _ in range(2))))
    assert made[0] == made[1]


def test_a_proof_that_does_not_fit_is_refused(srs: Callable[[int], StoredSrs]) -> None:
    circuit = circuit_called("attention")
    small = Emulator(free_bytes=1 << 20)
    backend = SumcheckBackend(make_device=lambda points, threads: CudaDevice(points, small))
    prover = backend.load(circuit, backend.setup(circuit, srs, silent).key, srs, silent)
    with pytest.raises(InputError, match=r"of the GPU's memory, and 0\.0 GB are free"):
        prover.prove(random_inputs(circuit, 1, seed=1), silent)
    assert cuda_bytes(prover._cost.counts, thrifty=False) > 1 << 20
