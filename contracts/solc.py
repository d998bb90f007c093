"""Compiles Solidity with npm's solc, under the settings of `foundry.toml`, without metadata in the code.

The same source, compiler and settings give the same bytes wherever they are compiled. Whoever audits a model
relies on this: they compile the verifier that belongs to its key and compare code hashes.
"""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from hexbytes import HexBytes

from circuits.errors import InputError
from contracts.artifact import Artifact
from contracts.toolchain import solc_command

VERSION = "0.8.37"
FOUNDRY_TOML = Path(__file__).parent / "foundry.toml"
GENERATED = "Generated.sol"
OUTPUTS = ["abi", "metadata", "evm.bytecode.object", "evm.deployedBytecode.object"]


def compile_solidity(source: str, name: str) -> Artifact:
    """Compile contract `name` of one self-contained source, such as a verifier that ezkl generated.

    Returns
    -------
    Artifact
        (abi, bytecode, runtime).

    Raises
    ------
    InputError
        If there is no compiler, it is of another version, or the source does not compile, imports another, or
        holds no such contract.
    """
    contracts = compile_sources({GENERATED: source})[GENERATED]
    if name not in contracts:
        found = ", ".join(contracts) or "none"
        raise InputError(f"the Solidity source holds no contract {name} (contracts found: {found})")
    return contracts[name]


def compile_sources(sources: dict[str, str], base_path: Path | None = None) -> dict[str, dict[str, Artifact]]:
    """Compile sources given by path.

    Parameters
    ----------
    sources
        Path to text. Imports that are not among them are read from below `base_path`; without one they fail.

    Returns
    -------
    dict
        The artifacts of each source by contract name.

    Raises
    ------
    InputError
        As `compile_solidity`.
    """
    settings = _settings()
    request = {
        "language": "Solidity",
        "sources": {path: {"content": text} for path, text in sources.items()},
        "settings": settings if base_path is not None else {**settings, **_FOR_GENERATED},
    }
    answer = _run(request, base_path)
    errors = [entry for entry in answer.get("errors", []) if entry["severity"] == "error"]
    if errors:
        raise InputError(f"the Solidity source does not compile: {errors[0]['formattedMessage'].strip()}")
    return {
        path: {name: _artifact(output) for name, output in contracts.items()}
        for path, contracts in answer.get("contracts", {}).items()
    }


_FOR_GENERATED = {"remappings": [], "optimizer": {"enabled": True, "runs": 10_000}}
"""Verifiers that ezkl generates are long: with as many runs as our own contracts they would be half as long
again, and those of larger models beyond the 24,576 bytes that a contract may have."""


def _artifact(output: dict[str, Any]) -> Artifact:
    version = json.loads(output["metadata"])["compiler"]["version"].partition("+")[0]
    if version != VERSION:
        raise InputError(
            f"the Solidity compiler is version {version}, and only {VERSION} gives the code that others "
            "compare with: run `npm ci`, or name another in VERINFER_SOLC"
        )
    code = output["evm"]
    return Artifact(
        output["abi"], HexBytes(code["bytecode"]["object"]), HexBytes(code["deployedBytecode"]["object"])
    )


def _settings() -> dict[str, Any]:
    """The compiler's settings as forge makes them of `foundry.toml`."""
    profile = tomllib.loads(FOUNDRY_TOML.read_text())["profile"]["default"]
    return {
        "evmVersion": profile["evm_version"],
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "viaIR": profile["via_ir"],
        "metadata": {"bytecodeHash": profile["bytecode_hash"], "appendCBOR": profile["cbor_metadata"]},
        "remappings": profile["remappings"],
        "outputSelection": {"*": {"*": OUTPUTS}},
    }


def _run(request: dict[str, Any], base_path: Path | None) -> dict[str, Any]:
    command = solc_command()
    where = ["--base-path", str(base_path)] if base_path is not None else []
    output = _output([*command, *where, "--standard-json"], json.dumps(request))
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise InputError(f"the Solidity compiler {command[-1]} gave no JSON: {output[:200]!r}") from error
    return answer


def _output(command: list[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=600, check=True)
    except subprocess.CalledProcessError as error:
        raise InputError(
            f"the Solidity compiler {command[0]} failed: {error.stderr.strip()[-500:]}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"the Solidity compiler {command[0]} could not be run: {error}") from error
    return done.stdout
