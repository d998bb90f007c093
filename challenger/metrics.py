"""What a watcher says about itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from challenger.endpoint import Fault
from challenger.intent import Mined
from circuits.errors import InputError

PREFIX = "verinfer_watcher_"


class Metrics:
    """The metrics of one watcher, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, gauge = self._counter, self._gauge
        self.claims = gauge("claims", "Claims followed, by what recomputing said", "verdict")
        self.games = gauge("games", "Own games, by state: open, won, lost", "state")
        self.checked = counter("checked_claims", "Claims recomputed since the start")
        self.mined = counter("transactions", "Transactions mined since the start", "move", "progress")
        self.gas = counter("gas_used", "Gas of the transactions mined since the start")
        self.fees = counter("fees_wei", "What these transactions cost, in wei")
        self.faults = counter("endpoint_faults", "Faults of endpoints since the start", "endpoint", "fault")
        self.healthy = gauge("endpoints_agreeing", "Endpoints that agree")
        self.disagreements = counter(
            "disagreements", "Times that nothing was done because endpoints disagreed"
        )
        self.errors = counter("errors", "Cycles that failed since the start")
        self.head = gauge("head_block", "The latest block")
        self.lag = gauge("lag_blocks", "Blocks between the latest and the last whose events were taken in")
        self.reorganisations = counter("reorganisations", "Re-organisations gone through since the start")
        self.pending = gauge("transactions_unsettled", "Transactions that are not settled")
        self.capped = gauge(
            "transactions_capped", "Transactions that wait because the cap on fees is too low"
        )
        self.balance = gauge("balance_wei", "What the account has, in wei")
        self.credit = gauge("credit_wei", "What the account can withdraw, in wei")
        self.deadline = gauge(
            "next_deadline_seconds", "Seconds until the next own move is overdue; -1 without one"
        )
        self.waiting = gauge("claims_waiting", "Claims that wait to be recomputed")

    def serve(self, port: int, address: str = "127.0.0.1") -> int:
        """Serve the metrics over HTTP, at /metrics. Returns the port, which the system chooses for 0.

        Raises
        ------
        InputError
            If the port cannot be had.
        """
        try:
            server, _ = start_http_server(port, address, self.registry)
        except OSError as error:
            raise InputError(f"cannot serve metrics on port {port}: {error.strerror}") from error
        return int(server.server_port)

    def note_fault(self, endpoint: str, fault: Fault) -> None:
        """Count a fault of an endpoint."""
        self.faults.labels(endpoint, str(fault)).inc()

    def note_mined(self, mined: Mined) -> None:
        """Count a transaction."""
        self.mined.labels(mined.purpose.partition(":")[0], str(mined.progress)).inc()
        self.gas.inc(mined.gas)
        self.fees.inc(mined.cost)

    def value(self, name: str, **labels: str) -> float:
        """A metric's present value; 0 if it was never set."""
        return self.registry.get_sample_value(PREFIX + name, labels) or 0.0

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, what, labels, registry=self.registry)
