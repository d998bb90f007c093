"""What a backend is: a proof system that settles the statement `outputs = circuit(inputs)`.

A setup makes a verifying key from a circuit. Whoever has the circuit and the key can load a prover, which
then proves one batch of inputs after another. What a backend needs beyond the two (a proving key, say) is its
own affair: it keeps that in this user's cache, or has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.tensor import IntArray
from prover.progress import Progress
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.recipient import ANYONE
from verifier.srs import StoredSrs

FindSrs = Callable[[int], StoredSrs]
"""Gives an SRS of at least 2^k points; one of more makes ezkl's steps slower. Raises InputError if there is
none.
"""


@dataclass(frozen=True)
class LayerCost:
    """What one node of the circuit costs, in the backend's unit."""

    node: int
    label: str
    op: str
    size: int


@dataclass(frozen=True)
class Estimate:
    """What a proof will about cost, known without any expensive step.

    Parameters
    ----------
    size
        How large the proof system makes the circuit, in the backend's unit.
    srs_k
        The proof needs an SRS of 2^srs_k points.
    prove_seconds
        On two cores of a common server, for a prover that is loaded.
    peak_rss_bytes
        The most memory of the process that proves.
    proof_bytes
        The length of the proof, or None where only the setup tells.
    layers
        The size of each node that has any.
    """

    backend: str
    unit: str
    size: int
    srs_k: int
    prove_seconds: float
    peak_rss_bytes: int
    proof_bytes: int | None
    layers: tuple[LayerCost, ...]


Target = Literal["cpu", "evm"]
"""Where proofs are to be cheap: to be made on a CPU, or to be checked by a contract."""


@dataclass(frozen=True)
class Choices:
    """What a user may choose of a setup. A backend refuses what it has not.

    Parameters
    ----------
    target
        Where proofs are to be cheap.
    chunk_bits
        Commit to vectors of 2^chunk_bits numbers, which is the size of SRS that is needed; by default what is
        best for the target.
    commit_inputs
        Statements name a commitment to their inputs instead of the values.
    """

    target: Target = "cpu"
    chunk_bits: int | None = None
    commit_inputs: bool = False


DEFAULT_CHOICES = Choices()


@dataclass(frozen=True)
class SetUp:
    """What a setup made.

    Parameters
    ----------
    proving_key_bytes
        The size of what lies in the cache; 0 for a backend that has no proving key.
    size
        How large the proof system makes the circuit, in the backend's unit.
    seconds
        0 where everything was in the cache.
    """

    key: VerifyingKey
    proving_key_bytes: int
    size: int
    seconds: float
    peak_rss_bytes: int
    cached: bool


@dataclass(frozen=True)
class Proven:
    """A proof and what it took, from the inputs on: loading the prover is not counted."""

    proof: Proof
    seconds: float
    peak_rss_bytes: int


class Prover(Protocol):
    """Proves one circuit's outputs for one key."""

    def prove(self, inputs: Sequence[IntArray], progress: Progress, recipient: bytes = ANYONE) -> Proven:
        """Prove the circuit's outputs on a batch, one array of shape (batch, *port's shape) for each input.

        Parameters
        ----------
        recipient
            The address for which alone the proof shall hold, 20 bytes.

        Raises
        ------
        BoundError
            If an input lies outside its bound.
        InputError
            If the backend does not take batches of this size or binds no recipient, or it would need more
            memory than there is.
        CheckFailed
            If the proved outputs are not those of the executor. That is a bug, never a matter of rounding.
        """
        ...


class Backend(Protocol):
    """A proof system.

    Parameters
    ----------
    name
        As keys and proofs have it.
    unit
        What `size` counts.
    """

    name: str
    unit: str

    def check(self, circuit: Circuit) -> None:
        """Refuse a circuit that cannot be proved, naming the layer: UnsupportedError. Cheap."""
        ...

    def estimate(
        self, circuit: Circuit, choices: Choices = DEFAULT_CHOICES, samples: int = 1
    ) -> Estimate:
        """What one proof of so many samples will about cost, by a setup's choices. Cheap.

        Raises
        ------
        UnsupportedError
            As `check` does.
        InputError
            If the backend does not take so many samples in one proof.
        """
        ...

    def setup(
        self,
        circuit: Circuit,
        find_srs: FindSrs,
        progress: Progress,
        choices: Choices = DEFAULT_CHOICES,
    ) -> SetUp:
        """Make the verifying key, and a proving key in the cache if the backend needs one.

        The same circuit, SRS, chunks and version of the backend always give the same verifying key, byte for
        byte.

        Parameters
        ----------
        choices
            What the user has chosen.

        Raises
        ------
        UnsupportedError
            As `check` does.
        InputError
            If there is no SRS of the size that is needed, which the message says, the cache cannot be
            written, or the backend has no such chunks or cannot commit to inputs.
        """
        ...

    def remake(
        self, circuit: Circuit, key: VerifyingKey, find_srs: FindSrs, progress: Progress
    ) -> VerifyingKey:
        """Make a key anew that somebody else made, with the choices it states and nothing from the cache.

        It is the same, byte for byte, if and only if that one is the circuit's. Raises as `setup` does.
        """
        ...

    def load(self, circuit: Circuit, key: VerifyingKey, find_srs: FindSrs, progress: Progress) -> Prover:
        """A prover of the circuit for a key.

        Raises
        ------
        InputError
            If the key belongs to another circuit or SRS, or its proving key is not in the cache.
        """
        ...


def key_of(circuit: Circuit, backend: str, srs: StoredSrs, sections: Mapping[str, bytes]) -> VerifyingKey:
    """The verifying key of a circuit, with a backend's own sections."""
    return VerifyingKey(
        backend,
        circuit.circuit_id,
        circuit.header,
        circuit.ops_root,
        circuit.weights_root,
        circuit.scales_hash,
        tuple(port.scale for port in (*circuit.inputs, *circuit.outputs)),
        srs.head,
        srs.insecure,
        sections,
    )


def check_key(key: VerifyingKey, circuit: Circuit, backend: str) -> None:
    """Raise InputError unless a key is one of a circuit and a backend."""
    if key.backend != backend or key.circuit_id != circuit.circuit_id:
        raise InputError(
            f"the key is for circuit 0x{key.circuit_id.hex()} and backend {key.backend!r}, "
            f"this is circuit 0x{circuit.circuit_id.hex()} and backend {backend!r}"
        )


def check_srs(key: VerifyingKey, srs: StoredSrs) -> None:
    """Raise InputError unless a key was made with an SRS."""
    if srs.id != key.srs_id:
        raise InputError(f"the key was made with the SRS 0x{key.srs_id.hex()}, not with 0x{srs.id.hex()}")


def sample_by_sample(arrays: Sequence[IntArray]) -> tuple[int, ...]:
    """The values of a batch as a statement has them: all ports of one sample, then those of the next."""
    batch = arrays[0].shape[0]
    return tuple(x for sample in range(batch) for array in arrays for x in array[sample].ravel().tolist())
