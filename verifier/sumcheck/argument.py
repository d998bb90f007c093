"""The argument that outputs are a circuit's outputs: its verifier, step by step.

::

    A      the prover commits to the advice                        challenges gamma, alpha
    H      ... and to the capped fractions of the lookups' tree
           the tree: from the cap to the leaves                    point z, claims on leaves
    v      the claims at z on all tensors, as one: the part of it on committed tensors
           the products: one sumcheck for all                      claims on their factors
           the merge: one sumcheck for all claims on committed tensors
           one opening

Every claim is one on sums of cells of the system's tensors, each with a weight. The extension z serves every
lookup and every tensor that must be zero.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from circuits.errors import CheckFailed
from verifier.bn254 import SCALAR_FIELD
from verifier.input_commitment import InputCommitment
from verifier.msm import Sum
from verifier.srs_head import SrsHead
from verifier.sumcheck.dialogue import Dialogue
from verifier.sumcheck.fractions import CapClaims, leaf_equations, verify_tree
from verifier.sumcheck.hyperkzg import verify_opening
from verifier.sumcheck.inputs import input_points
from verifier.sumcheck.layout import Polynomial
from verifier.sumcheck.messages import Messages
from verifier.sumcheck.multilinear import (
    Point,
    bits_of,
    eq_index,
    eq_mass,
    eq_point,
    eq_slots,
    eq_vector,
    eq_zeros,
    slot_counts,
)
from verifier.sumcheck.plan import Plan
from verifier.sumcheck.products import Group, grouped
from verifier.sumcheck.reduction import Reduced, reduce
from verifier.sumcheck.system import Public
from verifier.sumcheck.transcript import Transcript
from verifier.sumcheck.weights import Shape, Weights, at_point, padded_bits


@dataclass(frozen=True)
class Instance:
    """What is proved: public cells for a plan.

    Parameters
    ----------
    context
        Whole 32-byte words that name the SRS, the circuit, the key and the recipient.
    inputs, outputs
        For each port, the cells of the whole batch, row-major: signed integers whose bounds were checked.
    committed
        The commitment to the inputs, if it and not the values is what the statement says; `inputs` is empty.
    """

    context: bytes
    inputs: Sequence[Sequence[int]]
    outputs: Sequence[Sequence[int]]
    committed: InputCommitment | None = None


def begin(instance: Instance, plan: Plan) -> Transcript:
    """The transcript of an argument, which has absorbed all that is public."""
    transcript = Transcript()
    transcript.absorb(instance.context)
    transcript.absorb_scalars([plan.batch])
    if instance.committed is not None:
        transcript.absorb(instance.committed.digest)
    for values in (*instance.inputs, *instance.outputs):
        transcript.absorb_scalars(value % SCALAR_FIELD for value in values)
    return transcript


def verify(proof: bytes, plan: Plan, instance: Instance, parameters: Sequence[Sum], srs: SrsHead) -> None:
    """Check an argument.

    Parameters
    ----------
    proof
        The prover's messages.
    plan
        The plan of the circuit for the batch's size.
    instance
        What is claimed.
    parameters
        The key's commitments, one for each chunk of the plan's parameters.
    srs
        The SRS of the commitments.

    Raises
    ------
    CheckFailed, FormatError
        If the argument does not hold.
    """
    inputs = input_points(instance.committed, plan.inputs)
    messages = Messages(proof, begin(instance, plan), srs.tau_g2)
    follow(messages, plan, public_values(plan, instance), [*parameters, *inputs])
    messages.end()


def follow(
    dialogue: Dialogue, plan: Plan, values: Mapping[int, Sequence[int]], committed: Sequence[Sum]
) -> None:
    """Follow an argument from the prover's first message to the last, as `verify`.

    Parameters
    ----------
    values
        The cells of the system's public tensors.
    committed
        The commitments that both sides know: the key's, then those of the inputs, if they are committed.
    """
    advice = dialogue.points(plan.advice.chunks)
    gamma, alpha = dialogue.challenges(2)
    fractions = dialogue.points(plan.fraction_chunks)
    cap, leaf = verify_tree(dialogue, plan.tree, alpha)
    point = (*dialogue.challenges(plan.point_bits - plan.tree.bits), *leaf.point)

    mix = dialogue.challenge()
    equations = leaf_equations(plan.system, plan.tree, leaf, alpha, gamma, mix)
    reduced = reduce(plan.system, at_one_point(plan, point, equations.claims, mix))
    [committed_part] = dialogue.scalars(1)
    groups = grouped(plan.system, reduced.products)
    total = equations.total - reduced.known(values) - committed_part
    factors, product_point = _verify_products(dialogue, groups, total)

    merge = merged_claims(
        plan, dialogue.challenge(), committed_part, reduced, groups, factors, product_point, cap
    )
    merge_total = merge.total - merge.reduced.known(values)
    merge_point, value = dialogue.rounds(merge_total, merge_variables(plan), degree=2)
    scalars = chunk_scalars(plan, merge, merge_point)
    opening_point = merge_point[len(merge_point) - plan.options.chunk_bits :]
    verify_opening(dialogue, scalars, [*committed, *advice, *fractions], opening_point, value)


def public_values(plan: Plan, instance: Instance) -> dict[int, Sequence[int]]:
    """The cells of the system's public tensors.

    Raises
    ------
    CheckFailed
        If a port has more or fewer cells than its tensor, or there are more or fewer ports.
    """
    ports = {
        (kind, port): cells
        for kind, values in (("input", instance.inputs), ("output", instance.outputs))
        for port, cells in enumerate(values)
    }
    public = {tensor.port: i for i, tensor in enumerate(plan.system.tensors) if isinstance(tensor, Public)}
    sizes = {port: math.prod(plan.system.shape(tensor)) for port, tensor in public.items()}
    if sizes != {port: len(cells) for port, cells in ports.items()}:
        raise CheckFailed("the public values are not as many as the circuit's ports have")
    return {tensor: ports[port] for port, tensor in public.items()}


def at_one_point(
    plan: Plan, point: Point, claims: Mapping[int, Sequence[Weights]], mix: int
) -> dict[int, list[Weights]]:
    """The leaves' claims, and for each tensor that must be zero, that it is so at the point.

    The coefficients are the powers of `mix` from the second on: the first two are the leaves' own.
    """
    everything = {tensor: list(weights) for tensor, weights in claims.items()}
    power = mix
    for tensor in plan.system.zeros:
        power = power * mix % SCALAR_FIELD
        weights = at_point(plan.system.shape(tensor), point).scaled(power)
        everything.setdefault(tensor, []).append(weights)
    return everything


def product_variables(groups: Sequence[Group]) -> int:
    """The number of rounds of the products' sumcheck."""
    return max((group.variables for group in groups), default=0)


