"""The verifier of inferences on a chain: check a proof in a free call, or leave a record of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from circuits.errors import ChainError, CheckFailed
from circuits.merkle import LEAF_BYTES
from contracts.artifact import load_artifact
from contracts.chain import ZERO_ADDRESS, Chain, ContractRefused, Deployed, checked_address
from contracts.registry import Registry

# ERC-165 identifier of draft ERC-7992's verifier.
ERC7992_VERIFIER = bytes.fromhex("5df65472")

MAX_INPUT_BYTES = 512 * LEAF_BYTES
"""The contracts commit to no more inputs than these; see `InputTree`."""

# Refusals that say nothing about the proof: the question was put to the wrong place, or the tier cannot
# execute the model's program.
NO_VERDICT = {
    "ModelNotFound",
    "NotAProgram",
    "PartMismatch",
    "ProgramMalformed",
    "UnknownInstruction",
    "UnsupportedProofSystem",
}


@dataclass(frozen=True)
class Verified:
    """A proof that a contract accepted; `gas` is the estimate for a transaction that records it."""

    model_id: int
    gas: int


class InferenceVerifier:
    """An `InferenceVerifier` on a chain."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self._contract = chain.contract(address, load_artifact("InferenceVerifier").abi, "inference verifier")
        if not self._is_verifier():
            raise ChainError(f"the contract at {self.address} is no verifier of inferences (draft ERC-7992)")

    @classmethod
    def deploy(
        cls, chain: Chain, registry: Registry, tiers: Sequence[str]
    ) -> tuple["InferenceVerifier", Deployed]:
        """Deploy a verifier over a registry, with the contracts of its tiers. Both are fixed for good."""
        deployed = chain.deploy(load_artifact("InferenceVerifier"), registry.address, list(tiers))
        return cls(chain, deployed.address), deployed

    @property
    def address(self) -> ChecksumAddress:
        """Where the verifier stands."""
        return to_checksum_address(self._contract.address)

    @property
    def registry(self) -> Registry:
        """The registry in which the verifier looks models up."""
        return Registry(self.chain, self.chain.call(self._contract.functions.registry()))

    def tier(self, system: bytes) -> ChecksumAddress | None:
        """The contract that checks proofs of a proof system (4 bytes); None if none does."""
        found = self.chain.call(self._contract.functions.tierVerifier(system))
        return None if found == ZERO_ADDRESS else to_checksum_address(found)

    def verify(
        self,
        model_id: int,
        input_commitment: bytes,
        outputs: Sequence[int],
        proof: bytes,
        recipient: str = ZERO_ADDRESS,
    ) -> Verified:
        """Have the contract check a proof in a free call.

        Parameters
        ----------
        model_id
            The model's id in the registry.
        input_commitment
            Root of the input tree, 32 bytes.
        outputs
            All outputs as integers, flat, row-major, ports in order.
        proof
            The four bytes of the proof system and the tier's own bytes.
        recipient
            The address that the proof was made for; zero if it is for anyone.

        Raises
        ------
        CheckFailed
            If the contract refuses the proof.
        ChainError
            If the endpoint fails, or the contract knows no such model, has no such tier for it, or cannot
            execute its program.
        """
        check, verify = self._calls(model_id, input_commitment, outputs, proof, recipient)
        try:
            self.chain.call(check)
            gas = self.chain.estimate_gas(verify)
        except ContractRefused as refusal:
            raise _reading(refusal) from refusal
        return Verified(model_id, gas)

    def record(
        self,
        model_id: int,
        input_commitment: bytes,
        outputs: Sequence[int],
        proof: bytes,
        recipient: str = ZERO_ADDRESS,
    ) -> TxReceipt:
        """Have the contract check a proof in a transaction.

        That leaves the event InferenceVerified, or InferenceVerifiedFor with a recipient.

        Raises
        ------
        CheckFailed
            If the contract refuses the proof. Nothing is sent then.
        ChainError
            As `verify` and `Chain.transact`.
        """
        _, verify = self._calls(model_id, input_commitment, outputs, proof, recipient)
        try:
            return self.chain.transact(verify)
        except ContractRefused as refusal:
            raise _reading(refusal) from refusal

    def input_commitment(self, model_id: int, inputs: Sequence[int]) -> bytes:
        """The contract's own commitment to inputs: all of them, flat, row-major, ports in order.

        Raises
        ------
        ContractRefused
            If their number or a bound is not what the model's header says, or they exceed 64 KiB packed.
        """
        found = self.chain.call(self._contract.functions.inputCommitment(model_id, list(inputs)))
        return bytes(found)

    def _calls(
        self, model_id: int, input_commitment: bytes, outputs: Sequence[int], proof: bytes, recipient: str
    ) -> tuple[ContractFunction, ContractFunction]:
        """What checks a proof, and what records it as well."""
        functions = self._contract.functions
        arguments = (model_id, input_commitment, encode_outputs(outputs), proof)
        if recipient == ZERO_ADDRESS:
            return functions.checkInference(*arguments), functions.verifyInference(*arguments)
        bound = (*arguments, checked_address(recipient))
        return functions.checkInferenceFor(*bound), functions.verifyInferenceFor(*bound)

    def _is_verifier(self) -> bool:
        function: ContractFunction = self._contract.functions.supportsInterface(ERC7992_VERIFIER)
        try:
            return bool(self.chain.call(function))
        except ChainError:
            return False


def encode_outputs(outputs: Sequence[int]) -> bytes:
    """Outputs as the contract takes them: `abi.encode(int256[])`."""
    return encode(["int256[]"], [list(outputs)])


def _reading(refusal: ContractRefused) -> ChainError | CheckFailed:
    """What a refusal means to whoever asked."""
    if refusal.revert.name in NO_VERDICT:
        return refusal
    return CheckFailed(f"the contract refuses the proof: {refusal.revert}")
