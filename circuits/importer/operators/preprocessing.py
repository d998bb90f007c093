"""The operators of ai.onnx.ml that prepare features and present answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Kind
from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import absolute, equal
from circuits.importer.axes import joined, reshaped
from circuits.importer.handlers import OnnxNode, handles, refuse

ML = "ai.onnx.ml"

refuse(
    "it reads or writes dictionaries, which have no meaning in a circuit",
    "DictVectorizer",
    "CastMap",
    domain=ML,
)
refuse(
    "it maps strings, which have no meaning in a circuit: encode them before the model",
    "CategoryMapper",
    domain=ML,
)


@handles("ZipMap", domain=ML)
def zip_map(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """The scores as they are, a tensor with a column for each class, where ONNX makes dictionaries of
    them."""
    return x


@handles("Scaler", domain=ML)
def scaler(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    out = b.retyped(x, "real")
    offset, scale = (np.array(node.attrs.get(name) or [], dtype=np.float64) for name in ("offset", "scale"))
    if not {offset.size, scale.size} <= {0, 1, x.shape[-1]}:
        raise node.fail(f"{offset.size} offsets and {scale.size} factors do not fit {x.shape[-1]} columns")
    if offset.any():
        out = b.add("sub", [out, b.constant(offset)])
    return b.add("mul", [out, b.constant(scale)]) if (scale != 1).any() else out


@handles("Normalizer", domain=ML)
def normalizer(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Each row over its largest value, the sum of its magnitudes, or its length; a row of zeros stays."""
    rows, axes = b.retyped(x, "real"), [x.rank - 1]
    norm = node.attrs["norm"]
    if norm == "MAX":
        size = b.add("reduce_max", [rows], axes=axes)
    elif norm == "L1":
        size = b.add("reduce_sum", [absolute(b, rows)], axes=axes)
    elif norm == "L2":
        size = b.add(
            "function", [b.add("reduce_sum", [b.add("mul", [rows, rows])], axes=axes)], name="sqrt", params=[]
        )
    else:
        raise node.fail(f"its norm {norm!r} is none of MAX, L1, L2")
    return b.add(
        "divide",
        [rows, b.add("where", [equal(b, size, b.constant(0.0)), b.constant(1.0), size])],
        at_least=None,
    )


@handles("Imputer", domain=ML)
def imputer(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Puts other numbers in the place of a certain one. In the place of NaN there is nothing to do: no input
    is NaN."""
    reals = node.attrs.get("imputed_value_floats")
    missing = node.attrs.get("replaced_value_float" if reals else "replaced_value_int64", 0)
    filling = np.array(reals or node.attrs.get("imputed_value_int64s") or [])
    if filling.size not in (1, x.shape[-1]):
        raise node.fail(f"{filling.size} values to fill in do not fit {x.shape[-1]} columns")
    if math.isnan(missing):
        return x
    return b.add(
        "where",
        [equal(b, x, b.constant(np.array(missing, filling.dtype))), b.constant(filling), x],
        kind=x.kind,
    )


@handles("Binarizer", domain=ML)
def binarizer(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    above = b.add("greater", [x, b.constant(np.float64(node.attrs["threshold"]))])
    return b.retyped(above, x.kind)


@handles("FeatureVectorizer", domain=ML)
def feature_vectorizer(b: GraphBuilder, node: OnnxNode, *xs: Value) -> Value:
    rows = [b.retyped(reshaped(b, x, [1, *x.shape]) if x.rank == 1 else x, "real") for x in xs]
    wanted = node.attrs.get("inputdimensions") or [x.shape[-1] for x in rows]
    if [int(n) for n in wanted] != [x.shape[-1] for x in rows]:
        raise node.fail(
            f"its inputs have {[x.shape[-1] for x in rows]} columns where it expects {list(wanted)}"
        )
    return joined(b, rows, rows[0].rank - 1)


@handles("OneHotEncoder", domain=ML)
def one_hot_encoder(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """A column for each category; a row of zeros for a value that is none of them."""
    categories = codes(node, node.attrs.get("cats_strings") or node.attrs.get("cats_int64s") or [])
    whole = b.add("round", [x], mode="trunc") if x.kind == "real" else x
    return b.retyped(_matches(b, whole, categories), "real")


@handles("LabelEncoder", domain=ML)
def label_encoder(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Looks every element up among the keys; one that is not there becomes the default."""
    keys, values = _table(node, "keys"), _table(node, "values")
    default = _default(node, values)
    if len(keys) != len(values) or not len(keys):
        raise node.fail(f"it has {len(keys)} keys and {len(values)} values")
    finite = ~np.isnan(keys)  # no element is NaN
    keys, places = np.unique(keys[finite], return_index=True)
    values = values[finite][places]
    kind: Kind = "real" if values.dtype.kind == "f" else "int"
    matches = reshaped(b, _matches(b, x, keys), [math.prod(x.shape), len(keys)])
    gains = b.constant((values - default).reshape(-1, 1), kind)
    found = b.add("add", [b.add("matmul", [matches, gains], kind), b.constant(default, kind)], kind)
    return reshaped(b, found, x.shape)


def _matches(b: GraphBuilder, x: Value, keys: NDArray[Any]) -> Value:
    """Truth values [*x, keys]: which of distinct keys each element is."""
    return equal(b, reshaped(b, x, [*x.shape, 1]), b.constant(keys))


def codes(node: OnnxNode, values: Any) -> NDArray[Any]:
    """A list or tensor of numbers or strings as an array of numbers; each string has the same number
    everywhere."""
    array = np.asarray(values)
    if array.dtype.kind in "OUS":
        return np.array([node.scope.number_of(str(text)) for text in array.reshape(-1)], dtype=np.int64)
    return array.reshape(-1)


def _table(node: OnnxNode, side: str) -> NDArray[Any]:
    for form in ("int64s", "floats", "strings", "tensor"):
        given = node.attrs.get(f"{side}_{form}")
        if given is not None and len(given):
            return codes(node, given)
    return np.zeros(0)


def _default(node: OnnxNode, values: NDArray[Any]) -> Any:
    given = node.attrs.get("default_tensor")
    if given is not None and np.size(given):
        return codes(node, given)[0]
    if node.attrs.get("values_strings"):
        return np.int64(node.scope.number_of(str(node.attrs["default_string"])))
    name = "default_float" if values.dtype.kind == "f" else "default_int64"
    return np.asarray(node.attrs.get(name, 0), dtype=values.dtype)[()]
