"""Follows a tier's events into the database, block by block, and back where the chain was re-organised.

Whatever a batch of blocks told is committed together with the last block's hash. If that hash is not the
chain's any more, the last block that is still there is looked for, and all that came later is taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from hexbytes import HexBytes
from sqlalchemy.orm import Session
from web3.exceptions import Web3Exception
from web3.types import LogReceipt

from challenger.head import Head
from challenger.records import ChoiceRow, ClaimRow, GameRow, InputRow, RevealRow, Standing
from challenger.store import Store, add_block, blocks, rewind
from circuits.errors import ChainError
from contracts.chain import Chain
from contracts.dispute_tier import (
    Chosen,
    ClaimFinal,
    ClaimPosted,
    ClaimRevoked,
    DisputeTier,
    Event,
    GameClosed,
    GameOpened,
    InputPosted,
    Revealed,
)

LONGEST_BATCH = 2000
"""Blocks searched at once; halved where an endpoint refuses."""


@dataclass(frozen=True)
class Followed:
    """What following has come to: up to which block, and the fork that was gone back to, if any."""

    block: int
    fork: int | None = None


class Follower:
    """Takes in the events of a tier.

    Parameters
    ----------
    start
        The first block of interest.
    confirmations
        How many blocks must stand on one before its events are taken in.
    """

    def __init__(self, chain: Chain, tier: DisputeTier, store: Store, start: int, confirmations: int) -> None:
        self._chain = chain
        self._tier = tier
        self._store = store
        self._start = start
        self._confirmations = confirmations
        self._batch = LONGEST_BATCH
        self._log = structlog.get_logger("follow")

    def follow(self, head: Head) -> Followed:
        """Take in what is new up to the given latest block.

        Raises
        ------
        ChainError
            If the endpoints fail or disagree. What was taken in before stays.
        """
        fork, cursor = self._find_fork(head)
        target = head.number - self._confirmations
        while cursor < target:
            last = min(cursor + self._batch, target)
            try:
                self._take_in(cursor + 1, last)
            except ChainError:
                if last == cursor + 1:
                    raise
                self._batch = max(1, (last - cursor) // 2)
                continue
            cursor = last
            self._batch = min(2 * self._batch, LONGEST_BATCH)
        return Followed(cursor, fork)

    def _find_fork(self, head: Head) -> tuple[int | None, int]:
        """The block gone back to, if any, and the last block taken in."""
        with self._store.begin() as session:
            followed = blocks(session)
        known = [row for row in followed if row.number <= head.number]
        for row in known:
            if self._hash(row.number) == row.hash:
                if row is known[0]:
                    return None, followed[0].number
                fork = row.number
                break
        else:
            if not known:  # nothing yet, or the chain has become shorter than what was followed
                return None, followed[0].number if followed else self._start - 1
            fork = self._start - 1
        with self._store.begin() as session:
            rewind(session, fork)
        self._log.warning("re-organisation", fork=fork, followed=followed[0].number)
        return fork, fork

    def _take_in(self, first: int, last: int) -> None:
        before = self._hash(last)
        with self._chain.errors():
            logs = self._chain.web3.eth.get_logs(
                {"address": self._tier.address, "fromBlock": first, "toBlock": last}
            )
        try:
            decoded = [(log, self._tier.decode(log)) for log in logs]
        except (Web3Exception, DecodingError, ValueError) as error:
            raise ChainError(f"the endpoints' events are malformed: {error}") from error
        times: dict[int, int] = {
            log["blockNumber"]: self._time(log["blockNumber"])
            for log, event in decoded
            if isinstance(event, ClaimPosted)
        }
        if self._hash(last) != before:
            raise ChainError("the chain was re-organised while it was read")
        with self._store.begin() as session:
            for log, event in decoded:
                if event is not None:
                    self._apply(session, log, event, times)
            add_block(session, last, before)
        self._note(decoded)

    def _apply(self, session: Session, log: LogReceipt, event: Event, times: dict[int, int]) -> None:
        """Write an event down. One that is written down already changes nothing."""
        block = log["blockNumber"]
        if isinstance(event, InputPosted):
            digest = keccak(event.data)
            if session.get(InputRow, (event.input, digest)) is None:
                session.add(InputRow(input=event.input, digest=digest, data=event.data, block=block))
            return
        if isinstance(event, ClaimPosted):
            if session.get(ClaimRow, event.claim_id) is None:
                session.add(self._claim_row(event, block, times[block]))
                session.flush()
            return
        claim = session.get(ClaimRow, event.claim_id)
        if claim is None:
            return  # posted before the first block of interest
        if isinstance(event, ClaimFinal | ClaimRevoked):
            claim.standing = Standing.FINAL if isinstance(event, ClaimFinal) else Standing.REVOKED
            claim.resolved_block = block
            return
        game = session.get(GameRow, (event.claim_id, event.challenger))
        if isinstance(event, GameOpened):
            if game is None:
                session.add(GameRow(claim_id=event.claim_id, challenger=event.challenger, block=block))
                session.flush()
        elif game is None:
            return
        elif isinstance(event, GameClosed):
            game.closed_block, game.won, game.refund = block, event.won, event.refund
        else:
            place = {"claim_id": event.claim_id, "challenger": event.challenger, "level": event.level}
            if isinstance(event, Revealed):
                session.merge(RevealRow(**place, position=event.position, nodes=event.nodes, block=block))
            elif isinstance(event, Chosen):
                session.merge(ChoiceRow(**place, position=event.position, block=block))

    def _claim_row(self, event: ClaimPosted, block: int, posted_at: int) -> ClaimRow:
        claim = event.claim
        if event.claim_id != self._tier.claim_id(claim) or keccak(event.output) != claim.output_hash:
            raise ChainError(f"the endpoint's claim 0x{event.claim_id.hex()} is not what its id says")
        return ClaimRow(
            claim_id=event.claim_id,
            model_id=claim.model_id.to_bytes(32),
            input=claim.input,
            trace=claim.trace,
            asserter=claim.asserter,
            source=claim.source,
            bond=claim.bond,
            window=claim.window,
            settled_by=claim.settled_by,
            output_hash=claim.output_hash,
            output=event.output,
            block=block,
            posted_at=posted_at,
        )

    def _note(self, decoded: Sequence[tuple[LogReceipt, Event | None]]) -> None:
        for log, event in decoded:
            if event is not None and not isinstance(event, InputPosted):
                extra = {"game": event.challenger} if hasattr(event, "challenger") else {}
                claim_id = HexBytes(event.claim_id).to_0x_hex()
                self._log.info(type(event).__name__, claim=claim_id, block=log["blockNumber"], **extra)

    def _hash(self, number: int) -> bytes:
        with self._chain.errors():
            return bytes(self._chain.web3.eth.get_block(number)["hash"])

    def _time(self, number: int) -> int:
        with self._chain.errors():
            return int(self._chain.web3.eth.get_block(number)["timestamp"])
