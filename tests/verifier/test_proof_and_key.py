"""The files of proofs and keys: round trips, every part checked, and no altered file accepted."""

import json
import random
import struct
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import FormatError, InputError
from verifier import container
from verifier.bn254 import SCALAR_FIELD
from verifier.key import KEY_FILE, VerifyingKey
from verifier.proof import PROOF_FILE, Proof
from verifier.srs_head import SrsHead

INT64 = st.integers(-(2**63), 2**63 - 1)


def rewrite(data: bytes, **changes: Any) -> bytes:
    """Return the file with other header fields (None takes one out) and the digest that fits."""
    length = int.from_bytes(data[10:14], "big")
    header = json.loads(data[14 : 14 + length])
    for name, value in changes.items():
        header["fields"].pop(name, None)
        if value is not None:
            header["fields"][name] = value
    encoded = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    body = data[:10] + len(encoded).to_bytes(4, "big") + encoded + data[14 + length : -32]
    return body + keccak(body)


def with_section(kind: container.FileKind, data: bytes, name: str, value: bytes | None) -> bytes:
    """Return the file with one section replaced, or taken out."""
    fields, sections = container.decode(kind, data)
    sections.pop(name, None)
    if value is not None:
        sections[name] = value
    return container.encode(kind, fields, sections)


def test_round_trips(proof: Proof, key: VerifyingKey, tmp_path: Path) -> None:
    assert Proof.decode(proof.encode()) == proof
    assert VerifyingKey.decode(key.encode()) == key
    proof.save(tmp_path / "p.proof")
    key.save(tmp_path / "k.vk")
    assert Proof.load(tmp_path / "p.proof") == proof
    assert VerifyingKey.load(tmp_path / "k.vk") == key
    assert {path.name for path in tmp_path.iterdir()} == {"p.proof", "k.vk"}


@given(
    inputs=st.lists(INT64, max_size=20), outputs=st.lists(INT64, max_size=20), part=st.binary(max_size=100)
)
def test_round_trip_of_any_proof(inputs: list[int], outputs: list[int], part: bytes) -> None:
    proof = Proof(
        "some-backend", bytes(32), bytes(range(32)), False, tuple(inputs), tuple(outputs), {"part": part}
    )
    assert Proof.decode(proof.encode()) == proof


def test_integers_are_stored_as_documented(proof: Proof) -> None:
    _, sections = container.decode(PROOF_FILE, proof.encode())
    assert sections["outputs"] == (-300).to_bytes(8, "big", signed=True) + (300).to_bytes(8, "big")


def test_the_digest_is_the_end_of_the_file(key: VerifyingKey) -> None:
    data = key.encode()
    assert key.digest == data[-32:] == keccak(data[:-32])
    assert replace(key, sections={"vk": b"other"}).digest != key.digest


def test_nothing_can_be_changed_afterwards(proof: Proof, key: VerifyingKey) -> None:
    with pytest.raises(FrozenInstanceError):
        proof.outputs = (1, 2)  # type: ignore[misc]
    with pytest.raises(TypeError):
        key.sections["vk"] = b""  # type: ignore[index]


def test_a_key_is_no_proof(proof: Proof, key: VerifyingKey) -> None:
    with pytest.raises(FormatError, match="not a Verinfer proof"):
        Proof.decode(key.encode())
    with pytest.raises(FormatError, match="not a Verinfer verifying key"):
        VerifyingKey.decode(proof.encode())


def test_every_truncation_is_refused(proof: Proof, key: VerifyingKey) -> None:
    for data, read in ((proof.encode(), Proof.decode), (key.encode(), VerifyingKey.decode)):
        for length in range(len(data)):
            with pytest.raises(FormatError):
                read(data[:length])


def test_a_thousand_altered_bytes_are_refused(proof: Proof, key: VerifyingKey) -> None:
    random_source = random.Random(1)
    for data, read in ((proof.encode(), Proof.decode), (key.encode(), VerifyingKey.decode)):
        for _ in range(500):
            altered = bytearray(data)
            altered[random_source.randrange(len(data))] ^= random_source.randrange(1, 256)
            with pytest.raises(FormatError):
                read(bytes(altered))


def test_altered_bytes_with_a_fitting_digest(proof: Proof, key: VerifyingKey) -> None:
    """Whoever alters a file can make its digest anew: it is refused, or another file's one encoding."""
    random_source = random.Random(2)
    for data, read, rounds in ((proof.encode(), Proof.decode, 500), (key.encode(), VerifyingKey.decode, 40)):
        for _ in range(rounds):
            body = bytearray(data[:-32])
            body[random_source.randrange(len(body))] ^= random_source.randrange(1, 256)
            altered = bytes(body) + keccak(bytes(body))
            try:
                content = read(altered)
            except FormatError:
                continue
            assert content.encode() == altered


@pytest.mark.parametrize("name", PROOF_FILE.fields)
@pytest.mark.parametrize(
    "value", [None, 1, 1.5, [], "", "0x", "0x" + "AB" * 32, "ab" * 32, "0x" + "ab" * 31, " ezkl"]
)
def test_wrong_fields_of_a_proof_are_refused(proof: Proof, name: str, value: Any) -> None:
    with pytest.raises(FormatError):
        Proof.decode(rewrite(proof.encode(), **{name: value}))


