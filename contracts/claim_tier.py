"""What the contracts of the optimistic tier have in common: credits to be withdrawn, and claims.

Whoever sends a transaction decides how: each method that changes something returns a `Call`, what is called
and the value that goes with it. `transact` sends one and waits.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from contracts.artifact import load_artifact
from contracts.chain import ZERO_ADDRESS, Chain, checked_address
from contracts.claim_status import ClaimStatus
from contracts.claims import Claim
from contracts.registry import Registry


class Call(NamedTuple):
    """What a transaction calls, and the value that it sends along, in wei."""

    function: ContractFunction
    value: int = 0


class Ledger:
    """A contract that owes credits, on a chain. Reads raise ChainError as `Chain.call`."""

    artifact: ClassVar[str]
    """The name of the compiled contract."""
    kind: ClassVar[str]
    """What messages call it."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self._contract = chain.contract(address, load_artifact(self.artifact).abi, self.kind)

    @property
    def address(self) -> ChecksumAddress:
        """Where the contract stands."""
        return to_checksum_address(self._contract.address)

    @property
    def registry(self) -> Registry:
        """The registry in which the contract looks models up."""
        return Registry(self.chain, self._ask("REGISTRY"))

    def credit(self, account: str) -> int:
        """What an account can withdraw, in wei."""
        return int(self._ask("credit", checked_address(account)))

    def withdraw(self, to: str) -> Call:
        """Pay the sender's credit out to an address."""
        return self._call("withdraw", checked_address(to))

    def transact(self, call: Call) -> TxReceipt:
        """Send a call of this contract's from the chain's signer, and wait until it is mined.

        Raises
        ------
        ChainError
            As `Chain.transact`.
        """
        return self.chain.transact(call.function, call.value)

    def topic(self, event: str) -> bytes:
        """The first topic of an event of this contract, 32 bytes."""
        return bytes(HexBytes(self._contract.events[event]().topic))

    def _ask(self, function: str, *arguments: Any) -> Any:
        """What a function says, in a free call."""
        return self.chain.call(self._contract.functions[function](*arguments))

    def _call(self, function: str, *arguments: Any, value: int = 0) -> Call:
        """The call of a function."""
        return Call(self._contract.functions[function](*arguments), value)


class ClaimTier(Ledger):
    """A tier of bonded claims: `contracts/src/interfaces/IClaimTier.sol`."""

    def claim_id(self, claim: Claim) -> bytes:
        """The claim's id in this tier, 32 bytes. Computed here, without asking the chain."""
        return claim.id(self.chain.chain_id, self.address)

    def status(self, claim_id: bytes) -> ClaimStatus:
        """What has become of a claim."""
        return ClaimStatus(self._ask("statusOf", claim_id))

    def longest(self, model_id: int, window: int) -> int:
        """The longest time, in seconds, from posting a claim of a model until it can be resolved."""
        return int(self._ask("longest", model_id, window))

    def posted_inputs(self, claim: Claim, from_block: int = 0) -> list[bytes]:
        """The packed data that were posted under a claim's input root, with the claim or by the contract that
        asked, the oldest first.

        There may be several: data of other models, whose tensors lie otherwise, can have the same root. And a
        contract that asked need not have checked what it posted.

        Raises
        ------
        ChainError
            If the endpoint fails; some refuse to search many blocks at once.
        """
        poster = self.address if claim.source == ZERO_ADDRESS else claim.source
        logs = self.chain.logs(poster, [self.topic("InputPosted"), claim.input], from_block)
        return [bytes(self._contract.events.InputPosted().process_log(log)["args"]["data"]) for log in logs]

    def claim(self, claim: Claim, output: bytes, inputs: bytes) -> Call:
        """Post a claim of the sender's together with its input's data, both packed."""
        return self._call("claim", claim.as_abi(), output, inputs, value=claim.bond)

    def claim_for(self, claim: Claim, output: bytes) -> Call:
        """Post a claim on an input that the sender, a contract, vouches for: it is the claim's source."""
        return self._call("claimFor", claim.as_abi(), output, value=claim.bond)

    def settle(self, claim: Claim, output: bytes, proof: bytes) -> Call:
        """Make a claim final by a validity proof for anyone. Anybody may."""
        return self._call("settle", claim.as_abi(), output, proof)

    def finalise(self, claim: Claim) -> Call:
        """Make a claim final whose time is over. Anybody may."""
        return self._call("finalise", claim.as_abi())
