"""Input commitments of data files: what names an input, made from the file, and the file it is kept in.

A commitment's file is a JSON object: `circuit_id`, `key_digest` (null without a key), `input_commitment`,
`input_root`, and `points` (a list, or null where the key does not commit to inputs), hashes and points in
hexadecimal with 0x.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuits.circuit import Circuit
from circuits.data import InputPort, input_ports, read_inputs
from circuits.errors import FormatError, InputError, VerinferError
from circuits.file import load
from circuits.tensor import IntArray
from prover.backend import FindSrs
from prover.progress import Progress
from prover.sumcheck.backend import SumcheckBackend
from verifier.bn254 import G1_BYTES
from verifier.circuit_header import CircuitHeader, parse_header
from verifier.header_fields import hash_from_hex, hash_to_hex
from verifier.input_commitment import InputCommitment
from verifier.input_file import InputFile
from verifier.key import KEY_FILE, VerifyingKey
from verifier.proof import PROOF_FILE, Proof
from verifier.statement import input_commitment, named_input
from verifier.sumcheck.key import commits_inputs

MAX_FILE_BYTES = 16 << 20
_FIELDS = {"circuit_id", "input_commitment", "input_root", "key_digest", "points"}


@dataclass(frozen=True)
class Model:
    """What says how a file's numbers become an input, and how the input is named.

    Parameters
    ----------
    circuit_id
        32 bytes.
    header
        The circuit's header.
    ports
        The circuit's inputs.
    key
        The key that proofs are made for, if there is one.
    """

    circuit_id: bytes
    header: CircuitHeader
    ports: Sequence[InputPort]
    key: VerifyingKey | None

    @classmethod
    def of(cls, circuit: Circuit | None, key: VerifyingKey | None) -> Model:
        """The model of a circuit, a key, or both.

        Raises
        ------
        InputError
            If they do not belong together, or there is neither.
        """
        if circuit is None:
            if key is None:
                raise InputError("name a circuit or a verifying key")
            return cls(key.circuit_id, key.circuit, ports_of_key(key), key)
        if key is not None and key.circuit_id != circuit.circuit_id:
            raise InputError(
                f"the key is for circuit 0x{key.circuit_id.hex()}, this is circuit "
                f"0x{circuit.circuit_id.hex()}"
            )
        return cls(circuit.circuit_id, parse_header(circuit.header), input_ports(circuit), key)


@dataclass(frozen=True)
class NamedInput:
    """An input's commitment and what it is made of.

    Parameters
    ----------
    circuit_id, key_digest
        The model, 32 bytes each; None without a key.
    digest
        The input commitment, 32 bytes.
    root
        The root of the input tree, 32 bytes.
    points
        The points of a key that commits to inputs, 64 bytes each; None for others.
    """

    circuit_id: bytes
    key_digest: bytes | None
    digest: bytes
    root: bytes
    points: bytes | None

    def as_dict(self) -> dict[str, Any]:
        """The object that files hold and commands print."""
        points = self.points
        return {
            "circuit_id": hash_to_hex(self.circuit_id),
            "key_digest": None if self.key_digest is None else hash_to_hex(self.key_digest),
            "input_commitment": hash_to_hex(self.digest),
            "input_root": hash_to_hex(self.root),
            "points": None
            if points is None
            else ["0x" + points[i : i + G1_BYTES].hex() for i in range(0, len(points), G1_BYTES)],
        }

    @classmethod
    def from_dict(cls, content: object) -> NamedInput:
        """The commitment that such an object describes.

        Raises
        ------
        FormatError
            If it describes none, or its parts do not hash to it.
        """
        if not isinstance(content, dict) or set(content) != _FIELDS:
            raise FormatError(f"it does not consist of {', '.join(sorted(_FIELDS))}")
        key_digest, points = content["key_digest"], content["points"]
        if points is not None and not (isinstance(points, list) and all(map(_is_point, points))):
            raise FormatError("its points are not 0x and 128 hexadecimal digits each")
        found = cls(
            hash_from_hex("circuit_id", content["circuit_id"]),
            None if key_digest is None else hash_from_hex("key_digest", key_digest),
            hash_from_hex("input_commitment", content["input_commitment"]),
            hash_from_hex("input_root", content["input_root"]),
            None if points is None else b"".join(bytes.fromhex(point[2:]) for point in points),
        )
        whole = found.root if found.points is None else InputCommitment(found.root, found.points).digest
        if found.digest != whole:
            raise FormatError("its root and points do not hash to its input_commitment")
        return found


def _is_point(text: object) -> bool:
    digits = set("0123456789abcdef")
    return (
        isinstance(text, str)
        and len(text) == 2 + 2 * G1_BYTES
        and text.startswith("0x")
        and set(text[2:]) <= digits
    )


def ports_of_key(key: VerifyingKey) -> list[InputPort]:
    """The inputs of a key's circuit. A key does not say which are whole numbers: those have the scale 1."""
    ports = zip(key.circuit.inputs, key.scales, strict=False)
    return [
        InputPort(f"input {i}", port.shape, port.lo, port.hi, scale, "int" if scale == 1 else "real")
        for i, (port, scale) in enumerate(ports)
    ]


