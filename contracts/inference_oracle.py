"""Inferences on request: what contracts ask for, and how it is answered by a proof or by a claim.

As with the tiers of claims, each method that changes something returns a `Call`; `InferenceOracle.transact`
sends one. Requests are mostly made by contracts; that an account makes one is of use in tests.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.types import EventData, TxReceipt

from circuits.errors import ChainError
from contracts.artifact import load_artifact
from contracts.chain import ZERO_ADDRESS, Chain, Deployed, checked_address
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call, Ledger
from contracts.claims import NO_PROOF_SYSTEM, Claim
from contracts.dispute_tier import ETHER
from contracts.inference import InferenceVerifier
from contracts.registry import Registry


@dataclass(frozen=True)
class OracleParameters:
    """What the oracle's constructor fixes: how long a request stays locked before it is answered, in seconds,
    and the lowest bond that locks one, in wei."""

    answer_time: int
    min_bond: int


ORACLE_MAIN = OracleParameters(answer_time=3600, min_bond=ETHER // 10)
"""For a chain with value on it."""

ORACLE_DEVELOPMENT = OracleParameters(answer_time=300, min_bond=ETHER // 100)
"""For a chain of one's own."""


class RequestState(IntEnum):
    """Where a request stands."""

    NONE = 0
    """There is no such request."""
    OPEN = 1
    """Anybody may answer, or be the one to do so."""
    LOCKED = 2
    """One asserter is about to answer."""
    ANSWERED = 3
    """By a claim whose outcome was not carried here yet."""
    DONE = 4
    """The answer is final."""
    CANCELLED = 5
    """The bounty went back."""


@dataclass(frozen=True)
class Request:
    """What is asked, and how the answer is to be settled.

    Attributes
    ----------
    model_id
        The model in the registry.
    input
        Root of the input tree, 32 bytes; may be zeros if the data goes with the request.
    deadline
        By when there must be a final answer, in seconds since 1970.
    tier
        The tier of claims; zero for an answer by a proof.
    proof_system
        Whose proofs answer, or settle the claim, 4 bytes; zeros for a claim settled without any.
    min_bond, window
        The lowest bond (wei) and the window (seconds) of the claim; 0 without a tier.
    callback_gas
        Gas that the consumer is called with; 0 if it is not to be called.
    callback_on_provisional
        Whether it is called with an answer that can still fall, too.
    """

    model_id: int
    input: bytes
    deadline: int
    tier: str = ZERO_ADDRESS
    proof_system: bytes = NO_PROOF_SYSTEM
    min_bond: int = 0
    window: int = 0
    callback_gas: int = 0
    callback_on_provisional: bool = False

    def as_abi(self) -> tuple[Any, ...]:
        """The tuple that the contract takes."""
        what = (self.model_id, self.input, checked_address(self.tier), self.proof_system)
        terms = (self.min_bond, self.window, self.deadline)
        return (*what, *terms, self.callback_gas, self.callback_on_provisional)


@dataclass(frozen=True)
class RequestRecord:
    """A request and where it stands.

    Attributes
    ----------
    request
        What was asked.
    consumer
        Who asked.
    bounty
        What the answer is worth, in wei; 0 once it is paid or gone back.
    state
        Where it stands.
    locked_until
        By when the asserter must answer, in seconds since 1970; 0 if the request was never locked.
    asserter
        Who locked the request or answered it; None if nobody did.
    bond
        What the asserter put down, in wei.
    claim_id, output_hash
        The claim that answers, and keccak256 of the answer, packed; zeros if there is none.
    """

    request: Request
    consumer: ChecksumAddress
    bounty: int
    state: RequestState
    locked_until: int
    asserter: ChecksumAddress | None
    bond: int
    claim_id: bytes
    output_hash: bytes

    def claim(self, oracle: str, trace: bytes, output: bytes) -> Claim:
        """The claim with which whoever locked the request answers it.

        Parameters
        ----------
        oracle
            The oracle's address.
        trace
            Root of the tree over the trace, 32 bytes; zeros if the tier wants none.
        output
            The outputs, packed.

        Raises
        ------
        ChainError
            If nobody locked the request.
        """
        if self.asserter is None:
            raise ChainError("nobody has locked the request: accept it first")
        return Claim.of(
            self.request.model_id,
            self.request.input,
            trace,
            output,
            asserter=self.asserter,
            bond=self.bond,
            window=self.request.window,
            source=oracle,
            settled_by=self.request.proof_system,
        )


class Result(NamedTuple):
    """What is known of an answer: its status (NONE if there is none), keccak256 of the packed outputs, and
    the claim (zeros if a proof answered)."""

    status: ClaimStatus
    output_hash: bytes
    claim_id: bytes


