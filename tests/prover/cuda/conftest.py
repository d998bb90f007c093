"""The GPU that the kernels run on: one that is emulated, and a real one where there is any."""

from __future__ import annotations

import pytest

from circuits.errors import InputError
from prover.cuda.cupy_driver import CupyDriver
from prover.cuda.driver import Driver
from tests.prover.cuda.emulator import Emulator


@pytest.fixture(scope="session", params=["emulated", "cuda"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """A driver."""
    if request.param == "emulated":
        return Emulator()
    try:
        return CupyDriver()
    except InputError as error:
        pytest.skip(f"no kernel was run on a GPU: {error}")
