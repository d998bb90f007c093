"""Sumchecks of polynomials written out: the claim at the end is the polynomial's value, and only then."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from verifier.bn254 import G2_GENERATOR
from verifier.bn254 import SCALAR_FIELD as R
from verifier.sumcheck.messages import Messages
from verifier.sumcheck.multilinear import eq_point, eq_vector
from verifier.sumcheck.rounds import next_claim, next_claim_at
from verifier.sumcheck.transcript import Transcript

Table = list[int]


def value(tables: Sequence[Table], point: Sequence[int]) -> int:
    """The product of the extensions."""
    product = 1
    for table in tables:
        product = product * sum(a * b for a, b in zip(eq_vector(point), table, strict=True)) % R
    return product


def interpolated(values: Sequence[int]) -> list[int]:
    """The coefficients of the polynomial with these values at 0, 1, 2, ... (Vandermonde, by elimination)."""
    n = len(values)
    rows = [[pow(x, k, R) for k in range(n)] + [values[x]] for x in range(n)]
    for i in range(n):
        pivot = next(j for j in range(i, n) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        inverse = pow(rows[i][i], -1, R)
        rows[i] = [a * inverse % R for a in rows[i]]
        for j in range(n):
            if j != i:
                rows[j] = [(a - rows[j][i] * b) % R for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[n] for row in rows]


def vertices(n: int) -> list[tuple[int, ...]]:
    return [tuple(i >> (n - 1 - k) & 1 for k in range(n)) for i in range(1 << n)]


def say(transcript: Transcript, proof: list[bytes], scalars: Sequence[int]) -> int:
    words = b"".join((scalar % R).to_bytes(32, "big") for scalar in scalars)
    proof.append(words)
    transcript.absorb(words)
    return transcript.challenge()


@given(st.integers(0, 2**32), st.integers(0, 3), st.integers(2, 3))
def test_an_honest_sumcheck_ends_in_the_value(seed: int, n: int, degree: int) -> None:
    rng = random.Random(seed)
    tables = [[rng.randrange(R) for _ in range(1 << n)] for _ in range(degree)]
    transcript, proof, bound = Transcript(), [], []  # type: ignore[var-annotated]
    for k in range(n):
        ends = vertices(n - k - 1)
        c = interpolated([sum(value(tables, (*bound, x, *end)) for end in ends) for x in range(degree + 1)])
        bound.append(say(transcript, proof, [c[0], *c[2:]]))
    total = sum(value(tables, end) for end in vertices(n))
    messages = Messages(b"".join(proof), Transcript(), G2_GENERATOR)
    point, claim = messages.rounds(total, n, degree)
    messages.end()
    assert list(point) == bound
    assert claim % R == value(tables, point)
    messages = Messages(b"".join(proof), Transcript(), G2_GENERATOR)
    _, other = messages.rounds(total + 1, n, degree)
    assert (other - claim) % R != 0


@given(st.integers(0, 2**32), st.integers(0, 3))
def test_with_eq_taken_out_the_claim_is_on_the_rest_alone(seed: int, n: int) -> None:
    rng = random.Random(seed)
    tables = [[rng.randrange(R) for _ in range(1 << n)] for _ in range(2)]
    z = tuple(rng.randrange(R) for _ in range(n))
    transcript, proof, bound = Transcript(), [], []  # type: ignore[var-annotated]
    for k in range(n):
        free = n - k - 1
        t = [
            sum(eq_point(z[:free], end) * value(tables, (*end, x, *bound)) for end in vertices(free)) % R
            for x in range(3)
        ]
        bound.insert(0, say(transcript, proof, interpolated(t)[1:]))
    total = sum(eq_point(z, end) * value(tables, end) for end in vertices(n))
    messages = Messages(b"".join(proof), Transcript(), G2_GENERATOR)
    point, claim = messages.rounds_at(total, z)
    messages.end()
    assert list(point) == bound
    assert claim % R == value(tables, point)


@given(st.lists(st.integers(0, R - 1), min_size=3, max_size=5), st.integers(0, R - 1))
def test_a_round_determines_what_is_not_sent(c: list[int], x: int) -> None:
    at = [sum(a * pow(e, k, R) for k, a in enumerate(c)) for e in (0, 1, x)]
    assert (next_claim(at[0] + at[1], [c[0], *c[2:]], x) - at[2]) % R == 0


@given(st.lists(st.integers(0, R - 1), min_size=3, max_size=3), st.integers(0, R - 1), st.integers(0, R - 1))
def test_a_round_with_eq_needs_no_inverse(c: list[int], z: int, x: int) -> None:
    at = [sum(a * pow(e, k, R) for k, a in enumerate(c)) for e in (0, 1, x)]
    assert (next_claim_at((1 - z) * at[0] + z * at[1], c[1:], z, x) - at[2]) % R == 0
