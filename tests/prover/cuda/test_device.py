"""Every kernel of the GPU's device against the device in plain Python, on random and corner values."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prover.cuda.driver import Driver
from prover.cuda.msm import best_windows
from prover.sumcheck.cpu import CpuDevice
from prover.sumcheck.cuda import CudaDevice
from tests.prover.sumcheck.python_device import PythonDevice
from verifier.bn254 import SCALAR_FIELD as R
from verifier.halo2_srs import read_monomial_points
from verifier.srs import StoredSrs

CORNERS = [0, 1, 2, R - 1, R - 2, (R - 1) // 2, (R + 1) // 2, (1 << 256) % R, (1 << 253) - 1, (1 << 32) - 1]
SIZES = [1, 2, 5, 255, 256, 257, 2000]
TYPES = [np.int8, np.int16, np.int32, np.int64]


@pytest.fixture(scope="module")
def points(srs: Callable[[int], StoredSrs]) -> bytes:
    """1,024 powers of tau."""
    return read_monomial_points(srs(10).path, 10)


@pytest.fixture(scope="module")
def gpu(driver: Driver, points: bytes) -> CudaDevice:
    """The device under test."""
    return CudaDevice(points, driver)


class Pair:
    """The same call on two devices."""

    def __init__(self, gpu: CudaDevice) -> None:
        self.gpu, self.plain, self.random = gpu, PythonDevice([]), random.Random(1)

    def elements(self, count: int) -> list[int]:
        """Corners and random scalars."""
        return [self.random.choice([*CORNERS, *(self.random.randrange(R),) * 8]) for _ in range(count)]

    def check(self, name: str, *arguments: Any) -> None:
        """Call a method of both devices, with vectors in place of lists of scalars."""
        made, expected = (
            _read(device, getattr(device, name)(*(_given(device, each) for each in arguments)))
            for device in (self.gpu, self.plain)
        )
        assert made == expected, (name, arguments)


class Scalars(list[int]):
    """What becomes a vector."""


def _given(device: Any, argument: Any) -> Any:
    if isinstance(argument, Scalars):
        return device.vector(argument)
    if isinstance(argument, list) and argument and isinstance(argument[0], Scalars):
        return [device.vector(each) for each in argument]
    return argument


def _read(device: Any, value: Any) -> Any:
    if isinstance(value, int | bytes):
        return value
    if isinstance(value, list | tuple):
        return [_read(device, each) for each in value]
    return [each % R for each in device.scalars(value)]


@pytest.fixture
def pair(gpu: CudaDevice) -> Pair:
    """Both devices."""
    return Pair(gpu)


@pytest.mark.parametrize("n", SIZES)
def test_vectors(pair: Pair, n: int) -> None:
    a, b = Scalars(pair.elements(n)), Scalars(pair.elements(n))
    factor = pair.elements(1)[0]
    pair.check("multiply", a, b)
    pair.check("scale", a, factor)
    pair.check("add_scaled", factor, a, b)
    pair.check("dot", a, b)
    pair.check("inverse", Scalars(x or 1 for x in a))
    pair.check("kron", a, Scalars(pair.elements(3)))
    pair.check("combine", [a, Scalars(pair.elements(n // 2 or 1))], pair.elements(2))
    pair.check("joined", [a, b], 2 * n + 3)
    pair.check("repeated", a, 3)
    pair.check("beside", [a, Scalars(pair.elements(2 * n))], n)
    pair.check("part", a, n // 2, n - n // 2)


def test_products_of_all_corners(pair: Pair) -> None:
    pair.check("kron", Scalars(CORNERS), Scalars(CORNERS))


def test_zero_has_no_inverse(gpu: CudaDevice) -> None:
    with pytest.raises(ValueError, match="zero"):
        gpu.inverse(gpu.vector([1, 2, 0, 3]))


@pytest.mark.parametrize("n", SIZES)
def test_polynomials(pair: Pair, n: int) -> None:
    f = Scalars(pair.elements(n))
    for x in (0, 1, R - 1, pair.random.randrange(R)):
        pair.check("evaluate", f, x)
        pair.check("divide_linear", f, x)
    pair.check("fold_pairs", Scalars(pair.elements(2 * n)), pair.elements(1)[0])


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("n", [4, 8, 12, 1024, 4096])
def test_rounds_of_products(pair: Pair, n: int, count: int) -> None:
    factors = [Scalars(pair.elements(n)) for _ in range(count)]
    challenge = pair.random.randrange(R)
    pair.check("product_sum", factors)
    pair.check("product_round", factors)
    pair.check("bind", factors, challenge)
    pair.check("bind_round", factors, challenge)


@pytest.mark.parametrize("variables", [0, 1, 7, 8, 9, 12])
def test_eq(pair: Pair, variables: int) -> None:
    pair.check("eq", pair.elements(variables))


def test_arranged(pair: Pair) -> None:
    x = Scalars(pair.elements(60))
    pair.check("arranged", x, (3, 4, 5), (2, 0, 1), (5, 3, 4))
    pair.check("arranged", x, (3, 4, 5), (1, 2, 0), (4, 8, 4))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 5, 1), (2, 40, 7), (300, 20, 1), (1, 300, 5), (2, 200, 300)]
)
def test_integers(pair: Pair, shape: tuple[int, int, int], dtype: Any) -> None:
    x = integers(shape, dtype)
    pair.check("integers", x)
    pair.check("contract", x, Scalars(pair.elements(2 * shape[1])))


def test_contractions_of_vectors(pair: Pair) -> None:
    pair.check("contract_vector", Scalars(pair.elements(560)), (2, 40, 7), Scalars(pair.elements(120)))
    pair.check("contract_vector", Scalars(pair.elements(900)), (1, 300, 3), Scalars(pair.elements(300)))


def integers(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Random integers of a type, its limits among them."""
    limits = np.iinfo(dtype)
    made = np.random.default_rng(0).integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    made.flat[0], made.flat[-1] = limits.min, limits.max
    return made


