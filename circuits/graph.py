"""The float graph: what an ONNX model means, in a few operations on real numbers.

The importer lowers every ONNX operator to these operations; the quantiser turns them into a circuit. They
carry the names and rules of the circuit's operations (`circuits.ops`), on reals, plus the five that have no
exact integer twin:

    clip(x; lo, hi)           = min(max(x, lo), hi), either side may be null
    divide(x, d; at_least)    = x / d; `at_least` is a known positive lower bound of d, or null
    function(x; name, params) = a named unary function (`circuits.functions`)
    round(x; mode)            = floor, ceil, trunc or even (nearest, ties to even): a real becomes an integer
    int_divide(x, d; mode)    = floor or trunc of x / d on integers, d != 0

Shapes are those of one sample; evaluation adds a batch axis in front. Where all inputs are constants the
builder computes the result at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.circuit import Kind
from circuits.errors import CircuitError, ModelError
from circuits.graph_growth import Growth, admit
from circuits.layout import rewritten
from circuits.ops import op
from circuits.real_ops import apply
from circuits.tensor import Operand, Shape

FLOAT_ONLY: dict[str, tuple[int, tuple[str, ...]]] = {
    "clip": (1, ("lo", "hi")),
    "divide": (2, ("at_least",)),
    "function": (1, ("name", "params")),
    "round": (1, ("mode",)),
    "int_divide": (2, ("mode",)),
}
MAX_GRAPH_NODES = 200_000


@dataclass(frozen=True)
class Value:
    """A tensor of the float graph, by the number of its node."""

    id: int
    shape: Shape
    kind: Kind

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


@dataclass(frozen=True)
class GraphNode:
    """One operation of the float graph and the tensor it yields."""

    op: str
    inputs: tuple[int, ...]
    attrs: Mapping[str, Any]
    shape: Shape
    kind: Kind
    label: str


@dataclass(frozen=True)
class GraphPort:
    """A named input or output of the float graph; `dtype` is the model's own NumPy type."""

    name: str
    value: Value
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class ScaledIntegers:
    """A real tensor that a model dequantises: integers times a positive constant scale, a number or an array
    that broadcasts with them."""

    integers: Value
    scale: NDArray[Any]


@dataclass
class Graph:
    """A float graph in topological order; node i yields tensor i."""

    nodes: list[GraphNode] = field(default_factory=list)
    constants: dict[int, NDArray[Any]] = field(default_factory=dict)
    """The constants in the model's own types; evaluation takes them as float64."""
    inputs: list[GraphPort] = field(default_factory=list)
    outputs: list[GraphPort] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    """The model's strings (class labels): the integer k stands for string k."""


class GraphBuilder:
    """Grows a float graph; `label` names the ONNX node that the nodes added from now on come from."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.label = ""
        self.scaled: dict[int, ScaledIntegers] = {}
        """The real tensors known to be scaled integers, by number: products of two of them stay exact."""
        self._seen: dict[tuple[Any, ...], Value] = {}
        self._growth = Growth()

    def input(self, name: str, shape: Shape, kind: Kind, dtype: np.dtype[Any]) -> Value:
        """Add a model input.

        Raises
        ------
        ModelError
            If it is too large.
        """
        try:
            admit(shape)
        except ModelError as error:
            raise ModelError(f"input {name!r}: {error}") from None
        value = self._append("input", (), {}, shape, kind)
        self.graph.inputs.append(GraphPort(name, value, dtype))
        return value

    def constant(self, array: Any, kind: Kind | None = None) -> Value:
        """Add a constant; its kind is taken from the array's type unless stated.

        Raises
        ------
        ModelError
            If it holds NaN.
        """
        array = np.asarray(array)
        if kind is None:
            kind = {"b": "bool", "i": "int", "u": "int"}.get(array.dtype.kind, "real")  # type: ignore[assignment]
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ModelError("a constant holds NaN: there is no integer for it")
        if array.dtype.kind not in "fiub" or (array.dtype.itemsize < 4 and array.dtype.kind == "f"):
            array = array.astype(np.float32)
        value = self._append("constant", (), {}, tuple(array.shape), kind or "real")
        self.graph.constants[value.id] = array
        return value

    def value(self, i: int) -> Value:
        """Tensor i of the graph."""
        node = self.graph.nodes[i]
        return Value(i, node.shape, node.kind)

    def value_of(self, value: Value) -> NDArray[Any] | None:
        """The array of a constant, or None for a tensor that depends on an input."""
        return self.graph.constants.get(value.id)

    def add(self, name: str, inputs: Sequence[Value], /, kind: Kind | None = None, **attrs: Any) -> Value:
        """Add an operation. The result's kind is that of the widest input unless stated.

        Raises
        ------
        ModelError
            If the inputs do not fit the operation, or the graph is too large with it.
        """
        ids = tuple(v.id for v in inputs)
        if kind is None:
            kinds = [v.kind for v in inputs]
            kind = (
                "real" if "real" in kinds else "int" if "int" in kinds or name in ("add", "sub") else "bool"
            )
            kind = {
                "greater": "bool",
                "top_k": "int",
                "round": "int",
                "function": "real",
                "divide": "real",
            }.get(name, kind)  # type: ignore[assignment]
            if name == "where":
                kind = "real" if "real" in kinds[1:] else "int" if "int" in kinds[1:] else "bool"
            if name == "gather":
                kind = kinds[0]
        shape = self._shape(name, inputs, attrs)
        constant = all(v.id in self.graph.constants for v in inputs)
        self._growth.add(name, [v.shape for v in inputs], attrs, shape, constant)
        if name in ("reshape", "broadcast") and shape == inputs[0].shape and kind == inputs[0].kind:
            return inputs[0]
        if constant:
            arrays = [self.graph.constants[v.id][None] for v in inputs]
            return self.constant(apply(name, arrays, attrs, shape)[0], kind)
        better = rewritten(self, name, inputs, kind, attrs)
        if better is not None:
            return better
        key = (name, ids, kind, repr(sorted(attrs.items())))
        if key not in self._seen:
            self._seen[key] = self._append(name, ids, attrs, shape, kind)
        return self._seen[key]

    def retyped(self, value: Value, kind: Kind) -> Value:
        """The same tensor read as another kind: a truth value is an integer, an integer is an exact real."""
        return replace(value, kind=kind)

    def output(self, name: str, value: Value, dtype: np.dtype[Any]) -> None:
        """Declare a model output."""
        self.graph.outputs.append(GraphPort(name, value, dtype))

    def _append(
        self, name: str, ids: tuple[int, ...], attrs: Mapping[str, Any], shape: Shape, kind: Kind
    ) -> Value:
        if len(self.graph.nodes) >= MAX_GRAPH_NODES:
            raise ModelError(f"the model unrolls to over {MAX_GRAPH_NODES} operations")
        self.graph.nodes.append(GraphNode(name, ids, attrs, shape, kind, self.label))
        return Value(len(self.graph.nodes) - 1, shape, kind)

    def _shape(self, name: str, inputs: Sequence[Value], attrs: Mapping[str, Any]) -> Shape:
        if name in FLOAT_ONLY:
            arity, names = FLOAT_ONLY[name]
            assert len(inputs) == arity and set(attrs) == set(names), (name, attrs)
            return np.broadcast_shapes(*(v.shape for v in inputs))
        assert set(attrs) == set(op(name).attrs), (name, attrs)
        xs = [
            Operand(v.shape, 0, 0) for v in inputs
        ]  # shape rules read bounds only to protect indices and tables
        try:
            return op(name).shape(xs, attrs)
        except CircuitError as error:
            raise ModelError(str(error)) from None
