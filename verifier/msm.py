"""Sums of many points of G1 in plain Python: multi-scalar multiplication, and many multiples of one point.

Points are affine, None is the point at infinity. All sums are made of one primitive, the addition of many
independent pairs of points at once, which shares one inversion among them (Montgomery's trick)::

    slope = (y2 - y1) / (x2 - x1),    x3 = slope^2 - x1 - x2,    y3 = slope * (x1 - x3) - y1.

At five to ten microseconds an addition this is fast enough to make or check an SRS of 2^17 points without
native code.
"""

from collections.abc import Sequence

from verifier.bn254 import BASE_FIELD, SCALAR_FIELD, G1Point

Sum = G1Point | None
_BATCH = 1 << 12
"""Additions that share one inversion; more would only cost memory."""


def add_pairs(left: Sequence[Sum], right: Sequence[Sum]) -> list[Sum]:
    """Return `left[i] + right[i]` for every i.

    Parameters
    ----------
    left, right
        As many points each, on the curve.

    Returns
    -------
    list
        The sums. Equal points, opposite points and infinity are handled.
    """
    sums: list[Sum] = []
    for start in range(0, len(left), _BATCH):
        sums += _add_batch(left[start : start + _BATCH], right[start : start + _BATCH])
    return sums


def _add_batch(left: Sequence[Sum], right: Sequence[Sum]) -> list[Sum]:
    plain: list[tuple[int, int, int, int]] = []
    others: list[tuple[int, Sum]] = []
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        if a is None or b is None:
            others.append((i, b if a is None else a))
        elif a[0] == b[0]:
            others.append((i, _double(a) if a[1] == b[1] else None))
        else:
            plain.append(a + b)
    sums = _add_distinct(plain)
    if others:
        remaining = iter(sums)
        special = dict(others)
        return [special[i] if i in special else next(remaining) for i in range(len(left))]
    return sums


def _add_distinct(pairs: list[tuple[int, int, int, int]]) -> list[Sum]:
    """Add pairs (x1, y1, x2, y2) of points with x1 != x2, all with one inversion."""
    p = BASE_FIELD
    prefixes = []
    product = 1
    for x1, _, x2, _ in pairs:
        prefixes.append(product)
        product = product * (x2 - x1) % p
    inverse = pow(product, -1, p)
    sums: list[Sum] = []
    for (x1, y1, x2, y2), prefix in zip(reversed(pairs), reversed(prefixes), strict=True):
        slope = inverse * prefix % p * (y2 - y1) % p
        inverse = inverse * (x2 - x1) % p
        x3 = (slope * slope - x1 - x2) % p
        sums.append((x3, (slope * (x1 - x3) - y1) % p))
    sums.reverse()
    return sums


def _double(point: G1Point) -> G1Point:
    p = BASE_FIELD
    x, y = point
    slope = 3 * x * x * pow(2 * y, -1, p) % p
    x3 = (slope * slope - 2 * x) % p
    return x3, (slope * (x - x3) - y) % p


