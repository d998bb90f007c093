"""The public Python API, with a circuit small enough to be proved at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import verinfer
from tests.prover.circuits_to_prove import build
from verifier.recipient import ANYONE
from verifier.srs import SrsStore

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_a_proof_for_a_recipient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path))
    SrsStore().generate(8)
    circuit, inputs = build("a layer"), np.array([[[0, 17, 255, 128]]])
    key = verinfer.setup(circuit)
    for_anyone, proof = (verinfer.prove(circuit, inputs, key, recipient=r) for r in (None, ALICE))
    assert for_anyone.recipient == ANYONE and verinfer.verify(for_anyone, key).recipient is None
    assert verinfer.verify(proof, key).valid
    verdict = verinfer.verify(proof, key, ALICE)
    assert verdict.valid and verdict.recipient == ALICE
    assert not verinfer.verify(proof, key, BOB).valid
    assert not verinfer.verify(for_anyone, key, ALICE).valid
    with pytest.raises(verinfer.InputError, match="not an address"):
        verinfer.prove(circuit, inputs, key, recipient="Alice")
