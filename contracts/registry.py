"""The registry of models: commit to a circuit, register a model, look models up.

Registering takes two steps, so that nobody who sees the second one in the queue of transactions can claim to
have had the model first:

    salt = new_salt()
    registry.commit(circuit_id, salt)           # says nothing about the circuit
    ...                                         # in a later block, once the commitment is final
    registry.register(registration, salt)       # opens it

Keep the salt: without it the commitment cannot be opened.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eth_abi.abi import encode
from eth_hash.auto import keccak
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3.types import TxReceipt

from circuits.errors import ChainError, CheckFailed, InputError
from contracts.artifact import load_artifact
from contracts.chain import ZERO_ADDRESS, Chain, Deployed, checked_address

COMMITMENT_TAG = keccak(b"verinfer commitment v1")
CIRCUIT_TAG = keccak(b"verinfer circuit v1")


@dataclass(frozen=True)
class TierKey:
    """What a registration fixes for one tier.

    Attributes
    ----------
    system
        The proof system, 4 bytes.
    verifier
        The contract particular to the model, or None if the tier needs none.
    code_hash
        keccak256 of the verifier's code; 32 zero bytes without a verifier.
    key_hash
        keccak256 of the verifying key, 32 bytes.
    """

    system: bytes
    verifier: ChecksumAddress | None
    code_hash: bytes
    key_hash: bytes

    @classmethod
    def for_verifier(cls, chain: Chain, system: bytes, verifier: str, key_hash: bytes) -> "TierKey":
        """The key of a tier whose verifier stands at an address.

        Raises
        ------
        ChainError
            If the address holds no code.
        """
        code = chain.code(verifier)
        if not code:
            raise ChainError(
                f"no verifier at {verifier}: that address holds no code on chain {chain.chain_id}"
            )
        return cls(system, checked_address(verifier), keccak(code), key_hash)

    def as_abi(self) -> tuple[bytes, str, bytes, bytes]:
        """The tuple that the contract takes."""
        return (self.system, self.verifier or ZERO_ADDRESS, self.code_hash, self.key_hash)


class CircuitParts(Protocol):
    """What a circuit id is made of; a `Circuit` has it."""

    @property
    def header(self) -> bytes: ...
    @property
    def ops_root(self) -> bytes: ...
    @property
    def weights_root(self) -> bytes: ...
    @property
    def scales_hash(self) -> bytes: ...


@dataclass(frozen=True)
class Registration:
    """What an owner registers. Hashes and roots are 32 bytes each; `tiers` has the preferred one first."""

    header: bytes
    ops_root: bytes
    weights_root: bytes
    scales_hash: bytes
    tiers: tuple[TierKey, ...] = ()
    uri: str = ""
    content_hash: bytes = bytes(32)

    @classmethod
    def of(
        cls,
        circuit: CircuitParts,
        tiers: Sequence[TierKey] = (),
        uri: str = "",
        content_hash: bytes = bytes(32),
    ) -> "Registration":
        """The registration of a circuit."""
        parts = (circuit.header, circuit.ops_root, circuit.weights_root, circuit.scales_hash)
        return cls(*parts, tuple(tiers), uri, content_hash)

    @property
    def circuit_id(self) -> bytes:
        """The id of the circuit, 32 bytes."""
        parts = (keccak(self.header), self.ops_root, self.weights_root, self.scales_hash)
        return keccak(CIRCUIT_TAG + b"".join(parts))

    def tier(self, system: bytes) -> TierKey:
        """The key for a proof system.

        Raises
        ------
        ChainError
            If the model has none.
        """
        for key in self.tiers:
            if key.system == system:
                return key
        raise ChainError(f"the model has no key for proof system 0x{system.hex()}")

    def as_abi(self) -> tuple[Any, ...]:
        """The tuple that the contract takes."""
        tiers = [key.as_abi() for key in self.tiers]
        parts = (self.header, self.ops_root, self.weights_root, self.scales_hash)
        return (*parts, tiers, self.uri, self.content_hash)


@dataclass(frozen=True)
class Model:
    """A registered model. Times are seconds since 1970."""

    model_id: int
    circuit_id: bytes
    owner: ChecksumAddress
    committed_block: int
    committed_at: int
    registered_at: int
    registration: Registration

    def require(self, circuit_id: bytes, system: bytes, key_hash: bytes, code_hash: bytes) -> None:
        """Check that this is the registration to rely on: of the circuit, under the key, with the verifier.

        Parameters
        ----------
        circuit_id, key_hash
            Of the circuit and the verifying key that the caller trusts, 32 bytes each.
        system
            The proof system, 4 bytes.
        code_hash
            keccak256 of the verifier's code that the caller derived from that key, 32 bytes.

        Raises
        ------
        CheckFailed
            If the registration says otherwise.
        ChainError
            If the model has no key for the proof system.
        """
        key = self.registration.tier(system)
        wanted = {"circuit": circuit_id, "verifying key": key_hash, "verifier's code": code_hash}
        found = {"circuit": self.circuit_id, "verifying key": key.key_hash, "verifier's code": key.code_hash}
        for what, value in wanted.items():
            if found[what] != value:
                raise CheckFailed(
                    f"model {self.model_id:#x} was registered with another {what}: 0x{found[what].hex()}, "
                    f"not 0x{value.hex()}"
                )


@dataclass(frozen=True)
class Registered:
    """The outcome of a registration."""

    model_id: int
    receipt: TxReceipt


class Registry:
    """A `ModelRegistry` on a chain."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self._contract = chain.contract(address, load_artifact("ModelRegistry").abi, "model registry")

    @classmethod
    def deploy(cls, chain: Chain) -> tuple["Registry", Deployed]:
        """Deploy a registry."""
        deployed = chain.deploy(load_artifact("ModelRegistry"))
        return cls(chain, deployed.address), deployed

    @property
    def address(self) -> ChecksumAddress:
        """Where the registry stands."""
        return to_checksum_address(self._contract.address)

    def commit(self, circuit_id: bytes, salt: bytes) -> TxReceipt:
        """Record the signer's commitment to a circuit. What is sent reveals nothing about the circuit.

        Raises
        ------
        ChainError
            As `Chain.transact`.
        """
        return self.chain.transact(self._contract.functions.commit(commitment(self._owner, circuit_id, salt)))

    def commitment_record(self, digest: bytes) -> tuple[int, int] | None:
        """Block and time at which a commitment was recorded; None if it was not."""
        block, timestamp = self.chain.call(self._contract.functions.commitmentRecord(digest))
        return (block, timestamp) if block else None

    def register(self, registration: Registration, salt: bytes) -> Registered:
        """Register a model of the signer's, opening a commitment made in an earlier block.

        Raises
        ------
        ContractRefused
            If there is no such commitment, the header or a tier is malformed, or the model is registered
            already.
        ChainError
            As `Chain.transact`.
        """
        receipt = self.chain.transact(self._contract.functions.register(registration.as_abi(), salt))
        (event,) = self._contract.events.ModelRegistered().process_receipt(receipt)
        return Registered(event["args"]["modelId"], receipt)

    def model(self, model_id: int) -> Model:
        """Look a model up.

        Raises
        ------
        ContractRefused
            If it is not registered.
        """
        found = self.chain.call(self._contract.functions.getModel(model_id))
        circuit_id, owner, committed_block, committed_at, registered_at, parts = found
        header, ops_root, weights_root, scales_hash, tiers, uri, content_hash = parts
        keys = tuple(_tier_key(*tier) for tier in tiers)
        registration = Registration(header, ops_root, weights_root, scales_hash, keys, uri, content_hash)
        return Model(model_id, circuit_id, owner, committed_block, committed_at, registered_at, registration)

    def models_of(self, circuit_id: bytes, from_block: int = 0) -> list[Model]:
        """All registrations of a circuit, the earliest commitment first.

        Anybody may register a circuit, with whatever verifier they like. That a model comes first says that
        its owner committed first, not that its verifier is honest: `Model.require` compares that.

        Raises
        ------
        ChainError
            If the endpoint fails; some refuse to search many blocks at once.
        """
        events = self.chain.events(
            self._contract.events.ModelRegistered(), {"circuitId": circuit_id}, from_block
        )
        models = [self.model(event["args"]["modelId"]) for event in events]
        return sorted(models, key=lambda model: model.committed_block)

    @property
    def _owner(self) -> ChecksumAddress:
        if self.chain.signer is None:
            raise ChainError("a commitment names its owner: give a signer")
        return self.chain.signer.address


def new_salt() -> bytes:
    """32 random bytes for a commitment."""
    return secrets.token_bytes(32)


def commitment(owner: str, circuit_id: bytes, salt: bytes) -> bytes:
    """The commitment of an owner to a circuit, 32 bytes.

    It is computed here and never asked of an endpoint, since asking would tell its operator the circuit.

    Raises
    ------
    InputError
        If the circuit id or the salt is not 32 bytes.
    """
    if len(circuit_id) != 32 or len(salt) != 32:
        raise InputError(f"a circuit id and a salt are 32 bytes each, not {len(circuit_id)} and {len(salt)}")
    types = ["bytes32", "address", "bytes32", "bytes32"]
    return keccak(encode(types, [COMMITMENT_TAG, checked_address(owner), circuit_id, salt]))


def _tier_key(system: bytes, verifier: str, code_hash: bytes, key_hash: bytes) -> TierKey:
    address = None if verifier == ZERO_ADDRESS else to_checksum_address(verifier)
    return TierKey(system, address, code_hash, key_hash)
