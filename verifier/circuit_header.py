"""The binary header of a circuit: what a verifier must know of a circuit beyond its hashes.

Fixed layout, big-endian::

    "VERINFER" | version u16 | trace_depth u8 | weights_depth u8 | ops_depth u8 | reserved u8 = 0
    | n_inputs u16 | n_outputs u16 | trace_leaves u64 | weights_leaves u64 | op_records u32        (38 bytes)

followed by one entry of 72 bytes for each input and then each output::

    rank u8 | width u8 | reserved u16 = 0 | reserved u32 = 0 | shape 8 x u32 (unused = 0) | lo i64 | hi i64
    | offset u64 | elements u64

Shapes are those of one sample. `width` is the number of bytes of an element, the smallest of 1, 2, 4, 8 that
holds [lo, hi]. `offset` is an input's first leaf in the input tree, or the index of an output's op record.

The header is hashed into the circuit's id, so all that is read here is bound by the id. It is checked for
internal consistency nonetheless: a circuit's author may be hostile.
"""

import struct
from dataclasses import dataclass
from math import prod
from typing import NoReturn

from circuits.errors import FormatError

MAGIC = b"VERINFER"
VERSION = 1
MAX_RANK = 8
LEAF_BYTES = 128

_FIXED = struct.Struct(">8sHBBBBHHQQI")
_PORT = struct.Struct(">BBHI8IqqQQ")


@dataclass(frozen=True)
class PortEntry:
    """One input or output tensor of a circuit.

    Parameters
    ----------
    shape
        The shape of one sample, without a batch axis.
    width
        Bytes per element: 1, 2, 4 or 8.
    lo, hi
        The inclusive bounds of every element.
    offset
        Of an input: its first leaf in the input tree. Of an output: the index of its op record.
    elements
        The number of elements, the product of `shape`.
    """

    shape: tuple[int, ...]
    width: int
    lo: int
    hi: int
    offset: int
    elements: int

    @property
    def leaves(self) -> int:
        """The number of 128-byte leaves that the packed elements take up in a Merkle tree."""
        return -(-self.elements * self.width // LEAF_BYTES)


@dataclass(frozen=True)
class CircuitHeader:
    """The parsed header of a circuit. See the module's description for the fields."""

    trace_depth: int
    weights_depth: int
    ops_depth: int
    trace_leaves: int
    weights_leaves: int
    op_records: int
    inputs: tuple[PortEntry, ...]
    outputs: tuple[PortEntry, ...]


def parse_header(data: bytes) -> CircuitHeader:
    """Parse the binary header of a circuit.

    Parameters
    ----------
    data
        The whole header, as it is hashed into the circuit's id.

    Returns
    -------
    CircuitHeader
        Its fields.

    Raises
    ------
    FormatError
        If the header has another length, version or layout than the format's, or contradicts itself.
    """
    if len(data) < _FIXED.size:
        _refuse(f"it has {len(data)} bytes and needs at least {_FIXED.size}")
    (
        magic,
        version,
        trace_depth,
        weights_depth,
        ops_depth,
        reserved,
        n_inputs,
        n_outputs,
        trace_leaves,
        weights_leaves,
        op_records,
    ) = _FIXED.unpack_from(data)
    if magic != MAGIC:
        _refuse(f"it does not begin with {MAGIC!r}")
    if version != VERSION:
        _refuse(f"it is of version {version}; this program reads version {VERSION}")
    if reserved:
        _refuse("a reserved byte is not zero")
    if n_outputs == 0:
        _refuse("it has no outputs")
    expected = _FIXED.size + (n_inputs + n_outputs) * _PORT.size
    if len(data) != expected:
        _refuse(f"it has {len(data)} bytes not {expected} for {n_inputs} inputs and {n_outputs} outputs")
    for tree, depth, leaves in (
        ("trace", trace_depth, trace_leaves),
        ("weights", weights_depth, weights_leaves),
        ("op records", ops_depth, op_records),
    ):
        if depth != tree_depth(leaves):
            _refuse(f"a tree of {leaves} leaves ({tree}) has depth {tree_depth(leaves)}, not {depth}")

    entries = [
        _parse_port(f"{'input' if i < n_inputs else 'output'} {i if i < n_inputs else i - n_inputs}", fields)
        for i, fields in enumerate(_PORT.iter_unpack(data[_FIXED.size :]))
    ]
    inputs, outputs = tuple(entries[:n_inputs]), tuple(entries[n_inputs:])
    next_leaf = 0
    for i, port in enumerate(inputs):
        if port.offset != next_leaf:
            _refuse(f"input {i} begins at leaf {port.offset} of the input tree, not at leaf {next_leaf}")
        next_leaf += port.leaves
    for i, port in enumerate(outputs):
        if port.offset >= op_records:
            _refuse(f"output {i} names op record {port.offset} of {op_records}")
    return CircuitHeader(
        trace_depth, weights_depth, ops_depth, trace_leaves, weights_leaves, op_records, inputs, outputs
    )


def tree_depth(leaves: int) -> int:
    """Return the depth of a Merkle tree whose leaf count is padded to a power of two (at least one leaf)."""
    return max(leaves - 1, 0).bit_length()


def _parse_port(name: str, fields: tuple[int, ...]) -> PortEntry:
    rank, width, reserved_16, reserved_32, *rest = fields
    shape, (lo, hi, offset, elements) = tuple(rest[:MAX_RANK]), rest[MAX_RANK:]
    if reserved_16 or reserved_32:
        _refuse(f"a reserved byte of {name} is not zero")
    if rank > MAX_RANK:
        _refuse(f"{name} has rank {rank}, more than {MAX_RANK}")
    if any(shape[rank:]):
        _refuse(f"{name} has rank {rank}, but more dimensions than that")
    if elements == 0 or elements != prod(shape[:rank]):
        _refuse(f"{name} has shape {shape[:rank]}, but {elements} elements")
    if lo > hi:
        _refuse(f"{name} has the empty bounds [{lo}, {hi}]")
    if width != _width_of(lo, hi):
        _refuse(
            f"{name} has bounds [{lo}, {hi}], which take {_width_of(lo, hi)} bytes an element, not {width}"
        )
    return PortEntry(shape[:rank], width, lo, hi, offset, elements)


def _width_of(lo: int, hi: int) -> int:
    return next(width for width in (1, 2, 4, 8) if -(1 << 8 * width - 1) <= lo and hi < 1 << 8 * width - 1)


def _refuse(reason: str) -> NoReturn:
    raise FormatError(f"this circuit header is invalid: {reason}")
