"""Commitments, against sums of multiples of the generator by py_ecc."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from py_ecc.optimized_bn128 import G1, add, is_inf, multiply, normalize

from prover import _kernels
from tests.budget import examples
from tests.prover.kernels.values import CORNERS, ORDER, on_every_path, some_elements, vector
from verifier.bn254 import BASE_FIELD, G1_GENERATOR, G1Point
from verifier.powers_of_tau import encode_g1_points

INFINITY = bytes(64)
STEPS = [3, 2**200 + 1, ORDER - 5, 2**128 - 3, 7**70 % ORDER]
INTEGERS = [np.int8, np.int16, np.int32, np.int64]


@cache
def multiple(scalar: int) -> bytes:
    """scalar * G as the EVM has it."""
    if scalar % ORDER == 0:
        return INFINITY
    x, y = normalize(multiply(G1, scalar % ORDER))
    return int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")


@cache
def known_points(count: int) -> tuple[list[int], bytes]:
    """Different points, and what each is a multiple of G by. Every one is the last but a few and a step."""
    steps = [multiply(G1, step) for step in STEPS]
    logarithms, points = [1], [G1]
    for i in range(1, count):
        logarithms.append((logarithms[-1] + STEPS[i % len(STEPS)]) % ORDER)
        points.append(add(points[-1], steps[i % len(STEPS)]))
    assert len(set(logarithms)) == count
    return logarithms, encode_g1_points(affine(point) for point in points)


def affine(point: object) -> G1Point:
    assert not is_inf(point)
    x, y = normalize(point)
    return int(x), int(y)


@cache
def point_of(logarithm: int) -> bytes:
    return encode_g1_points([affine(multiply(G1, logarithm))])


def points_of(logarithms: Sequence[int]) -> bytes:
    return b"".join(map(point_of, logarithms))


def expected(logarithms: Sequence[int], scalars: Sequence[int]) -> bytes:
    return multiple(sum(int(s) * x for s, x in zip(scalars, logarithms, strict=False)) % ORDER)


def commit(points: bytes, scalars: Sequence[int]) -> bytes:
    return on_every_path(lambda: _kernels.Bases(points).commit(vector(scalars)))


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**32), st.one_of(st.integers(0, 20), st.integers(0, 300)))
def test_commit(seed: int, count: int) -> None:
    logarithms, points = known_points(300)
    scalars = some_elements(random.Random(seed), count)
    assert commit(points, scalars) == expected(logarithms, scalars)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 65, 1000, 3000])
@pytest.mark.parametrize("scalar", [*CORNERS[:7], 2**253, None])
def test_all_scalars_equal(count: int, scalar: int | None) -> None:
    logarithms, points = known_points(3000)
    scalars = [scalar] * count if scalar is not None else some_elements(random.Random(count), count)
    assert commit(points, scalars) == expected(logarithms, scalars)


@settings(max_examples=examples(100), deadline=None)
@given(st.data())
def test_equal_and_opposite_points(data: st.DataObject) -> None:
    """Few points many times over, and scalars whose digits agree: pairs to double, and pairs that cancel."""
    count = data.draw(st.integers(1, 60))
    pool = data.draw(st.lists(st.sampled_from([1, ORDER - 1, 2, ORDER - 2, 5]), min_size=1, max_size=3))
    logarithms = [data.draw(st.sampled_from(pool)) for _ in range(count)]
    scalar = st.sampled_from([0, 1, ORDER - 1, 2, 16, ORDER - 16, 2**100, 3**150])
    scalars = [data.draw(scalar) for _ in range(count)]
    assert commit(points_of(logarithms), scalars) == expected(logarithms, scalars)
    small = np.array([[data.draw(st.integers(-3, 3)) for _ in range(count)]], dtype=np.int8)
    bases = _kernels.Bases(points_of(logarithms))
    assert on_every_path(lambda: bases.commit_ints(small)) == expected(logarithms, small[0])


def test_many_equal_points() -> None:
    """More than a block of one bucket, in which every addition is a doubling or meets infinity."""
    count = 40_000
    raw = points_of([1, ORDER - 1])
    bases = _kernels.Bases(raw[:64] * (count // 2) + raw * (count // 4))
    logarithms = [1] * (count // 2) + [1, -1] * (count // 4)
    for row in (np.full(count, -7), np.arange(count) % 3, np.arange(count) // 2 % 5 - 2):
        result = on_every_path(lambda row=row: bases.commit_ints(row[None].astype(np.int8)))
        assert result == expected(logarithms, row.tolist())


def test_equal_points_among_many() -> None:
    logarithms, points = known_points(3000)
    twice = points + points[64 * 1000 :] + points[:64]
    scalars = some_elements(random.Random(3), 5001)
    assert commit(twice, scalars) == expected(logarithms + logarithms[1000:] + [1], scalars)


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(0, 60), st.sampled_from(INTEGERS), st.data())
def test_commit_ints(seed: int, chunks: int, length: int, dtype: type, data: st.DataObject) -> None:
    logarithms, points = known_points(300)
    rng = np.random.default_rng(seed)
    bits = data.draw(st.integers(1, 8 * np.dtype(dtype).itemsize))
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (chunks, length)).astype(dtype)
    values[rng.random(values.shape) < data.draw(st.sampled_from([0, 0.3, 0.95, 1]))] = 0
    corners = [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1, -1]
    if length > 0 and data.draw(st.booleans()):
        values[rng.integers(chunks, size=5), rng.integers(length, size=5)] = corners
    result = on_every_path(lambda: _kernels.Bases(points).commit_ints(values))
    assert result == b"".join(expected(logarithms, row.tolist()) for row in values)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("value", ["min", "max"])
def test_extreme_integers(dtype: type, value: str) -> None:
    logarithms, points = known_points(300)
    for count in (1, 9, 300):
        values = np.full((2, count), getattr(np.iinfo(dtype), value), dtype)
        values[1, ::2] = np.iinfo(dtype).min
        result = on_every_path(lambda values=values: _kernels.Bases(points).commit_ints(values))
        assert result == b"".join(expected(logarithms, row.tolist()) for row in values)


def test_long_rows() -> None:
    """Several blocks of references, and with two threads a row in pieces."""
    logarithms, points = known_points(1000)
    times = 150
    bases = _kernels.Bases(points * times)
    rng = np.random.default_rng(5)
    for bound, dtype in ((2, np.int8), (128, np.int8), (2**11, np.int16), (2**40, np.int64)):
        values: NDArray[np.int64] = rng.integers(-bound, bound, (2, 1000 * times))
        values[0, rng.random(1000 * times) < 0.9] = 0
        sums = values.reshape(2, times, 1000).sum(axis=1).tolist()
        result = on_every_path(lambda values=values, dtype=dtype: bases.commit_ints(values.astype(dtype)))
        assert result == b"".join(expected(logarithms, row) for row in sums)


def test_commit_all() -> None:
    logarithms, points = known_points(3000)
    rng = random.Random(1)
    rows = [some_elements(rng, count) for count in (3000, 1, 0, 512, 256, 256, 3, 0, 64)] + [[0] * 20]
    bases = _kernels.Bases(points)
    result = on_every_path(lambda: bases.commit_all([vector(row) for row in rows]))
    assert result == b"".join(expected(logarithms, row) for row in rows)
    assert bases.commit_all([]) == b""
    assert bases.commit_ints(np.zeros((0, 5), np.int8)) == b""
    assert bases.commit_ints(np.zeros((3, 0), np.int8)) == INFINITY * 3


def test_what_is_refused() -> None:
    assert len(_kernels.Bases(b"")) == 0
    good = encode_g1_points([G1_GENERATOR])
    bases = _kernels.Bases(good)
    assert len(bases) == 1
    with pytest.raises(ValueError, match="bases for only 1"):
        bases.commit(vector([1, 2]))
    with pytest.raises(ValueError, match="bases for only 1"):
        bases.commit_ints(np.zeros((1, 2), np.int8))
    with pytest.raises(ValueError, match="64 bytes"):
        _kernels.Bases(good[:-1])
    off_curve = encode_g1_points([(1, 3)])
    not_canonical = (int.from_bytes(good[:32], "little") + BASE_FIELD).to_bytes(32, "little") + good[32:]
    for bad in (off_curve, not_canonical, INFINITY):
        with pytest.raises(ValueError, match="point 2 is not on the curve"):
            _kernels.Bases(good * 2 + bad + good + bad)
    chunks = np.zeros((4, 4), np.int8)
    for wrong in (chunks.astype(np.uint8), chunks.astype(float), chunks[0], chunks[:, ::2], chunks.T):
        with pytest.raises(TypeError):
            bases.commit_ints(wrong)
    with pytest.raises(TypeError):
        bases.commit(np.zeros((1, 4), np.int64))
    with pytest.raises(TypeError):
        bases.commit_all([np.zeros((1, 4), np.int64)])
