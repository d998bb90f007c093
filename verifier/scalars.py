"""Lists of elements of BN254's scalar field."""

from collections.abc import Sequence

from verifier.bn254 import SCALAR_FIELD


def powers(first: int, ratio: int, count: int) -> list[int]:
    """Return `first`, `first * ratio`, ..., `count` elements (at least one)."""
    result = [first]
    while len(result) < count:
        result.append(result[-1] * ratio % SCALAR_FIELD)
    return result


def invert_all(values: Sequence[int]) -> list[int]:
    """Return the inverses of values that are not zero, at the price of one inversion (Montgomery's trick)."""
    prefixes = []
    product = 1
    for value in values:
        prefixes.append(product)
        product = product * value % SCALAR_FIELD
    inverse = pow(product, -1, SCALAR_FIELD)
    result = [0] * len(values)
    for i in reversed(range(len(values))):
        result[i] = inverse * prefixes[i] % SCALAR_FIELD
        inverse = inverse * values[i] % SCALAR_FIELD
    return result
