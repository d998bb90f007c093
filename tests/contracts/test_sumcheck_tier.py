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
    ROOT,
    Case,
    alter_constant,
    alter_points,
    alter_proof,
    alter_values,
    random_case,
)
from tests.prover.circuits_to_prove import build
from tests.prover.sumcheck.trials import COMMITTED, random_inputs, set_up
from verifier.bn254 import BASE_FIELD
from verifier.bn254 import SCALAR_FIELD as R
from verifier.development_srs import development_head
from verifier.input_commitment import InputCommitment
from verifier.sumcheck.program import record
from verifier.sumcheck.program.encoding import encode as encode_program

HEADER = Header([Port((1,), 0, 7), Port((3,), 0, 255)], [Port((3,), -128, 127)])
LARGE = Header([Port((300, 300), -128, 127)], HEADER.outputs)
"""More inputs than a contract takes, unless they are committed."""
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
        """A case's proof: the further accounts, the inputs in the widths of their ports or what they are
        committed by, the argument."""
        if case.points:
            named = ROOT + encode_words(case.points)
        else:
            named = b"".join(
                value.to_bytes(port.width, "big", signed=True)
                for port, values in zip(HEADER.inputs, signed(case), strict=False)
                for value in values
            )
        names = b"".join(bytes(12) + bytes.fromhex(address[2:]) for address in accounts[1:])
        return names + named + encode_words(case.proof)

    def verify(self, case: Case, **changes: Any) -> None:
        """Call the contract; it raises ContractRefused."""
        accounts = changes.get("accounts") or self.place(case.program)
        header = LARGE if case.points else HEADER
        if case.committed:
            commitment = case.committed.digest.to_bytes(32, "big")
        else:
            commitment = input_commitment(header.inputs, [v for port in signed(case)[:-1] for v in port])
        circuit_id, key_hash, recipient = changes.get("context", CONTEXT)
        statement = (
            circuit_id.to_bytes(32, "big"),
            changes.get("header", header.encode()),
            changes.get("commitment", commitment),
            changes.get("output", encode(["int256[]"], [signed(case)[-1]])),
            Web3.to_checksum_address(recipient.to_bytes(20, "big")),
        )
        key = (SYSTEM, accounts[0], bytes(32), key_hash.to_bytes(32, "big"))
        function = self.contract.functions.verify(
            statement, key, changes.get("proof", self.proof_of(case, accounts))
        )
        if "gas" in changes:
            function.call({"gas": changes["gas"]})
        self.chain.call(function)


def encode_words(words: Sequence[int]) -> bytes:
    """Words as bytes."""
    return b"".join(word.to_bytes(32, "big") for word in words)