@pytest.mark.parametrize("dtype", TYPES)
def test_commitments_to_integers(gpu: CudaDevice, points: bytes, dtype: Any) -> None:
    x = integers((5, 100), dtype)
    for rows in (x, x // dtype(16), x * dtype(0), np.full((2, 700), 3, dtype=dtype)):
        assert gpu.commit_integers(rows) == CpuDevice(points).commit_integers(rows)


@pytest.mark.parametrize("lengths", [[1], [10], [1000], [700, 350, 1, 10]])
def test_commitments_to_vectors(pair: Pair, points: bytes, lengths: list[int]) -> None:
    cpu = CpuDevice(points)
    vectors = [pair.elements(n) for n in lengths]
    vectors[-1] = [0] * len(vectors[-1])  # the point at infinity
    expected = cpu.commit_all([cpu.vector(v) for v in vectors])
    assert pair.gpu.commit_all([pair.gpu.vector(v) for v in vectors]) == expected


def test_equal_points_and_their_negatives_are_added(gpu: CudaDevice, points: bytes) -> None:
    twice = CudaDevice(points[:64] * 40, gpu._driver)  # every sum of two is a doubling, or infinity
    for row in ([1] * 40, [1, -1] * 20, [5, -5, 5, 5] * 10):
        scalar = CpuDevice(points[:64]).vector([sum(row) % R])
        expected = CpuDevice(points[:64]).commit(scalar)
        assert twice.commit_integers(np.array([row], dtype=np.int8)) == expected


def test_bases_off_the_curve_are_refused(gpu: CudaDevice, points: bytes) -> None:
    for wrong in (bytes(64), points[:63] + bytes([points[63] ^ 1]), b"\xff" * 64):
        with pytest.raises(ValueError, match="not a point"):
            CudaDevice(points[:64] + wrong, gpu._driver)


@pytest.mark.parametrize("largest", [0, 1, 127, 128, 2048, (1 << 63), (R - 1) // 2])
def test_windows_have_room_for_every_scalar(largest: int) -> None:
    count, bits = best_windows([1000, 10], largest)
    assert largest <= 1 << (count * bits - 1)
