"""Says why a contract refused: decodes revert data with the interfaces of all committed contracts."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from hexbytes import HexBytes

from contracts.artifact import artifact_names, load_artifact

Entry = dict[str, Any]

# What the compiler itself raises, and the codes of its panics that our contracts can meet.
BUILT_IN: list[Entry] = [
    {"name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
]


@dataclass(frozen=True)
class Revert:
    """A decoded revert: the name of the custom error and its arguments by name."""

    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={_show(value)}' for name, value in self.arguments.items())})"


def decode_revert(data: bytes) -> Revert:
    """Decode the data of a revert; data that fits no known error is kept as hexadecimal."""
    entry = _errors().get(bytes(data[:4]))
    if entry is not None:
        types = [argument["type"] for argument in entry["inputs"]]
        names = [argument["name"] for argument in entry["inputs"]]
        try:
            return Revert(entry["name"], dict(zip(names, decode(types, bytes(data[4:])), strict=True)))
        except DecodingError:
            pass
    return Revert("unknown error", {"data": bytes(data)})


@cache
def _errors() -> dict[bytes, Entry]:
    """The custom errors of all contracts, by selector."""
    entries = list(BUILT_IN)
    for name in artifact_names():
        entries += [entry for entry in load_artifact(name).abi if entry["type"] == "error"]
    return {_selector(entry): entry for entry in entries}


def _selector(entry: Entry) -> bytes:
    types = ",".join(argument["type"] for argument in entry["inputs"])
    return keccak(f"{entry['name']}({types})".encode())[:4]


def _show(value: object) -> str:
    return HexBytes(value).to_0x_hex() if isinstance(value, bytes) else str(value)
