"""Trees of fractions and the sumchecks of their layers, against the definitions on full, padded levels."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover import _kernels
from tests.budget import examples
from tests.prover.kernels.values import (
    CORNERS,
    ORDER,
    Vector,
    element,
    integer,
    integers,
    on_every_path,
    scalar,
    some_elements,
    vector,
)

DEAD = (0, 1)
Fractions = list[tuple[int, int]]


@dataclass
class Leaves:
    rows: list[int]
    denominators: list[int]
    numerators: list[tuple[int, list[int]]]

    def tree(self) -> _kernels.FractionTree:
        return _kernels.FractionTree(
            np.array(self.rows, dtype=np.uint32),
            vector(self.denominators),
            [(offset, vector(values)) for offset, values in self.numerators],
        )

    def fractions(self) -> Fractions:
        numerators = [1] * len(self.rows)
        for offset, values in self.numerators:
            numerators[offset : offset + len(values)] = values
        return [(n, self.denominators[row]) for n, row in zip(numerators, self.rows, strict=True)]

    @property
    def depth(self) -> int:
        return (len(self.rows) - 1).bit_length()


def some_leaves(rng: random.Random, count: int, ranges: int) -> Leaves:
    table = some_elements(rng, rng.choice([1, 3, 50]))
    cuts = sorted(rng.randrange(count + 1) for _ in range(2 * ranges))
    numerators = [
        (begin, some_elements(rng, end - begin)) for begin, end in zip(cuts[::2], cuts[1::2], strict=True)
    ]
    rng.shuffle(numerators)
    return Leaves([rng.randrange(len(table)) for _ in range(count)], table, numerators)


@st.composite
def leaves(draw: st.DrawFn) -> Leaves:
    rng = random.Random(draw(st.integers(0, 2**32)))
    # Up to several blocks of leaves whose numerators are all 1.
    largest = draw(st.sampled_from([9, 70, 600, 2500]))
    return some_leaves(rng, draw(st.integers(1, largest)), draw(st.integers(0, 3)))


def level_above(level: Fractions) -> Fractions:
    pairs = zip(level[::2], level[1::2] + [DEAD] * (len(level) % 2), strict=True)
    return [((n0 * d1 + n1 * d0) % ORDER, d0 * d1 % ORDER) for (n0, d0), (n1, d1) in pairs]


def levels(leaves: Leaves, count: int) -> list[Fractions]:
    result = [leaves.fractions()]
    while len(result) < count:
        result.append(level_above(result[-1]))
    return result


def eq(z: list[int]) -> list[int]:
    """eq(z, i) for all i; z[0] belongs to the most significant bit."""
    table = [1]
    for coordinate in z:
        table = [weight * x % ORDER for weight in table for x in (1 - coordinate, coordinate)]
    return table


@dataclass
class ReferenceLayer:
    """The sumcheck of a layer, with every dead node written out."""

    factors: list[list[int]]  # N0, N1, D0, D1 at every x
    z: list[int]
    lam: int

    @classmethod
    def begin(cls, level: Fractions, z: list[int], lam: int) -> ReferenceLayer:
        padded = level + [DEAD] * (2 ** (len(z) + 1) - len(level))
        (n0, d0), (n1, d1) = (zip(*padded[c::2], strict=True) for c in (0, 1))
        return cls([list(n0), list(n1), list(d0), list(d1)], z, lam)

    def gate(self, n0: int, n1: int, d0: int, d1: int) -> int:
        return n0 * d1 + n1 * d0 + self.lam * d0 * d1

    def sum(self, weights: list[int], factors: list[list[int]]) -> int:
        n0, n1, d0, d1 = factors
        terms = zip(weights, n0, n1, d0, d1, strict=True)
        return sum(w * (a * d + b * c + self.lam * c * d) for w, a, b, c, d in terms) % ORDER

    def round(self) -> tuple[int, int]:
        at_0 = [f[::2] for f in self.factors]
        slopes = [[b - a for a, b in zip(f[::2], f[1::2], strict=True)] for f in self.factors]
        weights = eq(self.z[:-1])
        return self.sum(weights, at_0), self.sum(weights, slopes)

    def bind(self, r: int) -> None:
        self.factors = [
            [(a + r * (b - a)) % ORDER for a, b in zip(f[::2], f[1::2], strict=True)] for f in self.factors
        ]
        self.z = self.z[:-1]

    def finish(self) -> tuple[int, ...]:
        return tuple(f[0] for f in self.factors)


def messages(
    leaves: Leaves, level: int, z: list[int], lam: int, challenges: list[int], steps: str
) -> list[bytes]:
    """All that the kernels' sumcheck of a layer says."""
    layer = leaves.tree().layer(level, [scalar(x) for x in z], scalar(lam))
    said: list[bytes] = []
    for i, r in enumerate(challenges):
        if steps != "bind only":
            in_one = steps == "in one" and i > 0
            said += layer.bind_round(scalar(challenges[i - 1])) if in_one else layer.round()
        if steps == "repeated":
            assert list(layer.round()) == said[-2:]
        if steps != "in one" or i == len(challenges) - 1:
            layer.bind(scalar(r))
    return [*said, *layer.finish()]


