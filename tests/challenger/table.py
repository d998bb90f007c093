"""Disputes on a development chain: who plays, what is sent, and where every wei went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.contract import Contract
from web3.types import RPCEndpoint, TxParams, TxReceipt, Wei

from challenger.calls import call_of
from challenger.moves import Expire, Finalise, Move, Step
from challenger.player import Dispute, GameView
from circuits.circuit import Circuit
from circuits.packing import Leaves
from contracts.artifact import Artifact
from contracts.chain import Chain
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call
from contracts.claims import Claim
from contracts.deployment import Deployment
from contracts.dispute_tier import (
    DisputeParameters,
    DisputeTier,
    Event,
    Game,
    GameClosed,
    Revealed,
    Turn,
    deploy_one_step,
)
from contracts.registry import Registration, new_salt
from contracts.revert import decode_revert
from contracts.solc import compile_solidity
from tests.challenger.lies import Lie

ASSERTER, CHALLENGER, RIVAL, STRANGER = range(4)
"""Accounts of the development chain."""
PARAMETERS = DisputeParameters(
    min_bond=10**18 + 1,  # odd, so that halves are rounded
    challenger_bond=10**17 + 3,
    min_window=3600,
    asserter_time=600,
    challenger_time=500,
    extension=100,
)
GAS = 16_000_000
BASE_FEE = 20 * 10**9


class Reverted(Exception):
    """A transaction was mined and failed; the message begins with the error's name."""


@dataclass
class Arena:
    """A chain with the contracts that all tests share."""

    chain: Chain
    deployment: Deployment
    one_step: ChecksumAddress
    models: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def on(cls, chain: Chain, deployment: Deployment) -> Arena:
        return cls(chain, deployment, deploy_one_step(chain).address)

    def model(self, circuit: Circuit) -> int:
        """The circuit's model, registered if it is not yet."""
        registration = Registration.of(circuit)
        found = self.models.get(registration.circuit_id)
        if found is None:
            salt = new_salt()
            self.deployment.registry.commit(registration.circuit_id, salt)
            found = self.deployment.registry.register(registration, salt).model_id
            self.models[registration.circuit_id] = found
        return found

    def table(self, parameters: DisputeParameters = PARAMETERS) -> Table:
        """A tier of its own."""
        registry, verifier = self.deployment.registry, self.deployment.verifier
        tier, _ = DisputeTier.deploy(self.chain, registry, verifier, self.one_step, parameters)
        return Table(self, tier, parameters, [to_checksum_address(a) for a in self.chain.web3.eth.accounts])


