"""Field elements for the tests of the kernels, and a way to run a kernel on every path it has."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from prover import _kernels

Vector = NDArray[np.uint64]
Result = TypeVar("Result")

ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617
MONTGOMERY = pow(2, 260, ORDER)
UNMONTGOMERY = pow(MONTGOMERY, -1, ORDER)

# What carries and borrows through every word and limb, and elements whose form in memory is extreme.
CORNERS = [
    *(0, 1, 2, ORDER - 1, ORDER - 2, ORDER // 2, ORDER // 2 + 1),
    *(2**52, 2**52 - 1, 2**64, 2**64 - 1, 2**128 - 1, 2**208 - 1, 2**253),
    *(held * UNMONTGOMERY % ORDER for held in (1, ORDER - 1, 2**52 - 1, 2**208 - 1, 2**208, 2**253)),
]


def vector(integers: Sequence[int]) -> Vector:
    """The elements as the kernels hold them."""
    held = b"".join((x * MONTGOMERY % ORDER).to_bytes(32, "little") for x in integers)
    return np.frombuffer(held, dtype="<u8").reshape(-1, 4).copy()


def integers(elements: Vector) -> list[int]:
    """The other way round. Every element must be fully reduced."""
    held = elements.tobytes()
    words = [int.from_bytes(held[i : i + 32], "little") for i in range(0, len(held), 32)]
    assert all(word < ORDER for word in words), "an element in memory is not reduced"
    return [word * UNMONTGOMERY % ORDER for word in words]


def scalar(x: int) -> bytes:
    return (x % ORDER).to_bytes(32, "little")


def integer(scalar: bytes) -> int:
    assert len(scalar) == 32
    return int.from_bytes(scalar, "little")


def element() -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from(CORNERS), st.integers(0, ORDER - 1))


def some_elements(rng: random.Random, count: int) -> list[int]:
    """Random elements, one in four a corner."""
    return [rng.choice(CORNERS) if rng.random() < 0.25 else rng.randrange(ORDER) for _ in range(count)]


def on_every_path(kernel: Callable[[], Result]) -> Result:
    """The result of a kernel, the same with every instruction set and on one thread or two."""
    results = []
    threads = _kernels.threads()
    try:
        for name in _kernels.instruction_sets():
            _kernels.set_instruction_set(name)
            for count in (1, 2):
                _kernels.set_threads(count)
                results.append(kernel())
    finally:
        _kernels.set_instruction_set(None)
        _kernels.set_threads(threads)
    for other in results[1:]:
        np.testing.assert_equal(other, results[0])
    return results[0]
