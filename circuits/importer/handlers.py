"""The table of ONNX operators: which function lowers which operator to the float graph.

A handler is a function of the builder, the node and its inputs (None where an optional input is left out),
and returns the node's outputs. Inputs that are constants are still Values: `b.value_of(x)` gives their array.
Nodes whose inputs are all constants never reach a handler, and attributes arrive with the specification's
defaults filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from circuits.errors import UnsupportedError
from circuits.graph import GraphBuilder, Value


@dataclass(frozen=True)
class TensorList:
    """An ONNX sequence: how many tensors it holds, and which, is known when compiling."""

    items: tuple[Value, ...]


Tensors = Value | TensorList
Outputs = Tensors | Sequence[Tensors | None]
Handler = Callable[..., Outputs]
H = TypeVar("H", bound=Handler)


class Scope(Protocol):
    """What a handler with subgraphs may ask of the importer."""

    def run(self, graph: onnx.GraphProto, bindings: Mapping[str, Tensors | None]) -> list[Tensors | None]:
        """Import a subgraph with its inputs bound; outer names stay visible. None is an optional without an
        element."""
        ...

    def number_of(self, text: str) -> int:
        """The integer that stands for a string: strings are numbered as the model first names them."""
        ...


@dataclass(frozen=True)
class OnnxNode:
    """One ONNX node as a handler sees it."""

    op_type: str
    domain: str
    version: int
    """The version of the operator set the model imports."""
    name: str
    attrs: Mapping[str, Any]
    """Python values: int, float, str, lists, NumPy arrays for tensors, GraphProto for subgraphs."""
    dtypes: tuple[np.dtype[Any] | None, ...]
    """The inputs' types, None for those left out."""
    out_dtypes: tuple[np.dtype[Any] | None, ...]
    out_names: tuple[str, ...]
    """Empty strings for outputs that are left out."""
    scope: Scope

    def fail(self, why: str) -> UnsupportedError:
        """The error that refuses this node; the importer adds its name."""
        return UnsupportedError(why)

    def array(self, b: GraphBuilder, value: Value | None, what: str) -> NDArray[Any]:
        """The array of an input that must be constant here, `what` naming it in the error."""
        array = None if value is None else b.value_of(value)
        if array is None:
            raise self.fail(f"its {what} is computed at run time, so shapes or loops would depend on data")
        return array


HANDLERS: dict[tuple[str, str], Handler] = {}
REFUSED: dict[tuple[str, str], str] = {}


def handles(*op_types: str, domain: str = "") -> Callable[[H], H]:
    """Decorator: this function lowers the named operators."""

    def register(handler: H) -> H:
        for op_type in op_types:
            assert (domain, op_type) not in HANDLERS, op_type
            HANDLERS[domain, op_type] = handler
        return handler

    return register


def refuse(why: str, *op_types: str, domain: str = "") -> None:
    """State why operators have no meaning here."""
    for op_type in op_types:
        REFUSED[domain, op_type] = why
