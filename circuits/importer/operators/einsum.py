"""Einstein summation: diagonals, then one contraction after another, then what is left is summed and ordered.

Contracting two operands is a batched matrix product [batch, left, sum] x [batch, sum, right]; without a
label to sum it is an elementwise product.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import reshaped, transposed
from circuits.importer.casting import wrapped
from circuits.importer.handlers import OnnxNode, handles

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Term:
    """A tensor with a label for each axis."""

    value: Value
    labels: Labels


@handles("Einsum")
def einsum(b: GraphBuilder, node: OnnxNode, *xs: Value) -> Value:
    inputs, output = parsed(node, node.attrs["equation"], [x.rank for x in xs])
    sizes: dict[str, int] = {}
    for x, labels in zip(xs, inputs, strict=True):
        for n, label in zip(x.shape, labels, strict=True):
            if sizes.setdefault(label, n) == 1:
                sizes[label] = n
            if n not in (1, sizes[label]):
                raise node.fail(f"its label {label!r} has the sizes {sizes[label]} and {n}")
    terms = [
        _diagonal(b, _stretched(b, Term(x, labels), sizes)) for x, labels in zip(xs, inputs, strict=True)
    ]
    total = terms[0]
    for i, term in enumerate(terms[1:], start=2):
        needed = {*output, *(label for later in terms[i:] for label in later.labels)}
        total = _contracted(
            b, _summed(b, total, needed | {*term.labels}), _summed(b, term, needed | {*total.labels}), needed
        )
    total = _summed(b, total, set(output))
    return wrapped(
        b, transposed(b, total.value, [total.labels.index(label) for label in output]), node.dtypes[0]
    )


def parsed(node: OnnxNode, equation: str, ranks: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The labels of each input and of the output; an ellipsis' axes are numbered from the last backwards."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise node.fail(f"the equation {equation!r} does not fit {len(ranks)} inputs")
    inputs = [_labels(node, equation, term, rank) for term, rank in zip(terms, ranks, strict=True)]
    dots = max((sum(label.isdigit() for label in labels) for labels in inputs), default=0)
    ellipsis = [str(i) for i in range(dots - 1, -1, -1)]
    if arrow:
        output = _labels(node, equation, right, len(right.replace("...", "")) + dots * ("..." in right))
    else:
        once = Counter(label for label in left if label.isalpha())
        output = (*ellipsis, *sorted(label for label, count in once.items() if count == 1))
    known = {label for labels in inputs for label in labels}
    if len(set(output)) != len(output) or not set(output) <= known:
        raise node.fail(f"the equation {equation!r} names output axes twice or not among its inputs")
    return inputs, output


def _labels(node: OnnxNode, equation: str, term: str, rank: int) -> Labels:
    head, dots, tail = term.partition("...")
    width = rank - len(head) - len(tail)
    letters = (head + tail).isalpha() or not head + tail
    if not letters or width < 0 or (width > 0 and not dots):
        raise node.fail(
            f"the term {term!r} of the equation {equation!r} does not fit a tensor of {rank} axes"
        )
    return (*head, *(str(i) for i in range(width - 1, -1, -1)), *tail)


def _stretched(b: GraphBuilder, term: Term, sizes: dict[str, int]) -> Term:
    """Axes of size 1 broadcast to their label's size."""
    return Term(b.add("broadcast", [term.value], shape=[sizes[label] for label in term.labels]), term.labels)


def _diagonal(b: GraphBuilder, term: Term) -> Term:
    """A label that comes twice keeps one axis, of the cells where both indices agree."""
    labels = tuple(dict.fromkeys(term.labels))
    if labels == term.labels:
        return term
    size = dict(zip(term.labels, term.value.shape, strict=True))
    index = np.indices([size[label] for label in labels])
    flat = np.ravel_multi_index(tuple(index[labels.index(label)] for label in term.labels), term.value.shape)
    cells = reshaped(b, term.value, [math.prod(term.value.shape)])
    return Term(b.add("gather", [cells, b.constant(flat.astype(np.int64))], axis=0), labels)


def _summed(b: GraphBuilder, term: Term, needed: set[str]) -> Term:
    """The sum over labels that nothing needs any more."""
    axes = [axis for axis, label in enumerate(term.labels) if label not in needed]
    if not axes:
        return term
    kept = [axis for axis in range(term.value.rank) if axis not in axes]
    total = b.add("reduce_sum", [term.value], axes=axes)
    return Term(
        reshaped(b, total, [term.value.shape[axis] for axis in kept]),
        tuple(term.labels[axis] for axis in kept),
    )


def _contracted(b: GraphBuilder, x: Term, y: Term, needed: set[str]) -> Term:
    """Two operands become one; labels that both have and nothing needs later are summed."""
    shared = [label for label in x.labels if label in y.labels]
    batch = [label for label in shared if label in needed]
    inner = [label for label in shared if label not in needed]
    left = [label for label in x.labels if label not in shared]
    right = [label for label in y.labels if label not in shared]
    size = dict(zip(x.labels + y.labels, x.value.shape + y.value.shape, strict=True))
    rows, columns = math.prod(size[label] for label in left), math.prod(size[label] for label in right)
    groups, depth = math.prod(size[label] for label in batch), math.prod(size[label] for label in inner)
    a = reshaped(b, _ordered(b, x, [*batch, *left, *inner]), [groups, rows, depth])
    c = reshaped(b, _ordered(b, y, [*batch, *inner, *right]), [groups, depth, columns])
    product = b.add("matmul" if inner else "mul", [a, c])
    labels = (*batch, *left, *right)
    return Term(reshaped(b, product, [size[label] for label in labels]), labels)


def _ordered(b: GraphBuilder, term: Term, labels: Sequence[str]) -> Value:
    return transposed(b, term.value, [term.labels.index(label) for label in labels])
