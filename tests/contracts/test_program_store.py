"""Programs on a chain: where their parts are, what storing them costs, and the layout of proofs."""

import random

import pytest
from eth_hash.auto import keccak

from circuits.errors import BoundError, ChainError, InputError
from contracts.chain import Chain, ContractRefused
from contracts.deployment import Deployment
from contracts.inference import InferenceVerifier
from contracts.registry import Registration, new_salt
from contracts.sumcheck_tier import (
    PROOF_SYSTEM,
    SumcheckTier,
    encode_proof,
    pack_inputs,
    program_code_hash,
)
from tests.contracts.headers import Header, Port
from verifier.circuit_header import parse_header
from verifier.sumcheck.program.encoding import PART_BYTES

HEADER = Header([Port((2,), 0, 100), Port((1, 1), -1000, 1000)], [Port((2,), -10, 10)])


def some_program(length: int, seed: int) -> bytes:
    """Bytes to store, which the store does not look at."""
    return random.Random(seed).randbytes(length)


@pytest.fixture(scope="module")
def tier(chain: Chain, deployment: Deployment) -> SumcheckTier:
    address = deployment.verifier.tier(PROOF_SYSTEM)
    assert address == deployment.transactions["SumcheckTier"].address
    return SumcheckTier(chain, address)


@pytest.mark.parametrize("length", [1, 4000, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 500])
def test_a_program_is_where_it_was_known_to_be(tier: SumcheckTier, length: int) -> None:
    program = some_program(length, seed=length)
    accounts, steps = tier.accounts_of(program), []
    assert not any(map(tier.chain.code, accounts))
    stored = tier.store(program, steps.append)
    assert stored.accounts == accounts and len(steps) == len(accounts)
    assert steps[0].startswith(f"storing part 1 of {len(accounts)} of the model's program")
    codes = list(map(tier.chain.code, accounts))
    assert all(code[0] == 0 for code in codes)
    assert b"".join(code[1:] for code in codes) == program
    assert keccak(codes[0]) == program_code_hash(program)
    assert 200 * length < stored.gas < 230 * length + 100_000 * len(accounts)
    assert stored.cost > stored.gas

    again = tier.store(program)
    assert again == type(again)(accounts, 0, 0)


def test_what_was_not_stored_yet_is_stored(tier: SumcheckTier) -> None:
    """As after a transaction that failed halfway."""
    program = some_program(PART_BYTES + 700, seed=2)
    first = tier.store(program[:PART_BYTES])
    rest = tier.store(program)
    assert rest.accounts[0] == first.accounts[0] and rest.gas < first.gas / 10


def test_a_part_that_is_too_long_is_refused(tier: SumcheckTier) -> None:
    call = tier._contract.functions.store(bytes(PART_BYTES + 1))
    with pytest.raises(ContractRefused, match="RecordTooLarge"):
        tier.chain.call(call)


def test_an_endpoint_that_lies(tier: SumcheckTier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tier.chain, "code", lambda address: b"\0another")
    with pytest.raises(ChainError, match="is the endpoint honest"):
        tier.store(some_program(100, seed=3))


def test_a_program_can_be_registered_once_it_is_stored(tier: SumcheckTier, deployment: Deployment) -> None:
    program = some_program(900, seed=4)
    key = tier.key_of(program, keccak(b"key"))
    plain = HEADER.registration()
    parts = (plain.header, plain.ops_root, plain.weights_root, plain.scales_hash)
    registration, salt = Registration(*parts, tiers=(key,)), new_salt()
    deployment.registry.commit(registration.circuit_id, salt)
    with pytest.raises(ContractRefused, match="VerifierWithoutCode"):
        deployment.registry.register(registration, salt)
    tier.store(program)
    model_id = deployment.registry.register(registration, salt).model_id
    model = deployment.registry.model(model_id)
    assert model.registration.tiers == (key,)
    model.require(registration.circuit_id, PROOF_SYSTEM, keccak(b"key"), program_code_hash(program))
    # What is no program is no verdict on a proof.
    with pytest.raises(ContractRefused, match="NotAProgram"):
        deployment.verifier.verify(model_id, bytes(32), [0, 0], PROOF_SYSTEM)


def test_a_verifier_without_the_tier(chain: Chain, deployment: Deployment) -> None:
    verifier, _ = InferenceVerifier.deploy(chain, deployment.registry, [])
    assert verifier.tier(PROOF_SYSTEM) is None


def test_no_tier_at_an_address(chain: Chain) -> None:
    with pytest.raises(ChainError, match="no sumcheck tier at"):
        SumcheckTier(chain, "0x" + "12" * 20)


def test_the_layout_of_a_proof() -> None:
    packed = pack_inputs(parse_header(HEADER.encode()), [1, 100, -2])
    accounts = ["0x" + "ab" * 20, "0x" + "cd" * 20]
    proof = encode_proof(accounts, packed, b"argument")
    words = bytes(12) + b"\xab" * 20 + bytes(12) + b"\xcd" * 20
    assert proof == PROOF_SYSTEM + words + b"\x01\x64\xff\xfe" + b"argument"
    assert encode_proof([], bytes(4), b"") == PROOF_SYSTEM + bytes(4)


def test_inputs_that_have_no_encoding() -> None:
    header = parse_header(HEADER.encode())
    for inputs in ([1, 2], [1, 2, 3, 4]):
        with pytest.raises(BoundError, match="but the circuit has 3"):
            pack_inputs(header, inputs)
    for inputs in ([128, 0, 0], [0, 0, -40_000]):
        with pytest.raises(InputError, match="does not fit the width"):
            pack_inputs(header, inputs)