class InferenceOracle(Ledger):
    """An `InferenceOracle` on a chain."""

    artifact = "InferenceOracle"
    kind = "inference oracle"

    @classmethod
    def deploy(
        cls,
        chain: Chain,
        registry: Registry,
        verifier: InferenceVerifier,
        tiers: Sequence[str],
        parameters: OracleParameters = ORACLE_MAIN,
    ) -> tuple[InferenceOracle, Deployed]:
        """Deploy the oracle over a registry, a verifier of proofs, and the addresses of the tiers of claims
        that requests may name. All is fixed for good.

        Raises
        ------
        ChainError
            As `Chain.deploy`.
        """
        contracts = (registry.address, verifier.address, [checked_address(tier) for tier in tiers])
        deployed = chain.deploy(load_artifact("InferenceOracle"), *contracts, astuple(parameters))
        return cls(chain, deployed.address), deployed

    # What it says.

    def parameters(self) -> OracleParameters:
        """What the constructor fixed.

        Raises
        ------
        ChainError
            As `Chain.call`; so do all reads.
        """
        return OracleParameters(*self._ask("parameters"))

    def record(self, request_id: bytes) -> RequestRecord:
        """A request and where it stands."""
        found = self._ask("requestOf", request_id)
        (
            model_id,
            root,
            tier,
            min_bond,
            consumer,
            bounty,
            system,
            window,
            deadline,
            gas,
            provisional,
            *rest,
        ) = found
        state, locked_until, asserter, bond, claim_id, output_hash = rest
        request = Request(
            model_id, bytes(root), deadline, tier, bytes(system), min_bond, window, gas, provisional
        )
        return RequestRecord(
            request,
            to_checksum_address(consumer),
            bounty,
            RequestState(state),
            locked_until,
            None if asserter == ZERO_ADDRESS else to_checksum_address(asserter),
            bond,
            bytes(claim_id),
            bytes(output_hash),
        )

    def result(self, request_id: bytes) -> Result:
        """What is known of the answer, whether or not the outcome of its claim was carried here."""
        status, output_hash, claim_id = self._ask("resultOf", request_id)
        return Result(ClaimStatus(status), bytes(output_hash), bytes(claim_id))

    def status_of_output(self, request_id: bytes, output: bytes) -> ClaimStatus:
        """The status of packed outputs as the answer to a request; NONE if they are not the answer."""
        return ClaimStatus(self._ask("statusOfOutput", request_id, output))

    def is_tier(self, tier: str) -> bool:
        """Whether requests may name a tier."""
        return bool(self._ask("isTier", checked_address(tier)))

    def request_ids(self, from_block: int = 0) -> list[bytes]:
        """The ids of all requests made from a block on, oldest first.

        Raises
        ------
        ChainError
            If the endpoint fails; some refuse to search many blocks at once.
        """
        events = self.chain.events(self._contract.events.InferenceRequested(), {}, from_block)
        return [bytes(event["args"]["requestId"]) for event in events]

    def input_data(self, root: bytes, from_block: int = 0) -> bytes | None:
        """The data that was posted with a request about an input, packed; None if none was.

        Raises
        ------
        ChainError
            As `request_ids`.
        """
        events = self.chain.events(self._contract.events.InputPosted(), {"input": root}, from_block)
        return bytes(events[0]["args"]["data"]) if events else None

    def input_uri(self, root: bytes, from_block: int = 0) -> str | None:
        """Where the latest request about an input says that its data is; None if none does. What is read
        there must still be checked against the root.

        Raises
        ------
        ChainError
            As `request_ids`.
        """
        events = self.chain.events(self._contract.events.InputLocated(), {"input": root}, from_block)
        return str(events[-1]["args"]["uri"]) if events else None

    # What can be sent to it.

    def request(self, request: Request, bounty: int, data: bytes = b"", uri: str = "") -> Call:
        """Ask for an inference, with a bounty in wei and the packed inputs or where they can be read."""
        return self._call("request", request.as_abi(), data, uri, value=bounty)

    def fulfil(self, request_id: bytes, output: bytes, proof: bytes) -> Call:
        """Answer a request by a proof made for the sender."""
        return self._call("fulfil", request_id, output, proof)

    def accept(self, request_id: bytes, bond: int) -> Call:
        """Lock a request for the sender, who must answer in time or lose a part of the bond (wei). The same
        claim cannot be posted twice: `distinct_bond` makes claims differ."""
        return self._call("accept", request_id, value=bond)

    def answer(self, request_id: bytes, output: bytes, trace: bytes = bytes(32)) -> Call:
        """Answer a request that the sender locked: post the claim. Outputs are packed."""
        return self._call("answer", request_id, output, trace)

    def reopen(self, request_id: bytes) -> Call:
        """Open a request again whose asserter did not answer in time. Anybody may."""
        return self._call("reopen", request_id)

    def conclude(self, request_id: bytes, output: bytes = b"") -> Call:
        """Carry the outcome of a request's claim here. The packed outputs are needed if the claim is final
        and the consumer is called. Anybody may."""
        return self._call("conclude", request_id, output)

    def cancel(self, request_id: bytes) -> Call:
        """Give the bounty of a request back that can no longer be answered in time; its consumer may earlier,
        if it is open and for a claim."""
        return self._call("cancel", request_id)

    # What it reports.

    def requested(self, receipt: TxReceipt) -> list[bytes]:
        """The ids of the requests that a transaction made, in order."""
        return [bytes(event["args"]["requestId"]) for event in self._events("InferenceRequested", receipt)]

    def consumers_called(self, receipt: TxReceipt) -> list[tuple[bytes, ClaimStatus, bool]]:
        """Which requests' consumers a transaction called, with what status, and whether the call went
        through."""
        return [
            (
                bytes(event["args"]["requestId"]),
                ClaimStatus(event["args"]["status"]),
                event["args"]["success"],
            )
            for event in self._events("ConsumerCalled", receipt)
        ]

    def _events(self, name: str, receipt: TxReceipt) -> list[EventData]:
        event = self._contract.events[name]()
        topic = bytes(HexBytes(event.topic))
        return [
            event.process_log(log)
            for log in receipt["logs"]
            if log["address"] == self.address and log["topics"] and bytes(log["topics"][0]) == topic
        ]


def distinct_bond(minimum: int) -> int:
    """A bond no lower than `minimum` (wei), by a random amount below 2^32 wei. Two claims of one asserter
    that agree in all else differ by it."""
    return minimum + secrets.randbits(32)
