"""The contract against the model of it: moves at random, right ones and spoilt ones, by both sides."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

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
from challenger.openings import Tree, open_leaf
from challenger.rounds import Rounds
from circuits.merkle import LEAF_BYTES
from circuits.trace import Trace
from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from contracts.dispute_tier import Turn
from tests.challenger.game_model import GameModel, Refused
from tests.challenger.lies import KINDS, Lie, chain, opened, proof_of
from tests.challenger.table import ASSERTER, CHALLENGER, Arena, Reverted, Table
from tests.circuits.random_circuits import random_circuit, random_sample

MOST_MOVES = 40


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with Anvil() as anvil:
        connection = anvil.connect()
        yield Arena.on(connection, deploy_contracts(connection))


def test_the_contract_does_what_its_model_does(arena: Arena) -> None:
    winners = Counter(agree(arena.table(), seed) for seed in range(24))
    assert min(winners["asserter"], winners["challenger"]) >= 3


@pytest.mark.long
def test_the_contract_does_what_its_model_does_at_length(arena: Arena) -> None:
    winners = Counter(agree(arena.table(), seed) for seed in range(1000, 1150))
    assert min(winners["asserter"], winners["challenger"]) >= 25


def agree(table: Table, seed: int) -> str:
    """Play one game at random; the winner, if there is one."""
    rng = random.Random(seed)
    circuit = chain(rng.choice([0, 1, 4, 5, 9])) if seed % 4 == 0 else random_circuit(seed, rng.randint(1, 9))
    lie = Lie.of(Trace.of(circuit, random_sample(circuit, seed)))
    if rng.random() < 0.7:
        lie.alter(rng.choice(KINDS), rng, recomputed=rng.random() < 0.5 and seed % 4 != 0)
    claim = table.post(lie)
    table.open(claim)
    game = GameModel(circuit, lie.honest.input_commitment, lie.root, bytes(lie.output))
    for _ in range(MOST_MOVES):
        move = move_at_random(lie, game, rng)
        if rng.random() < 0.3:
            move = spoilt(move, rng)
        refused = reverted = ""
        try:
            game.play(move)
        except Refused as why:
            refused = str(why)
        try:
            table.make(claim, lie, move, ASSERTER if isinstance(move, Reveal) else CHALLENGER)
        except Reverted as why:
            reverted = str(why)
        assert bool(refused) == bool(reverted), f"{move}: model {refused!r}, contract {reverted!r}"
        found = table.game(claim)
        assert found.turn is game.turn
        if game.winner:
            won = table.closed[table.tier.claim_id(claim), table.accounts[CHALLENGER]].won
            assert won == (game.winner == "challenger")
            break
        assert (found.level, found.position) == (game.level, game.position)
    return game.winner


def move_at_random(lie: Lie, game: GameModel, rng: random.Random) -> Move:
    """A well-formed move, more often one whose turn it is."""
    rounds, plan = Rounds(lie.tree.depth), lie.honest.circuit.identity.plan
    roll = rng.random()
    if game.turn is Turn.REVEAL and roll < 0.7:
        return reveal(lie, rounds, game.level, game.position)
    if game.turn is Turn.CHOOSE and roll < 0.8:
        return Choose(game.level, game.position, towards(lie, rounds, game, rng))
    if roll > 0.96:
        index = rng.randrange(len(lie.honest.input_leaves) * LEAF_BYTES)
        depth = lie.honest.input_tree.depth
        inputs = Tree(lie.honest.input_leaves, lie.honest.input_tree)
        return ProveInput(index, open_leaf(inputs, index // LEAF_BYTES, depth))
    if roll > 0.9:
        record = rng.randrange(plan.trace_records, len(plan.records))
        index = rng.randrange(plan.records[record].cells)
        return ProveOutput(opened(lie.honest.circuit.identity, record, index), lie.operands(record, index))
    levels = rounds.levels(game.level) if game.turn is Turn.PROVE and rng.random() < 0.8 else rounds.depth
    low = game.position << levels if levels < rounds.depth else 0
    places = differences(lie, low, levels)
    if len(places) and rng.random() < 0.5:
        return about(lie, rng.choice(places), levels)
    return about(lie, rng.randrange(low * LEAF_BYTES, (low + (1 << levels)) * LEAF_BYTES), levels)


def differences(lie: Lie, low: int, levels: int) -> list[int]:
    """The places of the bytes below a node that differ from an honest trace's."""
    span = slice(low * LEAF_BYTES, (low + (1 << levels)) * LEAF_BYTES)
    places = np.flatnonzero(lie.memory[span] != Lie.of(lie.honest).memory[span])
    return [low * LEAF_BYTES + int(place) for place in places]


def towards(lie: Lie, rounds: Rounds, game: GameModel, rng: random.Random) -> int:
    """A child with a difference below it, if there is one; any other as often."""
    height, levels = rounds.height(game.level), rounds.levels(game.level)
    places = differences(lie, game.position << height, height)
    if places and rng.random() < 0.7:
        return (rng.choice(places) // LEAF_BYTES >> height - levels) % (1 << levels)
    return rng.randrange(1 << levels)


def about(lie: Lie, at: int, levels: int) -> ProveCell | ProvePadding:
    """A proof about the cell, or byte of padding, that a byte of the trace belongs to."""
    identity, plan = lie.honest.circuit.identity, lie.honest.circuit.identity.plan
    leaf = at // LEAF_BYTES
    leaf_bytes = open_leaf(lie.source, leaf, levels)
    if leaf >= plan.trace_leaves:
        return ProvePadding(CellOpening(0, at, b""), leaf_bytes)
    record = max(i for i, r in enumerate(plan.records[: plan.trace_records]) if r.first <= leaf)
    found = plan.records[record]
    place = at - found.first * LEAF_BYTES
    if place >= found.cells * found.width:
        return ProvePadding(opened(identity, record, place), leaf_bytes)
    return proof_of(lie, record, place // found.width, levels)


def reveal(lie: Lie, rounds: Rounds, level: int, position: int) -> Reveal:
    """What the tree that was committed to has there."""
    source, count = lie.source, 1 << rounds.levels(level)
    if level == rounds.last:
        nodes = source.leaf(position * count, count)
    else:
        nodes = b"".join(source.node(rounds.bottom(level), position * count + i) for i in range(count))
    if level:
        steps = range(rounds.levels(level - 1))
        nodes += b"".join(source.node(rounds.height(level) + i, (position >> i) ^ 1) for i in steps)
    return Reveal(level, position, nodes)


def spoilt(move: Move, rng: random.Random) -> Move:
    """The move with a field altered."""

    def bent(data: bytes) -> bytes:
        if not data or rng.random() < 0.3:
            return rng.choice([data[:-1], data + b"\0", data[32:], data + bytes(32), b""])
        out = bytearray(data)
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        return bytes(out)

    def shifted(number: int) -> int:
        return max(0, number + rng.choice([-1, 1, 7, 64, 128, 1 << 20, -number]))

    def altered(part: Any) -> Any:
        """One of the part's fields altered, or one of theirs."""
        if not is_dataclass(part):
            return bent(part) if isinstance(part, bytes) else shifted(part)
        name = rng.choice([field.name for field in fields(part)])
        assert not isinstance(part, type)
        return replace(part, **{name: altered(getattr(part, name))})

    changed: Move = altered(move)
    return changed
