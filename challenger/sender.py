"""Sends moves: each once, whatever happens in between.

A move has a purpose, such as "open:<claim>". Its row, with a nonce and the signed transaction, is committed
to the database before anything is sent. A process that starts again finds the row and goes on with the same
nonce, of which the chain takes one transaction only: no bond is spent twice.

    want    no row yet    -> try it in a free call, see that it can be paid, write the row, send
            a row         -> nothing: `tend` looks after it
    tend    for each row that is not settled
            mined         -> MINED, and SETTLED once enough blocks stand on it; FAILED if the contract refused
            mined no more -> PENDING: its block was re-organised away
            waiting       -> sent again, in case it was dropped; after some blocks replaced by one that offers
            more, or,
                             if the contract would refuse it by now, by one that does nothing
            nonce taken   -> LOST: another program uses the account
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import structlog
from eth_hash.auto import keccak
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from web3.exceptions import TransactionNotFound
from web3.types import BlockIdentifier, TxParams, TxReceipt, Wei

from challenger.fees import GWEI, FeePolicy, Fees
from challenger.head import Head, latest_head
from challenger.intent import Intent, Mined, Underfunded
from challenger.records import Progress, TransactionRow, VariantRow
from challenger.store import Store
from circuits.errors import ChainError
from contracts.chain import Chain, ContractRefused, cost_of
from contracts.signer import Signer

LIVE = (Progress.PENDING, Progress.MINED, Progress.SETTLED)
UNSETTLED = (Progress.PENDING, Progress.MINED)
PLAIN_TRANSFER_GAS = 21_000
MAX_ATTEMPTS = 10
KNOWN = ("already known", "already imported", "known transaction", "nonce too low")
"""How nodes refuse what they have already."""


class Sender:
    """Sends from one account. There must be one sender for each account, and none else may use it.

    Parameters
    ----------
    chain
        With a signer.
    store
        Where moves are written down first.
    policy
        What they may cost.
    confirmations
        How many blocks must stand on a transaction's before it is settled.
    dry_run
        Log what would be sent, and send nothing.
    observer
        Told of each transaction that is mined.
    """

    def __init__(
        self,
        chain: Chain,
        store: Store,
        policy: FeePolicy,
        confirmations: int,
        dry_run: bool = False,
        observer: Callable[[Mined], None] = lambda mined: None,
    ) -> None:
        if chain.signer is None:
            raise ChainError(f"no account to send transactions to chain {chain.chain_id} with: give a signer")
        self._chain = chain
        self._store = store
        self._policy = policy
        self._confirmations = confirmations
        self._dry_run = dry_run
        self._observer = observer
        self._signer: Signer = chain.signer
        self._gaps: dict[int, int] = {}
        self._unsent: set[str] = set()
        self._capped: set[str] = set()
        self._not_taken: dict[str, bytes] = {}
        self._log = structlog.get_logger("sender")

    @property
    def account(self) -> ChecksumAddress:
        """Whom transactions come from."""
        return self._signer.address

    @property
    def capped(self) -> int:
        """How many transactions wait because a replacement would offer more than the cap."""
        return len(self._capped)

    def want(self, intent: Intent) -> Progress | None:
        """Make a move, unless it is made already. Returns how far it has come; None in a dry run.

        Raises
        ------
        ContractRefused
            If the contract would refuse it. Nothing is written or sent.
        Underfunded
            If the account cannot pay for it. Nothing is written or sent.
        ChainError
            If the endpoints fail or disagree, or the move has failed too often.
        """
        with self._store.begin() as session:
            row = session.get(TransactionRow, intent.purpose)
            if row is not None and row.progress in LIVE:
                row.due = intent.due
        if row is not None and row.progress in LIVE:
            self._reopen_if_gone(row)
            return Progress(row.progress)
        if row is not None and row.attempts >= MAX_ATTEMPTS:
            raise ChainError(f"{intent.purpose} was tried {row.attempts} times, and failed each time")
        head = latest_head(self._chain.web3)
        fees = self._suggested(head)
        self._require_funds(intent, 0, fees)  # a node's own words for this are less clear
        gas = self._gas(intent, head)
        self._require_funds(intent, gas, fees)
        if self._dry_run:
            if intent.purpose not in self._unsent:
                self._unsent.add(intent.purpose)
                self._log.info("dry run: not sent", move=intent.purpose, value=intent.value, gas=gas)
            return None
        count = self._count("latest")
        with self._store.begin() as session:
            highest = session.scalar(select(func.max(TransactionRow.nonce)))
            row = session.get(TransactionRow, intent.purpose)
            if row is None:
                row = TransactionRow(purpose=intent.purpose, attempts=0)
                session.add(row)
            row.nonce = count if highest is None else max(count, highest + 1)
            row.to, row.data, row.value = intent.to, intent.data, intent.value
            row.due, row.gas = intent.due, gas
            row.progress, row.attempts = Progress.PENDING, row.attempts + 1
            row.block = row.block_hash = row.gas_used = row.fee = None
            variant = self._sign(session, row, fees, head, cancels=False)
        self._log.info("move", move=row.purpose, nonce=row.nonce, tx=HexBytes(variant.hash).to_0x_hex())
        self._broadcast(row, variant)
        return Progress.PENDING

    def tend(self) -> None:
        """Look after all transactions that are not settled.

        Raises
        ------
        ChainError
            If the endpoints fail or disagree.
        """
        with self._store.begin() as session:
            rows = list(
                session.scalars(
                    select(TransactionRow)
                    .where(TransactionRow.progress.in_(UNSETTLED))
                    .order_by(TransactionRow.nonce)
                )
            )
        if not rows:
            self._capped.clear()
            self._gaps.clear()
            return
        purposes = {row.purpose for row in rows}
        self._capped &= purposes
        self._not_taken = {key: value for key, value in self._not_taken.items() if key in purposes}
        head = latest_head(self._chain.web3)
        count = self._count("latest")
        deep = self._count(max(0, head.number - self._confirmations))
        for row in rows:
            self._look_after(row, head, count, deep)
        self._fill_gaps(rows, head, count)

    def unsettled(self) -> int:
        """How many transactions are not settled."""
        with self._store.begin() as session:
            found = session.scalar(
                select(func.count()).select_from(TransactionRow).where(TransactionRow.progress.in_(UNSETTLED))
            )
        return found or 0

    # ---- What has become of a transaction

    def _look_after(self, row: TransactionRow, head: Head, count: int, deep: int) -> None:
        variants = self._variants(row)
        found = self._receipt(variants)
        if found is not None:
            self._note_mined(row, *found, head)
        elif row.progress == Progress.MINED:
            self._reopen(row)
        elif deep > row.nonce:
            self._set(row, Progress.LOST)
            self._log.error(
                "nonce taken by another program: give the watcher an account of its own",
                move=row.purpose,
                nonce=row.nonce,
            )
        elif count <= row.nonce and not self._dry_run:
            self._push(row, variants, head)

    def _note_mined(self, row: TransactionRow, variant: VariantRow, receipt: TxReceipt, head: Head) -> None:
        progress = Progress.MINED
        if receipt["status"] != 1:
            progress = Progress.FAILED
        elif variant.cancels:
            progress = Progress.CANCELLED
        elif head.number - receipt["blockNumber"] >= self._confirmations:
            progress = Progress.SETTLED
        if row.progress == progress and row.block_hash == bytes(receipt["blockHash"]):
            return
        first = row.progress == Progress.PENDING
        with self._store.begin() as session:
            row = session.merge(row)
            row.progress, row.block = progress, receipt["blockNumber"]
            row.block_hash, row.gas_used = bytes(receipt["blockHash"]), receipt["gasUsed"]
            row.fee = cost_of(receipt)
        tx = HexBytes(variant.hash).to_0x_hex()
        self._log.info("transaction " + progress, move=row.purpose, tx=tx, block=row.block, gas=row.gas_used)
        if first:
            self._observer(Mined(row.purpose, progress, receipt["gasUsed"], cost_of(receipt)))

    def _reopen_if_gone(self, row: TransactionRow) -> None:
        """A move that is settled and yet wanted may have been re-organised away."""
        if row.progress == Progress.SETTLED and self._receipt(self._variants(row)) is None:
            self._reopen(row)

    def _reopen(self, row: TransactionRow) -> None:
        self._log.warning("re-organised away", move=row.purpose, block=row.block)
        self._set(row, Progress.PENDING)

    def _set(self, row: TransactionRow, progress: Progress) -> None:
        row.progress = progress
        row.block = row.block_hash = row.gas_used = row.fee = None
        with self._store.begin() as session:
            session.merge(row)

    # ---- Getting it mined

    def _push(self, row: TransactionRow, variants: Sequence[VariantRow], head: Head) -> None:
        """Send the last variant again, or a replacement."""
        last = variants[-1]
        left = None if row.due is None else row.due - head.timestamp
        if self._policy.hurries(head.number - last.head, left):
            cancels = last.cancels or self._is_moot(row)
            fees = self._policy.raised(Fees(last.max_fee, last.priority_fee), self._suggested(head))
            if fees is None:
                if row.purpose not in self._capped:
                    self._log.warning("waits at the cap on fees", move=row.purpose, cap=self._policy.cap)
                self._capped.add(row.purpose)
            else:
                with self._store.begin() as session:
                    last = self._sign(session, row, fees, head, cancels)
                what = "cancelled: not needed any more" if cancels else "replaced"
                tx = HexBytes(last.hash).to_0x_hex()
                self._log.info(what, move=row.purpose, nonce=row.nonce, tx=tx, max_fee=fees.max_fee)
        self._broadcast(row, last)

    def _is_moot(self, row: TransactionRow) -> bool:
        """Whether the contract would refuse the move now. The block to come is no help here: it may hold the
        move."""
        try:
            self._chain.estimate(self._fields(row.to, row.data, row.value), "latest")
        except ContractRefused:
            return True
        return False

    def _fill_gaps(self, rows: Sequence[TransactionRow], head: Head, count: int) -> None:
        """Use up nonces that nothing will come with: whatever has a later one would wait for ever.

        They come about where another transaction of the account was re-organised away for good.
        """
        waiting = [row.nonce for row in rows if row.progress == Progress.PENDING]
        missing = (
            [] if self._dry_run else sorted(set(range(count, max(waiting, default=count))) - set(waiting))
        )
        self._gaps = {nonce: self._gaps.get(nonce, head.number) for nonce in missing}
        for nonce, since in self._gaps.items():
            if head.number - since < self._policy.patient_blocks:
                continue
            with self._store.begin() as session:
                row = session.get(TransactionRow, f"gap:{nonce}") or TransactionRow(
                    purpose=f"gap:{nonce}", nonce=nonce, attempts=0
                )
                session.add(row)
                row.to, row.data, row.value, row.due = self.account, b"", 0, None
                row.gas, row.progress, row.attempts = PLAIN_TRANSFER_GAS, Progress.PENDING, row.attempts + 1
                variant = self._sign(session, row, self._suggested(head), head, cancels=False)
            self._log.warning("fills a gap among the nonces", nonce=nonce)
            self._broadcast(row, variant)

    def _broadcast(self, row: TransactionRow, variant: VariantRow) -> None:
        """Send a variant. What comes of it shows later: a refusal here proves nothing."""
        try:
            with self._chain.errors():
                self._chain.web3.eth.send_raw_transaction(HexBytes(variant.raw))
        except ChainError as error:
            known = any(phrase in str(error).lower() for phrase in KNOWN)
            if not known and self._not_taken.get(row.purpose) != variant.hash:
                self._not_taken[row.purpose] = variant.hash
                self._log.warning("not taken, will be sent again", move=row.purpose, cause=str(error))

    def _sign(
        self, session: Session, row: TransactionRow, fees: Fees, head: Head, cancels: bool
    ) -> VariantRow:
        """Sign a row's transaction, or one that does nothing with the same nonce, and write it down."""
        session.flush()
        fields = self._fields(self.account, b"", 0) if cancels else self._fields(row.to, row.data, row.value)
        transaction: TxParams = {
            **fields,
            "chainId": self._chain.chain_id,
            "nonce": row.nonce,  # type: ignore[typeddict-item]
            "gas": PLAIN_TRANSFER_GAS if cancels else row.gas,
            "maxFeePerGas": Wei(fees.max_fee),
            "maxPriorityFeePerGas": Wei(fees.priority),
            "type": 2,
        }
        with self._chain.errors():
            raw = bytes(self._signer.sign(self._chain.web3, transaction))
        signed = session.scalar(
            select(func.count()).select_from(VariantRow).where(VariantRow.purpose == row.purpose)
        )
        variant = VariantRow(
            hash=keccak(raw),
            purpose=row.purpose,
            nonce=row.nonce,
            number=signed or 0,
            raw=raw,
            max_fee=fees.max_fee,
            priority_fee=fees.priority,
            cancels=cancels,
            head=head.number,
        )
        return session.merge(variant)

    # ---- What is asked of the chain

    def _gas(self, intent: Intent, head: Head) -> int:
        estimate = self._chain.estimate(self._fields(intent.to, intent.data, intent.value))
        # The state may change before it is mined: a quarter more, which is not paid unless used.
        return min(estimate * 5 // 4, head.gas_limit)

    def _require_funds(self, intent: Intent, gas: int, fees: Fees) -> None:
        with self._chain.errors():
            balance = self._chain.web3.eth.get_balance(self.account)
        with self._store.begin() as session:
            pending = session.scalars(
                select(TransactionRow).where(TransactionRow.progress == Progress.PENDING)
            )
            spoken_for = sum(row.value + row.gas * fees.max_fee for row in pending)
        needed = intent.value + (gas + intent.reserve) * fees.max_fee
        if balance - spoken_for < needed:
            raise Underfunded(
                f"{self.account} has {_ether(balance)} ether, of which {_ether(spoken_for)} are spoken for; "
                f"{intent.purpose} takes up to {_ether(needed)}: send it some. Nothing was spent"
            )

    def _suggested(self, head: Head) -> Fees:
        try:
            with self._chain.errors():
                priority = int(self._chain.web3.eth.max_priority_fee)
        except ChainError:
            priority = GWEI  # not every endpoint offers a suggestion
        return self._policy.suggest(head.base_fee, priority)

    def _count(self, block: BlockIdentifier) -> int:
        with self._chain.errors():
            return int(self._chain.web3.eth.get_transaction_count(self.account, block))

    def _receipt(self, variants: Sequence[VariantRow]) -> tuple[VariantRow, TxReceipt] | None:
        for variant in reversed(variants):
            try:
                with self._chain.errors():
                    return variant, self._lookup(variant.hash)
            except _NotMined:
                continue
        return None

    def _lookup(self, digest: bytes) -> TxReceipt:
        try:
            return self._chain.web3.eth.get_transaction_receipt(HexBytes(digest))
        except TransactionNotFound:
            raise _NotMined("not mined") from None

    def _variants(self, row: TransactionRow) -> list[VariantRow]:
        """The signings of a row with its present nonce, the last one last."""
        with self._store.begin() as session:
            found = session.scalars(
                select(VariantRow)
                .where(VariantRow.purpose == row.purpose, VariantRow.nonce == row.nonce)
                .order_by(VariantRow.number)
            )
            return list(found)

    def _fields(self, to: str, data: bytes, value: int) -> TxParams:
        return {
            "from": self.account,
            "to": cast(ChecksumAddress, to),
            "data": HexBytes(data),
            "value": Wei(value),
        }


class _NotMined(ChainError):
    """No receipt yet."""


def _ether(wei: int) -> str:
    return f"{wei / 10**18:.6f}"
