"""What it takes to post an answer as a claim on the settings' chain, and on what terms it stands there.

    gas <= 1.05 (base + 40 (bytes of inputs and outputs beyond those of the snapshot) + ports beyond two)

The base is what the contracts' own snapshot has (`contracts/snapshots/DisputeTier.json`). A byte of calldata
counts 40 at most (EIP-7623); where that floor does not apply, 40 is more than its 16 with what reading,
hashing and logging it takes.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from challenger.asserting import find_model
from circuits.circuit import Circuit
from contracts.chain import Chain
from contracts.dispute_tier import DisputeTier
from service.settings import Settings
from verifier.circuit_header import parse_header

CLAIM_GAS, FIRST_CLAIM_GAS = 74_503, 190_080
"""Of a claim of 64 inputs of one byte and 100 outputs of two; and of one that is its model's first."""
SNAPSHOT_BYTES, SNAPSHOT_PORTS = 64 + 2 * 100, 2
BYTE_GAS = 40
PORT_GAS, FIRST_PORT_GAS = 3_000, 20_000
"""For each port more: it has a leaf of its own, and the first claim stores its 72 bytes at 200 gas each."""
SPARE = 1.05
"""A real transaction finds other storage and memory than the snapshot's: up to 0.2% more was measured."""
FRESH_SECONDS = 5.0
"""How long what was read is told without another look at the chain."""
MOST_KEPT = 64


@dataclass(frozen=True)
class ClaimTerms:
    """What a claim about a circuit takes.

    Parameters
    ----------
    tier
        The contract's address.
    model_id
        That of the registered model, as 0x...
    gas
        At most, to post it; more for the first claim of a model.
    gas_price_wei
        The chain's, now.
    bond_wei
        What is held until the claim is final; up to 2^32 wei more, by which claims differ.
    window_seconds, longest_seconds
        From the post until it is final: if nobody disputes it, and if disputes take as long as they can.
    """

    chain_id: int
    tier: str
    model_id: str
    first: bool
    gas: int
    gas_price_wei: int
    bond_wei: int
    window_seconds: int
    longest_seconds: int


class ClaimQuotes:
    """Reads them from the chain that the settings name; they must name one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # One reader at a time: the others are told what it has read.
        self._lock = threading.Lock()
        self._tier: DisputeTier | None = None
        self._read: OrderedDict[bytes, tuple[float, ClaimTerms]] = OrderedDict()

    def terms(self, circuit: Circuit) -> ClaimTerms:
        """What a claim about a circuit would take now.

        Raises
        ------
        CheckFailed
            If the circuit is not registered there.
        ChainError
            If the chain does not answer.
        """
        with self._lock:
            until, found = self._read.get(circuit.circuit_id, (0.0, None))
            if found is None or until < time.monotonic():
                found = self._ask(circuit)
                self._read[circuit.circuit_id] = (time.monotonic() + FRESH_SECONDS, found)
                self._read.move_to_end(circuit.circuit_id)
                while len(self._read) > MOST_KEPT:
                    self._read.popitem(last=False)
            return found

    def _ask(self, circuit: Circuit) -> ClaimTerms:
        settings = self._settings
        assert settings.chain_rpc is not None and settings.chain_tier is not None
        if self._tier is None:
            chain = Chain.connect(settings.chain_rpc.get_secret_value())
            self._tier = DisputeTier(chain, settings.chain_tier)
        tier = self._tier
        model_id, least = find_model(tier.registry, circuit).model_id, tier.parameters()
        about = [tier.topic("ClaimPosted"), None, model_id.to_bytes(32)]
        first = not tier.chain.logs(tier.address, about, settings.chain_from_block)
        window = settings.chain_window or least.min_window
        with tier.chain.errors():
            price = int(tier.chain.web3.eth.gas_price)
        return ClaimTerms(
            tier.chain.chain_id,
            tier.address,
            hex(model_id),
            first,
            claim_gas(circuit, first),
            price,
            least.min_bond,
            window,
            tier.longest(model_id, window),
        )


def claim_gas(circuit: Circuit, first: bool) -> int:
    """At most the gas of posting a claim about one sample of a circuit."""
    header = parse_header(circuit.header)
    ports = (*header.inputs, *header.outputs)
    more_bytes = max(0, sum(port.elements * port.width for port in ports) - SNAPSHOT_BYTES)
    more_ports = len(ports) - SNAPSHOT_PORTS
    base, of_a_port = (FIRST_CLAIM_GAS, FIRST_PORT_GAS) if first else (CLAIM_GAS, PORT_GAS)
    return int(SPARE * (base + BYTE_GAS * more_bytes + of_a_port * more_ports))