def signed(case: Case) -> list[list[int]]:
    """The values of each port as integers."""
    return [[value - R if value > R // 2 else value for value in port] for port in case.ports]


@pytest.fixture(scope="module")
def tier(chain: Chain) -> Tier:
    artifact = load_artifact("SumcheckTier")
    return Tier(chain, chain.contract(chain.deploy(artifact).address, artifact.abi))


def accepted_by_machine(case: Case) -> bool:
    try:
        run(case.program, CONTEXT, case.ports, case.proof, case.committed)
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


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_with_committed_inputs(tier: Tier, seed: int) -> None:
    rng = random.Random(f"committed {seed}")
    names = ["SQUEEZE", *random_names(rng, 10)]
    case = random_case(rng, names, pairs=rng.randrange(3), committed=rng.randrange(1, 4))
    assert accepted_by_machine(case)
    tier.verify(case)
    for alter in (alter_proof, alter_constant, alter_values, alter_points):
        altered = alter(rng, case)
        assert accepted_by_contract(tier, altered) == accepted_by_machine(altered)
    assert not accepted_by_contract(tier, altered)


@pytest.fixture(scope="module")
def committed() -> Case:
    return random_case(random.Random("inputs"), ["SQUEEZE", "DOT"], pairs=1, committed=2)


def test_refuses_what_does_not_make_the_input_commitment(tier: Tier, committed: Case) -> None:
    tier.verify(committed)
    proof = tier.proof_of(committed, tier.place(committed.program))
    for commitment in (bytes(32), ROOT, keccak(encode_words(committed.points))):
        refused(tier, committed, "InputCommitmentMismatch", commitment=commitment)
    for at in (0, 31, 32, 159):  # of the root, of the points
        changed = proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        refused(tier, committed, "InputCommitmentMismatch", proof=changed)
    swapped = proof[:32] + proof[96:160] + proof[32:96] + proof[160:]
    refused(tier, committed, "InputCommitmentMismatch", proof=swapped)


def test_a_proof_with_committed_inputs_has_one_length(tier: Tier, committed: Case) -> None:
    size = 32 + 32 * len(committed.points) + 32 * len(committed.proof)
    proof = tier.proof_of(committed, tier.place(committed.program))
    for other in (
        b"",
        proof[:-1],
        proof[32:],
        proof[64:],
        proof + b"\0",
        proof[:32] + bytes(64) + proof[32:],
    ):
        error = rf"WrongProofLength\(expected={size}, actual={len(other)}\)"
        refused(tier, committed, error, proof=other)


def test_the_program_says_whether_inputs_are_committed(tier: Tier, case: Case, committed: Case) -> None:
    for given, inputs in ((case, 4), (committed, 0), (committed, 2)):
        program = given.program[:28] + inputs.to_bytes(2, "big") + given.program[30:]
        proof = tier.proof_of(given, tier.place(given.program))
        refused(tier, replace(given, program=program), r"WrongProofLength|InputTooLarge", proof=proof)


def test_committed_inputs_beyond_the_public_values(tier: Tier, committed: Case) -> None:
    """What would be written over other words, were it not refused."""
    words = len(committed.points) + len(committed.ports[0])
    program = committed.program[:28] + words.to_bytes(2, "big") + committed.program[30:]
    longer = replace(committed, program=program, proof=committed.proof[:3] + committed.proof)
    refused(tier, longer, rf"WrongElementCount\(expected={words}, actual={words + 3}\)")


def test_committed_points_are_checked(tier: Tier) -> None:
    """The commitment is made of the points as they are: what refuses them is the opening."""
    committed = random_case(random.Random("points"), ["DOT", "EQ"], committed=2)
    tier.verify(committed)
    for k in range(4):
        for change in (1, BASE_FIELD, -committed.points[k]):
            points = list(committed.points)
            points[k] += change
            altered = replace(committed, points=points)
            assert not accepted_by_machine(altered)
            refused(tier, altered, "OpeningRefused")


def test_outputs_are_checked_where_inputs_are_committed(tier: Tier, committed: Case) -> None:
    refused(tier, committed, r"ValueOutOfBounds", output=encode(["int256[]"], [[R - 0, -1, -128]]))
    refused(tier, committed, r"WrongElementCount\(expected=3", output=encode(["int256[]"], [[0, -1]]))
    refused(tier, committed, "NotZero", output=encode(["int256[]"], [[0, -1, -127]]))


@pytest.mark.parametrize("name", ["matmul", "conv", "rescale with ReLU"])
def test_proofs_of_committed_inputs(tier: Tier, name: str) -> None:
    circuit = build(name)
    trial = set_up(circuit, random_inputs(circuit, 1, 7), COMMITTED)
    context = [int.from_bytes(circuit.circuit_id, "big"), 4, 5]
    trial.context = development_head().id + encode_words(context)
    program = encode_program(record(trial.plan), trial.parameters, development_head())
    said = trial.instance.committed
    assert said is not None
    accounts = tier.place(program)
    names = b"".join(bytes(12) + bytes.fromhex(address[2:]) for address in accounts[1:])
    outputs = [value for port in trial.instance.outputs for value in port]
    proof = trial.prove()

    def verify(
        argument: bytes = proof, named: InputCommitment = said, outputs: Sequence[int] = outputs
    ) -> None:
        statement = (
            circuit.circuit_id,
            circuit.header,
            named.digest,
            encode(["int256[]"], [outputs]),
            Web3.to_checksum_address((5).to_bytes(20, "big")),
        )
        key = (SYSTEM, accounts[0], bytes(32), (4).to_bytes(32, "big"))
        tier.chain.call(tier.contract.functions.verify(statement, key, names + named.encode() + argument))

    verify()
    # commitments that name other inputs, or nothing: each makes the commitment that the statement names
    swapped = said.points[64:128] + said.points[:64] + said.points[128:]
    other = set_up(circuit, random_inputs(circuit, 1, 8), COMMITTED).committed
    assert other is not None
    for named in (replace(said, root=bytes(32)), replace(said, points=swapped), other):
        with pytest.raises(ContractRefused, match=r"NotZero|OpeningRefused"):
            verify(named=named)
    with pytest.raises(ContractRefused, match=r"NotZero|ValueOutOfBounds"):
        verify(outputs=[outputs[0] + 1, *outputs[1:]])
    with pytest.raises(ContractRefused):
        verify(proof[:-1] + bytes([proof[-1] ^ 1]))


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
