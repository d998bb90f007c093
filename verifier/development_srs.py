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

from verifier.bn254 import SCALAR_FIELD
from verifier.srs_head import SrsHead

TAU = (
    int.from_bytes(keccak(b"verinfer development srs: tau is public, never rely on it"), "big") % SCALAR_FIELD
)


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
