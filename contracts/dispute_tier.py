"""The tier of claims settled by dispute: what it says, what can be sent to it, and what it reports.

Whoever sends a transaction decides how: each method that changes something returns a `Call`, what is called
and the value that goes with it. `DisputeTier.transact` sends one and waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3.contract.contract import ContractEvent
from web3.types import LogReceipt, TxReceipt

from circuits.errors import ChainError
from contracts.artifact import load_artifact
from contracts.chain import Chain, Deployed, checked_address
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call, ClaimTier
from contracts.claims import Claim
from contracts.inference import InferenceVerifier
from contracts.registry import Registry

ETHER = 10**18


@dataclass(frozen=True)
class DisputeParameters:
    """What the tier's constructor fixes for all claims.

    Attributes
    ----------
    min_bond
        The lowest bond of a claim, in wei. Half of it has to pay the gas of a whole dispute.
    challenger_bond
        What a game costs, in wei. Half of it has to pay the gas of the asserter's reveals.
    min_window
        The shortest time in which a claim can be challenged, in seconds.
    asserter_time, challenger_time
        What each side may use up in a game, over all of its moves, in seconds.
    extension
        What each move may take at least, in seconds.
    """

    min_bond: int
    challenger_bond: int
    min_window: int
    asserter_time: int
    challenger_time: int
    extension: int


MAIN = DisputeParameters(
    min_bond=ETHER // 2,
    challenger_bond=ETHER // 10,
    min_window=24 * 3600,
    asserter_time=24 * 3600,
    challenger_time=24 * 3600,
    extension=3600,
)
"""For a chain with value on it: at 100 gwei a dispute over a large model costs about 0.2 ether of gas."""

DEVELOPMENT = DisputeParameters(
    min_bond=ETHER // 100,
    challenger_bond=ETHER // 100,
    min_window=60,
    asserter_time=60,
    challenger_time=60,
    extension=10,
)
"""For a chain of one's own, where nobody is away."""


class Turn(IntEnum):
    """Whose turn it is in a game."""

    NONE = 0
    """There is no such game."""
    REVEAL = 1
    """The asserter's."""
    CHOOSE = 2
    """The challenger's."""
    PROVE = 3
    """The challenger's, who has seen all reveals."""
    CLOSED = 4
    """The game is over and its bond paid out."""


class ClaimState(NamedTuple):
    """The state of a claim: what has become of it, when it can no longer be challenged (seconds since 1970),
    how many games are not closed, and what is left to refund gas from, in wei."""

    status: ClaimStatus
    deadline: int
    games: int
    pot: int


class Game(NamedTuple):
    """The state of a game: whose turn, until when (seconds since 1970), how many rounds are done, and the
    disputed node's place."""

    turn: Turn
    deadline: int
    level: int
    position: int


