"""Tree ensembles: random ones of every form against onnxruntime, thresholds to the bit, malformed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from circuits.calibrate import calibrate
from circuits.data import quantise_inputs
from circuits.errors import ModelError, UnsupportedError
from circuits.evaluate import evaluate
from circuits.executor import execute
from circuits.importer.admission import admit_numbers
from circuits.importer.importer import import_model
from circuits.quantise import Options, quantise
from tests.importer.one_node import Array, floats, model, reference

ML = "ai.onnx.ml"
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
FEATURES = 4
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


class Forest:
    """The attributes of a random ensemble whose thresholds and data share a grid of halves."""

    def __init__(self, rng: np.random.Generator, targets: Sequence[int], positive: bool = False) -> None:
        self.rng, self.targets, self.positive = rng, targets, positive
        self.modes = MODES if rng.random() < 0.5 else [str(rng.choice(MODES))]
        names = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
        self.nodes: dict[str, list[Any]] = {f"nodes_{name}": [] for name in names}
        self.weights: list[tuple[int, int, int, float]] = []
        for tree in range(int(rng.integers(1, 5))):
            self.count = 0
            self.grow(tree, int(rng.integers(0, 5)))

    def grow(self, tree: int, depth: int) -> int:
        rng, name = self.rng, self.count
        self.count += 1
        at = len(self.nodes["nodes_treeids"])
        leaf = depth == 0 or rng.random() < 0.25
        mode = "LEAF" if leaf else str(rng.choice(self.modes))
        row = (tree, name, int(rng.integers(FEATURES)), float(rng.integers(-3, 4)) / 2, mode, 0, 0)
        for column, value in zip(self.nodes.values(), row, strict=True):
            column.append(value)
        if leaf:
            for target in self.targets:
                weight = float(np.float32(rng.normal()))
                self.weights.append((tree, name, target, abs(weight) if self.positive else weight))
        else:
            self.nodes["nodes_truenodeids"][at] = self.grow(tree, depth - 1)
            self.nodes["nodes_falsenodeids"][at] = self.grow(tree, depth - 1)
        return name

    def attrs(self, prefix: str) -> dict[str, Any]:
        columns = zip(*self.weights, strict=True)
        names = (f"{prefix}_{name}" for name in ("treeids", "nodeids", "ids", "weights"))
        return self.nodes | dict(zip(names, map(list, columns), strict=True))


def agree(made: onnx.ModelProto, x: Array) -> None:
    for got, want in zip(floats(made, [x]), reference(made, [x]), strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want.astype(np.float64), atol=1e-5)


def grid(rng: np.random.Generator, rows: int = 7) -> Array:
    return (rng.integers(-4, 5, size=(rows, FEATURES)) / 2).astype(np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_random_regressors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = int(rng.integers(1, 4))
    attrs = Forest(rng, range(targets)).attrs("target") | {
        "n_targets": targets,
        "post_transform": str(rng.choice(TRANSFORMS)),
        "aggregate_function": str(rng.choice(["SUM", "AVERAGE", "MIN", "MAX"])),
    }
    if rng.random() < 0.5:
        attrs["base_values"] = rng.normal(size=targets).tolist()
    agree(model("TreeEnsembleRegressor", {"x": grid(rng)}, attrs, domain=ML), grid(rng))


@pytest.mark.parametrize("seed", range(60))
def test_random_classifiers(seed: int) -> None:
    """Two classes have many odd cases: leaves that score one class or both, base values, all weights
    positive."""
    rng = np.random.default_rng(1000 + seed)
    classes = int(rng.choice([2, 2, 3, 5]))
    some = np.sort(rng.choice(classes, size=int(rng.integers(1, classes + 1)), replace=False))
    bases = int(rng.choice([0, 1, 2] if classes == 2 else [0, classes]))
    attrs = Forest(rng, some.tolist(), bool(rng.random() < 0.5)).attrs("class") | {
        "classlabels_int64s": [30, 10, 20, 50, 40][:classes],
        "post_transform": str(rng.choice(TRANSFORMS)),
    }
    if bases:
        attrs["base_values"] = rng.normal(size=bases).tolist()
    agree(model("TreeEnsembleClassifier", {"x": grid(rng)}, attrs, outputs=2, domain=ML), grid(rng))


def stump(threshold: float, mode: str = "BRANCH_LEQ") -> dict[str, Any]:
    """One node with two leaves, 1.0 where the test holds and 3.0 where it does not."""
    return {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [1, 0, 0],
        "nodes_values": [threshold, 0.0, 0.0],
        "nodes_modes": [mode, "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 3.0],
        "n_targets": 1,
    }


def answers(made: onnx.ModelProto, x: Array) -> list[Array]:
    """The circuit's integers over a batch, calibrated on that batch."""
    graph = import_model(made)
    circuit = quantise(graph, calibrate(graph, [x]), Options(), {})
    return [np.asarray(y) for y in execute(circuit, quantise_inputs(circuit, [x]))]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("threshold", [0.1, 0.7, -1.6, 3.3e-3, 1000.1])
