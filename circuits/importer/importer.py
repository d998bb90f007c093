"""Walks an ONNX graph and lowers it, node by node, to the float graph.

A node whose inputs are all constants is computed by ONNX's own reference evaluator
(`circuits.importer.folding`). Any other node goes to its handler; one without a handler is replaced by the
body that the specification gives it, if it gives one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import defs, helper, numpy_helper

from circuits.circuit import Kind
from circuits.errors import InputError, ModelError, UnsupportedError, VerinferError
from circuits.graph import Graph, GraphBuilder, Value
from circuits.graph_growth import MAX_TENSOR_ELEMENTS
from circuits.importer import operators  # noqa: F401  registers every handler
from circuits.importer.admission import MAX_DEPTH, MAX_NODES, label, standard
from circuits.importer.folding import FOLDED, MOST_KNOWN, Folding, inferred, shape_of, too_large
from circuits.importer.handlers import HANDLERS, REFUSED, OnnxNode, TensorList, Tensors

CHOICES_AND_LOOPS = ("If", "Loop", "Scan")
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
    _check_dims(model, dims or {})
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


def _check_dims(model: onnx.ModelProto, dims: Mapping[str, int]) -> None:
    """Check that every dimension that is given a size exists."""
    shapes = [info.type.tensor_type.shape for info in model.graph.input]
    known = {dim.dim_param for shape in shapes for dim in shape.dim if dim.dim_param}
    for name, size in dims.items():
        if name not in known:
            some = (
                f"its open dimensions are {', '.join(sorted(known))}"
                if known
                else "all its dimensions are fixed"
            )
            raise InputError(f"the model has no dimension called {name!r}: {some}")
        if size < 1:
            raise InputError(f"dimension {name!r} cannot have the size {size}: give it at least 1")


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
            raise UnsupportedError(_open(info.name, axis, dim.dim_param))
    return tuple(shape), np.dtype(helper.tensor_dtype_to_np_dtype(given.tensor_type.elem_type))


def _open(name: str, axis: int, symbol: str) -> str:
    if symbol:
        return (
            f"input {name!r} leaves dimension {axis} ({symbol}) open: fix it with --dim {symbol}=SIZE, "
            "or export the model with static shapes"
        )
    return f"input {name!r} leaves dimension {axis} open, without a name: export the model with static shapes"


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
        self.opsets = {standard(o.domain): o.version for o in model.opset_import}
        self.folding = Folding(model.ir_version)
        self.functions = {(standard(f.domain), f.name): f for f in model.functions}
        self.scopes: list[dict[str, Bound | None]] = [{}]
        self.depth = 0
        self.steps = 0
        self.result_types: list[np.dtype[Any] | None] = []
        """The types of the results of the subgraph that was imported last."""
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
            self.bind(tensor.name, *self.constant(numpy_helper.to_array(tensor), tensor.name))
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
            self.result_types = [None if result is None else result[1] for result in results]
            return [None if result is None else result[0] for result in results]
        finally:
            self.scopes.pop()
            self.builder.label = label

    def run_node(self, node: onnx.NodeProto) -> None:
        """Import one node."""
        self.depth += 1
        self.steps += 1
        try:
            if self.depth > MAX_DEPTH:
                raise ModelError(f"functions or subgraphs are nested over {MAX_DEPTH} deep")
            if self.steps > MAX_NODES:
                raise ModelError(f"unrolled, the model is over the limit of {MAX_NODES} nodes")
            self._run_node(node, standard(node.domain))
        except VerinferError as error:
            if getattr(error, "located", False):
                raise
            where = type(error)(f"{node.op_type} node {label(node)!r}: {error}")
            where.located = True  # type: ignore[attr-defined]
            raise where from error.__cause__
        finally:
            self.depth -= 1

    def _run_node(self, node: onnx.NodeProto, domain: str) -> None:
        key = (domain, node.op_type)
        if key in self.functions:
            self._run_function(self.functions[key], node)
            return
        if key in REFUSED:
            raise UnsupportedError(f"{REFUSED[key]} ({node.op_type})")
        given = [self.lookup(name) if name else None for name in node.input]
        if node.op_type in FOLDED and all(g is None or self._known(g) is not None for g in given):
            self._fold(node, given)
            return
        if domain not in self.opsets:
            raise UnsupportedError(f"the operator set {domain!r} is not imported by the model, or unknown")
        self.builder.label = label(node)
        if key in HANDLERS:
            self._handle(node, domain, given)
            return
        body = self._specified_body(node, domain, given)
        if body is None:
            raise UnsupportedError(
                f"the operator {node.op_type} is not supported: docs/operators.md lists those that are"
            )
        defaults = defs.get_schema(node.op_type, self.opsets[domain], domain).attributes.values()
        self._run_function(body, node, [a.default_value for a in defaults if a.default_value.type])

    def _handle(self, node: onnx.NodeProto, domain: str, given: Sequence[Bound | None]) -> None:
        """Lower a node by its handler.

        Raises
        ------
        ModelError
            If the handler fails: its node is then not what the specification allows.
        """
        self.result_types = []
        controls = (
            node.op_type in CHOICES_AND_LOOPS
        )  # the inference would go through their subgraphs once more
        seen = self._view(node, domain, given, {} if controls else self._output_types(node, given))
        try:
            outputs = HANDLERS[domain, node.op_type](
                self.builder, seen, *(None if g is None else g[0] for g in given)
            )
        except MemoryError:
            raise ModelError("it takes more memory than there is: its tensors are too large") from None
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(f"its inputs or attributes do not fit the operator: {reason}") from error
        results = [outputs] if isinstance(outputs, Value | TensorList) else list(outputs)
        types = list(seen.out_dtypes)
        if controls:
            types = self.result_types[1:] if node.op_type == "Loop" else self.result_types
            types = types or [None if g is None else g[1] for g in given[2:]]  # a loop that never runs
        types += [None] * (len(results) - len(types))
        for name, value, dtype in zip(node.output, results, types, strict=False):
            self.bind(name, value, dtype or _assumed_type(value))

    def _known(self, bound: Bound) -> NDArray[Any] | None:
        """The array of a constant."""
        return self.builder.value_of(bound[0]) if isinstance(bound[0], Value) else None

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

    def _fold(self, node: onnx.NodeProto, given: Sequence[Bound | None]) -> None:
        """Compute a node of constants."""
        inputs: dict[str, NDArray[Any]] = {}
        for name, g in zip(node.input, given, strict=True):
            array = None if g is None else self._known(g)
            if g is not None and array is not None:
                strings = g[1].kind == "O"
                inputs[name] = np.array(list(self.strings), object)[array] if strings else array.astype(g[1])
        named = [name for name in node.output if name]
        for name, array in zip(named, self.folding.compute(node, self.opsets, inputs), strict=True):
            self.bind(name, *self.constant(array, name))

    def _output_types(self, node: onnx.NodeProto, given: Sequence[Bound | None]) -> dict[str, np.dtype[Any]]:
        """The outputs' types as the specification infers them; empty where it cannot tell.

        Raises
        ------
        ModelError
            If an output is too large.
        """
        known = [None if g is None or g[1].kind == "O" else self._known(g) for g in given]
        data = [
            None if g is None or array is None or array.size > MOST_KNOWN else array.astype(g[1], copy=False)
            for g, array in zip(given, known, strict=True)
        ]
        types = [None if g is None else _type_proto(g) for g in given]
        found = {}
        for name, proto in inferred(node, self.opsets, types, data).items():
            shape, dtype = shape_of(proto), element_type(proto)
            if shape is not None and math.prod(shape) > MAX_TENSOR_ELEMENTS:
                raise too_large(name, shape)
            if dtype is not None:
                found[name] = dtype
        return found

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
