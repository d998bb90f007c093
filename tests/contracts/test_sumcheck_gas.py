"""With less gas than a check takes the sumcheck tier never accepts, wherever in the check the gas ends.

A precompile that has too little gas fails like one that is given no point, and leaves 1/64 of the gas to what
follows: a check that missed the failure could come to its end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.chain import Chain
from contracts.devchain import Anvil
from contracts.solc import compile_solidity
from tests.contracts.sumcheck_calls import GAS, Tier
from tests.contracts.sumcheck_cases import Case, long_case, small_case

CALLER = """
contract Caller {
    function limited(address to, uint256 gas_, bytes calldata data) external view returns (bool accepted) {
        (accepted,) = to.staticcall{gas: gas_}(data);
    }

    function unlimited(address to, uint256, bytes calldata data) external view returns (bool accepted) {
        (accepted,) = to.staticcall(data);
    }
}
"""
OPENING = 200_000
"""What the pairing check and the multiplications before it take: the end of every check."""

Tried = Callable[[Sequence[int]], list[bool]]
"""Whether the tier accepts an honest proof with each of these amounts of gas."""


@pytest.fixture(scope="module")
def tier(chain: Chain, anvil: Anvil) -> Tier:
    return Tier(chain, anvil.url)


@pytest.fixture(scope="module")
def caller(chain: Chain) -> str:
    """A contract that hands a call on."""
    return chain.deploy(compile_solidity(CALLER, "Caller")).address


@pytest.fixture(
    params=["one part", pytest.param("several parts", marks=pytest.mark.fuzz)],
    scope="module",
)
def case(request: pytest.FixtureRequest, tier: Tier) -> Case:
    return {"one part": small_case, "several parts": long_case}[request.param](random.Random(3), tier)


def directly(tier: Tier, case: Case) -> Tried:
    """Calls with so much gas in all."""

    def tried(amounts: Sequence[int]) -> list[bool]:
        calls = [(case.honest.data, gas, {}) for gas in amounts]
        return [answer.get("result") == "0x" for answer in tier.answers(calls)]

    return tried


def by(caller: str, tier: Tier, case: Case, limited: bool) -> Tried:
    """Calls by a contract: with so much gas for the tier's call, or for both, of which it keeps 1/64."""

    def tried(amounts: Sequence[int]) -> list[bool]:
        name = "limited" if limited else "unlimited"
        selector = keccak(f"{name}(address,uint256,bytes)".encode())[:4]
        calls = []
        for gas in amounts:
            # an amount in the calldata of calls without a limit would change what they cost by themselves
            limit = gas if limited else 0
            data = selector + encode(["address", "uint256", "bytes"], [tier.address, limit, case.honest.data])
            calls.append((data, GAS if limited else gas, {}))
        answers = [answer.get("result") for answer in tier.answers(calls, to=caller)]
        assert not limited or all(answers)  # the caller itself has gas enough
        return [answer is not None and int(answer, 16) == 1 for answer in answers]

    return tried


def least(tried: Tried) -> int:
    """The least gas with which the tier accepts, if more is always enough."""
    low, high = 0, GAS
    while high - low > 1:
        steps = [low + (high - low) * k // 16 for k in range(1, 16)]
        accepted = dict(zip(steps, tried(steps), strict=True))
        high = min([gas for gas in steps if accepted[gas]], default=high)
        low = max([gas for gas in steps if not accepted[gas] and gas < high], default=low)
    return high


def refused_below(tried: Tried) -> None:
    """Try amounts all over the check, many at its end, and all of the last few."""
    needed = least(tried)
    assert tried([needed, needed + 1, 2 * needed]) == [True] * 3
    rng = random.Random(4)
    amounts = {needed * k // 100 for k in range(100)} | {needed - k for k in range(1, 60)}
    amounts |= {needed - rng.randrange(1, OPENING) for _ in range(150)}
    assert not any(tried(sorted(gas for gas in amounts if gas >= 0)))


def test_a_call_with_little_gas(tier: Tier, case: Case) -> None:
    refused_below(directly(tier, case))


@pytest.mark.parametrize("limited", [True, False])
def test_a_contracts_call_with_little_gas(tier: Tier, case: Case, caller: str, limited: bool) -> None:
    refused_below(by(caller, tier, case, limited))
