"""Tree ensembles of ai.onnx.ml, boosted or forests. The answers are onnxruntime's, odd cases included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negative, scaled
from circuits.importer.axes import joined, reshaped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.scores import TRANSFORMS, best_label, chosen_label, label_numbers, transformed
from circuits.importer.tree_attributes import combined_trees, separate_trees
from circuits.importer.trees import Trees, outcomes

ML = "ai.onnx.ml"
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


@handles("TreeEnsembleRegressor", domain=ML)
def regressor(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    targets = node.attrs.get("n_targets") or 1 + max(node.attrs.get("target_ids") or [0])
    scores = scores_of(b, node, x, separate_trees(node, "target", targets), node.attrs["aggregate_function"])
    base = _base(node)
    scores = _plus(b, scores, base if len(base) == targets else [])
    transform = node.attrs["post_transform"]
    if targets == 1 and transform != "PROBIT":  # onnxruntime leaves a single target as it is
        return scores
    return transformed(b, node, scores, transform)


@handles("TreeEnsemble", domain=ML)
def ensemble(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    aggregate = dict(enumerate(AGGREGATES)).get(node.attrs["aggregate_function"], "")
    scores = scores_of(b, node, x, combined_trees(node), aggregate)
    transform = dict(enumerate(TRANSFORMS)).get(node.attrs["post_transform"], "")
    return (
        scores if scores.shape[1] == 1 and transform != "PROBIT" else transformed(b, node, scores, transform)
    )


@handles("TreeEnsembleClassifier", domain=ML)
def classifier(b: GraphBuilder, node: OnnxNode, x: Value) -> list[Value]:
    """The label and the scores [N, classes]. String labels become the numbers of the classes."""
    labels = label_numbers(node, "classlabels_strings", "classlabels_int64s")
    if len(labels) < 2:
        raise node.fail("it has fewer than two classes")
    trees = separate_trees(node, "class", len(labels))
    if len(labels) == 2:
        return _binary(b, node, x, trees, labels)
    base = _base(node)
    scores = _plus(b, scores_of(b, node, x, trees, "SUM"), base + [0.0] * (len(labels) - len(base)))
    eligible = [k for k in range(len(labels)) if k < len(base) or _scored(node, trees, k)]
    running = scores
    if len(eligible) < len(labels):
        running = b.add("gather", [scores, b.constant(np.array(eligible, dtype=np.int64))], axis=1)
    label = best_label(b, running, [labels[k] for k in eligible])
    return [label, transformed(b, node, scores, node.attrs["post_transform"])]


def _binary(b: GraphBuilder, node: OnnxNode, x: Value, trees: Trees, labels: Sequence[int]) -> list[Value]:
    """Two classes: leaves may score the first only, the second only, or both; `base` may name either or
    both."""
    base, transform = _base(node), node.attrs["post_transform"]
    sums = scores_of(b, node, x, trees, "SUM")
    first, second = (b.add("gather", [sums, b.constant(np.array([k]))], axis=1) for k in (0, 1))
    has_first, has_second = (_scored(node, trees, k) for k in (0, 1))
    single = has_first != has_second
    least = 0.5 if single and not (trees.values < 0).any() else 0.0
    if not has_second and len(base) < 2:
        score = _plus(b, first, base)
        label = chosen_label(b, b.add("greater", [score, b.constant(least)]), labels)
        mirrored = b.add("sub", [b.constant(1.0), score]) if least else negative(b, score)
        if transform == "PROBIT":
            raise node.fail(
                "its PROBIT of a single score leaves the other class without one: use LOGISTIC or NONE"
            )
        if transform == "LOGISTIC":
            return [label, transformed(b, node, joined(b, [negative(b, score), score], 1), transform)]
        return [label, joined(b, [mirrored, score], 1)]
    if not has_second:
        pair = [_plus(b, first, base[:1]), second]
        decisive = pair[0]
    elif len(base) == 2:
        decisive = _plus(b, first, base[1:])
        pair = [negative(b, decisive) if has_first else first, decisive]
    else:
        pair = [_plus(b, first, base) if has_first else first, second]
        decisive = second
    if not single and not node.attrs.get("classlabels_strings"):
        labels = [
            0,
            1,
        ]  # with scores for both classes onnxruntime answers so, whatever the integer labels are
    label = chosen_label(b, b.add("greater", [decisive, b.constant(least)]), labels)
    return [label, transformed(b, node, joined(b, pair, 1), transform)]


def scores_of(b: GraphBuilder, node: OnnxNode, x: Value, trees: Trees, aggregate: str) -> Value:
    """The scores [N, targets] of features [N, F] or [F] over all trees, without base values."""
    features = reshaped(b, x, [1, *x.shape]) if x.rank == 1 else x
    if features.rank != 2 or not set(trees.feature.tolist()) <= set(range(features.shape[1])):
        raise node.fail(f"it reads features that its input of shape {x.shape} does not have")
    if aggregate not in AGGREGATES:
        raise node.fail(f"its aggregate function is none of {', '.join(AGGREGATES)}")
    count, targets = len(trees.roots), trees.values.shape[1]
    if targets == 1:
        each = outcomes(b, features, trees, trees.values[:, 0])  # [N, trees]
        each = reshaped(b, each, [*each.shape, 1])
    else:
        leaf = outcomes(b, features, trees, np.arange(len(trees.values)))
        each = b.add("gather", [b.constant(trees.values), leaf], axis=0)  # [N, trees, targets]
    if aggregate in ("MIN", "MAX"):
        if not trees.named.all():
            raise node.fail(f"it takes the {aggregate} over leaves that do not all name every target")
        each = negative(b, each) if aggregate == "MIN" else each
        best = b.add("reduce_max", [each], axes=[1])
        total = negative(b, best) if aggregate == "MIN" else best
    else:
        total = b.add("reduce_sum", [each], axes=[1])
        total = scaled(b, total, 1 / count) if aggregate == "AVERAGE" else total
    return reshaped(b, total, [features.shape[0], targets])


def _base(node: OnnxNode) -> list[float]:
    given = node.attrs.get("base_values_as_tensor")
    return [float(v) for v in (node.attrs.get("base_values") or [] if given is None else given)]


def _plus(b: GraphBuilder, scores: Value, base: Sequence[float]) -> Value:
    return b.add("add", [scores, b.constant(np.array(base))]) if any(base) else scores


def _scored(node: OnnxNode, trees: Trees, target: int) -> bool:
    """Whether a class always gets a score; False if it never does.

    Raises
    ------
    UnsupportedError
        If it depends on the leaves reached, and the answer with it.
    """
    named = trees.named[:, target]
    if not named.any():
        return False
    everywhere = any(named[leaves].all() for leaves in trees.leaves())
    if not everywhere and (trees.values[trees.named] <= 0).any():
        raise node.fail(
            "whether a class has a score at all depends on the leaves reached: name every class in every leaf"
        )
    return True
