"""A thousand altered files and statements, none of which passes."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import pytest

from circuits.errors import CheckFailed, FormatError, InputError
from tests.prover.conftest import Proved
from verifier.bn254 import BASE_FIELD, SCALAR_FIELD
from verifier.ezkl import EzklVerifier
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.verify import verify


def _flipped(data: bytes, rng: random.Random) -> bytes:
    """The data with one random byte changed."""
    i = rng.randrange(len(data))
    return data[:i] + bytes([data[i] ^ rng.randrange(1, 256)]) + data[i + 1 :]


def _accepts(verifier: EzklVerifier, proof: Proof) -> bool:
    try:
        verifier.check(proof)
    except (CheckFailed, FormatError):
        return False
    return True


def test_altered_files_do_not_parse(proved: Proved) -> None:
    rng = random.Random(1)
    for _ in range(150):
        with pytest.raises(FormatError):
            Proof.decode(_flipped(proved.proven.proof.encode(), rng))
        with pytest.raises(FormatError):
            VerifyingKey.decode(_flipped(proved.set_up.key.encode(), rng))


def test_resealed_alterations_do_not_verify(proved: Proved) -> None:
    """The attacker recomputes every digest: the proof system itself must refuse."""
    rng = random.Random(2)
    proof, key = proved.proven.proof, proved.set_up.key
    with EzklVerifier(key) as verifier:
        assert _accepts(verifier, proof)
        for altered in _resealed(proof, rng):
            assert not _accepts(verifier, altered)
        assert _accepts(verifier, proof)


def _resealed(proof: Proof, rng: random.Random) -> Iterator[Proof]:
    """500 alterations of the proof's bytes and 100 of its public values."""
    for _ in range(500):
        yield dataclasses.replace(proof, sections={"proof": _flipped(proof.sections["proof"], rng)})
    values = [*proof.inputs, *proof.outputs]
    for _ in range(100):
        changed = list(values)
        changed[rng.randrange(len(values))] ^= 1 << rng.randrange(62)
        split = len(proof.inputs)
        yield dataclasses.replace(proof, inputs=tuple(changed[:split]), outputs=tuple(changed[split:]))


def test_resealed_keys_do_not_verify(proved: Proved) -> None:
    """A key altered in any part is another key, which no proof names."""
    rng = random.Random(3)
    proof, key = proved.proven.proof, proved.set_up.key
    for i in range(100):
        name = sorted(key.sections)[i % len(key.sections)]
        sections = {**key.sections, name: _flipped(key.sections[name], rng)}
        verdict = verify(proof, dataclasses.replace(key, sections=sections))
        assert not verdict.valid and "this key is" in verdict.reason


def test_a_key_of_garbage_harms_nobody(proved: Proved) -> None:
    """Even when the proof names the altered key: the library's crash is a refusal, not ours."""
    rng = random.Random(4)
    proof, key = proved.proven.proof, proved.set_up.key
    for _ in range(3):
        sections = {**key.sections, "vk": rng.randbytes(len(key.sections["vk"]))}
        garbage = dataclasses.replace(key, sections=sections)
        assert not verify(dataclasses.replace(proof, key_digest=garbage.digest), garbage).valid


def test_no_encoding_but_the_canonical_one_verifies(proved: Proved) -> None:
    """A coordinate plus p, or a scalar plus r, is the same number, and another proof: refused."""
    proof, key = proved.proven.proof, proved.set_up.key
    data = proof.sections["proof"]
    words = [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32)]
    with EzklVerifier(key) as verifier:
        for modulus in (BASE_FIELD, SCALAR_FIELD):
            for i, word in enumerate(words):
                if word + modulus < 1 << 256:
                    other = data[: 32 * i] + (word + modulus).to_bytes(32, "big") + data[32 * (i + 1) :]
                    assert not _accepts(verifier, dataclasses.replace(proof, sections={"proof": other}))


@pytest.mark.parametrize("change", ["a byte too few", "a byte too many", "nothing", "another section"])
def test_sections_of_another_shape_are_refused(proved: Proved, change: str) -> None:
    proof, key = proved.proven.proof, proved.set_up.key
    data = proof.sections["proof"]
    sections = {
        "a byte too few": {"proof": data[:-1]},
        "a byte too many": {"proof": data + b"\0"},
        "nothing": {},
        "another section": {"proof": data, "more": b""},
    }[change]
    assert not verify(dataclasses.replace(proof, sections=sections), key).valid


def test_a_key_of_another_shape_is_refused(proved: Proved) -> None:
    key = dataclasses.replace(proved.set_up.key, sections={"vk": b""})
    with pytest.raises(FormatError):
        EzklVerifier(key)


def test_a_library_that_cannot_be_loaded_is_no_verdict(
    proved: Proved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(InputError, match="ezkl library cannot be loaded"):
        verify(proved.proven.proof, proved.set_up.key)
