"""What the verifier of an argument does but for arithmetic: read messages, draw challenges, check.

The steps of the argument are written against this, and compute with field elements by +, -, * and % alone. So
they can be run on a proof (`messages`), and on symbols, to compile what a contract computes (`program`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from verifier.msm import Sum
from verifier.sumcheck.multilinear import Point


class Dialogue(Protocol):
    """A verifier's side of an argument. Whatever it reads is absorbed by the transcript first."""

    def scalars(self, count: int) -> Sequence[int]:
        """The next `count` scalars that the prover sends. Raises CheckFailed if one is not canonical."""
        ...

    def points(self, count: int) -> Sequence[Sum]:
        """The next `count` points of G1, None for infinity. Raises FormatError if one is none."""
        ...

    def challenge(self) -> int:
        """An element of the scalar field that depends on everything said before."""
        ...

    def challenges(self, count: int) -> Point:
        """`count` challenges, one after another."""
        ...

    def rounds(self, total: int, count: int, degree: int) -> tuple[Point, int]:
        """Follow a sumcheck of a sum of G, of at most `degree` in each variable, the first bound first.

        Returns
        -------
        tuple
            The point, and the claimed value of G there. The caller must check it.
        """
        ...

    def rounds_at(self, total: int, z: Point) -> tuple[Point, int]:
        """Follow a sumcheck of  sum_x eq(z, x) G(x),  G of degree two in each variable, the last bound first.

        Returns
        -------
        tuple
            The point, and the claimed value of G there. The caller must check it.
        """
        ...

    def inverse(self, value: int) -> int:
        """1 / value. Raises CheckFailed if `value` is zero, which an honest prover meets by bad luck only."""
        ...

    def require_zero(self, value: int, complaint: str) -> None:
        """Raise CheckFailed with the complaint unless the value is zero in the field."""
        ...

    def require_opening(self, scalars: Sequence[int], points: Sequence[Sum], witness: Sum) -> None:
        """Raise CheckFailed unless  e(sum of scalars * points, [1]_2) = e(witness, [tau]_2)."""
        ...