def reference_messages(
    leaves: Leaves, level: int, z: list[int], lam: int, challenges: list[int]
) -> Iterator[int]:
    layer = ReferenceLayer.begin(levels(leaves, level + 1)[level], z, lam)
    for r in challenges:
        yield from layer.round()
        layer.bind(r)
    yield from layer.finish()


def check_layer(leaves: Leaves, level: int, z: list[int], lam: int, challenges: list[int]) -> None:
    expected = list(reference_messages(leaves, level, z, lam, challenges))
    for steps in ("one by one", "in one", "repeated", "bind only"):
        said = on_every_path(partial(messages, leaves, level, z, lam, challenges, steps))
        assert [integer(x) for x in said] == expected[-len(said) :]
        assert len(said) == (4 if steps == "bind only" else len(expected))


@settings(max_examples=examples(40), deadline=None)
@given(leaves(), st.integers(0, 14))
def test_levels(leaves: Leaves, level: int) -> None:
    n, d = on_every_path(lambda: leaves.tree().level(level))
    assert list(zip(integers(n), integers(d), strict=True)) == levels(leaves, level + 1)[level]


@settings(max_examples=examples(60), deadline=None)
@given(leaves(), st.data())
def test_layer(leaves: Leaves, data: st.DataObject) -> None:
    spare = data.draw(st.sampled_from([0, 0, 1, 2]), "variables beyond the leaves")
    depth = leaves.depth + spare
    level = data.draw(st.integers(0, min(max(depth - 1, 0), 4)), "level")
    variables = max(depth - level - 1, 0)
    coordinates = st.lists(element(), min_size=variables, max_size=variables)
    z, r = data.draw(coordinates, "z"), data.draw(coordinates, "r")
    check_layer(leaves, level, z, data.draw(element(), "lambda"), r)


@pytest.mark.parametrize("count", [*range(1, 18), 31, 33, 255, 256, 257, 511, 512, 513, 1025])
def test_every_layer_of_a_tree(count: int) -> None:
    rng = random.Random(count)
    leaves = some_leaves(rng, count, rng.randrange(3))
    for level in range(max(leaves.depth, 1)):
        variables = max(leaves.depth - level - 1, 0)
        z, r = some_elements(rng, variables), some_elements(rng, variables)
        check_layer(leaves, level, z, rng.randrange(ORDER), r)


@pytest.mark.parametrize("numerators", ["ones", "a few", "all"])
@pytest.mark.parametrize("lam", [0, 1, ORDER - 1, 12345])
def test_numerators_of_one_are_left_out_safely(numerators: str, lam: int) -> None:
    """Leaves over many blocks, with and without numerators of their own at the edges of blocks."""
    rng = random.Random(lam)
    count = 2311
    leaves = some_leaves(rng, count, 0)
    if numerators == "a few":
        leaves.numerators = [(512, [5]), (1535, [ORDER - 1] * 2), (2048, [0])]
    elif numerators == "all":
        leaves.numerators = [(0, some_elements(rng, count))]
    check_layer(leaves, 0, some_elements(rng, 11), lam, some_elements(rng, 11))


@pytest.mark.parametrize("corner", CORNERS)
def test_extreme_leaves(corner: int) -> None:
    """Every element alike: sums as large as they get."""
    for numerators in ([], [(0, [corner] * 300)]):
        leaves = Leaves([0, 1] * 150, [corner, ORDER - 1 - corner], numerators)
        for level in (0, 1, 3):
            variables = leaves.depth - level - 1
            check_layer(leaves, level, [corner] * variables, corner, [ORDER - 1 - corner] * variables)


def test_a_whole_argument() -> None:
    """From the root down to the leaves, each claim checked against the next, as a verifier would."""
    rng = random.Random(1)
    leaves = some_leaves(rng, 5000, 2)
    tree = leaves.tree()
    depth = leaves.depth
    (claim_n, claim_d), z = (integers(x)[0] for x in tree.level(depth)), list[int]()
    for level in range(depth - 1, -1, -1):
        lam = rng.randrange(ORDER)
        layer = tree.layer(level, [scalar(x) for x in z], scalar(lam))
        claim, point = claim_n + lam * claim_d, list[int]()
        for left in range(len(z), 0, -1):
            said = layer.bind_round(scalar(point[0])) if point else layer.round()
            at_0, leading = map(integer, said)
            # claim = (1 - z) t(0) + z t(1)
            at_1 = (claim - (1 - z[left - 1]) * at_0) * pow(z[left - 1], -1, ORDER)
            r = rng.randrange(ORDER)
            claim = at_0 + (at_1 - at_0 - leading) * r + leading * r * r
            point.insert(0, r)
        if z:
            layer.bind(scalar(point[0]))
        n0, n1, d0, d1 = map(integer, layer.finish())
        assert (claim - (n0 * d1 + n1 * d0 + lam * d0 * d1)) % ORDER == 0
        last = rng.randrange(ORDER)
        claim_n, claim_d, z = n0 + last * (n1 - n0), d0 + last * (d1 - d0), [*point, last]
    weights = eq(z)
    fractions = leaves.fractions()
    dead = sum(weights[len(fractions) :])
    assert (sum(w * n for w, (n, _) in zip(weights, fractions, strict=False)) - claim_n) % ORDER == 0
    assert (sum(w * d for w, (_, d) in zip(weights, fractions, strict=False)) + dead - claim_d) % ORDER == 0


