"""Linear models and support vector machines of ai.onnx.ml. The answers are onnxruntime's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import negated, negative
from circuits.importer.axes import joined, reshaped
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.scores import best_label, chosen_label, label_numbers, transformed

ML = "ai.onnx.ml"


@handles("LinearRegressor", domain=ML)
def linear_regressor(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    scores = _linear(b, node, x, node.attrs["targets"])
    transform = node.attrs["post_transform"]
    if scores.shape[1] == 1 and transform != "PROBIT":  # onnxruntime leaves a single target as it is
        return scores
    return transformed(b, node, scores, transform)


@handles("LinearClassifier", domain=ML)
def linear_classifier(b: GraphBuilder, node: OnnxNode, x: Value) -> list[Value]:
    """The label and the scores [N, classes]; one row of coefficients scores the second of two classes."""
    labels = label_numbers(node, "classlabels_strings", "classlabels_ints")
    transform = node.attrs["post_transform"]
    scores = _linear(b, node, x, len(node.attrs.get("intercepts") or labels))
    if scores.shape[1] == len(labels) >= 2:
        return [best_label(b, scores, labels), transformed(b, node, scores, transform)]
    if scores.shape[1] != 1 or len(labels) != 2 or transform == "PROBIT":
        raise node.fail(
            f"{scores.shape[1]} scores and post_transform {transform} do not fit {len(labels)} labels"
        )
    label = chosen_label(b, b.add("greater", [scores, b.constant(0.0)]), labels)
    if transform == "LOGISTIC":
        return [label, transformed(b, node, joined(b, [negative(b, scores), scores], 1), transform)]
    return [label, joined(b, [b.add("sub", [b.constant(1.0), scores]), scores], 1)]


def _rows(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Features as [N, F], real."""
    if x.rank not in (1, 2):
        raise node.fail(f"its input of shape {x.shape} is no table of features")
    return b.retyped(reshaped(b, x, [1, *x.shape]) if x.rank == 1 else x, "real")


def _linear(b: GraphBuilder, node: OnnxNode, x: Value, targets: int) -> Value:
    """x @ coefficients.T + intercepts, [N, targets]."""
    rows = _rows(b, node, x)
    coefficients = _reals(node, "coefficients")
    if coefficients.size != targets * rows.shape[1]:
        raise node.fail(
            f"{coefficients.size} coefficients do not fit {targets} targets and {rows.shape[1]} features"
        )
    product = b.add("matmul", [rows, b.constant(coefficients.reshape(targets, -1).T)])
    intercepts = _reals(node, "intercepts")
    if intercepts.size not in (0, targets):
        raise node.fail(f"{intercepts.size} intercepts do not fit {targets} targets")
    return b.add("add", [product, b.constant(intercepts)]) if intercepts.size else product


def _reals(node: OnnxNode, name: str) -> NDArray[np.float64]:
    """A list of numbers, empty where the attribute is left out."""
    return np.array(node.attrs.get(name) or [], dtype=np.float64)


