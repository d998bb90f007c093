"""The file of a proof: the statement, the key and the backend that settle it, and the backend's own parts."""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from circuits.atomic_write import write_atomically
from circuits.errors import FormatError
from verifier import container
from verifier.header_fields import check_backend, check_flag, check_sections, hash_from_hex, hash_to_hex
from verifier.input_commitment import InputCommitment
from verifier.recipient import ANYONE, header_recipient
from verifier.statement import Statement, check_hash

PROOF_FILE = container.FileKind(
    name="proof",
    magic=b"VERINFpf",
    version=1,
    max_bytes=64 << 20,
    fields={"backend": str, "circuit_id": str, "insecure_srs": bool, "key_digest": str, "recipient": str},
)
_OWN_SECTIONS = frozenset({"inputs", "outputs"})
_COMMITTED = "committed"
"""The section of the commitment to the inputs, in proofs that have one."""


@dataclass(frozen=True)
class Proof:
    """A claimed proof that `outputs = circuit(inputs)`. Well-formed, which says nothing of its truth.

    Parameters
    ----------
    backend
        The proof system's name, for example ``"ezkl"``.
    circuit_id
        32 bytes.
    key_digest
        The digest of the verifying key that the proof is for, 32 bytes.
    insecure_srs
        Whether the prover used an SRS whose tau somebody may know.
    inputs, outputs
        Signed integers of at most 64 bits, flat and row-major, all ports of the first sample in order, then
        those of the next.
    sections
        The backend's own parts by name.
    recipient
        The address that the proof was made for, 20 bytes; `ANYONE` if it is for anyone.
    committed
        What names the input where its values are not said; `inputs` is empty then.

    Raises
    ------
    FormatError
        If a field is not of its type, a hash not 32 bytes, or an address not 20.
    """

    backend: str
    circuit_id: bytes
    key_digest: bytes
    insecure_srs: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sections: Mapping[str, bytes] = field(default_factory=dict)
    recipient: bytes = ANYONE
    committed: InputCommitment | None = None

    def __post_init__(self) -> None:
        """Check the types and freeze the sections."""
        check_backend(self.backend)
        check_hash("key_digest", self.key_digest)
        check_flag("insecure_srs", self.insecure_srs)
        check_sections(self.sections, reserved=_OWN_SECTIONS | {_COMMITTED})
        _ = self.statement
        object.__setattr__(self, "sections", MappingProxyType(dict(self.sections)))

    @property
    def statement(self) -> Statement:
        """What is claimed."""
        return Statement(self.circuit_id, self.inputs, self.outputs, self.recipient, self.committed)

    def encode(self) -> bytes:
        """Return the proof's file.

        Raises
        ------
        FormatError
            If it would be larger than a proof may be.
        """
        fields: dict[str, container.Field] = {
            "backend": self.backend,
            "circuit_id": hash_to_hex(self.circuit_id),
            "insecure_srs": self.insecure_srs,
            "key_digest": hash_to_hex(self.key_digest),
            "recipient": "0x" + self.recipient.hex(),
        }
        own = {"inputs": _pack(self.inputs), "outputs": _pack(self.outputs)}
        if self.committed is not None:
            own[_COMMITTED] = self.committed.encode()
        return container.encode(PROOF_FILE, fields, {**self.sections, **own})

    @classmethod
    def decode(cls, data: bytes) -> "Proof":
        """Parse a proof's file.

        Raises
        ------
        FormatError
            If the file is truncated, altered, of another version, or not canonical.
        """
        fields, sections = container.decode(PROOF_FILE, data)
        for name in sorted(_OWN_SECTIONS - set(sections)):
            raise FormatError(f"this proof is invalid: its section {name!r} is missing")
        return cls(
            backend=str(fields["backend"]),
            circuit_id=hash_from_hex("circuit_id", fields["circuit_id"]),
            key_digest=hash_from_hex("key_digest", fields["key_digest"]),
            insecure_srs=bool(fields["insecure_srs"]),
            inputs=_unpack("inputs", sections.pop("inputs")),
            outputs=_unpack("outputs", sections.pop("outputs")),
            committed=InputCommitment.decode(sections.pop(_COMMITTED)) if _COMMITTED in sections else None,
            sections=sections,
            recipient=header_recipient(fields["recipient"]),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the proof to a file, wholly or not at all.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        write_atomically(path, [self.encode()])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Proof":
        """Read a proof from a file.

        Raises
        ------
        InputError
            If the file cannot be read.
        FormatError
            If it is not a valid proof.
        """
        data = container.read(PROOF_FILE, path)
        try:
            return cls.decode(data)
        except FormatError as error:
            raise FormatError(f"cannot use {path}: {error}") from None


def _pack(values: tuple[int, ...]) -> bytes:
    return struct.pack(f">{len(values)}q", *values)


def _unpack(name: str, data: bytes) -> tuple[int, ...]:
    if len(data) % 8:
        raise FormatError(f"this proof is invalid: its section {name!r} is not a list of 64-bit integers")
    return struct.unpack(f">{len(data) // 8}q", data)
