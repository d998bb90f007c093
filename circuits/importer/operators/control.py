"""Control flow: a known choice is taken, a loop unrolled, an unknown choice computes both branches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import onnx

from circuits.graph import GraphBuilder, Value
from circuits.importer.admission import MAX_NODES
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
    yes, no = (node.scope.run(branch, {}) for branch in branches)
    if len(yes) != len(no):
        raise node.fail(f"its branches yield {len(yes)} and {len(no)} results")
    return [_selected(b, node, chosen, *pair) for pair in zip(yes, no, strict=True)]


def _one_round(
    node: OnnxNode, body: onnx.GraphProto, values: Sequence[Tensors | None], kept: int
) -> list[Tensors | None]:
    """What a body yields with its inputs bound to `values`; at least as many results as the next round
    takes."""
    names = [info.name for info in body.input]
    if len(names) != len(values) or len(body.output) < kept:
        raise node.fail(
            f"its body takes {len(names)} inputs and yields {len(body.output)} results where it is given "
            f"{len(values)} and {kept} are handed on"
        )
    return node.scope.run(body, dict(zip(names, values, strict=True)))


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
    if limit * len(body.node) > MAX_NODES and _never_stops(body):
        raise node.fail(f"unrolled {limit} times it is over the limit of {MAX_NODES} nodes")
    proceed: Tensors | None = b.constant(np.True_) if condition is None else condition
    for i in itertools.count():
        if i >= limit or not _holds(b, node, proceed):
            break
        values = [b.constant(np.int64(i)), proceed, *state]
        proceed, *results = _one_round(node, body, values, 1 + len(state))
        state = results[: len(state)]
        for kept, value in zip(collected, results[len(state) :], strict=True):
            kept.append(_tensor(node, value))
    return [*state, *(_stacked(b, node, kept, 0) for kept in collected)]


def _never_stops(body: onnx.GraphProto) -> bool:
    """Whether a loop's body hands on the condition that it got, so that only the trip count ends the loop."""
    source = {node.output[0]: node.input[0] for node in body.node if node.op_type == "Identity"}
    name = body.output[0].name
    while name in source:
        name = source[name]
    return bool(name == body.input[1].name)


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
    if not 1 <= count <= len(inputs):
        raise node.fail(f"it scans {count} of its {len(inputs)} inputs")
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
    outputs = len(body.output) - len(state)
    if outputs < 0:
        raise node.fail(f"its body yields {len(body.output)} results for {len(state)} states")
    backwards = node.attrs.get("directions" if batched else "scan_input_directions") or [0] * len(scanned)
    axes = node.attrs.get("scan_input_axes") or [0] * len(scanned)
    if {len(axes), len(backwards)} != {len(scanned)}:
        raise node.fail(
            f"it gives {len(axes)} axes and {len(backwards)} directions for {len(scanned)} sequences"
        )
    at = [axis_of(node, axis, x.rank) for axis, x in zip(axes, scanned, strict=True)]
    steps = scanned[0].shape[at[0]]
    collected: list[list[Value]] = [[] for _ in range(outputs)]
    for i in range(steps):
        slices = []
        for x, axis, back in zip(scanned, at, backwards, strict=True):
            k = steps - 1 - i if back else i
            shape = [n for d, n in enumerate(x.shape) if d != axis]
            slices.append(reshaped(b, along(b, x, axis, range(k, k + 1)), shape))
        results = [_tensor(node, y) for y in _one_round(node, body, [*state, *slices], len(state))]
        state = results[: len(state)]
        for kept, value in zip(collected, results[len(state) :], strict=True):
            kept.append(value)
    out_back = node.attrs.get("scan_output_directions") or [0] * outputs
    out_axes = node.attrs.get("scan_output_axes") or [0] * outputs
    if {len(out_axes), len(out_back)} != {outputs}:
        raise node.fail(f"it gives {len(out_axes)} axes and {len(out_back)} directions for {outputs} outputs")
    stacks = [
        _stacked(b, node, kept[::-1] if back else kept, axis)
        for kept, back, axis in zip(collected, out_back, out_axes, strict=True)
    ]
    return [*state, *stacks]
