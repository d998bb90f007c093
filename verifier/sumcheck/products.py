"""The products' claims as sums over a cube, for one batched sumcheck.

A claim on the image of a product, with weights that factor into those over labels of the left factor alone
(I), of the right alone (J) and of both (B), is a sum over the labels B and the contracted ones K::

    sum_{b,i,j} w_B(b) w_I(i) w_J(j) sum_k X(b,i,k) Y(b,j,k) = sum_{b,k} w_B(b) * X'(b,k) * Y'(b,k),
    X'(b,k) = sum_i w_I(i) X(b,i,k),      Y'(b,k) = sum_j w_J(j) Y(b,j,k).

Such sums with as many variables n, all with labels B or all without, form a *group* and are one sum over one
more index t (the first variables, in order, padded with zeros)::

    without B:   sum_{t,x} (c_t X'_t(x)) * Y'_t(x)
    with B:      sum_{t,x} (c_t w_t(x)) * X'_t(x) * Y'_t(x)

So the number of groups, and with it the length of a proof, does not grow with the depth of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.errors import CheckFailed
from verifier.bn254 import SCALAR_FIELD
from verifier.sumcheck.multilinear import Point, bits_of, eq_vector, outer_product
from verifier.sumcheck.reduction import Claims, ProductClaim
from verifier.sumcheck.system import Labels, Product, System
from verifier.sumcheck.weights import Factor, Weights, eq_factor


class Entangled(CheckFailed):
    """The weights on a product's image do not factor; the image must be committed. No plan leaves such."""

    def __init__(self, product: Product) -> None:
        super().__init__("the weights on a product do not factor")
        self.product = product


@dataclass(frozen=True)
class Instance:
    """One product's sum over a cube. The axes of its factors are labels."""

    product: Product
    numbers: Weights
    """The coefficient and the factors that are numbers."""
    shared: tuple[tuple[int, int], ...]
    """The labels B and their sizes: the first variables."""
    contracted: tuple[tuple[int, int], ...]
    """The labels K and their sizes: the last variables."""
    shared_factors: tuple[Factor, ...]
    left_factors: tuple[Factor, ...]
    right_factors: tuple[Factor, ...]

    @property
    def bits(self) -> int:
        """The number of variables."""
        return sum(bits_of(n) for _, n in (*self.shared, *self.contracted))

    @property
    def scale(self) -> int:
        """c_t."""
        return self.numbers.scale

    def points(self, point: Point) -> dict[int, Point]:
        """The variables of each label."""
        parts, start = {}, 0
        for label, size in (*self.shared, *self.contracted):
            parts[label] = point[start : start + bits_of(size)]
            start += bits_of(size)
        return parts

    def shared_weight(self, point: Point) -> int:
        """The extension of w_B at a point."""
        parts = self.points(point)
        product = 1
        for factor in self.shared_factors:
            product = product * factor.extension([parts[label] for label in factor.axes]) % SCALAR_FIELD
        return product

    def operand_weights(self, side: str, point: Point) -> Weights:
        """The weights of the claim that X'(point), or Y'(point), makes on the left or the right factor."""
        labels = self.product.left_labels if side == "left" else self.product.right_labels
        own = self.left_factors if side == "left" else self.right_factors
        axis_of = {label: axis for axis, label in enumerate(labels) if label is not None}
        parts = self.points(point)
        factors = [
            eq_factor(axis_of[label], size, parts[label]) for label, size in (*self.shared, *self.contracted)
        ]
        factors += [factor.moved(tuple(axis_of[label] for label in factor.axes)) for factor in own]
        return Weights(1, factors)


@dataclass(frozen=True)
class Group:
    """Instances that one sum holds, with their number of variables, and whether they have labels B."""

    instances: tuple[Instance, ...]
    bits: int
    weighted: bool

    @property
    def index_bits(self) -> int:
        """The number of variables of t."""
        return bits_of(len(self.instances))

    @property
    def variables(self) -> int:
        """The number of variables of the sum."""
        return self.index_bits + self.bits

    @property
    def degree(self) -> int:
        """The degree of the summand in each variable."""
        return 3 if self.weighted else 2

    def weight(self, point: Point) -> int:
        """The extension of c_t * w_t, or 1 without labels B."""
        if not self.weighted:
            return 1
        total = 0
        for coefficient, instance in self._at(point):
            total += coefficient * instance.scale * instance.shared_weight(point[self.index_bits :])
        return total % SCALAR_FIELD

    def operand_claims(self, side: str, point: Point, coefficient: int) -> Claims:
        """What the extension of X', or Y', at a point claims of the products' factors, times a number."""
        claims: dict[int, list[Weights]] = {}
        prefixes = outer_product([coefficient], [at for at, _ in self._at(point)])
        for at, instance in zip(prefixes, self.instances, strict=True):
            scale = instance.scale if side == "left" and not self.weighted else 1
            tensor = instance.product.left if side == "left" else instance.product.right
            weights = instance.operand_weights(side, point[self.index_bits :])
            claims.setdefault(tensor, []).append(weights.scaled(at * scale))
        return claims

    def _at(self, point: Point) -> list[tuple[int, Instance]]:
        prefixes = eq_vector(point[: self.index_bits], len(self.instances))
        return list(zip(prefixes, self.instances, strict=True))


def grouped(system: System, claims: Sequence[ProductClaim]) -> list[Group]:
    """The groups, those of most variables first, and within them the claims' order.

    Raises
    ------
    Entangled
        If the weights of a claim do not factor.
    """
    groups: dict[tuple[int, bool], list[Instance]] = {}
    for claim in claims:
        instance = _instance(system, claim)
        groups.setdefault((instance.bits, bool(instance.shared)), []).append(instance)
    made = [Group(tuple(instances), bits, weighted) for (bits, weighted), instances in groups.items()]
    return sorted(made, key=lambda group: (-group.variables, -group.bits, group.weighted))


def _instance(system: System, claim: ProductClaim) -> Instance:
    product = claim.product
    left, right = (
        _sizes(labels, system.shape(tensor))
        for labels, tensor in ((product.left_labels, product.left), (product.right_labels, product.right))
    )
    image = {label for label in product.labels if label is not None}
    shared = [label for label in product.labels if label in left and label in right and label is not None]
    contracted = [label for label in left if label in right and label not in image]
    sides: dict[str, list[Factor]] = {"shared": [], "left": [], "right": []}
    for factor in claim.weights.proper_factors:
        labels = tuple(label for axis in factor.axes if (label := product.labels[axis]) is not None)
        homes = {"shared" if a in left and a in right else "left" if a in left else "right" for a in labels}
        if len(homes) > 1:
            raise Entangled(product)
        sides[homes.pop()].append(factor.moved(labels))
    numbers = Weights(claim.weights.coefficient, [f for f in claim.weights.factors if not f.axes])
    return Instance(
        product,
        numbers,
        tuple((label, left[label]) for label in shared),
        tuple((label, left[label]) for label in contracted),
        *(tuple(sides[side]) for side in ("shared", "left", "right")),
    )


def _sizes(labels: Labels, shape: tuple[int, ...]) -> dict[int, int]:
    return {label: n for label, n in zip(labels, shape, strict=True) if label is not None}
