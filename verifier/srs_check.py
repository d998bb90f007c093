"""Checking that a structured reference string is what it claims: the powers of one tau, in both bases.

Full check, with a random z, P_i the monomial and Q_j the Lagrange points, n = 2^k, w the domain's generator::

    S = sum_i z^i P_i
    P_0 = [1]_1
    e((S - P_0) / z, [1]_2) = e(S - z^(n-1) P_(n-1), [tau]_2)      P_(i+1) = tau P_i for all i
    S = sum_j (z^n - 1) / (z w^j - 1) Q_j                          sum_j w^(ij) Q_j = P_i for all i

The second line says that sum_i z^i (P_(i+1) - tau P_i) is zero, the third that sum_i z^i (sum_j w^(ij) Q_j -
P_i) is. Each is a polynomial in z of degree below n over a group of prime order r, so a string that is wrong
anywhere passes with probability below n / r < 2^-230. z is drawn after the string is fixed, from the
operating system.

Quick check: every point is on its curve, the Lagrange points add up to [1]_1 (which finds any single damaged
one), and P_(i+1) = tau P_i for i = 0 and 64 random i. It finds accidents, and is no protection from malice.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from circuits.errors import FormatError
from verifier.bn254 import (
    G1_GENERATOR,
    G2_GENERATOR,
    SCALAR_FIELD,
    G1Point,
    negate_g1,
)
from verifier.msm import Sum, add_pairs, multi_scalar_multiply
from verifier.pairing import pairing_product_is_one
from verifier.powers_of_tau import RAW_G1_BYTES, PowersOfTau, Progress, decode_g1_points, domain_generator
from verifier.scalars import invert_all, powers
from verifier.srs_head import SrsHead

CheckLevel = Literal["full", "quick"]

_CHUNK = 1 << 16
_SAMPLES = 64
_SAMPLE_BITS = 128


@dataclass(frozen=True)
class SrsReport:
    """What was checked of an SRS that passed.

    Parameters
    ----------
    level
        ``"full"`` or ``"quick"``.
    head
        The string's head.
    findings
        One sentence for each thing that was checked, and, after a quick check, for what was not.
    """

    level: CheckLevel
    head: SrsHead
    findings: tuple[str, ...]


def check_srs(srs: PowersOfTau, level: CheckLevel, progress: Progress | None = None) -> SrsReport:
    """Check an SRS.

    Parameters
    ----------
    srs
        The string.
    level
        ``"full"`` (some 30 seconds for 2^16 points, in proportion to their number) or ``"quick"`` (a few
        seconds).
    progress
        Is told how far the check is.

    Returns
    -------
    SrsReport
        What was checked.

    Raises
    ------
    FormatError
        If the string is not the powers of one tau.
    """
    head = srs.head()
    points = f"all {2 << srs.k:,} points are on the curve, canonical and finite; [tau]_2 is in the group"
    if level == "full":
        _check_all(srs, head, progress)
        return SrsReport(
            level,
            head,
            (points, "all points are the powers of one tau, and the Lagrange points are those of the powers"),
        )
    _check_samples(srs, head, progress)
    return SrsReport(
        level,
        head,
        (
            points,
            "G1 and G2 hold the same tau, and the Lagrange points add up to [1]",
            f"{_SAMPLES} random powers are tau times the ones before them",
            "NOT checked: the other powers, and each Lagrange point by itself (a full check does)",
        ),
    )


def _check_all(srs: PowersOfTau, head: SrsHead, progress: Progress | None) -> None:
    r, n = SCALAR_FIELD, 1 << srs.k
    z = 0
    while pow(z, n, r) in (0, 1):
        z = secrets.randbelow(r)
    whole: Sum = None
    whole_lagrange: Sum = None
    w = domain_generator(srs.k)
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        weights = powers(pow(z, start, r), z, stop - start)
        [whole] = add_pairs([whole], [_weighted_sum(srs.monomial, weights, start)])
        _report(progress, start + stop, 2 * n)
        denominators = [x - 1 for x in powers(z * pow(w, start, r) % r, w, stop - start)]
        weights = [(pow(z, n, r) - 1) * inverse % r for inverse in invert_all(denominators)]
        [whole_lagrange] = add_pairs([whole_lagrange], [_weighted_sum(srs.lagrange, weights, start)])
        _report(progress, 2 * stop, 2 * n)
    if whole != whole_lagrange:
        raise FormatError("this SRS is invalid: its Lagrange points are not those of its powers of tau")
    [last] = decode_g1_points(srs.monomial[-RAW_G1_BYTES:])
    without_first = multi_scalar_multiply([pow(z, -1, r)], add_pairs([whole], [negate_g1(G1_GENERATOR)]))
    [without_last] = add_pairs([whole], [multi_scalar_multiply([r - pow(z, n - 1, r)], [last])])
    _check_shifted(without_first, without_last, head)


def _check_samples(srs: PowersOfTau, head: SrsHead, progress: Progress | None) -> None:
    n = 1 << srs.k
    total: Sum = None
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        decode_g1_points(_slice(srs.monomial, start, stop), start)
        points = decode_g1_points(_slice(srs.lagrange, start, stop), n + start)
        [total] = add_pairs([total], [_sum(points)])
        _report(progress, stop, n)
    if total != G1_GENERATOR:
        raise FormatError("this SRS is invalid: its Lagrange points do not add up to [1]")
    picks = [0, *(secrets.randbelow(n - 1) for _ in range(_SAMPLES))]
    weights = [secrets.randbits(_SAMPLE_BITS) for _ in picks]
    lower = [decode_g1_points(_slice(srs.monomial, i, i + 1))[0] for i in picks]
    upper = [decode_g1_points(_slice(srs.monomial, i + 1, i + 2))[0] for i in picks]
    _check_shifted(
        multi_scalar_multiply(weights, upper, _SAMPLE_BITS),
        multi_scalar_multiply(weights, lower, _SAMPLE_BITS),
        head,
    )


def _check_shifted(upper: Sum, lower: Sum, head: SrsHead) -> None:
    """Check that `upper` is tau times `lower`."""
    if (upper is None) != (lower is None) or (
        upper is not None
        and lower is not None
        and not pairing_product_is_one([(upper, G2_GENERATOR), (negate_g1(lower), head.tau_g2)])
    ):
        raise FormatError("this SRS is invalid: its points are not the powers of one tau")


def _slice(raw: bytes, start: int, stop: int) -> bytes:
    return raw[start * RAW_G1_BYTES : stop * RAW_G1_BYTES]


def _weighted_sum(raw: bytes, weights: Sequence[int], start: int) -> Sum:
    points = decode_g1_points(_slice(raw, start, start + len(weights)), start)
    return multi_scalar_multiply(weights, points)


def _sum(points: list[G1Point]) -> Sum:
    level: list[Sum] = list(points)
    while len(level) > 1:
        level += [None] * (len(level) % 2)
        level = add_pairs(level[0::2], level[1::2])
    return level[0]


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress("check", done, total)
