"""The development SRS, which is insecure and cannot hide it.

Its tau is public: the hash below, reduced modulo r. Whoever knows an SRS's tau can prove anything with it,
so a string generated on one machine is worth no more than that machine's word in any case; with a public tau
nobody can mistake it for more. The mark needs no bookkeeping either: everyone, on every machine, recognises
the string by its points, whatever its file is called and wherever it was copied, and a key that uses it
without saying so is refused.
"""

from functools import cache

from eth_hash.auto import keccak
from py_ecc.fields import optimized_bn128_FQ2 as FQ2
from py_ecc.optimized_bn128.optimized_curve import G1, G2, multiply, normalize

from circuits.errors import FormatError
from verifier.bn254 import G1_GENERATOR, G2_GENERATOR, SCALAR_FIELD
from verifier.msm import MultiplesTable
from verifier.powers_of_tau import (
    MAX_K,
    PowersOfTau,
    Progress,
    domain_generator,
    encode_g1_points,
    encode_g2_point,
)
from verifier.scalars import invert_all, powers
from verifier.srs_head import SrsHead

TAU = (
    int.from_bytes(keccak(b"verinfer development srs: tau is public, never rely on it"), "big") % SCALAR_FIELD
)


_CHUNK = 1 << 13


@cache
def development_head() -> SrsHead:
    """Return the head of the development SRS."""
    x1, y1 = normalize(multiply(G1, TAU))
    x2, y2 = normalize(multiply(G2, TAU))
    return SrsHead((int(x1), int(y1)), (_pair(x2), _pair(y2)))


def is_development(head: SrsHead) -> bool:
    """Tell whether an SRS with this head has the development SRS's tau, in either group."""
    own = development_head()
    return head.tau_g1 == own.tau_g1 or head.tau_g2 == own.tau_g2


def _pair(value: FQ2) -> tuple[int, int]:
    return int(value.coeffs[0]), int(value.coeffs[1])


def generate_development_srs(k: int, progress: Progress | None = None) -> PowersOfTau:
    """Make the development SRS of 2^k points.

    L_j(tau) = w^j (tau^n - 1) / (n (tau - w^j)) for n = 2^k and w the domain's generator.

    Parameters
    ----------
    k
        The base-2 logarithm of the number of points in each basis.
    progress
        Is told how far the work is.

    Returns
    -------
    PowersOfTau
        The same string on every machine.

    Raises
    ------
    FormatError
        If `k` is not the size of an SRS.
    """
    if not 1 <= k <= MAX_K:
        raise FormatError(f"an SRS has between 2^1 and 2^{MAX_K} points, not 2^{k}")
    r, n = SCALAR_FIELD, 1 << k
    w = domain_generator(k)
    factor = (pow(TAU, n, r) - 1) * pow(n, -1, r) % r
    monomial, lagrange = [], []
    table = MultiplesTable(G1_GENERATOR, window=max(4, min(15, k - 1)))
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        points = powers(pow(w, start, r), w, stop - start)
        inverses = invert_all([TAU - x for x in points])
        values = [factor * x * inverse % r for x, inverse in zip(points, inverses, strict=True)]
        monomial.append(encode_g1_points(table.multiples(powers(pow(TAU, start, r), TAU, stop - start))))
        lagrange.append(encode_g1_points(table.multiples(values)))
        if progress is not None:
            progress("generate", stop, n)
    return PowersOfTau(
        k,
        b"".join(monomial),
        b"".join(lagrange),
        encode_g2_point(G2_GENERATOR),
        encode_g2_point(development_head().tau_g2),
    )
