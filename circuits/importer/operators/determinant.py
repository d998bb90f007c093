"""Determinants of small matrices by Laplace expansion, minors shared: n * 2^(n-1) products instead of n!.

    minor(S) = sum over the j-th column c of S:  (-1)^(i+j) * m[i, c] * minor(S without c),    i = |S| - 1

minor(S) is the determinant of the first |S| rows on the columns S.
"""

from __future__ import annotations

from itertools import combinations

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negative
from circuits.importer.axes import along, reshaped
from circuits.importer.handlers import OnnxNode, handles

LARGEST = 6


@handles("Det")
def determinant(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    size = x.shape[-1]
    if x.rank < 2 or x.shape[-2] != size:
        raise node.fail(f"a tensor of shape {x.shape} holds no square matrices")
    if size > LARGEST:
        raise node.fail(
            f"determinants are supported up to {LARGEST} x {LARGEST}, and these are {size} x {size}"
        )
    cells = [
        [along(b, along(b, x, x.rank - 2, range(i, i + 1)), x.rank - 1, range(j, j + 1)) for j in range(size)]
        for i in range(size)
    ]
    minors: dict[tuple[int, ...], Value] = {}
    for row in range(size):
        for columns in combinations(range(size), row + 1):
            minors[columns] = _expanded(b, cells[row], columns, minors)
    return reshaped(b, minors[tuple(range(size))], x.shape[:-2])


def _expanded(
    b: GraphBuilder, row: list[Value], columns: tuple[int, ...], minors: dict[tuple[int, ...], Value]
) -> Value:
    """The minor on `columns`, expanded along its last row."""
    if len(columns) == 1:
        return row[columns[0]]
    total: Value | None = None
    for j, column in enumerate(columns):
        term = b.add("mul", [row[column], minors[columns[:j] + columns[j + 1 :]]])
        odd = (len(columns) - 1 + j) % 2
        if total is None:
            total = negative(b, term) if odd else term
        else:
            total = b.add("sub" if odd else "add", [total, term])
    assert total is not None
    return total
