"""Einstein summation against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from circuits.errors import UnsupportedError
from circuits.importer.importer import import_model
from tests.importer.one_node import floats, integers, model

RNG = np.random.default_rng(11)
CASES = [
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("ij,ik,il->jkl", [(2, 3), (2, 4), (2, 5)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iij->ji", [(3, 3, 2)]),
    ("iji,jk->ik", [(3, 4, 3), (4, 2)]),
    ("ba", [(2, 3)]),
    ("ij->", [(3, 4)]),
    ("i,j", [(3,), (4,)]),
    ("i,i", [(3,), (3,)]),
    (",a->a", [(), (3,)]),
    ("bhqd,bhkd->bhqk", [(1, 2, 3, 4), (1, 2, 5, 4)]),
    ("abc,cd->abd", [(2, 3, 4), (4, 5)]),
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("...a,...a->...", [(2, 3, 4), (4,)]),
    ("i...,i...->...i", [(2, 3, 4), (2, 3, 4)]),
    ("...ab->...ba", [(2, 3, 4)]),
    ("ij,ij,ij->i", [(2, 3)] * 3),
    (" i j , j -> i ", [(2, 3), (3,)]),
    ("Aa,aB->AB", [(2, 3), (3, 4)]),
]


@pytest.mark.parametrize(("equation", "shapes"), CASES)
def test_equations(equation: str, shapes: list[tuple[int, ...]]) -> None:
    xs = [RNG.normal(size=shape).astype(np.float32) for shape in shapes]
    made = model("Einsum", {f"x{i}": x for i, x in enumerate(xs)}, {"equation": equation})
    wanted = np.einsum(equation, *(x.astype(np.float64) for x in xs))
    got = floats(made, xs)[0]
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_integers_are_exact() -> None:
    x, y = RNG.integers(-99, 99, (2, 4, 4))
    made = model("Einsum", {"x": x, "y": y}, {"equation": "ij,kj->ik"})
    assert integers(made, [x, y])[0].tolist() == (x @ y.T).tolist()


@pytest.mark.parametrize(
    ("equation", "why"),
    [
        ("ij,jk,kl->il", "does not fit 2 inputs"),
        ("ijk,jk->i", "does not fit a tensor of 2 axes"),
        ("i1,1k->ik", "does not fit a tensor of 2 axes"),
        ("ij,jk->iz", "names output axes twice or not among its inputs"),
        ("ij,jk->ii", "names output axes twice or not among its inputs"),
        ("ij,ik->jk", "its label 'i' has the sizes"),
    ],
)
def test_equations_that_do_not_fit_are_refused(equation: str, why: str) -> None:
    x, y = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    made = model("Einsum", {"x": x, "y": y}, opset=12, attrs={"equation": "ij,jk"})
    made.graph.node[0].attribute[0].s = equation.encode()
    with pytest.raises(UnsupportedError, match=why):
        import_model(made)
