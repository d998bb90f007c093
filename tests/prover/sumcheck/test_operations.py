"""Completeness: every operation, on inputs at the edges of their bounds, proves and verifies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.compile import compile_file
from circuits.errors import BoundError
from circuits.executor import execute
from circuits.ops import REGISTRY
from tests.budget import examples
from tests.circuits.random_circuits import circuits
from tests.prover.circuits_to_prove import BUILDS, Build, binary, build, unary
from tests.prover.sumcheck.corner_circuits import CORNERS, FARTHEST, corner
from tests.prover.sumcheck.trials import COMMITTED, SMALL, TABLED, random_inputs, set_up
from verifier.sumcheck.plan import Options, make_plan
from verifier.sumcheck.relations import RELATIONS
from verifier.sumcheck.structure import structure_of
from verifier.sumcheck.tuning import choose_options

NAMES = [*BUILDS, *CORNERS]
SETTINGS = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


def circuit_called(name: str) -> Circuit:
    """One of the circuits of either list."""
    return build(name) if name in BUILDS else corner(name)


def test_every_operation_has_a_relation_and_a_circuit_here() -> None:
    assert set(REGISTRY) == set(RELATIONS)
    assert set(REGISTRY) - {"constant"} <= {node.op for name in NAMES for node in circuit_called(name).nodes}


@pytest.mark.parametrize("name", NAMES)
def test_a_circuit_proves(name: str) -> None:
    circuit = circuit_called(name)
    for batch in (1, 2, 3):
        trial = set_up(circuit, random_inputs(circuit, batch, seed=batch), (SMALL, TABLED)[batch % 2])
        for output, expected in zip(trial.witness.outputs, execute(circuit, trial.inputs), strict=True):
            assert np.array_equal(output, expected)
        assert trial.checked(trial.prove())


@pytest.mark.parametrize("name", NAMES)
def test_a_circuit_proves_of_committed_inputs(name: str) -> None:
    circuit = circuit_called(name)
    trial = set_up(circuit, random_inputs(circuit, 1, seed=4), COMMITTED)
    assert not trial.instance.inputs and trial.checked(trial.prove())


@pytest.mark.parametrize("name", NAMES)
def test_inputs_at_the_edges_prove(name: str) -> None:
    """Each input at one end of its bound, in every combination for up to three inputs."""
    circuit = circuit_called(name)
    nodes = [circuit.nodes[port.node] for port in circuit.inputs]
    samples = [
        [node.hi if choice >> i & 1 else node.lo for i, node in enumerate(nodes)]
        for choice in range(1 << min(len(nodes), 3))
    ]
    inputs = [
        np.stack([np.full(node.shape, sample[i], dtype=node.dtype) for sample in samples])
        for i, node in enumerate(nodes)
    ]
    trial = set_up(circuit, inputs, TABLED)
    assert trial.checked(trial.prove())


@SETTINGS
@given(circuits(), st.integers(0, 3), st.integers(2, 9), st.integers(3, 10), st.sampled_from([0, 8, 14]))
def test_random_circuits_prove(
    circuit: Circuit, batch: int, chunk_bits: int, limb_bits: int, clamp_bits: int
) -> None:
    """With inputs that are public, or (a batch of 0) one that is committed."""
    options = Options(chunk_bits, limb_bits, clamp_bits, commit_inputs=batch == 0)
    trial = set_up(circuit, random_inputs(circuit, max(1, batch), seed=7), options)
    assert trial.checked(trial.prove())


@pytest.mark.parametrize("name", ["a layer", "max_pool behind a rescale"])
def test_a_proof_verifies_with_pairings(name: str) -> None:
    circuit = build(name)
    trial = set_up(circuit, random_inputs(circuit, 2, seed=1))
    assert trial.verified(trial.prove())


@pytest.mark.parametrize(
    "build_one",
    [
        binary("max", (2,), (2,), FARTHEST, FARTHEST),
        binary("greater", (2,), (2,), FARTHEST, FARTHEST),
        binary("floor_divide", (2,), (2,), FARTHEST, (1, 3)),
        unary("reduce_max", (2,), FARTHEST, axes=[0]),
        unary("top_k", (2,), FARTHEST, axis=0, k=1),
    ],
)
def test_differences_beyond_64_bits_are_refused_before_a_setup(build_one: Build) -> None:
    builder = CircuitBuilder()
    [output] = build_one(builder, np.random.default_rng())
    circuit = builder.build([Port("y", output, 1.0, "int")], {})
    with pytest.raises(BoundError, match=r"node \d+ .*64 bits"):
        make_plan(structure_of(circuit), SMALL, 1)


EXAMPLES = [
    "digits/mlp",
    "digits/cnn",
    "sequence/lstm",
    "sequence/transformer",
    "tabular/random_forest",
    "tabular/gradient_boosting",
]


@pytest.mark.long
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_proves(name: str) -> None:
    circuit = compile_file(Path(__file__).parents[3] / "examples" / f"{name}.onnx").circuit
    options = choose_options(structure_of(circuit))
    trial = set_up(circuit, random_inputs(circuit, 1, seed=1, corners=0), options)
    assert trial.checked(trial.prove())
