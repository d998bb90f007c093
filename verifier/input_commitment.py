"""What names an input: the input commitment, 32 bytes, the same for every tier that settles a model's claims.

Where the inputs are public values, it is the root of the input tree (`statement.input_commitment`). Where the
key commits to them, it names two commitments to the same input::

    input commitment = keccak256(tag || input root || keccak256(points))
    tag              = keccak256("verinfer input commitment v1")

the root, whose leaves a dispute opens, and the points of BN254's G1, 64 bytes each, which a sumcheck proof
opens. That both are of one input is not proved by anybody: whoever has the input computes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_hash.auto import keccak

from circuits.errors import FormatError
from verifier.bn254 import G1_BYTES

HASH_BYTES = 32
_TAG = keccak(b"verinfer input commitment v1")


@dataclass(frozen=True)
class InputCommitment:
    """Two commitments to one input.

    Parameters
    ----------
    root
        The root of the input tree, 32 bytes.
    points
        The commitments to the chunks of the input's polynomials, 64 bytes each.

    Raises
    ------
    FormatError
        If they have other lengths.
    """

    root: bytes
    points: bytes

    def __post_init__(self) -> None:
        """Check the lengths."""
        if len(self.root) != HASH_BYTES or len(self.points) % G1_BYTES:
            raise FormatError("an input commitment is a root of 32 bytes and points of 64 bytes each")

    @property
    def digest(self) -> bytes:
        """The input commitment that claims, proofs and requests name, 32 bytes."""
        return keccak(_TAG + self.root + keccak(self.points))

    def encode(self) -> bytes:
        """The root, then the points."""
        return self.root + self.points

    @classmethod
    def decode(cls, data: bytes) -> InputCommitment:
        """The commitment that bytes encode.

        Raises
        ------
        FormatError
            If they have no length of one.
        """
        return cls(data[:HASH_BYTES], data[HASH_BYTES:])
