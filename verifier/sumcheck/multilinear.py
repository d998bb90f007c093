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
def eq_slots(point: Sequence[int], counts: Sequence[int]) -> list[int]:
    """eq of the point's first k variables at the places of slots, the largest slots first.

    Slots of 2^(n-k) cells, counts[k] of them for k = 0, 1, ..., fill a cube of n variables from its start.
    The place of a slot is the index, over the first k variables, at which it stands.
    """
    found: list[int] = []
    values = [1]
    # how many slots, or larger ones that hold them, are needed at each depth
    needed = list(counts)
    for k in reversed(range(len(counts) - 1)):
        needed[k] += -(-needed[k + 1] // 2)
    for k, count in enumerate(counts):
        found += values[:count]
        if k + 1 < len(counts):
            doubled = []
            for value in values[count:]:
                one = value * point[k] % SCALAR_FIELD
                doubled += [(value - one) % SCALAR_FIELD, one]
            values = doubled[: needed[k + 1]]
    return found


def slot_counts(variables: int, bits: Sequence[int]) -> list[int]:
    """The counts that `eq_slots` takes, for slots of 2^bits cells each, the largest first."""
    depths = [variables - each for each in bits]
    return [depths.count(k) for k in range(max(depths, default=0) + 1)]


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


def shifted_overlap(a: Sequence[int], i: int, b: Sequence[int], j: int, count: int) -> int:
    """sum_{k < count} eq(a, i + k) * eq(b, j + k).

    Where i, j and `count` are multiples of 2^n, the last n bits of both indices are the same.
    """
    if not count:
        return 0
    n = min(_trailing_zeros(i | j | count), len(a), len(b))
    first, second = a[: len(a) - n], b[: len(b) - n]
    stretches = (eq_vector(z, (x + count) >> n)[x >> n :] for z, x in ((first, i), (second, j)))
    return inner_product(*stretches) * eq_point(a[len(a) - n :], b[len(b) - n :]) % SCALAR_FIELD


def _trailing_zeros(n: int) -> int:
    return (n & -n).bit_length() - 1


def window_sum(
    outer: Sequence[int], inner: Sequence[int], cells: Sequence[int], stride: int, dilation: int, before: int
) -> int:
    """sum_{p,q} outer[p] * inner[q] * cells[p * stride + q * dilation - before], over the cells there are."""
    total = 0
    for q, weight in enumerate(inner):
        first = q * dilation - before
        start = max(0, -(first // stride))
        stop = min(len(outer), -(-(len(cells) - first) // stride))
        if start < stop:
            reached = cells[start * stride + first : (stop - 1) * stride + first + 1 : stride]
            total += weight * inner_product(outer[start:stop], reached)
    return total % SCALAR_FIELD


def window_values(
    outer: Sequence[int], inner: Sequence[int], size: int, stride: int, dilation: int, before: int
) -> list[int]:
    """For t < size the sum of outer[p] * inner[q] where p * stride + q * dilation - before = t."""
    backward = together(inner[::-1])  # p grows where q falls
    values = []
    for t in range(size):
        pairs = []
        for q in reversed(range(len(inner))):
            p, rest = divmod(t + before - q * dilation, stride)
            if rest == 0 and 0 <= p < len(outer):
                pairs.append((outer[p], backward[len(inner) - 1 - q]))
        values.append(inner_product([a for a, _ in pairs], [b for _, b in pairs]))
    return values


@recordable
def together(elements: Sequence[int]) -> Sequence[int]:
    """The elements themselves. A machine brings them side by side, for whoever reads them more than once."""
    return elements


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


def index_extension(point: Sequence[int], count: int) -> tuple[int, int]:
    """sum_{i < count} eq(point, i), and sum_{i < count} i * eq(point, i), in a step for each variable.

    The indices below `count` are, for each bit that is 1 in `count`, those that agree with it before that bit
    and have 0 there; the bits behind are free, and add z_j * 2^j each on average.
    """
    n = len(point)
    free = [0]
    for j, z in enumerate(reversed(point)):
        free.append((free[-1] + (z << j)) % SCALAR_FIELD)
    if count >> n:
        return 1, free[n]
    mass = index = 0
    prefix, base = 1, 0
    for j in reversed(range(n)):
        z = point[n - 1 - j]
        if count >> j & 1:
            block = prefix * (1 - z) % SCALAR_FIELD
            mass += block
            index += block * (base + free[j])
            prefix, base = prefix * z % SCALAR_FIELD, base + (1 << j)
        else:
            prefix = prefix * (1 - z) % SCALAR_FIELD
    return mass % SCALAR_FIELD, index % SCALAR_FIELD


def eq_before(a: Sequence[int], b: Sequence[int], count: int) -> int:
    """sum over i < j < `count` of eq(a, i) * eq(b, j), in a step for each variable.

    From the most significant bit on, four sums over the prefixes of i and j: i is as j, or less, and j is
    below the prefix of `count`, or at it.
    """
    variables = len(a)
    whole = count >> variables
    same_below, same_at, less_below, less_at = (1, 0, 0, 0) if whole else (0, 1, 0, 0)
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        one = x * y % SCALAR_FIELD
        rises, zero = (y - one) % SCALAR_FIELD, (1 - x - y + one) % SCALAR_FIELD
        less_below += same_below * rises
        same_below = same_below * (zero + one) % SCALAR_FIELD
        if count >> (variables - 1 - k) & 1 and not whole:
            less_below += less_at * (1 - y)
            same_below += same_at * zero
            less_at = (less_at * y + same_at * rises) % SCALAR_FIELD
            same_at = same_at * one % SCALAR_FIELD
        else:
            less_at = less_at * (1 - y) % SCALAR_FIELD
            same_at = same_at * zero % SCALAR_FIELD
        less_below %= SCALAR_FIELD
        same_below %= SCALAR_FIELD
    return less_below
