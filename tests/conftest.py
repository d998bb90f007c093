"""What every test shares: search budgets of hypothesis, where the digits example lies, PostgreSQL."""

import gc
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from tests.budget import examples
from tests.postgres import running_postgres
from tests.s3 import Store, running_s3
from tests.scratch import scratch

# Pytest's own folders, those of `tmp_path`, are made below this one.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(scratch()))

# Shells have what they start in the background ignore Ctrl-C, which the programs that tests start inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# By default the same examples every time: a change fails its own tests, not another's. `make fuzz` searches.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=examples(100), deadline=None, print_blob=True)
settings.load_profile("default")


def pytest_collection_finish() -> None:
    """Spare the tests and the libraries they import, half a million objects, each collection of garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def digits() -> Path:
    """The folder with the digits models, `mlp.onnx` and `cnn.onnx`, and their data (see its README)."""
    return Path(__file__).parents[1] / "examples" / "digits"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def s3() -> Iterator[Store]:
    """An S3-compatible server."""
    with running_s3() as store:
        yield store


_names = itertools.count()


@pytest.fixture
def postgres_database(postgres: str) -> str:
    """The URL of an empty PostgreSQL database."""
    name = f"database{next(_names)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres.replace("/postgres?", f"/{name}?")
