"""The Merkle trees of Verinfer, as a contract computes them.

A leaf is 128 bytes. leaf hash = keccak256(0x00 || leaf), inner node = keccak256(0x01 || left || right); the
number of leaves is padded to a power of two with leaves of 128 zero bytes. A tree of one leaf is its leaf's
hash.
"""

from collections.abc import Sequence

from eth_hash.auto import keccak

from verifier.circuit_header import LEAF_BYTES, PortEntry


def pack_tensor(values: Sequence[int], port: PortEntry) -> list[bytes]:
    """Pack a tensor into leaves.

    Parameters
    ----------
    values
        The tensor's elements, row-major, within the port's bounds.
    port
        The tensor's width.

    Returns
    -------
    list of bytes
        Leaves of 128 bytes. Elements are two's complement and big-endian, back to back; the rest is zero.
    """
    packed = b"".join(value.to_bytes(port.width, "big", signed=True) for value in values)
    return [packed[i : i + LEAF_BYTES].ljust(LEAF_BYTES, b"\0") for i in range(0, len(packed), LEAF_BYTES)]


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over `leaves`, each of 128 bytes. No leaves at all count as one of zeros.

    Returns
    -------
    bytes
        32 bytes.
    """
    level = [keccak(b"\x00" + leaf) for leaf in leaves]
    padding = keccak(b"\x00" + bytes(LEAF_BYTES))
    if not level:
        level = [padding]
    while len(level) > 1:
        # Padding to a power of two, one level at a time: `padding` is the root of an all-zero subtree of
        # this height.
        if len(level) % 2:
            level.append(padding)
        level = [keccak(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
        padding = keccak(b"\x01" + padding + padding)
    return level[0]
