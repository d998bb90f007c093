"""One input root, data of two layouts: a claim about one model must not hide the input of another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.trace import Trace
from contracts.claim_status import ClaimStatus
from contracts.packing import pack_inputs
from contracts.registry import Registration, new_salt
from tests.challenger.lies import Lie
from tests.challenger.scene import Scene


def whole_leaves(count: int) -> Circuit:
    """A circuit whose only input fills so many leaves: any input tree of that size is one of its own."""
    builder = CircuitBuilder()
    x = builder.input("x", (count * 128,), -128, 127, 1.0, "int")
    y = builder.add("slice", [x], starts=[0], steps=[1], sizes=[1])
    y = builder.add("rescale", [y], mul=1, shift=1, lo=None, hi=None)
    return builder.build([Port("y", y, 1.0, "int")], {})


@pytest.mark.parametrize("first", [True, False])
def test_a_false_claim_whose_input_was_posted_in_another_layout(
    scene: Scene, tmp_path: Path, first: bool
) -> None:
    lie = scene.falsehood()
    leaves = lie.honest.input_leaves
    other = whole_leaves(len(leaves))
    data = leaves.view(np.int8).reshape(1, -1)
    truth = Lie.of(Trace.of(other, [data]))
    assert truth.honest.input_commitment == lie.honest.input_commitment
    salt = new_salt()
    registration = Registration.of(other)
    scene.registry.commit(registration.circuit_id, salt)
    model_id = scene.registry.register(registration, salt).model_id
    decoy = replace(scene.claim_of(truth, scene.dev.rich), model_id=model_id)
    call = scene.tier.claim(decoy, bytes(truth.output), pack_inputs(other, [data]))
    if first:
        scene.send(call)
    claim = scene.post(lie)
    if not first:
        scene.send(call)
    with scene.watching() as watcher:
        scene.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED
    assert scene.status(decoy) is ClaimStatus.PROVISIONAL
