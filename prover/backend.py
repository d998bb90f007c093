"""What a backend is: a proof system that settles the statement `outputs = circuit(inputs)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from circuits.circuit import Circuit
from circuits.tensor import IntArray
from prover.progress import Progress
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import StoredSrs

FindSrs = Callable[[int], StoredSrs]
"""Gives an SRS of at least 2^k points; one of more makes every step slower. Raises InputError if there is
none.
"""


@dataclass(frozen=True)
class LayerCost:
    """What one node of the circuit costs."""

    node: int
    label: str
    op: str
    rows: int


@dataclass(frozen=True)
class Estimate:
    """What a proof will about cost, known without any expensive step.

    Parameters
    ----------
    backend
        The backend's name.
    rows
        The rows of its constraint system.
    srs_k
        The proof needs an SRS of about 2^srs_k points.
    logrows
        They fill 2^logrows, and the proof needs an SRS of as many points.
    prove_seconds
        On two cores of a common server.
    layers
        The rows of each node that has any.
    """

    backend: str
    rows: int
    logrows: int
    prove_seconds: float
    layers: tuple[LayerCost, ...]


@dataclass(frozen=True)
class SetUp:
    """What a setup made. `seconds` is 0 where everything was in the cache."""

    key: VerifyingKey
    proving_key_bytes: int
    rows: int
    seconds: float
    peak_rss_bytes: int
    cached: bool


@dataclass(frozen=True)
class Proven:
    """A proof and what it took."""

    proof: Proof
    seconds: float
    peak_rss_bytes: int


class Backend(Protocol):
    """A proof system."""

    name: str

    def check(self, circuit: Circuit) -> None:
        """Refuse a circuit that cannot be proved, naming the layer: UnsupportedError. Cheap."""
        ...

    def estimate(self, circuit: Circuit) -> Estimate:
        """What a proof will about cost. Cheap. Raises UnsupportedError as `check` does."""
        ...

    def setup(self, circuit: Circuit, find_srs: FindSrs, progress: Progress) -> SetUp:
        """Make the proving key, which stays in the cache, and the verifying key.

        The same circuit, SRS and version of the backend always give the same verifying key, byte for byte.

        Raises
        ------
        UnsupportedError
            As `check` does.
        InputError
            If there is no SRS of the size that is needed, which the message says, or the cache cannot be
            written.
        """
        ...

    def prove(
        self,
        circuit: Circuit,
        inputs: Sequence[IntArray],
        key: VerifyingKey,
        find_srs: FindSrs,
        progress: Progress,
    ) -> Proven:
        """Prove the circuit's outputs on `inputs`, one array of the port's shape for each input.

        Raises
        ------
        BoundError
            If an input lies outside its bound.
        InputError
            If the key belongs to another circuit or SRS, or its proving key is not in the cache.
        CheckFailed
            If the proved outputs are not those of the executor. That is a bug, never a matter of rounding.
        """
        ...
