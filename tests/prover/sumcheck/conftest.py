"""Who judges the proofs of these tests beside the verifier in Python.

The environment's VERINFER_TEST_JUDGES names them, separated by commas: "machine" is the contract's machine in
Python, "contract" the contract on a development chain. Each executes the program of the proof's plan, and has
to say of every proof of one sample what the verifier says. Without them the same attacks have two samples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from tests.prover.sumcheck.judges import judges

NAMES = [name for name in os.environ.get("VERINFER_TEST_JUDGES", "").split(",") if name]


@pytest.fixture(scope="session", autouse=bool(NAMES))
def judged() -> Iterator[None]:
    """The named judges sit for the whole run."""
    with judges(NAMES) as made, patch("tests.prover.sumcheck.trials.JUDGES", made):
        yield
