"""Several RPC endpoints as one chain: nothing is believed that not enough of them say.

Of three or more, a majority must agree. Of two, both: one that is silent or has stopped behind is left out,
but where two that answer contradict each other, there is no telling which one lies, and nothing is done.
Every read is about the last block that enough endpoints have in common, so that one which is a moment behind
is not taken for a liar.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from web3 import Web3
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from challenger.endpoint import Answer, Endpoint, Fault, NoAnswer
from challenger.head import Head
from challenger.votes import ESTIMATES, known, number, vote
from circuits.errors import ChainError
from contracts.chain import Chain
from contracts.signer import Signer

BROADCAST = "eth_sendRawTransaction"
BLOCK_ARGUMENT = {"eth_call": 1, "eth_getBalance": 1, "eth_getCode": 1, "eth_getTransactionCount": 1}
"""Where the block stands among the parameters."""

Observer = Callable[[str, Fault], None]
"""Told the name of an endpoint and what is wrong with it."""


class EndpointsDisagree(ChainError):
    """The endpoints contradict one another, or too few answer, so nothing may be done."""


class Endpoints(BaseProvider):
    """A provider for web3 that asks several endpoints. Call `refresh` before a series of reads.

    Parameters
    ----------
    urls
        Of the endpoints, http or https.
    chain_id
        The chain that must answer there.
    quorum
        How many must agree; by default more than half of three or more.
    timeout
        Seconds that an endpoint may take for an answer.
    stopped_after
        Seconds without a new block after which an endpoint behind the others is left out.
    observer
        Told of every fault.

    Raises
    ------
    ChainError
        If a URL is none, one is given twice, or the quorum cannot be reached.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        *,
        quorum: int | None = None,
        timeout: float = 10.0,
        stopped_after: float = 60.0,
        observer: Observer = lambda name, fault: None,
    ) -> None:
        super().__init__()
        if not urls or len(set(urls)) != len(urls):
            raise ChainError("give at least one endpoint, and each of them once")
        self._endpoints = [Endpoint(url, timeout) for url in urls]
        names = [endpoint.name for endpoint in self._endpoints]
        for place, endpoint in enumerate(self._endpoints):
            if names.count(endpoint.name) > 1:
                endpoint.name += f" ({place + 1})"
        self._quorum = quorum or (len(urls) // 2 + 1 if len(urls) > 2 else 1)
        if not 1 <= self._quorum <= len(urls):
            raise ChainError(f"{self._quorum} of {len(urls)} endpoints can never agree")
        self._chain_id = chain_id
        self._timeout = timeout
        self._stopped_after = stopped_after
        self._observer = observer
        self._head: Head | None = None
        self._voters: list[Endpoint] = []
        self._log = structlog.get_logger("endpoints")

    def chain(self, signer: Signer | None) -> Chain:
        """The chain that they are endpoints of, read through their agreement.

        Raises
        ------
        EndpointsDisagree
            If they do not agree, or too few answer.
        """
        self.refresh()
        web3 = Web3(self)
        web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        names = ", ".join(endpoint.name for endpoint in self._endpoints)
        return Chain(web3, names, self._chain_id, signer, patience=0.0)

    @property
    def head(self) -> Head:
        """The last block that enough endpoints have in common, as of the last `refresh`."""
        return self._head or self.refresh()

    @property
    def healthy(self) -> int:
        """How many endpoints agree."""
        return len(self._voters)

    def refresh(self) -> Head:
        """Find the last block that enough endpoints have in common.

        Raises
        ------
        EndpointsDisagree
            If there is none.
        """
        live = self._live()
        candidates = self._on_this_chain(live)
        others = [endpoint for endpoint in live if endpoint.fault is Fault.OTHER_CHAIN]
        if others and len(self._endpoints) <= 2:
            self._voters = []
            raise EndpointsDisagree(
                f"the endpoints {self._names()} are not all of chain {self._chain_id}: correct them"
            )
        latest = self._ask(candidates, "eth_getBlockByNumber", ["latest", False])
        candidates = [endpoint for endpoint, answer in latest if self._note_head(endpoint, answer)]
        best = max((endpoint.head for endpoint in candidates), default=-1)
        now = time.monotonic()
        for endpoint in list(candidates):
            if endpoint.head < best and now - endpoint.advanced_at > self._stopped_after:
                self._fault(endpoint, Fault.BEHIND, f"at block {endpoint.head}, others at {best}")
                candidates.remove(endpoint)
        heights = sorted({endpoint.head for endpoint in candidates}, reverse=True)
        if len(self._endpoints) <= 2:
            heights = heights[-1:]
        contradicted = False
        for height in heights:
            having = [endpoint for endpoint in candidates if endpoint.head >= height]
            if len(having) < self._quorum:
                continue
            answers = self._ask(having, "eth_getBlockByNumber", [hex(height), False])
            agreed = self._majority("eth_getBlockByNumber", answers, Fault.OTHER_BLOCK)
            contradicted |= agreed is None and len(answers) >= self._quorum
            if agreed is not None and agreed[0].result is not None:
                answer, voters = agreed
                self._head, self._voters = Head.parse(answer.result), voters
                for endpoint in voters:
                    self._recovered(endpoint)
                return self._head
        self._voters = []
        if contradicted:
            raise EndpointsDisagree(
                f"the endpoints {self._names()} have different blocks: nothing is done until they agree"
            )
        raise EndpointsDisagree(
            f"{len(candidates)} of the endpoints {self._names()} answer for chain {self._chain_id}, "
            f"{self._quorum} are needed: nothing is done until they do"
        )

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Ask, as web3 does.

        Raises
        ------
        EndpointsDisagree
            If the endpoints contradict one another, or too few answer.
        """
        if method == BROADCAST:
            answer = self._broadcast(params)
        elif method == "eth_chainId":
            answer = Answer(hex(self._chain_id))
        else:
            answer = self._read(method, list(params))
        if answer.error is not None:
            return {"jsonrpc": "2.0", "id": 0, "error": answer.error}  # type: ignore[typeddict-item]
        return {"jsonrpc": "2.0", "id": 0, "result": answer.result}

    def close(self) -> None:
        """Let all connections go."""
        for endpoint in self._endpoints:
            endpoint.close()

    def _read(self, method: str, params: list[Any]) -> Answer:
        head = self.head
        answers = self._ask(self._voters, method, _pinned(method, params, head.number))
        agreed = self._majority(method, answers, Fault.OTHER_ANSWER)
        if agreed is None:
            raise EndpointsDisagree(
                f"the endpoints {self._names()} do not agree on {method}: nothing is done until they do"
            )
        answer, voters = agreed
        if method in ESTIMATES and answer.error is None:
            numbers = [number(answer.result) for endpoint, answer in answers if endpoint in voters]
            if method == "eth_estimateGas":
                return Answer(hex(min(statistics.median_high(numbers), head.gas_limit)))
            return Answer(hex(statistics.median_low(numbers)))
        return known(method, answer, head.number)

    def _broadcast(self, params: Any) -> Answer:
        """Give a transaction to every endpoint; one that takes it is enough."""
        live = self._live()
        answers = self._ask(live, BROADCAST, params, quiet=True)
        for _, answer in answers:
            if answer.error is None:
                return answer
        cause = answers[0][1].error if answers else None
        raise ChainError(f"no endpoint takes the transaction: {(cause or {}).get('message', 'none answers')}")

    def _majority(
        self, method: str, answers: list[tuple[Endpoint, Answer]], fault: Fault
    ) -> tuple[Answer, list[Endpoint]] | None:
        """The answer that enough endpoints give, and who gives it; None if there is none."""
        head = self._head.number if self._head is not None else None
        groups: dict[str, list[tuple[Endpoint, Answer]]] = {}
        for endpoint, answer in answers:
            groups.setdefault(vote(method, answer, head), []).append((endpoint, answer))
        best = max(groups.values(), key=len, default=[])
        decided = len(best) >= self._quorum and 2 * len(best) > len(answers)
        for group in groups.values():
            if group is not best or not decided:
                for endpoint, _ in group:
                    self._fault(endpoint, fault, f"contradicted on {method}")
                    if decided and endpoint in self._voters:
                        self._voters.remove(endpoint)
        return (best[0][1], [endpoint for endpoint, _ in best]) if decided else None

    def _ask(
        self, endpoints: Sequence[Endpoint], method: str, params: Any, quiet: bool = False
    ) -> list[tuple[Endpoint, Answer]]:
        """The answers of those that answer. With `quiet`, a refusal is an answer and no fault."""
        started = [(endpoint, endpoint.start(method, params)) for endpoint in endpoints]
        until = time.monotonic() + self._timeout
        answers = []
        for endpoint, future in started:
            try:
                answers.append((endpoint, endpoint.finish(future, until)))
            except NoAnswer as error:
                if quiet and error.fault is Fault.FAILING:
                    answers.append((endpoint, Answer(error={"message": str(error)})))
                else:
                    self._fault(endpoint, error.fault, str(error))
        return answers

    def _live(self) -> list[Endpoint]:
        live = []
        for endpoint in self._endpoints:
            if endpoint.resting:
                self._fault(endpoint, Fault.STALLED, "left alone for a while")
            else:
                live.append(endpoint)
        return live

    def _on_this_chain(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        right = []
        for endpoint, answer in self._ask(endpoints, "eth_chainId", []):
            if answer.result is not None and _number_or_none(answer.result) == self._chain_id:
                right.append(endpoint)
            else:
                self._fault(
                    endpoint, Fault.OTHER_CHAIN, f"answers for chain {answer.result}, not {self._chain_id}"
                )
        return right

    def _note_head(self, endpoint: Endpoint, answer: Answer) -> bool:
        try:
            endpoint.saw_head(Head.parse(answer.result).number)
        except ChainError as error:
            self._fault(endpoint, Fault.FAILING, str(error))
            return False
        return True

    def _fault(self, endpoint: Endpoint, fault: Fault, cause: str) -> None:
        if endpoint.fault is not fault:
            self._log.warning("endpoint fault", endpoint=endpoint.name, fault=str(fault), cause=cause)
        endpoint.fault = fault
        self._observer(endpoint.name, fault)

    def _recovered(self, endpoint: Endpoint) -> None:
        if endpoint.fault is not None:
            self._log.info("endpoint agrees again", endpoint=endpoint.name, after=str(endpoint.fault))
        endpoint.fault = None

    def _names(self) -> str:
        return ", ".join(
            f"{endpoint.name} ({endpoint.fault})" if endpoint.fault else endpoint.name
            for endpoint in self._endpoints
        )


def _pinned(method: str, params: list[Any], head: int) -> list[Any]:
    """The parameters with the latest block by its number: it must not move between two reads."""
    pinned = list(params)
    if method == "eth_getBlockByNumber" and pinned[:1] == ["latest"]:
        pinned[0] = hex(head)
    place = BLOCK_ARGUMENT.get(method)
    if place is not None and pinned[place : place + 1] in ([], ["latest"]):
        pinned[place:] = [hex(head)]
    if method == "eth_getLogs" and pinned and pinned[0].get("toBlock", "latest") == "latest":
        pinned[0] = {**pinned[0], "toBlock": hex(head)}
    return pinned


def _number_or_none(value: Any) -> int | None:
    try:
        return number(value)
    except ValueError:
        return None
