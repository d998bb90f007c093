"""Circuit headers and input commitments, written down from their definition with `struct` alone."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from eth_hash.auto import keccak

from contracts.registry import Registration

FIXED = struct.Struct(">8sHBBBBHHQQI")
PORT = struct.Struct(">BB6x8IqqQQ")


@dataclass
class Port:
    """An input or output tensor: its shape and the bound of its elements."""

    shape: tuple[int, ...]
    lo: int
    hi: int

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def width(self) -> int:
        """Bytes of an element: the fewest of 1, 2, 4, 8 that hold the bound."""
        return next(w for w in (1, 2, 4, 8) if -(1 << 8 * w - 1) <= self.lo and self.hi < 1 << 8 * w - 1)

    @property
    def leaves(self) -> int:
        return -(-self.elements * self.width // 128)


@dataclass
class Header:
    """The header of a circuit, field by field."""

    inputs: list[Port]
    outputs: list[Port]
    trace_leaves: int = 5
    weights_leaves: int = 9
    op_records: int = 3
    output_records: list[int] = field(default_factory=list)

    def encode(self) -> bytes:
        counts = (self.trace_leaves, self.weights_leaves, self.op_records)
        depths = [max(count - 1, 0).bit_length() for count in counts]
        data = FIXED.pack(b"VERINFER", 1, *depths, 0, len(self.inputs), len(self.outputs), *counts)
        leaf = 0
        for port in self.inputs:
            data += _entry(port, leaf)
            leaf += port.leaves
        records = self.output_records or [0] * len(self.outputs)
        return data + b"".join(map(_entry, self.outputs, records))

    def registration(self) -> Registration:
        """A registration of a circuit with this header and made-up roots."""
        return Registration(self.encode(), keccak(b"ops"), keccak(b"weights"), keccak(b"scales"))


def _entry(port: Port, offset: int) -> bytes:
    shape = (*port.shape, *(0,) * (8 - len(port.shape)))
    return PORT.pack(len(port.shape), port.width, *shape, port.lo, port.hi, offset, port.elements)


def input_commitment(ports: Sequence[Port], values: Sequence[int]) -> bytes:
    """The root of the input tree, level by level."""
    packed, rest = b"", list(values)
    for port in ports:
        tensor = b"".join(v.to_bytes(port.width, "big", signed=True) for v in rest[: port.elements])
        packed += tensor.ljust(128 * port.leaves, b"\0")
        del rest[: port.elements]
    leaves = 1 << max(len(packed) // 128 - 1, 0).bit_length()
    packed = packed.ljust(128 * leaves, b"\0")
    level = [keccak(b"\0" + packed[128 * i : 128 * (i + 1)]) for i in range(leaves)]
    while len(level) > 1:
        level = [keccak(b"\1" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def is_canonical(header: bytes) -> bool:
    """Whether bytes are the one encoding of some header: decode them, encode the outcome, and compare."""
    if len(header) < FIXED.size:
        return False
    fixed = FIXED.unpack_from(header)
    inputs, outputs, *counts = fixed[6:]
    if len(header) != FIXED.size + PORT.size * (inputs + outputs) or not inputs or not outputs:
        return False
    ports, records = [], []
    for i in range(inputs + outputs):
        rank, _, *shape, lo, hi, offset, _ = PORT.unpack_from(header, FIXED.size + PORT.size * i)
        if rank > 8 or lo > hi or 0 in shape[:rank]:
            return False
        ports.append(Port(tuple(shape[:rank]), lo, hi))
        records.append(offset)
    if max(records[inputs:]) >= counts[2]:
        return False
    try:
        again = Header(ports[:inputs], ports[inputs:], *counts, output_records=records[inputs:])
        return again.encode() == header
    except struct.error:  # a size or an offset beyond 64 bits
        return False
