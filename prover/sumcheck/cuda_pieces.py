"""A layer whose level is never whole in memory: it is made again, piece by piece, for each first round.

Variables are bound from the least significant one up, so that what a piece of consecutive nodes becomes
depends on that piece alone. After a few rounds, in which only sums leave a piece, what is left is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prover.cuda.kernels import WORDS, Kernels
from prover.sumcheck.cuda_layer import CudaLayer, Eq, Factors
from verifier.bn254 import SCALAR_FIELD

Pieces = Callable[[], Iterator[Factors]]
"""Makes the level's pieces, all but the last of one power of two of x."""


class PiecedLayer:
    """A `TreeLayer`.

    Parameters
    ----------
    pieces
        Makes the level's pieces anew.
    size
        The number of x in all of them.
    delayed
        So many variables are bound anew for each round; then the factors are kept.
    """

    def __init__(
        self, kernels: Kernels, pieces: Pieces, size: int, mix: int, eq: Eq, left: int, delayed: int
    ) -> None:
        self._kernels, self._pieces, self._size, self._mix = kernels, pieces, size, mix
        self._eq, self._left, self._delayed = eq, left, delayed
        self._challenges: list[int] = []
        self._kept: CudaLayer | None = None

    def round(self) -> tuple[int, int]:
        if self._kept is not None:
            return self._kept.round()
        zero = square = first_pair = 0
        for factors in self._bound_pieces():
            sums = factors.round(self._eq, self._left - 1, first_pair)
            zero, square = zero + sums[0], square + sums[1]
            first_pair += factors.size // 2
        dead = self._eq.sum_from(self._left - 1, -(-self._size // 2))
        return (zero + self._mix * dead) % SCALAR_FIELD, square % SCALAR_FIELD

    def bind(self, challenge: int) -> None:
        if self._kept is not None:
            self._kept.bind(challenge)
            return
        self._challenges.append(challenge)
        self._left -= 1
        self._size = -(-self._size // 2)
        if len(self._challenges) >= self._delayed or self._left == 0:
            self._kept = CudaLayer(self._gathered(), self._eq, self._left)

    def bind_round(self, challenge: int) -> tuple[int, int]:
        if self._kept is not None:
            return self._kept.bind_round(challenge)
        self.bind(challenge)
        return self.round()

    def finish(self) -> tuple[int, int, int, int]:
        if self._kept is None:  # there was no variable
            return CudaLayer(next(self._pieces()), self._eq, 0).finish()
        return self._kept.finish()

    def _bound_pieces(self) -> Iterator[Factors]:
        """The pieces with all variables bound that have a challenge."""
        for factors in self._pieces():
            for challenge in self._challenges:
                factors = factors.bind(challenge)
            yield factors

    def _gathered(self) -> Factors:
        """All pieces together."""
        values = self._kernels.vectors(4 * self._size)
        planes, first = values.reshape(4, self._size, WORDS), 0
        for factors in self._bound_pieces():
            planes[:, first : first + factors.size] = factors.values.reshape(4, factors.size, WORDS)
            first += factors.size
        return Factors.after_binding(self._kernels, values, self._size, self._mix)
