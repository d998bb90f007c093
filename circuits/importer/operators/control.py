"""Control flow: a known choice is taken, a loop unrolled, an unknown choice computes both branches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import onnx

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import along, axis_of, joined, reshaped
from circuits.importer.handlers import OnnxNode, TensorList, Tensors, handles

FOREVER = np.iinfo(np.int64).max


@handles("If")
def if_(b: GraphBuilder, node: OnnxNode, condition: Value) -> list[Tensors | None]:
    branches = node.attrs["then_branch"], node.attrs["else_branch"]
    known = b.value_of(condition)
    if known is not None:
        return node.scope.run(branches[0 if known.reshape(-1)[0] else 1], {})
    chosen = reshaped(b, condition, [])
    pairs = zip(*(node.scope.run(branch, {}) for branch in branches), strict=True)
    return [_selected(b, node, chosen, *pair) for pair in pairs]


def _selected(
    b: GraphBuilder, node: OnnxNode, condition: Value, yes: Tensors | None, no: Tensors | None
) -> Tensors:
    """Whichever of two results a run-time condition picks, if a circuit can hold either."""
    if isinstance(yes, TensorList) and isinstance(no, TensorList) and len(yes.items) == len(no.items):
        items = [_selected(b, node, condition, *pair) for pair in zip(yes.items, no.items, strict=True)]
        return TensorList(tuple(item for item in items if isinstance(item, Value)))
    if not isinstance(yes, Value) or not isinstance(no, Value) or yes.shape != no.shape:
        raise node.fail(
            "its condition is computed at run time and its branches yield tensors of different shapes: "
            "make the condition constant, or the shapes equal"
        )
    return b.add("where", [condition, yes, no])


@handles("Loop")
def loop(
    b: GraphBuilder, node: OnnxNode, trips: Value | None, condition: Value | None, *initial: Tensors | None
) -> list[Tensors | None]:
    body: onnx.GraphProto = node.attrs["body"]
    limit = FOREVER if trips is None else int(node.array(b, trips, "trip count").reshape(-1)[0])
    state = list(initial)
    collected: list[list[Value]] = [[] for _ in body.output[1 + len(state) :]]
    names = [info.name for info in body.input]
    proceed: Tensors | None = b.constant(np.True_) if condition is None else condition
    for i in itertools.count():
        if i >= limit or not _holds(b, node, proceed):
            break
        values = [b.constant(np.int64(i)), proceed, *state]
        proceed, *results = node.scope.run(body, dict(zip(names, values, strict=True)))
        state = results[: len(state)]
        for kept, value in zip(collected, results[len(state) :], strict=True):
            kept.append(_tensor(node, value))
    return [*state, *(_stacked(b, node, kept, 0) for kept in collected)]


def _holds(b: GraphBuilder, node: OnnxNode, condition: Tensors | None) -> bool:
    known = b.value_of(condition) if isinstance(condition, Value) else None
    if known is None:
        raise node.fail(
            "its condition is computed at run time, so how often it runs depends on data: give it a constant "
            "trip count and a condition that does not depend on the inputs"
        )
    return bool(known.reshape(-1)[0])


def _tensor(node: OnnxNode, value: Tensors | None) -> Value:
    if not isinstance(value, Value):
        raise node.fail("its body yields a sequence or an optional where a tensor is needed")
    return value


def _stacked(b: GraphBuilder, node: OnnxNode, parts: Sequence[Value], axis: int) -> Value:
    """Tensors of one shape along a new axis."""
    if not parts:
        raise node.fail(
            "it never runs, so the shape of what it collects is unknown: remove it from the model"
        )
    rank = parts[0].rank
    at = axis_of(node, axis, rank + 1)
    return joined(b, [reshaped(b, p, [*p.shape[:at], 1, *p.shape[at:]]) for p in parts], at)


@handles("Scan")
def scan(b: GraphBuilder, node: OnnxNode, *inputs: Value | None) -> list[Value]:
    count = node.attrs["num_scan_inputs"]
    if node.version >= 9:
        given = [_tensor(node, x) for x in inputs]
        return _scan(b, node, given[: len(given) - count], given[len(given) - count :], batched=False)
    if inputs[0] is not None:
        raise node.fail("its sequences end at run-time lengths: pad them, and leave sequence_lens out")
    given = [_tensor(node, x) for x in inputs[1:]]
    samples = []
    for i in range(given[0].shape[0]):
        own = [reshaped(b, along(b, x, 0, range(i, i + 1)), x.shape[1:]) for x in given]
        samples.append(_scan(b, node, own[: len(own) - count], own[len(own) - count :], batched=True))
    return [_stacked(b, node, parts, 0) for parts in zip(*samples, strict=True)]


def _scan(
    b: GraphBuilder, node: OnnxNode, state: list[Value], scanned: list[Value], batched: bool
) -> list[Value]:
    """One sequence; `batched` is opset 8's form, whose attributes count a batch axis that is not here any
    more."""
    body: onnx.GraphProto = node.attrs["body"]
    names = [info.name for info in body.input]
    outputs = len(body.output) - len(state)
    backwards = node.attrs.get("directions" if batched else "scan_input_directions") or [0] * len(scanned)
    axes = node.attrs.get("scan_input_axes") or [0] * len(scanned)
    at = [axis_of(node, axis, x.rank) for axis, x in zip(axes, scanned, strict=True)]
    steps = scanned[0].shape[at[0]]
    collected: list[list[Value]] = [[] for _ in range(outputs)]
    for i in range(steps):
        slices = []
        for x, axis, back in zip(scanned, at, backwards, strict=True):
            k = steps - 1 - i if back else i
            shape = [n for d, n in enumerate(x.shape) if d != axis]
            slices.append(reshaped(b, along(b, x, axis, range(k, k + 1)), shape))
        results = [
            _tensor(node, y) for y in node.scope.run(body, dict(zip(names, [*state, *slices], strict=True)))
        ]
        state = results[: len(state)]
        for kept, value in zip(collected, results[len(state) :], strict=True):
            kept.append(value)
    out_back = node.attrs.get("scan_output_directions") or [0] * outputs
    out_axes = node.attrs.get("scan_output_axes") or [0] * outputs
    stacks = [
        _stacked(b, node, kept[::-1] if back else kept, axis)
        for kept, back, axis in zip(collected, out_back, out_axes, strict=True)
    ]
    return [*state, *stacks]
