"""Claims of which a random share must be proved, on a chain and with real proofs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from eth_hash.auto import keccak

from circuits.errors import ChainError
from contracts.chain import ContractRefused
from contracts.claim_status import ClaimStatus
from contracts.claims import Claim
from contracts.deployment import Deployment
from contracts.devchain import Anvil
from contracts.sampled_tier import SAMPLED_DEVELOPMENT, Lot, SampledTier
from prover.backend import Choices
from tests.contracts.proved_model import Account, ProvedModel, Sample

BOND = 10**16 + 1
PRICE = 10**15
WINDOW = 600
PARAMETERS = replace(SAMPLED_DEVELOPMENT, share=1 << 15)


@pytest.fixture(scope="module")
def model(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> ProvedModel:
    return ProvedModel.on(deployment, tmp_path_factory.mktemp("srs"))


@pytest.fixture(scope="module")
def tier(deployment: Deployment) -> SampledTier:
    registry = deployment.registry
    return SampledTier.deploy(registry.chain, registry, deployment.verifier, PARAMETERS)[0]


@pytest.fixture(scope="module")
def alice(anvil: Anvil) -> Account:
    return Account(anvil.connect(1))


@pytest.fixture(scope="module")
def bob(anvil: Anvil) -> Account:
    return Account(anvil.connect(2))


@pytest.fixture(scope="module")
def sample(model: ProvedModel) -> Sample:
    return model.sample(1)


@pytest.fixture(scope="module", autouse=True)
def enrolled(tier: SampledTier, model: ProvedModel, sample: Sample, alice: Account, bob: Account) -> None:
    """Alice proves that she can; Bob cannot do it with her proof."""
    proof = model.proof(sample, alice.address)
    call = tier.enrol(model.model_id, model.system, 8, PRICE, sample.commitment, sample.output, proof)
    with pytest.raises(ContractRefused, match="NotZero"):
        bob.send(call)
    alice.send(call)


def refused(account: Account, call: object, error: str) -> None:
    with pytest.raises(ContractRefused) as refusal:
        account.send(call)  # type: ignore[arg-type]
    assert refusal.value.revert.name == error


def drawn(tier: SampledTier, claim: Claim, account: Account) -> Lot:
    claim_id = tier.claim_id(claim)
    account.mine(PARAMETERS.lookahead)
    account.send(tier.draw(claim_id, tier.lot_header(claim_id)))
    return tier.state(claim_id).lot


def test_reads(tier: SampledTier, model: ProvedModel, alice: Account, bob: Account) -> None:
    assert tier.parameters() == PARAMETERS
    assert tier.longest(model.model_id, 7) == 7 + PARAMETERS.proof_window
    enrolment = tier.enrolment(alice.address, model.model_id, model.system)
    assert (enrolment.capacity, enrolment.outstanding, enrolment.price) == (8, 0, PRICE)
    assert tier.enrolment(bob.address, model.model_id, model.system).capacity == 0
    assert not tier.source_allowed(alice.address, bob.address)


def test_a_proof_settles(
    tier: SampledTier, model: ProvedModel, sample: Sample, alice: Account, bob: Account
) -> None:
    claim = model.claim(sample, alice.address, BOND, WINDOW)
    claim_id = tier.claim_id(claim)
    before = tier.credit(alice.address)
    alice.send(tier.claim(claim, sample.output, sample.packed))
    state = tier.state(claim_id)
    assert state.status == tier.status(claim_id) == ClaimStatus.PROVISIONAL and state.lot == Lot.OPEN
    assert state.price == PRICE and tier.payer(claim_id) is None
    bob.send(tier.demand(claim, PRICE))
    assert tier.payer(claim_id) == bob.address

    refused(bob, tier.settle(claim, sample.output, model.proof(sample, bob.address)), "NotZero")
    other = model.sample(2)
    refused(bob, tier.settle(claim, other.output, model.proof(other)), "WrongOutputHash")
    bob.send(tier.settle(claim, sample.output, model.proof(sample)))
    assert tier.status(claim_id) == ClaimStatus.FINAL
    assert tier.credit(alice.address) - before == BOND + PRICE
    refused(bob, tier.expire(claim), "ClaimNotProvisional")


def test_no_proof_settles_a_false_claim(
    tier: SampledTier, model: ProvedModel, sample: Sample, alice: Account, bob: Account
) -> None:
    """Whose outputs differ by one in one element, and with the outputs of another input."""
    false = sample.output[:-1] + bytes([sample.output[-1] ^ 1])
    other = model.sample(2)
    proofs = [(false, model.proof(sample)), (other.output, model.proof(other))]
    for bond, (output, proof) in enumerate(proofs, BOND + 1):
        claim = model.claim(sample, alice.address, bond, WINDOW, output=output)
        alice.send(tier.claim(claim, output, sample.packed))
        with pytest.raises(ContractRefused, match=r"NotZero|ValueOutOfBounds|InputCommitmentMismatch"):
            bob.send(tier.settle(claim, output, proof))
        before = tier.credit(bob.address)
        alice.later(WINDOW + PARAMETERS.proof_window)
        refused(bob, tier.settle(claim, output, proof), "ProofTooLate")
        bob.send(tier.expire(claim))
        assert tier.status(tier.claim_id(claim)) == ClaimStatus.REVOKED
        assert tier.credit(bob.address) - before == bond // 2


def test_lots(tier: SampledTier, model: ProvedModel, alice: Account, bob: Account) -> None:
    """As the chain's own headers have it."""
    found: Counter[Lot] = Counter()
    for seed in range(3, 43):
        sample = model.sample(seed)
        claim = model.claim(sample, alice.address, BOND, WINDOW)
        claim_id = tier.claim_id(claim)
        receipt = alice.send(tier.claim(claim, sample.output, sample.packed))
        lot = drawn(tier, claim, bob)
        found[lot] += 1
        posted = alice.chain.web3.eth.get_block(receipt["blockNumber"])
        block = alice.chain.web3.eth.get_block(receipt["blockNumber"] + PARAMETERS.lookahead)
        number = int.from_bytes(keccak(claim_id + bytes(block["mixHash"]) + bytes(posted["hash"])))
        assert (lot == Lot.SELECTED) == (number % 65_536 < PARAMETERS.share)
        if lot == Lot.SPARED:
            refused(bob, tier.finalise(claim), "ClaimPending")
            alice.later(WINDOW)
            bob.send(tier.finalise(claim))
        else:
            refused(bob, tier.demand(claim, PRICE), "ProofDue")
            alice.later(WINDOW)
            refused(bob, tier.finalise(claim), "ProofDue")
            bob.send(tier.settle(claim, sample.output, model.proof(sample)))
        assert tier.status(claim_id) == ClaimStatus.FINAL
        if min(found[Lot.SPARED], found[Lot.SELECTED]) >= 2:
            return
    pytest.fail(f"the lots are {found}")