def product_degree(groups: Sequence[Group]) -> int:
    """The degree of its rounds."""
    return max((group.degree for group in groups), default=2)


def _verify_products(
    dialogue: Dialogue, groups: Sequence[Group], total: int
) -> tuple[list[tuple[int, int]], Point]:
    """Follow the products' sumcheck to the claimed values of each group's factors.

    A group of fewer variables than there are rounds is summed where the variables before its own are zero.
    """
    rounds = product_variables(groups)
    point, claim = dialogue.rounds(total, rounds, product_degree(groups))
    zeros = eq_zeros(point)
    factors = []
    for group in groups:
        left, right = dialogue.scalars(2)
        factors.append((left, right))
        before = rounds - group.variables
        weight = zeros[before] * group.weight(point[before:]) % SCALAR_FIELD
        claim -= weight * left % SCALAR_FIELD * right
    dialogue.require_zero(claim, "the products do not add up to what the lookups and zeros need")
    return factors, point


@dataclass(frozen=True)
class Merge:
    """All claims on committed tensors as one, and those on the capped fractions.

    Parameters
    ----------
    total
        The combined claims' total.
    reduced
        The claims on the system's tensors, of which no product is left.
    cap_sum, cap_point
        The coefficient of the sum of the fractions; the point of the claim on their extension, and its
        coefficient.
    """

    total: int
    reduced: Reduced
    cap_sum: int
    cap_point: tuple[Point, int]


def merged_claims(
    plan: Plan,
    mix: int,
    committed_part: int,
    reduced: Reduced,
    groups: Sequence[Group],
    factors: Sequence[tuple[int, int]],
    point: Point,
    cap: CapClaims,
) -> Merge:
    """Combine with powers of `mix`: the committed part, each group's two factors, two claims on the cap."""
    claims: dict[int, list[Weights]] = {
        tensor: list(weights) for tensor, weights in reduced.committed.items()
    }
    total, power = committed_part, 1
    for group, values in zip(groups, factors, strict=True):
        own = point[len(point) - group.variables :]
        for side, value in zip(("left", "right"), values, strict=True):
            power = power * mix % SCALAR_FIELD
            total += power * value
            for tensor, weights in group.operand_claims(side, own, power).items():
                claims.setdefault(tensor, []).extend(weights)
    cap_sum = power * mix % SCALAR_FIELD
    cap_value = cap_sum * mix % SCALAR_FIELD
    total += cap_sum * cap.sum + cap_value * cap.value
    linear = reduce(plan.system, claims)
    if linear.products:
        raise CheckFailed("a factor of a product is itself one")
    return Merge(total % SCALAR_FIELD, linear, cap_sum, (cap.point, cap_value))


