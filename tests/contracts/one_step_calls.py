"""Free calls of OneStep, many at a time, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import requests
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from challenger.openings import REGIONS, Tree, operands_of
from circuits.packing import Leaves
from circuits.records import Region
from contracts.artifact import load_artifact
from contracts.chain import Chain

SELECTOR = keccak(b"recompute(bytes,uint256,(bytes32[3],uint256[3]),bytes)")[:4]
ARGUMENTS = ["bytes", "uint256", "(bytes32[3],uint256[3])", "bytes"]
ERRORS = {
    keccak(f"{name}({','.join(types)})".encode())[:4].hex(): (name, types)
    for name, types in (
        ("OpeningMalformed", []),
        ("OpeningMismatch", ["uint256", "bytes32", "bytes32"]),
        ("OperandMissing", ["uint256", "uint256"]),
    )
}
GAS = 30_000_000
BATCH_BYTES = 300_000
"""How much one request to the node carries: it refuses long ones."""


@dataclass(frozen=True)
class Refused:
    """A call that reverted with one of the contract's errors."""

    error: str
    arguments: tuple[Any, ...] = ()


Answer = int | None | Refused


@dataclass(frozen=True)
class Call:
    """What OneStep is called with."""

    record: bytes
    cell: int
    roots: tuple[bytes, ...]
    depths: tuple[int, ...]
    operands: bytes

    @classmethod
    def of(cls, record: bytes, cell: int, trees: Forest) -> Call:
        """The call that recomputes a cell."""
        return cls(record, cell, trees.roots, trees.depths, operands_of(record, cell, trees.sources))

    def with_operands(self, operands: bytes) -> Call:
        """The same call with other operands."""
        return replace(self, operands=operands)

    @property
    def data(self) -> bytes:
        """The calldata."""
        return SELECTOR + encode(
            ARGUMENTS, [self.record, self.cell, (self.roots, self.depths), self.operands]
        )


class Forest:
    """The three trees that cells read."""

    def __init__(self, trace: Leaves, inputs: Leaves, weights: Leaves) -> None:
        self.sources = dict(zip(REGIONS, map(Tree.of, (trace, inputs, weights)), strict=True))
        self.roots = tuple(source.root for source in self.sources.values())
        self.depths = tuple(source.depth for source in self.sources.values())

    def read(self, region: int, start: int, length: int) -> bytes:
        """Bytes of a tree, as `recompute_cell` asks for them."""
        leaves = self.sources[Region(region)].leaves
        assert 0 <= start and start + length <= leaves.size
        return leaves.reshape(-1)[start : start + length].tobytes()


class OneStep:
    """The contract on a development chain."""

    def __init__(self, chain: Chain, url: str) -> None:
        self.address = chain.deploy(load_artifact("OneStep")).address
        self._url = url
        self._session = requests.Session()
        self._ids = count()

    def answer(self, call: Call) -> Answer:
        """What one call answers: the cell, None if there is no such value, or the error."""
        return next(self.answers([call]))

    def answers(self, calls: Sequence[Call]) -> Iterator[Answer]:
        """What each call answers."""
        return map(_answer, self._asked("eth_call", calls))

    def gas(self, calls: Sequence[Call]) -> Iterator[int]:
        """What each call costs as a transaction."""
        return (int(answer["result"], 16) for answer in self._asked("eth_estimateGas", calls))

    def _asked(self, method: str, calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
        batch: list[dict[str, Any]] = []
        size = 0
        for call in calls:
            request = {"to": self.address, "data": "0x" + call.data.hex(), "gas": hex(GAS)}
            batch.append({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": [request]})
            size += len(call.data)
            if size > BATCH_BYTES:
                yield from self._ask(batch)
                batch, size = [], 0
        if batch:
            yield from self._ask(batch)

    def _ask(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers = self._session.post(self._url, json=batch, timeout=300).json()
        assert isinstance(answers, list), str(answers)[:400]
        by_id = {answer["id"]: answer for answer in answers}
        return [by_id[request["id"]] for request in batch]


def _answer(answer: dict[str, Any]) -> Answer:
    if "result" in answer:
        exists, value = decode(["bool", "int256"], bytes.fromhex(answer["result"][2:]))
        assert exists or value == 0
        return int(value) if exists else None
    data = str(answer["error"].get("data", ""))
    assert data[2:10] in ERRORS, f"the node answered something else: {str(answer)[:400]}"
    name, types = ERRORS[data[2:10]]
    return Refused(name, tuple(decode(types, bytes.fromhex(data[10:]))))
