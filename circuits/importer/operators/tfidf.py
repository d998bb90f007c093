"""Counts of n-grams in sequences of token numbers, plain or weighted.

    count[g] = the number of starts p and distances s with x[p + j*s] = g[j] for every j

With e[c, v] = 1 where x[c] is the v-th distinct token of the pool, an n-gram's occurrence is a product of n
cells of e.
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import equal, number
from circuits.importer.axes import along, reshaped
from circuits.importer.handlers import OnnxNode, handles

Gram = tuple[int, ...]


@handles("TfIdfVectorizer")
def tf_idf(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    if not node.attrs.get("pool_int64s"):
        raise node.fail("it counts strings, which are no numbers: number the tokens outside")
    columns = list(node.attrs["ngram_indexes"])
    width = max(columns) + 1
    rows = x if x.rank else reshaped(b, x, [1])
    found = b.constant(np.zeros((*rows.shape[:-1], width), dtype=np.int64))
    tokens = sorted(set(node.attrs["pool_int64s"]))
    present = b.retyped(
        equal(b, reshaped(b, rows, [*rows.shape, 1]), b.constant(np.array(tokens, dtype=np.int64))), "int"
    )
    for length, grams in pool(node).items():
        counts = _counts(b, node, present, length, list(grams), tokens)
        if counts is not None:
            placing = np.zeros((len(grams), width), dtype=np.int64)
            placing[range(len(grams)), [columns[i] for i in grams.values()]] = 1
            placed = b.add("matmul", [counts, b.constant(placing)])
            found = b.add("add", [found, reshaped(b, placed, found.shape)])
    return _weighted(b, node, found, width)


def pool(node: OnnxNode) -> dict[int, dict[Gram, int]]:
    """The n-grams that count, by length, each with its number in the whole pool."""
    tokens, starts = (
        list(node.attrs["pool_int64s"]),
        [*node.attrs["ngram_counts"], len(node.attrs["pool_int64s"])],
    )
    shortest, longest = node.attrs["min_gram_length"], node.attrs["max_gram_length"]
    grams: dict[int, dict[Gram, int]] = {}
    number = 0
    for length, (start, stop) in enumerate(pairwise(starts), start=1):
        for at in range(start, stop, length):
            if shortest <= length <= longest:
                grams.setdefault(length, {})[tuple(tokens[at : at + length])] = number
            number += 1
    if number != len(node.attrs["ngram_indexes"]):
        raise node.fail(
            f"its pool holds {number} n-grams and ngram_indexes has {len(node.attrs['ngram_indexes'])}"
        )
    return grams


def _counts(
    b: GraphBuilder, node: OnnxNode, present: Value, length: int, grams: list[Gram], tokens: list[int]
) -> Value | None:
    """How often each n-gram of one length occurs, [..., grams]; None where the sequence is too short."""
    axis = present.rank - 2
    size = present.shape[axis]
    total: Value | None = None
    distances = 1 if length == 1 else node.attrs["max_skip_count"] + 1
    for distance in range(1, distances + 1):
        places = size - (length - 1) * distance
        if places < 1:
            break
        factors = []
        for j in range(length):
            which = b.constant(np.array([tokens.index(gram[j]) for gram in grams], dtype=np.int64))
            cells = along(b, present, axis, range(j * distance, j * distance + places))
            factors.append(b.add("gather", [cells, which], axis=axis + 1))
        occurs = reduce(lambda x, y: b.add("mul", [x, y]), factors)
        count = b.add("reduce_sum", [occurs], axes=[axis])
        total = count if total is None else b.add("add", [total, count])
    return total


def _weighted(b: GraphBuilder, node: OnnxNode, counts: Value, width: int) -> Value:
    """Counts as they are (TF), or the weights of those that occur (IDF), or their products (TFIDF)."""
    mode = node.attrs["mode"]
    if mode == "IDF":
        counts = b.retyped(b.add("greater", [counts, number(b, 0, counts)]), "int")
    weights = node.attrs.get("weights")
    real = b.retyped(counts, "real")
    if mode == "TF" or not weights:
        return real
    if len(weights) != width:
        raise node.fail(f"it has {len(weights)} weights for {width} columns")
    return b.add("mul", [real, b.constant(np.array(weights, dtype=np.float64))])
