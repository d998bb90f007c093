"""From the structure of a circuit to the system that an argument proves.

Each operation's relation is a module of `relations`. All tensors get a batch axis in front, of size 1 for
constants. What an operation needs beyond the circuit's own tensors (limbs of a remainder, one-hot choices) it
commits as advice; what is linear, or a sum of products, it leaves virtual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from circuits.circuit import Node
from circuits.errors import BoundError
from circuits.tensor import LIMIT
from verifier.sumcheck.maps import Broadcast, Map, Reshape, Select, Sum, SumBehind
from verifier.sumcheck.multilinear import bits_of
from verifier.sumcheck.structure import Structure
from verifier.sumcheck.system import (
    Advice,
    ClampTable,
    Labels,
    Parameter,
    Product,
    Public,
    RangeTable,
    System,
    Virtual,
)
from verifier.sumcheck.weights import Shape


class Lowering:
    """The system in the making.

    Parameters
    ----------
    structure
        The circuit without weights.
    batch
        How many inputs one proof is for.
    limb_bits
        Range tables have at most 2^limb_bits rows; wider ranges are cut into limbs.
    copied
        The products, by the order in which they arise, whose images are committed.
    input_bits
        The least number of variables of a committed input's tensor; None if inputs are public.
    """

    def __init__(
        self,
        structure: Structure,
        batch: int,
        limb_bits: int,
        copied: Set[int] = frozenset(),
        input_bits: int | None = None,
    ) -> None:
        self.structure, self.batch = structure, batch
        self.limb_bits, self.input_bits = limb_bits, input_bits
        self.clamp_tables: Mapping[tuple[int | None, int | None], ClampTable] = {}
        """The tables that clamps may use, by their limits."""
        self.system = System()
        self.products: list[Product] = []
        self.value: list[int] = []
        """The tensor of each node."""
        self.ends: list[tuple[int, int]] = []
        """For each node, the numbers of tensors and of lookups that there are after it."""
        self._copied = copied
        self._copies: dict[int, int] = {}
        self._parameters: dict[int, int] = {}

    def node(self, i: int) -> Node:
        """A node of the circuit."""
        return self.structure.nodes[i]

    def bound(self, i: int) -> tuple[int, int]:
        """The bound of a node's cells."""
        return self.structure.bound(i)

    def shape_of(self, i: int) -> Shape:
        """The shape of a node's tensor with the batch axis in front."""
        return (self.system.shape(self.value[i])[0], *self.node(i).shape)

    def result_shape(self, i: int) -> Shape:
        """The shape of the tensor that node i will get from its inputs."""
        batch = max((self.system.shape(self.value[x])[0] for x in self.node(i).inputs), default=1)
        return (batch, *self.node(i).shape)

    # Making tensors

    def advice(self, shape: Shape, *role: object) -> int:
        """A new committed tensor."""
        return self.system.add(Advice(shape, role))

    def parameter(self, i: int) -> int:
        """The committed tensor of a constant node."""
        if i not in self._parameters:
            self._parameters[i] = self.system.add(Parameter((1, *self.node(i).shape), i))
        return self._parameters[i]

    def constant(self, shape: Shape, value: int) -> int:
        """A tensor with one value in every cell."""
        return self.system.add(Virtual(shape, (), value))

    def image(self, tensor: int, map: Map) -> int:
        """The image of a tensor under a linear map."""
        return tensor if _does_nothing(map) else self.system.image(tensor, map)

    def reshaped(self, tensor: int, shape: Shape) -> int:
        """The same cells in another shape."""
        return self.image(tensor, Reshape(self.system.shape(tensor), shape))

    def ranked(self, tensor: int, rank: int) -> int:
        """The tensor with axes of size 1 behind its batch axis, so that it has `rank` axes."""
        shape = self.system.shape(tensor)
        return self.reshaped(tensor, (shape[0], *(1,) * (rank - len(shape)), *shape[1:]))

    def selected(self, tensor: int, axis: int, index: range | tuple[int, ...]) -> int:
        """The cells of the tensor at some indices along an axis, 0 where there is none."""
        shape = self.system.shape(tensor)
        return tensor if index == range(shape[axis]) else self.image(tensor, Select(shape, axis, index))

    def broadcast(self, tensor: int, shape: Shape) -> int:
        """The tensor broadcast to a shape, batch axes side by side."""
        ranked = self.ranked(tensor, len(shape))
        return self.image(ranked, Broadcast(self.system.shape(ranked), shape))

    def sum(self, shape: Shape, parts: Sequence[tuple[int, int]], constant: int = 0) -> int:
        """The sum of coefficient * tensor, broadcast to a shape, plus a constant."""
        return self.system.sum([(c, self.broadcast(tensor, shape)) for c, tensor in parts], constant)

    def sum_axes(self, tensor: int, axes: Sequence[int]) -> int:
        """The sum over axes, which stay with size 1."""
        for axis in axes:
            tensor = self.image(tensor, Sum(self.system.shape(tensor), axis))
        return tensor

    def product(
        self, left: int, right: int, labels: tuple[Labels, Labels, Labels], shape: Shape, coefficient: int = 1
    ) -> int:
        """coefficient * einsum(left, right), with labels for left, right and the image."""
        left, right = self.linear(left), self.linear(right)
        product = Product(coefficient, left, right, *labels)
        ordinal = len(self.products)
        self.products.append(product)
        image = self.system.add(Virtual(shape, (product,)))
        return self.linear(image) if ordinal in self._copied else image

    def elementwise(self, left: int, right: int, shape: Shape, coefficient: int = 1) -> int:
        """coefficient * left * right, both broadcast to a shape."""
        left, right = self.ranked(left, len(shape)), self.ranked(right, len(shape))
        own = [tuple(a if n > 1 else None for a, n in enumerate(self.system.shape(t))) for t in (left, right)]
        image: Labels = tuple(a if n > 1 else None for a, n in enumerate(shape))
        return self.product(left, right, (own[0], own[1], image), shape, coefficient)

    def linear(self, tensor: int) -> int:
        """The tensor itself if it is linear; otherwise a committed copy of it."""
        if not self.system.is_quadratic(tensor):
            return tensor
        if tensor not in self._copies:
            copy = self.advice(self.system.shape(tensor), "copy", tensor)
            self._copies[tensor] = copy
            self.require_zero(self.system.sum([(1, copy), (-1, tensor)]))
        return self._copies[tensor]

    # Demanding

    def require_zero(self, tensor: int) -> None:
        """Demand that all cells are zero."""
        self.system.require_zero(tensor)

    def require_bits(self, tensor: int) -> None:
        """Demand that all cells are 0 or 1."""
        self.system.lookup(RangeTable(2), (tensor,))

    def require_range(self, tensor: int, count: int) -> None:
        """Demand exactly 0 <= x < count."""
        if count == 1:
            self.require_zero(tensor)
        elif count <= 1 << self.limb_bits:
            self.system.lookup(RangeTable(count), (tensor,))
        elif count & (count - 1) == 0:
            self._require_limbs(tensor, bits_of(count), exact=True)
        else:
            self.require_at_least_zero(tensor, count)
            self.require_at_least_zero(self.system.sum([(-1, tensor)], count - 1), count)

    def require_at_least_zero(self, tensor: int, count: int) -> None:
        """Demand that 0 <= x, given that an honest x is below `count`.

        The bound that is proved above is some power of two: enough that no sum or product of such values
        wraps around the field's order, and no more.

        Raises
        ------
        BoundError
            If honest values do not fit 64 bits.
        """
        self.require_difference(count - 1)
        self._require_limbs(tensor, max(1, bits_of(count)), exact=False)

    def require_difference(self, most: int) -> None:
        """Check that differences of up to `most`, which a prover computes with, fit 64 bits.

        Raises
        ------
        BoundError
            If they do not.
        """
        if most >= LIMIT:
            raise BoundError(f"values that differ by up to {most} cannot be compared in 64 bits")

    def _require_limbs(self, tensor: int, bits: int, exact: bool) -> None:
        """x = sum_j 2^(limb_bits * j) * x_j, each x_j in a range; the lowest is virtual."""
        width = self.limb_bits
        limbs = -(-bits // width)
        parts = [(1, tensor)]
        for j in range(1, limbs):
            limb_bits = bits - width * j if exact and j == limbs - 1 else width
            mask_bits = limb_bits if exact else width
            limb = self.advice(self.system.shape(tensor), "limb", tensor, width * j, mask_bits)
            self.system.lookup(RangeTable(1 << limb_bits), (limb,))
            parts.append((-(1 << width * j), limb))
        lowest_bits = bits if exact and limbs == 1 else width
        self.system.lookup(RangeTable(1 << lowest_bits), (self.system.sum(parts),))

    def one_hot(self, shape: Shape, axes: Sequence[int], *role: object) -> int:
        """Advice with exactly one 1 along the axes together, and 0 elsewhere."""
        choice = self.advice(shape, *role)
        self.require_bits(choice)
        self.require_zero(self.system.sum([(1, self.sum_axes(choice, axes))], -1))
        return choice

    def chosen_index(self, choice: int, axis: int) -> int:
        """sum_j j * choice_j along an axis, which stays with size 1."""
        behind = self.image(choice, SumBehind(self.system.shape(choice), axis))
        return self.sum_axes(behind, [axis])


def _does_nothing(map: Map) -> bool:
    return map.shape == map.source and isinstance(map, Reshape | Broadcast | Sum)


def lower(
    structure: Structure,
    batch: int,
    limb_bits: int,
    clamp_bits: int,
    copied: Set[int] = frozenset(),
    input_bits: int | None = None,
) -> Lowering:
    """The system of a circuit, and where each node's tensor stands in it.

    Raises
    ------
    BoundError
        If an operation compares values that differ by more than 64 bits hold.
    """
    from verifier.sumcheck.relations import RELATIONS, clamp_tables  # they import this module

    lowering = Lowering(structure, batch, limb_bits, copied, input_bits)
    lowering.clamp_tables = clamp_tables(structure, clamp_bits)
    for i, node in enumerate(structure.nodes):
        try:
            tensor = RELATIONS[node.op](lowering, i)
        except BoundError as error:
            raise BoundError(f"node {i} ({node.op}, {node.label or 'unnamed'}): {error}") from None
        lowering.value.append(tensor)
        lowering.system.node_tensors.setdefault(i, []).append(tensor)
        lowering.ends.append((len(lowering.system.tensors), len(lowering.system.lookups)))
    for port, i in enumerate(structure.outputs):
        shape = (batch, *structure.nodes[i].shape)
        output = lowering.system.add(Public(shape, ("output", port)))
        lowering.require_zero(lowering.sum(shape, [(1, lowering.value[i]), (-1, output)]))
    return lowering
