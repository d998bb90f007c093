"""Compiling: the committed artifacts, generated sources, and what can go wrong."""

import json
from pathlib import Path

import pytest

from circuits.errors import CheckFailed, InputError
from contracts import build
from contracts.artifact import ARTIFACTS, artifact_names, load_artifact
from contracts.build import compile_solidity
from contracts.solc import VERSION
from contracts.toolchain import REPOSITORY, solc_command

MAX_CODE_BYTES = 24_576
SOURCE = """
pragma solidity ^0.8.24;
contract Answer { function answer() external pure returns (uint256) { return 42; } }
"""


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the committed artifacts that a test may spoil."""
    for path in ARTIFACTS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("contracts.artifact.ARTIFACTS", tmp_path)
    monkeypatch.setattr("contracts.build.ARTIFACTS", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def compiled() -> dict[str, build.Artifact]:
    return build.compile_contracts()


@pytest.fixture
def compile_once(monkeypatch: pytest.MonkeyPatch, compiled: dict[str, build.Artifact]) -> None:
    monkeypatch.setattr("contracts.build.compile_contracts", lambda: compiled)


def test_committed_artifacts_are_what_the_sources_compile_to(compiled: dict[str, build.Artifact]) -> None:
    assert artifact_names() == sorted(compiled)
    for name, artifact in compiled.items():
        assert (ARTIFACTS / f"{name}.json").read_text() == artifact.to_json()


@pytest.mark.usefixtures("compile_once")
def test_check_tells_stale_artifacts(artifacts: Path) -> None:
    build.check()
    path = artifacts / "EzklTier.json"
    good = path.read_text()
    for spoiled in (good.replace('"0x6080', '"0x6081', 1), good + "\n", ""):
        path.write_text(spoiled)
        with pytest.raises(CheckFailed, match="EzklTier"):
            build.check()
    path.unlink()
    with pytest.raises(CheckFailed, match="EzklTier"):
        build.check()
    build.build()
    build.check()
    (artifacts / "Removed.json").write_text(good)
    with pytest.raises(CheckFailed, match="Removed"):
        build.check()


def test_code_fits_an_account() -> None:
    for name in artifact_names():
        assert 0 < len(load_artifact(name).runtime) < MAX_CODE_BYTES


def test_same_source_same_code() -> None:
    abi, bytecode, runtime = compile_solidity(SOURCE, "Answer")
    assert abi[0]["name"] == "answer" and bytes(bytecode).endswith(bytes(runtime))
    # A comment changes the metadata, of which the code holds nothing.
    assert compile_solidity("// comment\n" + SOURCE, "Answer") == (abi, bytecode, runtime)


def test_compiler_is_the_pinned_one() -> None:
    package = json.loads((REPOSITORY / "package.json").read_text())
    assert package["dependencies"]["solc"] == VERSION


def test_sources_that_do_not_compile(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no contract Question .*Answer"):
        compile_solidity(SOURCE, "Question")
    with pytest.raises(InputError, match="does not compile: ParserError"):
        compile_solidity(SOURCE[:-5], "Answer")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with pytest.raises(InputError, match=r"does not compile: ParserError: Source .* not found"):
        compile_solidity(f'import "{secret}";' + SOURCE, "Answer")


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_compiler_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node, wrapper = solc_command()
    monkeypatch.setenv("VERINFER_SOLC", program(tmp_path / "solc", f'exec {node} {wrapper} "$@"'))
    assert compile_solidity(SOURCE, "Answer").abi[0]["name"] == "answer"
    older = f"exec {node} {wrapper} \"$@\" | sed 's/0\\.8\\.37+/0.8.20+/g'"
    monkeypatch.setenv("VERINFER_SOLC", program(tmp_path / "old", older))
    with pytest.raises(InputError, match=r"is version 0\.8\.20, and only 0\.8\.37"):
        compile_solidity(SOURCE, "Answer")
    monkeypatch.setenv("VERINFER_SOLC", program(tmp_path / "broken", "echo no >&2; exit 3"))
    with pytest.raises(InputError, match="failed: no"):
        compile_solidity(SOURCE, "Answer")
    monkeypatch.setenv("VERINFER_SOLC", str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"VERINFER_SOLC is .*absent"):
        compile_solidity(SOURCE, "Answer")


def test_compiler_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VERINFER_SOLC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="node is not on the PATH"):
        compile_solidity(SOURCE, "Answer")
    monkeypatch.setattr("contracts.toolchain.NODE_MODULES", tmp_path)
    with pytest.raises(InputError, match=r"Solidity compiler is not installed.*Run `npm ci`"):
        compile_solidity(SOURCE, "Answer")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"abi":[],"bytecode":"zz","runtime":"0x"}'])
def test_spoiled_artifacts(artifacts: Path, text: str) -> None:
    (artifacts / "ModelRegistry.json").write_text(text)
    with pytest.raises(InputError, match=r"ModelRegistry\.json is not a compiled contract"):
        load_artifact("ModelRegistry")
    with pytest.raises(InputError, match="no compiled contract Absent"):
        load_artifact("Absent")
