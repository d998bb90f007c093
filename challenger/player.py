"""The player of the dispute game, for both sides: what to do next, from one's own trace and the game so far.

Pure: no chain, no clock, nothing kept. The same state of a game always gets the same move, so a player that
lost its memory goes on where it stopped.

Why an honest challenger wins. At every choice it names the leftmost child that differs from its own, so all
leaves to the left of the disputed one are its own. Whatever a cell reads lies in leaves to the left of its
tensor, so the contract recomputes the disputed cell from the same operands as the executor did, and gets
another value than the asserter's. Only where the trace as a whole is right and an output is not is there
nothing to descend to; then the output itself is recomputed.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from challenger.moves import (
    CellOpening,
    Choose,
    Move,
    Proof,
    ProveCell,
    ProveInput,
    ProveOutput,
    ProvePadding,
    Reveal,
)
from challenger.openings import Source, Tree, open_leaf, operands_of
from challenger.revealed import RevealedTree
from challenger.rounds import Rounds
from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.identity import Identity
from circuits.merkle import HASH_BYTES, LEAF_BYTES, MerkleTree
from circuits.packing import Leaves, unpack
from circuits.records import Region
from circuits.trace import Trace
from contracts.dispute_tier import Turn
from contracts.packing import pack_outputs


@dataclass(frozen=True)
class GameView:
    """What a player sees of a game.

    Attributes
    ----------
    turn, level, position
        As the contract says.
    reveals
        The nodes of each reveal so far, in order.
    """

    turn: Turn
    level: int
    position: int
    reveals: tuple[bytes, ...]


class Dispute:
    """What one's own trace says about a claim.

    Parameters
    ----------
    trace
        One's own, of the claim's model and input.
    trace_root
        The claim's trace root, 32 bytes.
    output
        The claim's outputs, packed.

    Attributes
    ----------
    false
        The claim's outputs differ from the circuit's. Others are not disputed, whatever their trace.
    first_move
        What wins without any reveal, once the game stands since an earlier block; None if the asserter must
        reveal something first, or the claim is not false.

    Raises
    ------
    InputError
        If the outputs have another length than the circuit's.
    """

    def __init__(self, trace: Trace, trace_root: bytes, output: bytes) -> None:
        own = pack_outputs(trace.circuit, trace.outputs)
        if len(output) != len(own):
            raise InputError(f"the circuit's outputs take up {len(own)} bytes, not {len(output)}")
        self._root = trace_root
        self._trace = trace
        self._identity = trace.circuit.identity
        self.false = output != own
        self.first_move: Proof | None = None
        if self.false and trace_root == trace.root:
            self.first_move = self._prove_output(_first_difference(output, own))

    @classmethod
    def with_their_trace(cls, trace: Trace, leaves: Leaves, output: bytes) -> Dispute:
        """The dispute over a claim whose whole trace is at hand, leaf by leaf: no reveal is needed.

        Raises
        ------
        InputError
            As the class, or if there are more leaves than the trace's tree has.
        """
        tree = MerkleTree.of_leaves(_padded(leaves, trace.tree.depth))
        dispute = cls(trace, tree.root, output)
        if dispute.false and dispute.first_move is None:
            theirs = Tree(leaves, tree)
            length = max(len(leaves), len(trace.leaves))
            first = _first_difference(theirs.leaf(0, length), dispute._own.leaf(0, length)) // LEAF_BYTES
            dispute.first_move = dispute._prove_leaf(first, theirs, tree.depth)
        return dispute

    @classmethod
    def of_bad_input(cls, circuit: Circuit, leaves: Leaves) -> Dispute:
        """The dispute over a claim about an input that the circuit does not admit, and so has no trace.

        Parameters
        ----------
        leaves
            Of the claim's input tree, uint8 [n, 128].

        Raises
        ------
        InputError
            If the circuit admits this input, or there are more leaves than its input tree has.
        """
        return _InputDispute(circuit, leaves)

    def challenger_move(self, view: GameView) -> Move:
        """What the challenger does next.

        Raises
        ------
        InputError
            If the claim is not false, it is not the challenger's turn, or the reveals are not this claim's.
        """
        if not self.false:
            raise InputError("the claim's outputs are right: there is nothing to dispute")
        if self.first_move is not None:
            return self.first_move
        if view.turn not in (Turn.CHOOSE, Turn.PROVE):
            raise InputError(f"the challenger has no move in the turn {view.turn.name}")
        if len(view.reveals) != view.level + 1:
            raise InputError(f"a game at level {view.level} has not seen {len(view.reveals)} reveals")
        theirs = RevealedTree(self._own, self._root, view.position, view.reveals)
        own = _children(self._own, self._rounds, view.level, view.position)
        if theirs.children == own:
            raise InputError("what was revealed does not differ: the game has left the way to the difference")
        last = view.level == self._rounds.last
        child = _first_difference(theirs.children, own) // (LEAF_BYTES if last else HASH_BYTES)
        if not last:
            return Choose(view.level, view.position, child)
        levels = self._rounds.levels(view.level)
        return self._prove_leaf((view.position << levels) + child, theirs, levels)

    def asserter_move(self, view: GameView) -> Reveal:
        """What the asserter, or anybody who has its trace, reveals next.

        Raises
        ------
        InputError
            If it is not the asserter's turn, or the claim has another trace.
        """
        if view.turn is not Turn.REVEAL:
            raise InputError(f"the asserter has no move in the turn {view.turn.name}")
        if self._root != self._trace.root:
            raise InputError("the claim's trace is not this one: nothing of it can be revealed")
        rounds, own = self._rounds, self._own
        nodes = _children(own, rounds, view.level, view.position)
        if view.level:
            top = rounds.height(view.level)
            steps = range(rounds.levels(view.level - 1))
            nodes += b"".join(own.node(top + i, (view.position >> i) ^ 1) for i in steps)
        return Reveal(view.level, view.position, nodes)

    @cached_property
    def _own(self) -> Source:
        return Tree(self._trace.leaves, self._trace.tree)

    @property
    def _rounds(self) -> Rounds:
        return Rounds(self._own.depth)

    def _prove_output(self, at: int) -> ProveOutput:
        """The proof that the byte at this place of the outputs is wrong, by the trace that both have."""
        plan, circuit = self._identity.plan, self._trace.circuit
        record = plan.trace_records
        sizes = [circuit.nodes[port.node].size * circuit.nodes[port.node].width for port in circuit.outputs]
        while at >= sizes[record - plan.trace_records]:
            at -= sizes[record - plan.trace_records]
            record += 1
        index = at // plan.records[record].width
        return ProveOutput(_cell(self._identity, record, index), self._operands(record, index, self._own))

    def _prove_leaf(self, leaf: int, theirs: Source, levels: int) -> ProveCell | ProvePadding:
        """The proof that the leftmost leaf that differs is wrong, opened up to so many levels above it."""
        plan = self._identity.plan
        opened = open_leaf(theirs, leaf, levels)
        at = _first_difference(opened[:LEAF_BYTES], self._own.leaf(leaf, 1))
        if leaf >= plan.trace_leaves:
            return ProvePadding(CellOpening(0, leaf * LEAF_BYTES + at, b""), opened)
        firsts = [record.first for record in plan.records[: plan.trace_records]]
        number = bisect_right(firsts, leaf) - 1
        record = plan.records[number]
        place = (leaf - record.first) * LEAF_BYTES + at
        if place >= record.cells * record.width:
            return ProvePadding(_cell(self._identity, number, place), opened)
        index = place // record.width
        operands = self._operands(number, index, theirs)
        return ProveCell(_cell(self._identity, number, index), opened, operands)

    def _operands(self, record: int, index: int, trace: Source) -> bytes:
        sources = {
            Region.TRACE: trace,
            Region.INPUT: Tree(self._trace.input_leaves, self._trace.input_tree),
            Region.WEIGHTS: Tree(self._identity.weights_leaves, self._identity.weights_tree),
        }
        return operands_of(self._identity.plan.records[record], index, sources)


class _InputDispute(Dispute):
    """The dispute over a claim about an input that the circuit does not admit."""

    def __init__(self, circuit: Circuit, leaves: Leaves) -> None:
        depth = max(circuit.identity.plan.input_leaves - 1, 0).bit_length()
        leaves = _padded(leaves, depth)
        at = _bad_byte(circuit, leaves)
        if at is None:
            raise InputError("the circuit admits this input: execute it")
        self.false = True
        opened = open_leaf(Tree.of(leaves), at // LEAF_BYTES, depth)
        self.first_move = ProveInput(at, opened)

    def asserter_move(self, view: GameView) -> Reveal:
        raise InputError("there is no trace of an input that the circuit does not admit")


def _bad_byte(circuit: Circuit, leaves: Leaves) -> int | None:
    """The place of the first element outside its bound, else of the first byte that should be zero, in a full
    input tree's leaves."""
    padding = leaves.copy().reshape(-1)
    for port, first in zip(circuit.inputs, circuit.identity.plan.input_firsts, strict=True):
        node = circuit.nodes[port.node]
        start = first * LEAF_BYTES
        padding[start : start + node.size * node.width] = 0
        values = unpack(leaves, first, node.width, node.size)
        outside = np.flatnonzero((values < node.lo) | (values > node.hi))
        if outside.size:
            return start + int(outside[0]) * node.width
    places = np.flatnonzero(padding)
    return int(places[0]) if places.size else None


def _padded(leaves: Leaves, depth: int) -> Leaves:
    """The leaves of a full tree of this depth."""
    if len(leaves) > 1 << depth:
        raise InputError(f"a tree of depth {depth} has no room for {len(leaves)} leaves")
    return np.concatenate([leaves, np.zeros(((1 << depth) - len(leaves), LEAF_BYTES), np.uint8)])


def _children(tree: Source, rounds: Rounds, level: int, position: int) -> bytes:
    """What a round reveals of a tree below the disputed node: hashes, or in the last round leaves."""
    count = 1 << rounds.levels(level)
    first = position * count
    if level == rounds.last:
        return tree.leaf(first, count)
    return b"".join(tree.node(rounds.bottom(level), first + i) for i in range(count))


def _first_difference(a: bytes, b: bytes) -> int:
    """The place of the first byte that differs between two strings of one length."""
    differ = np.frombuffer(a, np.uint8) != np.frombuffer(b, np.uint8)
    return int(np.argmax(differ))


def _cell(identity: Identity, record: int, index: int) -> CellOpening:
    opening = identity.records[record] + b"".join(identity.ops_tree.open(record))
    return CellOpening(record, index, opening)
