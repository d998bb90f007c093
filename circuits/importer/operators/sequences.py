"""Sequences and optionals: their lengths and contents are known when compiling, so they vanish."""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import axis_of, joined, reshaped
from circuits.importer.handlers import OnnxNode, TensorList, Tensors, handles
from circuits.importer.operators.movement import even_parts, pieces


@handles("SequenceEmpty")
def sequence_empty(b: GraphBuilder, node: OnnxNode) -> TensorList:
    return TensorList(())


@handles("SequenceConstruct")
def sequence_construct(b: GraphBuilder, node: OnnxNode, *items: Value) -> TensorList:
    return TensorList(items)


@handles("SequenceLength")
def sequence_length(b: GraphBuilder, node: OnnxNode, sequence: TensorList) -> Value:
    return b.constant(np.int64(len(sequence.items)))


@handles("SequenceAt")
def sequence_at(b: GraphBuilder, node: OnnxNode, sequence: TensorList, position: Value) -> Value:
    return sequence.items[_position(b, node, position, len(sequence.items))]


@handles("SequenceInsert")
def sequence_insert(
    b: GraphBuilder, node: OnnxNode, sequence: TensorList, item: Value, position: Value | None = None
) -> TensorList:
    items = list(sequence.items)
    items.insert(len(items) if position is None else _position(b, node, position, len(items) + 1), item)
    return TensorList(tuple(items))


@handles("SequenceErase")
def sequence_erase(
    b: GraphBuilder, node: OnnxNode, sequence: TensorList, position: Value | None = None
) -> TensorList:
    items = list(sequence.items)
    del items[len(items) - 1 if position is None else _position(b, node, position, len(items))]
    return TensorList(tuple(items))


def _position(b: GraphBuilder, node: OnnxNode, position: Value, places: int) -> int:
    """A constant position in a sequence, counted from the front; a negative one counts from the last of the
    places."""
    found = int(node.array(b, position, "position").reshape(-1)[0])
    if not -places <= found < places:
        raise node.fail(f"there is no position {found} in a sequence with {places} of them")
    return found % places


@handles("SplitToSequence")
def split_to_sequence(b: GraphBuilder, node: OnnxNode, x: Value, lengths: Value | None = None) -> TensorList:
    axis = axis_of(node, node.attrs["axis"], x.rank)
    size = x.shape[axis]
    given = np.array(1) if lengths is None else node.array(b, lengths, "split")
    each = max(int(given), 1) if given.ndim == 0 else 1
    parts = even_parts(size, each, -(-size // each)) if given.ndim == 0 else [int(n) for n in given]
    if sum(parts) != size or min(parts) < 0:
        raise node.fail(f"its parts {parts} do not add up to axis {axis} of {x.shape}")
    items = pieces(b, x, axis, parts)
    if lengths is None and not node.attrs["keepdims"]:
        items = [reshaped(b, item, [n for k, n in enumerate(item.shape) if k != axis]) for item in items]
    return TensorList(tuple(items))


@handles("ConcatFromSequence")
def concat_from_sequence(b: GraphBuilder, node: OnnxNode, sequence: TensorList) -> Value:
    items = sequence.items
    if not items:
        raise node.fail("its sequence is empty")
    if not node.attrs["new_axis"]:
        return joined(b, items, axis_of(node, node.attrs["axis"], items[0].rank))
    axis = axis_of(node, node.attrs["axis"], items[0].rank + 1)
    return joined(b, [reshaped(b, x, [*x.shape[:axis], 1, *x.shape[axis:]]) for x in items], axis)


@handles("Optional")
def optional(b: GraphBuilder, node: OnnxNode, x: Tensors | None = None) -> list[Tensors | None]:
    return [x]


@handles("OptionalHasElement")
def optional_has_element(b: GraphBuilder, node: OnnxNode, x: Tensors | None = None) -> Value:
    return b.constant(np.bool_(x is not None))


@handles("OptionalGetElement")
def optional_get_element(b: GraphBuilder, node: OnnxNode, x: Tensors | None) -> Tensors:
    if x is None:
        raise node.fail("the optional it takes the element of has none")
    return x