def load_model(path: Path, key: Path | None = None) -> Model:
    """The model of a circuit's file, with its key if there is one beside it, or of a key's file.

    Raises
    ------
    InputError
        If a file cannot be read, or they do not belong together.
    """
    if starts_with(path, KEY_FILE.magic):
        if key is not None:
            raise InputError(f"{path} is a verifying key itself: leave --key out")
        return Model.of(None, VerifyingKey.load(path))
    beside = path.with_suffix(".vk") if path.name else None
    if key is None and beside is not None and beside.is_file():
        key = beside
    return Model.of(load(path), None if key is None else VerifyingKey.load(key))


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether a file is of a kind."""
    with InputFile(path) as file:
        return file.size >= len(magic) and file.read(len(magic)) == magic


def name_file(
    model: Model, path: Path, saturate: bool, find: FindSrs, threads: int | None, progress: Progress
) -> NamedInput:
    """The commitment to the one sample in a data file.

    Raises
    ------
    InputError, BoundError
        If the file does not fit the model, holds several samples, or the key's SRS is not there.
    """
    inputs = read_inputs(model.ports, path, saturate)
    samples = inputs[0].shape[0] if inputs else 1
    if samples != 1:
        raise InputError(f"{path} holds {samples} samples, and a commitment names one: keep one in the file")
    key_digest = None if model.key is None else model.key.digest
    root = input_commitment(_flat(inputs), model.header)
    if model.key is None or not commits_inputs(model.key):
        return NamedInput(model.circuit_id, key_digest, root, root, None)
    made = SumcheckBackend(threads).commit_inputs(model.key, inputs, find, progress)
    return NamedInput(model.circuit_id, key_digest, made.digest, made.root, made.points)


def _flat(inputs: Sequence[IntArray]) -> list[int]:
    return [value for x in inputs for value in x.reshape(-1).tolist()]


def read_named(path: Path, model: Model) -> NamedInput:
    """The commitment that a file states: one that `verinfer input commit` wrote, or a proof.

    Raises
    ------
    InputError
        If it cannot be read, or is a proof of several samples.
    FormatError
        If it is neither.
    """
    if starts_with(path, PROOF_FILE.magic):
        return _named_by_proof(Proof.load(path), model)
    with InputFile(path) as file:
        if file.size > MAX_FILE_BYTES:
            raise FormatError(f"{path} has {file.size} bytes, which no input commitment has")
        data = file.read(file.size)
    try:
        return NamedInput.from_dict(json.loads(data))
    except (ValueError, RecursionError):
        raise FormatError(f"{path} is neither a proof nor an input commitment: not JSON") from None
    except VerinferError as error:
        raise FormatError(f"{path} is no input commitment: {error}") from None


def _named_by_proof(proof: Proof, model: Model) -> NamedInput:
    digest = named_input(proof.statement, model.header)
    if digest is None:
        raise InputError("the proof is about several samples, and an input commitment names one")
    committed = proof.committed
    root, points = (digest, None) if committed is None else (committed.root, committed.points)
    return NamedInput(proof.circuit_id, proof.key_digest, digest, root, points)


def difference(stated: NamedInput, made: NamedInput) -> str:
    """Why a stated commitment is not the one that was made; empty if it is."""
    if stated.circuit_id != made.circuit_id:
        return f"it is for the circuit {hash_to_hex(stated.circuit_id)}"
    if None not in (stated.key_digest, made.key_digest) and stated.key_digest != made.key_digest:
        return f"it is for another key, {hash_to_hex(stated.key_digest or b'')}"
    if (stated.points is None) != (made.points is None):
        return "it has points" if made.points is None else "it has no points, and the key commits to inputs"
    if stated.root != made.root:
        return "its root is that of another input"
    if stated.points != made.points:
        return "its root is the input's, and its points are not"
    return ""
