"""Claims of the optimistic tiers: what is posted, and how it is named.

    claim id = keccak256(abi.encode(chain id, contract, claim))

Their tensors are packed as `contracts.packing` has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak
from eth_typing import ChecksumAddress

from contracts.chain import ZERO_ADDRESS, checked_address

CLAIM_TYPE = "(uint256,bytes32,bytes32,address,address,uint96,uint32,bytes4,bytes32)"
NO_PROOF_SYSTEM = bytes(4)


@dataclass(frozen=True)
class Claim:
    """An answer that its asserter stands in for with a bond: `contracts/src/types/Claim.sol`.

    Attributes
    ----------
    model_id
        The model in the registry.
    input
        Root of the tree over the inputs, 32 bytes.
    trace
        Root of the tree over the trace, 32 bytes; zeros where claims are settled by proofs alone.
    asserter
        Who gets the bond back, and who loses it.
    source
        Who gave the input: zero if its data was posted with the claim, else the contract that asked.
    bond
        What the asserter loses if the claim is false, in wei.
    window
        How long the claim can be challenged, in seconds.
    settled_by
        The proof system whose proofs settle the claim, 4 bytes; zeros if none does.
    output_hash
        keccak256 of the outputs, packed.
    """

    model_id: int
    input: bytes
    trace: bytes
    asserter: ChecksumAddress
    source: ChecksumAddress
    bond: int
    window: int
    settled_by: bytes
    output_hash: bytes

    @classmethod
    def of(
        cls,
        model_id: int,
        input_root: bytes,
        trace_root: bytes,
        output: bytes,
        *,
        asserter: str,
        bond: int,
        window: int,
        source: str = ZERO_ADDRESS,
        settled_by: bytes = NO_PROOF_SYSTEM,
    ) -> Claim:
        """The claim with these packed outputs.

        Raises
        ------
        ChainError
            If an address is malformed.
        """
        addresses = checked_address(asserter), checked_address(source)
        return cls(
            model_id, input_root, trace_root, *addresses, bond, window, settled_by, output_hash=keccak(output)
        )

    @classmethod
    def from_abi(cls, fields: Mapping[str, Any]) -> Claim:
        """The claim in the struct of an event."""
        return cls(
            fields["modelId"],
            bytes(fields["input"]),
            bytes(fields["trace"]),
            checked_address(fields["asserter"]),
            checked_address(fields["source"]),
            fields["bond"],
            fields["window"],
            bytes(fields["settledBy"]),
            bytes(fields["outputHash"]),
        )

    def as_abi(self) -> tuple[int, bytes, bytes, str, str, int, int, bytes, bytes]:
        """The tuple that the contracts take."""
        roots = (self.model_id, self.input, self.trace)
        terms = (self.bond, self.window, self.settled_by, self.output_hash)
        return (*roots, self.asserter, self.source, *terms)

    def id(self, chain_id: int, contract: str) -> bytes:
        """The claim's id in a contract on a chain, 32 bytes.

        Raises
        ------
        ChainError
            If the contract's address is malformed.
        """
        values = [chain_id, checked_address(contract), self.as_abi()]
        return keccak(encode(["uint256", "address", CLAIM_TYPE], values))
