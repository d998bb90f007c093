"""The player against a model of the contract: honest challengers always win, and so do honest asserters."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from challenger.moves import CellOpening, Choose, Move, ProveOutput, ProvePadding
from challenger.openings import open_leaf
from challenger.player import Dispute, GameView
from challenger.rounds import Rounds
from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.executor import execute
from circuits.merkle import LEAF_BYTES, MerkleTree
from circuits.packing import pack_inputs
from circuits.trace import Trace
from contracts.dispute_tier import Turn
from contracts.packing import pack_outputs, unpack_outputs
from tests.budget import examples
from tests.challenger.game_model import GameModel, Refused
from tests.challenger.lies import KINDS, NONSENSE, Lie, chain, nonsense_circuit, opened, proof_of
from tests.circuits.random_circuits import circuits, random_sample

DEPTHS = (0, 1, 4, 5, 8, 9)


def game_about(lie: Lie) -> GameModel:
    return GameModel(lie.honest.circuit, lie.honest.input_commitment, lie.root, bytes(lie.output))


def view_of(game: GameModel) -> GameView:
    return GameView(game.turn, game.level, game.position, tuple(game.reveals))


def descend(game: GameModel, asserter: Dispute, challenger: Dispute) -> list[Move]:
    """Play a game to its end; the moves."""
    moves: list[Move] = []
    while not game.winner:
        view = view_of(game)
        mover = asserter.asserter_move if view.turn is Turn.REVEAL else challenger.challenger_move
        moves.append(mover(view))
        game.play(moves[-1])
    return moves


def refute(lie: Lie) -> list[Move]:
    """An honest challenger refutes a false claim, by descent and, with the whole trace at hand, at once."""
    challenger = Dispute(lie.honest, lie.root, bytes(lie.output))
    assert challenger.false
    game = game_about(lie)
    if challenger.first_move is not None:
        game.play(challenger.first_move)
        moves: list[Move] = [challenger.first_move]
    else:
        moves = descend(game, lie.player, challenger)
        assert len(moves) == 2 * Rounds(lie.honest.tree.depth).count
    assert game.winner == "challenger"

    at_once = Dispute.with_their_trace(lie.honest, lie.leaves, bytes(lie.output))
    game = game_about(lie)
    assert at_once.first_move is not None
    game.play(at_once.first_move)
    assert game.winner == "challenger"
    return moves


def sample_trace(circuit: Circuit, seed: int = 0) -> Trace:
    return Trace.of(circuit, random_sample(circuit, seed))


@settings(max_examples=examples(120))
@given(st.data())
def test_an_honest_challenger_always_wins(data: st.DataObject) -> None:
    circuit = data.draw(circuits())
    rng = random.Random(data.draw(st.integers(0, 2**32 - 1)))
    lie = Lie.of(sample_trace(circuit, rng.randrange(1 << 32)))
    lie.alter(data.draw(st.sampled_from(KINDS)), rng, recomputed=data.draw(st.booleans()))
    lie.make_false(rng)
    refute(lie)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recomputed", [False, True])
def test_an_honest_challenger_wins_at_every_depth(depth: int, kind: str, recomputed: bool) -> None:
    trace = sample_trace(chain(depth))
    assert trace.tree.depth == depth
    for seed in range(3):
        rng = random.Random(seed)
        lie = Lie.of(trace)
        lie.alter(kind, rng, recomputed, fast=True)
        lie.make_false(rng)
        refute(lie)


@pytest.mark.parametrize("depth", DEPTHS)
def test_lies_at_the_edges_of_the_tree(depth: int) -> None:
    """In the first byte of all and the last, and in both, so that the first one counts."""
    trace = sample_trace(chain(depth))
    for places in ([0], [-1], [0, -1]):
        lie = Lie.of(trace)
        lie.memory[places] ^= 1
        lie.make_false(random.Random(0))
        refute(lie)


@settings(max_examples=examples(120))
@given(st.data())
def test_an_honest_asserter_always_wins(data: st.DataObject) -> None:
    """Against choices, cells and padding bytes at random, before the descent and after it."""
    circuit = data.draw(circuits())
    rng = random.Random(data.draw(st.integers(0, 2**32 - 1)))
    survive(Lie.of(sample_trace(circuit, rng.randrange(1 << 32))), rng)


@pytest.mark.parametrize("depth", DEPTHS)
def test_an_honest_asserter_wins_at_every_depth(depth: int) -> None:
    truth = Lie.of(sample_trace(chain(depth)))
    for seed in range(5):
        survive(truth, random.Random(seed))


def survive(truth: Lie, rng: random.Random) -> None:
    """An honest asserter survives a challenger who makes moves at random."""
    game, asserter = game_about(truth), truth.player
    rounds = Rounds(truth.honest.tree.depth)
    while not game.winner:
        if game.turn is Turn.REVEAL and rng.random() < 0.8:
            game.play(asserter.asserter_move(view_of(game)))
        elif game.turn is Turn.CHOOSE and rng.random() < 0.8:
            game.play(Choose(game.level, game.position, rng.randrange(1 << rounds.levels(game.level))))
        else:
            game.play(groundless(truth, game, rng))
    assert game.winner == "asserter"


def groundless(truth: Lie, game: GameModel, rng: random.Random) -> Move:
    """A well-formed proof of a cell, byte or output that is right."""
    identity, plan = truth.honest.circuit.identity, truth.honest.circuit.identity.plan
    levels = Rounds(truth.tree.depth).levels(game.level) if game.turn is Turn.PROVE else truth.tree.depth
    low = game.position << levels if game.turn is Turn.PROVE else 0
    if rng.random() < 0.2:
        record = rng.randrange(plan.trace_records, len(plan.records))
        index = rng.randrange(plan.records[record].cells)
        return ProveOutput(opened(identity, record, index), truth.operands(record, index))
    leaf = rng.randrange(low, low + (1 << levels))
    leaf_bytes = open_leaf(truth.source, leaf, levels)
    if leaf >= plan.trace_leaves:
        return ProvePadding(CellOpening(0, leaf * LEAF_BYTES + rng.randrange(LEAF_BYTES), b""), leaf_bytes)
    record = max(i for i, r in enumerate(plan.records[: plan.trace_records]) if r.first <= leaf)
    found = plan.records[record]
    place = (leaf - found.first) * LEAF_BYTES + rng.randrange(LEAF_BYTES)
    if place >= found.cells * found.width:
        return ProvePadding(opened(identity, record, place), leaf_bytes)
    return proof_of(truth, record, place // found.width, levels)


@pytest.mark.parametrize(
    ("op", "values"), [("floor_divide", [0, -1, -128]), ("table", [-1, 10, 127]), ("gather", [-1, 10, -128])]
)
def test_nonsense_among_authenticated_operands_is_false(op: str, values: list[int]) -> None:
    """Whoever points at the cell that reads it wins, whatever that cell is by the claim; so does whoever
    points at the first difference, as always."""
    circuit = nonsense_circuit(op)
    trace = sample_trace(circuit)
    assert [record.kind.name for record in circuit.identity.plan.records[1:2]] == [NONSENSE[op]]
    for value in values:
        lie = Lie.of(trace)
        lie.set(0, 3, value)
        lie.recompute_after(0)
        lie.make_false(random.Random(0))
        refute(lie)
        for claimed in (0, 5):
            lie.set(1, 3, claimed)
            game = game_about(lie)
            game.play(proof_of(lie, 1, 3))
            assert game.winner == "challenger"
            game = game_about(lie)
            game.play(proof_of(lie, 1, 2))
            assert game.winner == "asserter"


def test_reveals_that_do_not_hash_are_refused() -> None:
    """By the contract, and by a player whose endpoint reports them."""
    trace = sample_trace(chain(9))
    lie = Lie.of(trace)
    lie.alter("element", random.Random(1), recomputed=True, fast=True)
    lie.make_false(random.Random(1))
    honest, challenger = Dispute(trace, trace.root, b"\0" * 4), Dispute(trace, lie.root, bytes(lie.output))
    game = game_about(lie)
    for _ in range(3):
        right = lie.player.asserter_move(view_of(game))
        others = [honest.asserter_move(view_of(game)).nodes, right.nodes[:-1], right.nodes + b"\0", b""]
        flipped = bytearray(right.nodes)
        flipped[random.Random(0).randrange(len(flipped))] ^= 1
        for nodes in [*others, bytes(flipped)]:
            with pytest.raises(Refused):
                game.play(type(right)(right.level, right.position, nodes))
            view = view_of(game)
            turn = Turn.PROVE if game.level == 2 else Turn.CHOOSE
            reported = GameView(turn, view.level, view.position, (*view.reveals, nodes))
            if nodes[: len(right.nodes) - 128] != right.nodes[: len(right.nodes) - 128]:
                with pytest.raises(InputError):
                    challenger.challenger_move(reported)
        game.play(right)
        game.play(challenger.challenger_move(view_of(game)))
    assert game.winner == "challenger"


def test_a_right_claim_is_not_disputed_whatever_its_trace() -> None:
    trace = sample_trace(chain(5))
    dispute = Dispute(trace, bytes(32), pack_outputs(trace.circuit, trace.outputs))
    assert not dispute.false and dispute.first_move is None
    with pytest.raises(InputError, match="nothing to dispute"):
        dispute.challenger_move(GameView(Turn.CHOOSE, 0, 0, (bytes(512),)))
    with pytest.raises(InputError, match="not this one"):
        dispute.asserter_move(GameView(Turn.REVEAL, 0, 0, ()))


def test_moves_out_of_turn_are_refused() -> None:
    trace = sample_trace(chain(5))
    lie = Lie.of(trace)
    lie.memory[0] ^= 1
    lie.make_false(random.Random(0))
    dispute = Dispute(trace, lie.root, bytes(lie.output))
    for turn in (Turn.NONE, Turn.REVEAL, Turn.CLOSED):
        with pytest.raises(InputError, match="no move in the turn"):
            dispute.challenger_move(GameView(turn, 0, 0, ()))
    with pytest.raises(InputError, match="has not seen"):
        dispute.challenger_move(GameView(Turn.CHOOSE, 0, 0, ()))
    with pytest.raises(InputError, match="no move in the turn"):
        lie.player.asserter_move(GameView(Turn.CHOOSE, 0, 0, ()))
    with pytest.raises(InputError, match="take up"):
        Dispute(trace, lie.root, bytes(lie.output) + b"\0")


@settings(max_examples=examples(80))
@given(st.data())
def test_inputs_that_the_circuit_does_not_admit(data: st.DataObject) -> None:
    """One element outside its bound, or a byte of padding; and nothing wrong, which is not to be proven."""
    circuit = data.draw(circuits())
    rng = random.Random(data.draw(st.integers(0, 2**32 - 1)))
    arrays = [x[0].astype(np.int64) for x in random_sample(circuit, rng.randrange(1 << 32))]
    plan = circuit.identity.plan
    leaves = pack_inputs(circuit, plan, arrays)
    depth = max(len(leaves) - 1, 0).bit_length()
    leaves = np.concatenate([leaves, np.zeros(((1 << depth) - len(leaves), LEAF_BYTES), np.uint8)])
    with pytest.raises(InputError, match="admits this input"):
        Dispute.of_bad_input(circuit, leaves)
    memory = leaves.reshape(-1)
    at = rng.randrange(memory.size)
    memory[at] ^= rng.randint(1, 255)
    try:
        dispute = Dispute.of_bad_input(circuit, leaves)
    except InputError:
        assume(False)
    root = MerkleTree.of_leaves(leaves).root
    game = GameModel(circuit, root, bytes(32), bytes(8))
    assert dispute.false and dispute.first_move is not None
    game.play(dispute.first_move)
    assert game.winner == "challenger"


def test_outputs_are_packed_like_leaves() -> None:
    trace = sample_trace(chain(4))
    packed = pack_outputs(trace.circuit, trace.outputs)
    (values,) = unpack_outputs(trace.circuit, packed)
    assert np.array_equal(values, trace.outputs[0])
    assert np.array_equal(values, execute(trace.circuit, random_sample(trace.circuit, 0))[0][0])
    with pytest.raises(InputError, match="take up"):
        unpack_outputs(trace.circuit, packed[:-1])