@dataclass
class Table:
    """A tier, and what was sent to it."""

    arena: Arena
    tier: DisputeTier
    parameters: DisputeParameters
    accounts: list[ChecksumAddress]
    paid: int = 0
    reveals: dict[tuple[bytes, str], list[bytes]] = field(default_factory=dict)
    closed: dict[tuple[bytes, str], GameClosed] = field(default_factory=dict)
    spent: Counter[str] = field(default_factory=Counter)
    """Gas of each account at the base fee, in wei."""

    # Time and transactions.

    def rpc(self, method: str, *arguments: object) -> object:
        answer = self.tier.chain.web3.provider.make_request(RPCEndpoint(method), list(arguments))
        assert "error" not in answer, answer
        return answer["result"]

    @property
    def now(self) -> int:
        return int(self.tier.chain.web3.eth.get_block("latest")["timestamp"])

    def send(self, call: Call, account: int, at: int | None = None, zeros: int = 0) -> list[Event]:
        """Mine a transaction in a block of its own, at this time, with zeros behind its calldata; its
        events."""
        if at is not None:
            self.rpc("evm_setNextBlockTimestamp", at)
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE))
        return self.take(self.submit(call, account, zeros=zeros))

    def submit(self, call: Call, account: int, tip: int = 10**9, zeros: int = 0) -> HexBytes:
        """Send a transaction without waiting for it."""
        terms: TxParams = {
            "from": self.accounts[account],
            "value": Wei(call.value),
            "gas": GAS,
            "maxPriorityFeePerGas": Wei(tip),
            "maxFeePerGas": Wei(tip + 10**12),
            "to": call.function.address,
            "data": HexBytes(bytes(HexBytes(call.function._encode_transaction_data())) + bytes(zeros)),
        }
        return self.tier.chain.web3.eth.send_transaction(terms)

    def take(self, digest: HexBytes) -> list[Event]:
        """The events of a transaction that was mined, or `Reverted`."""
        eth = self.tier.chain.web3.eth
        receipt: TxReceipt = eth.wait_for_transaction_receipt(digest, timeout=30, poll_latency=0.01)
        self.spent[receipt["from"]] += receipt["gasUsed"] * BASE_FEE
        if receipt["status"] != 1:
            found = self.rpc("debug_traceTransaction", digest.to_0x_hex(), {"tracer": "callTracer"})
            assert isinstance(found, dict)
            raise Reverted(str(decode_revert(bytes(HexBytes(found.get("output", "0x"))))))
        self.paid += eth.get_transaction(digest)["value"]
        events = self.tier.events(receipt)
        for event in events:
            if isinstance(event, Revealed):
                self.reveals.setdefault((event.claim_id, event.challenger), []).append(event.nodes)
            if isinstance(event, GameClosed):
                self.closed[event.claim_id, event.challenger] = event
        return events

    def block(self, calls: Sequence[tuple[Call, int]]) -> list[list[Event] | Reverted]:
        """Mine transactions in one block, in this order; the events of each, or why it failed."""
        self.rpc("evm_setAutomine", False)
        try:
            sent = [
                self.submit(call, account, tip=10**10 - 10**8 * place)
                for place, (call, account) in enumerate(calls)
            ]
            self.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE))
            self.rpc("evm_mine")
        finally:
            self.rpc("evm_setAutomine", True)
        block = self.tier.chain.web3.eth.get_block("latest")
        assert list(block["transactions"]) == sent
        results: list[list[Event] | Reverted] = []
        for digest in sent:
            try:
                results.append(self.take(digest))
            except Reverted as why:
                results.append(why)
        return results

    # Claims and games.

    def claim(self, lie: Lie, **changes: object) -> Claim:
        """The claim of the first account; `changes` name fields that are to be others."""
        claim = Claim.of(
            self.arena.model(lie.honest.circuit),
            lie.honest.input_commitment,
            lie.root,
            bytes(lie.output),
            asserter=self.accounts[ASSERTER],
            bond=self.parameters.min_bond,
            window=self.parameters.min_window,
        )
        return replace(claim, **changes)  # type: ignore[arg-type]

    def post(self, lie: Lie, at: int | None = None, **changes: object) -> Claim:
        """Post a claim with its input's data."""
        claim = self.claim(lie, **changes)
        inputs = packed_input(lie.honest.circuit, lie.honest.input_leaves)
        self.send(self.tier.claim(claim, bytes(lie.output), inputs), ASSERTER, at)
        assert self.status(claim) is ClaimStatus.PROVISIONAL
        return claim

    def open(self, claim: Claim, account: int = CHALLENGER, at: int | None = None) -> None:
        self.send(self.opening(claim), account, at)

    def opening(self, claim: Claim) -> Call:
        return self.tier.open(claim, self.parameters.challenger_bond)

    def status(self, claim: Claim) -> ClaimStatus:
        return self.tier.status(self.tier.claim_id(claim))

    def game(self, claim: Claim, account: int = CHALLENGER) -> Game:
        return self.tier.game(self.tier.claim_id(claim), self.accounts[account])

    def view(self, claim: Claim, account: int = CHALLENGER) -> GameView:
        game = self.game(claim, account)
        reveals = self.reveals.get((self.tier.claim_id(claim), self.accounts[account]), [])
        return GameView(game.turn, game.level, game.position, tuple(reveals))

    def call(self, claim: Claim, lie: Lie, step: Step, account: int = CHALLENGER) -> Call:
        """What makes a step in an account's game."""
        return call_of(self.tier, claim, bytes(lie.output), self.accounts[account], step)

    def make(
        self, claim: Claim, lie: Lie, step: Step, by: int, account: int = CHALLENGER, at: int | None = None
    ) -> list[Event]:
        """Make a step in an account's game."""
        return self.send(self.call(claim, lie, step, account), by, at)

    def next_move(self, claim: Claim, lie: Lie, account: int = CHALLENGER) -> tuple[Move, int]:
        """What is to be done next, and by whom, if the liar answers and the challenger is honest."""
        view = self.view(claim, account)
        if view.turn is Turn.REVEAL:
            return lie.player.asserter_move(view), ASSERTER
        return Dispute(lie.honest, lie.root, bytes(lie.output)).challenger_move(view), account

    def descend(self, claim: Claim, lie: Lie, account: int = CHALLENGER) -> list[Move]:
        """Play an open game to its end."""
        first = Dispute(lie.honest, lie.root, bytes(lie.output)).first_move
        if first is not None:
            self.make(claim, lie, first, account, account)
            return [first]
        moves: list[Move] = []
        while self.game(claim, account).turn is not Turn.CLOSED:
            move, mover = self.next_move(claim, lie, account)
            self.make(claim, lie, move, mover, account)
            moves.append(move)
        return moves

    def refute(self, lie: Lie) -> list[Move]:
        """Post a false claim and refute it, to the last wei."""
        claim = self.post(lie)
        self.open(claim)
        moves = self.descend(claim, lie)
        self.expect_refuted(claim)
        return moves

    def finalise(self, claim: Claim, lie: Lie) -> None:
        """Declare a claim final once its time is over."""
        at = max(self.now + 1, self.tier.state(self.tier.claim_id(claim)).deadline)
        self.make(claim, lie, Finalise(), STRANGER, at=at)
        assert self.status(claim) is ClaimStatus.FINAL

    def expire(self, claim: Claim, lie: Lie, account: int = CHALLENGER) -> None:
        """End a game whose move is overdue since a second."""
        due = self.game(claim, account).deadline
        self.make(claim, lie, Expire(self.accounts[account]), STRANGER, account, at=due + 1)

    # Money.

    def refund(self, claim: Claim, account: int = CHALLENGER) -> int:
        """What an account got back of its gas: never more than it spent."""
        refund = self.closed[self.tier.claim_id(claim), self.accounts[account]].refund
        assert refund <= self.spent[self.accounts[account]]
        return refund

    def spoils(self, claim: Claim, account: int = CHALLENGER) -> int:
        """What whoever makes a claim fall is owed."""
        reward = claim.bond - claim.bond // 2
        return self.parameters.challenger_bond + reward + self.refund(claim, account)

    def expect_fallen(self, claim: Claim, account: int = CHALLENGER) -> None:
        assert self.status(claim) is ClaimStatus.REVOKED
        assert self.closed[self.tier.claim_id(claim), self.accounts[account]].won

    def expect_refuted(self, claim: Claim, account: int = CHALLENGER) -> None:
        """The tier's only claim fell in its only game."""
        self.expect_fallen(claim, account)
        self.expect_credits(
            {account: self.spoils(claim, account)}, claim.bond // 2 - self.refund(claim, account)
        )

    def expect_lost(self, claim: Claim, account: int = CHALLENGER) -> None:
        assert not self.closed[self.tier.claim_id(claim), self.accounts[account]].won
        assert self.game(claim, account).turn is Turn.CLOSED

    def expect_credits(self, credits: dict[int, int], burnt: int) -> None:
        """Every account is owed just this, everybody is paid, and what stays behind is what was burnt."""
        eth = self.tier.chain.web3.eth
        for account, address in enumerate(self.accounts):
            owed = credits.get(account, 0)
            assert self.tier.credit(address) == owed, f"account {account}"
            if owed:
                fresh = to_checksum_address(np.random.default_rng().bytes(20))
                self.send(self.tier.withdraw(fresh), account)
                assert eth.get_balance(fresh) == owed
        assert self.paid == sum(credits.values()) + burnt
        assert eth.get_balance(self.tier.address) == burnt


