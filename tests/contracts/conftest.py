"""A development chain with the contracts on it, one for each test module."""

from collections.abc import Iterator

import pytest

from contracts.chain import Chain
from contracts.deployment import Deployment, deploy_contracts
from contracts.devchain import Anvil


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil() as running:
        yield running


@pytest.fixture(scope="module")
def chain(anvil: Anvil) -> Chain:
    return anvil.connect()


@pytest.fixture(scope="module")
def deployment(chain: Chain) -> Deployment:
    return deploy_contracts(chain)
