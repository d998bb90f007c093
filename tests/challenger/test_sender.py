"""The sender on a real chain: drops, high fees, re-organisations, crashes, an empty wallet.

A counter stands in for the contract: it takes a value once for each purpose, as games take bonds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hexbytes import HexBytes
from sqlalchemy import select
from web3.contract import Contract

from challenger.fees import GWEI, FeePolicy, Fees
from challenger.intent import Intent, Mined, Underfunded
from challenger.records import Progress, TransactionRow, VariantRow
from challenger.sender import Sender
from challenger.store import Store
from contracts.artifact import Artifact
from contracts.build import compile_solidity
from contracts.chain import Chain, ContractRefused
from tests.challenger.chains import ETHER, DevChain, dev_chain, open_store

SOURCE = """
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;
contract Once {
    error Taken(uint256 purpose);
    mapping(uint256 => address) public taker;
    uint256 public total;
    function take(uint256 purpose) external payable {
        if (taker[purpose] != address(0)) revert Taken(purpose);
        taker[purpose] = msg.sender;
        total += msg.value;
    }
}
"""


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return compile_solidity(SOURCE, "Once")


@pytest.fixture
def dev() -> Iterator[DevChain]:
    with dev_chain() as running:
        yield running


class Room:
    """A chain, a contract, a wallet, a database and a sender."""

    def __init__(self, dev: DevChain, artifact: Artifact, folder: Path, ether: float = 100) -> None:
        self.dev = dev
        self.folder = folder
        self.once: Contract = dev.web3.eth.contract(dev.rich.deploy(artifact).address, abi=artifact.abi)
        self.chain: Chain = dev.wallet(ether=ether)
        self.store: Store = open_store(folder, self.chain)
        self.mined: list[Mined] = []
        self.sender = self.new_sender()

    def new_sender(self, policy: FeePolicy | None = None, dry_run: bool = False) -> Sender:
        policy = policy or FeePolicy(patient_blocks=2)
        self.sender = Sender(self.chain, self.store, policy, 2, dry_run, self.mined.append)
        return self.sender

    def restart(self) -> Sender:
        """What a new process would have: the database, and nothing else."""
        self.store.close()
        self.store = open_store(self.folder, self.chain)
        return self.new_sender()

    def intent(self, number: int, due: int | None = None, value: int = ETHER) -> Intent:
        return Intent.of(f"take:{number}", self.once.functions.take(number), value, due)

    def row(self, number: int | str) -> TransactionRow:
        with self.store.begin() as session:
            purpose = f"take:{number}" if isinstance(number, int) else number
            return session.get_one(TransactionRow, purpose)

    def variants(self, number: int) -> list[VariantRow]:
        with self.store.begin() as session:
            found = (
                select(VariantRow).where(VariantRow.purpose == f"take:{number}").order_by(VariantRow.number)
            )
            return list(session.scalars(found))

    @property
    def total(self) -> float:
        return self.once.functions.total().call() / ETHER

    def no_automine(self) -> None:
        self.dev.rpc("evm_setAutomine", False)

    def raise_base_fee(self, wei: int) -> None:
        self.dev.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))


@pytest.fixture
def room(dev: DevChain, artifact: Artifact, tmp_path: Path) -> Iterator[Room]:
    room = Room(dev, artifact, tmp_path)
    yield room
    room.store.close()


def test_a_move_is_made_once_and_settles(room: Room) -> None:
    assert room.sender.want(room.intent(1)) is Progress.PENDING
    assert room.sender.want(room.intent(1)) is Progress.PENDING
    room.sender.tend()
    assert room.sender.want(room.intent(1)) is Progress.MINED
    room.dev.mine(2)
    room.sender.tend()
    assert room.sender.want(room.intent(1)) is Progress.SETTLED
    assert room.sender.unsettled() == 0
    assert room.total == 1
    row = room.row(1)
    assert row.gas_used and row.fee and row.gas >= row.gas_used
    assert [(mined.purpose, mined.gas, mined.cost) for mined in room.mined] == [
        ("take:1", row.gas_used, row.fee)
    ]


def test_what_the_contract_refuses_costs_nothing(room: Room) -> None:
    room.dev.rich.transact(room.once.functions.take(1))
    before = room.dev.balance(room.sender.account)
    with pytest.raises(ContractRefused):
        room.sender.want(room.intent(1))
    assert room.dev.balance(room.sender.account) == before
    assert room.sender.unsettled() == 0


def test_an_empty_wallet_is_noticed_before_anything_is_spent(
    dev: DevChain, artifact: Artifact, tmp_path: Path
) -> None:
    room = Room(dev, artifact, tmp_path, ether=0.5)
    with pytest.raises(Underfunded, match="send it some"):
        room.sender.want(room.intent(1))
    room.sender.want(room.intent(1, value=ETHER // 10))
    reserve = Intent.of("take:2", room.once.functions.take(2), 0, reserve=10**9)
    with pytest.raises(Underfunded, match="Nothing was spent"):
        room.sender.want(reserve)
    assert room.dev.web3.eth.get_transaction_count(room.sender.account) == 1
    room.store.close()


def test_what_is_pending_is_spoken_for(dev: DevChain, artifact: Artifact, tmp_path: Path) -> None:
    room = Room(dev, artifact, tmp_path, ether=1.5)
    room.no_automine()
    room.sender.want(room.intent(1))
    with pytest.raises(Underfunded, match="spoken for"):
        room.sender.want(room.intent(2, value=ETHER // 2))
    room.store.close()


@pytest.mark.parametrize("sent", [False, True], ids=["before sending", "after sending"])
def test_a_crash_around_sending_keeps_the_nonce(
    room: Room, monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    class Killed(BaseException):
        pass

    send = Sender._broadcast

    def die(self: Sender, row: TransactionRow, variant: VariantRow) -> None:
        if sent:
            send(self, row, variant)
        raise Killed

    monkeypatch.setattr(Sender, "_broadcast", die)
    with pytest.raises(Killed):
        room.sender.want(room.intent(1))
    monkeypatch.undo()
    nonce = room.row(1).nonce
    sender = room.restart()
    # The watcher still wants what it wanted.
    assert sender.want(room.intent(1)) is Progress.PENDING
    sender.tend()
    sender.tend()
    assert (room.row(1).nonce, room.row(1).progress) == (nonce, Progress.MINED)
    assert room.total == 1
    assert len(room.variants(1)) == 1
    assert room.dev.web3.eth.get_transaction_count(sender.account) == 1


def test_a_crash_before_the_row_leaves_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*arguments: object, **named: object) -> None:
        raise Killed

    monkeypatch.setattr(Sender, "_sign", die)
    with pytest.raises(Killed):
        room.sender.want(room.intent(1))
    monkeypatch.undo()
    sender = room.restart()
    assert sender.unsettled() == 0
    sender.want(room.intent(1))
    assert room.total == 1


def test_a_dropped_transaction_is_sent_again(room: Room) -> None:
    room.no_automine()
    room.sender.want(room.intent(1))
    (variant,) = room.variants(1)
    assert room.dev.rpc("anvil_dropTransaction", HexBytes(variant.hash).to_0x_hex())
    room.dev.mine()
    assert room.total == 0
    room.sender.tend()
    room.dev.mine()
    room.sender.tend()
    assert room.total == 1 and room.row(1).progress == Progress.MINED
    assert len(room.variants(1)) == 1


def test_a_transaction_that_waits_is_replaced_by_one_that_offers_more(room: Room) -> None:
    room.no_automine()
    room.sender.want(room.intent(1))
    for _ in range(6):
        room.raise_base_fee(2 * room.variants(1)[-1].max_fee)
        room.dev.mine()
        room.sender.tend()
    assert room.total == 0
    variants = room.variants(1)
    assert len(variants) >= 2 and len({variant.nonce for variant in variants}) == 1
    for old, new in itertools.pairwise(variants):
        assert 8 * new.max_fee >= 9 * old.max_fee and 8 * new.priority_fee >= 9 * old.priority_fee
    room.raise_base_fee(variants[-1].max_fee - variants[-1].priority_fee)
    room.dev.mine()
    room.sender.tend()
    assert room.total == 1 and room.row(1).progress == Progress.MINED
    # None of the others can be mined any more.
    room.dev.mine(3)
    assert room.total == 1 and room.dev.web3.eth.get_transaction_count(room.sender.account) == 1


def test_near_its_deadline_a_move_is_replaced_in_every_block(room: Room) -> None:
    room.new_sender(FeePolicy(patient_blocks=50, urgent_seconds=600))
    room.no_automine()
    now = room.dev.web3.eth.get_block("latest")["timestamp"]
    room.sender.want(room.intent(1, due=now + 10_000))
    room.sender.want(room.intent(2, due=now + 100))
    for _ in range(3):
        room.raise_base_fee(100 * GWEI)
        room.dev.mine()
        room.sender.tend()
    assert len(room.variants(1)) == 1 and len(room.variants(2)) > 1


def test_no_fee_goes_over_the_cap(room: Room) -> None:
    room.new_sender(FeePolicy(cap=5 * GWEI, patient_blocks=1))
    room.no_automine()
    room.raise_base_fee(GWEI)
    room.sender.want(room.intent(1))
    for _ in range(12):
        room.raise_base_fee(100 * GWEI)
        room.dev.mine()
        room.sender.tend()
    assert room.total == 0
    assert max(variant.max_fee for variant in room.variants(1)) <= 5 * GWEI
    assert room.sender.capped == 1
    for _ in range(2):  # the node had dropped it
        room.raise_base_fee(GWEI)
        room.dev.mine()
        room.sender.tend()
    assert room.total == 1


def test_what_somebody_else_has_done_meanwhile_is_cancelled(room: Room) -> None:
    room.no_automine()
    room.raise_base_fee(GWEI)
    room.sender.want(room.intent(1))
    (variant,) = room.variants(1)
    room.dev.rpc("anvil_dropTransaction", HexBytes(variant.hash).to_0x_hex())
    room.dev.rpc("evm_setAutomine", True)
    room.dev.rich.transact(room.once.functions.take(1))
    room.no_automine()
    room.raise_base_fee(100 * GWEI)
    for _ in range(2):
        room.dev.mine()
    before = room.dev.balance(room.sender.account)
    room.sender.tend()
    assert room.variants(1)[-1].cancels
    room.dev.mine()
    room.sender.tend()
    row = room.row(1)
    assert row.progress == Progress.CANCELLED and row.gas_used == 21000
    assert room.dev.balance(room.sender.account) == before - (row.fee or 0)


def test_a_lost_race_is_a_failure_and_not_tried_again(room: Room) -> None:
    room.no_automine()
    room.sender.want(room.intent(1))
    # Somebody else pays more, and comes first in the block.
    fields = {
        "from": room.dev.web3.eth.accounts[0],
        "maxPriorityFeePerGas": 50 * GWEI,
        "maxFeePerGas": 60 * GWEI,
    }
    room.once.functions.take(1).transact({**fields, "gas": 100_000})  # type: ignore[typeddict-item]
    room.dev.mine()
    room.sender.tend()
    assert room.row(1).progress == Progress.FAILED
    with pytest.raises(ContractRefused):
        room.sender.want(room.intent(1))
    assert room.total == 0


def test_a_reorganisation_reopens_what_it_removes(room: Room) -> None:
    snapshot = room.dev.rpc("evm_snapshot")
    room.sender.want(room.intent(1))
    room.dev.mine(2)
    room.sender.tend()
    assert room.row(1).progress == Progress.SETTLED and room.total == 1
    nonce = room.row(1).nonce
    room.dev.rpc("evm_revert", snapshot)
    assert room.total == 0
    # It is settled, yet wanted: the chain says otherwise than the row.
    assert room.sender.want(room.intent(1)) is Progress.PENDING
    room.sender.tend()
    room.sender.tend()
    assert (room.row(1).progress, room.row(1).nonce) == (Progress.MINED, nonce)
    assert room.total == 1 and len(room.variants(1)) == 1


def test_a_shallow_reorganisation_reopens_what_is_mined(room: Room) -> None:
    room.sender.want(room.intent(1))
    room.sender.tend()
    assert room.row(1).progress == Progress.MINED
    room.dev.rpc("anvil_reorg", 1, [])
    assert room.total == 0
    room.sender.tend()
    assert room.row(1).progress == Progress.PENDING
    room.sender.tend()
    room.dev.mine()
    room.sender.tend()
    assert room.row(1).progress == Progress.MINED and room.total == 1


def test_a_nonce_taken_by_another_program_is_noticed_and_the_move_made_again(room: Room) -> None:
    room.no_automine()
    room.raise_base_fee(GWEI)
    room.sender.want(room.intent(1))
    (variant,) = room.variants(1)
    room.dev.rpc("anvil_dropTransaction", HexBytes(variant.hash).to_0x_hex())
    room.dev.rpc("evm_setAutomine", True)
    room.chain.transact(room.once.functions.take(99))  # the same account
    room.sender.tend()
    assert room.row(1).progress == Progress.PENDING  # not deep enough to be sure
    room.dev.mine(3)
    room.sender.tend()
    assert room.row(1).progress == Progress.LOST
    room.sender.want(room.intent(1))
    room.sender.tend()
    assert room.row(1).progress == Progress.MINED and room.row(1).nonce == 1
    assert room.total == 1


def test_a_gap_among_the_nonces_is_filled(room: Room) -> None:
    snapshot = room.dev.rpc("evm_snapshot")
    room.chain.transact(room.once.functions.take(99))  # another program's, with nonce 0
    room.sender.want(room.intent(1))
    room.sender.tend()
    assert room.row(1).nonce == 1 and room.row(1).progress == Progress.MINED
    room.dev.rpc("evm_revert", snapshot)  # and both are gone
    for _ in range(6):
        room.sender.tend()
        room.dev.mine()
    assert room.row("gap:0").progress in (Progress.MINED, Progress.SETTLED)
    assert room.row(1).progress in (Progress.MINED, Progress.SETTLED) and room.total == 1


def test_many_moves_wait_in_order_and_all_are_mined(room: Room) -> None:
    room.no_automine()
    for number in range(5):
        room.sender.want(room.intent(number))
    assert [room.row(number).nonce for number in range(5)] == [0, 1, 2, 3, 4]
    for number in (0, 3):
        (variant,) = room.variants(number)
        room.dev.rpc("anvil_dropTransaction", HexBytes(variant.hash).to_0x_hex())
    sender = room.restart()
    sender.tend()
    room.dev.mine()
    sender.tend()
    assert {room.row(number).progress for number in range(5)} == {Progress.MINED}
    assert room.total == 5


def test_a_dry_run_sends_nothing_and_writes_nothing(room: Room) -> None:
    sender = room.new_sender(dry_run=True)
    before = room.dev.web3.eth.block_number
    assert sender.want(room.intent(1)) is None
    assert room.dev.web3.eth.block_number == before and sender.unsettled() == 0
    room.dev.rich.transact(room.once.functions.take(1))
    with pytest.raises(ContractRefused):
        sender.want(room.intent(1))


def test_an_unlocked_account_signs_before_it_sends_too(
    dev: DevChain, artifact: Artifact, tmp_path: Path
) -> None:
    room = Room(dev, artifact, tmp_path)
    room.store.close()
    room.chain = dev.rich
    (tmp_path / "unlocked").mkdir()
    room.store = open_store(tmp_path / "unlocked", dev.rich)
    sender = room.new_sender()
    sender.want(room.intent(1))
    sender.tend()
    assert room.total == 1 and room.row(1).progress == Progress.MINED
    room.store.close()


def test_fees_are_raised_by_an_eighth_at_least_and_stay_below_the_cap() -> None:
    policy = FeePolicy(cap=1000)
    assert policy.suggest(100, 7) == Fees(207, 7)
    assert policy.suggest(10_000, 2000) == Fees(1000, 1000)
    raised = policy.raised(Fees(800, 8), Fees(10, 1))
    assert raised is not None and raised.max_fee >= 900 and raised.priority >= 9
    assert policy.raised(Fees(889, 8), Fees(10, 1)) is None
    assert policy.raised(Fees(100, 0), Fees(500, 3)) == Fees(500, 3)
