"""Claims through linear maps: a pulled-back claim says of the source what the claim says of the image."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.sumcheck.images import image
from tests.budget import examples
from tests.verifier.sumcheck.random_weights import (
    extension,
    random_map,
    random_shape,
    random_weights,
    weighted,
    written_out,
)
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.maps import Broadcast, Map, Reshape, Select, Sum, SumBehind, Transpose, Window
from verifier.sumcheck.multilinear import bits_of, eq_vector
from verifier.sumcheck.weights import Factor, Weights, eq_factor

seeds = st.integers(0, 2**64)


def pulled_through(rng: random.Random, most: int) -> tuple[list[Map], Weights, Weights]:
    """Some maps one after another, weights on the last image, and what they say of the first source."""
    maps: list[Map] = []
    shape = random_shape(rng)
    for _ in range(rng.randrange(1, most + 1)):
        maps.append(random_map(rng, shape))
        shape = maps[-1].shape
        if np.prod(shape, dtype=int) > 400 or len(shape) > 7:
            break
    weights = pulled = random_weights(rng, shape)
    for map in reversed(maps):
        pulled = map.pull(pulled)
    return maps, weights, pulled


@given(seeds)
@settings(max_examples=examples(300))
def test_pulling_back_is_the_transpose(seed: int) -> None:
    """<W, M x> = <M^T W, x>, through several maps, with factors over one axis or several."""
    rng = random.Random(seed)
    maps, weights, pulled = pulled_through(rng, 4)
    source = maps[0].source
    x = np.asarray(np.random.default_rng(seed).integers(-9, 9, source))
    y = x
    for map in maps:
        y = image(map, y)
    assert weighted(pulled, x) == weighted(weights, y)


@given(seeds)
@settings(max_examples=examples(200))
def test_pulled_weights_cover_each_axis_once_and_evaluate(seed: int) -> None:
    """Their sum and their extension are those of the weights written out, with nothing on the padding."""
    rng = random.Random(seed)
    maps, _, pulled = pulled_through(rng, 3)
    shape = maps[0].source
    axes = [axis for factor in pulled.proper_factors for axis in factor.axes]
    assert sorted(axes) == [axis for axis, n in enumerate(shape) if n > 1]
    for factor in pulled.factors:
        assert factor.sizes == tuple(shape[axis] for axis in factor.axes)
        assert len(factor.values) == np.prod(factor.sizes, dtype=int)
    cells = written_out(pulled, shape)
    assert pulled.total() == sum(cells.reshape(-1).tolist()) % SCALAR_FIELD
    point = [tuple(rng.randrange(SCALAR_FIELD) for _ in range(bits_of(n))) for n in shape]
    value = pulled.coefficient * pulled.unit_extension(point) % SCALAR_FIELD
    assert value == extension(cells, point)


@given(seeds)
@settings(max_examples=examples(150))
def test_equal_identities_mean_equal_weights(seed: int) -> None:
    """Claims merge by how their weights came about; that must tell apart whatever differs."""
    rng = random.Random(seed)
    point = tuple(rng.randrange(SCALAR_FIELD) for _ in range(9))
    source = rng.choice([(), (1,), (2,), (2, 3), (5,), (6,), (7,), (8,)])
    found: dict[object, object] = {}
    for _ in range(30):
        shape, maps = source, []
        for _ in range(rng.randrange(1, 4)):
            maps.append(random_map(rng, shape))
            shape = maps[-1].shape
        if np.prod(shape, dtype=int) > 300:
            continue
        weights = Weights(1, [eq_factor(a, n, point[: bits_of(n)]) for a, n in enumerate(shape) if n > 1])
        for map in reversed(maps):
            weights = map.pull(weights)
        if weights.coefficient:
            cells = written_out(weights, source).tolist()
            assert found.setdefault(weights.identity, cells) == cells


def test_sums_of_eq_over_five_and_over_seven_differ() -> None:
    """*Forged once*: totals of eq at one point, over lengths with as many variables, were taken for equal."""
    point = (11, 22, 33)
    totals = [Broadcast((1,), (n,)).pull(Weights(1, [eq_factor(0, n, point)])) for n in (5, 7)]
    assert totals[0].identity != totals[1].identity


def test_partial_sums_over_three_and_over_four_differ() -> None:
    """The same of factors that are summed over one of their axes."""
    point = (11, 22, 33)
    factors = [Factor((0, 1), (2, n), ("eq", point), lambda n=n: eq_vector(point, 2 * n)) for n in (3, 4)]
    sums = [Broadcast((2, 1), factor.sizes).pull(Weights(1, [factor])) for factor in factors]
    assert sums[0].identity != sums[1].identity


def test_ones_over_two_axes_leave_the_padding_out() -> None:
    """*Forged once*: ones that a reshape spread over two axes were evaluated as if over the first alone."""
    ones = Reshape((2, 3), (6,)).pull(Sum((6,), 0).pull(Weights(1, [])))
    corner = [(0,), (1, 1)]
    assert ones.unit_extension(corner) == 0


@pytest.mark.parametrize(
    ("map", "shape"),
    [
        (Broadcast((2, 1), (4, 2, 3)), (4, 2, 3)),
        (Transpose((2, 3, 4), (2, 0, 1)), (4, 2, 3)),
        (Sum((2, 3), 1), (2, 1)),
        (SumBehind((2, 3), 1), (2, 3)),
        (Select((2, 3), 1, range(-1, 4)), (2, 5)),
        (Window((2, 9), 1, 3, 2, 3, 1, 1), (2, 3, 2)),
        (Reshape((4, 3), (2, 6)), (2, 6)),
    ],
)
def test_shapes_of_images(map: Map, shape: tuple[int, ...]) -> None:
    assert map.shape == shape
    assert image(map, np.zeros(map.source, dtype=np.int64)).shape == shape


def test_eq_goes_through_reshapes_of_powers_of_two_axis_by_axis() -> None:
    """What keeps the claims of transformers' heads small: eq is split, not written out."""
    point = tuple(range(3, 10))
    weights = Weights(1, [eq_factor(0, 5, point[:3]), eq_factor(1, 16, point[3:])])
    pulled = Reshape((20, 4), (5, 16)).pull(weights)
    assert [factor.point for factor in pulled.factors] == [point[:5], point[5:]]
