"""The contract of the dispute game in plain Python, written from the interface's documentation alone.

It believes nothing that it has not hashed: records are opened against the ops root, leaves against the node
revealed last or the claim's roots, and cells are recomputed from the opened leaves only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from eth_hash.auto import keccak

from challenger.moves import (
    CellOpening,
    Choose,
    Move,
    ProveCell,
    ProveInput,
    ProveOutput,
    ProvePadding,
    Reveal,
)
from circuits.circuit import Circuit
from circuits.recompute import recompute_cell
from contracts.dispute_tier import Turn
from verifier.circuit_header import CircuitHeader, parse_header

LEAF = 128
ORDER = 7
NO_PLACE = (1 << 32) - 1


class Refused(Exception):
    """The contract reverts."""


def require(condition: bool, why: str) -> None:
    if not condition:
        raise Refused(why)


@dataclass
class GameModel:
    """One game about one claim. `winner` is who won it, "asserter" or "challenger", once it is over."""

    circuit: Circuit
    input_root: bytes
    trace_root: bytes
    output: bytes
    turn: Turn = Turn.REVEAL
    level: int = 0
    position: int = 0
    reveals: list[bytes] = field(default_factory=list)
    winner: str = ""
    sizes: list[int] = field(default_factory=list)
    """Bytes of each move that was accepted."""

    def __post_init__(self) -> None:
        self.header: CircuitHeader = parse_header(self.circuit.header)
        self.node = self.trace_root
        depth = self.header.trace_depth
        rest = depth % 4
        self.levels = [rest] if rest or not depth else []
        while sum(self.levels) < depth:
            self.levels.append(4)

    def play(self, move: Move) -> None:
        """Make a move, or raise `Refused` and change nothing."""
        require(not self.winner, "the game is over")
        match move:
            case Reveal():
                self._reveal(move)
                self.sizes.append(len(move.nodes))
            case Choose():
                self._choose(move)
                self.sizes.append(0)
            case _:
                self.winner = "challenger" if self._is_false(move) else "asserter"
                self.turn = Turn.CLOSED

    def _reveal(self, move: Reveal) -> None:
        require(self.turn is Turn.REVEAL, "not this turn")
        require((move.level, move.position) == (self.level, self.position), "wrong place")
        last = self.level == len(self.levels) - 1
        count, size = 1 << self.levels[self.level], LEAF if last else 32
        shown, siblings = move.nodes[: count * size], move.nodes[count * size :]
        climbs = self.levels[self.level - 1] if self.level else 0
        require(len(shown) == count * size and len(siblings) == 32 * climbs, "wrong length")
        row = pieces(shown, size)
        if last:
            row = [keccak(b"\0" + leaf) for leaf in row]
        while len(row) > 1:
            row = [keccak(b"\1" + row[i] + row[i + 1]) for i in range(0, len(row), 2)]
        require(climb(row[0], self.position, pieces(siblings, 32)) == self.node, "wrong nodes")
        self.node = row[0]
        self.reveals.append(move.nodes)
        self.turn = Turn.PROVE if last else Turn.CHOOSE

    def _choose(self, move: Choose) -> None:
        require(self.turn is Turn.CHOOSE, "not this turn")
        require((move.level, move.position) == (self.level, self.position), "wrong place")
        require(0 <= move.child < 1 << self.levels[self.level], "wrong child")
        self.position = (self.position << self.levels[self.level]) + move.child
        self.level += 1
        self.turn = Turn.REVEAL

    def _is_false(self, move: Move) -> bool:
        match move:
            case ProveCell(cell, leaf, operands):
                record = self._record(cell)
                require(record[2] == 0 and cell.index < cells_of(record), "wrong cell")
                at = first_of(record) * LEAF + cell.index * record[3]
                data = self._leaf(at // LEAF, leaf)
                claimed = signed(data[at % LEAF :][: record[3]])
                return self._recomputed(record, cell.index, operands) != claimed
            case ProveOutput(cell, operands):
                record = self._record(cell)
                ports = self.header.outputs
                place = next((i for i, port in enumerate(ports) if port.offset == cell.record), None)
                require(place is not None and record[2] == 3 and cell.index < cells_of(record), "wrong cell")
                assert place is not None
                at = sum(port.elements * port.width for port in ports[:place]) + cell.index * record[3]
                claimed = signed(self.output[at : at + record[3]])
                return self._recomputed(record, cell.index, operands) != claimed
            case ProvePadding(cell, leaf):
                at = cell.index
                if cell.opening:
                    record = self._record(cell)
                    size = cells_of(record) * record[3]
                    require(record[2] == 0 and size <= at < -(-size // LEAF) * LEAF, "wrong cell")
                    at += first_of(record) * LEAF
                else:
                    require(at // LEAF >= self.header.trace_leaves, "wrong cell")
                return self._leaf(at // LEAF, leaf)[at % LEAF] != 0
            case ProveInput(index, leaf):
                return self._input_is_bad(index, leaf)
        raise AssertionError(move)

    def _input_is_bad(self, index: int, leaf: bytes) -> bool:
        depth = max(sum(port.leaves for port in self.header.inputs) - 1, 0).bit_length()
        data = opened_leaf(self.input_root, depth, index // LEAF, leaf)
        for port in self.header.inputs:
            element, _ = divmod(index - port.offset * LEAF, port.width)
            if 0 <= element < port.elements:
                start = (port.offset * LEAF + element * port.width) % LEAF
                return not port.lo <= signed(data[start : start + port.width]) <= port.hi
        return data[index % LEAF] != 0

    def _record(self, cell: CellOpening) -> bytes:
        require(len(cell.opening) >= 96, "wrong length")
        size = 96 + 160 * cell.opening[4]
        record, siblings = cell.opening[:size], pieces(cell.opening[size:], 32)
        require(len(cell.opening) == size + 32 * self.header.ops_depth, "wrong length")
        require(climb(keccak(b"\0" + record), cell.record, siblings) == self.circuit.ops_root, "wrong record")
        return record

    def _leaf(self, index: int, leaf: bytes) -> bytes:
        depth = self.header.trace_depth
        if self.turn is not Turn.PROVE or len(leaf) == LEAF + 32 * depth:
            return opened_leaf(self.trace_root, depth, index, leaf)
        levels = self.levels[self.level]
        require(index >> levels == self.position, "wrong place")
        return opened_leaf(self.node, levels, index % (1 << levels), leaf)

    def _recomputed(self, record: bytes, index: int, operands: bytes) -> int | None:
        header = self.header
        input_depth = max(sum(port.leaves for port in header.inputs) - 1, 0).bit_length()
        roots = (self.trace_root, self.input_root, self.circuit.weights_root)
        depths = (header.trace_depth, input_depth, header.weights_depth)
        trees: list[dict[int, bytes]] = []
        for root, depth in zip(roots, depths, strict=True):
            known, operands = opened_ranges(root, depth, operands)
            trees.append(known)

        def read(region: int, start: int, length: int) -> bytes:
            leaf, at = divmod(start, LEAF)
            require(leaf in trees[region], "an operand is missing")
            return trees[region][leaf][at : at + length]

        value = recompute_cell(record, index, read)
        place = b""
        if record[1] == ORDER:  # is opened with the place of the cell in question
            place = (NO_PLACE if value is None else value).to_bytes(4, "big")
        require(operands == place, "something is left over")
        return value


def opened_ranges(root: bytes, depth: int, data: bytes) -> tuple[dict[int, bytes], bytes]:
    """The leaves that an opening of one tree opens, and the bytes behind it."""
    count, at = int.from_bytes(data[:2], "big"), 2
    ranges: list[tuple[int, int]] = []
    for _ in range(count):
        first, length = int.from_bytes(data[at : at + 6], "big"), int.from_bytes(data[at + 6 : at + 8], "big")
        require(length > 0 and (not ranges or first > ranges[-1][1]), "ranges do not rise")
        ranges.append((first, first + length))
        at += 8
    if not count:
        return {}, data[at:]
    require(ranges[-1][1] <= 1 << depth, "a range leaves the tree")
    leaves: dict[int, bytes] = {}
    for first, end in ranges:
        for i in range(first, end):
            leaves[i] = data[at : at + LEAF]
            at += LEAF
    known = {i: keccak(b"\0" + leaf) for i, leaf in leaves.items()}
    for _ in range(depth):
        for i in sorted(known):
            if i ^ 1 not in known:
                known[i ^ 1] = data[at : at + 32]
                at += 32
        known = {i >> 1: keccak(b"\1" + known[i] + known[i + 1]) for i in known if i % 2 == 0}
    require(len(data) >= at and known == {0: root}, "the opening does not hash to the root")
    return leaves, data[at:]


def opened_leaf(root: bytes, depth: int, index: int, leaf: bytes) -> bytes:
    require(len(leaf) == LEAF + 32 * depth and 0 <= index < 1 << depth, "wrong length")
    require(climb(keccak(b"\0" + leaf[:LEAF]), index, pieces(leaf[LEAF:], 32)) == root, "wrong leaf")
    return leaf[:LEAF]


def climb(node: bytes, index: int, siblings: Sequence[bytes]) -> bytes:
    for sibling in siblings:
        node = keccak(b"\1" + (sibling + node if index & 1 else node + sibling))
        index >>= 1
    return node


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def cells_of(record: bytes) -> int:
    return int.from_bytes(record[16:24], "big")


def first_of(record: bytes) -> int:
    return int.from_bytes(record[8:16], "big")


def signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)
