"""Losses of class scores [N, C, d1, ...] against run-time or constant class numbers [N, d1, ...].

A class number picks a row of the identity matrix, so that the score of the right class is a sum of products
with 0 and 1. Class numbers beyond the classes, which ONNX leaves undefined unless they are ignored, count as
the nearest class.
"""

from __future__ import annotations

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import different, moved_axis, negative, number, scaled
from circuits.importer.axes import reshaped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.softmax import log_softmax


@handles("NegativeLogLikelihoodLoss")
def negative_log_likelihood(
    b: GraphBuilder, node: OnnxNode, log_probability: Value, target: Value, weight: Value | None = None
) -> Value:
    classes = log_probability.shape[1]
    if target.shape != (log_probability.shape[0], *log_probability.shape[2:]):
        raise node.fail(f"class numbers {target.shape} do not fit scores {log_probability.shape}")
    index = b.add("clip", [target], lo=0, hi=classes - 1)
    one_hot = b.add("gather", [b.constant(np.eye(classes, dtype=np.int64)), index], axis=0)
    rows = moved_axis(b, one_hot, one_hot.rank - 1, 1)
    picked = b.add("reduce_sum", [b.add("mul", [log_probability, rows])], axes=[1])
    loss = negative(b, reshaped(b, picked, target.shape))
    share = _share(b, node, target, index, weight)
    loss = loss if share is None else b.add("mul", [loss, share])
    if node.attrs["reduction"] == "none":
        return loss
    total = _total(b, loss)
    if node.attrs["reduction"] == "sum":
        return total
    if share is None:
        return scaled(b, total, 1 / int(np.prod(target.shape, dtype=np.int64)))
    return b.add("divide", [total, _total(b, share)], at_least=None)


@handles("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(
    b: GraphBuilder, node: OnnxNode, scores: Value, target: Value, weight: Value | None = None
) -> list[Value]:
    log_probability = log_softmax(b, scores, [1])
    return [negative_log_likelihood(b, node, log_probability, target, weight), log_probability]


def _share(
    b: GraphBuilder, node: OnnxNode, target: Value, index: Value, weight: Value | None
) -> Value | None:
    """The weight of each sample's class, 0 for those of the ignored class; None if all count alike."""
    ignored = node.attrs.get("ignore_index")
    counted = None if ignored is None else different(b, target, number(b, ignored, target))
    if weight is None:
        return None if counted is None else b.retyped(counted, "real")
    share = b.add("gather", [weight, index], axis=0)
    return share if counted is None else b.add("mul", [share, counted])


def _total(b: GraphBuilder, x: Value) -> Value:
    return reshaped(b, b.add("reduce_sum", [x], axes=list(range(x.rank))), [])