class Cell(Protocol):
    """A cell of a tensor and the opening of its op record."""

    @property
    def record(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def opening(self) -> bytes: ...


@dataclass(frozen=True)
class ClaimPosted:
    """A claim was posted. `output` is packed."""

    claim_id: bytes
    claim: Claim
    output: bytes


@dataclass(frozen=True)
class InputPosted:
    """The data behind an input root was posted, packed."""

    input: bytes
    data: bytes


@dataclass(frozen=True)
class ClaimFinal:
    """A claim stands."""

    claim_id: bytes


@dataclass(frozen=True)
class ClaimRevoked:
    """A claim fell."""

    claim_id: bytes
    winner: ChecksumAddress


@dataclass(frozen=True)
class GameOpened:
    """A claim was challenged."""

    claim_id: bytes
    challenger: ChecksumAddress


@dataclass(frozen=True)
class Revealed:
    """A round of a game was revealed. `nodes` are hashes or leaves, then siblings."""

    claim_id: bytes
    challenger: ChecksumAddress
    level: int
    position: int
    nodes: bytes


@dataclass(frozen=True)
class Chosen:
    """A challenger chose; level and position are those of the node that is disputed from here on."""

    claim_id: bytes
    challenger: ChecksumAddress
    level: int
    position: int


@dataclass(frozen=True)
class GameClosed:
    """A game is over, `won` by the challenger or not, with a refund of its gas in wei."""

    claim_id: bytes
    challenger: ChecksumAddress
    won: bool
    refund: int


Event = ClaimPosted | InputPosted | ClaimFinal | ClaimRevoked | GameOpened | Revealed | Chosen | GameClosed


class DisputeTier(ClaimTier):
    """A `DisputeTier` on a chain."""

    artifact = "DisputeTier"
    kind = "dispute tier"

    def __init__(self, chain: Chain, address: str) -> None:
        super().__init__(chain, address)
        events = [self._contract.events[name]() for name in READERS]
        self._topics: dict[bytes, ContractEvent] = {bytes(HexBytes(event.topic)): event for event in events}

    @classmethod
    def deploy(
        cls,
        chain: Chain,
        registry: Registry,
        verifier: InferenceVerifier,
        one_step: str,
        parameters: DisputeParameters = MAIN,
    ) -> tuple[DisputeTier, Deployed]:
        """Deploy the tier over a registry, a verifier of proofs, and the contract that recomputes a cell.
        All are fixed for good.

        Raises
        ------
        ChainError
            As `Chain.deploy`.
        """
        contracts = (registry.address, verifier.address, checked_address(one_step))
        deployed = chain.deploy(load_artifact("DisputeTier"), *contracts, astuple(parameters))
        return cls(chain, deployed.address), deployed

    # What it says.

    def parameters(self) -> DisputeParameters:
        """What the constructor fixed.

        Raises
        ------
        ChainError
            As `Chain.call`; so do all reads.
        """
        return DisputeParameters(*self._ask("parameters"))

    def state(self, claim_id: bytes) -> ClaimState:
        """The state of a claim."""
        status, deadline, games, pot = self._ask("stateOf", claim_id)
        return ClaimState(ClaimStatus(status), deadline, games, pot)

    def game(self, claim_id: bytes, challenger: str) -> Game:
        """The state of a challenger's game about a claim."""
        turn, deadline, level, position = self._ask("gameOf", claim_id, checked_address(challenger))
        return Game(Turn(turn), deadline, level, position)

    def challenger_bond(self) -> int:
        """What a challenge costs as a bond, in wei."""
        return int(self._ask("challengerBond"))

    def recompute(
        self,
        record: bytes,
        index: int,
        roots: tuple[bytes, bytes, bytes],
        depths: tuple[int, int, int],
        operands: bytes,
    ) -> int | None:
        """A cell as the tier's OneStep contract recomputes it, in a free call.

        Parameters
        ----------
        roots, depths
            Of the trees over trace, inputs and weights.
        operands
            Openings of what the cell reads (docs/trace.md).

        Returns
        -------
        int or None
            None if the operands allow no value.

        Raises
        ------
        ContractRefused
            If the operands do not open the roots, or some are missing.
        """
        address = self._ask("ONE_STEP")
        contract = self.chain.contract(
            address, load_artifact("OneStep").abi, "contract that recomputes a cell"
        )
        function = contract.functions.recompute(record, index, (list(roots), list(depths)), operands)
        exists, value = self.chain.call(function)
        return int(value) if exists else None

    # What can be sent to it.

    def open(self, claim: Claim, bond: int) -> Call:
        """Challenge a claim, with the bond that `challenger_bond` says."""
        return self._call("open", claim.as_abi(), value=bond)

    def reveal(self, claim_id: bytes, challenger: str, level: int, position: int, nodes: bytes) -> Call:
        """Reveal what lies below the disputed node of a game. Anybody may."""
        arguments = (claim_id, checked_address(challenger), level, position, nodes)
        return self._call("reveal", *arguments)

    def choose(self, claim_id: bytes, level: int, position: int, child: int) -> Call:
        """Name the leftmost child that differs, in the sender's game."""
        return self._call("choose", claim_id, level, position, child)

    def prove_cell(self, claim: Claim, cell: Cell, leaf: bytes, operands: bytes) -> Call:
        """Have a cell of the trace recomputed, in the sender's game."""
        return self._call("proveCell", claim.as_abi(), _cell(cell), leaf, operands)

    def prove_output(self, claim: Claim, output: bytes, cell: Cell, operands: bytes) -> Call:
        """Have an element of the outputs recomputed, in the sender's game."""
        return self._call("proveOutput", claim.as_abi(), output, _cell(cell), operands)

    def prove_padding(self, claim: Claim, cell: Cell, leaf: bytes) -> Call:
        """Show a byte of padding other than zero, in the sender's game."""
        return self._call("provePadding", claim.as_abi(), _cell(cell), leaf)

    def prove_input(self, claim: Claim, index: int, leaf: bytes) -> Call:
        """Show an input that the circuit does not admit, in the sender's game."""
        return self._call("proveInput", claim.as_abi(), index, leaf)

    def expire(self, claim: Claim, challenger: str) -> Call:
        """End a game whose next move is overdue. Anybody may."""
        return self._call("expire", claim.as_abi(), checked_address(challenger))

    def close(self, claim: Claim, challenger: str) -> Call:
        """Pay out a game that was open when its claim was resolved. Anybody may."""
        return self._call("close", claim.as_abi(), checked_address(challenger))

    # What it reports.

    def decode(self, log: LogReceipt) -> Event | None:
        """The event in a log; None if it is none of a claim's or game's, or of another contract."""
        if log["address"] != self.address or not log["topics"]:
            return None
        event = self._topics.get(bytes(log["topics"][0]))
        if event is None:
            return None
        return READERS[event.event_name](event.process_log(log)["args"])

    def decode_call(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """The function that calldata calls and its arguments by name.

        Raises
        ------
        ChainError
            If it calls no function of this contract.
        """
        try:
            function, arguments = self._contract.decode_function_input(HexBytes(data))
        except ValueError:
            raise ChainError("the transaction calls no function of a dispute tier") from None
        return function.fn_name, arguments

    def events(self, receipt: TxReceipt) -> list[Event]:
        """The events of this tier in a receipt, in order."""
        decoded = (self.decode(log) for log in receipt["logs"])
        return [event for event in decoded if event is not None]


def deploy_one_step(chain: Chain) -> Deployed:
    """Deploy the contract that recomputes one cell, for all tiers on a chain.

    Raises
    ------
    ChainError
        As `Chain.deploy`.
    """
    return chain.deploy(load_artifact("OneStep"))


READERS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    "ClaimPosted": lambda a: ClaimPosted(bytes(a["claimId"]), Claim.from_abi(a["claim"]), bytes(a["output"])),
    "InputPosted": lambda a: InputPosted(bytes(a["input"]), bytes(a["data"])),
    "ClaimFinal": lambda a: ClaimFinal(bytes(a["claimId"])),
    "ClaimRevoked": lambda a: ClaimRevoked(bytes(a["claimId"]), checked_address(a["winner"])),
    "GameOpened": lambda a: GameOpened(*_game(a)),
    "Revealed": lambda a: Revealed(*_game(a), a["level"], a["position"], bytes(a["nodes"])),
    "Chosen": lambda a: Chosen(*_game(a), a["level"], a["position"]),
    "GameClosed": lambda a: GameClosed(*_game(a), a["won"], a["refund"]),
}
"""What each event says, from its arguments."""


def _game(arguments: Mapping[str, Any]) -> tuple[bytes, ChecksumAddress]:
    """Which game an event is about."""
    return bytes(arguments["claimId"]), checked_address(arguments["challenger"])


def _cell(cell: Cell) -> tuple[int, int, bytes]:
    return cell.record, cell.index, cell.opening
