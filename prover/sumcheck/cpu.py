"""The device that is the processor: vectors are NumPy arrays, the kernels native code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from circuits.executor import Cpu
from circuits.tensor import IntArray
from prover import _kernels
from prover.memory import require
from prover.sumcheck.cost import Cost
from prover.sumcheck.device import Shape, Vector

_BYTES = 32


class CpuDevice(Cpu):
    """Vectors are arrays of shape (n, 4) of 64-bit words, as `prover._kernels` has them.

    Parameters
    ----------
    points
        The powers of tau in G1, raw, as SRS files hold them.
    """

    def __init__(self, points: bytes) -> None:
        self._bases = _kernels.Bases(points)

    def require(self, cost: Cost) -> None:
        require(cost.prove_bytes, "this proof")

    def vector(self, scalars: Sequence[int]) -> Vector:
        return _kernels.from_bytes(b"".join([scalar.to_bytes(_BYTES, "little") for scalar in scalars]))

    def integers(self, values: IntArray) -> Vector:
        return _kernels.from_ints(np.ascontiguousarray(values).reshape(-1))

    def scalars(self, vector: Vector) -> list[int]:
        data = _kernels.to_bytes(np.ascontiguousarray(vector))
        return [_number(data[i : i + _BYTES]) for i in range(0, len(data), _BYTES)]

    def length(self, vector: Vector) -> int:
        return len(vector)

    def arranged(self, vector: Vector, shape: Shape, order: Sequence[int], padded: Shape) -> Vector:
        x = vector.reshape(*shape, 4).transpose(*order, len(shape))
        if x.shape[:-1] == tuple(padded):
            return np.ascontiguousarray(x).reshape(-1, 4)
        out = np.zeros((*padded, 4), dtype=np.uint64)
        out[tuple(slice(0, n) for n in x.shape[:-1])] = x
        return out.reshape(-1, 4)

    def joined(self, vectors: Iterable[Vector], length: int) -> Vector:
        out = np.empty((length, 4), dtype=np.uint64)
        start = 0
        for vector in vectors:
            out[start : start + len(vector)] = vector
            start += len(vector)
        out[start:] = 0
        return out

    def beside(self, matrices: Sequence[Vector], rows: int) -> Vector:
        if len(matrices) == 1:
            return matrices[0]
        return np.concatenate([matrix.reshape(rows, -1, 4) for matrix in matrices], axis=1).reshape(-1, 4)

    def repeated(self, vector: Vector, times: int) -> Vector:
        return vector if times == 1 else np.repeat(vector, times, axis=0)

    def eq(self, point: Sequence[int]) -> Vector:
        return _kernels.eq([_scalar(z) for z in point], _scalar(1))

    def kron(self, a: Vector, b: Vector) -> Vector:
        return _kernels.kron(a, b)

    def multiply(self, a: Vector, b: Vector) -> Vector:
        return _kernels.mul(a, b)

    def scale(self, vector: Vector, factor: int) -> Vector:
        return _kernels.scale(vector, _scalar(factor))

    def add_scaled(self, factor: int, x: Vector, y: Vector) -> Vector:
        _kernels.axpy(_scalar(factor), x, y)
        return y

    def dot(self, a: Vector, b: Vector) -> int:
        return _number(_kernels.dot(a, b))

    def inverse(self, vector: Vector) -> Vector:
        return _kernels.inverse(vector)

    def contract(self, values: IntArray, weights: Vector) -> Vector:
        return _kernels.contract(np.ascontiguousarray(values), weights)

    def contract_vector(self, vector: Vector, shape: tuple[int, int, int], weights: Vector) -> Vector:
        return _kernels.contract_vector(vector, shape, weights)

    def product_sum(self, factors: Sequence[Vector]) -> int:
        return _number(_kernels.product_sum(list(factors)))

    def product_round(self, factors: Sequence[Vector]) -> list[int]:
        return [_number(value) for value in _kernels.product_round(list(factors))]

    def bind(self, factors: Sequence[Vector], challenge: int) -> list[Vector]:
        return list(_kernels.product_bind(list(factors), _scalar(challenge)))

    def bind_round(self, factors: Sequence[Vector], challenge: int) -> tuple[list[Vector], list[int]]:
        bound, values = _kernels.product_bind_round(list(factors), _scalar(challenge))
        return list(bound), [_number(value) for value in values]

    def fraction_tree(
        self, rows: Any, denominators: Vector, numerators: Sequence[tuple[int, Vector]]
    ) -> CpuTree:
        return CpuTree(_kernels.FractionTree(rows, denominators, list(numerators)))

    def commit_integers(self, chunks: IntArray) -> bytes:
        return bytes(self._bases.commit_ints(np.ascontiguousarray(chunks)))

    def commit(self, vector: Vector) -> bytes:
        return bytes(self._bases.commit(np.ascontiguousarray(vector)))

    def commit_all(self, vectors: Sequence[Vector]) -> bytes:
        return bytes(self._bases.commit_all([np.ascontiguousarray(vector) for vector in vectors]))

    def part(self, vector: Vector, start: int, length: int) -> Vector:
        return vector[start : start + length]

    def fold_pairs(self, vector: Vector, x: int) -> Vector:
        return _kernels.fold_pairs(vector, _scalar(x))

    def evaluate(self, vector: Vector, x: int) -> int:
        return _number(_kernels.evaluate(vector, _scalar(x)))

    def divide_linear(self, vector: Vector, root: int) -> Vector:
        if len(vector) <= 1:
            return np.zeros((1, 4), dtype=np.uint64)  # a constant has the quotient 0
        return _kernels.divide_linear(vector, _scalar(root))

    def combine(self, vectors: Sequence[Vector], scalars: Sequence[int]) -> Vector:
        return _kernels.combine(list(vectors), [_scalar(scalar) for scalar in scalars])


class CpuTree:
    """A fraction tree, and the sumchecks between its levels."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def level(self, height: int) -> tuple[Vector, Vector]:
        numerators, denominators = self._tree.level(height)
        return numerators, denominators

    def layer(self, height: int, point: Sequence[int], mix: int) -> CpuLayer:
        return CpuLayer(self._tree.layer(height, [_scalar(z) for z in point], _scalar(mix)))


class CpuLayer:
    """One of those sumchecks."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def round(self) -> tuple[int, int]:
        zero, square = self._layer.round()
        return _number(zero), _number(square)

    def bind(self, challenge: int) -> None:
        self._layer.bind(_scalar(challenge))

    def bind_round(self, challenge: int) -> tuple[int, int]:
        zero, square = self._layer.bind_round(_scalar(challenge))
        return _number(zero), _number(square)

    def finish(self) -> tuple[int, int, int, int]:
        n0, n1, d0, d1 = self._layer.finish()
        return _number(n0), _number(n1), _number(d0), _number(d1)


def _scalar(value: int) -> bytes:
    return value.to_bytes(_BYTES, "little")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
