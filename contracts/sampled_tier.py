"""The tier of claims of which a random share must be proved, for models that nobody else can recompute.

As with the dispute tier, each method that changes something returns a `Call`; `SampledTier.transact` sends
one.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import NamedTuple

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from contracts.artifact import load_artifact
from contracts.chain import ZERO_ADDRESS, Chain, Deployed, checked_address
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call, ClaimTier
from contracts.claims import Claim
from contracts.dispute_tier import ETHER
from contracts.inference import InferenceVerifier
from contracts.registry import Registry

SHARES = 1 << 16
"""What shares are counted in."""


@dataclass(frozen=True)
class SampledParameters:
    """What the tier's constructor fixes for all claims.

    Attributes
    ----------
    min_bond
        The lowest bond of a claim, in wei. Half of it is burnt when a claim falls, and ought to be no less
        than what a lie gains, divided by the share.
    min_window
        The shortest window of a claim, in seconds. It must leave time to draw its lot.
    proof_window
        For how long after its deadline a claim can be proved, in seconds.
    share
        How many claims of 65,536 must be proved, 1 to 65,535.
    lookahead
        How many blocks after the claim's its lot is known, 2 to 255. Whoever makes all blocks up to that one
        can make the lot, and a lot can be drawn only until 256 blocks after the claim.
    """

    min_bond: int
    min_window: int
    proof_window: int
    share: int
    lookahead: int


SAMPLED_MAIN = SampledParameters(
    min_bond=ETHER // 2, min_window=3600, proof_window=24 * 3600, share=SHARES // 16, lookahead=128
)
"""For a chain with value on it. On Ethereum 128 blocks are four epochs, of which EIP-4399 says why."""

SAMPLED_DEVELOPMENT = SampledParameters(
    min_bond=ETHER // 100, min_window=60, proof_window=600, share=SHARES // 4, lookahead=2
)
"""For a chain of one's own."""


class Lot(IntEnum):
    """What the lot decided about a claim."""

    OPEN = 0
    """Nothing yet. A claim whose lot is not drawn in time must be proved."""
    SPARED = 1
    """It needs no proof."""
    SELECTED = 2
    """It must be proved."""


class Enrolment(NamedTuple):
    """What an asserter said about itself: how many claims it may have provisional at a time (0 if it is not
    enrolled), how many it has, what a proof on demand costs, in wei, and the length of the outputs in
    bytes."""

    capacity: int
    outstanding: int
    price: int
    output_length: int


class SampledClaim(NamedTuple):
    """The state of a claim; once it is resolved, all but the status is zero.

    What has become of it, what the lot decided, whether somebody paid for a proof, when the window is over
    (seconds since 1970), the block that it was posted in, and what its proof on demand costs, in wei.
    """

    status: ClaimStatus
    lot: Lot
    demanded: bool
    deadline: int
    posted_block: int
    price: int


class SampledTier(ClaimTier):
    """A `SampledTier` on a chain."""

    artifact = "SampledTier"
    kind = "sampled tier"

    @classmethod
    def deploy(
        cls,
        chain: Chain,
        registry: Registry,
        verifier: InferenceVerifier,
        parameters: SampledParameters = SAMPLED_MAIN,
    ) -> tuple[SampledTier, Deployed]:
        """Deploy the tier over a registry and a verifier of proofs. All is fixed for good.

        Raises
        ------
        ChainError
            As `Chain.deploy`.
        """
        contracts = (registry.address, verifier.address)
        deployed = chain.deploy(load_artifact("SampledTier"), *contracts, astuple(parameters))
        return cls(chain, deployed.address), deployed

    # What it says.

    def parameters(self) -> SampledParameters:
        """What the constructor fixed.

        Raises
        ------
        ChainError
            As `Chain.call`; so do all reads.
        """
        return SampledParameters(*self._ask("parameters"))

    def state(self, claim_id: bytes) -> SampledClaim:
        """The state of a claim."""
        status, lot, *rest = self._ask("claimOf", claim_id)
        return SampledClaim(ClaimStatus(status), Lot(lot), *rest)

    def payer(self, claim_id: bytes) -> ChecksumAddress | None:
        """Who paid for the proof of a claim; None if nobody did."""
        found = self._ask("payerOf", claim_id)
        return None if found == ZERO_ADDRESS else to_checksum_address(found)

    def enrolment(self, asserter: str, model_id: int, system: bytes) -> Enrolment:
        """What an asserter said about itself for a model and a proof system (4 bytes)."""
        return Enrolment(*self._ask("enrolmentOf", checked_address(asserter), model_id, system))

    def source_allowed(self, asserter: str, source: str) -> bool:
        """Whether a contract may post claims in an asserter's name."""
        accounts = checked_address(asserter), checked_address(source)
        return bool(self._ask("sourceAllowed", *accounts))

    # What can be sent to it.

    def enrol(
        self,
        model_id: int,
        system: bytes,
        capacity: int,
        price: int,
        input_commitment: bytes,
        output: bytes,
        proof: bytes,
    ) -> Call:
        """Say how many claims the sender may have provisional at a time, and what a proof on demand costs.

        Parameters
        ----------
        system
            The proof system, 4 bytes.
        capacity, price
            How many claims; wei for each proof on demand.
        input_commitment, output, proof
            A sample: its commitment, its outputs packed, and a proof of them made for the sender.
        """
        arguments = (model_id, system, capacity, price, input_commitment, output, proof)
        return self._call("enrol", *arguments)

    def allow_source(self, source: str, allowed: bool = True) -> Call:
        """Let a contract, such as an oracle, post claims in the sender's name, or no longer."""
        return self._call("allowSource", checked_address(source), allowed)

    def lot_header(self, claim_id: bytes) -> bytes:
        """The header that a provisional claim's lot comes from, in RLP.

        Raises
        ------
        ChainError
            As `Chain.header`: also while there is no such block yet.
        """
        return self.chain.header(self.state(claim_id).posted_block + self.parameters().lookahead)

    def draw(self, claim_id: bytes, header: bytes) -> Call:
        """Draw a claim's lot with its `lot_header`: from lookahead + 1 blocks after the claim until 256
        blocks after it, and before its deadline. Anybody may."""
        return self._call("draw", claim_id, header)

    def demand(self, claim: Claim, price: int) -> Call:
        """Pay for the proof of a claim, at the price in its state. Anybody may."""
        return self._call("demand", claim.as_abi(), value=price)

    def expire(self, claim: Claim) -> Call:
        """Revoke a claim whose proof is overdue. Anybody may, and gets half of the bond if nobody paid for
        the proof."""
        return self._call("expire", claim.as_abi())
