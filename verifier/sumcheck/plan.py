"""The plan of an argument: all that follows from a circuit's structure, the key's options and the batch size.

Prover and verifier make it on their own, and it fixes every message's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.errors import FormatError
from verifier.scalars import powers
from verifier.sumcheck.fractions import Tree, tree_of
from verifier.sumcheck.inputs import lay_out_inputs
from verifier.sumcheck.layout import Layout, lay_out
from verifier.sumcheck.lowering import Lowering, lower
from verifier.sumcheck.products import Entangled, Group, grouped
from verifier.sumcheck.reduction import Reduced, reduce
from verifier.sumcheck.structure import Structure
from verifier.sumcheck.system import Advice, CommittedInput, Parameter, Product, System
from verifier.sumcheck.weights import Weights, at_point, padded_bits, values_to_compute


@dataclass(frozen=True)
class Options:
    """What a setup chooses.

    Parameters
    ----------
    chunk_bits
        l: committed vectors have 2^l cells, and the SRS as many points.
    limb_bits
        Range tables have at most 2^limb_bits rows.
    clamp_bits
        Clamps of up to 2^clamp_bits numbers go by table.
    commit_inputs
        Whether statements name a commitment to their inputs, not the values.
    """

    chunk_bits: int
    limb_bits: int
    clamp_bits: int
    commit_inputs: bool = False

    @property
    def input_bits(self) -> int | None:
        """The least number of variables of a committed input's tensor; None if inputs are public."""
        return self.chunk_bits if self.commit_inputs else None


MAX_WEIGHTS = 1 << 25
"""The most weights that a verifier computes for the claims at one point, and for those on factors: some ten
seconds each."""


@dataclass(frozen=True)
class Plan:
    """The system of a circuit, and where everything stands.

    Parameters
    ----------
    system
        What is proved.
    tree
        Its lookups.
    parameters, advice
        The polynomials committed in the key, and in a proof.
    inputs
        The polynomials of committed inputs; None if inputs are public.
    fraction_chunks
        The number of chunks of the capped fractions.
    point_bits
        The number of variables of the point at which tensors are compared: enough for the leaves and for each
        tensor that must be zero.
    """

    options: Options
    batch: int
    system: System
    tree: Tree
    parameters: Layout
    inputs: Layout | None
    advice: Layout
    point_bits: int

    @property
    def layouts(self) -> Sequence[Layout]:
        """All layouts, in the order in which their chunks are opened; the capped fractions come last."""
        return [layout for layout in (self.parameters, self.inputs, self.advice) if layout is not None]

    @property
    def fraction_bits(self) -> int:
        """The number of variables of the polynomial of the capped fractions."""
        return max(self.tree.cap_bits, self.options.chunk_bits)

    @property
    def fraction_chunks(self) -> int:
        """The number of its chunks that hold a node."""
        return -(-self.tree.cap_nodes >> self.options.chunk_bits)


def make_plan(structure: Structure, options: Options, batch: int) -> Plan:
    """The plan for proofs of `batch` inputs each.

    Raises
    ------
    FormatError
        If there would be too many chunks, a verifier would have too much to compute, or inputs are committed
        and there is more than one of them.
    BoundError
        If the circuit's bounds are too wide for some relation.
    """
    if options.commit_inputs and batch != 1:
        raise FormatError(f"a proof about a committed input is about one sample, not {batch}")
    system = settled(structure, batch, options).system
    tree = tree_of(system)
    claims = _reduced_claims(system, tree)
    _check_work(claims)
    _check_work(reduce(system, _factor_claims(grouped(system, claims.products))))
    point_bits = _point_bits(system, tree)
    parameters, advice = (
        lay_out(
            [(i, t.shape) for i, t in system.committed().items() if isinstance(t, kind)], options.chunk_bits
        )
        for kind in (Parameter, Advice)
    )
    inputs = _input_layout(structure, options, system) if options.commit_inputs else None
    return Plan(options, batch, system, tree, parameters, inputs, advice, point_bits)


def _input_layout(structure: Structure, options: Options, system: System) -> Layout:
    ports = [(i, t.port) for i, t in system.committed().items() if isinstance(t, CommittedInput)]
    shapes = [(i, structure.nodes[structure.inputs[port]].shape) for i, port in ports]
    return lay_out_inputs(shapes, options.chunk_bits)


def _check_work(claims: Reduced) -> None:
    """Refuse claims whose weights are too many to compute, before any is computed."""
    values = values_to_compute(claims.weights())
    if values > MAX_WEIGHTS:
        raise FormatError(
            f"a verifier would compute {values:,} weights, more than {MAX_WEIGHTS:,}: the circuit has axes "
            "that are too long, or reshapes that mix too many cells"
        )


def _factor_claims(groups: Sequence[Group]) -> dict[int, list[Weights]]:
    """The claims that a proof makes on the products' factors, but for their coefficients."""
    claims: dict[int, list[Weights]] = {}
    for group in groups:
        for instance in group.instances:
            point = tuple(powers(_ANY, _ANY, max(1, instance.bits)))
            for side, tensor in (("left", instance.product.left), ("right", instance.product.right)):
                claims.setdefault(tensor, []).append(instance.operand_weights(side, point))
    return claims


def settled(structure: Structure, batch: int, options: Options) -> Lowering:
    """The lowering in which the weights on each product's image factor: images that need it are committed."""
    copied: set[int] = set()
    while True:
        lowering = lower(structure, batch, options.limb_bits, options.clamp_bits, copied, options.input_bits)
        entangled = _entangled(lowering)
        if not entangled:
            return lowering
        copied |= entangled


def _entangled(lowering: Lowering) -> set[int]:
    """The products whose image has weights that do not factor."""
    system = lowering.system
    tree = tree_of(system)
    ordinals: dict[Product, list[int]] = {}
    for ordinal, product in enumerate(lowering.products):
        ordinals.setdefault(product, []).append(ordinal)
    found: set[int] = set()
    for claim in _reduced_claims(system, tree).products:
        try:
            grouped(system, [claim])
        except Entangled as entangled:
            found.update(ordinals[entangled.product])
    return found


def product_groups(system: System, tree: Tree) -> list[Group]:
    """The groups of products that a proof will have, but for weights: those depend on challenges."""
    return grouped(system, _reduced_claims(system, tree).products)


def _reduced_claims(system: System, tree: Tree) -> Reduced:
    """The claims at one point that a proof makes. Only which axes their weights' factors have means anything.

    Coordinates and coefficients are as good as random, so that claims merge or cancel only if they always do.
    """
    point = tuple(powers(_ANY, _ANY, max(1, _point_bits(system, tree))))
    tensors = [column for lookup in system.lookups for column in lookup.columns] + system.zeros
    claims: dict[int, list[Weights]] = {}
    for tensor, coefficient in zip(tensors, powers(_ANY**3, _ANY**2, len(tensors)), strict=True):
        weights = at_point(system.shape(tensor), point).scaled(coefficient)
        claims.setdefault(tensor, []).append(weights)
    return reduce(system, claims)


_ANY = 0x9E3779B97F4A7C15F39CC0605CEDC835


def _point_bits(system: System, tree: Tree) -> int:
    return max([tree.bits, *(padded_bits(system.shape(tensor)) for tensor in system.zeros)])