def test_headers_of_other_blocks(tier: SampledTier, model: ProvedModel, alice: Account, bob: Account) -> None:
    """Only the one header will do, and no sooner than its block is over."""
    sample = model.sample(50)
    claim = model.claim(sample, alice.address, BOND, WINDOW)
    claim_id = tier.claim_id(claim)
    posted = alice.send(tier.claim(claim, sample.output, sample.packed))["blockNumber"]
    with pytest.raises(ChainError, match=f"has no block {posted + 2}"):
        tier.lot_header(claim_id)
    refused(bob, tier.draw(claim_id, bob.chain.header(posted)), "DrawTooEarly")
    bob.mine(3)
    for block in (posted, posted + 1, posted + 3):
        refused(bob, tier.draw(claim_id, bob.chain.header(block)), "WrongHeader")
    bob.send(tier.draw(claim_id, tier.lot_header(claim_id)))
    refused(bob, tier.draw(claim_id, tier.lot_header(claim_id)), "AlreadyDrawn")
    bob.send(tier.settle(claim, sample.output, model.proof(sample)))


def test_money_is_fetched(tier: SampledTier, alice: Account) -> None:
    owed, nobody = tier.credit(alice.address), "0x" + "77" * 20
    assert owed > 0
    alice.send(tier.withdraw(nobody))
    assert alice.chain.web3.eth.get_balance(alice.chain.web3.to_checksum_address(nobody)) == owed
    refused(alice, tier.withdraw(nobody), "NothingToWithdraw")


def test_committed_inputs_never_fit_posted_data(
    deployment: Deployment,
    tier: SampledTier,
    alice: Account,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Their proofs name inputs otherwise, and nothing on a chain shows that it is what was posted."""
    folder = tmp_path_factory.mktemp("committed")
    model = ProvedModel.on(deployment, folder, choices=Choices(commit_inputs=True))
    sample = model.sample(1)
    assert sample.commitment != sample.root
    proof = model.proof(sample, alice.address)
    alice.send(tier.enrol(model.model_id, model.system, 1, 0, sample.commitment, sample.output, proof))
    claim = model.claim(sample, alice.address, BOND, WINDOW)
    alice.send(tier.claim(claim, sample.output, sample.packed))
    refused(alice, tier.settle(claim, sample.output, model.proof(sample)), "InputCommitmentMismatch")


def test_gas(tier: SampledTier, model: ProvedModel, alice: Account, bob: Account) -> None:
    """What transactions cost; of the proof's check only what is above the verifier's is this tier's."""
    sample = model.sample(100)
    spent: dict[str, int] = {}
    for bond in range(BOND, BOND + 40):
        claim = model.claim(sample, alice.address, bond, WINDOW)
        spent["claim"] = alice.send(tier.claim(claim, sample.output, sample.packed))["gasUsed"]
        alice.mine(PARAMETERS.lookahead)
        claim_id = tier.claim_id(claim)
        spent["draw"] = bob.send(tier.draw(claim_id, tier.lot_header(claim_id)))["gasUsed"]
        if tier.state(tier.claim_id(claim)).lot == Lot.SPARED:
            break
        bob.send(tier.settle(claim, sample.output, model.proof(sample)))
    spent["demand"] = bob.send(tier.demand(claim, PRICE))["gasUsed"]
    spent["settle"] = bob.send(tier.settle(claim, sample.output, model.proof(sample)))["gasUsed"]
    print(spent)
    assert spent["claim"] < 95_000 and spent["draw"] < 45_000 and spent["demand"] < 65_000
