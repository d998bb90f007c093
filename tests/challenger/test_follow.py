"""Following a tier's events: in batches, twice, and through re-organisations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from challenger.endpoints import Endpoints
from challenger.follow import Followed, Follower
from challenger.records import BlockRow, ClaimRow, GameRow, InputRow, Standing
from challenger.store import Store
from contracts.dispute_tier import DisputeTier
from tests.challenger.chains import open_store
from tests.challenger.proxy import Proxy, Reply
from tests.challenger.scene import PARAMETERS, Scene


class Room:
    """A follower behind a proxy."""

    def __init__(
        self, scene: Scene, proxy: Proxy, store: Store, confirmations: int = 0, start: int = 0
    ) -> None:
        self.scene, self.proxy, self.store = scene, proxy, store
        self.endpoints = Endpoints([proxy.url], 31337)
        chain = self.endpoints.chain(None)
        tier = DisputeTier(chain, scene.tier.address)
        self.follower = Follower(chain, tier, store, start, confirmations)

    def follow(self) -> Followed:
        return self.follower.follow(self.endpoints.refresh())

    def counts(self) -> tuple[int, int, int]:
        with self.store.begin() as session:
            tables = (ClaimRow, InputRow, GameRow)
            claims, inputs, games = (session.scalar(select(func.count()).select_from(t)) or 0 for t in tables)
        return claims, inputs, games


@pytest.fixture
def proxy(scene: Scene) -> Iterator[Proxy]:
    with Proxy(scene.dev.url) as running:
        yield running


@pytest.fixture
def room(scene: Scene, proxy: Proxy) -> Iterator[Room]:
    store = open_store(scene.folder, scene.wallet, scene.tier.address)
    yield Room(scene, proxy, store)
    store.close()


def narrow(most: int) -> Any:
    """Refuse to search more than so many blocks, as public endpoints do."""

    def lie(method: str, params: list[Any], reply: Reply) -> None:
        if method == "eth_getLogs":
            first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
            if last - first + 1 > most:
                reply.pop("result", None)
                reply["error"] = {"code": -32005, "message": f"query exceeds max block range {most}"}

    return lie


def post_two(scene: Scene) -> None:
    scene.post(scene.falsehood())
    scene.dev.mine(7)
    claim = scene.post(scene.truth(1), seed=1)
    scene.send(scene.tier.open(claim, PARAMETERS.challenger_bond))


def test_events_are_taken_in_once(room: Room) -> None:
    post_two(room.scene)
    head = room.scene.dev.web3.eth.block_number
    assert room.follow() == Followed(head) and room.counts() == (2, 2, 1)
    assert room.follow() == Followed(head) and room.counts() == (2, 2, 1)
    # The same blocks again, as after a restore of an older database.
    with room.store.begin() as session:
        session.execute(delete(BlockRow))
    assert room.follow() == Followed(head) and room.counts() == (2, 2, 1)


@pytest.mark.parametrize("most", [1, 3])
def test_batches_shrink_to_what_an_endpoint_allows(room: Room, most: int) -> None:
    post_two(room.scene)
    room.proxy.lie = narrow(most)
    assert room.follow().block == room.scene.dev.web3.eth.block_number
    assert room.counts() == (2, 2, 1)


def test_blocks_without_enough_confirmations_wait(scene: Scene, proxy: Proxy) -> None:
    store = open_store(scene.folder, scene.wallet, scene.tier.address)
    room = Room(scene, proxy, store, confirmations=3)
    post_two(scene)
    room.follow()
    assert room.counts() == (1, 1, 0)
    scene.dev.mine(3)
    room.follow()
    assert room.counts() == (2, 2, 1)
    store.close()


def test_what_came_before_the_first_block_of_interest_is_no_concern(scene: Scene, proxy: Proxy) -> None:
    store = open_store(scene.folder, scene.wallet, scene.tier.address)
    claim = scene.post(scene.falsehood())
    room = Room(scene, proxy, store, start=scene.dev.web3.eth.block_number + 1)
    scene.send(scene.tier.open(claim, PARAMETERS.challenger_bond))
    scene.answer(claim, scene.dev.web3.eth.accounts[0])
    room.follow()
    assert room.counts() == (0, 0, 0)
    store.close()


def test_a_reorganisation_is_followed_back_to_its_fork(room: Room) -> None:
    scene = room.scene
    first = scene.post(scene.falsehood())
    room.follow()
    fork = scene.dev.web3.eth.block_number
    snapshot = scene.dev.rpc("evm_snapshot")
    scene.dev.mine(2)
    scene.send(scene.tier.open(first, PARAMETERS.challenger_bond))
    scene.dev.later(601)
    scene.send(scene.tier.expire(first, scene.dev.web3.eth.accounts[0]))
    scene.post(scene.truth(1), seed=1)
    room.follow()
    with room.store.begin() as session:
        assert {row.standing for row in session.scalars(select(ClaimRow))} == {
            Standing.REVOKED,
            Standing.PROVISIONAL,
        }
    scene.dev.rpc("evm_revert", snapshot)
    # For a moment the chain is shorter than what was followed.
    assert room.follow().fork is None
    scene.dev.mine(30)
    assert room.follow() == Followed(scene.dev.web3.eth.block_number, fork)
    assert room.counts() == (1, 1, 0)
    with room.store.begin() as session:
        assert [row.standing for row in session.scalars(select(ClaimRow))] == [Standing.PROVISIONAL]


def test_a_chain_of_which_no_block_is_left_is_followed_from_the_start(scene: Scene, proxy: Proxy) -> None:
    store = open_store(scene.folder, scene.wallet, scene.tier.address)
    start = scene.dev.web3.eth.block_number + 1
    snapshot = scene.dev.rpc("evm_snapshot")
    room = Room(scene, proxy, store, start=start)
    scene.post(scene.falsehood())
    room.follow()
    scene.dev.rpc("evm_revert", snapshot)
    scene.dev.mine(9)
    assert room.follow() == Followed(scene.dev.web3.eth.block_number, start - 1)
    assert room.counts() == (0, 0, 0)
    store.close()
