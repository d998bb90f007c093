"""The sumchecks between the levels of a fraction tree on a GPU (`prover/kernels/cuda/fractions.cu`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prover.cuda.driver import THREADS, Array
from prover.cuda.kernels import Kernels, words
from verifier.bn254 import SCALAR_FIELD

_BLOCK_BITS = THREADS.bit_length() - 1


class Eq:
    """eq of a layer's point: a table of all its prefixes, which blocks of threads read."""

    def __init__(self, kernels: Kernels, point: Sequence[int]) -> None:
        self.point = tuple(point)
        self._z = kernels.elements(point) if point else kernels.vectors(1)
        size = 2 << max(0, len(point) - 1 - _BLOCK_BITS)
        self._prefixes = kernels.vectors(size)
        kernels.run("vectors", "eq_prefixes", size, self._z, size, self._prefixes)

    def arguments(self, variables: int, first_pair: int) -> tuple[Array, int, Array]:
        """What a round takes over pairs that so many coordinates number, from a block's first pair on."""
        begin = (1 << max(0, variables - _BLOCK_BITS)) + first_pair // THREADS
        return self._z, variables, self._prefixes[begin:]

    def sum_from(self, variables: int, first: int) -> int:
        """The sum of eq(z, i) for i >= first, z being so many coordinates."""
        if first >> variables:
            return 0
        total, prefix = 0, 1
        for k, z in enumerate(self.point[:variables]):
            at_1 = prefix * z % SCALAR_FIELD
            if first >> (variables - 1 - k) & 1:
                prefix = at_1
            else:
                total += at_1
                prefix -= at_1
        return (total + prefix) % SCALAR_FIELD


@dataclass(frozen=True)
class Factors:
    """N0, N1 + mix D1, D0, D1 for so many x, as a kind of kernel reads them.

    Parameters
    ----------
    arguments
        What its kernels take first.
    kept
        What the arguments point to.
    """

    kernels: Kernels
    kind: str
    arguments: tuple[Any, ...]
    size: int
    mix: int
    kept: Any

    @staticmethod
    def of_level(
        kernels: Kernels, kind: str, arrays: Sequence[Array], nodes: int, mix: int, kept: Any = None
    ) -> Factors:
        """Those of a level's nodes, two for each x; the arrays are those of the kind's struct."""
        address = kernels.driver.address
        numbers = np.array([*words(mix), *map(address, arrays), nodes], dtype=np.uint64)
        return Factors(
            kernels, kind, (kernels.driver.upload(numbers),), -(-nodes // 2), mix, (tuple(arrays), kept)
        )

    @staticmethod
    def after_binding(kernels: Kernels, values: Array, size: int, mix: int) -> Factors:
        """Those in four vectors, one after the other."""
        return Factors(kernels, "bound", (values, size, *words(mix)), size, mix, values)

    @property
    def values(self) -> Array:
        """The four vectors, after a variable was bound."""
        assert self.kind == "bound"
        return self.kept

    def round(self, eq: Eq, variables: int, first_pair: int = 0) -> list[int]:
        """The round's sums over the pairs of x that are not dead."""
        pairs = -(-self.size // 2)
        arguments = (*self.arguments, pairs, *eq.arguments(variables, first_pair))
        return self.kernels.sums("fractions", f"fraction_round_{self.kind}", pairs, 2, *arguments)

    def bind(self, challenge: int) -> Factors:
        """With the next variable bound."""
        size = -(-self.size // 2)
        values = self.kernels.vectors(4 * size)
        arguments = (*self.arguments, size, *words(challenge), values)
        self.kernels.run("fractions", f"fraction_bind_{self.kind}", size, *arguments)
        return Factors.after_binding(self.kernels, values, size, self.mix)

    def bind_round(self, challenge: int, eq: Eq, variables: int) -> tuple[Factors, list[int]]:
        """`bind`, and `round` of what it gives, in one pass."""
        size = -(-self.size // 2)
        values, pairs = self.kernels.vectors(4 * size), -(-size // 2)
        arguments = (*self.arguments, size, *words(challenge), values, *eq.arguments(variables, 0))
        sums = self.kernels.sums("fractions", f"fraction_bind_round_{self.kind}", pairs, 2, *arguments)
        return Factors.after_binding(self.kernels, values, size, self.mix), sums


class CudaLayer:
    """A `TreeLayer` of factors, of which so many coordinates of the point are left."""

    def __init__(self, factors: Factors, eq: Eq, left: int) -> None:
        self._factors, self._eq, self._left = factors, eq, left

    def round(self) -> tuple[int, int]:
        return self._with_dead(self._factors.round(self._eq, self._left - 1))

    def bind(self, challenge: int) -> None:
        self._factors = self._factors.bind(challenge)
        self._left -= 1

    def bind_round(self, challenge: int) -> tuple[int, int]:
        self._left -= 1
        self._factors, sums = self._factors.bind_round(challenge, self._eq, self._left - 1)
        return self._with_dead(sums)

    def finish(self) -> tuple[int, int, int, int]:
        factors = self._factors
        if factors.kind != "bound":
            factors = factors.bind(0)  # a single x: the dead one behind it goes in zero times
        n0, n1, d0, d1 = factors.kernels.scalars(factors.values)
        return n0, (n1 - factors.mix * d1) % SCALAR_FIELD, d0, d1

    def _with_dead(self, sums: Sequence[int]) -> tuple[int, int]:
        """With what the pairs behind the last one add: G is `mix` there, whatever X is."""
        dead = self._eq.sum_from(self._left - 1, -(-self._factors.size // 2))
        return (sums[0] + self._factors.mix * dead) % SCALAR_FIELD, sums[1]
