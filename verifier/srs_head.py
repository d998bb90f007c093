"""The head of a structured reference string: [1]_1, [tau]_1, [1]_2, [tau]_2, and the SRS's id.

srs_id = keccak256(keccak256("verinfer srs v1") || [1]_1 || [tau]_1 || [1]_2 || [tau]_2), points as the EVM
encodes them.

The head says which tau an SRS holds the powers of, so all files of one ceremony, of whatever size or format,
share one id. It is also all of the SRS that a verifier computes with.
"""

from dataclasses import dataclass
from functools import lru_cache

from eth_hash.auto import keccak

from circuits.errors import FormatError
from verifier.bn254 import (
    G1_BYTES,
    G1_GENERATOR,
    G2_BYTES,
    G2_GENERATOR,
    G1Point,
    G2Point,
    decode_g1,
    decode_g2,
    encode_g1,
    encode_g2,
)

_TAG = keccak(b"verinfer srs v1")
HEAD_BYTES = 2 * G1_BYTES + 2 * G2_BYTES


@dataclass(frozen=True)
class SrsHead:
    """The first two powers of tau in each group.

    Parameters
    ----------
    tau_g1, tau_g2
        [tau]_1 and [tau]_2. [1]_1 and [1]_2 are always the standard generators, those of EIP-197.
    """

    tau_g1: G1Point
    tau_g2: G2Point

    @property
    def id(self) -> bytes:
        """The 32-byte id of every SRS with this head."""
        return keccak(_TAG + self.encode())

    def encode(self) -> bytes:
        """Return [1]_1, [tau]_1, [1]_2, [tau]_2 as the EVM encodes them, 384 bytes."""
        return (
            encode_g1(G1_GENERATOR)
            + encode_g1(self.tau_g1)
            + encode_g2(G2_GENERATOR)
            + encode_g2(self.tau_g2)
        )

    @classmethod
    def decode(cls, data: bytes) -> "SrsHead":
        """Return the head that 384 bytes encode.

        Raises
        ------
        FormatError
            If the length is wrong, a point is invalid, or the first power in a group is not the standard
            generator.
        """
        return _decode(bytes(data))


@lru_cache(maxsize=16)
def _decode(data: bytes) -> SrsHead:
    # To find that a point of G2 is in the group takes 50 ms, and the same few heads are read over and over.
    if len(data) != HEAD_BYTES:
        raise FormatError(f"the head of an SRS has {HEAD_BYTES} bytes, not {len(data)}")
    generators, points = _split(data)
    if generators != (encode_g1(G1_GENERATOR), encode_g2(G2_GENERATOR)):
        raise FormatError("the SRS does not begin with the standard generators of BN254")
    return SrsHead(decode_g1(points[0]), decode_g2(points[1]))


def _split(data: bytes) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    g2 = 2 * G1_BYTES
    return (data[:G1_BYTES], data[g2 : g2 + G2_BYTES]), (data[G1_BYTES:g2], data[g2 + G2_BYTES :])
