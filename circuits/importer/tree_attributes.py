"""Reads the two forms in which ai.onnx.ml spells trees: with leaves among the nodes, and apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits.importer.handlers import OnnxNode
from circuits.importer.trees import Numbers, Reals, Trees, simplified

MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")
SEPARATE_MODES = MODES[:-1]
NODE_COLUMNS = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
COMBINED_COLUMNS = (
    *("featureids", "modes", "splits", "truenodeids", "trueleafs"),
    *("falsenodeids", "falseleafs"),
)
MAX_LEAF_WEIGHTS = 1 << 26


def separate_trees(node: OnnxNode, prefix: str, targets: int) -> Trees:
    """The trees of a TreeEnsembleRegressor (prefix `target`) or a TreeEnsembleClassifier (prefix `class`).

    Raises
    ------
    UnsupportedError
        If the lists do not describe trees.
    """
    _check_lengths(node, [f"nodes_{name}" for name in NODE_COLUMNS])
    _check_lengths(node, [f"{prefix}_{name}" for name in ("treeids", "nodeids", "ids", "weights")])
    ids = list(zip(_integers(node, "nodes_treeids"), _integers(node, "nodes_nodeids"), strict=True))
    modes = [str(mode).removeprefix("BRANCH_") for mode in node.attrs["nodes_modes"]]
    number: dict[tuple[int, int], int] = {}
    nodes: list[int] = []
    leaves = 0
    for i, (key, mode) in enumerate(zip(ids, modes, strict=True)):
        if key in number:
            raise node.fail(f"its tree {key[0]} has two nodes {key[1]}")
        number[key] = ~leaves if mode == "LEAF" else len(nodes)
        if mode == "LEAF":
            leaves += 1
        elif mode in SEPARATE_MODES:
            nodes.append(i)
        else:
            raise node.fail(f"its mode {mode!r} is none of {', '.join(SEPARATE_MODES)}, LEAF")
    roots = list({tree: number[tree, name] for tree, name in reversed(ids)}.values())[::-1]
    values, named = _leaf_table(node, leaves, targets)
    places = zip(_integers(node, f"{prefix}_treeids"), _integers(node, f"{prefix}_nodeids"), strict=True)
    weights = _reals(node, f"{prefix}_weights")
    for key, target, weight in zip(places, _integers(node, f"{prefix}_ids"), weights, strict=True):
        leaf = ~_found(node, number, key)
        if leaf < 0 or not 0 <= target < targets:
            raise node.fail(f"its weight for target {target} at node {key[1]} of tree {key[0]} has no place")
        values[leaf, target] += weight
        named[leaf, target] = True
    yes, no = (
        np.array([_found(node, number, (ids[i][0], names[i])) for i in nodes], dtype=np.int64)
        for names in (_integers(node, "nodes_truenodeids"), _integers(node, "nodes_falsenodeids"))
    )
    thresholds = _reals(node, "nodes_values")
    if np.isnan(thresholds[nodes]).any():
        raise node.fail("a threshold is NaN")
    tests, features = [modes[i] for i in nodes], np.array(_integers(node, "nodes_featureids"), dtype=np.int64)
    return simplified(
        Trees(tests, features[nodes], thresholds[nodes], yes, no, np.array(roots), values, named)
    )


def combined_trees(node: OnnxNode) -> Trees:
    """The trees of a TreeEnsemble, whose leaves are numbered apart from its nodes.

    Raises
    ------
    UnsupportedError
        If the lists do not describe trees.
    """
    _check_lengths(node, [f"nodes_{name}" for name in COMBINED_COLUMNS])
    _check_lengths(node, ["leaf_targetids", "leaf_weights"])
    numbers = [int(mode) for mode in node.attrs["nodes_modes"]]
    if not all(0 <= number < len(MODES) for number in numbers):
        raise node.fail(f"its modes {sorted(set(numbers))} are not all from 0 to {len(MODES) - 1}")
    modes = [MODES[number] for number in numbers]
    splits = np.asarray(node.attrs["nodes_splits"], dtype=np.float64)
    weights = np.asarray(node.attrs["leaf_weights"], dtype=np.float64)
    values, named = _leaf_table(node, len(weights), int(node.attrs["n_targets"]))
    targets = np.array(_integers(node, "leaf_targetids"), dtype=np.int64)
    if (targets < 0).any() or (targets >= values.shape[1]).any():
        raise node.fail(f"its leaves name targets that are not within its {values.shape[1]}")
    values[np.arange(len(weights)), targets] = weights
    named[np.arange(len(weights)), targets] = True
    sets = iter(_sets(node))
    members = {i: next(sets, np.zeros(0)) for i, mode in enumerate(modes) if mode == "MEMBER"}
    if any(not len(found) for found in members.values()) or np.isnan(np.delete(splits, list(members))).any():
        raise node.fail("a node has no threshold or no set to compare with")
    yes, no = (_targets(node, side, len(modes), len(weights)) for side in ("true", "false"))
    roots = np.array(_integers(node, "tree_roots"), dtype=np.int64)
    if not len(roots) or (roots < 0).any() or (roots >= len(modes)).any():
        raise node.fail(f"its roots {roots.tolist()} are not all among its {len(modes)} nodes")
    features = np.array(_integers(node, "nodes_featureids"), dtype=np.int64)
    return simplified(Trees(modes, features, splits, yes, no, roots, values, named, members))


def _check_lengths(node: OnnxNode, names: Sequence[str]) -> None:
    """Refuse lists that are missing, or that do not have one entry for each node or leaf."""
    lengths = []
    for name in names:
        given = node.attrs.get(f"{name}_as_tensor", node.attrs.get(name))
        lengths.append(0 if given is None else len(given))
    if not min(lengths) or min(lengths) != max(lengths):
        found = ", ".join(f"{name} {length}" for name, length in zip(names, lengths, strict=True))
        raise node.fail(f"its lists do not have one entry each: {found}")


def _leaf_table(node: OnnxNode, leaves: int, targets: int) -> tuple[Reals, NDArray[np.bool_]]:
    """What each leaf adds to each target, and whether it names it, to be filled in."""
    if targets < 1 or leaves * targets > MAX_LEAF_WEIGHTS:
        raise node.fail(f"{targets} targets are none or too many for {leaves} leaves")
    return np.zeros((leaves, targets)), np.zeros((leaves, targets), dtype=bool)


def _targets(node: OnnxNode, side: str, nodes: int, leaves: int) -> Numbers:
    """Where the nodes lead if their test holds (side `true`) or does not (`false`)."""
    where = np.array(_integers(node, f"nodes_{side}nodeids"), dtype=np.int64)
    is_leaf = np.array(_integers(node, f"nodes_{side}leafs"), dtype=bool)
    if len(where) != nodes or (where < 0).any() or (where >= np.where(is_leaf, leaves, nodes)).any():
        raise node.fail(f"its nodes_{side}nodeids name nodes or leaves that do not exist")
    return np.where(is_leaf, ~where, where)


def _sets(node: OnnxNode) -> list[NDArray[np.float64]]:
    """The sets that MEMBER nodes test for, one after another in one list with NaN behind each."""
    flat = np.asarray(node.attrs.get("membership_values", np.zeros(0)), dtype=np.float64)
    ends = np.flatnonzero(np.isnan(flat))
    return [part[~np.isnan(part)] for part in np.split(flat, ends + 1)]


def _found(node: OnnxNode, number: dict[tuple[int, int], int], key: tuple[int, int]) -> int:
    if key not in number:
        raise node.fail(f"its tree {key[0]} has no node {key[1]}")
    return number[key]


def _integers(node: OnnxNode, name: str) -> list[int]:
    return [int(v) for v in node.attrs.get(name) or []]


def _reals(node: OnnxNode, name: str) -> NDArray[np.float64]:
    """A list of numbers, which opset 3 may give as a tensor of doubles instead."""
    given = node.attrs.get(f"{name}_as_tensor")
    return np.asarray(node.attrs.get(name) or [] if given is None else given, dtype=np.float64)
