"""What is wanted of a sender, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass

from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3.contract.contract import ContractFunction
from web3.types import TxParams, Wei

from challenger.records import Progress
from circuits.errors import ChainError


class Underfunded(ChainError):
    """The account cannot pay for a move. Nothing was spent."""


@dataclass(frozen=True)
class Intent:
    """A move that is to be made.

    Attributes
    ----------
    purpose
        Names it for good: whatever is wanted twice under one purpose is sent once.
    to, data, value
        What is called, and the wei that go with it.
    due
        By when it must be mined, in seconds since 1970; None if it can wait.
    reserve
        Gas that the account must be able to pay besides, for the moves that will follow.
    """

    purpose: str
    to: ChecksumAddress
    data: bytes
    value: int = 0
    due: int | None = None
    reserve: int = 0

    @classmethod
    def of(
        cls,
        purpose: str,
        function: ContractFunction,
        value: int = 0,
        due: int | None = None,
        reserve: int = 0,
    ) -> Intent:
        """The intent to call a contract's function."""
        # All fields are given, so that nothing is asked of the chain.
        fees: TxParams = {"gas": 0, "maxFeePerGas": Wei(0), "maxPriorityFeePerGas": Wei(0)}
        transaction = function.build_transaction({**fees, "chainId": 0, "value": Wei(value)})
        return cls(purpose, function.address, bytes(HexBytes(transaction["data"])), value, due, reserve)


@dataclass(frozen=True)
class Mined:
    """A transaction of ours in a block: what it was for, its gas, and what it cost in wei."""

    purpose: str
    progress: Progress
    gas: int
    cost: int
