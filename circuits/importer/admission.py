"""What a model may claim before anything of it is computed: the first walk over a file from a stranger.

Linear in the size of the file, without recursion, and without native code: how many nodes there are once
every function call is replaced by its body, how large the constants say they are, whether every operator
exists, whether a number is none. What passes here is small enough for ONNX's own checker and shape inference.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import defs, numpy_helper

from circuits.errors import ModelError, UnsupportedError

MAX_NODES = 100_000
"""Nodes of a model, functions replaced by their bodies."""
MAX_DEPTH = 64
"""Subgraphs within subgraphs, and functions that call functions."""
MAX_CONSTANT_ELEMENTS = 1 << 29
OLDEST_OPSET = 7
TENSOR_TYPES = frozenset(onnx.TensorProto.DataType.values()) - {onnx.TensorProto.UNDEFINED}
STANDARD_DOMAINS = ("", "ai.onnx.ml")
BOUNDS = frozenset({"Constant", "ConstantOfShape", "Pad", "Clip"})
"""Operators whose attributes may be infinite: a mask, or no bound."""
MARKS = frozenset(
    {
        ("TreeEnsembleClassifier", "nodes_values"),
        ("TreeEnsembleClassifier", "nodes_values_as_tensor"),
        ("TreeEnsembleRegressor", "nodes_values"),
        ("TreeEnsembleRegressor", "nodes_values_as_tensor"),
        ("TreeEnsemble", "nodes_splits"),
        ("TreeEnsemble", "membership_values"),
        ("Imputer", "replaced_value_float"),
        ("LabelEncoder", "keys_floats"),
        ("LabelEncoder", "keys_tensor"),
    }
)
"""Attributes in which NaN or infinity marks something and is never computed with: a split that only missing
values take, the end of a set, a missing value. Their handlers judge them."""

Key = tuple[str, str]


@dataclass
class _Scope:
    """The main graph or a function, with the subgraphs of its nodes."""

    nodes: int = 0
    calls: Counter[Key] = field(default_factory=Counter)


def admit(model: onnx.ModelProto, name: str) -> None:
    """Check a model's claims before ONNX's own tools see it.

    Raises
    ------
    ModelError
        If it is too large, recursive, or nested too deep, or has tensors with impossible shapes.
    UnsupportedError
        If an operator or an operator set is not known.
    """
    _check_opsets(model, name)
    functions = {(standard(f.domain), f.name): f for f in model.functions}
    main = _scope(model.graph.node, functions, name)
    scopes = {key: _scope(f.node, functions, name) for key, f in functions.items()}
    _check_size(main, scopes, name)
    for where, tensor in tensors(model):
        if any(d < 0 for d in tensor.dims) or math.prod(tensor.dims) > MAX_CONSTANT_ELEMENTS:
            raise ModelError(f"{name}: {where} claims the shape {list(tensor.dims)}, which is impossible")
        if tensor.data_type not in TENSOR_TYPES:
            raise ModelError(f"{name}: {where} has the unknown type {tensor.data_type}")
    if model.graph.sparse_initializer:
        sparse = model.graph.sparse_initializer[0].values.name
        raise UnsupportedError(
            f"{name}: initializer {sparse!r} is sparse: export the model with dense weights"
        )
    for info in model.graph.input:
        if info.type.HasField("tensor_type") and not info.type.tensor_type.HasField("shape"):
            raise UnsupportedError(
                f"{name}: the rank of input {info.name!r} is not known: export the model with static shapes"
            )


def admit_numbers(model: onnx.ModelProto, name: str) -> None:
    """Check that every constant has the numbers it claims, once external data are read in, and that none is
    NaN.

    Raises
    ------
    ModelError
        Naming the tensor or the node.
    """
    marks = {_place(n, a) for n in nodes(model) for a in n.attribute if (n.op_type, a.name) in MARKS}
    for where, tensor in tensors(model):
        if tensor.data_type == onnx.TensorProto.STRING:
            continue
        try:
            problem = _problem(np.asarray(numpy_helper.to_array(tensor)))
        except Exception as error:  # whatever its fields do not fit
            raise ModelError(f"{name}: {where} is damaged: {error}") from None
        if problem and where not in marks:
            raise ModelError(f"{name}: {where} holds {problem}: there is no integer for it")
    for node in nodes(model):
        for attribute in node.attribute:
            numbers = [attribute.f, *attribute.floats]
            finite = all(map(math.isfinite, numbers)) or (node.op_type, attribute.name) in MARKS
            if not finite and (any(map(math.isnan, numbers)) or node.op_type not in BOUNDS):
                where = f"{node.op_type} node {label(node)!r}"
                raise ModelError(f"{where}: its attribute {attribute.name!r} is NaN or infinite")


def standard(domain: str) -> str:
    """The one name of a domain."""
    return "" if domain == "ai.onnx" else domain


def label(node: onnx.NodeProto) -> str:
    """What messages call a node."""
    return str(node.name or (node.output[0] if node.output else node.op_type))


def nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of a model, of its functions, and of the subgraphs in either."""
    for outermost in (model.graph.node, *(f.node for f in model.functions)):
        for node, _ in _walk(outermost):
            yield node


