"""What programs load before there is anything to do: each start, and each proof that is checked, waits for
it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAINS = frozenset(("eth_abi", "eth_account", "eth_utils", "web3"))
"""What speaks to chains."""
HEAVY = CHAINS | {"cupy", "ezkl", "onnx", "onnxruntime", "pandas", "ray", "s3fs", "scipy"}
SERVING = frozenset(("aiohttp", "fastapi", "jinja2", "uvicorn"))
"""What answers requests, and sends messages."""
SHOW = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
START = """
from pathlib import Path
from service.application import application
from service.handlers import handlers
from service.parts import Parts
from service.settings import Settings
with Parts.open(Settings(data=Path({data!r}))) as parts:
    application(parts)
    handlers(parts)
"""


def loaded(code: str) -> set[str]:
    """The packages that a new Python has when it has run some code."""
    command = [sys.executable, "-c", f"{code}\n{SHOW}"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "module",
    [
        "service.sandbox.checking",
        "service.sandbox.describing",
        "service.worker_process",
        "verinfer.commands.serve",
        "verinfer.commands.verify",
        "verinfer.commands.worker",
    ],
)
def test_programs_load_no_heavy_library_before_they_need_it(module: str) -> None:
    assert loaded(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize(
    "module", ["service.sandbox.checking", "service.sandbox.describing", "service.worker_process"]
)
def test_what_does_jobs_loads_nothing_that_answers_requests(module: str) -> None:
    assert loaded(f"import {module}") & SERVING == set()


def test_a_service_without_a_chain_loads_nothing_that_speaks_to_one(tmp_path: Path) -> None:
    assert loaded(START.format(data=str(tmp_path))) & HEAVY == set()


def test_what_speaks_to_a_chain_is_known_by_these_names() -> None:
    assert loaded("import service.handlers.claim") >= CHAINS


def test_what_answers_requests_is_known_by_these_names() -> None:
    assert loaded("import service.application, service.server") >= SERVING
