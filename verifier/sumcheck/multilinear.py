"""Multilinear extensions over BN254's scalar field.

The extension of a vector v of 2^n values is the polynomial in n variables of degree at most one in each that
takes the value v[i] where the variables are the bits of i::

    v~(z) = sum_i eq(z, i) * v[i],    eq(z, i) = prod_k (z_k * i_k + (1 - z_k) * (1 - i_k)).

The first variable belongs to the most significant bit.
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.symbols import recordable

Point = tuple[int, ...]


def bits_of(n: int) -> int:
    """The number of variables of a vector of n values: the least k with 2^k >= n."""
    return (n - 1).bit_length()


@recordable
def eq_vector(point: Sequence[int], count: int | None = None) -> list[int]:
    """eq(point, i) for i = 0, ..., `count` - 1, by default for all 2^n."""
    values = [1]
    for k, z in enumerate(point):
        if count is not None:
            # Only what leads to the first `count` values is needed.
            values = values[: -(-count >> (len(point) - k))]
        doubled = []
        for value in values:
            one = value * z % SCALAR_FIELD
            doubled += [value - one, one]
        values = doubled
    values = values if count is None else values[:count]
    return [value % SCALAR_FIELD for value in values]


@recordable
def eq_run(point: Sequence[int], start: int, count: int) -> list[int]:
    """eq(point, i) for i = start, ..., start + count - 1."""
    values, first = [1], 0
    for k, z in enumerate(point):
        shift = len(point) - 1 - k
        begin, end = start >> shift, (start + count - 1) >> shift
        ones = [value * z % SCALAR_FIELD for value in values]
        values = [
            ones[(i >> 1) - first] if i & 1 else (values[(i >> 1) - first] - ones[(i >> 1) - first])
            for i in range(begin, end + 1)
        ]
        first = begin
    return [value % SCALAR_FIELD for value in values]


@recordable
def eq_point(a: Sequence[int], b: Sequence[int]) -> int:
    """eq(a, b) at two points of as many variables."""
    product = 1
    for x, y in zip(a, b, strict=True):
        product = product * (1 - x - y + 2 * x * y) % SCALAR_FIELD
    return product


@recordable
def eq_index(point: Sequence[int], index: int) -> int:
    """eq(point, index) at one vertex of the cube."""
    product = 1
    for k, z in enumerate(reversed(point)):
        product = product * (z if index >> k & 1 else 1 - z) % SCALAR_FIELD
    return product


def eq_zeros(point: Sequence[int]) -> list[int]:
    """eq(the first k coordinates, 0) for k = 0, ..., n."""
    products = [1]
    for z in point:
        products.append(products[-1] * (1 - z) % SCALAR_FIELD)
    return products


@recordable
def inner_product(a: Sequence[int], b: Sequence[int]) -> int:
    """sum_i a[i] * b[i]."""
    return sum(x * y for x, y in zip(a, b, strict=True)) % SCALAR_FIELD


@recordable
def outer_product(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """a[i] * b[j], i slowest."""
    return [x * y % SCALAR_FIELD for x in a for y in b]


@recordable
def eq_overlap(a: Sequence[int], b: Sequence[int], count: int) -> int:
    """sum_{i < count} eq(a, i) * eq(b, i), in a step for each variable.

    The indices below `count` are, for each bit that is 1 in `count`, those that agree with it before that bit
    and have 0 there, the bits behind being free; over free bits the sum is eq(a, b) in those variables.
    """
    free = [1]
    for x, y in zip(reversed(a), reversed(b), strict=True):
        free.append(free[-1] * (1 - x - y + 2 * x * y) % SCALAR_FIELD)
    variables = len(a)
    if count >> variables:
        return free[variables]
    total, prefix = 0, 1
    for k in range(variables):
        x, y = a[k], b[k]
        zero, one = (1 - x) * (1 - y) % SCALAR_FIELD, x * y % SCALAR_FIELD
        if count >> (variables - 1 - k) & 1:
            total += prefix * zero % SCALAR_FIELD * free[variables - 1 - k]
            prefix = prefix * one % SCALAR_FIELD
        else:
            prefix = prefix * zero % SCALAR_FIELD
    return total % SCALAR_FIELD


@recordable
def eq_mass(point: Sequence[int], count: int) -> int:
    """sum_{i < count} eq(point, i), in a step for each variable, as `eq_overlap`."""
    variables = len(point)
    if count >> variables:
        return 1
    total, prefix = 0, 1
    for k, z in enumerate(point):
        if count >> (variables - 1 - k) & 1:
            total += prefix * (1 - z)
            prefix = prefix * z % SCALAR_FIELD
        else:
            prefix = prefix * (1 - z) % SCALAR_FIELD
    return total % SCALAR_FIELD
