"""Headers of blocks as contracts take them, in RLP, made from what endpoints tell of blocks.

A contract knows a block by the hash of its header alone, so every field must be there, and in the right
place: what is made is only given out if it hashes to the block's hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import rlp
from eth_hash.auto import keccak

from circuits.errors import ChainError

HEXADECIMAL = re.compile("0x[0-9a-fA-F]*")

NUMBERS = {
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "baseFeePerGas",
    "blobGasUsed",
    "excessBlobGas",
}
"""The fields that are numbers, without leading zeros; the others are bytes."""

FIRST = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
)
"""The fields of every header."""

LATER = (
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
    "blockAccessListHash",
)
"""The fields that forks have added, in their order: a header ends where one of them is absent."""


def encode_header(block: Mapping[str, Any]) -> bytes:
    """The header of a block, in RLP.

    Parameters
    ----------
    block
        The block as an endpoint's JSON has it.

    Raises
    ------
    ChainError
        If a field is absent or malformed, or the header's hash is not the block's: it has a field that is
        not known here, or the endpoint does not tell the truth.
    """
    names = [*FIRST, *(name for name in LATER if block.get(name) is not None)]
    header: bytes = rlp.encode([_field(block, name) for name in names])
    told, found = _field(block, "hash"), keccak(header)
    if found != told:
        raise ChainError(
            f"the header of block {int.from_bytes(_field(block, 'number'))} cannot be made from what the "
            f"endpoint tells of it: the block's hash is 0x{told.hex()}, not 0x{found.hex()}"
        )
    return header


def _field(block: Mapping[str, Any], name: str) -> bytes:
    value = block.get(name)
    try:
        if not isinstance(value, str) or not HEXADECIMAL.fullmatch(value):
            raise ValueError("no hexadecimal digits")
        if name in NUMBERS:
            number = int(value[2:], 16)
            return number.to_bytes((number.bit_length() + 7) // 8)
        return bytes.fromhex(value[2:])
    except ValueError:
        raise ChainError(f"the endpoint's block is malformed: its {name} is {value!r:.80}") from None
