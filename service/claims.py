"""The claims of the settings' chain, for people to look at: read from its events, and kept for a moment, so
that many readers cost the chain's endpoint no more than one.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from eth_account import Account
from sqlalchemy import or_, select

from challenger.drawing import draw_dispute
from challenger.history import ClaimHistory, read_history
from circuits.circuit import Circuit
from circuits.errors import ChainError
from circuits.file import load
from contracts.chain import Chain
from contracts.claim_status import ClaimStatus
from contracts.dispute_tier import ClaimPosted, DisputeTier
from service.database import Model, Version
from service.errors import NotFound
from service.parts import Parts

FRESH_SECONDS = 5.0
"""How long what was read is shown without another look at the chain."""
DEEP_BLOCKS = 128
"""Events under so many blocks are not read again: no re-organisation goes so deep."""
MAX_CLAIMS = 100
"""How many claims are shown, the newest first."""
MAX_HISTORIES = 64


@dataclass(frozen=True)
class ClaimLine:
    """A claim in a list.

    Parameters
    ----------
    claim_id
        As 0x...
    status, deadline, games
        What has become of it, until when it can be disputed, and how many disputes are open.
    ours
        Whether this service posted it.
    """

    claim_id: str
    model_id: str
    asserter: str
    bond_wei: int
    block: int
    status: ClaimStatus
    deadline: datetime
    games: int
    ours: bool


@dataclass(frozen=True)
class Board:
    """Claims, the newest first, as they were at a time."""

    chain_id: int
    tier: str
    claims: tuple[ClaimLine, ...]
    at: datetime


class Claims:
    """The claims of the chain that the settings name; they must name one.

    Raises
    ------
    ChainError
        By each method, if the chain does not answer and nothing was read yet.
    """

    def __init__(self, parts: Parts, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._clock = parts, clock
        # One reader at a time: the others are shown what it has read.
        self._lock = threading.Lock()
        self._tier: DisputeTier | None = None
        self._posted: dict[bytes, tuple[int, ClaimPosted]] = {}
        self._ended: dict[bytes, ClaimLine] = {}
        self._board: tuple[float, Board] | None = None
        self._histories: OrderedDict[bytes, tuple[float, ClaimHistory]] = OrderedDict()

    def board(self) -> Board:
        """The newest claims."""
        with self._lock:
            if self._board is None or self._board[0] < self._clock():
                try:
                    board = self._read_board(self._connected())
                except ChainError:
                    if self._board is None:
                        raise
                    board = self._board[1]  # its time says how old it is
                self._board = (self._clock() + FRESH_SECONDS, board)
            return self._board[1]

    def history(self, claim_id: bytes) -> ClaimHistory:
        """What has happened to one claim, its disputes round by round.

        Raises
        ------
        NotFound
            If there is no such claim.
        """
        with self._lock:
            until, found = self._histories.get(claim_id, (0.0, None))
            if found is None or until < self._clock():
                tier = self._connected()
                if tier.status(claim_id) is ClaimStatus.NONE:
                    raise NotFound(f"there is no claim 0x{claim_id.hex()}")
                found = read_history(tier, claim_id, self._parts.settings.chain_from_block)
                self._histories[claim_id] = (self._clock() + FRESH_SECONDS, found)
                self._histories.move_to_end(claim_id)
                while len(self._histories) > MAX_HISTORIES:
                    self._histories.popitem(last=False)
            return found

    def drawing(self, claim_id: bytes, challenger: str, tenant: str | None = None) -> str:
        """One dispute about a claim, as an SVG document.

        Parameters
        ----------
        challenger
            Whose dispute.
        tenant
            Who looks. The layers are named where the model is public, or a model of its own.

        Raises
        ------
        NotFound
            If there is no such claim, or no such dispute about it.
        """
        history = self.history(claim_id)
        games = {address.lower(): game for address, game in history.games.items()}
        game = games.get(challenger.lower())
        if game is None:
            raise NotFound(f"there is no dispute of {challenger!r:.80} about the claim 0x{claim_id.hex()}")
        return draw_dispute(history, game, self._circuit(history.model.circuit_id, tenant))

    def _connected(self) -> DisputeTier:
        settings = self._parts.settings
        assert settings.chain_rpc is not None and settings.chain_tier is not None
        if self._tier is None:
            self._tier = DisputeTier(
                Chain.connect(settings.chain_rpc.get_secret_value()), settings.chain_tier
            )
        return self._tier

    def _read_board(self, tier: DisputeTier) -> Board:
        with tier.chain.errors():
            head = int(tier.chain.web3.eth.block_number)
        first = self._parts.settings.chain_from_block
        if self._posted:
            first = max(first, head - DEEP_BLOCKS)
            self._posted = {key: value for key, value in self._posted.items() if value[0] < first}
        for log in tier.chain.logs(tier.address, [tier.topic("ClaimPosted")], first):
            event = tier.decode(log)
            if isinstance(event, ClaimPosted):
                self._posted[event.claim_id] = (log["blockNumber"], event)
        newest = sorted(self._posted.values(), key=lambda value: value[0], reverse=True)[:MAX_CLAIMS]
        lines = tuple(self._line(tier, block, event, head) for block, event in newest)
        return Board(tier.chain.chain_id, tier.address, lines, datetime.now(UTC))

    def _line(self, tier: DisputeTier, block: int, event: ClaimPosted, head: int) -> ClaimLine:
        if event.claim_id in self._ended:
            return self._ended[event.claim_id]
        state, key = tier.state(event.claim_id), self._parts.settings.chain_key
        ours = key is not None and Account.from_key(key.get_secret_value()).address == event.claim.asserter
        line = ClaimLine(
            f"0x{event.claim_id.hex()}",
            hex(event.claim.model_id),
            event.claim.asserter,
            event.claim.bond,
            block,
            state.status,
            datetime.fromtimestamp(state.deadline, UTC),
            state.games,
            ours,
        )
        if state.status in (ClaimStatus.FINAL, ClaimStatus.REVOKED) and block < head - DEEP_BLOCKS:
            self._ended[event.claim_id] = line
        return line

    def _circuit(self, circuit_id: bytes, tenant: str | None) -> Circuit | None:
        usable = (
            select(Model.tenant_id, Version.circuit)
            .join(Model, Model.id == Version.model_id)
            .where(Version.circuit_id == circuit_id.hex(), or_(Model.public, Model.tenant_id == tenant))
            .limit(1)
        )
        with self._parts.database.read() as session:
            found = session.execute(usable).one_or_none()
        if found is None:
            return None
        with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
            return load(self._parts.artifacts.fetch(found[0], found[1], Path(folder) / "model.circuit"))