def test_thresholds_are_exact_for_their_float32_neighbours(mode: str, threshold: float) -> None:
    t = np.float32(threshold)
    column = np.array([t, np.nextafter(t, np.float32(-9e9)), np.nextafter(t, np.float32(9e9))])
    column = np.concatenate([column, [4000, -4000, 0, 2 * t]]).astype(np.float32)
    x = np.stack([np.zeros_like(column), column], axis=1)
    made = model("TreeEnsembleRegressor", {"x": x[:1]}, stump(float(t), mode), domain=ML)
    got = answers(made, x[:, None])[0].reshape(-1)
    want = np.concatenate([reference(made, [row[None]])[0].reshape(-1) for row in x])
    np.testing.assert_array_equal(got > got.min(), want > 1)


def test_integer_features_compare_with_fractions() -> None:
    x = np.arange(-6, 7).repeat(2).reshape(-1, 1, 2)
    made = model("TreeEnsembleRegressor", {"x": x[0]}, stump(2.5), domain=ML)
    got = answers(made, x)[0].reshape(-1)
    np.testing.assert_array_equal(got > got.min(), x[:, 0, 1] > 2.5)


def test_infinite_thresholds_leave_one_branch() -> None:
    x = np.array([[0, 5.0], [0, -5.0]], np.float32)
    for threshold, value in ((np.inf, 1.0), (-np.inf, 3.0)):
        made = model("TreeEnsembleRegressor", {"x": x}, stump(threshold), domain=ML)
        np.testing.assert_array_equal(floats(made, [x])[0], [[value], [value]])


def test_equal_decisions_are_made_once() -> None:
    attrs = stump(0.5)
    doubled = {name: value * 2 if isinstance(value, list) else value for name, value in attrs.items()}
    doubled |= {"nodes_treeids": [0, 0, 0, 1, 1, 1], "target_treeids": [0, 0, 1, 1]}
    x = np.zeros((1, 2), np.float32)
    graph = import_model(model("TreeEnsembleRegressor", {"x": x}, doubled, domain=ML))
    assert [node.shape for node in graph.nodes if node.op == "greater"] == [(1, 1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes_truenodeids": [7, 0, 0]}, "tree 0 has no node 7"),
        ({"nodes_truenodeids": [0, 0, 0]}, "reached in two ways"),
        ({"nodes_featureids": [2, 0, 0]}, "reads features that"),
        ({"nodes_nodeids": [0, 1, 1]}, "two nodes 1"),
        ({"nodes_modes": ["BRANCH_SOME", "LEAF", "LEAF"]}, "is none of"),
        ({"target_ids": [0, 4]}, "has no place"),
        ({"target_nodeids": [0, 2]}, "has no place"),
        ({"nodes_values": [float("nan"), 0.0, 0.0]}, "NaN"),
    ],
)
def test_malformed_trees_are_refused(change: dict[str, Any], message: str) -> None:
    made = model("TreeEnsembleRegressor", {"x": np.zeros((1, 2), np.float32)}, stump(0.5) | change, domain=ML)
    with pytest.raises((ModelError, UnsupportedError), match=message):
        import_model(made)


def test_whether_a_class_is_scored_must_be_known() -> None:
    attrs = {
        name.replace("target", "class"): value for name, value in stump(0.5).items() if name != "n_targets"
    }
    attrs |= {"class_ids": [0, 1], "class_weights": [-1.0, 3.0], "classlabels_int64s": [0, 1]}
    made = model("TreeEnsembleClassifier", {"x": np.zeros((1, 2), np.float32)}, attrs, outputs=2, domain=ML)
    with pytest.raises(UnsupportedError, match="name every class in every leaf"):
        import_model(made)


