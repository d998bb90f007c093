"""A claim says the same whatever computes it, and only what was committed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from challenger.asserting import Assertion, assert_answer, find_model
from challenger.judge import Judge
from challenger.records import Verdict
from circuits.circuit import Circuit
from circuits.tensor import IntArray
from circuits.trace import Commit, Commitment, commitment
from contracts.claim_status import ClaimStatus
from contracts.packing import pack_inputs
from prover.cuda.trace import Committer
from tests.challenger.scene import PARAMETERS, Scene
from tests.circuits.random_circuits import random_sample
from tests.prover.cuda.emulator import Emulator


def asserted(scene: Scene, commit: Commit) -> Assertion:
    """The claim to the scene's first sample."""
    assert scene.dev.rich.signer is not None
    return assert_answer(
        scene.tier, find_model(scene.registry, scene.circuit), scene.circuit, random_sample(scene.circuit, 0),
        asserter=scene.dev.rich.signer.address, bond=PARAMETERS.min_bond, window=PARAMETERS.min_window,
        commit=commit,
    )  # fmt: skip


def verdict(scene: Scene, assertion: Assertion) -> Verdict:
    """What a challenger says who executes the claim."""

    class Known:
        def of_model(self, model_id: int) -> Circuit | None:
            return scene.circuit if model_id == scene.model_id else None

    data = pack_inputs(scene.circuit, random_sample(scene.circuit, 0))
    return Judge(Known()).verdict(assertion.claim, assertion.output, data)


def test_a_gpu_makes_the_claim_that_the_processor_makes(scene: Scene) -> None:
    made = asserted(scene, Committer(Emulator()).commit)
    expected = asserted(scene, commitment)
    assert (made.claim, made.claim_id, made.output) == (expected.claim, expected.claim_id, expected.output)
    scene.send(made.calls[0])
    assert scene.tier.status(expected.claim_id) is ClaimStatus.PROVISIONAL
    assert verdict(scene, made) is Verdict.TRUE


def test_a_device_that_computes_wrongly_makes_a_claim_that_is_found_false(scene: Scene) -> None:
    def broken(circuit: Circuit, inputs: Sequence[IntArray]) -> Commitment:
        run = commitment(circuit, inputs)
        return replace(run, outputs=tuple(output ^ 1 for output in run.outputs))

    made = asserted(scene, broken)
    scene.send(made.calls[0])
    assert scene.tier.status(made.claim_id) is ClaimStatus.PROVISIONAL
    assert verdict(scene, made) is Verdict.FALSE
