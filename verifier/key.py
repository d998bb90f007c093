"""The file of a verifying key: which circuit, which SRS, and the backend's own parts.

A verifier trusts its key: whoever wants to know that a key is right makes it anew from the circuit and the
SRS, which always gives the same bytes, or takes its digest from a registry. From there on the key's digest
names everything.
"""

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from eth_hash.auto import keccak

from circuits.atomic_write import write_atomically
from circuits.errors import FormatError
from verifier import container
from verifier.circuit_header import CircuitHeader, parse_header
from verifier.development_srs import is_development
from verifier.header_fields import check_backend, check_flag, check_sections, hash_from_hex, hash_to_hex
from verifier.srs_head import SrsHead
from verifier.statement import check_hash, circuit_id_of

KEY_FILE = container.FileKind(
    name="verifying key",
    magic=b"VERINFvk",
    version=1,
    max_bytes=256 << 20,
    fields={
        "backend": str,
        "circuit_id": str,
        "insecure_srs": bool,
        "ops_root": str,
        "scales_hash": str,
        "weights_root": str,
    },
)
_OWN_SECTIONS = frozenset({"circuit_header", "scales", "srs"})


@dataclass(frozen=True)
class VerifyingKey:
    """What a verifier knows of a circuit, beside what its backend needs.

    Parameters
    ----------
    backend
        The proof system's name, for example ``"ezkl"``.
    circuit_id
        32 bytes; must be the hash of the five parts that follow.
    header
        The binary circuit header.
    ops_root, weights_root
        The Merkle roots of op records and weights, 32 bytes each.
    scales_hash
        keccak256 of `scales` as big-endian IEEE-754 float64, 32 bytes.
    scales
        The real value of one unit of each port, inputs then outputs; for showing values, never for checking
        them.
    srs
        The head of the SRS that the key was made with. Backends take the points of the pairing from here.
    insecure_srs
        Whether somebody may know that SRS's tau.
    sections
        The backend's own parts by name.

    Raises
    ------
    FormatError
        If a field is not of its type, the parts contradict each other or the circuit's id, or the development
        SRS is not marked as insecure.
    """

    backend: str
    circuit_id: bytes
    header: bytes
    ops_root: bytes
    weights_root: bytes
    scales_hash: bytes
    scales: tuple[float, ...]
    srs: SrsHead
    insecure_srs: bool
    sections: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every part against the others and freeze the sections."""
        check_backend(self.backend)
        check_hash("circuit_id", self.circuit_id)
        check_flag("insecure_srs", self.insecure_srs)
        check_sections(self.sections, reserved=_OWN_SECTIONS)
        ports = len(self.circuit.inputs) + len(self.circuit.outputs)
        if not isinstance(self.scales, tuple) or len(self.scales) != ports:
            raise FormatError(
                f"this key is invalid: it does not have one scale for each of {ports} inputs and outputs"
            )
        if not all(isinstance(scale, float) and math.isfinite(scale) and scale > 0 for scale in self.scales):
            raise FormatError("this key is invalid: a scale is not a positive number")
        if keccak(_pack_scales(self.scales)) != self.scales_hash:
            raise FormatError("this key is invalid: its scales are not those of scales_hash")
        if circuit_id_of(self.header, self.ops_root, self.weights_root, self.scales_hash) != self.circuit_id:
            raise FormatError("this key is invalid: its parts do not hash to its circuit_id")
        if is_development(self.srs) and not self.insecure_srs:
            raise FormatError(
                "this key is invalid: it uses the development SRS and does not say that it is insecure"
            )
        object.__setattr__(self, "sections", MappingProxyType(dict(self.sections)))

    @cached_property
    def circuit(self) -> CircuitHeader:
        """The parsed circuit header."""
        return parse_header(self.header)

    @property
    def srs_id(self) -> bytes:
        """The id of the SRS, 32 bytes."""
        return self.srs.id

    @cached_property
    def digest(self) -> bytes:
        """keccak256 of the key's file without its last 32 bytes, which are this digest."""
        return self.encode()[-container.DIGEST_BYTES :]

    def encode(self) -> bytes:
        """Return the key's file.

        Raises
        ------
        FormatError
            If it would be larger than a key may be.
        """
        fields: dict[str, container.Field] = {
            "backend": self.backend,
            "circuit_id": hash_to_hex(self.circuit_id),
            "insecure_srs": self.insecure_srs,
            "ops_root": hash_to_hex(self.ops_root),
            "scales_hash": hash_to_hex(self.scales_hash),
            "weights_root": hash_to_hex(self.weights_root),
        }
        own = {"circuit_header": self.header, "scales": _pack_scales(self.scales), "srs": self.srs.encode()}
        return container.encode(KEY_FILE, fields, {**self.sections, **own})

    @classmethod
    def decode(cls, data: bytes) -> "VerifyingKey":
        """Parse a key's file.

        Raises
        ------
        FormatError
            If the file is truncated, altered, of another version, not canonical, or contradicts itself.
        """
        fields, sections = container.decode(KEY_FILE, data)
        for name in sorted(_OWN_SECTIONS - set(sections)):
            raise FormatError(f"this key is invalid: its section {name!r} is missing")
        return cls(
            backend=str(fields["backend"]),
            circuit_id=hash_from_hex("circuit_id", fields["circuit_id"]),
            header=sections.pop("circuit_header"),
            ops_root=hash_from_hex("ops_root", fields["ops_root"]),
            weights_root=hash_from_hex("weights_root", fields["weights_root"]),
            scales_hash=hash_from_hex("scales_hash", fields["scales_hash"]),
            scales=_unpack_scales(sections.pop("scales")),
            srs=SrsHead.decode(sections.pop("srs")),
            insecure_srs=bool(fields["insecure_srs"]),
            sections=sections,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the key to a file, wholly or not at all.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        write_atomically(path, [self.encode()])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "VerifyingKey":
        """Read a key from a file.

        Raises
        ------
        InputError
            If the file cannot be read.
        FormatError
            If it is not a valid key.
        """
        data = container.read(KEY_FILE, path)
        try:
            return cls.decode(data)
        except FormatError as error:
            raise FormatError(f"cannot use {path}: {error}") from None


def _pack_scales(scales: tuple[float, ...]) -> bytes:
    return struct.pack(f">{len(scales)}d", *scales)


def _unpack_scales(data: bytes) -> tuple[float, ...]:
    if len(data) % 8:
        raise FormatError("this key is invalid: its scales are not a list of float64")
    return struct.unpack(f">{len(data) // 8}d", data)
