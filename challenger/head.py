"""The last block, as far as decisions need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web3 import Web3
from web3.types import RPCEndpoint

from challenger.votes import number
from circuits.errors import ChainError


@dataclass(frozen=True)
class Head:
    """A block. `timestamp` is seconds since 1970, `base_fee` wei for each unit of gas."""

    number: int
    hash: bytes
    timestamp: int
    base_fee: int
    gas_limit: int

    @classmethod
    def parse(cls, block: Any) -> Head:
        """Of a block as JSON-RPC has it.

        Raises
        ------
        ChainError
            If it is no block, or has no base fee.
        """
        if not isinstance(block, Mapping):
            raise ChainError("the endpoint has no such block")
        if block.get("baseFeePerGas") is None:
            raise ChainError("the chain's blocks have no base fee: transactions here are those of EIP-1559")
        try:
            return cls(
                number(block.get("number")),
                bytes.fromhex(str(block.get("hash")).removeprefix("0x")),
                number(block.get("timestamp")),
                number(block.get("baseFeePerGas")),
                number(block.get("gasLimit")),
            )
        except ValueError as error:
            raise ChainError(f"the endpoint's block is malformed: {error}") from None


def latest_head(web3: Web3) -> Head:
    """The latest block.

    Raises
    ------
    ChainError
        If the endpoint has none.
    """
    response = web3.provider.make_request(RPCEndpoint("eth_getBlockByNumber"), ["latest", False])
    return Head.parse(response.get("result"))
