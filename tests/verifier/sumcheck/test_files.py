"""Keys and proofs as they lie on a disk, read by the verifier written from docs/protocol.md alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits.builder import CircuitBuilder
from circuits.circuit import Port
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from tests.verifier.sumcheck.second_verifier import Refused, verify_files
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE
from verifier.srs import SrsStore
from verifier.verify import verify

RECIPIENT = bytes(range(1, 21))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The key of a small convolution with two ports on each side, and a proof of two samples."""
    b = CircuitBuilder()
    x = b.input("x", (1, 5, 2), -9, 9, 1.0, "int")
    z = b.input("z", (3,), 0, 9, 1.0, "int")
    y = b.add(
        "conv",
        [x, b.constant(np.arange(-9, 9).reshape(3, 3, 2))],
        strides=[2],
        pads_before=[1],
        pads_after=[1],
        dilations=[1],
        groups=1,
    )
    ends = [b.add("rescale", [b.add("mul", [y, z])], mul=1, shift=3, lo=-90, hi=90), z]
    circuit = b.build([Port(f"y{i}", node, 1.0, "int") for i, node in enumerate(ends)], {})
    store = SrsStore(tmp_path_factory.mktemp("srs"))
    backend = SumcheckBackend()
    key = backend.setup(circuit, store.generate, silent).key
    rng = np.random.default_rng(1)
    inputs = [rng.integers(-9, 10, (2, 1, 5, 2)), rng.integers(0, 10, (2, 3))]
    proof = backend.load(circuit, key, store.find, silent).prove(inputs, silent, RECIPIENT).proof
    return key.encode(), proof.encode()


def test_both_accept_a_proof_from_its_file(files: tuple[bytes, bytes], tmp_path: Path) -> None:
    key, proof = files
    read = Proof.decode(proof)
    assert verify(read, VerifyingKey.decode(key)).valid
    by_port = [*read.outputs[:9], *read.outputs[12:21], *read.outputs[9:12], *read.outputs[21:]]
    assert verify_files(key, proof) == by_port


def test_both_refuse_outputs_and_inputs_out_of_bounds(files: tuple[bytes, bytes]) -> None:
    key, proof = files
    read = Proof.decode(proof)
    for field in ("inputs", "outputs"):
        for place in (0, len(getattr(read, field)) - 1):
            for change in (1, -1, 1 << 40):
                changed = list(getattr(read, field))
                changed[place] += change
                forged = replace(read, **{field: tuple(changed)})
                assert not verify(forged, VerifyingKey.decode(key)).valid
                with pytest.raises(Refused):
                    verify_files(key, forged.encode())


def test_both_refuse_another_recipient(files: tuple[bytes, bytes]) -> None:
    key, proof = files
    read = Proof.decode(proof)
    assert read.recipient == RECIPIENT
    for recipient in (ANYONE, RECIPIENT[:-1] + b"\0"):
        forged = replace(read, recipient=recipient)
        assert not verify(forged, VerifyingKey.decode(key)).valid
        with pytest.raises(Refused):
            verify_files(key, forged.encode())


def test_a_changed_file_is_refused(files: tuple[bytes, bytes]) -> None:
    key, proof = files
    for place in (0, 9, 40, len(proof) // 2, len(proof) - 1):
        changed = bytearray(proof)
        changed[place] ^= 1
        with pytest.raises(Refused):
            verify_files(key, bytes(changed))
