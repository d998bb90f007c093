"""A device in plain Python, slow and simple: what the native kernels are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from verifier.bn254 import SCALAR_FIELD as R
from verifier.bn254 import encode_g1
from verifier.msm import multi_scalar_multiply
from verifier.sumcheck.multilinear import eq_vector


def _vec(values: Any) -> Any:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


class PythonTree:
    def __init__(self, numerators: Any, denominators: Any) -> None:
        self.levels = [(list(numerators), list(denominators))]
        while len(self.levels[-1][0]) > 1:
            n, d = self.levels[-1]
            if len(n) % 2:
                n, d = [*n, 0], [*d, 1]
            pairs = range(0, len(n), 2)
            self.levels.append(
                (
                    [(n[i] * d[i + 1] + n[i + 1] * d[i]) % R for i in pairs],
                    [d[i] * d[i + 1] % R for i in pairs],
                )
            )

    def level(self, height: int) -> tuple[Any, Any]:
        n, d = self.levels[height]
        return _vec(n), _vec(d)

    def layer(self, height: int, point: Sequence[int], mix: int) -> PythonLayer:
        n, d = self.levels[height]
        length = 2 << len(point)
        n, d = n + [0] * (length - len(n)), d + [1] * (length - len(d))
        return PythonLayer([n[0::2], n[1::2], d[0::2], d[1::2]], point, mix)


class PythonLayer:
    def __init__(self, parts: list[list[int]], point: Sequence[int], mix: int) -> None:
        self.parts, self.point, self.mix = parts, list(point), mix

    def _g(self, at: Sequence[int]) -> int:
        n0, n1, d0, d1 = at
        return n0 * d1 + n1 * d0 + self.mix * d0 * d1

    def round(self) -> tuple[int, int]:
        eq = eq_vector(self.point[:-1])
        zero = square = 0
        for i, e in enumerate(eq):
            low = [part[2 * i] for part in self.parts]
            step = [part[2 * i + 1] - part[2 * i] for part in self.parts]
            zero += e * self._g(low)
            square += e * self._g(step)
        return zero % R, square % R

    def bind(self, r: int) -> None:
        self.point.pop()
        self.parts = [[(p[i] + r * (p[i + 1] - p[i])) % R for i in range(0, len(p), 2)] for p in self.parts]

    def bind_round(self, r: int) -> tuple[int, int]:
        self.bind(r)
        return self.round()

    def finish(self) -> tuple[int, int, int, int]:
        n0, n1, d0, d1 = (part[0] for part in self.parts)
        return n0, n1, d0, d1


class PythonDevice:
    """Vectors are arrays of Python integers."""

    def __init__(self, bases: Sequence[tuple[int, int]]) -> None:
        self.bases = bases

    def vector(self, scalars: Sequence[int]) -> Any:
        return _vec(list(scalars))

    def integers(self, values: Any) -> Any:
        return _vec([int(v) % R for v in np.asarray(values).reshape(-1)])

    def scalars(self, vector: Any) -> list[int]:
        return [int(v) for v in vector]

    def length(self, vector: Any) -> int:
        return len(vector)

    def arranged(self, vector: Any, shape: Sequence[int], order: Sequence[int], padded: Sequence[int]) -> Any:
        x = vector.reshape(tuple(shape)).transpose(order)
        out = np.zeros(tuple(padded), dtype=object)
        out[tuple(slice(0, n) for n in x.shape)] = x
        return out.reshape(-1)

    def joined(self, vectors: Iterable[Any], length: int) -> Any:
        out = np.zeros(length, dtype=object)
        start = 0
        for vector in vectors:
            out[start : start + len(vector)] = vector
            start += len(vector)
        return out

    def beside(self, matrices: Sequence[Any], rows: int) -> Any:
        return np.concatenate([matrix.reshape(rows, -1) for matrix in matrices], axis=1).reshape(-1)

    def repeated(self, vector: Any, times: int) -> Any:
        return np.repeat(vector, times)

    def eq(self, point: Sequence[int]) -> Any:
        return _vec(eq_vector(point))

    def kron(self, a: Any, b: Any) -> Any:
        return np.outer(a, b).reshape(-1) % R

    def multiply(self, a: Any, b: Any) -> Any:
        return a * b % R

    def scale(self, vector: Any, factor: int) -> Any:
        return vector * (factor % R) % R

    def add_scaled(self, factor: int, x: Any, y: Any) -> Any:
        return (x * (factor % R) + y) % R

    def dot(self, a: Any, b: Any) -> int:
        return int((a * b).sum() % R)

    def inverse(self, vector: Any) -> Any:
        return _vec([pow(int(v), -1, R) for v in vector])

    def contract(self, values: Any, weights: Any) -> Any:
        return self.contract_vector(values.reshape(-1).astype(object), values.shape, weights)

    def contract_vector(self, vector: Any, shape: Sequence[int], weights: Any) -> Any:
        outer, axis, inner = shape
        x, w = vector.reshape(outer, axis, inner), weights.reshape(-1, axis)
        made = np.stack([np.tensordot(w, x[o], (1, 0)) for o in range(outer)])
        return made.reshape(-1) % R

    def product_sum(self, factors: Sequence[Any]) -> int:
        return int(np.prod(np.stack(factors), axis=0).sum() % R)

    def product_round(self, factors: Sequence[Any]) -> list[int]:
        half = len(factors[0]) // 2
        low = [f[:half] for f in factors]
        step = [f[half:] - f[:half] for f in factors]
        at = (
            [low, [a - b for a, b in zip(low, step, strict=True)], step] if len(factors) == 3 else [low, step]
        )
        return [int(np.prod(np.stack(parts), axis=0).sum() % R) for parts in at]

    def bind(self, factors: Sequence[Any], challenge: int) -> list[Any]:
        half = len(factors[0]) // 2
        return [(f[:half] + challenge * (f[half:] - f[:half])) % R for f in factors]

    def bind_round(self, factors: Sequence[Any], challenge: int) -> tuple[list[Any], list[int]]:
        bound = self.bind(factors, challenge)
        return bound, self.product_round(bound)

    def part(self, vector: Any, start: int, length: int) -> Any:
        return vector[start : start + length]

    def fraction_tree(
        self, rows: Any, denominators: Any, numerators: Sequence[tuple[int, Any]]
    ) -> PythonTree:
        n = np.ones(len(rows), dtype=object)
        for offset, vector in numerators:
            n[offset : offset + len(vector)] = vector
        return PythonTree(n, denominators[rows])

    def commit_integers(self, chunks: Any) -> bytes:
        return b"".join(self.commit(self.integers(chunk)) for chunk in chunks)

    def commit_all(self, vectors: Sequence[Any]) -> bytes:
        return b"".join(self.commit(vector) for vector in vectors)

    def commit(self, vector: Any) -> bytes:
        point = multi_scalar_multiply([int(v) for v in vector], self.bases[: len(vector)])
        return bytes(64) if point is None else encode_g1(point)

    def fold_pairs(self, vector: Any, x: int) -> Any:
        return (vector[0::2] + x * (vector[1::2] - vector[0::2])) % R

    def evaluate(self, vector: Any, x: int) -> int:
        total = 0
        for value in reversed(vector):
            total = (total * x + int(value)) % R
        return total

    def divide_linear(self, vector: Any, root: int) -> Any:
        quotient, carry = [], 0
        for value in reversed(vector[1:]):
            carry = (carry * root + int(value)) % R
            quotient.append(carry)
        return _vec(quotient[::-1] or [0])

    def combine(self, vectors: Sequence[Any], scalars: Sequence[int]) -> Any:
        total = np.zeros(max(len(v) for v in vectors), dtype=object)
        for vector, scalar in zip(vectors, scalars, strict=True):
            total[: len(vector)] += vector * scalar
        return total % R
