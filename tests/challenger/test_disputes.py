"""Disputes on a chain with the real contracts: every dishonest strategy loses, and every wei is there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from challenger.moves import (
    CellOpening,
    Choose,
    Close,
    Expire,
    Finalise,
    Move,
    ProveCell,
    ProveInput,
    ProveOutput,
    ProvePadding,
    Reveal,
)
from challenger.openings import Tree, open_leaf
from challenger.player import Dispute
from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.packing import unpack
from circuits.records import Kind, Region
from circuits.trace import Trace
from contracts.claim_status import ClaimStatus
from contracts.deployment import deploy_contracts
from contracts.devchain import Anvil
from contracts.dispute_tier import (
    Chosen,
    ClaimFinal,
    ClaimPosted,
    ClaimRevoked,
    GameClosed,
    GameOpened,
    InputPosted,
    Revealed,
    Turn,
)
from tests.challenger.lies import Lie, chain, nonsense_circuit, opened, proof_of
from tests.challenger.table import (
    ASSERTER,
    CHALLENGER,
    RIVAL,
    STRANGER,
    Arena,
    Reverted,
    Source,
    Table,
    packed_input,
)
from tests.circuits.random_circuits import random_sample


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with Anvil() as anvil:
        connection = anvil.connect()
        yield Arena.on(connection, deploy_contracts(connection))


@pytest.fixture
def table(arena: Arena) -> Table:
    return arena.table()


def truth_about(circuit: Circuit, seed: int = 0) -> Lie:
    return Lie.of(Trace.of(circuit, random_sample(circuit, seed)))


def lie_about(circuit: Circuit, kind: str, seed: int = 0, recomputed: bool = True) -> Lie:
    lie = truth_about(circuit)
    rng = random.Random(seed)
    lie.alter(kind, rng, recomputed, fast=True)
    lie.make_false(rng)
    return lie


def test_what_the_tier_reports(table: Table) -> None:
    """Events hold all that a watcher needs, and ids are those that are computed here."""
    lie = lie_about(chain(5), "element")
    claim, output = table.claim(lie), bytes(lie.output)
    inputs = packed_input(lie.honest.circuit, lie.honest.input_leaves)
    claim_id, challenger = table.tier.claim_id(claim), table.accounts[CHALLENGER]
    events = table.send(table.tier.claim(claim, output, inputs), ASSERTER)
    assert events == [InputPosted(claim.input, inputs), ClaimPosted(claim_id, claim, output)]
    deadline = table.now + claim.window
    assert table.tier.state(claim_id) == (ClaimStatus.PROVISIONAL, deadline, 0, 0)
    assert table.send(table.opening(claim), CHALLENGER) == [GameOpened(claim_id, challenger)]
    assert table.tier.state(claim_id).games == 1
    assert table.game(claim) == (Turn.REVEAL, table.now + table.parameters.asserter_time, 0, 0)
    move, mover = table.next_move(claim, lie)
    assert isinstance(move, Reveal)
    assert table.make(claim, lie, move, mover) == [Revealed(claim_id, challenger, 0, 0, move.nodes)]
    move, mover = table.next_move(claim, lie)
    assert isinstance(move, Choose)
    assert table.make(claim, lie, move, mover) == [Chosen(claim_id, challenger, 1, move.child)]
    table.make(claim, lie, *table.next_move(claim, lie))
    closed, revoked = table.make(claim, lie, *table.next_move(claim, lie))
    assert closed == GameClosed(claim_id, challenger, True, table.refund(claim))
    assert revoked == ClaimRevoked(claim_id, challenger)
    pot = claim.bond // 2 - table.refund(claim)
    assert table.tier.state(claim_id) == (ClaimStatus.REVOKED, deadline, 0, pot)
    assert table.tier.parameters() == table.parameters
    assert table.tier.challenger_bond() == table.parameters.challenger_bond

    truth = truth_about(chain(5))
    claim = table.post(truth)
    (final,) = table.make(claim, truth, Finalise(), STRANGER, at=table.now + claim.window)
    assert final == ClaimFinal(table.tier.claim_id(claim))


# A false claim falls, whatever the lie.


@pytest.mark.parametrize("depth", [0, 1, 4, 5, 8, 9])
@pytest.mark.parametrize("recomputed", [False, True])
def test_a_wrong_element_is_found_at_every_depth(table: Table, depth: int, recomputed: bool) -> None:
    lie = lie_about(chain(depth), "element", seed=1, recomputed=recomputed)
    moves = table.refute(lie)
    assert isinstance(moves[-1], ProveCell)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_wrong_layer(table: Table, layer: int) -> None:
    """One element of one layer altered and everything after it recomputed; or the whole layer."""
    for indices in ([313], range(700)):
        lie = truth_about(chain(5))
        for index in indices:
            lie.set(layer, index, 100 - index % 7)
        lie.recompute_after(layer, fast=True)
        lie.make_false(random.Random(0))
        move = table.arena.table().refute(lie)[-1]
        assert isinstance(move, ProveCell) and move.cell.record == layer


@pytest.mark.parametrize("kind", ["padding", "behind"])
@pytest.mark.parametrize("depth", [4, 9])
def test_a_lie_hidden_in_padding(table: Table, kind: str, depth: int) -> None:
    """Every cell compares equal, yet the root is another."""
    moves = table.refute(lie_about(chain(depth), kind))
    assert isinstance(moves[-1], ProvePadding) and bool(moves[-1].cell.opening) == (kind == "padding")


def test_a_wrong_output_over_a_right_trace(table: Table) -> None:
    (move,) = table.refute(lie_about(chain(5), "output"))
    assert isinstance(move, ProveOutput)


def test_wrong_weights(table: Table) -> None:
    """Whoever ran other weights has a trace of another circuit of the same shape."""

    def two_layers(seed: int) -> Circuit:
        builder, rng = CircuitBuilder(), np.random.default_rng(seed)
        x = builder.input("x", (1, 30), -100, 100, 0.01, "real")
        for _ in range(2):
            x = builder.add("matmul", [x, builder.constant(rng.integers(-9, 9, (30, 30)))])
            x = builder.add("rescale", [x], mul=1, shift=6, lo=-100, hi=100)
        y = builder.add("matmul", [x, builder.constant(np.arange(90).reshape(30, 3))])
        return builder.build([Port("y", y, 0.25, "real")], {})

    lie = truth_about(two_layers(0))
    cheap = truth_about(two_layers(1))
    assert cheap.honest.circuit.header == lie.honest.circuit.header
    lie.leaves, lie.output = cheap.leaves, cheap.output
    move = table.refute(lie)[-1]
    assert isinstance(move, ProveCell) and move.cell.record == 0


@pytest.mark.parametrize(
    ("op", "nonsense"), [("floor_divide", 0), ("table", 10), ("table", -1), ("gather", 127)]
)
def test_authenticated_nonsense(table: Table, op: str, nonsense: int) -> None:
    """A divisor of zero or an index outside its table, in the trace: its own cell is wrong, and so is every
    claim about what reads it."""
    lie = truth_about(nonsense_circuit(op))
    lie.set(0, 3, nonsense)
    lie.recompute_after(0)
    lie.make_false(random.Random(0))
    move = table.refute(lie)[-1]
    assert isinstance(move, ProveCell) and move.cell.record == 0

    other = table.arena.table()
    claim = other.post(lie)
    other.open(claim)
    other.make(claim, lie, proof_of(lie, 1, 3), CHALLENGER)
    other.expect_refuted(claim)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_cell(table: Table, kind: Kind) -> None:
    circuit = circuit_of_every_kind()
    plan = circuit.identity.plan
    record = next(i for i, r in enumerate(plan.records) if r.kind is kind and r.region is Region.TRACE)
    lie = truth_about(circuit)
    was = int(lie.honest.tensor(record)[1])
    lie.set(record, 1, was + 1 if was < 1 else was - 1)
    lie.recompute_after(record)
    lie.make_false(random.Random(0))
    move = table.refute(lie)[-1]
    assert isinstance(move, ProveCell) and (move.cell.record, move.cell.index) == (record, 1)


def circuit_of_every_kind() -> Circuit:
    builder, rng = CircuitBuilder(), np.random.default_rng(0)
    x = builder.input("x", (4, 6), -100, 100, 0.01, "real")
    other = builder.input("other", (4, 6), -50, 100, 0.01, "real")
    mixed = builder.add("matmul", [x, builder.constant(rng.integers(-9, 9, (6, 6)))])
    mixed = builder.add("rescale", [mixed], mul=3, shift=7, lo=-20, hi=20)
    greater = builder.add("greater", [mixed, other])
    chosen = builder.add("where", [greater, mixed, x])
    divisor = builder.add("add", [other, builder.constant(51)])
    divided = builder.add("floor_divide", [chosen, divisor])
    clipped = builder.add("rescale", [divided], mul=1, shift=0, lo=-5, hi=5)
    looked_up = builder.add("table", [clipped, builder.constant(np.arange(11) * 9 - 40)], lo=-5)
    largest = builder.add("max", [looked_up, chosen])
    ordered = builder.add(
        "top_k",
        [
            largest,
        ],
        axis=1,
        k=3,
    )
    spread = builder.add("rescale", [ordered], mul=5, shift=1, lo=None, hi=None)
    return builder.build([Port("y", spread, 0.25, "real")], {})


# An asserter who does not play on.


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_a_reveal_that_is_withheld(table: Table, rounds: int) -> None:
    lie = lie_about(chain(9), "element")
    claim = table.post(lie)
    table.open(claim)
    for _ in range(2 * rounds):
        move, mover = table.next_move(claim, lie)
        table.make(claim, lie, move, mover)
    table.expire(claim, lie)
    table.expect_refuted(claim)


def test_a_root_that_nobody_can_reveal(table: Table) -> None:
    lie = lie_about(chain(5), "output")
    claim = table.claim(lie, trace=bytes(range(32)))
    inputs = packed_input(lie.honest.circuit, lie.honest.input_leaves)
    table.send(table.tier.claim(claim, bytes(lie.output), inputs), ASSERTER)
    dispute = Dispute(lie.honest, claim.trace, bytes(lie.output))
    assert dispute.false and dispute.first_move is None
    table.open(claim)
    table.expire(claim, lie)
    table.expect_refuted(claim)


def test_reveals_that_do_not_hash(table: Table) -> None:
    """Neither another tree's nodes, nor the right ones cut, lengthened, or for another place."""
    lie = lie_about(chain(9), "element", seed=1)
    claim = table.post(lie)
    table.open(claim)
    honest = Lie.of(lie.honest)
    while table.game(claim).turn is not Turn.PROVE:
        view = table.view(claim)
        right = lie.player.asserter_move(view)
        assert isinstance(right, Reveal)
        for wrong, error in (
            (replace(right, nodes=honest.player.asserter_move(view).nodes), "WrongNodes"),
            (replace(right, nodes=right.nodes[:-32]), "WrongLength"),
            (replace(right, nodes=right.nodes + bytes(32)), "WrongLength"),
            (replace(right, nodes=b""), "WrongLength"),
            (replace(right, level=right.level + 1), "WrongPlace"),
            (replace(right, position=right.position + 1), "WrongPlace"),
        ):
            with pytest.raises(Reverted, match=error):
                table.make(claim, lie, wrong, ASSERTER)
        table.make(claim, lie, right, ASSERTER)
        if table.game(claim).turn is Turn.CHOOSE:
            table.make(claim, lie, *table.next_move(claim, lie))
    table.descend(claim, lie)
    table.expect_refuted(claim)


