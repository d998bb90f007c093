"""Compiles the contracts to `contracts/artifacts`.

python -m contracts.build           write the artifacts
python -m contracts.build --check   fail if those on disk are not what the sources compile to
"""

import argparse
import sys
from pathlib import Path

from circuits.errors import CheckFailed, VerinferError
from contracts.artifact import ARTIFACTS, Artifact, artifact_names
from contracts.solc import compile_solidity, compile_sources

__all__ = ["build", "check", "compile_contracts", "compile_solidity"]

FOLDER = Path(__file__).parent
DEPLOYED = {
    "ModelRegistry": "src/ModelRegistry.sol",
    "InferenceVerifier": "src/InferenceVerifier.sol",
    "EzklTier": "src/tiers/EzklTier.sol",
    "SumcheckTier": "src/tiers/SumcheckTier.sol",
    "DisputeTier": "src/optimistic/DisputeTier.sol",
    "OneStep": "src/optimistic/OneStep.sol",
    "SampledTier": "src/optimistic/SampledTier.sol",
    "InferenceOracle": "src/optimistic/InferenceOracle.sol",
}


def compile_contracts() -> dict[str, Artifact]:
    """Compile the contracts that are deployed, by name.

    Raises
    ------
    InputError
        If there is no compiler, or a source does not compile.
    """
    sources = {path: (FOLDER / path).read_text() for path in DEPLOYED.values()}
    compiled = compile_sources(sources, base_path=FOLDER)
    return {name: compiled[path][name] for name, path in DEPLOYED.items()}


def build() -> list[Path]:
    """Write the artifacts and return their paths."""
    ARTIFACTS.mkdir(exist_ok=True)
    paths = []
    for name, artifact in compile_contracts().items():
        path = ARTIFACTS / f"{name}.json"
        path.write_text(artifact.to_json())
        paths.append(path)
    return paths


def check() -> None:
    """Compare the artifacts on disk with what the sources compile to.

    Raises
    ------
    CheckFailed
        If a file differs, is missing, or belongs to no contract.
    InputError
        As `compile_contracts`.
    """
    compiled = compile_contracts()
    stale = [name for name in artifact_names() if name not in compiled]
    for name, artifact in compiled.items():
        path = ARTIFACTS / f"{name}.json"
        if not path.is_file() or path.read_text() != artifact.to_json():
            stale.append(name)
    if stale:
        raise CheckFailed(
            f"contracts/artifacts differs from the sources ({', '.join(stale)}): run `make contracts`"
        )


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m contracts.build", description="Compile the contracts.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and fail if the artifacts are stale"
    )
    arguments = parser.parse_args()
    try:
        if arguments.check:
            check()
        else:
            for path in build():
                print(path.relative_to(FOLDER.parent))
    except VerinferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, CheckFailed) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
