"""The registry's bindings: commit, register, look up."""

import pytest

from circuits.errors import ChainError, CheckFailed, InputError
from contracts.chain import Chain, ContractRefused
from contracts.deployment import Deployment
from contracts.devchain import Anvil
from contracts.registry import Registration, Registry, TierKey, commitment, new_salt
from tests.contracts.headers import Header, Port

SYSTEM = bytes.fromhex("11223344")


@pytest.fixture
def registration(chain: Chain, deployment: Deployment) -> Registration:
    """One that names the registry itself as a verifier: any contract will do here."""
    plain = Header([Port((1, 8, 8), 0, 255)], [Port((10,), -40_000, 70_000)]).registration()
    key = TierKey.for_verifier(chain, SYSTEM, deployment.registry.address, bytes(range(32)))
    return Registration.of(plain, [key], "ipfs://metadata", bytes(31) + b"\1")


def test_register_and_look_up(chain: Chain, deployment: Deployment, registration: Registration) -> None:
    registry, salt = deployment.registry, new_salt()
    receipt = registry.commit(registration.circuit_id, salt)
    registered = registry.register(registration, salt)
    model = registry.model(registered.model_id)
    assert model.registration == registration
    assert model.circuit_id == registration.circuit_id
    assert chain.signer is not None and model.owner == chain.signer.address
    assert model.committed_block == receipt["blockNumber"] < registered.receipt["blockNumber"]
    digest = commitment(model.owner, model.circuit_id, salt)
    assert registry.commitment_record(digest) == (model.committed_block, model.committed_at)
    assert registry.commitment_record(bytes(32)) is None

    with pytest.raises(ContractRefused, match="ModelAlreadyRegistered"):
        registry.register(registration, salt)
    with pytest.raises(ContractRefused, match="CommitmentNotFound"):
        registry.register(registration, new_salt())
    with pytest.raises(ContractRefused, match="ModelNotFound"):
        registry.model(registered.model_id + 1)


def test_a_commitment_reveals_nothing(deployment: Deployment, registration: Registration) -> None:
    """Of what is sent, only a hash depends on the circuit."""
    salt = new_salt()
    receipt = deployment.registry.commit(registration.circuit_id, salt)
    sent = deployment.registry.chain.web3.eth.get_transaction(receipt["transactionHash"])["input"]
    assert len(sent) == 4 + 32
    assert registration.circuit_id not in sent and salt not in sent


def test_models_of_a_circuit_stand_in_order_of_commitment(anvil: Anvil, deployment: Deployment) -> None:
    """Two owners of one circuit: the second to commit is the first to register."""
    registration = Header([Port((3,), 0, 1)], [Port((1,), 0, 1)]).registration()
    first = Registry(anvil.connect(account=1), deployment.registry.address)
    second = Registry(anvil.connect(account=2), deployment.registry.address)
    first_salt, second_salt = new_salt(), new_salt()
    first.commit(registration.circuit_id, first_salt)
    second.commit(registration.circuit_id, second_salt)
    with pytest.raises(ContractRefused, match="CommitmentNotFound"):
        second.register(registration, first_salt)
    late = second.register(registration, second_salt).model_id
    early = first.register(registration, first_salt).model_id
    assert [model.model_id for model in first.models_of(registration.circuit_id)] == [early, late]
    assert first.models_of(bytes(32)) == []


def test_commitment_in_the_same_block_is_refused(anvil: Anvil, deployment: Deployment) -> None:
    chain = anvil.connect(account=4)
    registry = Registry(chain, deployment.registry.address)
    registration = Header([Port((4,), 0, 1)], [Port((1,), 0, 1)]).registration()
    assert chain.signer is not None
    sender, salt = chain.signer.address, new_salt()
    digest = commitment(sender, registration.circuit_id, salt)
    functions = registry._contract.functions
    calls = [functions.commit(digest), functions.register(registration.as_abi(), salt)]
    nonce = chain.web3.eth.get_transaction_count(sender)
    chain.web3.provider.make_request("evm_setAutomine", [False])
    try:
        hashes = [
            call.transact({"from": sender, "nonce": nonce + i, "gas": 2_000_000})
            for i, call in enumerate(calls)
        ]
        chain.web3.provider.make_request("evm_mine", [])
    finally:
        chain.web3.provider.make_request("evm_setAutomine", [True])
    receipts = [chain.web3.eth.wait_for_transaction_receipt(digest) for digest in hashes]
    assert receipts[0]["blockNumber"] == receipts[1]["blockNumber"]
    assert [receipt["status"] for receipt in receipts] == [1, 0]
    registry.register(registration, salt)  # a block later it succeeds


def test_require_tells_another_registration(deployment: Deployment, registration: Registration) -> None:
    registry, salt = deployment.registry, new_salt()
    changed = Registration.of(registration, registration.tiers, uri="another")
    registry.commit(changed.circuit_id, salt)
    model = registry.model(registry.register(changed, salt).model_id)
    key = registration.tiers[0]
    good = (registration.circuit_id, SYSTEM, key.key_hash, key.code_hash)
    model.require(*good)
    for position, what in ((0, "circuit"), (2, "verifying key"), (3, "verifier's code")):
        with pytest.raises(CheckFailed, match=f"another {what}"):
            model.require(*good[:position], bytes(32), *good[position + 1 :])
    with pytest.raises(ChainError, match="no key for proof system 0x00000000"):
        model.require(registration.circuit_id, bytes(4), key.key_hash, key.code_hash)


def test_refused_registrations_name_the_reason(deployment: Deployment, registration: Registration) -> None:
    registry, salt = deployment.registry, new_salt()
    header = bytearray(registration.header)
    header[9] = 7
    malformed = Registration(bytes(header), bytes(32), bytes(32), bytes(32))
    registry.commit(malformed.circuit_id, salt)
    with pytest.raises(ContractRefused, match=r"HeaderVersionUnknown\(version=7\)"):
        registry.register(malformed, salt)

    other_code = TierKey(SYSTEM, deployment.registry.address, bytes(32), bytes(32))
    altered = Registration.of(registration, [other_code])
    registry.commit(altered.circuit_id, salt)
    with pytest.raises(ContractRefused, match="VerifierCodeMismatch"):
        registry.register(altered, salt)


def test_bad_arguments(chain: Chain, deployment: Deployment) -> None:
    with pytest.raises(InputError, match="32 bytes each, not 31 and 32"):
        commitment(deployment.registry.address, bytes(31), bytes(32))
    nobody = "0x00000000000000000000000000000000000000aa"
    with pytest.raises(ChainError, match="holds no code"):
        TierKey.for_verifier(chain, SYSTEM, nobody, bytes(32))
