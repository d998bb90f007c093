"""The op record: what a contract, or anyone else, needs to recompute any one cell of a tensor.

Every tensor of the trace and every output has one record. It says of which kind its cells are and where each
operand of the cell with a given index lies, so that record and index alone fix every address. The layout,
byte by byte, and the meaning of each kind stand in `docs/trace.md`; this module reads and writes it,
strictly.

    record = header (96 bytes) || view (160 bytes) * views, big-endian throughout
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from circuits.errors import CircuitError
from circuits.merkle import LEAF_BYTES

VERSION = 1
OUTPUT_AXES = 8
"""Axes of a record's output index space."""
REDUCTION_AXES = 4
"""Axes that one term of a record may sum, or take the maximum, over."""
MAX_GUARDS = 4
MAX_GUARD_STEP = (1 << 15) - 1
MAX_VIEWS = 64

HEADER = struct.Struct(">BBBBBBHQQQ8IQqqQ")
VIEW = struct.Struct(">BBBBiQqq8i4i4I")
GUARD = struct.Struct(">BBhhHiI")
HEADER_BYTES = HEADER.size
VIEW_BYTES = VIEW.size + MAX_GUARDS * GUARD.size

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
"""The clamp of a sum that is not narrowed."""
MAX_CELLS = 1 << 31
MAX_REDUCTION = 1 << 20
"""More than a transaction can sum. Whatever the operands, every intermediate of a cell stays below 2^245."""
MAX_REACH = 1 << 40
"""No address or guarded coordinate, in elements, reaches this far from 0."""


class Region(IntEnum):
    """Where a tensor lies: a Merkle tree of its own, or, for outputs, the claim itself."""

    TRACE = 0
    INPUT = 1
    WEIGHTS = 2
    OUTPUT = 3


class Kind(IntEnum):
    """How a cell follows from its terms; t_i is the value of term i."""

    SUM = 1
    """clamp(floor((sum t_i * mul + half) / 2^shift), lo, hi)"""
    POSITIVE = 2
    """1 if sum t_i > 0, else 0"""
    DIVIDE = 3
    """floor(sum of all but the last t_i / the last)"""
    LOOKUP = 4
    """the last view, moved by stride * (sum of the other t_i - lo)"""
    SELECT = 5
    """t_1 if t_0 = 1, else t_2"""
    MAX = 6
    """the largest of all terms over their reduction axes"""
    ORDER = 7
    """the index, along the reduction axes, of the j-th largest"""


@dataclass(frozen=True)
class Guard:
    """coef_a * index[axis_a] + coef_b * index[axis_b] + base must lie in [0, limit). Axes 0 to 7 are the
    output's, 8 to 11 the term's reduction axes."""

    axis_a: int
    axis_b: int
    coef_a: int
    coef_b: int
    base: int
    limit: int


@dataclass(frozen=True)
class View:
    """Where one operand lies: element base + sum(strides * index) of the tensor that starts at leaf `first`
    of the region."""

    region: Region
    width: int
    factor: bool
    """The next view is this term's second factor."""
    skip: bool
    """A cell outside a guard is left out, instead of counting as `fill`."""
    coefficient: int
    first: int
    base: int
    fill: int
    strides: tuple[int, ...]
    reduction_strides: tuple[int, ...]
    reduction_dims: tuple[int, ...]
    guards: tuple[Guard, ...]


@dataclass(frozen=True)
class Record:
    """One tensor of the trace, or one output. `first` is its first leaf, or the number of its output port.
    `mul`, `lo`, `hi` are parameters by kind; `dims` has eight axes, idle ones in front with size 1."""

    kind: Kind
    region: Region
    width: int
    shift: int
    first: int
    cells: int
    dims: tuple[int, ...]
    mul: int
    lo: int
    hi: int
    views: tuple[View, ...]

    @property
    def leaves(self) -> int:
        """How many leaves the tensor takes up."""
        return leaves_of(self.cells, self.width)

    @property
    def terms(self) -> tuple[tuple[View, ...], ...]:
        """The views, one or two a term."""
        terms: list[tuple[View, ...]] = []
        pending: tuple[View, ...] = ()
        for view in self.views:
            pending = (*pending, view)
            if not view.factor:
                terms.append(pending)
                pending = ()
        return tuple(terms)

    def encode(self) -> bytes:
        """The record as bytes.

        Raises
        ------
        CircuitError
            If a field does not fit its place.
        """
        try:
            check(self)
            header = HEADER.pack(
                VERSION, self.kind, self.region, self.width, len(self.views), self.shift, 0,
                self.first, self.cells, 0, *self.dims, self.mul, self.lo, self.hi, 0,
            )  # fmt: skip
            return header + b"".join(map(_encode_view, self.views))
        except struct.error as error:
            raise CircuitError(f"an op record has a field that does not fit its place: {error}") from None


