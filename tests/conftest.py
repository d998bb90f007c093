"""What every test shares: the search budgets of hypothesis, and where the digits example lies."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.budget import examples

# By default the same examples every time: a change fails its own tests, not another's. `make fuzz` searches.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=examples(100), deadline=None, print_blob=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def digits() -> Path:
    """The folder with the digits models, `mlp.onnx` and `cnn.onnx`, and their data (see its README)."""
    return Path(__file__).parents[1] / "examples" / "digits"
