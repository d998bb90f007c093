"""Walks an ONNX graph and lowers it, node by node, to the float graph.

A node whose inputs are all constants is computed by ONNX's own reference evaluator. Any other node goes to
its handler; one without a handler is replaced by the body that the specification gives it, if it gives one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import defs, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from circuits.circuit import Kind
from circuits.errors import ModelError, UnsupportedError, VerinferError
from circuits.graph import Graph, GraphBuilder, Value
from circuits.importer import operators  # noqa: F401  registers every handler
from circuits.importer.handlers import HANDLERS, REFUSED, OnnxNode, TensorList, Tensors

MAX_DEPTH = 64
WITH_SUBGRAPHS = ("If", "Loop", "Scan", "SequenceMap", "FlexAttention")
OF_LISTS = (
    *(
        "SequenceEmpty",
        "SequenceConstruct",
        "SequenceAt",
        "SequenceInsert",
        "SequenceErase",
        "SequenceLength",
    ),
    *("SplitToSequence", "ConcatFromSequence", "Optional", "OptionalHasElement", "OptionalGetElement"),
)
NEVER_FOLDED = frozenset((*WITH_SUBGRAPHS, *OF_LISTS, "DequantizeLinear"))

Bound = tuple[Tensors, np.dtype[Any]]
"""What a name stands for: a tensor, or a list of tensors, and the ONNX type of its elements."""


def import_model(model: onnx.ModelProto, dims: Mapping[str, int] | None = None) -> Graph:
    """The float graph of a checked model.

    Parameters
    ----------
    dims
        Sizes for the model's symbolic dimensions; a leading one that is not named counts as 1, the batch of
        one sample.

    Raises
    ------
    ModelError, UnsupportedError
        Naming the node at fault.
    """
    importer = Importer(model)
    names = {tensor.name for tensor in model.graph.initializer}
    for info in model.graph.input:
        if info.name not in names:
            shape, dtype = input_type(info, dims or {})
            importer.bind(
                info.name, importer.builder.input(info.name, shape, kind_of(dtype, info.name), dtype), dtype
            )
    if not importer.builder.graph.inputs:
        raise ModelError("the model has no inputs: there is nothing to prove")
    importer.run_graph(model.graph)
    for info in model.graph.output:
        bound = importer.lookup(info.name)
        if bound is None or not isinstance(bound[0], Value):
            raise UnsupportedError(
                f"output {info.name!r} is a sequence or an optional: end the model with tensors"
            )
        if 0 in bound[0].shape:
            raise UnsupportedError(
                f"output {info.name!r} of shape {bound[0].shape} is empty: remove it from the model"
            )
        importer.builder.output(info.name, bound[0], bound[1])
    importer.builder.graph.strings = list(importer.strings)
    return importer.builder.graph


def input_type(info: onnx.ValueInfoProto, dims: Mapping[str, int]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape of one sample and the type of a model input, symbolic dimensions resolved.

    Raises
    ------
    UnsupportedError
        If it is no tensor, or a dimension other than the first is left open.
    """
    given = info.type.optional_type.elem_type if info.type.HasField("optional_type") else info.type
    if not given.HasField("tensor_type") or not given.tensor_type.HasField("shape"):
        raise UnsupportedError(f"input {info.name!r} is not a tensor of known rank")
    shape = []
    for axis, dim in enumerate(given.tensor_type.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value == 0:
            raise UnsupportedError(f"input {info.name!r} has no cells: its dimension {axis} has size 0")
        if dim.HasField("dim_value") and dim.dim_value > 0:
            shape.append(dim.dim_value)
        elif dim.dim_param in dims:
            shape.append(dims[dim.dim_param])
        elif axis == 0:
            shape.append(1)
        else:
            name = dim.dim_param or "?"
            raise UnsupportedError(
                f"input {info.name!r} leaves dimension {axis} ({name}) open: fix it with --dim {name}=SIZE, "
                "or export the model with static shapes"
            )
    return tuple(shape), np.dtype(helper.tensor_dtype_to_np_dtype(given.tensor_type.elem_type))


def kind_of(dtype: np.dtype[Any], name: str) -> Kind:
    """How values of a NumPy type are represented in a circuit."""
    if dtype.kind == "b":
        return "bool"
    if dtype.kind in "iu":
        return "int"
    if dtype.kind in "OUS":
        raise UnsupportedError(f"{name!r} holds strings, which a circuit cannot take: give the model numbers")
    if (
        dtype.kind == "f"
        or dtype.name in ("bfloat16",)
        or dtype.name.startswith(("float8", "float6", "float4"))
    ):
        return "real"
    if dtype.name in ("int4", "uint4", "int2", "uint2"):
        return "int"
    raise UnsupportedError(f"{name!r} holds {dtype}, which has no meaning in an integer circuit")


class Importer:
    """The state of one import: the names in scope and the graph that grows."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.builder = GraphBuilder()
        self.opsets = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
        self.ir_version = model.ir_version
        self.functions = {(f.domain, f.name): f for f in model.functions}
        self.scopes: list[dict[str, Bound | None]] = [{}]
        self.depth = 0
        self.strings: dict[str, int] = {}

    def bind(self, name: str, value: Tensors | None, dtype: np.dtype[Any]) -> None:
        """Give a name to a value in the innermost scope."""
        if name:
            self.scopes[-1][name] = None if value is None else (value, dtype)

    def lookup(self, name: str) -> Bound | None:
        """What a name stands for, innermost scope first; None for an optional without an element."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        raise ModelError(f"nothing computes {name!r}")

    def number_of(self, text: str) -> int:
        """The integer that stands for a string: strings are numbered as the model first names them."""
        return self.strings.setdefault(text, len(self.strings))

    def constant(self, array: NDArray[Any], name: str) -> tuple[Value, np.dtype[Any]]:
        """A constant of the model in the graph, with its ONNX type."""
        if array.dtype.kind in "OUS":
            numbers = [self.number_of(str(text)) for text in array.reshape(-1)]
            codes = np.array(numbers, dtype=np.int64).reshape(array.shape)
            return self.builder.constant(codes), np.dtype(object)
        return self.builder.constant(array, kind_of(array.dtype, name)), array.dtype

    def run_graph(self, graph: onnx.GraphProto) -> None:
        """Import a graph's initializers and nodes into the innermost scope."""
        for tensor in graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype.kind == "f" and not np.isfinite(array).all() and not _is_mask(array):
                raise ModelError(
                    f"initializer {tensor.name!r} holds NaN or infinity: there is no integer for it"
                )
            self.bind(tensor.name, *self.constant(array, tensor.name))
        for node in graph.node:
            self.run_node(node)

    def run(self, graph: onnx.GraphProto, bindings: Mapping[str, Tensors | None]) -> list[Tensors | None]:
        """Import a subgraph with its inputs bound; outer names stay visible (handlers.Scope)."""
        types = {info.name: element_type(info.type) for info in graph.input}
        label = self.builder.label
        self.scopes.append({})
        try:
            for name, value in bindings.items():
                self.bind(name, value, types.get(name) or _assumed_type(value))
            self.run_graph(graph)
            results = [self.lookup(info.name) for info in graph.output]
            return [None if result is None else result[0] for result in results]
        finally:
            self.scopes.pop()
            self.builder.label = label

    def run_node(self, node: onnx.NodeProto) -> None:
        """Import one node."""
        domain = "" if node.domain == "ai.onnx" else node.domain
        label = node.name or (node.output[0] if node.output else node.op_type)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ModelError(
                f"{node.op_type} {label!r}: functions or subgraphs are nested over {MAX_DEPTH} deep"
            )
        try:
            self._run_node(node, domain, label)
        except VerinferError as error:
            if getattr(error, "located", False):
                raise
            where = type(error)(f"{node.op_type} node {label!r}: {error}")
            where.located = True  # type: ignore[attr-defined]
            raise where from None
        finally:
            self.depth -= 1

    def _run_node(self, node: onnx.NodeProto, domain: str, label: str) -> None:
        key = (domain, node.op_type)
        if key in self.functions:
            self._run_function(self.functions[key], node)
            return
        if key in REFUSED:
            raise UnsupportedError(f"{REFUSED[key]} ({node.op_type})")
        given = [self.lookup(name) if name else None for name in node.input]
        tensors = [g for g in given if g is not None]
        constant = all(
            isinstance(value, Value) and self.builder.value_of(value) is not None for value, _ in tensors
        )
        if constant and node.op_type not in NEVER_FOLDED:
            self._fold(node, tensors)
            return
        if domain not in self.opsets:
            raise UnsupportedError(f"the operator set {domain!r} is not imported by the model, or unknown")
        types = self._output_types(node, domain, given)
        self.builder.label = label
        if key in HANDLERS:
            seen = self._view(node, domain, given, types)
            outputs = HANDLERS[key](self.builder, seen, *(None if g is None else g[0] for g in given))
            results = [outputs] if isinstance(outputs, Value | TensorList) else outputs
            for name, value, dtype in zip(node.output, results, seen.out_dtypes, strict=False):
                self.bind(name, value, dtype or _assumed_type(value))
            return
        body = self._specified_body(node, domain, given)
        if body is None:
            raise UnsupportedError(
                f"the operator {node.op_type} is not supported: docs/operators.md lists those that are"
            )
        defaults = defs.get_schema(node.op_type, self.opsets[domain], domain).attributes.values()
        self._run_function(body, node, [a.default_value for a in defaults if a.default_value.type])

    def _view(
        self,
        node: onnx.NodeProto,
        domain: str,
        given: Sequence[Bound | None],
        types: Mapping[str, np.dtype[Any]],
    ) -> OnnxNode:
        schema = defs.get_schema(node.op_type, self.opsets[domain], domain)
        attrs = {
            name: helper.get_attribute_value(a.default_value)
            for name, a in schema.attributes.items()
            if a.default_value.type
        }
        attrs |= {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return OnnxNode(
            op_type=node.op_type,
            domain=domain,
            version=self.opsets[domain],
            name=node.name,
            attrs={name: _plain(value) for name, value in attrs.items()},
            dtypes=tuple(None if g is None else g[1] for g in given),
            out_dtypes=tuple(types.get(name) for name in node.output),
            out_names=tuple(node.output),
            scope=self,
        )

    def _fold(self, node: onnx.NodeProto, given: Sequence[Bound]) -> None:
        """Compute a node of constants with ONNX's reference evaluator."""
        feeds: dict[str, NDArray[Any]] = {}
        for name, (value, dtype) in zip([name for name in node.input if name], given, strict=True):
            array = self.builder.value_of(value) if isinstance(value, Value) else None
            assert array is not None
            feeds[name] = (
                np.array(list(self.strings), object)[array] if dtype.kind == "O" else array.astype(dtype)
            )
        inputs = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in feeds.items()
        ]
        used = [name for name in node.output if name]
        graph = helper.make_graph(
            [node], "fold", inputs, [helper.make_value_info(n, onnx.TypeProto()) for n in used]
        )
        opsets = [helper.make_opsetid(d, v) for d, v in self.opsets.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=self.ir_version)
        try:
            results = ReferenceEvaluator(model).run(None, feeds)
        except Exception as error:  # the evaluator raises whatever NumPy does
            raise UnsupportedError(f"it cannot be computed when compiling: {error}") from None
        for name, array in zip(used, results, strict=True):
            if not isinstance(array, np.ndarray | np.generic):
                raise UnsupportedError("it yields a sequence or an optional, which have no meaning here")
            self.bind(name, *self.constant(np.asarray(array), name))

    def _output_types(
        self, node: onnx.NodeProto, domain: str, given: Sequence[Bound | None]
    ) -> dict[str, np.dtype[Any]]:
        """The outputs' types as the specification infers them; empty where it cannot tell."""
        types, data = {}, {}
        for name, g in zip(node.input, given, strict=True):
            if g is not None:
                types[name] = _type_proto(g)
                array = self.builder.value_of(g[0]) if isinstance(g[0], Value) else None
                if array is not None and array.size <= 1024 and g[1].kind != "O":
                    data[name] = numpy_helper.from_array(array.astype(g[1], copy=False), name)
        try:
            schema = defs.get_schema(node.op_type, self.opsets[domain], domain)
            opsets = [helper.make_opsetid(d, v) for d, v in self.opsets.items()]
            inferred = shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=opsets)
        except (shape_inference.InferenceError, defs.SchemaError, KeyError, ValueError, RuntimeError):
            return {}
        found = {name: element_type(proto) for name, proto in inferred.items()}
        return {name: dtype for name, dtype in found.items() if dtype is not None}

    def _specified_body(
        self, node: onnx.NodeProto, domain: str, given: Sequence[Bound | None]
    ) -> onnx.FunctionProto | None:
        """The function body that the ONNX specification gives an operator, if it gives one."""
        try:
            schema = defs.get_schema(node.op_type, self.opsets[domain], domain)
        except defs.SchemaError:
            return None
        if schema.has_function:  # type: ignore[attr-defined]
            body = onnx.FunctionProto()
            body.ParseFromString(_body_bytes(schema.function_body))
            return body
        if not schema.has_context_dependent_function:  # type: ignore[attr-defined]
            return None
        types = [(onnx.TypeProto() if g is None else _type_proto(g)).SerializeToString() for g in given]
        body = onnx.FunctionProto()
        body.ParseFromString(
            schema.get_context_dependent_function(node.SerializeToString(), types)  # type: ignore[attr-defined]
        )
        return body if body.node else None

    def _run_function(
        self, function: onnx.FunctionProto, node: onnx.NodeProto, defaults: Sequence[onnx.AttributeProto] = ()
    ) -> None:
        """Import a function's body in a scope of its own, its attributes replaced by the caller's."""
        given = [self.lookup(name) if name else None for name in node.input]
        attributes = {a.name: a for a in (*defaults, *function.attribute_proto, *node.attribute)}
        outer, outer_opsets = self.scopes, self.opsets
        self.scopes = [{}]
        self.opsets = outer_opsets | {
            ("" if o.domain == "ai.onnx" else o.domain): o.version for o in function.opset_import
        }
        try:
            for name, g in zip(function.input, given, strict=False):
                if g is not None:
                    self.bind(name, *g)
            missing = set(function.input) - set(self.scopes[0])
            for inner in function.node:
                self.run_node(_instantiate(inner, attributes, missing))
            results = [self.lookup(name) if name in self.scopes[0] else None for name in function.output]
        finally:
            self.scopes, self.opsets = outer, outer_opsets
        for name, result in zip(node.output, results, strict=False):
            if name and result is not None:
                self.bind(name, *result)