@dataclass(frozen=True)
class Source:
    """A contract that passes calls on to a tier: for a claim it is the source, for a game the challenger."""

    address: ChecksumAddress
    contract: Contract

    @classmethod
    def before(cls, table: Table) -> Source:
        artifact = forwarder()
        address = table.arena.chain.deploy(artifact, table.tier.address).address
        return cls(address, table.arena.chain.contract(address, artifact.abi))

    def forward(self, call: Call, zeros: int = 0) -> Call:
        """The call, made by the contract with zeros behind its calldata."""
        data = HexBytes(call.function._encode_transaction_data())
        return Call(self.contract.functions.forward(data, zeros), call.value)


@cache
def forwarder() -> Artifact:
    return compile_solidity(SOURCE, "Source")


SOURCE = """
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// Passes calls on to a tier, in its own name, with whatever is sent along and zeros behind the calldata.
contract Source {
    address private immutable TIER;

    constructor(address tier) {
        TIER = tier;
    }

    receive() external payable {}

    function forward(bytes calldata data, uint256 zeros) external payable {
        (bool done, bytes memory reason) = TIER.call{value: msg.value}(bytes.concat(data, new bytes(zeros)));
        if (!done) assembly { revert(add(reason, 32), mload(reason)) }
    }
}
"""


def packed_input(circuit: Circuit, leaves: Leaves) -> bytes:
    """The inputs in an input tree's leaves, packed."""
    memory, packed = leaves.tobytes(), b""
    for port, first in zip(circuit.inputs, circuit.identity.plan.input_firsts, strict=True):
        node = circuit.nodes[port.node]
        packed += memory[first * 128 :][: node.size * node.width]
    return packed
