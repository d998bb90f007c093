"""The checks before any backend's, one forgery each."""

import sys
import types
from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_hash.auto import keccak

from circuits.errors import CheckFailed, InputError
from verifier import verify as verify_module
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.verify import verify

REACHED = "the backend was reached"


@pytest.fixture(autouse=True)
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A backend that accepts the proof b"true" and says that it was reached otherwise."""
    module = types.ModuleType("backend_for_tests")

    def verify_proof(proof: Proof, key: VerifyingKey) -> None:
        if proof.sections["proof"] != b"true":
            raise CheckFailed(REACHED)

    module.verify_proof = verify_proof  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(verify_module.BACKENDS, "ezkl", module.__name__)
    yield


def test_a_proof_that_the_backend_accepts(proof: Proof, key: VerifyingKey) -> None:
    verdict = verify(replace(proof, sections={"proof": b"true"}), key)
    assert verdict.valid
    assert verdict.reason == ""
    assert verdict.circuit_id == key.circuit_id
    assert verdict.outputs == (-300, 300)
    assert verdict.insecure_srs


def test_a_proof_that_the_backend_refuses(proof: Proof, key: VerifyingKey) -> None:
    verdict = verify(proof, key)
    assert not verdict.valid
    assert verdict.reason == REACHED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"backend": "sumcheck"}, "backend 'sumcheck'"),
        ({"circuit_id": keccak(b"another")}, "for circuit 0x"),
        ({"key_digest": keccak(b"another")}, "for the key 0x"),
        ({"insecure_srs": False}, "disagree on whether the SRS is insecure"),
        ({"inputs": (-6, 100, 0, 1, 2, 3, 1000)}, "outside"),
        ({"inputs": (-5, 100, 0, 1, 2, 3)}, "values, but"),
        ({"outputs": (-300, 301)}, "outside"),
        ({"outputs": (-300, 2**63 - 1)}, "outside"),
        ({"outputs": (-300,)}, "values, but"),
        ({"outputs": (-300, 300, 0)}, "values, but"),
    ],
)
def test_a_proof_of_something_else(
    proof: Proof, key: VerifyingKey, change: dict[str, object], reason: str
) -> None:
    """Even if the backend would accept it."""
    forged = replace(proof, sections={"proof": b"true"}, **change)  # type: ignore[arg-type]
    verdict = verify(forged, key)
    assert not verdict.valid
    assert reason in verdict.reason


def test_the_proof_of_another_key_of_the_same_circuit(proof: Proof, key: VerifyingKey) -> None:
    other = replace(key, sections={"vk": b"another"})
    assert other.circuit_id == key.circuit_id
    verdict = verify(replace(proof, sections={"proof": b"true"}), other)
    assert not verdict.valid
    assert "another SRS or by another setup" in verdict.reason


def test_an_unknown_backend(proof: Proof, key: VerifyingKey) -> None:
    unknown = replace(key, backend="groth16")
    with pytest.raises(InputError, match="no verifier for the backend 'groth16'"):
        verify(replace(proof, backend="groth16", key_digest=unknown.digest), unknown)
