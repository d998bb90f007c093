"""Several endpoints as one chain, each behind a proxy that can lag, stall and lie."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from web3 import Web3
from web3.types import RPCEndpoint

from challenger.endpoint import Fault
from challenger.endpoints import Endpoints, EndpointsDisagree
from circuits.errors import ChainError
from contracts.artifact import Artifact
from contracts.build import compile_solidity
from tests.challenger.chains import ETHER, DevChain, dev_chain
from tests.challenger.proxy import Proxy, far_ahead, no_logs, other_blocks, other_chain


@pytest.fixture(scope="module")
def dev() -> Iterator[DevChain]:
    with dev_chain() as running:
        running.mine(20)
        yield running


@pytest.fixture
def proxies(dev: DevChain) -> Iterator[list[Proxy]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(dev.url)) for _ in range(3)]


class Room:
    def __init__(self, proxies: list[Proxy], count: int, **options: float | int) -> None:
        self.faults: Counter[tuple[str, Fault]] = Counter()
        self.names = [proxy.url.removeprefix("http://") for proxy in proxies]
        options = {"timeout": 1.0, "stopped_after": 1000.0, **options}
        self.endpoints = Endpoints(
            [proxy.url for proxy in proxies[:count]],
            31337,
            observer=lambda name, fault: self.faults.update([(name, fault)]),
            **options,  # type: ignore[arg-type]
        )

    def seen(self, place: int) -> set[Fault]:
        return {fault for name, fault in self.faults if name == self.names[place]}


def test_three_that_agree(dev: DevChain, proxies: list[Proxy]) -> None:
    room = Room(proxies, 3)
    head = room.endpoints.refresh()
    assert head.number == dev.web3.eth.block_number and room.endpoints.healthy == 3 and not room.faults
    chain = room.endpoints.chain(None)
    assert chain.web3.eth.get_balance(dev.web3.eth.accounts[3]) == 10_000 * ETHER
    assert chain.web3.eth.chain_id == 31337


def test_a_lagging_one_of_three_is_noticed_and_not_waited_for(dev: DevChain, proxies: list[Proxy]) -> None:
    room = Room(proxies, 3)
    proxies[1].behind = 5
    assert room.endpoints.refresh().number == dev.web3.eth.block_number
    assert room.endpoints.healthy == 2


def test_of_two_the_slower_one_sets_the_pace_until_it_has_stopped(
    dev: DevChain, proxies: list[Proxy]
) -> None:
    room = Room(proxies, 2, stopped_after=0.2)
    proxies[1].behind = 3
    for _ in range(3):
        dev.mine()
        assert room.endpoints.refresh().number == dev.web3.eth.block_number - 3
        time.sleep(0.15)
    proxies[1].frozen = dev.web3.eth.block_number - 3
    room.endpoints.refresh()
    dev.mine(2)
    time.sleep(0.25)
    assert room.endpoints.refresh().number == dev.web3.eth.block_number
    assert room.seen(1) == {Fault.BEHIND} and not room.seen(0)
    # It catches up.
    proxies[1].frozen, proxies[1].behind = None, 0
    room.endpoints.refresh()
    assert room.endpoints.healthy == 2


@pytest.mark.parametrize("count", [2, 3])
def test_a_stalled_one_is_left_out_and_then_left_alone(
    dev: DevChain, proxies: list[Proxy], count: int
) -> None:
    room = Room(proxies, count)
    proxies[1].stalled = True
    assert room.endpoints.refresh().number == dev.web3.eth.block_number
    assert room.seen(1) == {Fault.STALLED} and not room.seen(0)
    asked = len(proxies[1].asked)
    for _ in range(5):
        room.endpoints.refresh()
    assert len(proxies[1].asked) == asked  # so nobody waited


def test_two_stalled_ones_of_three_are_too_many(proxies: list[Proxy]) -> None:
    room = Room(proxies, 3)
    proxies[0].stalled = proxies[1].stalled = True
    with pytest.raises(EndpointsDisagree, match=r"1 of the endpoints .* 2 are needed: nothing is done"):
        room.endpoints.refresh()


def test_a_broken_one_is_left_out(dev: DevChain, proxies: list[Proxy]) -> None:
    room = Room(proxies, 3)
    proxies[2].broken = True
    assert room.endpoints.refresh().number == dev.web3.eth.block_number
    assert room.seen(2) >= {Fault.FAILING}


def test_one_with_other_blocks_is_outvoted_by_two(dev: DevChain, proxies: list[Proxy]) -> None:
    room = Room(proxies, 3)
    proxies[0].lie = other_blocks
    head = room.endpoints.refresh()
    assert head.hash == bytes(dev.web3.eth.get_block("latest")["hash"])
    assert room.seen(0) == {Fault.OTHER_BLOCK} and room.endpoints.healthy == 2


def test_two_with_different_blocks_stop_everything(proxies: list[Proxy]) -> None:
    room = Room(proxies, 2)
    room.endpoints.refresh()
    proxies[1].lie = other_blocks
    with pytest.raises(EndpointsDisagree, match="have different blocks: nothing is done until they agree"):
        room.endpoints.refresh()
    proxies[1].lie = None
    room.endpoints.refresh()
    assert room.endpoints.healthy == 2


@pytest.mark.parametrize("count", [2, 3])
def test_one_that_pretends_to_be_far_ahead_is_not_followed(
    dev: DevChain, proxies: list[Proxy], count: int
) -> None:
    room = Room(proxies, count)
    proxies[1].lie = far_ahead
    assert room.endpoints.refresh().number == dev.web3.eth.block_number


def test_one_that_hides_events_is_outvoted_by_two(dev: DevChain, proxies: list[Proxy]) -> None:
    contract = dev.rich.deploy(_emitter()).address
    room = Room(proxies, 3)
    web3 = room.endpoints.chain(None).web3
    proxies[0].lie = no_logs
    assert len(web3.eth.get_logs({"address": contract, "fromBlock": 0})) == 1
    assert room.seen(0) == {Fault.OTHER_ANSWER}


def test_of_two_one_that_hides_events_stops_everything(dev: DevChain, proxies: list[Proxy]) -> None:
    contract = dev.rich.deploy(_emitter()).address
    room = Room(proxies, 2)
    web3 = room.endpoints.chain(None).web3
    proxies[1].lie = no_logs
    with pytest.raises(EndpointsDisagree, match="do not agree on eth_getLogs"):
        web3.eth.get_logs({"address": contract, "fromBlock": 0})


def test_no_move_is_given_up_on_the_word_of_one(dev: DevChain, proxies: list[Proxy]) -> None:
    """Whether a contract would refuse has to be agreed on; how much gas it takes has not."""

    def refuse(method: str, params: list[object], reply: dict[str, object]) -> None:
        if method == "eth_estimateGas":
            reply.pop("result")
            reply["error"] = {"code": 3, "message": "execution reverted", "data": "0x12345678"}

    def exaggerate(method: str, params: list[object], reply: dict[str, object]) -> None:
        if method in ("eth_estimateGas", "eth_maxPriorityFeePerGas"):
            reply["result"] = hex(10**15)

    transaction = {"from": dev.web3.eth.accounts[0], "to": dev.web3.eth.accounts[1], "value": 1}
    room = Room(proxies, 2)
    web3 = room.endpoints.chain(None).web3
    proxies[1].lie = refuse
    with pytest.raises(EndpointsDisagree, match="do not agree on eth_estimateGas"):
        web3.eth.estimate_gas(transaction, "pending")  # type: ignore[arg-type]
    room = Room(proxies, 3)
    web3 = room.endpoints.chain(None).web3
    assert web3.eth.estimate_gas(transaction, "pending") == 21000  # type: ignore[arg-type]
    room.endpoints.refresh()
    proxies[1].lie = exaggerate
    assert web3.eth.estimate_gas(transaction, "pending") == 21000  # type: ignore[arg-type]
    assert web3.eth.max_priority_fee < 10**12


def test_two_endpoints_of_one_host_have_two_names(proxies: list[Proxy]) -> None:
    url = proxies[0].url
    room = Endpoints([f"{url}/secret1", f"{url}/secret2"], 31337)
    names = [endpoint.name for endpoint in room._endpoints]
    assert len(set(names)) == 2 and "secret" not in "".join(names)


def test_one_of_another_chain(dev: DevChain, proxies: list[Proxy]) -> None:
    proxies[1].lie = other_chain
    room = Room(proxies, 3)
    assert room.endpoints.refresh().number == dev.web3.eth.block_number
    assert room.seen(1) == {Fault.OTHER_CHAIN}
    with pytest.raises(EndpointsDisagree, match="are not all of chain 31337"):
        Room(proxies, 2).endpoints.refresh()
    with pytest.raises(EndpointsDisagree):
        Room([proxies[1]], 1).endpoints.refresh()


def test_reads_are_of_one_block(dev: DevChain, proxies: list[Proxy]) -> None:
    """What was agreed on stays what is read, though the chain goes on; a receipt from later is none yet."""
    room = Room(proxies, 3)
    web3 = room.endpoints.chain(None).web3
    head = room.endpoints.refresh()
    sender, receiver = dev.web3.eth.accounts[4], "0x" + "42" * 20
    digest = dev.web3.eth.send_transaction({"from": sender, "to": receiver, "value": Web3.to_wei(1, "ether")})
    assert web3.eth.get_balance(Web3.to_checksum_address(receiver)) == 0
    assert web3.eth.get_block("latest")["number"] == head.number
    asked = room.endpoints.make_request(RPCEndpoint("eth_getTransactionReceipt"), [digest.to_0x_hex()])
    assert asked["result"] is None
    room.endpoints.refresh()
    assert web3.eth.get_balance(Web3.to_checksum_address(receiver)) == ETHER
    assert web3.eth.get_transaction_receipt(digest)["status"] == 1


def test_a_transaction_goes_to_all_and_one_that_takes_it_is_enough(
    dev: DevChain, proxies: list[Proxy]
) -> None:
    room = Room(proxies, 3)
    wallet = dev.wallet()
    assert wallet.signer is not None
    web3 = room.endpoints.chain(None).web3
    transaction = {
        "from": wallet.signer.address, "to": wallet.signer.address, "value": 0, "gas": 21000, "nonce": 0,
        "chainId": 31337, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 1,
    }  # fmt: skip
    raw = wallet.signer.sign(wallet.web3, transaction)  # type: ignore[arg-type]
    proxies[0].broken = True
    web3.eth.send_raw_transaction(raw)
    assert all("eth_sendRawTransaction" in proxy.asked for proxy in proxies)
    assert dev.web3.eth.get_transaction_count(wallet.signer.address) == 1
    with pytest.raises(ChainError, match="no endpoint takes the transaction"):
        web3.eth.send_raw_transaction(raw)


def test_secrets_in_urls_show_nowhere(proxies: list[Proxy], capsys: pytest.CaptureFixture[str]) -> None:
    secret = proxies[0].url.replace("http://", "http://user:sesame@") + "/v3/sesame?key=sesame"
    endpoints = Endpoints([secret], 31337, timeout=0.3)
    proxies[0].broken = True
    with pytest.raises(EndpointsDisagree) as caught:
        endpoints.refresh()
    with pytest.raises(ChainError) as other:
        Endpoints(["ftp://user:sesame@host/sesame"], 31337)
    printed = capsys.readouterr()
    assert "sesame" not in str(caught.value) + str(other.value) + printed.out + printed.err


@pytest.mark.parametrize(
    ("urls", "quorum"), [([], None), (["http://a", "http://a"], None), (["http://a"], 2), (["no url"], None)]
)
def test_what_cannot_work_is_refused(urls: list[str], quorum: int | None) -> None:
    with pytest.raises(ChainError):
        Endpoints(urls, 1, quorum=quorum)


def test_answers_that_differ_in_what_does_not_matter_agree(dev: DevChain, proxies: list[Proxy]) -> None:
    """Clients add fields, and spell hexadecimal as they like."""

    def spell(method: str, params: list[object], reply: dict[str, object]) -> None:
        if isinstance(reply.get("result"), dict):
            reply["result"] = {**reply["result"], "extra": 1}  # type: ignore[dict-item]
            reply["result"]["hash"] = str(reply["result"]["hash"]).upper().replace("0X", "0x")

    proxies[1].lie = spell
    room = Room(proxies, 2)
    room.endpoints.refresh()
    assert room.endpoints.healthy == 2 and not room.faults


def _emitter() -> Artifact:
    source = (
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity ^0.8.24;\n"
        "contract Emitter { event Made(); constructor() { emit Made(); } function f() external {} }"
    )
    return compile_solidity(source, "Emitter")