# Clocks, to the second.


def test_stalling_to_the_last_second(table: Table) -> None:
    """Both sides use up their time. Every move at its last second counts, and the bound on it all holds."""
    lie = lie_about(chain(9), "element")
    claim = table.post(lie)
    posted = table.now
    claim_id = table.tier.claim_id(claim)
    table.open(claim, at=table.tier.state(claim_id).deadline - 1)
    budgets = {Turn.REVEAL: 600, Turn.CHOOSE: 500, Turn.PROVE: 500}
    first = {Turn.REVEAL: True, Turn.CHOOSE: True, Turn.PROVE: False}
    while (game := table.game(claim)).turn is not Turn.CLOSED:
        assert game.deadline - table.now == (budgets[game.turn] if first[game.turn] else 100)
        first[game.turn] = False
        move, mover = table.next_move(claim, lie)
        table.make(claim, lie, move, mover, at=game.deadline)
    longest = table.tier.longest(claim.model_id, claim.window)
    assert longest == 3600 + 600 + 500 + 2 * 3 * 100
    assert 0 < longest - (table.now - posted) <= 2 * 100 + 1
    table.expect_refuted(claim)


@pytest.mark.parametrize("moves", range(6))
def test_a_move_a_second_late(table: Table, moves: int) -> None:
    """At its last second a move cannot be declared overdue, and a second later it cannot be made."""
    lie = lie_about(chain(9), "element")
    claim = table.post(lie)
    table.open(claim)
    for _ in range(moves):
        table.make(claim, lie, *table.next_move(claim, lie))
    game = table.game(claim)
    move, mover = table.next_move(claim, lie)
    overdue = Expire(table.accounts[CHALLENGER])
    with pytest.raises(Reverted, match="MoveNotDue"):
        table.make(claim, lie, overdue, STRANGER, at=game.deadline)
    with pytest.raises(Reverted, match="MoveTooLate"):
        table.make(claim, lie, move, mover, at=game.deadline + 1)
    table.make(claim, lie, overdue, STRANGER)
    with pytest.raises(Reverted, match=r"NotThisTurn|ClaimNotProvisional"):
        table.make(claim, lie, move, mover)
    if game.turn is Turn.REVEAL:
        table.expect_refuted(claim)
    else:
        table.expect_lost(claim)
        table.finalise(claim, lie)
        table.expect_credits(*after_false_challenges(table, 1))


