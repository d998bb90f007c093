"""The prover's side of the lookups' tree (`verifier.sumcheck.fractions`)."""

from __future__ import annotations

import numpy as np

from circuits.tensor import IntArray
from prover.sumcheck.device import Device, FractionTree, Vector
from prover.sumcheck.rounds import Term, prove_rounds
from prover.sumcheck.transcript import Speaker
from prover.sumcheck.witness import Witness
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.fractions import CapClaims, LeafClaims, Tree
from verifier.sumcheck.plan import Plan
from verifier.sumcheck.rounds import next_claim_at
from verifier.sumcheck.system import ClampTable, PairTable, Table


def build_tree(device: Device, plan: Plan, witness: Witness, alpha: int, gamma: int) -> FractionTree:
    """The tree of a circuit's lookups; without any, of one leaf 0/1."""
    if not plan.tree.slots:
        return device.fraction_tree(witness.rows.rows, device.vector([1]), [(0, device.vector([0]))])
    denominators = device.joined(
        [*_denominators(device, plan, witness, alpha, gamma), device.vector([alpha])],
        witness.rows.padding + 1,
    )
    numerators = []
    for slot in plan.tree.slots:
        if slot.is_table:
            padded = np.zeros(1 << slot.bits, dtype=np.int64, like=witness.held)
            padded[: slot.shape[0]] = -witness.rows.multiplicities[slot.number]
            numerators.append((slot.offset, device.integers(padded)))
    return device.fraction_tree(witness.rows.rows, denominators, numerators)


def _denominators(device: Device, plan: Plan, witness: Witness, alpha: int, gamma: int) -> list[Vector]:
    """alpha - fingerprint for the rows of each table."""
    made = []
    for number, table in enumerate(plan.system.tables):
        constant = device.repeated(device.vector([(alpha - number - 1) % SCALAR_FIELD]), table.count)
        row = constant
        for power, column in enumerate(_columns(table, witness), 1):
            row = device.add_scaled(
                -pow(gamma, power, SCALAR_FIELD) % SCALAR_FIELD, device.integers(column), row
            )
        made.append(row)
    return made


def _columns(table: Table, witness: Witness) -> list[IntArray]:
    """The cells of a table, column by column."""
    index: IntArray = np.arange(table.count, like=witness.held)
    if isinstance(table, PairTable):
        return [index + table.lo, witness.value(table.values).reshape(-1)]
    if isinstance(table, ClampTable):
        return [index + table.first, np.clip(index + table.first, table.lo, table.hi)]
    return [index]


def capped_fractions(device: Device, tree: FractionTree, height: int) -> tuple[Vector, Vector, Vector]:
    """The cap's fractions, and their numerators and denominators."""
    numerators, denominators = tree.level(height)
    return device.multiply(numerators, device.inverse(denominators)), numerators, denominators


def prove_tree(
    speaker: Speaker,
    device: Device,
    shape: Tree,
    tree: FractionTree,
    cap: tuple[Vector, Vector, Vector],
    alpha: int,
) -> tuple[CapClaims, LeafClaims]:
    """Say the argument from the cap to the leaves."""
    transcript = speaker.transcript
    total = shape.padding * pow(alpha, -1, SCALAR_FIELD) % SCALAR_FIELD
    z = transcript.challenges(shape.cap_bits)
    fractions, numerators, denominators = _padded_cap(device, shape, cap)
    eq = device.eq(z)
    zero = device.scale(eq, SCALAR_FIELD - 1)
    factors = [eq, fractions, denominators]
    product = Term(shape.cap_bits, factors, device.product_sum(factors))
    other = Term(shape.cap_bits, [zero, numerators], -product.sum % SCALAR_FIELD)
    y, [product, other] = prove_rounds(speaker, device, [product, other], shape.cap_bits, 3)
    fraction, denominator = (device.scalars(product.factors[i])[0] for i in (1, 2))
    numerator = device.scalars(other.factors[1])[0]
    speaker.say([fraction, numerator, denominator])
    claims = CapClaims(total, y, fraction)
    point = y
    for height in reversed(range(shape.height)):
        mix = transcript.challenge()
        layer = tree.layer(height, point, mix)
        claim = (numerator + mix * denominator) % SCALAR_FIELD
        inner = []
        left = len(point)
        values = layer.round() if left else (0, 0)
        for z_k in reversed(point):
            at_zero, square = values
            # (1 - z) t(0) + z t(1) = claim
            at_one = (claim - (1 - z_k) * at_zero) * pow(z_k, -1, SCALAR_FIELD)
            sent = [(at_one - at_zero - square) % SCALAR_FIELD, square]
            speaker.say(sent)
            r = transcript.challenge()
            claim = next_claim_at(claim, sent, z_k, r)
            inner.append(r)
            left -= 1
            if left:
                values = layer.bind_round(r)
            else:
                layer.bind(r)
        n0, n1, d0, d1 = layer.finish()
        del layer  # so that the next one can have its memory
        speaker.say([n0, n1, d0, d1])
        last = transcript.challenge()
        numerator = (n0 + last * (n1 - n0)) % SCALAR_FIELD
        denominator = (d0 + last * (d1 - d0)) % SCALAR_FIELD
        point = (*reversed(inner), last)
    return claims, LeafClaims(point, numerator, denominator)


def _padded_cap(
    device: Device, shape: Tree, cap: tuple[Vector, Vector, Vector]
) -> tuple[Vector, Vector, Vector]:
    """The cap's nodes padded with 0/1: vectors of their own, which the rounds may overwrite."""
    fractions, numerators, denominators = cap
    length = 1 << shape.cap_bits
    missing = length - shape.cap_nodes
    one = device.repeated(device.vector([1]), missing)
    return (
        device.joined([fractions], length),
        device.joined([numerators], length),
        device.joined([denominators, one], length),
    )
