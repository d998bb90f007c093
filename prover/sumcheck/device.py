"""What the prover needs of a device: vectors of elements of BN254's scalar field, and a few kernels on them.

The protocol is written once against this. Vectors are opaque and stay on the device; scalars are Python
integers. Tensors of small integers are what the device holds them as (`circuits.executor.Processor`): NumPy's
arrays, or some that NumPy's functions take as well (NEP 18, NEP 35).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from circuits.executor import Processor
from circuits.tensor import IntArray
from prover.sumcheck.cost import Cost

Vector = Any
"""A vector of elements of the scalar field, on the device."""
Shape = tuple[int, ...]


class TreeLayer(Protocol):
    """The sumcheck that takes a claim from one level of a fraction tree to the level beneath.

    It is of sum_x eq(z, x) (N(x0) D(x1) + N(x1) D(x0) + mix D(x0) D(x1)), the last variable bound first, with
    eq taken out of the rounds as `verifier.sumcheck.rounds.verify_rounds_at` says.
    """

    def round(self) -> tuple[int, int]:
        """t(0) and t's coefficient of the square."""
        ...

    def bind(self, challenge: int) -> None:
        """Fix the round's variable."""
        ...

    def bind_round(self, challenge: int) -> tuple[int, int]:
        """`bind`, then `round`, in one pass."""
        ...

    def finish(self) -> tuple[int, int, int, int]:
        """N(x0), N(x1), D(x0), D(x1) at the point, when no variable is left."""
        ...


class FractionTree(Protocol):
    """The levels of `verifier.sumcheck.fractions`."""

    def level(self, height: int) -> tuple[Vector, Vector]:
        """The numerators and denominators of a level's nodes that have leaves."""
        ...

    def layer(self, height: int, point: Sequence[int], mix: int) -> TreeLayer:
        """Begin the sumcheck from level height + 1, at a point, to level `height`."""
        ...


class Device(Processor, Protocol):
    """A processor that holds vectors, too. NumPy's arrays serve wherever it takes tensors of integers."""

    def require(self, cost: Cost) -> None:
        """Refuse a proof that would not fit: InputError, which says what is needed and what there is."""
        ...

    def vector(self, scalars: Sequence[int]) -> Vector:
        """A vector of scalars in [0, r)."""
        ...

    def integers(self, values: IntArray) -> Vector:
        """The vector of signed integers, row-major."""
        ...

    def scalars(self, vector: Vector) -> list[int]:
        """The vector's elements."""
        ...

    def arranged(self, vector: Vector, shape: Shape, order: Sequence[int], padded: Shape) -> Vector:
        """A row-major tensor with its axes in another order, then each padded with zeros."""
        ...

    def joined(self, vectors: Iterable[Vector], length: int) -> Vector:
        """The vectors one after another, padded with zeros: a vector of its own."""
        ...

    def beside(self, matrices: Sequence[Vector], rows: int) -> Vector:
        """Matrices of so many rows, each row-major, side by side; one alone may stay what it is."""
        ...

    def repeated(self, vector: Vector, times: int) -> Vector:
        """Each element `times` times in a row."""
        ...

    def eq(self, point: Sequence[int]) -> Vector:
        """eq(point, i) for all i, the first coordinate being that of the most significant bit."""
        ...

    def kron(self, a: Vector, b: Vector) -> Vector:
        """All products, the first index slowest."""
        ...

    def multiply(self, a: Vector, b: Vector) -> Vector:
        """Products elementwise."""
        ...

    def scale(self, vector: Vector, factor: int) -> Vector:
        """The vector times a number."""
        ...

    def add_scaled(self, factor: int, x: Vector, y: Vector) -> Vector:
        """factor * x + y; y may be overwritten."""
        ...

    def dot(self, a: Vector, b: Vector) -> int:
        """The inner product."""
        ...

    def inverse(self, vector: Vector) -> Vector:
        """The inverses of elements that are not zero."""
        ...

    def contract(self, values: IntArray, weights: Vector) -> Vector:
        """sum_a values[o, a, i] * weights[m, a] as [o, m, i], for integers values[o, a, i]."""
        ...

    def contract_vector(self, vector: Vector, shape: tuple[int, int, int], weights: Vector) -> Vector:
        """The same for a vector of shape [o, a, i]."""
        ...

    def product_sum(self, factors: Sequence[Vector]) -> int:
        """The sum of the product of two or three vectors."""
        ...

    def product_round(self, factors: Sequence[Vector]) -> list[int]:
        """Of g(X) = sum_x prod_f f(X, x), X being the first half of the elements or the second: g(0), g(-1)
        if there are three factors, and the coefficient of the highest power.
        """
        ...

    def bind(self, factors: Sequence[Vector], challenge: int) -> list[Vector]:
        """Each factor with that variable fixed; the factors may be overwritten."""
        ...

    def bind_round(self, factors: Sequence[Vector], challenge: int) -> tuple[list[Vector], list[int]]:
        """`bind`, then `product_round` of what it gives, in one pass."""
        ...

    def fraction_tree(
        self, rows: Any, denominators: Vector, numerators: Sequence[tuple[int, Vector]]
    ) -> FractionTree:
        """The tree of the leaves 1 / denominators[rows[i]], with other numerators from each offset on."""
        ...

    def commit_integers(self, chunks: IntArray) -> bytes:
        """The commitments to the rows of a matrix of integers, 64 bytes each."""
        ...

    def commit(self, vector: Vector) -> bytes:
        """The commitment to a vector, 64 bytes."""
        ...

    def commit_all(self, vectors: Sequence[Vector]) -> bytes:
        """The commitments to all vectors, 64 bytes each, in less time than one after the other."""
        ...

    def fold_pairs(self, vector: Vector, x: int) -> Vector:
        """(1 - x) v[2j] + x v[2j + 1]."""
        ...

    def evaluate(self, vector: Vector, x: int) -> int:
        """The value at x of the polynomial with these coefficients."""
        ...

    def divide_linear(self, vector: Vector, root: int) -> Vector:
        """The quotient of the polynomial by X - root."""
        ...

    def combine(self, vectors: Sequence[Vector], scalars: Sequence[int]) -> Vector:
        """sum_i scalars[i] * vectors[i], shorter vectors padded with zeros."""
        ...

    def part(self, vector: Vector, start: int, length: int) -> Vector:
        """The elements from `start` on."""
        ...

    def length(self, vector: Vector) -> int:
        """The number of elements."""
        ...