def merge_variables(plan: Plan) -> int:
    """The number of rounds of the merge."""
    polynomials = (polynomial for layout in plan.layouts for polynomial in layout.polynomials)
    return max([plan.fraction_bits, *(polynomial.bits for polynomial in polynomials)])


def chunk_scalars(plan: Plan, merge: Merge, point: Point) -> list[int]:
    """For each chunk of the layouts and of fractions, its coefficient in the merge's last claim.

    That claim is  sum over polynomials of  E(u) * f(u),  where E holds the weights of all claims on f's
    cells, f(u) = sum_j eq(u's first variables, j) * chunk_j(u's last l variables), and a polynomial of fewer
    variables than the merge stands where the variables before its own are zero.
    """
    zeros, extensions = eq_zeros(point), Extensions(point)
    chunk_bits = plan.options.chunk_bits
    scalars: list[int] = []
    for layout in plan.layouts:
        of_layout = [0] * layout.chunks
        for polynomial in layout.polynomials:
            weight = _polynomial_weight(polynomial, merge.reduced, extensions)
            _spread(polynomial, weight, zeros, point, chunk_bits, of_layout)
        scalars += of_layout
    fractions = [0] * plan.fraction_chunks
    chunks = 1 << (plan.fraction_bits - chunk_bits)
    numbers = [j if j < plan.fraction_chunks else None for j in range(chunks)]
    weight = cap_weight(plan, merge, point[len(point) - plan.fraction_bits :])
    _spread(Polynomial(plan.fraction_bits, numbers), weight, zeros, point, chunk_bits, fractions)
    return scalars + fractions


def cap_weight(plan: Plan, merge: Merge, point: Point) -> int:
    """The extension of the weights on the fractions: the sum's over the nodes there are, and eq."""
    cap_point, coefficient = merge.cap_point
    padding = plan.fraction_bits - plan.tree.cap_bits
    nodes = eq_mass(point, plan.tree.cap_nodes)
    at_cap = eq_index(point[:padding], 0) * eq_point(cap_point, point[padding:])
    return (merge.cap_sum * nodes + coefficient * at_cap) % SCALAR_FIELD


class Extensions:
    """The extensions of weights without their coefficients, each computed once.

    A tensor's variables are the last ones of the merge's point, wherever it stands.
    """

    def __init__(self, point: Point) -> None:
        self.point = point
        self._known: dict[Hashable, int] = {}

    def of(self, weights: Weights, shape: Shape) -> int:
        """The extension of `weights` on a tensor of a shape, over the coefficient."""
        key = shape, weights.identity
        if key not in self._known:
            axes, start = [], len(self.point) - padded_bits(shape)
            for n in shape:
                axes.append(self.point[start : start + bits_of(n)])
                start += bits_of(n)
            self._known[key] = weights.unit_extension(axes)
        return self._known[key]


def _polynomial_weight(polynomial: Polynomial, reduced: Reduced, extensions: Extensions) -> int:
    own = extensions.point[len(extensions.point) - polynomial.bits :]
    coefficients: dict[int, int] = {}
    places = eq_slots(own, slot_counts(polynomial.bits, [slot.bits for slot in polynomial.slots]))
    for slot, place in zip(polynomial.slots, places, strict=True):
        for weights in reduced.committed.get(slot.tensor, ()):
            extension = extensions.of(weights, slot.shape)
            coefficients[extension] = coefficients.get(extension, 0) + place * weights.coefficient
    return sum(e * (c % SCALAR_FIELD) for e, c in coefficients.items()) % SCALAR_FIELD


def _spread(
    polynomial: Polynomial,
    weight: int,
    zeros: Sequence[int],
    point: Point,
    chunk_bits: int,
    scalars: list[int],
) -> None:
    before = len(point) - polynomial.bits
    weight = weight * zeros[before] % SCALAR_FIELD
    for number, eq in zip(polynomial.chunks, eq_vector(point[before : len(point) - chunk_bits]), strict=True):
        if number is not None:
            scalars[number] = weight * eq % SCALAR_FIELD
