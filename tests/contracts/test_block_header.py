"""Headers made from endpoints' blocks, of known blocks and of a chain of each fork."""

from __future__ import annotations

import pytest

from circuits.errors import ChainError
from contracts.block_header import encode_header
from contracts.chain import Chain
from contracts.devchain import Anvil

EMPTY = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
FIRST_BLOCK = {
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "parentHash": "0x" + "00" * 32,
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": EMPTY,
    "receiptsRoot": EMPTY,
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
}
"""The first block of Ethereum's main chain."""


def test_first_block() -> None:
    header = encode_header(FIRST_BLOCK)
    assert header[:3].hex() == "f90214" and len(header) == 3 + 0x214
    assert encode_header(FIRST_BLOCK | {"size": "0x21c", "transactions": [], "requestsHash": None}) == header


@pytest.mark.parametrize(
    "change",
    [
        {"mixHash": "0x" + "00" * 31 + "01"},
        {"hash": "0x" + "00" * 32},
        {"baseFeePerGas": "0x7"},
        {"number": "0x1"},
    ],
)
def test_what_does_not_hash_to_the_block(change: dict[str, str]) -> None:
    with pytest.raises(ChainError, match="cannot be made"):
        encode_header(FIRST_BLOCK | change)


@pytest.mark.parametrize("value", [None, 7, "", "00", "0x", "0xg", "0x-1", [], {}])
def test_malformed_fields(value: object) -> None:
    for name in FIRST_BLOCK:
        if value == "0x" and name not in ("number", "difficulty"):
            continue  # no bytes at all: the hash shows it
        with pytest.raises(ChainError, match="malformed"):
            encode_header(FIRST_BLOCK | {name: value})


@pytest.mark.parametrize("fork", ["paris", "shanghai", "cancun", "prague", "osaka"])
def test_forks(fork: str) -> None:
    with Anvil("--hardfork", fork) as anvil:
        chain = anvil.connect()
        sender = chain.web3.eth.accounts[0]
        for _ in range(3):
            chain.web3.eth.send_transaction({"from": sender, "to": sender, "value": 1})  # type: ignore[typeddict-item]
        headers = [chain.header(height) for height in range(4)]
        for parent, header in enumerate(headers[1:]):
            assert header[4:36] == bytes(chain.web3.eth.get_block(parent)["hash"])


def test_no_such_block(chain: Chain) -> None:
    with pytest.raises(ChainError, match="has no block 999999"):
        chain.header(999_999)
