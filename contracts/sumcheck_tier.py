"""The sumcheck tier on a chain: its contract, the accounts that hold programs, and the layout of its proofs.

What the contract needs to know of a model is a program, bytes that follow from the verifying key. It is
stored in parts, each as the code of an account. The account of a part follows from its bytes and the tier's
address; the code hash of the first part, which a registration fixes, from the bytes alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from circuits.errors import ChainError, InputError
from contracts.artifact import load_artifact
from contracts.chain import Chain, Deployed, cost_of
from contracts.registry import TierKey
from verifier.circuit_header import CircuitHeader
from verifier.statement import split_by_port
from verifier.sumcheck.program.encoding import code_hash, parts_of

PROOF_SYSTEM = keccak(b"verinfer-sumcheck-hyperkzg-bn254-v1")[:4]


def deploy_tier(chain: Chain) -> Deployed:
    """Deploy the contract that checks proofs of this tier for all models."""
    return chain.deploy(load_artifact("SumcheckTier"))


def program_code_hash(program: bytes) -> bytes:
    """The code hash of the account that holds a program's first part, 32 bytes.

    The first part holds the code hashes of all others. So whoever makes the program from a model's key and
    finds this hash in the model's registration knows that the model's proofs are checked with that key.
    """
    return code_hash(parts_of(program)[0])


@dataclass(frozen=True)
class StoredProgram:
    """A program on a chain.

    Attributes
    ----------
    accounts
        Where its parts are, in order.
    gas, cost
        What storing it took, the cost in wei: nothing for parts that were there already.
    """

    accounts: tuple[ChecksumAddress, ...]
    gas: int
    cost: int


class SumcheckTier:
    """A `SumcheckTier` on a chain."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.chain = chain
        self._contract = chain.contract(address, load_artifact("SumcheckTier").abi, "sumcheck tier")

    @property
    def address(self) -> ChecksumAddress:
        """Where the tier stands."""
        return to_checksum_address(self._contract.address)

    def accounts_of(self, program: bytes) -> tuple[ChecksumAddress, ...]:
        """Where the parts of a program are, once they are stored."""
        return tuple(self._account(part) for part in parts_of(program))

    def store(self, program: bytes, progress: Callable[[str], None] = lambda step: None) -> StoredProgram:
        """Store what is not stored yet of a program, a transaction for each part.

        Raises
        ------
        ChainError
            As `Chain.transact`, or if an account does not hold the part that was stored in it.
        """
        parts, accounts, gas, cost = parts_of(program), self.accounts_of(program), 0, 0
        for number, (part, account) in enumerate(zip(parts, accounts, strict=True), 1):
            if self.chain.code(account) == _code(part):
                continue
            call = self._contract.functions.store(part)
            progress(
                f"storing part {number} of {len(parts)} of the model's program: {len(part):,} bytes, "
                f"about {self.chain.estimate_gas(call):,} gas"
            )
            receipt = self.chain.transact(call)
            gas += receipt["gasUsed"]
            cost += cost_of(receipt)
            if self.chain.code(account) != _code(part):
                raise ChainError(f"{account} does not hold what was stored there: is the endpoint honest?")
        return StoredProgram(accounts, gas, cost)

    def key_of(self, program: bytes, key_hash: bytes) -> TierKey:
        """What a registration fixes for a program made from the verifying key with a digest."""
        return TierKey(PROOF_SYSTEM, self.accounts_of(program)[0], program_code_hash(program), key_hash)

    def _account(self, part: bytes) -> ChecksumAddress:
        """The address of CREATE2 by the tier with salt 0; see `CodeStore.writeOnce`."""
        code = _code(part)
        creation = b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a5f395ff3") + code
        digest = keccak(b"\xff" + bytes.fromhex(self.address[2:]) + bytes(32) + keccak(creation))
        return to_checksum_address(digest[12:])


def encode_proof(further_accounts: Sequence[str], inputs: bytes, argument: bytes) -> bytes:
    """A proof as the contract takes it: proof system, accounts, inputs, argument.

    Parameters
    ----------
    further_accounts
        Where the parts of the program but the first are.
    inputs
        The inputs, packed; under a key that commits to inputs, the commitment (`InputCommitment.encode`).
    argument
        The prover's messages.
    """
    words = b"".join(bytes.fromhex(account[2:]).rjust(32, b"\0") for account in further_accounts)
    return PROOF_SYSTEM + words + inputs + argument


def pack_inputs(header: CircuitHeader, inputs: Sequence[int]) -> bytes:
    """All inputs of a circuit (flat, row-major, ports in order), each in the width of its port.

    Raises
    ------
    BoundError
        If there are more or fewer inputs than the circuit has.
    InputError
        If an input does not fit the width of its port.
    """
    parts = split_by_port("input", inputs, header.inputs)
    try:
        return b"".join(
            value.to_bytes(port.width, "big", signed=True)
            for port, values in zip(header.inputs, parts, strict=True)
            for value in values
        )
    except OverflowError:
        raise InputError("an input does not fit the width of its port") from None


def _code(part: bytes) -> bytes:
    """The code of the account that holds a part."""
    return b"\0" + part
