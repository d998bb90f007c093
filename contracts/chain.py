"""A connection to an EVM chain: reads, estimates and sends, with one kind of error for whatever fails."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from eth_typing import ChecksumAddress
from eth_utils.address import (
    is_checksum_address,
    is_checksum_formatted_address,
    is_hex_address,
    to_checksum_address,
)
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractEvent, ContractFunction
from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.rpc.utils import ExceptionRetryConfiguration
from web3.types import BlockIdentifier, EventData, LogReceipt, RPCEndpoint, TxParams, TxReceipt, Wei

from circuits.errors import ChainError
from contracts.artifact import Abi, Artifact
from contracts.block_header import encode_header
from contracts.revert import Revert, decode_revert
from contracts.signer import Signer

# Transactions are estimated as of the block to come: one that must not share a block with another would fail
# in the block of that other, which may be the latest.
NEXT_BLOCK: Final = "pending"

# What a call takes may depend on the time of its block. A transaction is given one part in so many more than
# the estimate, which is not paid unless it is used.
GAS_MARGIN: Final = 16

ZERO_ADDRESS = to_checksum_address("0x" + "00" * 20)


class ContractRefused(ChainError):
    """A contract reverted. `revert` holds the decoded error."""

    def __init__(self, message: str, revert: Revert) -> None:
        super().__init__(message)
        self.revert = revert


class Chain:
    """A chain behind one JSON-RPC endpoint. Make it with `connect`."""

    def __init__(
        self, web3: Web3, endpoint: str, chain_id: int, signer: Signer | None, patience: float
    ) -> None:
        self.web3 = web3
        self.endpoint = endpoint
        self.chain_id = chain_id
        self.signer = signer
        self._patience = patience

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        *,
        chain_id: int | None = None,
        signer: Signer | None = None,
        timeout: float = 30.0,
        patience: float = 180.0,
    ) -> "Chain":
        """Connect to a chain.

        Parameters
        ----------
        rpc_url
            http or https URL of a JSON-RPC endpoint.
        chain_id
            The chain that must answer there; any if None.
        signer
            Who signs transactions; needed only to send some.
        timeout
            Seconds to wait for an answer of the endpoint.
        patience
            Seconds to wait for a transaction to be mined.

        Raises
        ------
        ChainError
            If no chain answers at the URL, or another than `chain_id`.
        """
        parts = urlsplit(rpc_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChainError(f"{rpc_url!r} is not the http or https URL of a JSON-RPC endpoint")
        # Paths, queries and user names of endpoints often hold keys: messages name the host alone.
        endpoint = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        retries = ExceptionRetryConfiguration(errors=(requests.ConnectionError, requests.Timeout), retries=2)
        provider = HTTPProvider(
            rpc_url, request_kwargs={"timeout": timeout}, exception_retry_configuration=retries
        )
        web3 = Web3(provider)
        # Lets blocks of proof-of-authority chains, whose extra data is longer, be read.
        web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        with _chain_errors(endpoint):
            found = web3.eth.chain_id
        if not isinstance(found, int):
            raise ChainError(f"what answers at {endpoint} is no chain: it has no chain id")
        if chain_id is not None and found != chain_id:
            raise ChainError(f"the chain at {endpoint} has id {found}, not {chain_id}: check the URL")
        return cls(web3, endpoint, found, signer, patience)

    def code(self, address: str) -> bytes:
        """The code at an address; empty if there is none."""
        with _chain_errors(self.endpoint):
            return bytes(self.web3.eth.get_code(checked_address(address)))

    def contract(self, address: str, abi: Abi, what: str = "contract") -> Contract:
        """Bind the contract at an address; `what` names it in messages.

        Raises
        ------
        ChainError
            If the address is malformed or holds no code.
        """
        checked = checked_address(address)
        if not self.code(checked):
            raise ChainError(f"no {what} at {checked}: that address holds no code on chain {self.chain_id}")
        return self.web3.eth.contract(address=checked, abi=abi)

    def call(self, function: ContractFunction) -> Any:
        """Evaluate a function in a free call (`eth_call`) on the latest block.

        Raises
        ------
        ContractRefused
            If the contract reverts.
        ChainError
            If the endpoint fails, or what it returns does not fit the contract's interface.
        """
        with _chain_errors(self.endpoint):
            return function.call({"from": self._sender})

    def estimate_gas(self, function: ContractFunction | ContractConstructor) -> int:
        """The gas that a transaction with this call would be given.

        Raises
        ------
        ContractRefused
            If the call would revert.
        ChainError
            If the endpoint fails.
        """
        with _chain_errors(self.endpoint):
            return function.estimate_gas({"from": self._sender}, NEXT_BLOCK)

    def estimate(self, transaction: TxParams, block: BlockIdentifier = NEXT_BLOCK) -> int:
        """The gas that a transaction given by its fields would be given, as of a block.

        Raises
        ------
        ContractRefused
            If it would revert.
        ChainError
            If the endpoint fails.
        """
        with self.errors():
            return self.web3.eth.estimate_gas(transaction, block)

    def errors(self) -> AbstractContextManager[None]:
        """A context that turns errors of web3 and of the transport into this project's own, for whoever asks
        `web3` itself."""
        return _chain_errors(self.endpoint)

    def transact(self, function: ContractFunction | ContractConstructor, value: int = 0) -> TxReceipt:
        """Send a call as a transaction, with a value in wei, and wait until it is mined.

        The gas is estimated first, so that a call that would revert costs nothing.

        Raises
        ------
        ContractRefused
            If the call would revert.
        ChainError
            If there is no signer, the endpoint fails, the account cannot pay, or the transaction is not
            mined in time or reverts when it is.
        """
        if self.signer is None:
            raise ChainError(f"no account to send transactions to chain {self.chain_id} with: give a signer")
        sender = self.signer.address
        with _chain_errors(self.endpoint):
            held = self.web3.eth.get_balance(sender)
            if held < value:
                raise ChainError(
                    f"{sender} holds {show_ether(held)}, and this takes {show_ether(value)} beside its gas"
                )
            gas = function.estimate_gas({"from": sender, "value": Wei(value)}, NEXT_BLOCK)
            gas += gas // GAS_MARGIN
            nonce = self.web3.eth.get_transaction_count(sender, NEXT_BLOCK)
            transaction = function.build_transaction(
                {"from": sender, "chainId": self.chain_id, "nonce": nonce, "gas": gas, "value": Wei(value)}
            )
            digest = self.signer.send(self.web3, transaction)
            try:
                receipt = self.web3.eth.wait_for_transaction_receipt(
                    digest, self._patience, poll_latency=0.05
                )
            except TimeExhausted:
                raise ChainError(
                    f"transaction {digest.to_0x_hex()} was sent but not mined within {self._patience:g} s: "
                    "look it up before sending it again"
                ) from None
        if receipt["status"] != 1:
            raise ChainError(
                f"transaction {digest.to_0x_hex()} was mined but failed: the chain's state had changed"
            )
        return receipt

    def deploy(self, artifact: Artifact, *arguments: Any) -> "Deployed":
        """Deploy a contract with the arguments of its constructor.

        Raises
        ------
        ChainError
            As `transact`.
        """
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        receipt = self.transact(factory.constructor(*arguments))
        address = receipt["contractAddress"]
        if address is None:
            raise ChainError(f"{self.endpoint} names no contract in the receipt of a deployment")
        return Deployed(
            to_checksum_address(address),
            receipt["gasUsed"],
            cost_of(receipt),
            HexBytes(receipt["transactionHash"]),
        )

    def events(self, event: ContractEvent, arguments: dict[str, Any], from_block: int = 0) -> list[EventData]:
        """The events with the given indexed arguments, oldest first.

        Raises
        ------
        ChainError
            If the endpoint fails; some refuse to search many blocks at once.
        """
        with _chain_errors(self.endpoint):
            return list(event.get_logs(argument_filters=arguments, from_block=from_block))

    def logs(
        self, address: str, topics: Sequence[HexBytes | bytes | None], from_block: int = 0
    ) -> list[LogReceipt]:
        """The logs of a contract with the given topics, oldest first; None stands for any topic.

        Raises
        ------
        ChainError
            If the endpoint fails; some refuse to search many blocks at once.
        """
        wanted = [None if topic is None else HexBytes(topic) for topic in topics]
        with _chain_errors(self.endpoint):
            return list(
                self.web3.eth.get_logs(
                    {"address": checked_address(address), "topics": wanted, "fromBlock": from_block}
                )
            )

    def timestamp(self) -> int:
        """The time of the latest block, in seconds since 1970.

        Raises
        ------
        ChainError
            If the endpoint fails.
        """
        with _chain_errors(self.endpoint):
            return int(self.web3.eth.get_block("latest")["timestamp"])

    def header(self, height: int) -> bytes:
        """The header of a block, in RLP: what a contract can check against the block's hash.

        Raises
        ------
        ChainError
            If the endpoint fails or knows no such block, or as `encode_header`.
        """
        with _chain_errors(self.endpoint):
            # Not by way of web3's own blocks, which lack fields that it does not know.
            answer = self.web3.provider.make_request(
                RPCEndpoint("eth_getBlockByNumber"), [hex(height), False]
            )
        block = answer.get("result")
        if not isinstance(block, dict):
            raise ChainError(f"the chain at {self.endpoint} has no block {height}")
        return encode_header(block)

    def transaction_input(self, digest: bytes) -> bytes:
        """The calldata of a transaction that was mined.

        Raises
        ------
        ChainError
            If the endpoint fails, or knows no such transaction.
        """
        with _chain_errors(self.endpoint):
            return bytes(HexBytes(self.web3.eth.get_transaction(HexBytes(digest))["input"]))

    @property
    def _sender(self) -> ChecksumAddress:
        return self.signer.address if self.signer is not None else ZERO_ADDRESS


@dataclass(frozen=True)
class Deployed:
    """Where a contract was deployed, the gas that took, what it cost in wei, and the transaction."""

    address: ChecksumAddress
    gas: int
    cost: int
    transaction: HexBytes


def show_ether(wei: int) -> str:
    """An amount for people, such as "0.25 ether"."""
    return f"{Decimal(wei).scaleb(-18).normalize():f} ether"


def cost_of(receipt: TxReceipt) -> int:
    """What a transaction cost its sender, in wei."""
    return receipt["gasUsed"] * receipt["effectiveGasPrice"]


def checked_address(address: str) -> ChecksumAddress:
    """The address in its checksummed form.

    Raises
    ------
    ChainError
        If it is not 20 bytes in hexadecimal, or its checksum is wrong.
    """
    mistyped = is_checksum_formatted_address(address) and not is_checksum_address(address)
    if not is_hex_address(address) or not address.startswith("0x") or mistyped:
        raise ChainError(
            f"{address!r} is not an address: 0x, 40 hexadecimal digits, and a right checksum if mixed"
        )
    return to_checksum_address(address)


@contextmanager
def _chain_errors(endpoint: str) -> Iterator[None]:
    """Turn the errors of web3 and of the transport into this project's own."""
    try:
        yield
    except ChainError:
        raise
    except ContractLogicError as error:
        data = error.data if isinstance(error.data, str) else ""
        revert = decode_revert(bytes(HexBytes(data if data.startswith("0x") else "")))
        raise ContractRefused(f"the contract refuses: {revert}", revert) from error
    except requests.RequestException as error:
        raise ChainError(
            f"no chain answers at {endpoint} ({type(error).__name__}): is it running?"
        ) from error
    except (Web3Exception, ValueError) as error:
        raise ChainError(f"the chain at {endpoint} failed: {error}") from error
