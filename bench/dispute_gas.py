"""What a whole dispute costs on a chain, measured on anvil: `python -m bench.dispute_gas FILE.circuit ...`.

The liar alters one element of the tensor whose cells sum the most products, and an output. The columns are
what each transaction takes today (cancun's rules, 16 gas a byte of calldata that is not zero), and the least
that it would take if every byte counted 40 (where calldata dominates, EIP-7623) or 64, as has been proposed.

The results go to bench/results/dispute-gas-2026-11.json and .md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hexbytes import HexBytes

from bench.dispute import falsehood, name_of, products
from bench.gas import BASE, DEAR_BYTE, PROPOSED_BYTE
from bench.keeping import keep
from challenger.calls import call_of
from challenger.moves import Move, Reveal
from challenger.player import Dispute, GameView
from circuits.circuit import Circuit
from circuits.file import load
from circuits.trace import Trace
from contracts.claim_tier import Call
from contracts.claims import Claim
from contracts.deployment import Deployment, deploy_contracts
from contracts.devchain import Anvil
from contracts.dispute_tier import DEVELOPMENT, DisputeTier, Turn
from contracts.packing import pack_outputs
from contracts.registry import Registration, new_salt
from verinfer.bench import random_inputs

RESULTS = Path(__file__).parent / "results" / "dispute-gas-2026-11"


class Transaction(NamedTuple):
    """One transaction: its gas today, and the bytes of its calldata."""

    what: str
    gas: int
    calldata_bytes: int

    def at(self, byte: int) -> int:
        """The gas if a byte of calldata counted so much at least."""
        return max(self.gas, BASE + byte * self.calldata_bytes)


@dataclass(frozen=True)
class Played:
    """A dispute about one model's claim. The claim comes first; it is not part of the dispute."""

    model: str
    rounds: int
    products: int
    transactions: tuple[Transaction, ...]

    def total(self, byte: int) -> int:
        """The gas of the dispute."""
        return sum(transaction.at(byte) for transaction in self.transactions[1:])


def play(name: str, circuit: Circuit, deployment: Deployment, anvil: Anvil) -> Played:
    """Register a circuit, claim a falsehood, and play the dispute to its end."""
    registry, salt = deployment.registry, new_salt()
    registry.commit(circuit.circuit_id, salt)
    model_id = registry.register(Registration.of(circuit), salt).model_id
    trace = Trace.of(circuit, random_inputs(circuit))
    plan = circuit.identity.plan
    record = max(range(plan.trace_records), key=lambda i: products(plan.records[i]))
    leaves, output = falsehood(trace, record)
    theirs = replace(trace, leaves=leaves)
    asserter, challenger = (DisputeTier(anvil.connect(i), deployment.disputes.address) for i in (1, 2))
    assert asserter.chain.signer is not None and challenger.chain.signer is not None
    me, you = asserter.chain.signer.address, challenger.chain.signer.address

    def claim_of(bond: int, packed: bytes) -> Claim:
        roots = (trace.input_commitment, theirs.root)
        return Claim.of(model_id, *roots, packed, asserter=me, source=me, bond=bond, window=3600)

    # The first claim of a model copies it, which later ones do not pay for.
    first = pack_outputs(circuit, trace.outputs)
    asserter.transact(asserter.claim_for(claim_of(DEVELOPMENT.min_bond + 1, first), first))
    claim = claim_of(DEVELOPMENT.min_bond, output)
    done: list[Transaction] = []

    def send(what: str, tier: DisputeTier, call: Call) -> None:
        receipt = tier.transact(call)
        size = len(HexBytes(tier.chain.transaction_input(receipt["transactionHash"])))
        done.append(Transaction(what, receipt["gasUsed"], size))

    send("claim", asserter, asserter.claim_for(claim, output))
    send("open", challenger, challenger.open(claim, DEVELOPMENT.challenger_bond))
    liar, player = Dispute(theirs, claim.trace, output), Dispute(trace, claim.trace, output)
    claim_id = challenger.claim_id(claim)
    reveals: list[bytes] = []
    while (game := challenger.game(claim_id, you)).turn is not Turn.CLOSED:
        view = GameView(game.turn, game.level, game.position, tuple(reveals))
        answers = game.turn is Turn.REVEAL
        move: Move = liar.asserter_move(view) if answers else player.challenger_move(view)
        if isinstance(move, Reveal):
            reveals.append(move.nodes)
        tier = asserter if answers else challenger
        send(name_of(move), tier, call_of(tier, claim, output, you, move))
    return Played(name, len(reveals), products(plan.records[record]), tuple(done))


def table(results: Sequence[Played]) -> str:
    """The results as Markdown."""
    lines = ["# Whole disputes on a chain", "", "Made by `python -m bench.dispute_gas`, on anvil.", ""]
    for one in results:
        lines += [
            f"{one.model}: {one.rounds} rounds, about a cell of {one.products:,} products",
            "",
            f"| transaction | calldata | gas today | at {DEAR_BYTE} a byte | at {PROPOSED_BYTE} a byte |",
            "|---|---:|---:|---:|---:|",
            *(
                f"| {sent.what} | {sent.calldata_bytes:,} | {sent.gas:,} | {sent.at(DEAR_BYTE):,} "
                f"| {sent.at(PROPOSED_BYTE):,} |"
                for sent in one.transactions
            ),
            f"| the dispute, {len(one.transactions) - 1} transactions | | {one.total(0):,} "
            f"| {one.total(DEAR_BYTE):,} | {one.total(PROPOSED_BYTE):,} |",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    """Play a dispute about each circuit named on the command line, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.dispute_gas", description=__doc__.splitlines()[0])
    parser.add_argument("circuits", nargs="+", type=Path, help="circuit files")
    parser.add_argument("--print", action="store_true", help="write nothing, only print")
    arguments = parser.parse_args()
    results = []
    with Anvil("--gas-limit", "100000000") as anvil:
        deployment = deploy_contracts(anvil.connect(), disputes=DEVELOPMENT)
        for path in arguments.circuits:
            results.append(play(path.stem, load(path), deployment, anvil))
            print(table(results[-1:]), flush=True)
    if not arguments.print:
        rows = [asdict(one) | {"total": one.total(0)} for one in results]
        keep(RESULTS, {"results": rows}, table(results))


if __name__ == "__main__":
    main()
