"""Reducing claims on any tensors to claims on committed tensors and on products.

Claims on a virtual tensor are pulled back to its terms, from the last tensor to the first, so that each
tensor is visited once, with all claims on it. Claims on one tensor with equal weights are added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.multilinear import inner_product, together
from verifier.sumcheck.system import Committed, Product, Public, PublicChoice, System
from verifier.sumcheck.weights import Weights, joined

Claims = Mapping[int, Iterable[Weights]]
"""For each tensor, weights of its cells: the sum over all tensors and weights is what is claimed."""


@dataclass(frozen=True)
class ProductClaim:
    """Weights on the image of a product."""

    product: Product
    weights: Weights


@dataclass(frozen=True)
class Reduced:
    """What is left of claims: weights on constants, public tensors, committed tensors, and products."""

    constants: Sequence[tuple[int, Weights]]
    """A value, and the weights of the cells that hold it."""
    public: Mapping[int, Sequence[Weights]]
    choices: Sequence[tuple[int, Weights]]
    """The public tensor of the indices, and weights on the choice that it makes."""
    committed: Mapping[int, Sequence[Weights]]
    products: Sequence[ProductClaim]

    def weights(self) -> Iterator[Weights]:
        """All weights there are."""
        yield from (weights for _, weights in (*self.constants, *self.choices))
        for claims in (*self.public.values(), *self.committed.values()):
            yield from claims
        yield from (claim.weights for claim in self.products)

    def known(self, values: Mapping[int, Sequence[int]]) -> int:
        """The part of the total that both sides know, given the cells of the public tensors, row-major."""
        total = sum(value * weights.total() for value, weights in self.constants)
        for tensor, claims in self.public.items():
            for weights in claims:
                total += weighted_sum(weights, values[tensor])
        for index, weights in self.choices:
            total += chosen_sum(weights, values[index])
        return total % SCALAR_FIELD


def reduce(system: System, claims: Claims) -> Reduced:
    """Reduce claims until only committed and public tensors, constants and products are left."""
    pending: dict[int, dict[object, Weights]] = {}

    def claim(tensor: int, weights: Weights) -> None:
        at = pending.setdefault(tensor, {})
        old = at.get(weights.identity)
        at[weights.identity] = weights if old is None else old.scaled_sum(weights)

    for claimed, all_weights in claims.items():
        for weights in all_weights:
            claim(claimed, weights)
    constants: list[tuple[int, Weights]] = []
    public: dict[int, list[Weights]] = {}
    choices: list[tuple[int, Weights]] = []
    committed: dict[int, list[Weights]] = {}
    products: list[ProductClaim] = []
    for i in reversed(range(len(system.tensors))):
        here = [weights for weights in pending.pop(i, {}).values() if weights.coefficient]
        if not here:
            continue
        tensor = system.tensors[i]
        if isinstance(tensor, Public):
            public[i] = here
        elif isinstance(tensor, PublicChoice):
            choices += [(tensor.index, weights) for weights in here]
        elif isinstance(tensor, Committed):
            committed[i] = here
        else:
            for weights in here:
                if tensor.constant:
                    constants.append((tensor.constant, weights))
                for term in tensor.terms:
                    if isinstance(term, Product):
                        products.append(ProductClaim(term, weights.scaled(term.coefficient)))
                    else:
                        claim(term.source, term.map.pull(weights).scaled(term.coefficient))
    return Reduced(constants, public, choices, committed, products)


def weighted_sum(weights: Weights, values: Sequence[int]) -> int:
    """The sum of all cells of a tensor, given row-major, each times its weight."""
    proper = tuple(sorted(weights.proper_factors, key=lambda factor: factor.axes))
    order = sorted(axis for factor in proper for axis in factor.axes)
    if [axis for factor in proper for axis in factor.axes] != order:
        proper = (joined(proper, order),)
    sums = list(values)
    for factor in reversed(proper):
        # The last axes first: what is left is a row-major tensor of the axes before.
        values = together(factor.values)
        sums = [inner_product(values, sums[i : i + len(values)]) for i in range(0, len(sums), len(values))]
    return weights.scale * sums[0] % SCALAR_FIELD


def chosen_sum(weights: Weights, indices: Sequence[int]) -> int:
    """The sum over q of the weight of (q, indices[q]), the index being along the last axis."""
    proper = weights.proper_factors
    if not proper:
        return weights.scale
    axes = sorted(axis for factor in proper for axis in factor.axes)
    last = [factor for factor in proper if axes[-1] in factor.axes]
    size = last[0].sizes[last[0].axes.index(axes[-1])]
    if len(last[0].axes) == 1:
        others = joined([factor for factor in proper if factor is not last[0]], axes[:-1])
        rows = others.values if others.axes else [1]
        total = inner_product(rows, [last[0].at(j) for j in indices])
    else:
        values = joined(proper, axes).values
        total = sum(values[q * size + j] for q, j in enumerate(indices))
    return weights.scale * total % SCALAR_FIELD