@pytest.mark.parametrize("name", KEY_FILE.fields)
@pytest.mark.parametrize(
    "value", [None, 1, 1.5, [], "", "0x", "0x" + "AB" * 32, "0x" + "ab" * 32, "0x" + "ab" * 31, "É"]
)
def test_wrong_fields_of_a_key_are_refused(key: VerifyingKey, name: str, value: Any) -> None:
    with pytest.raises(FormatError):
        VerifyingKey.decode(rewrite(key.encode(), **{name: value}))


@pytest.mark.parametrize("name", ["inputs", "outputs"])
@pytest.mark.parametrize("value", [None, b"1234567", b"123456789"])
def test_wrong_sections_of_a_proof_are_refused(proof: Proof, name: str, value: bytes | None) -> None:
    with pytest.raises(FormatError, match=name):
        Proof.decode(with_section(PROOF_FILE, proof.encode(), name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("circuit_header", None),
        ("circuit_header", b""),
        ("scales", None),
        ("scales", b"1234567"),
        ("scales", struct.pack(">2d", 0.5, 0.25)),
        ("scales", struct.pack(">4d", 0.5, 0.25, 2.0**-12, 1.0)),
        ("scales", struct.pack(">3d", 0.5, 0.25, 2.0**-11)),
        ("scales", struct.pack(">3d", 0.5, 0.25, float("nan"))),
        ("scales", struct.pack(">3d", 0.5, 0.25, float("inf"))),
        ("scales", struct.pack(">3d", 0.5, 0.25, 0.0)),
        ("scales", struct.pack(">3d", 0.5, 0.25, -1.0)),
        ("srs", None),
        ("srs", bytes(384)),
        ("srs", bytes(383)),
    ],
)
def test_wrong_sections_of_a_key_are_refused(key: VerifyingKey, name: str, value: bytes | None) -> None:
    with pytest.raises(FormatError):
        VerifyingKey.decode(with_section(KEY_FILE, key.encode(), name, value))


@pytest.mark.parametrize("name", ["circuit_id", "ops_root", "weights_root", "scales_hash"])
def test_a_key_whose_parts_are_of_another_circuit_is_refused(key: VerifyingKey, name: str) -> None:
    with pytest.raises(FormatError, match=r"circuit_id|scales_hash"):
        replace(key, **{name: keccak(b"another")})


def test_a_key_with_another_header_is_refused(key: VerifyingKey) -> None:
    altered = key.header.replace((300).to_bytes(8, "big"), (301).to_bytes(8, "big"))
    assert altered != key.header
    with pytest.raises(FormatError, match="circuit_id"):
        replace(key, header=altered)


def test_scales_are_bound_even_when_their_hash_is_not_the_ids(key: VerifyingKey) -> None:
    scales = (0.5, 0.25, 1.0)
    with pytest.raises(FormatError, match="circuit_id"):
        replace(key, scales=scales, scales_hash=keccak(struct.pack(">3d", *scales)))


def test_the_development_srs_cannot_pass_for_secure(key: VerifyingKey) -> None:
    with pytest.raises(FormatError, match="development SRS"):
        replace(key, insecure_srs=False)
    with pytest.raises(FormatError, match="development SRS"):
        VerifyingKey.decode(rewrite(key.encode(), insecure_srs=False))
    # Nor with another point beside it.
    with pytest.raises(FormatError, match="development SRS"):
        replace(key, insecure_srs=False, srs=SrsHead((1, 2), key.srs.tau_g2))


@pytest.mark.parametrize("scales", [None, [0.5, 0.25, 2.0**-12], (1, 1, 1), (0.5, 0.25)])
def test_scales_are_a_tuple_of_floats(key: VerifyingKey, scales: Any) -> None:
    with pytest.raises(FormatError, match="scale"):
        replace(key, scales=scales)


@pytest.mark.parametrize("name", ["inputs", "outputs"])
@pytest.mark.parametrize(
    "value", [(2**63,), (-(2**63) - 1,), (SCALAR_FIELD,), (True,), (1.0,), ("1",), [1], None]
)
def test_a_proof_of_other_than_small_integers_is_refused(proof: Proof, name: str, value: Any) -> None:
    with pytest.raises(FormatError, match=name):
        replace(proof, **{name: value})


@pytest.mark.parametrize("name", ["inputs", "outputs", "circuit_header", "scales", "srs"])
def test_a_backend_cannot_take_the_name_of_another_section(
    proof: Proof, key: VerifyingKey, name: str
) -> None:
    specimen = proof if name in ("inputs", "outputs") else key
    with pytest.raises(FormatError, match="may not use"):
        replace(specimen, sections={name: b""})


@pytest.mark.parametrize("sections", [None, {"a": "text"}, {"a": bytearray(1)}, [b""]])
def test_sections_must_be_bytes(proof: Proof, key: VerifyingKey, sections: Any) -> None:
    for specimen in (proof, key):
        with pytest.raises(FormatError, match="bytes by name"):
            replace(specimen, sections=sections)


def test_saving_into_a_missing_folder_says_so(proof: Proof, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder does not exist"):
        proof.save(tmp_path / "missing" / "p.proof")