def _is_mask(array: NDArray[Any]) -> bool:
    """Whether an array is an attention mask: minus infinity and zeros, nothing else."""
    return bool((np.isneginf(array) | (array == 0)).all())


def _instantiate(
    node: onnx.NodeProto, attributes: Mapping[str, onnx.AttributeProto], missing: set[str]
) -> onnx.NodeProto:
    """A function's node with attribute references resolved and inputs that the caller left out emptied."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.attribute[:]
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            copy.attribute.append(attribute)
        elif attribute.ref_attr_name in attributes:
            own = onnx.AttributeProto()
            own.CopyFrom(attributes[attribute.ref_attr_name])
            own.name = attribute.name
            copy.attribute.append(own)
    for i, name in enumerate(copy.input):
        if name in missing:
            copy.input[i] = ""
    return copy


def _body_bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else bytes(body.SerializeToString())


def _plain(value: Any) -> Any:
    """An attribute as a plain Python value."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, list | tuple) or type(value).__name__.startswith("Repeated"):
        numbers = len(value) > 0 and isinstance(value[0], int | float)  # forests have lists of a million
        return list(value) if numbers else [_plain(v) for v in value]
    return value


def element_type(proto: onnx.TypeProto) -> np.dtype[Any] | None:
    """The type of the elements of a tensor, or of the tensors of a sequence or an optional; None where it is
    left open."""
    if proto.HasField("sequence_type"):
        return element_type(proto.sequence_type.elem_type)
    if proto.HasField("optional_type"):
        return element_type(proto.optional_type.elem_type)
    if not proto.HasField("tensor_type") or not proto.tensor_type.elem_type:
        return None
    return np.dtype(helper.tensor_dtype_to_np_dtype(proto.tensor_type.elem_type))


def _type_proto(bound: Bound) -> onnx.TypeProto:
    """What ONNX calls the type of a bound value."""
    value, dtype = bound
    element = helper.np_dtype_to_tensor_dtype(dtype)
    if isinstance(value, Value):
        return helper.make_tensor_type_proto(element, value.shape)
    return helper.make_sequence_type_proto(helper.make_tensor_type_proto(element, None))


def _assumed_type(value: Tensors | None) -> np.dtype[Any]:
    """The ONNX type of a value whose type the model leaves open."""
    if isinstance(value, TensorList):
        return _assumed_type(value.items[0] if value.items else None)
    return np.dtype({"real": np.float32, "int": np.int64, "bool": np.bool_}[value.kind if value else "real"])
