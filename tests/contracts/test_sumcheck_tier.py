"""The sumcheck tier on a chain, held against its machine in plain Python."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from web3 import Web3
from web3.exceptions import Web3Exception

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
from verifier.bn254 import BASE_FIELD
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

    def proof_of(self, case: Case, accounts: Sequence[str]) -> bytes:
        """A case's proof: the further accounts, the inputs in the widths of their ports, the argument."""
        packed = b"".join(
            value.to_bytes(port.width, "big", signed=True)
            for port, values in zip(HEADER.inputs, signed(case), strict=False)
            for value in values
        )
        names = b"".join(bytes(12) + bytes.fromhex(address[2:]) for address in accounts[1:])
        return names + packed + b"".join(word.to_bytes(32, "big") for word in case.proof)

    def verify(self, case: Case, **changes: Any) -> None:
        """Call the contract; it raises ContractRefused."""
        accounts = changes.get("accounts") or self.place(case.program)
        inputs = [value for port in signed(case)[:2] for value in port]
        circuit_id, key_hash, recipient = changes.get("context", CONTEXT)
        statement = (
            circuit_id.to_bytes(32, "big"),
            HEADER.encode(),
            changes.get("commitment", input_commitment(HEADER.inputs, inputs)),
            changes.get("output", encode(["int256[]"], [signed(case)[2]])),
            Web3.to_checksum_address(recipient.to_bytes(20, "big")),
        )
        key = (SYSTEM, accounts[0], bytes(32), key_hash.to_bytes(32, "big"))
        function = self.contract.functions.verify(
            statement, key, changes.get("proof", self.proof_of(case, accounts))
        )
        if "gas" in changes:
            function.call({"gas": changes["gas"]})
        self.chain.call(function)


def signed(case: Case) -> list[list[int]]:
    """The values of each port as integers."""
    return [[value - R if value > R // 2 else value for value in port] for port in case.ports]


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


@pytest.fixture(scope="module")
def case() -> Case:
    rng = random.Random("tier")
    return random_case(rng, random_names(rng, 10), pairs=2)


def refused(tier: Tier, case: Case, error: str, **changes: Any) -> None:
    with pytest.raises(ContractRefused, match=error):
        tier.verify(case, **changes)


def test_binds_what_the_statement_names(tier: Tier) -> None:
    """The transcript begins with circuit, key and recipient: a program that draws a challenge notices."""
    case = random_case(random.Random(1), ["SQUEEZE"])
    tier.verify(case)
    for context in ((2, 4, 5), (3, 5, 5), (3, 4, 6), (3, 4, 0)):
        refused(tier, case, "NotZero", context=context)


def test_refuses_other_lengths(tier: Tier, case: Case) -> None:
    size = 7 + 32 * len(case.proof)
    for proof in (b"", bytes(size - 1), bytes(size + 1), bytes(size + 32)):
        refused(tier, case, rf"WrongProofLength\(expected={size}, actual={len(proof)}\)", proof=proof)


def test_refuses_other_inputs_and_outputs(tier: Tier, case: Case) -> None:
    refused(tier, case, "InputCommitmentMismatch", commitment=bytes(32))
    beyond = replace(case, ports=[[8], *case.ports[1:]])
    refused(tier, beyond, r"ValueOutOfBounds\(index=0, value=8, lo=0, hi=7\)")
    beyond = replace(case, ports=[case.ports[0], [0, 256, 0], case.ports[2]])
    refused(tier, beyond, r"ValueOutOfBounds\(index=2, value=256")
    beyond = replace(case, ports=[*case.ports[:2], [0, R - 129, 0]])
    refused(tier, beyond, r"ValueOutOfBounds\(index=1, value=-129")
    refused(tier, case, r"ValueOutOfBounds", output=encode(["int256[]"], [[R - 0, -1, -128]]))
    refused(tier, case, r"WrongElementCount\(expected=3, actual=2\)", output=encode(["int256[]"], [[0, -1]]))
    refused(tier, case, "OutputEncodingMalformed", output=encode(["int256[]"], [[0, -1, -128]]) + b"\0")


def test_refuses_what_is_no_program(tier: Tier, case: Case) -> None:
    nobody = Web3.to_checksum_address("0x" + "77" * 20)
    refused(tier, case, "NotAProgram", accounts=[nobody])
    refused(tier, case, "NotAProgram", accounts=[tier.contract.address])
    header = bytearray(case.program)
    header[9] = 2  # version
    refused(tier, replace(case, program=bytes(header)), "NotAProgram")
    # no part, one too many, values within the program, code behind it, longer than its parts hold
    for position, field in ((10, 0), (10, 2), (12, 20), (20, 1 << 8), (24, 1 << 8), (30, 1)):
        header = bytearray(case.program)
        header[position : position + 2] = field.to_bytes(2, "big")
        refused(tier, replace(case, program=bytes(header)), "ProgramMalformed")
    source = replace(case.source, value_count=8)
    refused(tier, replace(case, program=source.assemble()), "WrongElementCount")


def test_programs_of_several_parts(tier: Tier) -> None:
    case = random_case(random.Random(3), ["SQUEEZE", "DOT", "GATHER"], pairs=1, parts=3)
    others = [b"\0" + part for part in split(case.program)[1:]]
    assert len(others) == 2
    # The hashes of the other parts stand in the first, and are not hashed themselves.
    hashes = b"".join(keccak(part) for part in others)
    program = case.program[:32] + hashes + case.program[32 + len(hashes) :]
    case = replace(case, program=program)
    assert accepted_by_machine(case)
    tier.verify(case)
    accounts = tier.place(program)
    altered = tier.set_code(others[0][:-1] + bytes([others[0][-1] ^ 1]))
    shorter = tier.set_code(others[1] + b"\0")
    refused(tier, case, r"PartMismatch\(part=1", accounts=[accounts[0], accounts[2], accounts[1]])
    refused(tier, case, r"PartMismatch\(part=1", accounts=[accounts[0], altered, accounts[2]])
    refused(tier, case, r"PartMismatch\(part=2", accounts=[accounts[0], accounts[1], shorter])
    packed_and_words = tier.proof_of(case, accounts)
    dirty = b"\1" + packed_and_words[1:]
    refused(tier, case, r"PartMismatch\(part=1", proof=dirty)


def test_points_of_the_proof_are_checked(tier: Tier, case: Case) -> None:
    """Each coordinate of an opened point: altered, not canonical, of a point off the curve."""
    for k in range(1, 7):
        for change in (1, BASE_FIELD, -case.proof[-k]):
            proof = list(case.proof)
            proof[-k] += change
            altered = replace(case, proof=proof)
            assert not accepted_by_machine(altered)
            refused(tier, altered, "OpeningRefused")


def test_running_out_of_gas_reverts(tier: Tier, case: Case) -> None:
    for gas in (100_000, 200_000, 300_000):
        with pytest.raises(Web3Exception):
            tier.verify(case, gas=gas)
    tier.verify(case, gas=5_000_000)
