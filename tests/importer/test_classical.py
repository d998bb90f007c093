"""Classical models and preprocessing of ai.onnx.ml, one node at a time and as scikit-learn exports them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from skl2onnx import to_onnx
from sklearn import (
    cluster,
    datasets,
    discriminant_analysis,
    ensemble,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

from circuits.calibrate import calibrate
from circuits.compile import compile_model
from circuits.data import quantise_inputs, real_outputs
from circuits.errors import UnsupportedError
from circuits.evaluate import evaluate
from circuits.executor import execute
from circuits.importer.importer import import_model
from circuits.quantise import Options, quantise
from tests.importer.one_node import Array, check_against_onnxruntime, floats, model, reference

ML = "ai.onnx.ml"
RNG = np.random.default_rng(16)
X = RNG.normal(size=(5, 3)).astype(np.float32)
LABELS = {"classlabels_ints": [7, 9]}
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def check(op_type: str, x: Array, attrs: Mapping[str, Any], outputs: int = 1) -> None:
    check_against_onnxruntime(op_type, {"x": x}, attrs, outputs=outputs, domain=ML)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_linear_models(transform: str) -> None:
    one, two, three = ([float(w) for w in RNG.normal(size=3 * n)] for n in (1, 2, 3))
    end = {"post_transform": transform}
    check("LinearClassifier", X, {"coefficients": one, "intercepts": [0.1], **LABELS, **end}, outputs=2)
    check("LinearClassifier", X, {"coefficients": two, "intercepts": [0.1, 0.2], **LABELS, **end}, outputs=2)
    attrs = {"coefficients": three, "intercepts": [0.1, 0.2, -0.3], "classlabels_ints": [5, 3, 4], **end}
    check("LinearClassifier", X, attrs, outputs=2)
    check("LinearRegressor", X, {"coefficients": one, "intercepts": [0.3], "targets": 1, **end})
    check("LinearRegressor", X, {"coefficients": two, "targets": 2, **end})


def test_probit() -> None:
    x = np.array([[0.2], [0.5], [0.9]], np.float32)
    check("LinearRegressor", x, {"coefficients": [1.0, 0.5], "targets": 2, "post_transform": "PROBIT"})


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(norm: str) -> None:
    check("Normalizer", np.concatenate([np.abs(X), np.zeros((1, 3), np.float32)]), {"norm": norm})
    if norm != "MAX":
        check("Normalizer", X, {"norm": norm})


def test_preprocessing() -> None:
    whole = RNG.integers(0, 5, size=(4, 3)).astype(np.int64)
    check("Scaler", X, {"offset": [0.5, -1.0, 2.0], "scale": [2.0, 0.25, 3.0]})
    check("Scaler", X, {"offset": [0.5], "scale": [2.0]})
    check("Binarizer", X, {"threshold": 0.25})
    check("Imputer", X, {"imputed_value_floats": [9.0, 8.0, 7.0], "replaced_value_float": float(X[1, 2])})
    check("Imputer", whole, {"imputed_value_int64s": [9], "replaced_value_int64": 3})
    check("Imputer", X, {"imputed_value_floats": [1.0], "replaced_value_float": float("nan")})
    check("OneHotEncoder", whole, {"cats_int64s": [1, 4, 2], "zeros": 1})
    check(
        "LabelEncoder", whole, {"keys_int64s": [3, 0, 1], "values_int64s": [30, 10, 20], "default_int64": -5}
    )
    check("LabelEncoder", whole, {"keys_int64s": [3, 0], "values_floats": [0.5, 0.25], "default_float": 2.5})
    tenths = np.array([[0.1, 0.2, 0.7]], np.float32)
    check("LabelEncoder", tenths, {"keys_floats": [0.2, 0.1], "values_int64s": [4, 5]})
    check_against_onnxruntime(
        "FeatureVectorizer", {"x": X, "y": X[:, :2]}, {"inputdimensions": [3, 2]}, domain=ML
    )


def test_features_by_column() -> None:
    columns = np.array([2, 0, 2], dtype=np.int64)
    check_against_onnxruntime("ArrayFeatureExtractor", {"x": X, "c": columns}, constants=["c"], domain=ML)


@pytest.mark.parametrize("op_type", ["DictVectorizer", "CastMap", "CategoryMapper"])
def test_dictionaries_and_strings_are_refused(op_type: str) -> None:
    with pytest.raises(UnsupportedError, match="have no meaning in a circuit"):
        import_model(model(op_type, {"x": X}, domain=ML))


def test_string_labels_are_numbered_in_order() -> None:
    attrs = {"coefficients": [1.0, 0, 0, 0, 1, 0, 0, 0, 1], "intercepts": [0.0] * 3}
    attrs["classlabels_strings"] = ["ash", "birch", "cedar"]
    made = model("LinearClassifier", {"x": X}, attrs, outputs=2, domain=ML)
    np.testing.assert_array_equal(floats(made, [X])[0], X.argmax(axis=1))


def after_scaling(estimator: Any) -> Any:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), estimator)


IRIS, CANCER = datasets.load_iris(return_X_y=True), datasets.load_breast_cancer(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])

CLASSIFIERS: dict[str, tuple[Callable[[], Any], tuple[Array, Array]]] = {
    "random forest": (lambda: ensemble.RandomForestClassifier(8, random_state=0), IRIS),
    "random forest, two classes": (lambda: ensemble.RandomForestClassifier(8, random_state=0), CANCER),
    "extra trees": (lambda: ensemble.ExtraTreesClassifier(8, random_state=0), IRIS),
    "gradient boosting": (lambda: ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0), IRIS),
    "gradient boosting, two classes": (
        lambda: ensemble.GradientBoostingClassifier(n_estimators=9, random_state=0),
        CANCER,
    ),
    "decision tree": (lambda: tree.DecisionTreeClassifier(random_state=0), IRIS),
    "ada boost": (lambda: ensemble.AdaBoostClassifier(n_estimators=3, random_state=0), IRIS),
    "bagging": (lambda: ensemble.BaggingClassifier(n_estimators=3, random_state=0), IRIS),
    "logistic regression": (lambda: after_scaling(linear_model.LogisticRegression()), IRIS),
    "gradient descent": (lambda: after_scaling(linear_model.SGDClassifier(random_state=0)), IRIS),
    "support vectors": (lambda: after_scaling(svm.SVC()), IRIS),
    "support vectors, polynomial": (lambda: after_scaling(svm.SVC(kernel="poly", coef0=1.0)), IRIS),
    "support vectors, linear": (lambda: svm.SVC(kernel="linear"), IRIS),
    "neural network": (
        lambda: after_scaling(neural_network.MLPClassifier((8,), max_iter=200, random_state=0)),
        IRIS,
    ),
    "nearest neighbours": (lambda: neighbors.KNeighborsClassifier(3), (IRIS[0][::4], IRIS[1][::4])),
    "naive Bayes": (lambda: naive_bayes.GaussianNB(), IRIS),
    "linear discriminants": (lambda: discriminant_analysis.LinearDiscriminantAnalysis(), IRIS),
}

REGRESSORS: dict[str, Callable[[], Any]] = {
    "random forest": lambda: ensemble.RandomForestRegressor(8, max_depth=6, random_state=0),
    "gradient boosting": lambda: ensemble.GradientBoostingRegressor(n_estimators=9, random_state=0),
    "ridge": lambda: linear_model.Ridge(),
    "support vectors": lambda: after_scaling(svm.SVR(C=10.0)),
}


def exported(estimator: Any, x: Array, y: Array | None, scores: bool = True) -> onnx.ModelProto:
    estimator.fit(x, y)
    options = {id(estimator): {"zipmap": False}} if scores and hasattr(estimator, "predict_proba") else None
    return to_onnx(estimator, x[:1], options=options, target_opset={"": 17, ML: 3})


def dense(scores: Array) -> Array:
    """Scores as a table, where a ZipMap has made dictionaries of them."""
    return np.array([list(row.values()) for row in scores]) if scores.dtype.kind == "O" else scores


def executed(made: onnx.ModelProto, x: Array) -> list[Array]:
    graph = import_model(made)
    circuit = quantise(graph, calibrate(graph, [x[:, None]]), Options(), {})
    outputs = real_outputs(circuit, execute(circuit, quantise_inputs(circuit, [x[:, None]])))
    return [y.reshape(len(x), -1) for y in outputs]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore:.*onverge.*")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_of_scikit_learn(name: str) -> None:
    estimator, (table, classes) = CLASSIFIERS[name]
    x = table.astype(np.float32)
    made = exported(estimator(), x, classes)
    sample = x[:: max(1, len(x) // 60)]
    label, scores = reference(made, [sample])
    scores = dense(scores).reshape(len(sample), -1)
    graph = import_model(made)
    got_label, got_scores = (y.reshape(len(sample), -1) for y in evaluate(graph, [sample[:, None]]))
    np.testing.assert_array_equal(got_label[:, 0], label)
    np.testing.assert_allclose(got_scores, scores, rtol=1e-4, atol=1e-4)
    assert np.mean(executed(made, sample)[0][:, 0] == label) > 0.98


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_of_scikit_learn(name: str) -> None:
    x = DIABETES[0].astype(np.float32)
    made = exported(REGRESSORS[name](), x, DIABETES[1])
    sample = x[::9]
    want = reference(made, [sample])[0].reshape(-1, 1)
    np.testing.assert_allclose(evaluate(import_model(made), [sample[:, None]])[0][:, 0], want, rtol=1e-4)
    assert np.abs(executed(made, sample)[0] - want).max() < 0.02 * np.ptp(want)


def test_clusters_of_scikit_learn() -> None:
    x = IRIS[0].astype(np.float32)
    made = exported(cluster.KMeans(3, n_init=1, random_state=0), x, None)
    label, distances = reference(made, [x])
    got_label, got_distances = evaluate(import_model(made), [x[:, None]])
    np.testing.assert_array_equal(got_label[:, 0], label)
    np.testing.assert_allclose(got_distances[:, 0], distances, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.*onverge.*")
@pytest.mark.parametrize("kind", ["forest", "network", "neighbours"])
def test_string_classes_of_scikit_learn(kind: str) -> None:
    estimator = {
        "forest": ensemble.RandomForestClassifier(3, random_state=0),
        "network": neural_network.MLPClassifier((8,), max_iter=100, random_state=0),
        "neighbours": neighbors.KNeighborsClassifier(3),
    }[kind]
    x = IRIS[0][::3].astype(np.float32)
    made = exported(estimator, x, NAMES[IRIS[1][::3]])
    label = evaluate(import_model(made), [x[:, None]])[0][:, 0]
    np.testing.assert_array_equal(NAMES[label.astype(int)], reference(made, [x])[0])


def test_zip_map_passes_the_scores() -> None:
    x = IRIS[0].astype(np.float32)
    forest = ensemble.RandomForestClassifier(3, random_state=0).fit(x, IRIS[1])
    zipped = to_onnx(forest, x[:1], target_opset={"": 17, ML: 3})
    assert any(node.op_type == "ZipMap" for node in zipped.graph.node)
    scores = evaluate(import_model(zipped), [x[:, None]])[1][:, 0]
    np.testing.assert_allclose(scores, forest.predict_proba(x), atol=1e-6)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_many_classes_with_probabilities_are_refused() -> None:
    x = IRIS[0].astype(np.float32)
    made = exported(svm.SVC(probability=True, random_state=0), x, IRIS[1])
    with pytest.raises(UnsupportedError, match="train with probability=False"):
        import_model(made)


def test_fidelity_compares_string_labels() -> None:
    x = IRIS[0].astype(np.float32)
    made = exported(ensemble.RandomForestClassifier(3, random_state=0), x, NAMES[IRIS[1]])
    del made.graph.output[1]  # leaves the label alone to agree about
    compiled = compile_model(made, ([x[:, None]], None, "iris"))
    assert compiled.fidelity.argmax_agreement == 1.0
    assert compiled.circuit.info["strings"] == NAMES.tolist()
