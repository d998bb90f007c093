"""The watcher on a development chain, from a claim to the money that comes back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from challenger.records import ClaimRow, Progress, Verdict
from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.tensor import IntArray
from circuits.trace import Trace
from contracts.chain import ContractRefused
from contracts.claim_status import ClaimStatus
from contracts.dispute_tier import Turn
from contracts.registry import Registration, new_salt
from tests.challenger.chains import ETHER
from tests.challenger.lies import chain
from tests.challenger.scene import PARAMETERS, Scene


def verdicts(watcher: object) -> set[str | None]:
    from sqlalchemy import select

    with watcher._store.begin() as session:  # type: ignore[attr-defined]
        return set(session.scalars(select(ClaimRow.verdict)))


def test_a_false_claim_falls_and_the_money_comes_back(scene: Scene) -> None:
    before = scene.dev.balance(scene.me)
    claim = scene.post(scene.falsehood())
    with scene.watching() as watcher:
        scene.run(watcher, [claim])
        assert scene.status(claim) is ClaimStatus.REVOKED
        rows = scene.rows(watcher)
        assert [purpose.partition(":")[0] for purpose in rows] == ["open", "choose", "prove", "withdraw"] or {
            purpose.partition(":")[0] for purpose in rows
        } == {"open", "choose", "prove", "withdraw"}
        assert {row.progress for row in rows.values()} == {Progress.SETTLED}
        spent = sum(row.fee or 0 for row in rows.values())
        metrics = watcher._metrics
        assert metrics.value("games", state="won") == 1
        assert metrics.value("claims", verdict="false") == 1
        assert metrics.value("gas_used_total") == sum(row.gas_used or 0 for row in rows.values())
        assert metrics.value("fees_wei_total") == spent
    assert scene.opened() == 1
    assert scene.tier.credit(scene.me) == 0
    gained = scene.dev.balance(scene.me) - before
    assert gained >= claim.bond // 2 - spent
    assert gained <= claim.bond - spent + claim.bond // 2


@pytest.mark.parametrize("record", [0, 1, 2])
def test_a_lie_in_any_layer_is_found(scene: Scene, record: int) -> None:
    claim = scene.post(scene.falsehood(record=record, index=100 * record))
    with scene.watching() as watcher:
        scene.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_a_wrong_output_over_a_right_trace_needs_no_reveal(scene: Scene) -> None:
    lie = scene.truth()
    lie.output[-1] ^= 1
    claim = scene.post(lie)
    with scene.watching() as watcher:
        scene.run(watcher)
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_an_input_that_the_circuit_does_not_admit(scene: Scene) -> None:
    from dataclasses import replace

    from challenger.judge import _input_leaves
    from circuits.merkle import MerkleTree
    from contracts.packing import pack_inputs
    from tests.circuits.random_circuits import random_sample

    lie = scene.truth()
    sample = [array.copy() for array in random_sample(scene.circuit, 0)]
    sample[0].reshape(-1)[7] = 101
    packed = pack_inputs(scene.circuit, sample)
    leaves = _input_leaves(scene.circuit, packed)
    assert leaves is not None
    claim = replace(scene.claim_of(lie, scene.dev.rich), input=MerkleTree.of_leaves(leaves).root)
    scene.send(scene.tier.claim(claim, bytes(lie.output), packed))
    with scene.watching() as watcher:
        scene.run(watcher)
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_a_true_claim_is_left_alone_whatever_its_trace(scene: Scene) -> None:
    honest = scene.post(scene.truth())
    odd = scene.truth(1)
    odd.set(0, 3, 5)
    other = scene.post(odd, seed=1)
    with scene.watching() as watcher:
        scene.run(watcher)
        assert verdicts(watcher) == {Verdict.TRUE} and not scene.rows(watcher)
    assert scene.sent() == 0
    assert {scene.status(honest), scene.status(other)} == {ClaimStatus.PROVISIONAL}


def test_an_asserter_who_does_not_answer_is_expired(scene: Scene) -> None:
    claim = scene.post(scene.falsehood())
    with scene.watching() as watcher:
        scene.run(watcher)
        assert scene.game(claim).turn is Turn.REVEAL
        scene.dev.later(601)
        scene.run(watcher)
    assert scene.status(claim) is ClaimStatus.REVOKED and scene.opened() == 1


def test_own_claims_are_answered_finalised_and_paid(scene: Scene) -> None:
    """Somebody disputes a right claim of the watcher's account, and plays on as long as it can."""
    claim = scene.post(scene.truth(), by=scene.wallet)
    rival = scene.dev.rich
    assert rival.signer is not None
    them = rival.signer.address
    scene.send(scene.tier.open(claim, PARAMETERS.challenger_bond))
    with scene.watching() as watcher:
        for _ in range(12):
            watcher.cycle()
            scene.dev.mine()
            game = scene.game(claim, them)
            if game.turn is Turn.CHOOSE:
                scene.send(scene.tier.choose(scene.id(claim), game.level, game.position, 1))
        assert scene.game(claim, them).turn is Turn.PROVE
        scene.dev.later(3601)  # the rival's time, and the claim's
        scene.run(watcher)
        assert scene.status(claim) is ClaimStatus.FINAL
        kinds = {purpose.partition(":")[0] for purpose in scene.rows(watcher)}
        assert kinds == {"reveal", "expire", "finalise", "withdraw"}
    assert scene.game(claim, them).turn is Turn.CLOSED
    assert scene.tier.credit(scene.me) == 0
    # The bond, and half of the rival's, less gas.
    assert scene.dev.balance(scene.me) > 100 * ETHER


