"""Computes nodes of constants when compiling, with ONNX's reference evaluator.

Only operators that the evaluator computes as whole arrays, in time proportional to what they read and write,
are computed here; sums of products and the like go to their handlers, whose results the graph computes
itself. What a node would write is worked out before it runs, since a few numbers can ask for terabytes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import defs, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from circuits.errors import ModelError, UnsupportedError
from circuits.graph_growth import MAX_TENSOR_ELEMENTS

_ARRAY_WISE = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BitCast BitShift BitwiseAnd BitwiseNot
BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat Constant ConstantOfShape Cos Cosh
CumSum DepthToSpace Div DynamicQuantizeLinear Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
GatherElements GatherND Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu
Less LessOrEqual Log Max Mean MelWeightMatrix Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow
QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round ScatterElements ScatterND Selu Shape
Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish
Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Where Xor LabelEncoder
"""
FOLDED = frozenset(_ARRAY_WISE.split())
SIZED_BY_VALUE = frozenset({"ConstantOfShape", "Expand", "MelWeightMatrix", "OneHot", "Pad", "Range", "Tile"})
"""Operators whose result can be far larger than the product of their inputs' sizes."""
SMALL = 1 << 16
MOST_KNOWN = 1024
"""Constants of so many elements are told to the shape inference, which reads shapes and repeats from them."""
MAX_FOLDED_ELEMENTS = 1 << 29

Array = NDArray[Any]


class Folding:
    """What has been computed so far; evaluators are kept, since a loop asks for the same node again and
    again."""

    def __init__(self, ir_version: int) -> None:
        self._ir_version = ir_version
        self._evaluators: dict[tuple[Any, ...], ReferenceEvaluator] = {}
        self._elements = 0

    def compute(
        self, node: onnx.NodeProto, opsets: Mapping[str, int], inputs: Mapping[str, Array]
    ) -> list[Array]:
        """The outputs of a node that have a name.

        Raises
        ------
        ModelError
            If a result would be too large.
        UnsupportedError
            If the evaluator fails on the node.
        """
        self._admit(node, opsets, inputs)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results = self._evaluator(node, opsets, inputs).run(None, dict(inputs))
        except Exception as error:  # the evaluator raises whatever NumPy does
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnsupportedError(f"it cannot be computed when compiling: {reason}") from None
        if not all(isinstance(array, np.ndarray | np.generic) for array in results):
            raise UnsupportedError("it yields a sequence or an optional, which have no meaning here")
        arrays = [np.asarray(array) for array in results]
        self._elements += sum(array.size for array in arrays)
        if self._elements > MAX_FOLDED_ELEMENTS:
            raise ModelError(
                f"the constants computed so far are over the limit of {MAX_FOLDED_ELEMENTS} elements"
            )
        return arrays

    def _admit(self, node: onnx.NodeProto, opsets: Mapping[str, int], inputs: Mapping[str, Array]) -> None:
        most = math.prod(1 + inputs[name].size for name in node.input if name)
        if most <= SMALL and node.op_type not in SIZED_BY_VALUE:
            return
        arrays = [inputs[name] if name else None for name in node.input]
        if node.op_type == "Range":  # which the evaluator takes vectors of one element for, not the inference
            arrays = [a.reshape(()) if a is not None and a.size == 1 else a for a in arrays]
        known = [a if a is not None and a.size <= MOST_KNOWN else None for a in arrays]
        types = [None if a is None else _type(a) for a in arrays]
        for name, shape in output_shapes(node, opsets, types, known).items():
            if shape is None:
                if most > MAX_TENSOR_ELEMENTS or node.op_type in SIZED_BY_VALUE:
                    raise UnsupportedError("it cannot be computed when compiling: its size is not known")
            elif math.prod(shape) > MAX_TENSOR_ELEMENTS:
                raise too_large(name, shape)

    def _evaluator(
        self, node: onnx.NodeProto, opsets: Mapping[str, int], inputs: Mapping[str, Array]
    ) -> ReferenceEvaluator:
        types = tuple((name, a.dtype.name) for name, a in inputs.items())
        key = (node.SerializeToString(deterministic=True), types, tuple(opsets.items()))
        if key not in self._evaluators:
            given = [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), None)
                for name, a in inputs.items()
            ]
            results = [helper.make_value_info(name, onnx.TypeProto()) for name in node.output if name]
            model = helper.make_model(
                helper.make_graph([node], "fold", given, results),
                opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
                ir_version=self._ir_version,
            )
            self._evaluators[key] = ReferenceEvaluator(model)
        return self._evaluators[key]


def inferred(
    node: onnx.NodeProto,
    opsets: Mapping[str, int],
    types: Sequence[onnx.TypeProto | None],
    known: Sequence[Array | None],
) -> dict[str, onnx.TypeProto]:
    """The types of a node's outputs as the specification infers them; empty where it cannot tell.

    Parameters
    ----------
    types, known
        For each input its type, and its value where that may matter; None for inputs left out.
    """
    domain = "" if node.domain == "ai.onnx" else node.domain
    named = {name: t for name, t in zip(node.input, types, strict=True) if name and t is not None}
    data = {
        name: numpy_helper.from_array(array, name)
        for name, array in zip(node.input, known, strict=True)
        if name and array is not None
    }
    try:
        schema = defs.get_schema(node.op_type, opsets[domain], domain)
        imports = [helper.make_opsetid(d, v) for d, v in opsets.items()]
        return dict(shape_inference.infer_node_outputs(schema, node, named, data, opset_imports=imports))
    except (shape_inference.InferenceError, defs.SchemaError, KeyError, ValueError, RuntimeError):
        return {}


def output_shapes(
    node: onnx.NodeProto,
    opsets: Mapping[str, int],
    types: Sequence[onnx.TypeProto | None],
    known: Sequence[Array | None],
) -> dict[str, tuple[int, ...] | None]:
    """The shape of each named output, None where it is not known in full."""
    found = inferred(node, opsets, types, known)
    return {name: shape_of(found[name]) if name in found else None for name in node.output if name}


def shape_of(proto: onnx.TypeProto) -> tuple[int, ...] | None:
    """The shape of a tensor, if all of it is known."""
    tensor = proto.tensor_type
    if not proto.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    if not all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in tensor.shape.dim):
        return None
    return tuple(dim.dim_value for dim in tensor.shape.dim)


def too_large(name: str, shape: Sequence[int]) -> ModelError:
    """The error for a tensor over the limit."""
    return ModelError(
        f"its output {name!r} of shape {list(shape)} is over the limit of {MAX_TENSOR_ELEMENTS} elements"
    )


def _type(array: Array) -> onnx.TypeProto:
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
