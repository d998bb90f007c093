"""The command line as a process, and a compiled circuit to run it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.verinfer.fork_server import Request, Response
from tests.verinfer.hostile_models import floats, model, node

ROOT = Path(__file__).parents[2]


class Commands:
    """Runs `verinfer` commands, each in a process of its own."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(self, *args: object, folder: Path, **limits: Any) -> Response:
        """Run a command in a folder, within limits (`Request`)."""
        request = Request([str(arg) for arg in args], str(folder), **limits)
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps(asdict(request)), file=self._server.stdin, flush=True)
        return Response(**json.loads(self._server.stdout.readline()))

    def json(self, *args: object, folder: Path, **limits: Any) -> dict[str, Any]:
        """The one JSON object that a command prints; the command must succeed."""
        response = self.run(*args, "--json", folder=folder, **limits)
        assert response.code == 0, response.stderr
        found: dict[str, Any] = json.loads(response.stdout)
        return found

    def refused(self, *args: object, folder: Path, **limits: Any) -> str:
        """The one line with which a command refuses its input. It must leave the folder as it was."""
        before = snapshot(folder)
        response = self.run(*args, folder=folder, **limits)
        assert response.code == 2, (response.code, response.stdout, response.stderr)
        assert response.stdout == ""
        assert "Traceback" not in response.stderr
        lines = [line for line in response.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == 1 and lines[-1] == errors[0], response.stderr
        assert all(line.startswith("  ") for line in lines[:-1]), f"not progress: {response.stderr}"
        assert snapshot(folder) == before
        return errors[0].removeprefix("error: ")


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its contents."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """`verinfer` with a store and a cache of its own."""
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"HOME": str(home), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for name in [name for name in environment if name.startswith(("XDG_", "VERINFER_"))]:
        del environment[name]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.verinfer.fork_server"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Commands(server)
    assert server.stdin is not None
    server.stdin.close()
    server.wait(timeout=60)


@pytest.fixture(scope="session")
def compiled(commands: Commands, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mlp.circuit`, compiled from the digits example."""
    folder = tmp_path_factory.mktemp("compiled")
    calibration = digits / "calibration.npz"
    commands.json(
        "compile", digits / "mlp.onnx", "--calibration", calibration, "-o", "mlp.circuit", folder=folder
    )
    return folder


@pytest.fixture(scope="session")
def proved(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the files of one small proof: `tiny.onnx`, `.circuit`, `.vk`, `.json`, `.proof`."""
    folder = tmp_path_factory.mktemp("proved")
    made = model([node("MatMul", "x w", "m"), node("Relu", "m", "y")], [floats("w", 4, 3)])
    (folder / "tiny.onnx").write_bytes(made.SerializeToString())
    (folder / "tiny.json").write_text(json.dumps({"input_data": [[0.1, 0.2, -0.3, 0.4]]}))
    commands.json("compile", "tiny.onnx", folder=folder)
    commands.json("srs", "generate", "--k", 8, folder=folder)
    commands.json("setup", "tiny.circuit", folder=folder, memory=32 << 30)
    commands.json("prove", "tiny.circuit", "tiny.json", folder=folder, memory=32 << 30)
    return folder