def test_a_game_that_another_challenger_made_pointless_is_closed(scene: Scene) -> None:
    lie = scene.falsehood()
    claim = scene.post(lie)
    with scene.watching() as watcher:
        scene.run(watcher)
        assert scene.game(claim).turn is Turn.REVEAL
        # Another challenger, to whom nobody answers, is quicker.
        rival = scene.dev.wallet()
        assert rival.signer is not None
        scene.send(scene.tier.open(claim, PARAMETERS.challenger_bond), rival)
        scene.answer(claim)
        scene.dev.rpc("evm_increaseTime", 601)
        scene.send(scene.tier.expire(claim, rival.signer.address), rival)
        assert scene.status(claim) is ClaimStatus.REVOKED
        scene.dev.mine(2)
        scene.run(watcher)
        assert scene.game(claim).turn is Turn.CLOSED
        assert any(purpose.startswith("close:") for purpose in scene.rows(watcher))
    assert scene.tier.credit(scene.me) == 0
    assert scene.dev.balance(scene.me) > 99.9 * ETHER


def test_a_share_of_claims_is_checked(scene: Scene) -> None:
    for seed in range(8):
        scene.post(scene.truth(seed), seed=seed)
    with scene.watching(sample=0.5) as watcher:
        watcher._random.random = iter([0.1, 0.9, 0.4, 0.6, 0.2, 0.7, 0.3, 0.8]).__next__  # type: ignore[method-assign]
        scene.run(watcher, cycles=12)
        assert verdicts(watcher) == {Verdict.TRUE, Verdict.NOT_SAMPLED}
        assert watcher._metrics.value("checked_claims_total") == 4
    # They stay what they are after a restart.
    with scene.watching(sample=1.0) as watcher:
        scene.run(watcher)
        assert watcher._metrics.value("checked_claims_total") == 0


def test_a_dry_run_sends_nothing(scene: Scene) -> None:
    claim = scene.post(scene.falsehood())
    with scene.watching(dry_run=True) as watcher:
        scene.run(watcher)
        assert verdicts(watcher) == {Verdict.FALSE} and not scene.rows(watcher)
    assert scene.sent() == 0 and scene.dev.balance(scene.me) == 100 * ETHER
    # What a dry run has found out is still good.
    with scene.watching() as watcher:
        scene.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_an_empty_wallet_opens_no_game(scene: Scene) -> None:
    claim = scene.post(scene.falsehood())
    scene.dev.rpc("anvil_setBalance", scene.me, hex(PARAMETERS.challenger_bond + 10**14))
    with scene.watching() as watcher:
        scene.run(watcher)
        assert scene.sent() == 0 and scene.game(claim).turn is Turn.NONE
        # Money comes, and the claim falls after all.
        scene.dev.rpc("anvil_setBalance", scene.me, hex(ETHER))
        scene.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_claims_about_unknown_models_are_left_alone_until_their_file_is_there(
    scene: Scene, tmp_path: Path
) -> None:
    other = chain(1)
    salt = new_salt()
    registration = Registration.of(other)
    scene.registry.commit(registration.circuit_id, salt)
    model_id = scene.registry.register(registration, salt).model_id
    their = Scene(scene.dev, tmp_path, other, scene.tier, scene.registry, model_id, scene.wallet, scene.start)
    claim = their.post(their.falsehood())
    with scene.watching() as watcher:
        scene.run(watcher)
        assert verdicts(watcher) == {Verdict.MODEL_UNKNOWN}
    other.save(tmp_path / "circuits" / "other.circuit")
    with scene.watching() as watcher:
        their.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED


def test_a_file_that_matches_no_registered_model_is_refused(scene: Scene) -> None:
    chain(4).save(scene.folder / "circuits" / "stranger.circuit")
    with pytest.raises(InputError, match=r"stranger\.circuit is of circuit 0x.*no model of it is registered"):
        scene.watching().__enter__()
    (scene.folder / "circuits" / "stranger.circuit").write_bytes(b"no circuit")
    with pytest.raises(InputError, match=r"stranger\.circuit"):
        scene.watching().__enter__()


