"""What has to be equal for two answers to agree.

Clients add fields of their own to blocks, receipts and logs, and spell hexadecimal as they like; what a
decision hangs on is compared, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from challenger.endpoint import Answer

BLOCK = ("number", "hash", "parentHash", "timestamp", "baseFeePerGas", "gasLimit")
LOG = ("address", "blockHash", "blockNumber", "data", "logIndex", "topics", "transactionHash")
RECEIPT = ("blockHash", "blockNumber", "transactionHash", "status", "gasUsed", "effectiveGasPrice")


ESTIMATES = ("eth_estimateGas", "eth_maxPriorityFeePerGas")
"""Questions to which answers need not be equal: that there is a number is what has to be agreed on."""


def vote(method: str, answer: Answer, head: int | None) -> str:
    """The part of an answer that counts, as text. `head` is the block up to which there is agreement."""
    if answer.error is not None:
        data = answer.error.get("data")
        return f"refused {data.lower()}" if isinstance(data, str) else "refused"
    if method in ESTIMATES:
        return "a number" if isinstance(answer.result, str) else "none"
    return json.dumps(_PROJECTIONS.get(method, _plain)(answer.result, head), sort_keys=True)


def known(method: str, answer: Answer, head: int | None) -> Answer:
    """The answer as of the block up to which there is agreement: a receipt from a later block is none yet."""
    if method == "eth_getTransactionReceipt" and answer.error is None and _is_later(answer.result, head):
        return Answer(None)
    return answer


def number(value: Any) -> int:
    """The integer that an answer has in hexadecimal.

    Raises
    ------
    ValueError
        If it has none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no number")
    return int(value, 16)


def _is_later(result: Any, head: int | None) -> bool:
    try:
        return isinstance(result, Mapping) and head is not None and number(result.get("blockNumber")) > head
    except ValueError:
        return False


def _plain(result: Any, head: int | None) -> Any:
    if isinstance(result, str):
        return result.lower()
    if isinstance(result, list):
        return [_plain(item, head) for item in result]
    return result


def _fields(names: tuple[str, ...]) -> Callable[[Any, int | None], Any]:
    def project(result: Any, head: int | None) -> Any:
        if isinstance(result, list):
            return [project(item, head) for item in result]
        if not isinstance(result, Mapping):
            return result
        return {name: _plain(result.get(name), head) for name in names}

    return project


def _receipt(result: Any, head: int | None) -> Any:
    return None if _is_later(result, head) else _fields(RECEIPT)(result, head)


_PROJECTIONS: dict[str, Callable[[Any, int | None], Any]] = {
    "eth_getBlockByNumber": _fields(BLOCK),
    "eth_getBlockByHash": _fields(BLOCK),
    "eth_getLogs": _fields(LOG),
    "eth_getTransactionReceipt": _receipt,
}