@handles("SVMRegressor", domain=ML)
def svm_regressor(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    rows = _rows(b, node, x)
    coefficients, rho = _reals(node, "coefficients"), _reals(node, "rho")
    supports = node.attrs.get("n_supports", 0)
    if coefficients.size != (supports or rows.shape[1]) or not rho.size:
        raise node.fail(f"{coefficients.size} coefficients and {rho.size} offsets are too many or too few")
    if supports:
        product = _machines(
            b, node, rows, _vectors(node, supports, rows.shape[1]), coefficients.reshape(-1, 1)
        )
    else:
        product = b.add("matmul", [rows, b.constant(coefficients.reshape(-1, 1))])
    score = b.add("add", [product, b.constant(rho[0])])
    if node.attrs.get("one_class", 0):
        inside = b.add("greater", [score, b.constant(0.0)])
        return b.add("where", [inside, b.constant(1.0), b.constant(-1.0)])
    return transformed(b, node, score, node.attrs["post_transform"])


@handles("SVMClassifier", domain=ML)
def svm_classifier(b: GraphBuilder, node: OnnxNode, x: Value) -> list[Value]:
    """One machine for each pair of classes; the class with most votes wins, the first of equals."""
    labels = label_numbers(node, "classlabels_strings", "classlabels_ints")
    counts = [int(n) for n in node.attrs.get("vectors_per_class") or []]
    if len(counts) != len(labels) or len(labels) < 2 or node.attrs["post_transform"] != "NONE":
        raise node.fail(
            "it has no support vectors of each class, or a post_transform: use LinearClassifier, or NONE"
        )
    rows = _rows(b, node, x)
    vectors = _vectors(node, sum(counts), rows.shape[1])
    pairs = list(combinations(range(len(labels)), 2))
    coefficients, rho = _reals(node, "coefficients"), _reals(node, "rho")
    slopes, shifts = _reals(node, "prob_a"), _reals(node, "prob_b")
    if coefficients.size != len(vectors) * (len(labels) - 1) or rho.size != len(pairs):
        raise node.fail(
            f"{coefficients.size} coefficients and {rho.size} offsets do not fit {len(labels)} classes"
        )
    if slopes.size != shifts.size or slopes.size not in (0, len(pairs)):
        raise node.fail(
            f"{slopes.size} slopes and {shifts.size} shifts do not fit {len(pairs)} pairs of classes"
        )
    machines = _machines(b, node, rows, vectors, _pair_weights(coefficients, counts, pairs))
    scores = b.add("add", [machines, b.constant(rho)])
    votes = _votes(b, scores, pairs, len(labels))
    label = best_label(b, votes, labels)
    if not slopes.size:
        return [label, scores if len(pairs) > 1 else joined(b, [negative(b, scores), scores], 1)]
    if len(pairs) > 1:
        raise node.fail(
            "the probabilities of more than two classes come from an iteration that runs until it converges: "
            "train with probability=False"
        )
    line = b.add("mul", [scores, b.constant(-slopes[0])])
    first = b.add("function", [b.add("sub", [line, b.constant(shifts[0])])], name="sigmoid", params=[])
    return [label, joined(b, [first, b.add("sub", [b.constant(1.0), first])], 1)]


def _vectors(node: OnnxNode, count: int, features: int) -> NDArray[np.float64]:
    vectors = _reals(node, "support_vectors")
    if count < 1 or vectors.size != count * features:
        raise node.fail(f"its {count} support vectors do not have {features} features each")
    return vectors.reshape(count, features)


def _machines(
    b: GraphBuilder, node: OnnxNode, rows: Value, vectors: NDArray[np.float64], weights: NDArray[np.float64]
) -> Value:
    """The weighted sums [N, machines] of each row's similarities to the support vectors, weights [vectors,
    machines]."""
    if node.attrs["kernel_type"] == "LINEAR":
        return b.add("matmul", [rows, b.constant(vectors.T @ weights)])
    return b.add("matmul", [_kernel(b, node, rows, vectors), b.constant(weights)])


def _kernel(b: GraphBuilder, node: OnnxNode, rows: Value, vectors: NDArray[np.float64]) -> Value:
    """The similarity [N, vectors] of each row to each support vector."""
    name = node.attrs["kernel_type"]
    params = node.attrs.get("kernel_params") or [1.0, 0.0, 0.0]
    if len(params) != 3:
        raise node.fail(f"its kernel has {len(params)} parameters in place of gamma, coef0 and degree")
    gamma, shift, degree = params
    if name == "RBF":
        apart = b.add("sub", [reshaped(b, rows, [rows.shape[0], 1, rows.shape[1]]), b.constant(vectors)])
        squared = b.add("reduce_sum", [b.add("mul", [apart, apart])], axes=[2])
        distance = reshaped(b, squared, [rows.shape[0], len(vectors)])
        return b.add(
            "function", [b.add("mul", [distance, b.constant(np.float64(-gamma))])], name="exp", params=[]
        )
    scaled = b.add("matmul", [rows, b.constant(vectors.T * gamma)])
    line = b.add("add", [scaled, b.constant(np.float64(shift))]) if shift else scaled
    if name == "SIGMOID":
        return b.add("function", [line], name="tanh", params=[])
    if name != "POLY":
        raise node.fail(f"its kernel {name!r} is none of LINEAR, POLY, RBF, SIGMOID")
    return b.add("function", [line], name="pow", params=[float(degree)])


def _pair_weights(
    coefficients: NDArray[np.float64], counts: Sequence[int], pairs: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """The weight [vectors, pairs] of each support vector in the machine of each pair of classes.

    Row j - 1 of the coefficients weighs the vectors of the classes before j against class j; row i those
    behind i against class i.
    """
    table = coefficients.reshape(len(counts) - 1, -1)
    ends = np.cumsum([0, *counts])
    weights = np.zeros((int(ends[-1]), len(pairs)))
    for k, (i, j) in enumerate(pairs):
        own, other = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        weights[own, k] = table[j - 1, own]
        weights[other, k] = table[i, other]
    return weights


def _votes(b: GraphBuilder, scores: Value, pairs: Sequence[tuple[int, int]], classes: int) -> Value:
    """How many pairs [N, classes] each class wins; a pair's first class wins with a positive score."""
    first = b.add("greater", [scores, b.constant(0.0)])
    won, lost = np.zeros((2, len(pairs), classes), dtype=np.int64)
    for k, (i, j) in enumerate(pairs):
        won[k, i] = lost[k, j] = 1
    wins = [
        b.add("matmul", [side, b.constant(table)], kind="int")
        for side, table in ((first, won), (negated(b, first), lost))
    ]
    return b.add("add", wins)
