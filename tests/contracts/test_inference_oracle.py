"""Requests for inferences on a chain: answered by real proofs, and by claims in the real tiers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from circuits.trace import Trace
from contracts.chain import ContractRefused
from contracts.claim_status import ClaimStatus
from contracts.claim_tier import Call
from contracts.deployment import Deployment
from contracts.devchain import Anvil
from contracts.dispute_tier import DEVELOPMENT, DisputeTier, deploy_one_step
from contracts.inference_oracle import (
    ORACLE_DEVELOPMENT,
    InferenceOracle,
    Request,
    RequestState,
    distinct_bond,
)
from contracts.sampled_tier import SAMPLED_DEVELOPMENT, SampledTier
from tests.contracts.proved_model import Account, ProvedModel, Sample

BOUNTY = 10**17
BOND = 10**16
WINDOW = 60


@dataclass
class Market:
    """An oracle over both tiers, and who uses it."""

    model: ProvedModel
    disputes: DisputeTier
    sampled: SampledTier
    oracle: InferenceOracle
    consumer: Account
    alice: Account
    bob: Account

    def request(self, sample: Sample, tier: str | None = None, posted: bool = True, **terms: int) -> bytes:
        """The consumer asks about a sample, for a proof or for a claim in a tier."""
        block = self.consumer.chain.web3.eth.get_block("latest")
        claim = {"tier": tier, "min_bond": BOND, "window": WINDOW} if tier else {}
        request = Request(
            model_id=self.model.model_id,
            input=bytes(32) if posted else sample.root,
            deadline=block["timestamp"] + 3600,
            proof_system=self.model.system,
            **(claim | terms),  # type: ignore[arg-type]
        )
        data, uri = (sample.packed, "") if posted else (b"", "ipfs://sample")
        receipt = self.consumer.send(self.oracle.request(request, BOUNTY, data, uri))
        (request_id,) = self.oracle.requested(receipt)
        return request_id


@pytest.fixture(scope="module")
def market(anvil: Anvil, deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Market:
    model = ProvedModel.on(deployment, tmp_path_factory.mktemp("srs"))
    registry, verifier = deployment.registry, deployment.verifier
    chain = registry.chain
    disputes, _ = DisputeTier.deploy(chain, registry, verifier, deploy_one_step(chain).address, DEVELOPMENT)
    sampled, _ = SampledTier.deploy(chain, registry, verifier, SAMPLED_DEVELOPMENT)
    tiers = (disputes.address, sampled.address)
    oracle, _ = InferenceOracle.deploy(chain, registry, verifier, tiers, ORACLE_DEVELOPMENT)
    consumer, alice, bob = (Account(anvil.connect(number)) for number in (1, 2, 3))
    return Market(model, disputes, sampled, oracle, consumer, alice, bob)


@pytest.fixture(scope="module")
def sample(market: Market) -> Sample:
    return market.model.sample(1)


def refused(account: Account, call: Call, error: str) -> None:
    with pytest.raises(ContractRefused) as refusal:
        account.send(call)
    assert refusal.value.revert.name == error


def test_reads(market: Market, sample: Sample) -> None:
    oracle = market.oracle
    assert oracle.parameters() == ORACLE_DEVELOPMENT
    assert oracle.is_tier(market.disputes.address) and not oracle.is_tier(oracle.address)
    request_id = market.request(sample, market.disputes.address, callback_gas=10**5)
    record = oracle.record(request_id)
    assert (record.state, record.asserter, record.bounty) == (RequestState.OPEN, None, BOUNTY)
    assert record.consumer == market.consumer.address and record.request.input == sample.root
    assert record.request.window == WINDOW and record.request.proof_system == market.model.system
    assert request_id in oracle.request_ids() and oracle.input_data(sample.root) == sample.packed
    assert oracle.input_uri(sample.root) is None and oracle.input_data(bytes(32)) is None
    located = market.request(sample, market.disputes.address, posted=False)
    assert oracle.record(located).request.input == sample.root
    assert oracle.input_uri(sample.root) == "ipfs://sample"
    before = oracle.credit(market.consumer.address)
    market.consumer.send(oracle.cancel(located))
    assert oracle.credit(market.consumer.address) - before == BOUNTY


def test_a_proof_answers(market: Market, sample: Sample) -> None:
    """It is paid to whom it was made for, whoever has seen it."""
    oracle, model, alice, bob = market.oracle, market.model, market.alice, market.bob
    request_id = market.request(sample, callback_gas=10**5)
    proof = model.proof(sample, alice.address)
    for copied in (proof, model.proof(sample)):
        refused(bob, oracle.fulfil(request_id, sample.output, copied), "NotZero")
    false = sample.output[:-1] + bytes([sample.output[-1] ^ 1])
    with pytest.raises(ContractRefused):
        alice.send(oracle.fulfil(request_id, false, proof))
    before = oracle.credit(alice.address)
    receipt = alice.send(oracle.fulfil(request_id, sample.output, proof))
    assert oracle.credit(alice.address) - before == BOUNTY
    # The consumer is an account without code: calling it does nothing, and goes through.
    assert oracle.consumers_called(receipt) == [(request_id, ClaimStatus.FINAL, True)]
    assert oracle.result(request_id).status == ClaimStatus.FINAL
    assert oracle.status_of_output(request_id, sample.output) == ClaimStatus.FINAL
    assert oracle.status_of_output(request_id, false) == ClaimStatus.NONE
    refused(alice, oracle.fulfil(request_id, sample.output, proof), "NotInThisState")


def test_a_claim_answers_in_the_dispute_tier(market: Market, sample: Sample) -> None:
    oracle, disputes, alice, bob = market.oracle, market.disputes, market.alice, market.bob
    request_id = market.request(sample, disputes.address)
    bond = distinct_bond(BOND)
    alice.send(oracle.accept(request_id, bond))
    refused(bob, oracle.answer(request_id, sample.output, sample.trace), "NotTheAsserter")
    alice.send(oracle.answer(request_id, sample.output, sample.trace))
    claim = oracle.record(request_id).claim(oracle.address, sample.trace, sample.output)
    claim_id = disputes.claim_id(claim)
    assert oracle.result(request_id) == (ClaimStatus.PROVISIONAL, claim.output_hash, claim_id)
    refused(bob, oracle.conclude(request_id, sample.output), "ClaimNotResolved")
    alice.later(WINDOW)
    bob.send(disputes.finalise(claim))
    assert oracle.result(request_id).status == ClaimStatus.FINAL
    before = oracle.credit(alice.address)
    bob.send(oracle.conclude(request_id))
    assert oracle.credit(alice.address) - before == BOUNTY and disputes.credit(alice.address) >= bond


def test_a_false_claim_falls_and_the_request_is_open_again(market: Market, sample: Sample) -> None:
    """Its asserter never reveals anything: the challenger's game expires. Another then answers by a claim
    that a proof settles."""
    oracle, disputes, alice, bob = market.oracle, market.disputes, market.alice, market.bob
    request_id = market.request(sample, disputes.address)
    false = sample.output[:-1] + bytes([sample.output[-1] ^ 1])
    alice.send(oracle.accept(request_id, distinct_bond(BOND)))
    alice.send(oracle.answer(request_id, false, sample.trace))
    claim = oracle.record(request_id).claim(oracle.address, sample.trace, false)
    bob.send(disputes.open(claim, DEVELOPMENT.challenger_bond))
    alice.later(DEVELOPMENT.asserter_time + 1)
    bob.send(disputes.expire(claim, bob.address))
    assert oracle.result(request_id).status == ClaimStatus.REVOKED
    before = oracle.credit(alice.address)
    bob.send(oracle.conclude(request_id))
    assert oracle.credit(alice.address) == before
    assert oracle.record(request_id).state == RequestState.OPEN

    bob.send(oracle.accept(request_id, distinct_bond(BOND)))
    bob.send(oracle.answer(request_id, sample.output, sample.trace))
    claim = oracle.record(request_id).claim(oracle.address, sample.trace, sample.output)
    alice.send(disputes.settle(claim, sample.output, market.model.proof(sample)))
    alice.send(oracle.conclude(request_id))
    assert oracle.credit(bob.address) == BOUNTY
    bob.send(oracle.withdraw(bob.address))
    assert oracle.credit(bob.address) == 0


def test_a_claim_answers_in_the_sampled_tier(market: Market, sample: Sample) -> None:
    oracle, sampled, model, alice, bob = (
        market.oracle,
        market.sampled,
        market.model,
        market.alice,
        market.bob,
    )
    proof = model.proof(sample, alice.address)
    alice.send(sampled.enrol(model.model_id, model.system, 2, 0, sample.commitment, sample.output, proof))
    request_id = market.request(sample, sampled.address)
    alice.send(oracle.accept(request_id, distinct_bond(BOND)))
    refused(alice, oracle.answer(request_id, sample.output), "SourceNotAllowed")
    alice.send(sampled.allow_source(oracle.address))
    assert sampled.source_allowed(alice.address, oracle.address)
    alice.send(oracle.answer(request_id, sample.output))
    claim = oracle.record(request_id).claim(oracle.address, bytes(32), sample.output)
    bob.send(sampled.settle(claim, sample.output, model.proof(sample)))
    before = oracle.credit(alice.address)
    bob.send(oracle.conclude(request_id))
    assert oracle.credit(alice.address) - before == BOUNTY


def test_who_does_not_answer_pays(market: Market, sample: Sample) -> None:
    oracle, alice, bob = market.oracle, market.alice, market.bob
    request_id = market.request(sample, market.disputes.address)
    alice.send(oracle.accept(request_id, BOND))
    refused(bob, oracle.reopen(request_id), "LockNotOver")
    alice.later(ORACLE_DEVELOPMENT.answer_time)
    refused(alice, oracle.answer(request_id, sample.output, sample.trace), "AnswerTooLate")
    owed = [oracle.credit(account.address) for account in (alice, market.consumer)]
    bob.send(oracle.reopen(request_id))
    assert oracle.credit(alice.address) - owed[0] == BOND - BOND // 8
    assert oracle.credit(market.consumer.address) - owed[1] == BOND // 8
    alice.later(3600)
    bob.send(oracle.cancel(request_id))
    assert oracle.credit(market.consumer.address) - owed[1] == BOND // 8 + BOUNTY


def test_gas(market: Market) -> None:
    """What transactions cost that call no consumer; the claim's share of an answer is the tier's."""
    oracle, disputes, alice, sample = market.oracle, market.disputes, market.alice, market.model.sample(7)
    spent: dict[str, int] = {}
    request = Request(
        market.model.model_id,
        bytes(32),
        alice.chain.web3.eth.get_block("latest")["timestamp"] + 3600,
        disputes.address,
        market.model.system,
        BOND,
        WINDOW,
    )
    for what in ("first request", "request"):
        receipt = alice.send(oracle.request(request, BOUNTY, sample.packed))
        spent[what] = receipt["gasUsed"]
    (request_id,) = oracle.requested(receipt)
    spent["accept"] = alice.send(oracle.accept(request_id, BOND))["gasUsed"]
    spent["answer"] = alice.send(oracle.answer(request_id, sample.output, sample.trace))["gasUsed"]
    claim = oracle.record(request_id).claim(oracle.address, sample.trace, sample.output)
    alice.later(WINDOW)
    alice.send(disputes.finalise(claim))
    spent["conclude"] = alice.send(oracle.conclude(request_id))["gasUsed"]
    request_id = market.request(sample)
    proof = market.model.proof(sample, alice.address)
    spent["fulfil"] = alice.send(oracle.fulfil(request_id, sample.output, proof))["gasUsed"]
    check = market.model.deployment.verifier.verify(
        market.model.model_id,
        sample.root,
        [int(x) for x in Trace.of(market.model.circuit, sample.inputs).outputs[0].reshape(-1)],
        proof,
        alice.address,
    )
    spent["of which the proof"] = check.gas
    print(spent)
    assert spent["request"] < 220_000 and spent["accept"] < 75_000 and spent["conclude"] < 80_000
