"""The asserter's tree as far as its reveals show it, over one's own.

Each choice names the leftmost child that differs, so every subtree to the left of the chosen one is one's
own. On the way down, and next to it on the right, the reveals say what the asserter committed to. That is all
that the opening of a leaf to the left of the disputed one needs: its siblings lie to the left of the way, on
it, or next to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_hash.auto import keccak

from challenger.openings import Source
from challenger.rounds import Rounds
from circuits.errors import InputError
from circuits.merkle import HASH_BYTES, LEAF_BYTES


class RevealedTree:
    """The nodes and leaves of the asserter's trace that a challenger knows.

    Parameters
    ----------
    own
        One's own trace.
    root
        The claim's trace root, 32 bytes.
    position
        The place of the node that the last of the reveals opened.
    reveals
        The nodes of each reveal so far, in order; at least one.

    Raises
    ------
    InputError
        If a reveal has another length than its round's, or does not hash to the node that it is said to open.
        No such reveal can be on the chain: whoever reports it is wrong, or the claim is another.
    """

    def __init__(self, own: Source, root: bytes, position: int, reveals: Sequence[bytes]) -> None:
        self._own = own
        self._rounds = rounds = Rounds(own.depth)
        if not 1 <= len(reveals) <= rounds.count:
            raise InputError(f"a dispute over {rounds.count} rounds cannot have seen {len(reveals)} reveals")
        self._level = level = len(reveals) - 1
        self._position = position
        self.depth = own.depth
        self._known: dict[int, tuple[int, bytes]] = {}
        """By height: the place of the first node that the reveals show, and the hashes of all these."""
        self._leaves = b""
        node = root
        for i, nodes in enumerate(reveals):
            place = position >> (rounds.height(i) - rounds.height(level))
            if i:
                node = self.node(rounds.height(i), place)
            self._open(i, place, nodes, node)

    def _open(self, level: int, place: int, nodes: bytes, expected: bytes) -> None:
        """Take a reveal in, if it hashes to the node it opens."""
        rounds = self._rounds
        top, bottom = rounds.height(level), rounds.bottom(level)
        size = LEAF_BYTES if level == rounds.last else HASH_BYTES
        siblings = rounds.levels(level - 1) if level else 0
        if len(nodes) != (size << (top - bottom)) + siblings * HASH_BYTES:
            raise InputError(f"the reveal of round {level} cannot have {len(nodes)} bytes")
        hashes = nodes[: size << (top - bottom)]
        if level == rounds.last:
            self._leaves = hashes
            hashes = b"".join(keccak(b"\0" + leaf) for leaf in _split(hashes, LEAF_BYTES))
        self._known.setdefault(bottom, (place << (top - bottom), hashes))
        for height in range(bottom + 1, top + 1):
            hashes = b"".join(keccak(b"\1" + pair) for pair in _split(hashes, 2 * HASH_BYTES))
            self._known.setdefault(height, (place << (top - height), hashes))
        if hashes != expected:
            raise InputError(
                f"the reveal of round {level} hashes to 0x{hashes.hex()}, not to the node 0x{expected.hex()}"
            )

    @property
    def children(self) -> bytes:
        """What the last reveal opened: hashes, or in the last round leaves, from the left."""
        if self._level == self._rounds.last:
            return self._leaves
        return self._known[self._rounds.bottom(self._level)][1]

    def node(self, height: int, index: int) -> bytes:
        """The asserter's node, 32 bytes.

        Raises
        ------
        InputError
            If neither the reveals nor one's own tree says what it is.
        """
        first, hashes = self._known.get(height, (0, b""))
        offset = (index - first) * HASH_BYTES
        if 0 <= offset < len(hashes):
            return hashes[offset : offset + HASH_BYTES]
        disputed = self._rounds.height(self._level)
        if index << height >= self._position << disputed:
            raise InputError(f"node {index} at height {height} of the asserter's trace has not been revealed")
        return self._own.node(height, index)

    def leaf(self, first: int, count: int) -> bytes:
        """So many of the asserter's leaves, 128 bytes each.

        Raises
        ------
        InputError
            As `node`.
        """
        begin = self._position << self._rounds.height(self._level)
        left = max(0, min(begin - first, count))
        own = self._own.leaf(first, left) if left else b""
        start = (first + left - begin) * LEAF_BYTES
        length = (count - left) * LEAF_BYTES
        if length and start + length > len(self._leaves):
            raise InputError(f"leaf {first + count - 1} of the asserter's trace has not been revealed")
        return own + self._leaves[start : start + length]


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]
