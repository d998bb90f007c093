"""The moves of a dispute, as plain data: what a player decides, and what is kept and sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reveal:
    """The asserter, or anybody in its place, reveals what lies below the disputed node.

    Attributes
    ----------
    level, position
        How often the game has been revealed and chosen, and the disputed node's place at its height.
    nodes
        Hashes of 32 bytes, or, in the last round, leaves of 128 bytes; then, from level 1 on, the siblings
        that lead to the node revealed before.
    """

    level: int
    position: int
    nodes: bytes


@dataclass(frozen=True)
class Choose:
    """The challenger names the leftmost revealed child that differs from its own."""

    level: int
    position: int
    child: int


@dataclass(frozen=True)
class CellOpening:
    """A cell of a tensor, and the op record that says how it is computed.

    Attributes
    ----------
    record
        The record's index in the ops tree.
    index
        The cell's row-major index in the tensor; for padding, a place in bytes.
    opening
        The record's bytes, then its siblings in the ops tree in climbing order. Empty for padding behind all
        tensors.
    """

    record: int
    index: int
    opening: bytes


@dataclass(frozen=True)
class ProveCell:
    """The challenger has one cell of the disputed leaf recomputed.

    Attributes
    ----------
    leaf
        The leaf that the cell lies in, then its siblings up to the node revealed last; before the last
        reveal, up to the trace's root.
    operands
        Openings of what the cell reads.
    """

    cell: CellOpening
    leaf: bytes
    operands: bytes


@dataclass(frozen=True)
class ProveOutput:
    """The challenger has one element of the outputs recomputed."""

    cell: CellOpening
    operands: bytes


@dataclass(frozen=True)
class ProvePadding:
    """The challenger shows a byte other than zero behind a tensor's last element, or behind all tensors."""

    cell: CellOpening
    leaf: bytes


@dataclass(frozen=True)
class ProveInput:
    """The challenger shows an input element outside its bound, or a byte other than zero behind an input.

    Attributes
    ----------
    index
        Its place, in bytes from the input tree's first leaf on.
    leaf
        The leaf of the input tree, then its siblings up to the root.
    """

    index: int
    leaf: bytes


Proof = ProveCell | ProveOutput | ProvePadding | ProveInput
"""A move that ends a game by its verdict."""

Move = Reveal | Choose | Proof


@dataclass(frozen=True)
class Expire:
    """Anybody ends a game whose next move is overdue."""

    challenger: str


@dataclass(frozen=True)
class Close:
    """Anybody pays out a game that was still open when its claim was resolved."""

    challenger: str


@dataclass(frozen=True)
class Finalise:
    """Anybody makes a claim final whose time is over."""


Step = Move | Expire | Close | Finalise
"""Whatever a player sends about a claim once it is posted."""