def test_a_reorganisation_that_removes_a_claim_and_its_game(scene: Scene) -> None:
    scene.dev.mine(3)
    snapshot = scene.dev.rpc("evm_snapshot")
    claim = scene.post(scene.falsehood())
    with scene.watching() as watcher:
        for _ in range(4):
            watcher.cycle()
            scene.dev.mine()
        assert scene.game(claim).turn is Turn.REVEAL
        nonce = next(iter(scene.rows(watcher).values())).nonce
        scene.dev.rpc("evm_revert", snapshot)
        scene.dev.mine(30)
        scene.dev.rpc("anvil_setBalance", scene.me, hex(100 * ETHER))
        for _ in range(8):
            watcher.cycle()
            scene.dev.mine()
        assert scene.status(claim) is ClaimStatus.NONE
        assert verdicts(watcher) == set()
        assert watcher._metrics.value("reorganisations_total") == 1
        # The opening is refused by now; its nonce must not block what comes later.
        rows = scene.rows(watcher)
        assert {row.progress for row in rows.values()} <= {Progress.CANCELLED, Progress.FAILED, Progress.LOST}
        assert scene.opened() == 0
        # The claim comes again, in another block.
        again = scene.post(scene.falsehood())
        assert scene.id(again) == scene.id(claim)
        scene.run(watcher, [again])
        assert scene.status(again) is ClaimStatus.REVOKED
        assert nonce == 0
    assert scene.opened() == 1


@pytest.mark.parametrize(("cycles", "turn"), [(1, Turn.CHOOSE), (2, Turn.PROVE), (3, Turn.CLOSED)])
def test_a_reorganisation_that_removes_moves_only(scene: Scene, cycles: int, turn: Turn) -> None:
    claim = scene.post(scene.falsehood())
    scene.dev.mine(3)
    with scene.watching() as watcher:
        watcher.cycle()
        snapshot = scene.dev.rpc("evm_snapshot")
        for _ in range(cycles):
            watcher.cycle()
            scene.answer(claim)
            scene.dev.mine()
        assert scene.game(claim).turn is turn
        scene.dev.rpc("evm_revert", snapshot)
        assert scene.game(claim).turn is Turn.NONE
        scene.dev.mine(15)
        scene.run(watcher, [claim], 60)
        assert scene.status(claim) is ClaimStatus.REVOKED
        nonces = [row.nonce for row in scene.rows(watcher).values()]
        assert len(set(nonces)) == len(nonces)
    assert scene.opened() == 1


def test_the_same_on_postgresql(scene: Scene, postgres_database: str) -> None:
    claim = scene.post(scene.falsehood())
    own = scene.post(scene.truth(1), by=scene.wallet, seed=1)
    with scene.watching(database=postgres_database) as watcher:
        for _ in range(4):
            watcher.cycle()
            scene.answer(claim)
            scene.dev.mine()
    with scene.watching(database=postgres_database) as watcher:
        scene.run(watcher, [claim])
        assert scene.status(claim) is ClaimStatus.REVOKED
        scene.dev.later(3601)
        scene.run(watcher)
    assert scene.status(own) is ClaimStatus.FINAL
    assert scene.opened() == 1 and scene.tier.credit(scene.me) == 0


def test_many_claims_at_once(scene: Scene) -> None:
    rng = np.random.default_rng(0)
    claims = []
    for seed in range(6):
        false = seed % 2 == 0
        lie = (
            scene.falsehood(seed, int(rng.integers(3)), int(rng.integers(300)))
            if false
            else scene.truth(seed)
        )
        claims.append((scene.post(lie, seed=seed), false))
    with scene.watching() as watcher:
        scene.run(watcher, [claim for claim, false in claims if false], 80)
    for claim, false in claims:
        assert scene.status(claim) is (ClaimStatus.REVOKED if false else ClaimStatus.PROVISIONAL)
    assert scene.opened() == 3


def test_a_game_opened_by_hand_is_taken_over(scene: Scene) -> None:
    """The account's own game, which the database knows nothing of."""
    claim = scene.post(scene.falsehood())
    scene.send(scene.tier.open(claim, PARAMETERS.challenger_bond), scene.wallet)
    with pytest.raises(ContractRefused):
        scene.send(scene.tier.open(claim, PARAMETERS.challenger_bond), scene.wallet)
    scene.dev.mine(2)
    with scene.watching() as watcher:
        scene.run(watcher, [claim])
    assert scene.status(claim) is ClaimStatus.REVOKED and scene.opened() == 1


def test_a_game_that_waits_costs_no_execution(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """More games than traces are kept, and an asserter who takes its time."""
    executed = []
    execute = Trace.of.__func__  # type: ignore[attr-defined]

    def count(cls: type[Trace], circuit: Circuit, inputs: Sequence[IntArray]) -> Trace:
        executed.append(1)
        found: Trace = execute(cls, circuit, inputs)
        return found

    claims = [scene.post(scene.falsehood(seed), seed=seed) for seed in range(5)]
    with scene.watching() as watcher:
        scene.run(watcher, cycles=12)
        assert all(scene.game(claim).turn is Turn.REVEAL for claim in claims)
        monkeypatch.setattr(Trace, "of", classmethod(count))
        for _ in range(5):
            watcher.cycle()
            scene.dev.mine()
        assert not executed
        monkeypatch.undo()
        scene.run(watcher, claims, 80)
    assert all(scene.status(claim) is ClaimStatus.REVOKED for claim in claims)