def set_ensemble() -> onnx.ModelProto:
    """x0 in {1, 3, 4.5} ? (x1 >= 2 ? 10 : 20) : 30, the last for a target of its own."""
    double = onnx.TensorProto.DOUBLE
    attrs = {
        "n_targets": 2,
        "aggregate_function": 1,
        "post_transform": 0,
        "tree_roots": [0],
        "nodes_featureids": [0, 1],
        "nodes_modes": helper.make_tensor("m", onnx.TensorProto.UINT8, [2], [6, 2]),
        "nodes_splits": helper.make_tensor("s", double, [2], [0.0, 2.0]),
        "nodes_truenodeids": [1, 0],
        "nodes_trueleafs": [0, 1],
        "nodes_falsenodeids": [2, 1],
        "nodes_falseleafs": [1, 1],
        "leaf_targetids": [0, 0, 1],
        "leaf_weights": helper.make_tensor("w", double, [3], [10.0, 20.0, 30.0]),
        "membership_values": helper.make_tensor("v", double, [4], [1.0, 3.0, 4.5, float("nan")]),
    }
    made = model("TreeEnsemble", {"x": np.zeros((6, 2))}, attrs, domain=ML)
    for opset in made.opset_import:
        opset.version = 5 if opset.domain == ML else opset.version
    return made


def test_the_newer_form_with_sets() -> None:
    x = np.array([[1, 2], [3, 1.5], [4.5, 9], [2, 2], [0, 0], [5, 3]], dtype=np.float64)
    want = [[10, 0], [20, 0], [10, 0], [0, 30], [0, 30], [0, 30]]
    np.testing.assert_array_equal(floats(set_ensemble(), [x])[0], want)
    np.testing.assert_array_equal(reference(set_ensemble(), [x])[0], want)


def test_string_labels_become_numbers() -> None:
    attrs = {
        name.replace("target", "class"): value for name, value in stump(0.5).items() if name != "n_targets"
    }
    attrs |= {"class_weights": [-1.0, 3.0], "classlabels_strings": ["no", "yes"]}
    x = np.array([[0, 0.2], [0, 0.9]], np.float32)
    made = model("TreeEnsembleClassifier", {"x": x}, attrs, outputs=2, domain=ML)
    label, scores = floats(made, [x])
    names, wanted = reference(made, [x])
    np.testing.assert_array_equal(np.array(["no", "yes"])[label.astype(int)], names)
    np.testing.assert_allclose(scores, wanted)


def test_rows_are_independent() -> None:
    rng = np.random.default_rng(3)
    attrs = Forest(rng, [0]).attrs("target") | {"n_targets": 1}
    x = grid(rng, 5)
    whole = floats(model("TreeEnsembleRegressor", {"x": x}, attrs, domain=ML), [x])[0]
    graph = import_model(model("TreeEnsembleRegressor", {"x": x[:1]}, attrs, domain=ML))
    np.testing.assert_allclose(evaluate(graph, [x[:, None]])[0][:, 0], whole)


@pytest.mark.parametrize("name", [name for name, value in stump(0.5).items() if isinstance(value, list)])
@pytest.mark.parametrize("change", ["missing", "short", "long"])
def test_lists_of_different_lengths_are_refused(name: str, change: str) -> None:
    attrs = stump(0.5)
    attrs[name] = {"missing": [], "short": attrs[name][:-1], "long": attrs[name] * 2}[change]
    if not attrs[name]:
        del attrs[name]
    made = model("TreeEnsembleRegressor", {"x": np.zeros((1, 2), np.float32)}, attrs, domain=ML)
    with pytest.raises(UnsupportedError, match="do not have one entry each"):
        import_model(made)


def test_what_only_marks_may_be_infinite_or_nan() -> None:
    """A file's checks let pass the thresholds that only missing values meet, and the ends of sets."""
    x = np.zeros((1, 2), np.float32)
    admit_numbers(model("TreeEnsembleRegressor", {"x": x}, stump(np.inf), domain=ML), "m")
    admit_numbers(set_ensemble(), "m")
    made = model("Imputer", {"x": x}, {"imputed_value_floats": [0.0]}, domain=ML)
    made.graph.node[0].attribute.append(helper.make_attribute("replaced_value_float", float("nan")))
    admit_numbers(made, "m")