def test_levels_above_come_back() -> None:
    leaves = some_leaves(random.Random(0), 100, 1)
    tree = leaves.tree()
    before = [tree.level(j) for j in range(9)]
    layers = [tree.layer(j, [scalar(x) for x in range(6 - j)], scalar(3)) for j in (5, 0, 5)]
    assert layers[0].round() == layers[2].round()
    np.testing.assert_equal([tree.level(j) for j in range(8, -1, -1)], before[::-1])


def test_layers_at_the_same_time() -> None:
    """Sumchecks that take turns do not disturb each other, nor do those begun after one has ended."""
    rng = random.Random(0)
    leaves = some_leaves(rng, 1000, 1)
    tree = leaves.tree()
    z, challenges = some_elements(rng, 9), some_elements(rng, 9)
    for _ in range(2):
        layers = [tree.layer(j, [scalar(x) for x in z[: 9 - j]], scalar(3)) for j in (0, 2, 0)]
        said: list[list[bytes]] = [[] for _ in layers]
        for i, r in enumerate(challenges):
            for layer, words in zip(layers, said, strict=True):
                if i < 7 or layer is not layers[1]:
                    words += layer.round()
                    layer.bind(scalar(r))
        for layer, words, j in zip(layers, said, (0, 2, 0), strict=True):
            words += layer.finish()
            expected = reference_messages(leaves, j, z[: 9 - j], 3, challenges[: 9 - j])
            assert [integer(x) for x in words] == list(expected)


def large_tree() -> list[object]:
    """Too large for plain Python: compared between paths only."""
    rng = np.random.default_rng(5)
    table = rng.integers(0, 2**61, (1000, 4), dtype=np.uint64)  # below 2^253, so reduced
    count = 70001
    rows = rng.integers(0, len(table), count, dtype=np.uint32)
    numerators: list[tuple[int, Vector]] = [(60000, rng.integers(0, 2**61, (3000, 4), dtype=np.uint64))]
    tree = _kernels.FractionTree(rows, table, numerators)
    said: list[object] = [tree.level(5)]
    for level in (3, 1, 0):
        layer = tree.layer(level, [scalar(3**i) for i in range(16 - level)], scalar(99))
        said += [layer.round(), layer.bind_round(scalar(5**70)), layer.bind_round(scalar(7**70))]
    return said


def test_large_tree_on_every_path() -> None:
    on_every_path(large_tree)


def test_steps_out_of_turn() -> None:
    tree = Leaves([0] * 5, [3], []).tree()
    layer = tree.layer(1, [scalar(8)], scalar(9))
    with pytest.raises(RuntimeError, match="left to bind"):
        layer.finish()
    layer.bind(scalar(1))
    with pytest.raises(RuntimeError, match="left to bind"):
        layer.bind(scalar(1))
    with pytest.raises(RuntimeError, match="left for a round"):
        layer.round()


def test_what_is_refused() -> None:
    rows, table = np.array([0, 1, 1], dtype=np.uint32), vector([5, 6])
    for numerators, why in (
        ([(2, vector([1, 2]))], "leaf 3 of 3"),
        ([(4, vector([]))], "beyond"),
        ([(0, vector([1, 2])), (1, vector([1]))], "overlap"),
    ):
        with pytest.raises(ValueError, match=why):
            _kernels.FractionTree(rows, table, numerators)
    with pytest.raises(ValueError, match="row 1 of 1"):
        _kernels.FractionTree(rows, table[:1], [])
    with pytest.raises(ValueError, match="at least one leaf"):
        _kernels.FractionTree(rows[:0], table, [])
    with pytest.raises(TypeError):
        _kernels.FractionTree(rows.astype(np.int64), table, [])
    tree = _kernels.FractionTree(rows, table, [])
    with pytest.raises(ValueError, match="coordinates"):
        tree.layer(0, [], scalar(1))
    with pytest.raises(ValueError, match="scalar"):
        tree.layer(0, [scalar(1)], ORDER.to_bytes(32, "little"))
