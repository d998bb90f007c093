"""Decision trees without paths: all decisions at once, then one choice a node, from the deepest up.

    decision[k] = x[feature[k]] > threshold[k]                          all trees, equal decisions shared
    result[node] = result[its yes node] if its decision holds, else result[its no node]
    result[leaf] = the leaf's value, or its number

Nodes of one depth are one tensor, so that a forest takes as many steps as its deepest tree has levels, and
one comparison and one choice a node. The bounds stay those of the leaves' values. `x <= t` is lowered as the
opposite of `x > t`, which the quantiser keeps exact on the grid of x; so are all other tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from circuits.errors import ModelError
from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import equal

Numbers = NDArray[np.int64]
Reals = NDArray[np.float64]

OPPOSITE = {"LEQ": "GT", "GTE": "LT", "NEQ": "EQ"}
"""Tests that are lowered as another one with the branches swapped."""
NONE = -1


@dataclass(frozen=True)
class Trees:
    """All trees of an ensemble in one numbering: nodes 0 .. n-1, leaves 0 .. m-1."""

    test: Sequence[str]
    """LEQ, LT, GTE, GT, EQ, NEQ or MEMBER of each node."""
    feature: Numbers
    threshold: Reals
    yes: Numbers
    no: Numbers
    """Where each node leads: a node, or the leaf k as ~k."""
    roots: Numbers
    """One a tree, likewise."""
    values: Reals
    """[m, targets], 0 where a leaf does not name a target."""
    named: NDArray[np.bool_]
    """[m, targets]"""
    members: dict[int, Reals] = field(default_factory=dict)
    """The set that a MEMBER node tests for."""

    def leaves(self) -> Iterator[Numbers]:
        """The leaves of each tree in turn."""
        for root in self.roots:
            level, found = np.array([root]), []
            while level.size:
                found.append(~level[level < 0])
                inner = level[level >= 0]
                level = np.concatenate([self.yes[inner], self.no[inner]])
            yield np.concatenate(found)


def simplified(trees: Trees) -> Trees:
    """The same trees with tests GT, LT, EQ and MEMBER only, and none whose outcome is known.

    An infinite threshold (how gradient boosting splits off missing values) has a known outcome: an input is
    finite.
    """
    yes, no = trees.yes.copy(), trees.no.copy()
    tests = list(trees.test)
    settled: dict[int, int] = {}
    for i, name in enumerate(tests):
        if name in OPPOSITE:
            tests[i] = OPPOSITE[name]
            yes[i], no[i] = no[i], yes[i]
        bound = trees.threshold[i]
        if name != "MEMBER" and not np.isfinite(bound):
            holds = (tests[i] == "GT" and bound == -np.inf) or (tests[i] == "LT" and bound == np.inf)
            settled[i] = int(yes[i] if holds else no[i])

    def end(target: int) -> int:
        for _ in range(len(tests) + 1):
            if target not in settled:
                return target
            target = settled[target]
        raise ModelError("a tree's nodes lead to one another in a circle")

    roots = np.array([end(int(root)) for root in trees.roots], dtype=np.int64)
    for i in range(len(tests)):
        yes[i], no[i] = end(int(yes[i])), end(int(no[i]))
    return Trees(
        tests, trees.feature, trees.threshold, yes, no, roots, trees.values, trees.named, trees.members
    )


def levels_of(trees: Trees) -> list[Numbers]:
    """The nodes by depth, the roots first.

    Raises
    ------
    ModelError
        If a node is reached twice: then it is no tree.
    """
    seen = np.zeros(len(trees.test), dtype=bool)
    level = trees.roots[trees.roots >= 0]
    levels = []
    while level.size:
        if seen[level].any() or len(np.unique(level)) != len(level):
            raise ModelError("a tree's node is reached in two ways")
        seen[level] = True
        levels.append(level)
        below = np.concatenate([trees.yes[level], trees.no[level]])
        level = below[below >= 0]
    return levels


def decisions(b: GraphBuilder, x: Value, trees: Trees, nodes: Numbers) -> tuple[Value, Numbers]:
    """Truth values [N, k] of the distinct tests among `nodes`, and the column of each node of the ensemble.

    Parameters
    ----------
    x
        Features [N, F].
    """
    column = np.full(len(trees.test), NONE)
    parts: list[Value] = []
    width = 0
    tests = np.array(trees.test)
    for name in ("GT", "LT", "EQ"):
        chosen = nodes[tests[nodes] == name]
        if not chosen.size:
            continue
        pairs = np.stack([trees.feature[chosen].astype(np.float64), trees.threshold[chosen]], axis=1)
        distinct, place = np.unique(pairs, axis=0, return_inverse=True)
        column[chosen] = width + place.reshape(-1)
        width += len(distinct)
        taken = b.add("gather", [x, b.constant(distinct[:, 0].astype(np.int64))], axis=1)
        bounds = b.constant(distinct[:, 1])
        if name == "EQ":
            parts.append(equal(b, taken, bounds))
        else:
            parts.append(b.add("greater", [taken, bounds] if name == "GT" else [bounds, taken]))
    for node in nodes[tests[nodes] == "MEMBER"].tolist():
        column[node] = width
        width += 1
        taken = b.add(
            "gather", [x, b.constant(np.full(len(trees.members[node]), trees.feature[node]))], axis=1
        )
        parts.append(b.add("reduce_max", [equal(b, taken, b.constant(trees.members[node]))], axes=[1]))
    return (parts[0] if len(parts) == 1 else b.add("concat", parts, axis=1)), column


def outcomes(b: GraphBuilder, x: Value, trees: Trees, leaves: NDArray[np.float64] | Numbers) -> Value:
    """What each tree's leaf holds, [N, trees], where leaf k holds leaves[k]. The trees are simplified
    ones."""
    levels = levels_of(trees)
    rows = x.shape[0]
    if not levels:
        return b.constant(np.broadcast_to(leaves[~trees.roots], (rows, len(trees.roots))))
    held, column = decisions(b, x, trees, np.concatenate(levels))
    place = np.full(len(trees.test), NONE)
    below: Value | None = None
    for level in reversed(levels):
        choice = b.add("gather", [held, b.constant(column[level])], axis=1)
        branches = [
            _results(b, below, place, targets[level], leaves, rows) for targets in (trees.yes, trees.no)
        ]
        below = b.add("where", [choice, *branches])
        place[level] = np.arange(len(level))
    return _results(b, below, place, trees.roots, leaves, rows)


def _results(
    b: GraphBuilder,
    below: Value | None,
    place: Numbers,
    targets: Numbers,
    leaves: NDArray[np.generic],
    rows: int,
) -> Value:
    """The results [N, k] of targets that are leaves, or nodes whose results are columns of `below`."""
    ends = targets < 0
    if below is None or ends.all():
        return b.constant(leaves[~targets][None])
    source = place[np.where(ends, 0, targets)]
    if ends.any():
        held, which = np.unique(leaves[~targets[ends]], return_inverse=True)
        source[ends] = below.shape[1] + which
        below = b.add("concat", [below, b.constant(np.repeat(held[None], rows, axis=0))], axis=1)
    return b.add("gather", [below, b.constant(source)], axis=1)