def tensors(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """Every constant of a model, initializers and tensors in attributes, each with what messages call it."""
    yield from ((f"initializer {tensor.name!r}", tensor) for tensor in model.graph.initializer)
    for node in nodes(model):
        for attribute in node.attribute:
            where = _place(node, attribute)
            one = [attribute.t] if attribute.HasField("t") else []
            yield from ((where, tensor) for tensor in (*one, *attribute.tensors))
            sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            for parts in (*attribute.sparse_tensors, *sparse):
                yield from ((where, tensor) for tensor in (parts.values, parts.indices))
            for graph in subgraphs(attribute):
                yield from ((f"initializer {tensor.name!r}", tensor) for tensor in graph.initializer)


def _place(node: onnx.NodeProto, attribute: onnx.AttributeProto) -> str:
    """What messages call an attribute."""
    return f"{attribute.name!r} of {node.op_type} node {label(node)!r}"


def subgraphs(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    """The graphs in an attribute."""
    return [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def _walk(outermost: Iterable[onnx.NodeProto]) -> Iterator[tuple[onnx.NodeProto, int]]:
    """Nodes and those of their subgraphs, each with its depth."""
    for root in outermost:
        stack = [(root, 1)]
        while stack:
            node, depth = stack.pop()
            yield node, depth
            for attribute in node.attribute:
                for graph in subgraphs(attribute):
                    stack.extend((inner, depth + 1) for inner in graph.node)


def _scope(outermost: Iterable[onnx.NodeProto], functions: Collection[Key], name: str) -> _Scope:
    scope = _Scope()
    for node, depth in _walk(outermost):
        scope.nodes += 1
        if scope.nodes > MAX_NODES:
            raise ModelError(f"{name} has over {MAX_NODES} nodes, which is the limit")
        if depth > MAX_DEPTH:
            raise ModelError(f"{node.op_type} node {label(node)!r} is nested over {MAX_DEPTH} subgraphs deep")
        key = (standard(node.domain), node.op_type)
        if key in functions:
            scope.calls[key] += 1
        elif key[0] in STANDARD_DOMAINS and not defs.has(node.op_type, domain=key[0]):
            raise UnsupportedError(
                f"{node.op_type} node {label(node)!r}: ONNX has no operator {node.op_type} in the domain "
                f"{key[0] or 'ai.onnx'!r}: docs/operators.md lists those that are supported"
            )
    return scope


def _check_size(main: _Scope, scopes: dict[Key, _Scope], name: str) -> None:
    """Check the number of nodes with every call replaced by the function's body."""
    sizes: dict[Key, int] = {}
    depths: dict[Key, int] = {}
    for start in scopes:
        path, stack = [start], [iter(scopes[start].calls)]
        while path:
            key = path[-1]
            called = next((k for k in stack[-1] if k not in sizes), None)
            if called in path:
                raise ModelError(f"{name}: the function {called[1]!r} calls itself")
            if called is not None:
                path.append(called)
                stack.append(iter(scopes[called].calls))
                if len(path) > MAX_DEPTH:
                    raise ModelError(f"{name}: its functions are nested over {MAX_DEPTH} deep")
                continue
            calls = scopes[key].calls
            sizes[key] = scopes[key].nodes + sum(n * sizes[k] for k, n in calls.items())
            depths[key] = 1 + max((depths[k] for k in calls), default=0)
            if depths[key] > MAX_DEPTH:
                raise ModelError(f"{name}: its functions are nested over {MAX_DEPTH} deep")
            path.pop()
            stack.pop()
    size = main.nodes + sum(n * sizes[k] for k, n in main.calls.items())
    size += sum(scope.nodes for scope in scopes.values())
    if size > MAX_NODES:
        raise ModelError(f"{name} has {size} nodes, over the limit of {MAX_NODES}")


def _check_opsets(model: onnx.ModelProto, name: str) -> None:
    newest = {"": defs.onnx_opset_version(), "ai.onnx.ml": defs.onnx_ml_opset_version()}
    for opset in (*model.opset_import, *(o for f in model.functions for o in f.opset_import)):
        domain = standard(opset.domain)
        if domain == "" and opset.version < OLDEST_OPSET:
            raise UnsupportedError(
                f"{name} uses opset {opset.version}: export it again with opset 11 or newer"
            )
        if domain in newest and opset.version > newest[domain]:
            raise UnsupportedError(
                f"{name} uses opset {opset.version} of {domain or 'ai.onnx'}, but the newest known one is "
                f"{newest[domain]}: export it again with that one"
            )


def _problem(array: NDArray[Any]) -> str:
    """What of a constant no integer stands for; an infinite bound, or a mask of zeros and minus infinity, may
    stay."""
    if array.dtype.kind not in "fV" or "int" in array.dtype.name:
        return ""
    if array.dtype.kind == "V":
        array = array.astype(np.float32)
    if np.isfinite(array).all():
        return ""
    if np.isnan(array).any():
        return "NaN"
    is_mask = bool((np.isneginf(array) | (array == 0)).all())
    return "" if is_mask or array.size == 1 else "infinity"
