"""Free calls of the sumcheck tier, many at a time, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count
from typing import Any

import requests
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.artifact import load_artifact
from contracts.chain import Chain
from contracts.sumcheck_tier import PROOF_SYSTEM
from verifier.sumcheck.program.encoding import parts_of

SELECTOR = keccak(b"verify((bytes32,bytes,bytes32,bytes,address),(bytes4,address,bytes32,bytes32),bytes)")[:4]
# Numbers stand for addresses, so that some may be said that are none.
ARGUMENTS = ["(bytes32,bytes,bytes32,bytes,uint256)", "(bytes4,uint256,bytes32,bytes32)", "bytes"]
GAS = 30_000_000
BATCH_BYTES = 300_000
"""How much one request to the node carries: it refuses long ones."""
SHOWN = 400


class Outcome(Enum):
    """What a call came to. Programs that no compiler makes may also end it by a jump to nowhere."""

    ACCEPTED = "accepted"
    REVERTED = "reverted"
    EXHAUSTED = "out of gas"


@dataclass(frozen=True)
class Call:
    """What the tier is called with.

    Attributes
    ----------
    circuit_id, header, commitment, output, recipient
        The statement. The output is encoded.
    program
        The account that holds the program's first part.
    key_hash
        The verifying key's digest.
    others
        The accounts that hold the program's other parts, as the proof names them.
    named
        What names the inputs: the values, packed, or the commitments to them.
    argument
        The prover's messages.
    codes
        Accounts that have a code of their own in this call.
    """

    circuit_id: bytes
    header: bytes
    commitment: bytes
    output: bytes
    recipient: int
    program: int
    key_hash: bytes
    others: tuple[int, ...]
    named: bytes
    argument: bytes
    codes: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def proof(self) -> bytes:
        """The proof as the tier takes it."""
        return b"".join(account.to_bytes(32, "big") for account in self.others) + self.named + self.argument

    @property
    def data(self) -> bytes:
        """The calldata."""
        statement = (self.circuit_id, self.header, self.commitment, self.output, self.recipient)
        key = (PROOF_SYSTEM, self.program, bytes(32), self.key_hash)
        return SELECTOR + encode(ARGUMENTS, [statement, key, self.proof])

    def with_program(self, program: bytes) -> Call:
        """The call, in which these bytes stand where the program's first parts are named."""
        parts = parts_of(program)
        accounts = [_account(part) for part in parts]
        codes = {account: b"\0" + part for account, part in zip(accounts, parts, strict=True)}
        return replace(self, program=accounts[0], others=tuple(accounts[1:]), codes=codes)


class Tier:
    """The tier on a development chain."""

    def __init__(self, chain: Chain, url: str) -> None:
        self.chain = chain
        self.address = chain.deploy(load_artifact("SumcheckTier")).address
        self._url = url
        self._session = requests.Session()
        self._ids = count()
        assert chain.code(self.address)  # where no code is, every call succeeds

    def place(self, program: bytes) -> tuple[int, ...]:
        """Put a program into accounts; the account of each part."""
        accounts = []
        for part in parts_of(program):
            accounts.append(_account(part))
            code = "0x" + (b"\0" + part).hex()
            [answer] = self._ask([("anvil_setCode", [_address(accounts[-1]), code])])
            assert "error" not in answer, answer
        return tuple(accounts)

    def outcome(self, call: Call) -> Outcome:
        """What becomes of one call."""
        return self.outcomes([call])[0]

    def outcomes(self, calls: Sequence[Call]) -> list[Outcome]:
        """What becomes of each call."""
        return self.outcomes_of_data([(call.data, GAS, call.codes) for call in calls])

    def outcomes_of_data(
        self, calls: Sequence[tuple[bytes, int, Mapping[int, bytes]]], to: str | None = None
    ) -> list[Outcome]:
        """What becomes of calls with calldata, gas, and accounts' codes, by default of the tier."""
        return [_outcome(answer) for answer in self.answers(calls, to)]

    def answers(
        self, calls: Sequence[tuple[bytes, int, Mapping[int, bytes]]], to: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """The node's answers to such calls."""
        batch: list[tuple[str, list[Any]]] = []
        size = 0
        for data, gas, codes in calls:
            request = {"to": to or self.address, "data": "0x" + data.hex(), "gas": hex(gas)}
            states = {_address(account): {"code": "0x" + code.hex()} for account, code in codes.items()}
            batch.append(("eth_call", [request, "latest", states]))
            size += len(data) + sum(map(len, codes.values()))
            if size > BATCH_BYTES:
                yield from self._ask(batch)
                batch, size = [], 0
        if batch:
            yield from self._ask(batch)

    def _ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        batch = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
            for method, params in calls
        ]
        answers = self._session.post(self._url, json=batch, timeout=300).json()
        assert isinstance(answers, list), str(answers)[:SHOWN]
        by_id = {answer["id"]: answer for answer in answers}
        return [by_id[request["id"]] for request in batch]


def _outcome(answer: dict[str, Any]) -> Outcome:
    if answer.get("result") == "0x":
        return Outcome.ACCEPTED
    message = str(answer.get("error", {}).get("message", ""))
    if any(words in message for words in ("OutOfGas", "OOG", "out of gas")):
        return Outcome.EXHAUSTED
    if "revert" in message or "InvalidJump" in message:
        return Outcome.REVERTED
    raise AssertionError(f"the node answered something else: {str(answer)[:SHOWN]}")


def _account(part: bytes) -> int:
    return int.from_bytes(keccak(part)[:20], "big")


def _address(account: int) -> str:
    return f"0x{account:040x}"