def leaves_of(elements: int, width: int) -> int:
    """How many leaves a packed tensor takes up."""
    return -(-elements * width // LEAF_BYTES)


def decode(data: bytes) -> Record:
    """The record in `data`.

    Raises
    ------
    CircuitError
        If it is not exactly what `Record.encode` writes.
    """
    if len(data) < HEADER_BYTES or (len(data) - HEADER_BYTES) % VIEW_BYTES:
        _refuse(f"it has {len(data)} bytes")
    version, kind, region, width, views, shift, zero, first, cells, reserved, *rest = HEADER.unpack_from(data)
    if version != VERSION:
        _refuse(f"it is of version {version}; this program reads version {VERSION}")
    if len(data) != HEADER_BYTES + views * VIEW_BYTES:
        _refuse(f"it has {len(data)} bytes, but {views} views")
    if zero or reserved or rest[-1]:
        _refuse("a reserved byte is not zero")
    dims, (mul, lo, hi) = tuple(rest[:OUTPUT_AXES]), rest[OUTPUT_AXES:-1]
    if kind not in Kind.__members__.values() or region not in Region.__members__.values():
        _refuse(f"there is no kind {kind}, or no region {region}")
    body = [_decode_view(data, HEADER_BYTES + i * VIEW_BYTES) for i in range(views)]
    record = Record(Kind(kind), Region(region), width, shift, first, cells, dims, mul, lo, hi, tuple(body))
    check(record)
    return record


def check(record: Record) -> None:
    """Check that no address and no intermediate of the record can leave 64 bits, and that its parts fit
    together.

    Raises
    ------
    CircuitError
        Naming the first field that is out of range.
    """
    if record.region not in (Region.TRACE, Region.OUTPUT) or record.width not in (1, 2, 4, 8):
        _refuse(f"cells of width {record.width} cannot lie in region {record.region}")
    dims_fit = len(record.dims) == OUTPUT_AXES and all(1 <= n <= MAX_CELLS for n in record.dims)
    if not dims_fit or math.prod(record.dims) != record.cells or record.cells > MAX_CELLS:
        _refuse(f"it has {record.cells} cells, but axes {record.dims}")
    if not (0 <= record.shift <= 62 and 0 <= record.mul <= HIGHEST and 0 <= record.first <= HIGHEST):
        _refuse("its shift, multiplier or place is out of range")
    if len(record.views) > MAX_VIEWS:
        _refuse(f"it has {len(record.views)} views, over the limit of {MAX_VIEWS}")
    if record.views and record.views[-1].factor:
        _refuse("its last view lacks its second factor")
    for term in record.terms:
        if len(term) > 2:
            _refuse("a term has more than two factors")
        if any(view.reduction_dims != term[0].reduction_dims for view in term):
            _refuse("the factors of a term run over different axes")
    for view in record.views:
        _check_view(view, record.dims)
    _check_kind(record)


def _check_kind(record: Record) -> None:
    terms = record.terms
    reduced = [math.prod(term[0].reduction_dims) > 1 for term in terms]
    last_is_plain = bool(terms) and len(terms[-1]) == 1 and not reduced[-1]
    fits = {
        Kind.SUM: record.mul >= 1 and record.lo <= record.hi,
        Kind.POSITIVE: True,
        Kind.DIVIDE: last_is_plain,
        Kind.LOOKUP: last_is_plain
        and terms[-1][0].coefficient == 1
        and not terms[-1][0].guards
        and record.mul >= 1,
        Kind.SELECT: len(terms) == 3 and not any(reduced),
        Kind.MAX: bool(terms) and all(len(term) == 1 for term in terms),
        Kind.ORDER: len(terms) == 1 and len(terms[0]) == 1 and record.mul >= 1 and record.hi >= 1,
    }[record.kind]
    if not fits:
        _refuse(f"its parts do not fit the kind {record.kind.name}")
    if record.kind not in (Kind.MAX, Kind.ORDER) and any(view.skip for view in record.views):
        _refuse("only a maximum or an order leaves cells out")
    if record.kind is not Kind.SUM and record.shift:
        _refuse("only a sum is shifted")
    if record.kind is Kind.LOOKUP and record.mul * max(1, abs(record.hi)) >= MAX_REACH:
        _refuse(f"its {record.mul} rows of {record.hi} elements reach too far")
    if record.kind in (Kind.POSITIVE, Kind.DIVIDE, Kind.SELECT, Kind.MAX) and (
        record.mul or record.lo or record.hi
    ):
        _refuse(f"the kind {record.kind.name} has no parameters")


def _check_view(view: View, dims: tuple[int, ...]) -> None:
    if view.region is Region.OUTPUT or view.width not in (1, 2, 4, 8):
        _refuse(f"an operand of width {view.width} cannot lie in region {view.region}")
    shape_fits = len(view.reduction_dims) == len(view.reduction_strides) == REDUCTION_AXES
    if not shape_fits or len(view.strides) != OUTPUT_AXES or len(view.guards) > MAX_GUARDS:
        _refuse("a view has too many axes or guards")
    if (
        any(not 1 <= n <= MAX_CELLS for n in view.reduction_dims)
        or math.prod(view.reduction_dims) > MAX_REDUCTION
    ):
        _refuse(f"a view has the reduction axes {view.reduction_dims}")
    if not 0 <= view.first <= HIGHEST or abs(view.coefficient) >= 1 << 31:
        _refuse("the place or coefficient of a view is out of range")
    sizes = (*dims, *view.reduction_dims)
    steps = (*view.strides, *view.reduction_strides)
    reach = abs(view.base) + sum(abs(step) * (n - 1) for step, n in zip(steps, sizes, strict=True))
    for guard in view.guards:
        if not (0 <= guard.axis_a < len(sizes) and 0 <= guard.axis_b < len(sizes)):
            _refuse("a guard names an axis that does not exist")
        edges = abs(guard.coef_a) * sizes[guard.axis_a] + abs(guard.coef_b) * sizes[guard.axis_b]
        reach = max(reach, abs(guard.base) + edges)
    if reach >= MAX_REACH:
        _refuse(f"a view reaches {reach} elements away")
    if view.skip and not view.guards:
        _refuse("a view without a guard has nothing to skip")


def _encode_view(view: View) -> bytes:
    flags = int(view.factor) | int(view.skip) << 1
    head = VIEW.pack(
        view.region, view.width, flags, len(view.guards), view.coefficient, view.first, view.base, view.fill,
        *view.strides, *view.reduction_strides, *view.reduction_dims,
    )  # fmt: skip
    guards = [GUARD.pack(g.axis_a, g.axis_b, g.coef_a, g.coef_b, 0, g.base, g.limit) for g in view.guards]
    return (head + b"".join(guards)).ljust(VIEW_BYTES, b"\0")


def _decode_view(data: bytes, at: int) -> View:
    region, width, flags, guards, coefficient, first, base, fill, *rest = VIEW.unpack_from(data, at)
    if region not in Region.__members__.values() or flags > 3 or guards > MAX_GUARDS:
        _refuse("a view's region, flags or guards do not exist")
    strides, reduction = tuple(rest[:OUTPUT_AXES]), rest[OUTPUT_AXES:]
    found = []
    for i in range(MAX_GUARDS):
        start = at + VIEW.size + i * GUARD.size
        a, b, coef_a, coef_b, zero, guard_base, limit = GUARD.unpack_from(data, start)
        if zero or (i >= guards and any(data[start : start + GUARD.size])):
            _refuse("a reserved byte is not zero")
        if i < guards:
            found.append(Guard(a, b, coef_a, coef_b, guard_base, limit))
    return View(
        Region(region), width, bool(flags & 1), bool(flags & 2), coefficient, first, base, fill, strides,
        tuple(reduction[:REDUCTION_AXES]), tuple(reduction[REDUCTION_AXES:]), tuple(found),
    )  # fmt: skip


def _refuse(reason: str) -> NoReturn:
    raise CircuitError(f"this op record is invalid: {reason}")
