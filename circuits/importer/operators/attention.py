"""Scaled dot-product attention.

    Y = softmax(cap(scale * Q K^T) + mask) V

over [batch, heads, length, size]. Query heads that share a key head are stacked along the length, so that
nothing is repeated. Every boolean constraint (mask, causality, window, padding) goes into one tensor of truth
values; only a mask of finite numbers is added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx

from circuits.calibrate import MASK
from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negated, scaled
from circuits.importer.axes import joined
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.softmax import masked_softmax, softmax


@handles("Attention")
def attention(
    b: GraphBuilder,
    node: OnnxNode,
    query: Value,
    key: Value,
    value: Value,
    mask: Value | None = None,
    past_key: Value | None = None,
    past_value: Value | None = None,
    filled: Value | None = None,
) -> list[Value]:
    """`filled` (nonpad_kv_seqlen) tells how many keys of each sample are real; it excludes a past."""
    if (past_key is None) != (past_value is None) or (filled is not None and past_key is not None):
        raise node.fail("past_key and past_value come together, and not with nonpad_kv_seqlen")
    mode = node.attrs["qk_matmul_output_mode"]
    if mode not in range(4):
        raise node.fail(f"its qk_matmul_output_mode {mode} is not known")
    packed = query.rank == 3
    size = query.shape[-1] // _heads(node, query, "q_num_heads") if packed else query.shape[-1]
    q = _by_heads(b, node, scaled(b, query, node.attrs.get("scale") or 1 / math.sqrt(size)), "q_num_heads")
    k, v = (_by_heads(b, node, x, "kv_num_heads") for x in (key, value))
    past = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        k, v = joined(b, [past_key, k], 2), joined(b, [past_value, v], 2)
    raw = scores = grouped_product(b, node, q, b.add("transpose", [k], perm=[0, 1, 3, 2]))
    cap = node.attrs["softcap"]
    if cap > 0:
        scores = scaled(b, b.add("function", [scaled(b, scores, 1 / cap)], name="tanh", params=[]), cap)
    capped = scores
    scores, keep = _masked(b, node, scores, mask, _positions_kept(b, node, scores, past, filled))
    weights = softmax(b, scores, [3]) if keep is None else masked_softmax(b, scores, keep, [3])
    out = grouped_product(b, node, weights, v)
    if packed:
        out = b.add("transpose", [out], perm=[0, 2, 1, 3])
        out = b.add("reshape", [out], shape=[*out.shape[:2], out.shape[2] * out.shape[3]])
    if keep is not None:
        scores = b.add("where", [keep, scores, b.constant(-np.inf)], kind="real")
    shown = (raw, capped, scores, weights)[mode]
    return [out, k, v, shown]


@handles("FlexAttention", domain="ai.onnx.preview")
def flex_attention(b: GraphBuilder, node: OnnxNode, query: Value, key: Value, value: Value) -> Value:
    """Attention whose scores and weights pass through subgraphs of the model's own."""
    if not query.rank == key.rank == value.rank == 4:
        raise node.fail("its inputs must have the axes batch, heads, length and size")
    scale = node.attrs.get("scale") or 1 / math.sqrt(query.shape[-1])
    scores = grouped_product(b, node, scaled(b, query, scale), b.add("transpose", [key], perm=[0, 1, 3, 2]))
    scores = _modified(node, "score_mod", scores)
    return grouped_product(b, node, _modified(node, "prob_mod", softmax(b, scores, [3])), value)


def _modified(node: OnnxNode, name: str, x: Value) -> Value:
    """x through a subgraph attribute of one input and one output, if the node has it."""
    graph = node.attrs.get(name)
    if not isinstance(graph, onnx.GraphProto):
        return x
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise node.fail(f"its {name} should take one tensor and give one")
    (out,) = node.scope.run(graph, {graph.input[0].name: x})
    if not isinstance(out, Value) or out.shape != x.shape:
        raise node.fail(f"its {name} should give a tensor of its input's shape {x.shape}")
    return out


