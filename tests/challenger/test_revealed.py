"""What a challenger takes from the reveals: the asserter's own nodes and leaves, or nothing."""

from __future__ import annotations

import random

import pytest

from challenger.openings import Tree
from challenger.player import Dispute
from challenger.revealed import RevealedTree
from challenger.rounds import Rounds
from circuits.errors import InputError
from circuits.trace import Trace
from tests.challenger.game_model import GameModel
from tests.challenger.lies import Lie, chain
from tests.challenger.test_player import descend, view_of
from tests.circuits.random_circuits import random_sample


@pytest.mark.parametrize("depth", [0, 1, 4, 5, 8, 9])
@pytest.mark.parametrize("seed", range(4))
def test_only_the_asserters_nodes_are_known(depth: int, seed: int) -> None:
    """After every reveal, each node of the tree is the asserter's or is refused; so is each leaf. All that
    lies to the left of the way down is known."""
    trace = Trace.of(circuit := chain(depth), random_sample(circuit, 0))
    lie, rng = Lie.of(trace), random.Random(seed)
    for _ in range(3):
        lie.memory[rng.randrange(lie.memory.size // 3, lie.memory.size)] ^= 1
    lie.make_false(rng)
    game = GameModel(circuit, trace.input_commitment, lie.root, bytes(lie.output))
    descend(game, lie.player, Dispute(trace, lie.root, bytes(lie.output)))
    rounds, theirs = Rounds(depth), lie.tree
    for level in range(rounds.count):
        position = game.position >> rounds.height(level) - rounds.height(rounds.last)
        found = RevealedTree(Tree(trace.leaves, trace.tree), lie.root, position, game.reveals[: level + 1])
        known = 0
        for height in range(depth + 1):
            for index in range(1 << depth - height):
                try:
                    assert found.node(height, index) == theirs.node(height, index)
                    known += 1
                except InputError:
                    assert index << height >= position << rounds.height(level)
        assert known > 0
        for index in range(1 << depth):
            try:
                assert found.leaf(index, 1) == lie.leaves[index].tobytes()
            except InputError:
                assert index >= position << rounds.height(level)
    first = game.position << rounds.levels(rounds.last)
    end = first + (1 << rounds.levels(rounds.last))
    assert found.leaf(0, end) == lie.leaves[:end].tobytes()
    with pytest.raises(InputError, match="has not been revealed"):
        found.leaf(0, end + 1)


def test_no_more_reveals_than_rounds() -> None:
    trace = Trace.of(circuit := chain(5), random_sample(circuit, 0))
    own = Tree(trace.leaves, trace.tree)
    for reveals in ([], [b""] * 3):
        with pytest.raises(InputError, match="cannot have seen"):
            RevealedTree(own, trace.root, 0, reveals)
    game = GameModel(circuit, trace.input_commitment, trace.root, b"")
    nodes = Lie.of(trace).player.asserter_move(view_of(game)).nodes
    with pytest.raises(InputError, match="cannot have"):
        RevealedTree(own, trace.root, 0, [nodes + b"\0"])
    with pytest.raises(InputError, match="hashes to"):
        RevealedTree(own, bytes(32), 0, [nodes])
