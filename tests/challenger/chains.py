"""Development chains for the tests of what talks to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3
from web3.types import RPCEndpoint

from challenger.store import Store, Subject
from contracts.chain import Chain
from contracts.devchain import Anvil
from contracts.signer import KeySigner

ETHER = 10**18


class DevChain:
    """An anvil, and what tests do to it."""

    def __init__(self, anvil: Anvil) -> None:
        self.url = anvil.url
        self.rich = anvil.connect()
        self.web3 = self.rich.web3

    def rpc(self, method: str, *params: Any) -> Any:
        return self.web3.manager.request_blocking(RPCEndpoint(method), list(params))

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    def later(self, seconds: int) -> None:
        self.rpc("evm_increaseTime", seconds)
        self.mine()

    def wallet(self, key: int = 0, ether: float = 100) -> Chain:
        """Connect with a new key, and give its account some ether."""
        signer = KeySigner(Account.from_key(key.to_bytes(32)) if key else Account.create())
        self.rpc("anvil_setBalance", signer.address, hex(int(ether * ETHER)))
        return Chain.connect(self.url, signer=signer, patience=20)

    def balance(self, address: str) -> int:
        return self.web3.eth.get_balance(Web3.to_checksum_address(address))


@contextmanager
def dev_chain(*arguments: str) -> Iterator[DevChain]:
    """Run an anvil for as long as the block lasts."""
    with Anvil(*arguments) as anvil:
        yield DevChain(anvil)


def subject_of(chain: Chain, tier: str) -> Subject:
    """What a database about a tier is about."""
    assert chain.signer is not None
    genesis = chain.web3.eth.get_block(0)
    return Subject(chain.chain_id, bytes(genesis["hash"]), tier, chain.signer.address)


def open_store(folder: Path, chain: Chain, tier: str = "0x" + "11" * 20) -> Store:
    """A database in a folder."""
    return Store.open(str(folder / "watcher.db"), subject_of(chain, tier))
