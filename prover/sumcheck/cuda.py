"""The device that is a GPU: vectors stay in its memory, and of a round only its sums come back.

Vectors are arrays (n, 4) of 64-bit words, x as x * 2^256 mod r. Tensors of integers may be arrays of the GPU,
too; those of the processor are copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from circuits.errors import InputError
from circuits.tensor import IntArray
from prover.cuda.driver import THREADS, Array, Driver
from prover.cuda.execution import Execution
from prover.cuda.kernels import WORDS, Kernels, integer_name, words
from prover.cuda.msm import Bases
from prover.sumcheck.cost import Cost, cuda_bytes
from prover.sumcheck.cuda_tree import GENEROUS, THRIFTY, CudaTree
from prover.sumcheck.device import Shape, Vector
from verifier.bn254 import SCALAR_FIELD

_SHORT_POINT = 8
"""Coordinates whose eq is made entry by entry."""
_RUN = 32
"""Coefficients that one thread divides (`kRun` in univariate.cu)."""
_SHORTEST_PART = 64
"""A contraction's axis is not cut shorter than this to keep all threads busy."""


class CudaDevice(Execution):
    """A `Device` on a GPU.

    Parameters
    ----------
    points
        The powers of tau in G1, raw, as SRS files hold them.
    """

    def __init__(self, points: bytes, driver: Driver) -> None:
        kernels = Kernels(driver)
        super().__init__(kernels)
        self._run = kernels.run
        self._bases = Bases(kernels, points)
        self.thrift = GENEROUS
        """How a fraction tree is kept; `require` chooses it for each proof."""

    def require(self, cost: Cost) -> None:
        free = self._driver.free_bytes()
        self.thrift = GENEROUS if cuda_bytes(cost.counts, thrifty=False) <= free else THRIFTY
        needed = cuda_bytes(cost.counts, thrifty=self.thrift is THRIFTY)
        if needed > free:
            raise InputError(
                f"this proof takes about {needed / 1e9:.1f} GB of the GPU's memory, and {free / 1e9:.1f} GB "
                "are free: use a smaller batch, a GPU with more, or --device cpu"
            )

    def vector(self, scalars: Sequence[int]) -> Vector:
        return self._kernels.elements(scalars)

    def integers(self, values: IntArray) -> Vector:
        cells = self._cells(values).reshape(-1)
        out = self._kernels.vectors(len(cells))
        self._run("vectors", f"from_{integer_name(cells.dtype)}", len(cells), cells, len(cells), out)
        return out

    def scalars(self, vector: Vector) -> list[int]:
        return self._kernels.scalars(vector)

    def length(self, vector: Vector) -> int:
        return len(vector)

    def arranged(self, vector: Vector, shape: Shape, order: Sequence[int], padded: Shape) -> Vector:
        x = vector.reshape(*shape, WORDS).transpose(*order, len(shape))
        if x.shape[:-1] == tuple(padded):
            return self._xp.ascontiguousarray(x).reshape(-1, WORDS)
        out = self._xp.zeros((*padded, WORDS), dtype=np.uint64)
        out[tuple(slice(0, n) for n in x.shape[:-1])] = x
        return out.reshape(-1, WORDS)

    def joined(self, vectors: Iterable[Vector], length: int) -> Vector:
        out = self._kernels.vectors(length)
        start = 0
        for vector in vectors:
            out[start : start + len(vector)] = vector
            start += len(vector)
        out[start:] = 0
        return out

    def beside(self, matrices: Sequence[Vector], rows: int) -> Vector:
        if len(matrices) == 1:
            return matrices[0]
        parts = [matrix.reshape(rows, -1, WORDS) for matrix in matrices]
        return self._xp.concatenate(parts, axis=1).reshape(-1, WORDS)

    def repeated(self, vector: Vector, times: int) -> Vector:
        return vector if times == 1 else self._xp.repeat(vector, times, axis=0)

    def part(self, vector: Vector, start: int, length: int) -> Vector:
        return vector[start : start + length]

    def eq(self, point: Sequence[int]) -> Vector:
        if len(point) > _SHORT_POINT:
            half = len(point) // 2
            return self.kron(self.eq(point[:half]), self.eq(point[half:]))
        size = 1 << len(point)
        out = self._kernels.vectors(2 * size)
        z = self._kernels.elements(point) if point else out
        self._run("vectors", "eq_prefixes", 2 * size, z, 2 * size, out)
        return out[size:]

    def kron(self, a: Vector, b: Vector) -> Vector:
        size = len(a) * len(b)
        out = self._kernels.vectors(size)
        self._run("vectors", "kron", size, a, b, size, len(b), out)
        return out

    def multiply(self, a: Vector, b: Vector) -> Vector:
        out = self._kernels.vectors(len(a))
        self._run("vectors", "multiply", len(a), a, b, len(a), out)
        return out

    def scale(self, vector: Vector, factor: int) -> Vector:
        out = self._kernels.vectors(len(vector))
        self._run("vectors", "scale", len(vector), vector, len(vector), out, *words(factor))
        return out

    def add_scaled(self, factor: int, x: Vector, y: Vector) -> Vector:
        self._run("vectors", "add_scaled", len(x), x, len(x), y, *words(factor))
        return y

    def dot(self, a: Vector, b: Vector) -> int:
        return self._kernels.sums("vectors", "dot", len(a), 1, a, b, len(a))[0]

    def inverse(self, vector: Vector) -> Vector:
        failed = self._xp.zeros(1, dtype=np.uint32)
        out = self._kernels.vectors(len(vector))
        threads = -(-len(vector) // _RUN)
        self._run("vectors", "inverse", threads, vector, len(vector), out, failed)
        if int(self._driver.download(failed)[0]):
            raise ValueError("zero has no inverse")
        return out

    def contract(self, values: IntArray, weights: Vector) -> Vector:
        cells = self._cells(values)
        outer, axis, inner = cells.shape
        rows, parts = len(weights) // axis, self._parts(cells.shape, len(weights))
        bits = 8 * cells.dtype.itemsize
        shifts = self._kernels.vectors(rows * parts)
        self._driver.launch(
            "contraction", "sum_weights", rows * parts, weights, axis, rows, parts, bits, shifts
        )
        kernel = f"contract_{integer_name(cells.dtype)}"
        return self._contracted(kernel, (cells, weights, shifts), (outer, axis, inner), rows, parts)

    def contract_vector(self, vector: Vector, shape: tuple[int, int, int], weights: Vector) -> Vector:
        rows, parts = len(weights) // shape[1], self._parts(shape, len(weights))
        return self._contracted("contract_vector", (vector, weights), shape, rows, parts)

    def _parts(self, shape: Shape, weights: int) -> int:
        """Into how many parts the axis is cut, so that there is work for all blocks."""
        outer, axis, inner = shape
        blocks = -(-outer * inner // THREADS) * (weights // axis)
        return max(1, min(self._driver.most_blocks // blocks, axis // _SHORTEST_PART))

    def _contracted(
        self, kernel: str, operands: Sequence[Array], shape: Shape, rows: int, parts: int
    ) -> Vector:
        outer, axis, inner = shape
        size = outer * rows * inner
        out = self._kernels.vectors(parts * size)
        blocks = -(-outer * inner // THREADS) * rows * parts
        self._run("contraction", kernel, blocks * THREADS, *operands, outer, axis, inner, rows, parts, out)
        if parts == 1:
            return out
        total = self._kernels.vectors(size)
        self._run("contraction", "sum_parts", size, out, size, parts, total)
        return total

    def product_sum(self, factors: Sequence[Vector]) -> int:
        n = len(factors[0])
        return self._kernels.sums("products", f"product_sum_{len(factors)}", n, 1, *factors, n)[0]

    def product_round(self, factors: Sequence[Vector]) -> list[int]:
        n, count = len(factors[0]), len(factors)
        return self._kernels.sums("products", f"product_round_{count}", n // 2, count, *factors, n)

    def bind(self, factors: Sequence[Vector], challenge: int) -> list[Vector]:
        half = len(factors[0]) // 2
        for factor in factors:
            self._run("products", "bind_first", half, factor, half, *words(challenge))
        return [factor[:half] for factor in factors]

    def bind_round(self, factors: Sequence[Vector], challenge: int) -> tuple[list[Vector], list[int]]:
        n, count = len(factors[0]), len(factors)
        kernel = f"product_bind_round_{count}"
        values = self._kernels.sums("products", kernel, n // 4, count, *factors, n, *words(challenge))
        return [factor[: n // 2] for factor in factors], values

    def fraction_tree(
        self, rows: Any, denominators: Vector, numerators: Sequence[tuple[int, Vector]]
    ) -> CudaTree:
        on_device = self._driver.upload(rows) if isinstance(rows, np.ndarray) else rows
        return CudaTree(self._kernels, on_device, denominators, numerators, self.thrift)

    def commit_integers(self, chunks: IntArray) -> bytes:
        return self._bases.commit_integers(self._cells(chunks))

    def commit(self, vector: Vector) -> bytes:
        return self._bases.commit_elements([vector])

    def commit_all(self, vectors: Sequence[Vector]) -> bytes:
        return self._bases.commit_elements(vectors) if vectors else b""

    def fold_pairs(self, vector: Vector, x: int) -> Vector:
        half = len(vector) // 2
        out = self._kernels.vectors(half)
        self._run("vectors", "fold_pairs", half, vector, half, out, *words(x))
        return out

    def evaluate(self, vector: Vector, x: int) -> int:
        threads = -(-len(vector) // _RUN)
        step = pow(x, self._kernels.blocks(threads) * THREADS, SCALAR_FIELD)
        return self._kernels.sums(
            "univariate", "evaluate", threads, 1, vector, len(vector), *words(x), *words(step)
        )[0]

    def divide_linear(self, vector: Vector, root: int) -> Vector:
        n = len(vector)
        if n <= 1:
            return self._xp.zeros((1, WORDS), dtype=np.uint64)  # a constant has the quotient 0
        runs = -(-n // _RUN)
        carries = vector  # none is carried into one run alone
        if runs > 1:
            values = self._kernels.vectors(runs)
            self._run("univariate", "evaluate_runs", runs, vector, n, runs, *words(root), values)
            carries = self.divide_linear(values, pow(root, _RUN, SCALAR_FIELD))
        out = self._kernels.vectors(n - 1)
        self._run("univariate", "divide_runs", runs, vector, n, runs, carries, *words(root), out)
        return out

    def combine(self, vectors: Sequence[Vector], scalars: Sequence[int]) -> Vector:
        total = self.joined([], max(len(vector) for vector in vectors))
        for vector, scalar in zip(vectors, scalars, strict=True):
            self.add_scaled(scalar, vector, total)
        return total

    def _cells(self, values: Any) -> Array:
        """A tensor of integers on the device, row-major."""
        cells = self._driver.upload(values) if isinstance(values, np.ndarray) else values
        return self._xp.ascontiguousarray(cells)
