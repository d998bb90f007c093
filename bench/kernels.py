"""The native kernels of the prover by themselves, as nanoseconds for each element.

python -m bench.kernels                    all of them, on one thread, with the fastest instruction set
python -m bench.kernels products fractions these
... --threads 2 --size 22                  on two threads, vectors of 2^22 elements
... --instruction-set portable
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from prover import _kernels
from verifier.bn254 import BASE_FIELD
from verifier.powers_of_tau import encode_g1_points

Vector = NDArray[np.uint64]
Row = tuple[str, float]  # what was measured, and nanoseconds

_REPEATS = 5


def random_vector(rng: np.random.Generator, length: int) -> Vector:
    return rng.integers(0, 2**61, (length, 4), dtype=np.uint64)  # below 2^253, so reduced


def random_scalar(rng: np.random.Generator) -> bytes:
    return rng.bytes(31) + b"\0"


def nanoseconds(kernel: Callable[[], object], count: int) -> float:
    """The median time of a kernel for each of `count` elements."""
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        kernel()
        times.append(time.perf_counter() - start)
    return median(times) / count * 1e9


def vectors(size: int) -> Iterator[Row]:
    """Arithmetic on whole vectors."""
    rng = np.random.default_rng(0)
    length = 1 << size
    x, y, s = random_vector(rng, length), random_vector(rng, length), random_scalar(rng)
    x[:, 0] |= 1  # no zeros
    integers = rng.integers(-(2**62), 2**62, length)
    rows = rng.integers(0, length, length, dtype=np.uint32)
    half = x[: 1 << size // 2]
    for name, kernel in {
        "add": lambda: _kernels.add(x, y),
        "mul": lambda: _kernels.mul(x, y),
        "axpy": lambda: _kernels.axpy(s, x, y),
        "dot": lambda: _kernels.dot(x, y),
        "inverse": lambda: _kernels.inverse(x),
        "from_ints": lambda: _kernels.from_ints(integers),
        "to_bytes": lambda: _kernels.to_bytes(x),
        "eq": lambda: _kernels.eq([s] * size, s),
        "kron": lambda: _kernels.kron(half, x[: length // len(half)]),
        "gather": lambda: _kernels.gather(x, rows),
    }.items():
        yield f"vectors: {name}, an element", nanoseconds(kernel, length)


def contraction(size: int) -> Iterator[Row]:
    """Small integers times field elements, summed along rows and along columns, for each integer."""
    rng = np.random.default_rng(0)
    axis = 1 << size // 2
    weights = random_vector(rng, 4 * axis)
    for dtype in (np.int8, np.int16, np.int32, np.int64):
        limits = np.iinfo(dtype)
        x = rng.integers(limits.min, limits.max, 1 << size, dtype, endpoint=True)
        for name, shape in {"rows": (-1, axis, 1), "columns": (1, axis, -1)}.items():
            for count in (1, 4):
                kernel = partial(_kernels.contract, x.reshape(shape), weights[: count * axis])
                yield f"contract: {x.dtype}, {name}, {count} at once, an integer", nanoseconds(kernel, x.size)


def products(size: int) -> Iterator[Row]:
    """The sumcheck of a product of vectors."""
    rng = np.random.default_rng(0)
    length = 1 << size
    r = random_scalar(rng)
    for count in (2, 3):
        factors = [random_vector(rng, length) for _ in range(count)]
        yield (
            f"product of {count}: round, a pair",
            nanoseconds(lambda f=factors: _kernels.product_round(f), length // 2),
        )
        yield (
            f"product of {count}: bind and round, a pair left",
            nanoseconds(lambda f=factors: _kernels.product_bind_round(f, r), length // 4),
        )


def fractions(size: int) -> Iterator[Row]:
    """The tree of a lookup argument, from building it to the last round of the leaves."""
    rng = np.random.default_rng(0)
    table = random_vector(rng, 1 << min(size, 16))
    leaves = (1 << size) + len(table)
    rows = rng.integers(0, len(table), leaves, dtype=np.uint32)
    r = random_scalar(rng)
    depth = (leaves - 1).bit_length()
    times: dict[str, list[float]] = {}
    for _ in range(_REPEATS):
        start = time.perf_counter()
        tree = _kernels.FractionTree(rows, table, [(leaves - len(table), table)])
        spent = {"build": time.perf_counter() - start}
        for level in reversed(range(depth)):
            start = time.perf_counter()
            layer = tree.layer(level, [r] * (depth - level - 1), r)
            for _ in range(depth - level - 1):
                layer.round()
                layer.bind(r)
            layer.finish()
            part = f"layer {level}" if level < 3 else "layers above"
            spent[part] = spent.get(part, 0) + time.perf_counter() - start
        for part, seconds in (spent | {"all": sum(spent.values())}).items():
            times.setdefault(part, []).append(seconds)
    for part, seconds_of_runs in times.items():
        yield f"fractions: {part}, a leaf", median(seconds_of_runs) / leaves * 1e9


def commitments(size: int) -> Iterator[Row]:
    """Multi-scalar multiplications, for each scalar."""
    rng = np.random.default_rng(0)
    bases = _kernels.Bases(distinct_points(1 << size))
    for log in sorted({1, *range(4, size, 4), size}):
        scalars = random_vector(rng, 1 << log)
        kernel = partial(bases.commit, scalars)
        yield f"commitment to 2^{log} field elements", nanoseconds(kernel, 1 << log)
    folds = [random_vector(rng, 1 << log) for log in range(1, size)]
    yield "commitments to the folds of an opening", nanoseconds(lambda: bases.commit_all(folds), 1 << size)
    for bits in (4, 8, 12, 16):
        integers = rng.integers(-(1 << bits - 1), 1 << bits - 1, (1, 1 << size)).astype(np.int16)
        kernel = partial(bases.commit_ints, integers)
        yield f"commitment to integers of {bits} bits", nanoseconds(kernel, 1 << size)


def distinct_points(count: int) -> bytes:
    """The points of G1 whose x are the least, raw as in the files of an SRS."""
    points = bytearray()
    x = 0
    while len(points) < 64 * count:
        x += 1
        square = (x**3 + 3) % BASE_FIELD
        y = pow(square, (BASE_FIELD + 1) // 4, BASE_FIELD)
        if y * y % BASE_FIELD == square:
            points += encode_g1_points([(x, y)])
    return bytes(points)


def univariate(size: int) -> Iterator[Row]:
    """Polynomials in one variable, for each coefficient."""
    rng = np.random.default_rng(0)
    length = 1 << size
    f, x = random_vector(rng, length), random_scalar(rng)
    folds = [random_vector(rng, length >> i) for i in range(size)]
    factors = [random_scalar(rng) for _ in folds]
    yield "fold_pairs", nanoseconds(lambda: _kernels.fold_pairs(f, x), length)
    yield "evaluate", nanoseconds(lambda: _kernels.evaluate(f, x), length)
    yield "divide_linear", nanoseconds(lambda: _kernels.divide_linear(f, x), length)
    yield "combine all folds", nanoseconds(lambda: _kernels.combine(folds, factors), length)


BENCHES: dict[str, Callable[[int], Iterator[Row]]] = {
    "vectors": vectors,
    "contraction": contraction,
    "products": products,
    "fractions": fractions,
    "commitments": commitments,
    "univariate": univariate,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="The native kernels by themselves.")
    parser.add_argument("benches", nargs="*", help=f"of {', '.join(BENCHES)} (all)")
    parser.add_argument("--size", type=int, default=18, help="log2 of how many elements (18)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--instruction-set", choices=_kernels.instruction_sets())
    arguments = parser.parse_args()
    _kernels.set_instruction_set(arguments.instruction_set)
    _kernels.set_threads(arguments.threads)
    if unknown := set(arguments.benches) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}: there are {', '.join(BENCHES)}")
    for name in arguments.benches or BENCHES:
        for what, time_each in BENCHES[name](arguments.size):
            print(f"{what:<50} {time_each:10.2f} ns", flush=True)


if __name__ == "__main__":
    main()
