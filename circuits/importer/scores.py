"""What ONNX's classifiers and ensembles do with their scores: transforms, and class labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import reshaped
from circuits.importer.handlers import OnnxNode
from circuits.importer.softmax import softmax

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
NEARLY_ZERO = 1e-7
"""Scores this small count as 0 for SOFTMAX_ZERO."""


def transformed(b: GraphBuilder, node: OnnxNode, scores: Value, transform: str) -> Value:
    """Scores [N, K] after a post-transform.

    Raises
    ------
    UnsupportedError
        If the transform is unknown.
    """
    if transform == "NONE":
        return scores
    if transform == "SOFTMAX":
        return softmax(b, scores, [1])
    if transform == "LOGISTIC":
        return b.add("function", [scores], name="sigmoid", params=[])
    if transform == "PROBIT":
        return b.add("function", [scores], name="probit", params=[])
    if transform == "SOFTMAX_ZERO":
        return _softmax_zero(b, scores)
    raise node.fail(f"its post_transform {transform!r} is none of {', '.join(TRANSFORMS)}")


def _softmax_zero(b: GraphBuilder, scores: Value) -> Value:
    """The softmax over the scores that are not 0, which stay 0."""
    beyond = [
        b.add("greater", pair)
        for pair in ([scores, b.constant(NEARLY_ZERO)], [b.constant(-NEARLY_ZERO), scores])
    ]
    top = b.add("reduce_max", [scores], axes=[1])
    power = b.add("function", [b.add("sub", [scores, top])], name="exp", params=[])
    kept = b.add("where", [b.add("max", beyond), power, b.constant(0.0)])
    return b.add("divide", [kept, b.add("reduce_sum", [kept], axes=[1])], at_least=None)


def label_numbers(node: OnnxNode, strings: str, integers: str) -> list[int]:
    """The integers that stand for the classes: the model's own integer labels, or the numbers of its string
    labels."""
    names = node.attrs.get(strings) or []
    return [node.scope.number_of(str(name)) for name in names] or [
        int(label) for label in node.attrs.get(integers) or []
    ]


def best_label(b: GraphBuilder, scores: Value, labels: Sequence[int]) -> Value:
    """The label [N] of the largest of scores [N, K], the first of equals."""
    best = reshaped(b, b.add("top_k", [scores], axis=1, k=1), [scores.shape[0]])
    if list(labels) == list(range(len(labels))):
        return best
    return b.add("gather", [b.constant(np.array(labels, dtype=np.int64)), best], axis=0)


def chosen_label(b: GraphBuilder, positive: Value, labels: Sequence[int]) -> Value:
    """The label [N] that a truth value [N, 1] picks: the second where it holds, else the first."""
    flat = reshaped(b, positive, [math.prod(positive.shape)])
    if list(labels) == [0, 1]:
        return b.retyped(flat, "int")
    first, second = (b.constant(np.int64(label)) for label in labels)
    return b.add("where", [flat, second, first])
