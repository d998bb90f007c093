"""The sumcheck backend over the development reference string, whose tau is public, without its points.

A commitment to v is (sum of v_i tau^i) [1]_1: the same point as from 2^k points of the string, for one
multiplication. So programs and gas can be measured for chunks of any size without a string of that size.
Such proofs prove nothing, as no proof over that string does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from circuits.tensor import IntArray
from prover.sumcheck.backend import SumcheckBackend
from prover.sumcheck.cpu import CpuDevice, Vector
from prover.sumcheck.device import Device
from verifier.bn254 import G1_BYTES, G1_GENERATOR, SCALAR_FIELD, encode_g1
from verifier.development_srs import TAU, development_head
from verifier.msm import MultiplesTable
from verifier.powers_of_tau import MAX_K
from verifier.srs import StoredSrs
from verifier.sumcheck.plan import Options


def find(k: int) -> StoredSrs:
    """The development string, as if it were stored in any size."""
    return StoredSrs(Path(), MAX_K, development_head(), None, "made here", "")


class KnownTauBackend(SumcheckBackend):
    """The backend with a device that commits by tau."""

    def _device(self, srs: StoredSrs, options: Options) -> Device:
        return _KnownTauDevice()


class _KnownTauDevice(CpuDevice):
    def __init__(self) -> None:
        self._table = MultiplesTable(G1_GENERATOR, 8)
        self._powers = cache(self._powers_of_tau)

    def commit_integers(self, chunks: IntArray) -> bytes:
        powers = self._powers(chunks.shape[1].bit_length() - 1)
        return b"".join(self._point(self.dot(self.integers(row), powers)) for row in chunks)

    def commit(self, vector: Vector) -> bytes:
        return self._point(self.evaluate(vector, TAU))

    def commit_all(self, vectors: Sequence[Vector]) -> bytes:
        return b"".join(self.commit(vector) for vector in vectors)

    def _powers_of_tau(self, bits: int) -> Vector:
        powers = self.vector([1])
        for k in reversed(range(bits)):
            powers = self.kron(powers, self.vector([1, pow(TAU, 1 << k, SCALAR_FIELD)]))
        return powers

    def _point(self, scalar: int) -> bytes:
        return encode_g1(self._table.multiples([scalar])[0]) if scalar else bytes(G1_BYTES)
