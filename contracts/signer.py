"""Who signs transactions: a private key held here, or an account that the node itself holds."""

import json
import os
from pathlib import Path
from typing import Any, Protocol, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import Web3
from web3.types import RPCEndpoint, TxParams

from circuits.errors import InputError

KEY_VARIABLE = "VERINFER_PRIVATE_KEY"


class Signer(Protocol):
    """Whoever can send a transaction from an address."""

    @property
    def address(self) -> ChecksumAddress:
        """The address that transactions come from."""

    def send(self, web3: Web3, transaction: TxParams) -> HexBytes:
        """Send a complete transaction (nonce, gas and fees included) and return its hash."""

    def sign(self, web3: Web3, transaction: TxParams) -> HexBytes:
        """Sign a complete transaction without sending it. The keccak256 of what is returned is its hash."""


class KeySigner:
    """Signs with a private key. The key never leaves the process and shows in no message."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @property
    def address(self) -> ChecksumAddress:
        """The key's address."""
        return to_checksum_address(self._account.address)

    def send(self, web3: Web3, transaction: TxParams) -> HexBytes:
        """Sign here and send the signed transaction."""
        return web3.eth.send_raw_transaction(self.sign(web3, transaction))

    def sign(self, web3: Web3, transaction: TxParams) -> HexBytes:
        """Sign here."""
        signed = self._account.sign_transaction(cast(dict[str, Any], transaction))
        return HexBytes(signed.raw_transaction)

    @classmethod
    def from_key(cls, key: str) -> "KeySigner":
        """Make a signer of a private key: 32 bytes in hexadecimal.

        Raises
        ------
        InputError
            If it is not a private key.
        """
        try:
            return cls(Account.from_key(key.strip()))
        except Exception:  # eth-account lets the errors of its parts through, and they may quote the key
            raise InputError(
                "the private key is not 32 bytes in hexadecimal, or is not a valid key"
            ) from None

    @classmethod
    def from_environment(cls, variable: str = KEY_VARIABLE) -> "KeySigner":
        """Make a signer of the private key in an environment variable.

        Raises
        ------
        InputError
            If the variable is not set or does not hold a private key.
        """
        key = os.environ.get(variable)
        if not key:
            raise InputError(f"no private key: set the environment variable {variable}")
        return cls.from_key(key)

    @classmethod
    def from_keystore(cls, path: Path, password: str) -> "KeySigner":
        """Make a signer of an encrypted key file (Web3 Secret Storage, as geth and foundry write).

        Raises
        ------
        InputError
            If the file cannot be read or the password is wrong.
        """
        try:
            return cls(Account.from_key(Account.decrypt(json.loads(path.read_text()), password)))
        except OSError as error:
            raise InputError(f"the keystore {path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"the keystore {path} is not a key file, or the password is wrong") from None


class UnlockedSigner:
    """Lets the node sign for an account that it holds, as development chains do."""

    def __init__(self, address: str) -> None:
        self._address = to_checksum_address(address)

    @property
    def address(self) -> ChecksumAddress:
        """The account's address."""
        return self._address

    def send(self, web3: Web3, transaction: TxParams) -> HexBytes:
        """Have the node sign and send the transaction."""
        return web3.eth.send_transaction(transaction)

    def sign(self, web3: Web3, transaction: TxParams) -> HexBytes:
        """Have the node sign, if it offers that."""
        signed: Any = web3.manager.request_blocking(RPCEndpoint("eth_signTransaction"), [transaction])
        return HexBytes(signed if isinstance(signed, str | bytes) else signed["raw"])
