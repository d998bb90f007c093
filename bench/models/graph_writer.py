"""Writes an ONNX graph node by node, with weights drawn from one seeded generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
"""The first with Gelu as an operator."""
IR_VERSION = 9
BUFFER = "buffer."
"""Marks the initializers that are no parameters: shapes, masks, statistics."""


class GraphWriter:
    """A graph under construction. Tensors go by their names; every method that adds one returns its name."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def normal(self, name: str, shape: Sequence[int], deviation: float, mean: float = 0.0) -> str:
        """A parameter with normally distributed cells."""
        cells = self.random.standard_normal(shape, dtype=np.float32)
        cells *= np.float32(deviation)
        cells += np.float32(mean)
        return self._initializer(name, cells)

    def buffer(self, name: str, value: NDArray[Any] | Sequence[int]) -> str:
        """A constant that is no parameter; a sequence becomes int64."""
        return self._initializer(BUFFER + name, np.asarray(value))

    def node(self, op_type: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """A node with one output, which is called as the node is."""
        self._nodes.append(helper.make_node(op_type, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, x: str, parts: int, axis: int, name: str) -> list[str]:
        """Equal parts of a tensor along an axis."""
        outputs = [f"{name}.{i}" for i in range(parts)]
        self._nodes.append(helper.make_node("Split", [x], outputs, name=name, axis=axis, num_outputs=parts))
        return outputs

    def model(
        self,
        given: tuple[str, int, Sequence[int]],
        result: tuple[str, Sequence[int]],
    ) -> onnx.ModelProto:
        """The finished model.

        Parameters
        ----------
        given
            The input's name, element type (of TensorProto) and shape.
        result
            The output's name and shape; it is of float32.
        """
        graph = helper.make_graph(
            self._nodes,
            self.name,
            [helper.make_tensor_value_info(*given)],
            [helper.make_tensor_value_info(result[0], TensorProto.FLOAT, result[1])],
            list(self._initializers.values()),
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="bench",
        )

    def _initializer(self, name: str, value: NDArray[Any]) -> str:
        if name in self._initializers:
            raise ValueError(f"there are two initializers called {name!r}")
        self._initializers[name] = numpy_helper.from_array(value, name)
        return name
