"""The sumcheck tier on a chain, held against its machine in plain Python."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from web3 import Web3

from contracts.artifact import load_artifact
from contracts.chain import Chain, ContractRefused
from tests.contracts.headers import Header, Port, input_commitment
from tests.contracts.sumcheck_machine import Rejected, run, split
from tests.contracts.sumcheck_programs import (
    CONTEXT,
    NAMES,
    Case,
    alter_constant,
    alter_proof,
    alter_values,
    random_case,
)
from verifier.bn254 import SCALAR_FIELD as R

HEADER = Header([Port((1,), 0, 7), Port((3,), 0, 255)], [Port((3,), -128, 127)])
SYSTEM = keccak(b"verinfer-sumcheck-hyperkzg-bn254-v1")[:4]


@dataclass
class Tier:
    """The tier's contract, and accounts whose code the tests set."""

    chain: Chain
    contract: Any

    def place(self, program: bytes) -> list[str]:
        """Put the parts of a program into accounts, and return their addresses."""
        return [self.set_code(b"\0" + part) for part in split(program)]

    def set_code(self, code: bytes) -> str:
        """Let the account that is named by the code's hash have the code."""
        address = Web3.to_checksum_address(keccak(code)[:20])
        response = self.chain.web3.provider.make_request("anvil_setCode", [address, "0x" + code.hex()])  # type: ignore[arg-type]
        assert "error" not in response
        return address

    def verify(self, case: Case, **changes: Any) -> None:
        """Call the contract; it raises ContractRefused."""
        first, *others = changes.get("accounts") or self.place(case.program)
        signed = [[v - R if v > R // 2 else v for v in port] for port in case.ports]
        packed = b"".join(
            v.to_bytes(port.width, "big", signed=True)
            for port, values in zip(HEADER.inputs, signed, strict=False)
            for v in values
        )
        names = b"".join(bytes(12) + bytes.fromhex(address[2:]) for address in others)
        words = b"".join(word.to_bytes(32, "big") for word in case.proof)
        proof = changes.get("proof", names + packed + words)
        output = encode(["int256[]"], [signed[len(HEADER.inputs)]])
        commitment = input_commitment(HEADER.inputs, [v for port in signed[:2] for v in port])
        circuit_id, key_hash, recipient = changes.get("context", CONTEXT)
        statement = (
            circuit_id.to_bytes(32, "big"),
            HEADER.encode(),
            changes.get("commitment", commitment),
            changes.get("output", output),
            Web3.to_checksum_address(recipient.to_bytes(20, "big")),
        )
        key = (SYSTEM, first, bytes(32), key_hash.to_bytes(32, "big"))
        self.chain.call(self.contract.functions.verify(statement, key, proof))


@pytest.fixture(scope="module")
def tier(chain: Chain) -> Tier:
    artifact = load_artifact("SumcheckTier")
    return Tier(chain, chain.contract(chain.deploy(artifact).address, artifact.abi))


def accepted_by_machine(case: Case) -> bool:
    try:
        run(case.program, CONTEXT, case.ports, case.proof)
    except Rejected:
        return False
    return True


def accepted_by_contract(tier: Tier, case: Case) -> bool:
    try:
        tier.verify(case)
    except ContractRefused:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_each_instruction(tier: Tier, name: str) -> None:
    rng = random.Random(name)
    for _ in range(3):
        case = random_case(rng, ["SQUEEZE", *[name] * 6])
        tier.verify(case)


def random_names(rng: random.Random, count: int) -> Sequence[str]:
    return [rng.choice(NAMES) for _ in range(count)]


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(tier: Tier, seed: int) -> None:
    rng = random.Random(seed)
    case = random_case(rng, random_names(rng, 25), pairs=rng.randrange(3))
    assert accepted_by_machine(case)
    tier.verify(case)
    verdicts = set()
    for alter in (alter_proof, alter_constant, alter_values) * 2:
        altered = alter(rng, case)
        verdict = accepted_by_machine(altered)
        assert accepted_by_contract(tier, altered) == verdict
        verdicts.add(verdict)
    assert False in verdicts
