"""Keys that commit to inputs, and their proofs, as files: what a proof names, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from eth_hash.auto import keccak

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import BoundError, FormatError, InputError
from circuits.tensor import IntArray
from prover.backend import Choices
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from tests.verifier.sumcheck.second_verifier import Refused, verify_files
from verifier.input_commitment import InputCommitment
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.statement import Statement, input_commitment
from verifier.sumcheck.key import commits_inputs, decode_options
from verifier.verify import verify

INPUTS: list[IntArray] = [np.arange(-6, 6).reshape(1, 3, 4), np.array([[0, 9, 4]])]


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    """Two inputs of different shapes."""
    b = CircuitBuilder()
    x, z = b.input("x", (3, 4), -100, 100, 1.0, "int"), b.input("z", (3,), 0, 9, 1.0, "int")
    y = b.add("matmul", [x, b.constant(np.arange(-6, 6).reshape(4, 3))])
    y = b.add("rescale", [b.add("mul", [y, z])], mul=1, shift=4, lo=-90, hi=90)
    return b.build([Port("y", y, 1.0, "int")], {})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SrsStore:
    return SrsStore(tmp_path_factory.mktemp("srs"))


@pytest.fixture(scope="module")
def key(circuit: Circuit, store: SrsStore) -> VerifyingKey:
    return SumcheckBackend().setup(circuit, store.generate, silent, Choices(commit_inputs=True)).key


@pytest.fixture(scope="module")
def proof(circuit: Circuit, key: VerifyingKey, store: SrsStore) -> Proof:
    return SumcheckBackend().load(circuit, key, store.find, silent).prove(INPUTS, silent).proof


def test_the_proof_names_the_commitment_and_no_values(
    circuit: Circuit, key: VerifyingKey, proof: Proof, store: SrsStore
) -> None:
    assert commits_inputs(key) and proof.inputs == () and proof.committed is not None
    root = input_commitment([int(v) for x in INPUTS for v in x.reshape(-1)], key.circuit)
    points = proof.committed.points
    assert proof.committed.root == root and len(points) == 2 * 64
    tag = keccak(b"verinfer input commitment v1")
    assert proof.committed.digest == keccak(tag + root + keccak(points))
    assert SumcheckBackend().commit_inputs(key, INPUTS, store.find, silent) == proof.committed
    other = [INPUTS[0], INPUTS[1] + 0]
    other[1][0, 0] = 1
    assert SumcheckBackend().commit_inputs(key, other, store.find, silent) != proof.committed


def test_both_verifiers_accept_the_files(key: VerifyingKey, proof: Proof) -> None:
    read = Proof.decode(proof.encode())
    assert read == proof
    verdict = verify(read, VerifyingKey.decode(key.encode()))
    assert verdict.valid, verdict.reason
    assert tuple(verify_files(key.encode(), proof.encode())) == proof.outputs


def refused(proof: Proof, key: VerifyingKey) -> bool:
    """Whether neither verifier takes it."""
    with pytest.raises(Refused):
        verify_files(key.encode(), proof.encode())
    return not verify(proof, key).valid


def test_another_commitment_is_refused(key: VerifyingKey, proof: Proof) -> None:
    true = proof.committed
    assert true is not None
    swapped = true.points[64:] + true.points[:64]
    for other in (
        InputCommitment(bytes(32), true.points),
        InputCommitment(true.root, swapped),
        InputCommitment(true.root, true.points[:64]),
        InputCommitment(true.root, true.points + bytes(64)),
        InputCommitment(true.root, b""),
    ):
        assert refused(replace(proof, committed=other), key)


def test_values_are_refused_where_the_key_commits(
    circuit: Circuit, key: VerifyingKey, proof: Proof, store: SrsStore
) -> None:
    values = tuple(int(v) for x in INPUTS for v in x.reshape(-1))
    assert refused(replace(proof, committed=None, inputs=values), key)
    assert refused(replace(proof, committed=None), key)
    public = SumcheckBackend().setup(circuit, store.generate, silent).key
    assert not commits_inputs(public)
    assert refused(replace(proof, key_digest=public.digest), public)
    assert refused(replace(proof, key_digest=public.digest, committed=None, inputs=values), public)


def test_a_statement_has_values_or_a_commitment(proof: Proof) -> None:
    with pytest.raises(FormatError, match="not both"):
        replace(proof, inputs=(1,))
    with pytest.raises(FormatError, match="not both"):
        Statement(proof.circuit_id, (1,), proof.outputs, committed=proof.committed)


@pytest.mark.parametrize("length", [0, 31, 33, 95])
def test_the_section_has_the_length_of_a_commitment(length: int, proof: Proof) -> None:
    with pytest.raises(FormatError, match="root of 32 bytes"):
        InputCommitment.decode(bytes(length))
    with pytest.raises(FormatError, match="committed"):
        replace(proof, sections={"argument": b"", "committed": b""})


def test_two_samples_are_refused(circuit: Circuit, key: VerifyingKey, proof: Proof, store: SrsStore) -> None:
    prover = SumcheckBackend().load(circuit, key, store.find, silent)
    with pytest.raises(InputError, match="of one sample, not 2"):
        prover.prove([np.concatenate([x, x]) for x in INPUTS], silent)
    assert refused(replace(proof, outputs=proof.outputs * 2), key)


def test_inputs_out_of_bounds_have_no_commitment(key: VerifyingKey, store: SrsStore) -> None:
    with pytest.raises(BoundError, match="element 3 of input 0 is 101"):
        wrong = INPUTS[0].copy()
        wrong[0, 0, 3] = 101
        SumcheckBackend().commit_inputs(key, [wrong, INPUTS[1]], store.find, silent)


def test_the_choice_is_part_of_the_key(circuit: Circuit, key: VerifyingKey, store: SrsStore) -> None:
    assert decode_options(key.sections["options"]).commit_inputs
    assert SumcheckBackend().remake(circuit, key, store.find, silent).digest == key.digest
    assert SumcheckBackend().setup(circuit, store.generate, silent).key.digest != key.digest
