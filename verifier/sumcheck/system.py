"""The relation that an argument proves, as a system over integer tensors.

A system has tensors of five kinds:

- *advice*, committed anew in each proof;
- *parameters*, committed once, in the verifying key;
- *committed inputs*, which the statement names by their commitment;
- *public* tensors, which both sides know;
- *virtual* tensors, which are never committed: a sum of linear images of other tensors, of products of two
  tensors, and a constant.

and it demands that

- the cells of some tensors, or the pairs of cells of two, are rows of a *table* (lookups);
- every cell of some tensors is zero.

A tensor is *linear* if it is one in what is committed, and *quadratic* if products enter it. Factors of
products are always linear, so that one sumcheck reduces all products at once. Only true cells of a tensor
count; there is no padding in a system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from circuits.errors import FormatError
from verifier.sumcheck.maps import Identity, Map
from verifier.sumcheck.weights import Shape

Role = tuple[object, ...]
"""Says what an advice tensor holds, so that a prover can make it; it means nothing to a verifier."""
Labels = tuple[int | None, ...]
"""A name for each axis of a factor or an image of a product; None for an axis of size 1 that has none."""


MAX_TENSORS = 1 << 18


@dataclass(frozen=True)
class Advice:
    """A tensor committed in each proof."""

    shape: Shape
    role: Role


@dataclass(frozen=True)
class Parameter:
    """The tensor of a constant node, committed in the key. Its first axis has size 1."""

    shape: Shape
    node: int


@dataclass(frozen=True)
class CommittedInput:
    """The tensor of an input port, with its padding (`inputs.padded_input`), committed before any proof."""

    shape: Shape
    port: int


Committed = Advice | Parameter | CommittedInput


@dataclass(frozen=True)
class Public:
    """A tensor known to both sides: an input or output port, by number."""

    shape: Shape
    port: tuple[str, int]


@dataclass(frozen=True)
class PublicChoice:
    """1 where the index along the last axis is the cell of a public tensor of the other axes, 0 elsewhere."""

    shape: Shape
    index: int


@dataclass(frozen=True)
class Linear:
    """coefficient * map(source)."""

    coefficient: int
    source: int
    map: Map


@dataclass(frozen=True)
class Product:
    """coefficient * sum over the labels that are not the image's of left * right (NumPy's einsum).

    A label has one size. Each label of the image is one of a factor; each label that is not is one of both.
    """

    coefficient: int
    left: int
    right: int
    left_labels: Labels
    right_labels: Labels
    labels: Labels


@dataclass(frozen=True)
class Virtual:
    """The sum of the terms, and `constant` in every cell."""

    shape: Shape
    terms: tuple[Linear | Product, ...]
    constant: int = 0


Tensor = Committed | Public | PublicChoice | Virtual


@dataclass(frozen=True)
class RangeTable:
    """The rows 0, 1, ..., count - 1."""

    count: int


@dataclass(frozen=True)
class PairTable:
    """The rows (lo + i, values[i]), `values` being a parameter."""

    lo: int
    values: int
    count: int


@dataclass(frozen=True)
class ClampTable:
    """The rows (first + i, min(max(first + i, lo), hi)); None leaves a side open."""

    first: int
    count: int
    lo: int | None
    hi: int | None


Table = RangeTable | PairTable | ClampTable


@dataclass(frozen=True)
class Lookup:
    """Each cell of the columns, side by side, is a row of the table."""

    table: int
    columns: tuple[int, ...]


@dataclass
class System:
    """The tensors, by number, and what is demanded of them. A virtual tensor's parts have lower numbers."""

    tensors: list[Tensor] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    multiplicities: list[int] = field(default_factory=list)
    """For each table, the advice tensor that says how often each row is looked up."""
    lookups: list[Lookup] = field(default_factory=list)
    zeros: list[int] = field(default_factory=list)
    node_tensors: dict[int, list[int]] = field(default_factory=dict)
    """For each node of the circuit, the tensors that hold its value."""
    _quadratic: list[bool] = field(default_factory=list)
    _virtual: dict[object, int] = field(default_factory=dict)

    def add(self, tensor: Tensor) -> int:
        """Add a tensor and return its number. A virtual tensor like one there is already is that one.

        Raises
        ------
        FormatError
            If there are too many.
        """
        if isinstance(tensor, Virtual):
            known = self._virtual.setdefault(tensor, len(self.tensors))
            if known != len(self.tensors):
                return known
        if len(self.tensors) >= MAX_TENSORS:
            raise FormatError(
                f"the circuit takes more than {MAX_TENSORS:,} tensors: it is too large to be proved"
            )
        self.tensors.append(tensor)
        self._quadratic.append(
            isinstance(tensor, Virtual)
            and any(isinstance(term, Product) or self._quadratic[term.source] for term in tensor.terms)
        )
        return len(self.tensors) - 1

    def shape(self, tensor: int) -> Shape:
        """The shape of a tensor."""
        return self.tensors[tensor].shape

    def is_quadratic(self, tensor: int) -> bool:
        """Whether products enter a tensor."""
        return self._quadratic[tensor]

    def image(self, source: int, map: Map) -> int:
        """The image of a tensor under a linear map."""
        return self.add(Virtual(map.shape, (Linear(1, source, map),)))

    def sum(self, parts: Sequence[tuple[int, int]], constant: int = 0) -> int:
        """The sum of coefficient * tensor over tensors of one shape, plus a constant."""
        shape = self.shape(parts[0][1])
        merged: dict[int, int] = {}
        for coefficient, tensor in parts:
            merged[tensor] = merged.get(tensor, 0) + coefficient
        if constant == 0 and len(merged) == 1 and next(iter(merged.values())) == 1:
            return parts[0][1]
        terms = tuple(Linear(c, tensor, Identity(shape)) for tensor, c in merged.items() if c)
        return self.add(Virtual(shape, terms, constant))

    def lookup(self, table: Table, columns: tuple[int, ...]) -> None:
        """Demand that the columns' cells are rows of the table."""
        if table not in self.tables:
            self.multiplicities.append(self.add(Advice((table.count,), ("multiplicity", len(self.tables)))))
            self.tables.append(table)
        self.lookups.append(Lookup(self.tables.index(table), columns))

    def require_zero(self, tensor: int) -> None:
        """Demand that every cell of the tensor is zero."""
        self.zeros.append(tensor)

    def committed(self) -> Mapping[int, Committed]:
        """The tensors that are committed."""
        return {i: t for i, t in enumerate(self.tensors) if isinstance(t, Committed)}