def after_false_challenges(table: Table, games: int) -> tuple[dict[int, int], int]:
    """What is owed and burnt once a claim stands that so many challenged."""
    bond, price = table.parameters.min_bond, table.parameters.challenger_bond
    return {ASSERTER: bond + games * (price - price // 2)}, games * (price // 2)


def test_the_window_to_the_second(table: Table) -> None:
    """A claim is challenged up to the second before its deadline, and final from then on."""
    truth = truth_about(chain(1))
    claim = table.post(truth)
    deadline = table.tier.state(table.tier.claim_id(claim)).deadline
    assert deadline == table.now + claim.window
    with pytest.raises(Reverted, match="ClaimPending"):
        table.make(claim, truth, Finalise(), STRANGER, at=deadline - 2)
    table.open(claim, at=deadline - 1)
    with pytest.raises(Reverted, match="WindowOver"):
        table.open(claim, RIVAL, at=deadline)
    with pytest.raises(Reverted, match="GameStillDecides"):
        table.make(claim, truth, Finalise(), STRANGER)
    table.make(claim, truth, truth.player.asserter_move(table.view(claim)), ASSERTER)
    table.expire(claim, truth)
    table.make(claim, truth, Finalise(), STRANGER)
    table.expect_credits(*after_false_challenges(table, 1))

    other = table.arena.table()
    claim = other.post(truth)
    other.make(claim, truth, Finalise(), STRANGER, at=other.now + claim.window)
    other.expect_credits({ASSERTER: claim.bond}, 0)
    for late in (other.opening(claim), other.call(claim, truth, Finalise())):
        with pytest.raises(Reverted, match="ClaimNotProvisional"):
            other.send(late, CHALLENGER)


# Moves made twice, by others, or in another order.


def test_moves_made_twice(table: Table) -> None:
    """A move that was made changes nothing when it is sent again, at any later time."""
    lie = lie_about(chain(9), "element")
    claim = table.post(lie)
    inputs = packed_input(lie.honest.circuit, lie.honest.input_leaves)
    made = [
        (table.tier.claim(claim, bytes(lie.output), inputs), ASSERTER),
        (table.opening(claim), CHALLENGER),
    ]
    table.open(claim)
    refusals = r"ClaimExists|GameExists|NotThisTurn|WrongPlace|ClaimNotProvisional"
    while table.game(claim).turn is not Turn.CLOSED:
        move, mover = table.next_move(claim, lie)
        made.append((table.call(claim, lie, move), mover))
        table.send(*made[-1])
        before = table.game(claim), table.status(claim)
        for call, sender in made:
            with pytest.raises(Reverted, match=refusals):
                table.send(call, sender)
        assert (table.game(claim), table.status(claim)) == before
    with pytest.raises(Reverted, match="NotThisTurn"):
        table.make(claim, lie, Close(table.accounts[CHALLENGER]), STRANGER)
    table.expect_refuted(claim)


def test_somebody_else_reveals_first(table: Table) -> None:
    """A reveal is the same whoever makes it; a choice is the challenger's own."""
    lie = lie_about(chain(9), "element")
    claim = table.post(lie)
    table.open(claim)
    while table.game(claim).turn is not Turn.PROVE:
        move, mover = table.next_move(claim, lie)
        call = table.call(claim, lie, move)
        first, second = table.block([(call, STRANGER), (call, mover)])
        if isinstance(move, Reveal):
            assert isinstance(first, list) and str(second).startswith("NotThisTurn")
        else:
            assert isinstance(second, list) and str(first).startswith("NotThisTurn")
    table.descend(claim, lie)
    table.expect_refuted(claim)


def test_a_proof_copied_by_one_without_a_game(table: Table) -> None:
    """Who sees the proof and opens a game in the same block comes too late, in front of it or behind."""
    lie = lie_about(chain(5), "element")
    claim = table.post(lie)
    table.open(claim)
    for _ in range(3):
        table.make(claim, lie, *table.next_move(claim, lie))
    proof, _ = table.next_move(claim, lie)
    direct = Dispute.with_their_trace(lie.honest, lie.leaves, bytes(lie.output)).first_move
    assert direct is not None
    copied = [(table.opening(claim), RIVAL), *((table.call(claim, lie, p), RIVAL) for p in (proof, direct))]
    opened, *refused, proven = table.block([*copied, (table.call(claim, lie, proof), CHALLENGER)])
    assert isinstance(opened, list) and isinstance(proven, list)
    assert all(str(why).startswith("GameTooRecent") for why in refused)
    table.expect_fallen(claim)
    table.make(claim, lie, Close(table.accounts[RIVAL]), STRANGER)
    rival = table.parameters.challenger_bond + table.refund(claim, RIVAL)
    burnt = claim.bond // 2 - table.refund(claim) - table.refund(claim, RIVAL)
    table.expect_credits({CHALLENGER: table.spoils(claim), RIVAL: rival}, burnt)


def test_a_proof_copied_by_one_with_a_game(table: Table) -> None:
    """A rival whose game stood before may win by the honest challenger's work; that costs the honest one no
    more than the reward: bond and gas come back."""
    lie = lie_about(chain(5), "element")
    claim = table.post(lie)
    table.open(claim)
    table.open(claim, RIVAL)
    for _ in range(3):
        table.make(claim, lie, *table.next_move(claim, lie))
    proof, _ = table.next_move(claim, lie)
    direct = Dispute.with_their_trace(lie.honest, lie.leaves, bytes(lie.output)).first_move
    assert direct is not None
    won, late = table.block(
        [(table.call(claim, lie, direct), RIVAL), (table.call(claim, lie, proof), CHALLENGER)]
    )
    assert isinstance(won, list) and str(late).startswith("ClaimNotProvisional")
    table.make(claim, lie, Close(table.accounts[CHALLENGER]), STRANGER)
    back = table.parameters.challenger_bond + table.refund(claim)
    assert table.refund(claim) > 0
    burnt = claim.bond // 2 - table.refund(claim) - table.refund(claim, RIVAL)
    table.expect_credits({RIVAL: table.spoils(claim, RIVAL), CHALLENGER: back}, burnt)


def test_a_proof_before_the_descent(table: Table) -> None:
    """With the whole trace at hand one transaction is enough, but not in the block that opens the game."""
    lie = lie_about(chain(9), "element")
    claim = table.post(lie)
    direct = Dispute.with_their_trace(lie.honest, lie.leaves, bytes(lie.output)).first_move
    assert isinstance(direct, ProveCell)
    with pytest.raises(Reverted, match="NotThisTurn"):
        table.make(claim, lie, direct, CHALLENGER)
    call = table.call(claim, lie, direct)
    _, too_soon = table.block([(table.opening(claim), CHALLENGER), (call, CHALLENGER)])
    assert str(too_soon).startswith("GameTooRecent")
    # the asserter who does not answer cannot stop it either: the proof is never late while it has the move
    table.send(call, CHALLENGER, at=table.game(claim).deadline + 5)
    table.expect_refuted(claim)


# Challengers who are wrong, or are the asserter.


def test_false_challengers_all_at_once(table: Table) -> None:
    """Eight games against a true claim: each is lost in its own way, and none holds the claim up."""
    truth = truth_about(chain(5))
    plan = truth.honest.circuit.identity.plan
    claim = table.post(truth)
    players = range(1, 9)
    for account in players:
        table.open(claim, account)
    identity = truth.honest.circuit.identity
    output = ProveOutput(opened(identity, plan.trace_records, 1), truth.operands(plan.trace_records, 1))
    gap = plan.records[0].cells * plan.records[0].width
    last = plan.records[0].first + plan.records[0].leaves - 1
    padding = ProvePadding(opened(identity, 0, gap), open_leaf(truth.source, last, 5))
    behind = ProvePadding(
        CellOpening(0, plan.trace_leaves * 128, b""), open_leaf(truth.source, plan.trace_leaves, 5)
    )
    inputs = ProveInput(3, open_leaf(Tree.of(truth.honest.input_leaves), 0, truth.honest.input_tree.depth))
    proofs: list[Move] = [proof_of(truth, 0, 5), proof_of(truth, 1, 699), output, padding, behind, inputs]
    for account, proof in zip(players, proofs, strict=False):
        table.make(claim, truth, proof, account, account)
        table.expect_lost(claim, account)
    stalling, descending = players[6], players[7]
    for child in (1, None):
        move = truth.player.asserter_move(table.view(claim, descending))
        table.make(claim, truth, move, ASSERTER, descending)
        if child is not None:
            table.make(claim, truth, Choose(0, 0, child), descending, descending)
    with pytest.raises(Reverted, match="WrongPlace"):
        table.make(claim, truth, proof_of(truth, 0, 5, levels=4), descending, descending)
    table.make(claim, truth, proof_of(truth, 2, 690, levels=4), descending, descending)
    table.expect_lost(claim, descending)
    table.make(claim, truth, truth.player.asserter_move(table.view(claim, stalling)), ASSERTER, stalling)
    table.expire(claim, truth, stalling)
    table.expect_lost(claim, stalling)
    table.finalise(claim, truth)
    table.expect_credits(*after_false_challenges(table, 8))


def test_an_honest_challenger_among_false_ones(table: Table) -> None:
    """Games lost by others do not save a false claim."""
    lie = lie_about(chain(5), "element")
    claim = table.post(lie)
    for account in (CHALLENGER, RIVAL, STRANGER):
        table.open(claim, account)
    cells = unpack(lie.leaves, 0, 1, 700)
    right = int(np.flatnonzero(cells == lie.honest.tensor(0))[-1])
    sound = proof_of(lie, 0, right)
    table.make(claim, lie, sound, RIVAL, RIVAL)
    table.expect_lost(claim, RIVAL)
    table.descend(claim, lie)
    table.expect_fallen(claim)
    with pytest.raises(Reverted, match="ClaimNotProvisional"):
        table.make(claim, lie, Expire(table.accounts[STRANGER]), STRANGER, STRANGER)
    table.make(claim, lie, Close(table.accounts[STRANGER]), STRANGER, STRANGER)
    price, refunds = table.parameters.challenger_bond, table.refund(claim) + table.refund(claim, STRANGER)
    table.expect_credits(
        {
            CHALLENGER: table.spoils(claim),
            STRANGER: price + table.refund(claim, STRANGER),
            ASSERTER: price - price // 2,
        },
        claim.bond // 2 - refunds + price // 2,
    )


def test_whoever_disputes_itself_loses_half(table: Table) -> None:
    """The second account of a liar gets half of the bond, the rest is burnt but for the gas that was used."""
    lie = lie_about(chain(5), "element")
    claim = table.post(lie)
    table.open(claim, ASSERTER)
    table.descend(claim, lie, ASSERTER)
    table.expect_refuted(claim, ASSERTER)

    truth = truth_about(chain(5))
    other = table.arena.table()
    claim = other.post(truth)
    other.open(claim, ASSERTER)
    other.make(claim, truth, proof_of(truth, 0, 0), ASSERTER, ASSERTER)
    other.finalise(claim, truth)
    other.expect_credits(*after_false_challenges(other, 1))


@pytest.mark.parametrize(("place", "byte"), [(5, 101), (69, 0x9B), (70, 1), (127, 0xFF)])
def test_false_inputs(table: Table, place: int, byte: int) -> None:
    """An element outside its bound, posted with the claim; and one vouched for by a contract, whose padding
    may be wrong as well. The circuit has no trace of these."""
    circuit = chain(1)
    truth = truth_about(circuit)
    leaves = truth.honest.input_leaves.copy()
    leaves.reshape(-1)[place] = byte
    dispute = Dispute.of_bad_input(circuit, leaves)
    assert dispute.first_move is not None
    source = Source.before(table)
    claim = table.claim(truth, input=Tree.of(leaves).root, source=source.address)
    table.send(source.forward(table.tier.claim_for(claim, bytes(truth.output))), STRANGER)
    assert table.status(claim) is ClaimStatus.PROVISIONAL
    table.open(claim)
    table.make(claim, truth, dispute.first_move, CHALLENGER)
    table.expect_refuted(claim)
    if place < 70:
        posted = table.arena.table()
        claim = posted.claim(truth, input=Tree.of(leaves).root)
        posted.send(posted.tier.claim(claim, bytes(truth.output), packed_input(circuit, leaves)), ASSERTER)
        posted.open(claim)
        posted.make(claim, truth, dispute.first_move, CHALLENGER)
        posted.expect_refuted(claim)


def test_an_input_that_the_circuit_admits(table: Table) -> None:
    """Who says otherwise loses, about an element as about padding."""
    truth = truth_about(chain(1))
    claim = table.post(truth)
    inputs = Tree.of(truth.honest.input_leaves)
    for account, place in ((CHALLENGER, 0), (RIVAL, 69), (STRANGER, 70)):
        table.open(claim, account)
        table.make(claim, truth, ProveInput(place, open_leaf(inputs, 0, inputs.depth)), account, account)
        table.expect_lost(claim, account)
    table.finalise(claim, truth)
    table.expect_credits(*after_false_challenges(table, 3))


@pytest.mark.parametrize("zeros", [0, 40_000])
def test_nobody_is_refunded_more_than_it_spent(table: Table, zeros: int) -> None:
    """Zeros behind the calldata are cheap, and free for a contract that makes the calls itself."""
    lie = lie_about(chain(5), "element")
    direct = Dispute.with_their_trace(lie.honest, lie.leaves, bytes(lie.output)).first_move
    assert direct is not None
    claim = table.post(lie)
    for call in (table.opening(claim), table.call(claim, lie, direct)):
        table.send(call, CHALLENGER, zeros=zeros)
    assert table.refund(claim) > 0

    other = table.arena.table()
    claim = other.post(lie)
    puppet = Source.before(other)
    for call in (other.opening(claim), other.call(claim, lie, direct)):
        other.send(puppet.forward(call, zeros), RIVAL)
    refund = other.closed[other.tier.claim_id(claim), puppet.address].refund
    assert 0 < refund <= other.spent[other.accounts[RIVAL]]
