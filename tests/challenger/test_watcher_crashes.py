"""`kill -9` of the watcher at random points of its disputes: nothing is lost, and no bond is spent twice."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from challenger.records import Progress
from contracts.chain import cost_of
from contracts.claim_status import ClaimStatus
from contracts.claims import Claim
from tests.challenger.chains import ETHER
from tests.challenger.scene import PARAMETERS, Scene, watch_process


def live_through(scene: Scene, kills: int, database: str, seed: int) -> None:
    """Post false claims, and one of the account's own, while the watcher is killed so many times."""
    rng = random.Random(seed)
    setup, log = scene.setup(database=database), scene.folder / "log"
    own = scene.post(scene.truth(), by=scene.wallet)
    assert scene.wallet.signer is not None
    scene.send(scene.tier.open(own, PARAMETERS.challenger_bond))  # groundless; the watcher must answer
    rival = scene.dev.rich.signer
    assert rival is not None
    before, first_nonce = scene.dev.balance(scene.me), scene.sent()
    claims: list[Claim] = []
    done = killed = 0
    process = watch_process(setup, log)
    until = time.monotonic() + rng.uniform(0.05, 0.8)
    end = time.monotonic() + 60 + 4 * kills
    while killed < kills or done < len(claims) or len(claims) < 2:
        assert time.monotonic() < end, log.read_text()[-3000:]
        done = sum(scene.status(claim) is ClaimStatus.REVOKED for claim in claims)
        if len(claims) - done < 2 and (killed < kills or len(claims) < 2):
            claims.append(scene.post(scene.falsehood(len(claims), len(claims) % 3), seed=len(claims)))
        for claim in claims:
            scene.answer(claim)
        scene.dev.mine()
        if killed < kills and time.monotonic() > until:
            process.kill()
            process.join()
            killed += 1
        if not process.is_alive():  # killed, or refused because the lock of the last one was still there
            process.close()
            process = watch_process(setup, log)
            until = time.monotonic() + rng.uniform(0.05, 0.8)
        time.sleep(0.01)
    process.terminate()
    process.join(20)
    assert process.exitcode == 0
    # The groundless challenger stops: it is expired, and what the watcher is owed is fetched.
    scene.dev.later(3601)
    with scene.watching(database=database) as watcher:
        scene.run(watcher)
        rows = scene.rows(watcher)
        hashes = {variant.hash for variant in scene.variants(watcher)}
    assert scene.status(own) is ClaimStatus.FINAL
    assert {row.progress for row in rows.values()} <= {Progress.SETTLED, Progress.CANCELLED}
    # Every bond once.
    assert scene.opened() == len(claims)
    # Whatever the account has sent is written down, and was accepted.
    block: Any = scene.dev.web3.eth.get_block
    mine = [
        transaction
        for number in range(scene.dev.web3.eth.block_number + 1)
        for transaction in block(number, True)["transactions"]
        if transaction["from"] == scene.me and transaction["nonce"] >= first_nonce
    ]
    assert {bytes(transaction["hash"]) for transaction in mine} <= hashes
    lookup = scene.dev.web3.eth.get_transaction_receipt
    receipts = [lookup(transaction["hash"]) for transaction in mine]
    assert all(receipt["status"] == 1 for receipt in receipts)
    bonds = [transaction["value"] for transaction in mine if transaction["value"]]
    assert bonds == [PARAMETERS.challenger_bond] * len(claims)
    # Every wei: the own bond, half of the rival's, half of each false claim's, and refunds of gas.
    fees = sum(map(cost_of, receipts))
    refunds = sum(getattr(event, "refund", 0) for event in scene.events())
    won = len(claims) * (ETHER // 2) + ETHER + PARAMETERS.challenger_bond // 2
    assert scene.tier.credit(scene.me) == 0
    assert scene.dev.balance(scene.me) - before == won + refunds - fees
    # Nothing secret was logged.
    text = log.read_text()
    assert "5eed" not in text.lower() and all(json.loads(line) for line in text.splitlines())


def test_killed_a_few_times(scene: Scene) -> None:
    live_through(scene, 8, str(scene.folder / "watcher.db"), seed=1)


def test_killed_a_few_times_on_postgresql(scene: Scene, postgres_database: str) -> None:
    live_through(scene, 4, postgres_database, seed=2)


@pytest.mark.long
@pytest.mark.parametrize("seed", [3, 4])
def test_killed_fifty_times(scene: Scene, seed: int) -> None:
    live_through(scene, 50, str(scene.folder / "watcher.db"), seed)


@pytest.mark.long
def test_killed_fifty_times_on_postgresql(scene: Scene, postgres_database: str) -> None:
    live_through(scene, 50, postgres_database, seed=5)