def multi_scalar_multiply(scalars: Sequence[int], points: Sequence[Sum], bits: int = 254) -> Sum:
    """Return the sum of `scalars[i] * points[i]` by Pippenger's bucket method.

    Parameters
    ----------
    scalars
        Integers in [0, 2^bits).
    points
        As many points.
    bits
        A bound on the scalars' length; the cost grows with it.

    Returns
    -------
    point or None
        The sum.
    """
    window = max(2, min(16, len(points).bit_length() - 4))
    half, full = 1 << (window - 1), 1 << window
    windows = -(-(bits + 1) // window)
    buckets: list[list[Sum]] = [[] for _ in range(windows * half)]
    for scalar, point in zip(scalars, points, strict=True):
        if point is None:
            continue
        negated = (point[0], BASE_FIELD - point[1])
        base = 0
        while scalar:
            # Signed digits, in (-half, half]: half as many buckets as unsigned ones.
            digit = scalar & (full - 1)
            scalar >>= window
            if digit > half:
                buckets[base + full - digit - 1].append(negated)
                scalar += 1
            elif digit:
                buckets[base + digit - 1].append(point)
            base += half
    return _weigh_buckets(_sum_buckets(buckets), windows, window)


class MultiplesTable:
    """A table of the multiples of one point, which makes any multiple the sum of a few entries."""

    def __init__(self, point: G1Point, window: int) -> None:
        """Make the table.

        Parameters
        ----------
        point
            A point on the curve.
        window
            Bits of a scalar that one entry covers. The table has about 255 / window * 2^(window - 1) entries.
        """
        self._window = window
        self._rows: list[list[Sum]] = []
        base: Sum = point
        for _ in range(-(-(SCALAR_FIELD.bit_length() + 1) // window)):
            row: list[Sum] = [None, base]  # 0, 1, ..., 2^(window - 1) times the base
            while len(row) <= 1 << (window - 1):
                row += add_pairs([row[-1]] * (len(row) - 1), row[1:])
            self._rows.append(row)
            [base] = add_pairs([row[-1]], [row[-1]])

    def multiples(self, scalars: Sequence[int]) -> list[G1Point]:
        """Return `scalar * point` for every scalar in [1, r)."""
        half, full = 1 << (self._window - 1), 1 << self._window
        remaining = list(scalars)
        result: list[Sum] = [None] * len(remaining)
        for row in self._rows:
            terms: list[Sum] = []
            for i, scalar in enumerate(remaining):
                digit = scalar & (full - 1)
                if digit > half:
                    remaining[i] = (scalar >> self._window) + 1
                    terms.append(_negate(row[full - digit]))
                else:
                    remaining[i] = scalar >> self._window
                    terms.append(row[digit])
            result = add_pairs(result, terms)
        return [_finite(point) for point in result]


def _sum_buckets(buckets: list[list[Sum]]) -> list[Sum]:
    """Return the sum of each bucket. All are halved together, so that the additions are independent."""
    while True:
        left: list[Sum] = []
        right: list[Sum] = []
        for bucket in buckets:
            even = len(bucket) & ~1
            left += bucket[0:even:2]
            right += bucket[1:even:2]
        if not left:
            return [bucket[0] if bucket else None for bucket in buckets]
        sums = add_pairs(left, right)
        start = 0
        for i, bucket in enumerate(buckets):
            pairs = len(bucket) // 2
            buckets[i] = sums[start : start + pairs] + bucket[2 * pairs :]
            start += pairs


def _weigh_buckets(sums: list[Sum], windows: int, window: int) -> Sum:
    """Return the sum over windows w and digits d of `2^(w * window) * d * sums[w, d - 1]`.

    Within a window, sum_i i * B_i = 2 * sum_i i * (B_2i + B_2i+1) + sum_i B_2i+1, applied over and over: what
    is left of each round, the points at odd places, belongs to one power of two. The weights i + 1 take all
    B_i once more.
    """
    half = 1 << (window - 1)
    by_power: list[list[Sum]] = [[] for _ in range(windows * window)]
    for level in range(window - 1):
        size = half >> level
        for w in range(windows):
            by_power[w * window + level] += sums[w * size + 1 : (w + 1) * size : 2]
        sums = add_pairs(sums[0::2], sums[1::2])
    for w in range(windows):
        by_power[w * window].append(sums[w])
    result: Sum = None
    for term in reversed(_sum_buckets(by_power)):
        [result] = add_pairs([result], [result])
        [result] = add_pairs([result], [term])
    return result


def _negate(point: Sum) -> Sum:
    return None if point is None else (point[0], BASE_FIELD - point[1])


def _finite(point: Sum) -> G1Point:
    if point is None:
        raise ValueError("a scalar is a multiple of the group's order")
    return point