def grouped_product(b: GraphBuilder, node: OnnxNode, x: Value, y: Value) -> Value:
    """x [B, H, L, D] @ y [B, H', D, S] where H is a multiple of H', neighbouring heads of x sharing one of
    y."""
    batch, heads, length, size = x.shape
    if heads % y.shape[1] or y.shape[0] != batch:
        raise node.fail(
            f"{heads} query heads in {batch} samples do not fit keys or values of shape {y.shape}"
        )
    stacked = b.add("reshape", [x], shape=[batch, y.shape[1], heads // y.shape[1] * length, size])
    return b.add("reshape", [b.add("matmul", [stacked, y])], shape=[batch, heads, length, y.shape[3]])


def _heads(node: OnnxNode, x: Value, name: str) -> int:
    """How many heads x holds: its second axis, or an attribute where they are packed into the last one."""
    if x.rank == 4:
        return x.shape[1]
    heads = node.attrs.get(name, 0)
    if x.rank != 3 or heads < 1 or x.shape[2] % heads:
        raise node.fail(f"an input of shape {x.shape} does not split into {name}={heads} heads")
    return int(heads)


def _by_heads(b: GraphBuilder, node: OnnxNode, x: Value, name: str) -> Value:
    """[B, length, heads * size] as [B, heads, length, size]."""
    heads = _heads(node, x, name)
    if x.rank == 4:
        return x
    split = b.add("reshape", [x], shape=[*x.shape[:2], heads, x.shape[2] // heads])
    return b.add("transpose", [split], perm=[0, 2, 1, 3])


def _positions_kept(
    b: GraphBuilder, node: OnnxNode, scores: Value, past: int, filled: Value | None
) -> list[Value]:
    """The constraints on where a query may look, as truth values that broadcast to the scores [B, H, L, S].

    Query i stands at i + offset; the offset counts the keys before the first query, known per sample at run
    time where the cache is only partly filled.
    """
    length, total = scores.shape[2:]
    key = b.constant(np.arange(total))
    ahead = b.constant(np.arange(total) - np.arange(length)[:, None])
    offset, keep = b.constant(np.int64(past)), []
    if filled is not None:
        filled = b.add("reshape", [filled], shape=[filled.shape[0], 1, 1, 1])
        offset = b.add("sub", [filled, b.constant(np.int64(length))])
        keep.append(b.add("greater", [filled, key]))
    left, right = (node.attrs.get(name, -1) for name in ("left_window_size", "right_window_size"))
    if node.attrs["is_causal"]:
        keep.append(negated(b, b.add("greater", [ahead, offset])))
    if right >= 0:
        keep.append(
            negated(b, b.add("greater", [ahead, b.add("add", [offset, b.constant(np.int64(right))])]))
        )
    if left >= 0:
        keep.append(negated(b, b.add("greater", [b.add("sub", [offset, b.constant(np.int64(left))]), ahead])))
    return keep


def _masked(
    b: GraphBuilder, node: OnnxNode, scores: Value, mask: Value | None, keep: Sequence[Value]
) -> tuple[Value, Value | None]:
    """The scores with a mask of numbers added, and all truth values as one, or None where everything is
    kept."""
    kept = list(keep)
    if mask is not None:
        own, total = mask.shape[-1] if mask.rank else 1, scores.shape[3]
        if 1 < own < total:  # a short mask hides the keys behind it
            kept.append(b.constant(np.arange(total) < own))
            widths = [*[0] * (mask.rank - 1), total - own]
            mask = b.add("pad", [mask], before=[0] * mask.rank, after=widths, value=0)
        numbers = b.value_of(mask)
        if mask.kind == "bool":
            kept.append(mask)
        elif numbers is not None:
            numbers = numbers.astype(np.float64)
            highest = numbers.max(axis=-1, keepdims=True)  # a softmax does not see what a whole row shares
            numbers = numbers - np.where((highest <= MASK) & np.isfinite(highest), highest, 0)
            kept.append(b.constant(numbers > MASK))
            numbers = np.where(numbers > MASK, numbers, 0)
            if numbers.any():
                scores = b.add("add", [scores, b.constant(numbers)])
        else:
            scores = b.add("add", [scores, mask])
    together: Value | None = None
    for part in kept:
        array = b.value_of(part)
        if array is None or not array.all():
            together = part if together is None else b.add("mul", [together, part])
    return scores, together
