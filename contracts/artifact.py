"""Compiled contracts. Those of this repository are committed, so that using them needs no compiler."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from hexbytes import HexBytes

from circuits.errors import InputError

ARTIFACTS = Path(__file__).parent / "artifacts"

Abi = list[dict[str, Any]]


class Artifact(NamedTuple):
    """A compiled contract: its interface, its creation code, and the code that stays on the chain.

    `runtime` has zeros where the constructor writes immutable values.
    """

    abi: Abi
    bytecode: HexBytes
    runtime: HexBytes

    def to_json(self) -> str:
        """One compact line with sorted keys: equal artifacts are equal bytes."""
        entries = {
            "abi": self.abi,
            "bytecode": self.bytecode.to_0x_hex(),
            "runtime": self.runtime.to_0x_hex(),
        }
        return json.dumps(entries, sort_keys=True, separators=(",", ":")) + "\n"


def load_artifact(name: str) -> Artifact:
    """Load a committed artifact, for example "ModelRegistry".

    Raises
    ------
    InputError
        If there is no such artifact, or its file was altered beyond reading.
    """
    path = ARTIFACTS / f"{name}.json"
    try:
        entries = json.loads(path.read_text())
        return Artifact(entries["abi"], HexBytes(entries["bytecode"]), HexBytes(entries["runtime"]))
    except FileNotFoundError:
        raise InputError(f"no compiled contract {name} in {ARTIFACTS}: run `make contracts`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a compiled contract ({error}): run `make contracts`") from error


def artifact_names() -> list[str]:
    """The names of the committed artifacts, sorted."""
    return sorted(path.stem for path in ARTIFACTS.glob("*.json"))
