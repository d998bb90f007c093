"""The binary circuit header: parsed as documented, and refused when it contradicts itself."""

import struct
from collections.abc import Callable

import pytest

from circuits.errors import FormatError
from verifier.circuit_header import CircuitHeader, PortEntry, parse_header, tree_depth

FIXED_BYTES, PORT_BYTES = 38, 72


def patched(header: bytes, position: int, value: bytes) -> bytes:
    return header[:position] + value + header[position + len(value) :]


def test_fields(header: bytes) -> None:
    assert len(header) == FIXED_BYTES + 3 * PORT_BYTES
    assert parse_header(header) == CircuitHeader(
        trace_depth=3,
        weights_depth=1,
        ops_depth=2,
        trace_leaves=5,
        weights_leaves=2,
        op_records=3,
        inputs=(PortEntry((2, 3), 1, -5, 100, 0, 6), PortEntry((), 2, 0, 1000, 1, 1)),
        outputs=(PortEntry((2,), 2, -300, 300, 2, 2),),
    )


def test_every_truncation_is_refused(header: bytes) -> None:
    for length in range(len(header)):
        with pytest.raises(FormatError):
            parse_header(header[:length])
    with pytest.raises(FormatError):
        parse_header(header + b"\0")


def test_tree_depths() -> None:
    depths = [tree_depth(leaves) for leaves in (0, 1, 2, 3, 4, 5, 8, 9, 2**32, 2**32 + 1)]
    assert depths == [0, 0, 1, 2, 2, 3, 3, 4, 32, 33]


@pytest.mark.parametrize(
    ("position", "value", "reason"),
    [
        (0, b"v", "begin with"),
        (8, b"\x00\x02", "version 2"),
        (10, b"\x04", "trace"),
        (11, b"\x00", "weights"),
        (12, b"\x03", "op records"),
        (13, b"\x01", "reserved"),
        (14, b"\x00\x03", "should have|not"),
        (16, b"\x00\x00", "no outputs"),
        (18, struct.pack(">Q", 9), "trace"),
        (26, struct.pack(">Q", 1 << 63), "weights"),
        (34, struct.pack(">I", 0), "op records"),
        (FIXED_BYTES + 0, b"\x09", "rank 9"),
        (FIXED_BYTES + 0, b"\x01", "more dimensions"),
        (FIXED_BYTES + 0, b"\x03", "elements"),
        (FIXED_BYTES + 1, b"\x02", "bytes an element"),
        (FIXED_BYTES + 1, b"\x00", "bytes an element"),
        (FIXED_BYTES + 2, b"\x01", "reserved"),
        (FIXED_BYTES + 7, b"\x01", "reserved"),
        (FIXED_BYTES + 8, struct.pack(">I", 3), "elements"),
        (FIXED_BYTES + 36, struct.pack(">I", 1), "more dimensions"),
        (FIXED_BYTES + 40, struct.pack(">q", 101), "empty bounds"),
        (FIXED_BYTES + 40, struct.pack(">q", -129), "bytes an element"),
        (FIXED_BYTES + 48, struct.pack(">q", 128), "bytes an element"),
        (FIXED_BYTES + 56, struct.pack(">Q", 1), "begins at leaf 1"),
        (FIXED_BYTES + 64, struct.pack(">Q", 7), "elements"),
        (FIXED_BYTES + 64, struct.pack(">Q", 0), "elements"),
        (FIXED_BYTES + PORT_BYTES + 56, struct.pack(">Q", 2), "begins at leaf 2"),
        (FIXED_BYTES + 2 * PORT_BYTES + 56, struct.pack(">Q", 3), "op record 3 of 3"),
    ],
)
def test_contradictions_are_refused(header: bytes, position: int, value: bytes, reason: str) -> None:
    altered = patched(header, position, value)
    assert altered != header
    with pytest.raises(FormatError, match=reason):
        parse_header(altered)


@pytest.mark.parametrize(
    ("lo", "hi", "width"),
    [
        (-128, 127, 1),
        (0, 128, 2),
        (-129, 0, 2),
        (-(2**15), 2**15 - 1, 2),
        (0, 2**15, 4),
        (-(2**31), 2**31 - 1, 4),
        (-(2**31) - 1, 0, 8),
        (-(2**63), 2**63 - 1, 8),
    ],
)
def test_widths_at_the_corners(build_header: Callable[..., bytes], lo: int, hi: int, width: int) -> None:
    parsed = parse_header(build_header([], [((4,), width, lo, hi, 0)]))
    assert parsed.outputs == (PortEntry((4,), width, lo, hi, 0, 4),)
    for other in {1, 2, 4, 8} - {width}:
        with pytest.raises(FormatError, match="bytes an element"):
            parse_header(build_header([], [((4,), other, lo, hi, 0)]))


def test_an_empty_tensor_is_refused(build_header: Callable[..., bytes]) -> None:
    with pytest.raises(FormatError, match="0 elements"):
        parse_header(build_header([], [((3, 0), 1, 0, 1, 0)]))


def test_inputs_begin_on_a_new_leaf_each(build_header: Callable[..., bytes]) -> None:
    output = ((1,), 1, 0, 1, 0)
    # 17 elements of 8 bytes fill one leaf and 8 bytes of a second.
    parse_header(build_header([((17,), 8, -(2**40), 0, 0), ((1,), 1, 0, 1, 2)], [output]))
    with pytest.raises(FormatError, match="not at leaf 2"):
        parse_header(build_header([((17,), 8, -(2**40), 0, 0), ((1,), 1, 0, 1, 1)], [output]))
