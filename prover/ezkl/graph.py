"""An integer ONNX graph in the form that ezkl proves exactly, built cell by cell.

Every tensor in the graph is flat. A tensor of the circuit is an array of *cells*, integers that number the
elements of all flat tensors made so far. So every movement of data (reshape, transpose, slice, concat, pad,
broadcast, a gather with a constant index) is a NumPy operation on cell numbers and adds nothing to the graph;
only where an operation needs its operand as one tensor do the cells become one again, by at most a `Concat`
and a `Gather` with constant indices, which cost ezkl nothing either.

Cells are integers, float32 in the graph's types, and ezkl runs the graph with all scales 0. Constants pass
through float32 in ezkl, so a constant that float32 does not hold exactly is refused here, or split by the
caller.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from circuits.errors import UnsupportedError
from circuits.tensor import Bound, IntArray, Shape

Cells = NDArray[np.int64]
OPSET = 17


@dataclass(frozen=True)
class Value:
    """A tensor as an array of cells, with a bound that holds each of them."""

    cells: Cells
    lo: int
    hi: int

    @property
    def shape(self) -> Shape:
        """The tensor's shape."""
        return self.cells.shape

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.cells.size

    @property
    def magnitude(self) -> int:
        """The largest absolute value within the bound."""
        return max(abs(self.lo), abs(self.hi))


@dataclass(frozen=True)
class _Source:
    """One flat tensor of the graph: its cells are start, ..., start + size - 1."""

    name: str
    start: int
    size: int
    constant: IntArray | None


def fits_float32(array: IntArray) -> NDArray[np.bool_]:
    """Where float32 holds the integer exactly."""
    nearest = array.astype(np.float32).astype(np.float64)
    inside = np.abs(nearest) < 2.0**63
    equal: NDArray[np.bool_] = np.where(inside, nearest, 0).astype(np.int64) == array
    return inside & equal


class IntegerGraph:
    """The graph under construction, and about how many cells ezkl will lay out for it (two to a row)."""

    def __init__(self) -> None:
        self.cost = 0
        self.dynamic_table_cells = 0
        self._sources: list[_Source] = []
        self._starts: list[int] = []
        self._end = 0
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._initializer_names: dict[tuple[str, Shape, bytes], str] = {}
        self._uses: Counter[str] = Counter()
        self._inputs: list[tuple[str, int]] = []
        self._flat_names: dict[bytes, str] = {}

    def input(self, size: int, lo: int, hi: int) -> Value:
        """Add a public input of `size` elements."""
        name = f"x{len(self._inputs)}"
        self._inputs.append((name, size))
        self.cost += size
        return self._source(name, size, lo, hi)

    def constant(self, array: IntArray | int) -> Value:
        """Constant cells."""
        flat = np.ravel(np.asarray(array)).astype(np.int64)
        lo, hi = int(flat.min()), int(flat.max())
        value = self._source(f"c{self._end}", flat.size, lo, hi, flat)
        return Value(value.cells.reshape(np.shape(array)), lo, hi)

    def constant_of(self, value: Value) -> IntArray | None:
        """The value of a tensor whose cells are all constant, int64 in its shape; None for any other."""
        flat = value.cells.ravel()
        numbers, used = self._numbers(flat)
        if any(source.constant is None for source in used.values()):
            return None
        out = np.empty(flat.size, dtype=np.int64)
        for i, source in used.items():
            assert source.constant is not None
            mine = numbers == i
            out[mine] = source.constant[flat[mine] - source.start]
        return out.reshape(value.shape)

    def emit(
        self, op: str, operands: list[str], shape: Shape, bound: Bound, cost: int, **attrs: int
    ) -> Value:
        """Add a node whose output has this shape and bound; `cost` is in ezkl's cells."""
        name = self._node(op, operands, **attrs)
        self.cost += cost
        size = math.prod(shape)
        if len(shape) != 1:
            name = self._node("Reshape", [name, self.integers(np.array([size]))])
        value = self._source(name, size, *bound)
        return Value(value.cells.reshape(shape), value.lo, value.hi)

    def flat(self, value: Value) -> str:
        """The name of a flat tensor that holds the value's cells in row-major order."""
        flat = value.cells.ravel()
        key = flat.tobytes()
        if key not in self._flat_names:
            self._flat_names[key] = self._gathered(flat, value)
        return self._flat_names[key]

    def shaped(self, value: Value, shape: Shape) -> str:
        """The name of a tensor that holds the value's cells in another shape."""
        if value.size == shape[0] and len(shape) == 1:
            return self.flat(value)
        constant = self.constant_of(value)
        if constant is not None:
            return self.initializer(constant.reshape(shape))
        return self._node("Reshape", [self.flat(value), self.integers(np.array(shape))])

    def initializer(self, array: IntArray) -> str:
        """The name of a constant tensor.

        Raises
        ------
        UnsupportedError
            If float32 does not hold one of the values exactly.
        """
        wrong = ~fits_float32(array)
        if wrong.any():
            raise UnsupportedError(
                f"the constant {int(array[wrong][0])} has more than 24 significant bits, and ezkl keeps "
                "constants as float32: compile with fewer bits"
            )
        return self._initializer(array.astype(np.float32))

    def integers(self, array: IntArray) -> str:
        """The name of a constant int64 tensor: shapes and indices."""
        return self._initializer(array.astype(np.int64))

    def cast_to_index(self, value: Value) -> str:
        """The name of a flat int64 tensor with the value's cells, for use as a runtime index."""
        return self._node("Cast", [self.flat(value)], to=TensorProto.INT64)

    def largest_shared_constant(self) -> int:
        """The largest magnitude in a constant with several readers: ezkl decomposes those into digits."""
        shared = [
            numpy_helper.to_array(self._initializers[name]) for name, uses in self._uses.items() if uses > 1
        ]
        return max((int(np.abs(array).max()) for array in shared if array.dtype == np.float32), default=0)

    def model(self, outputs: list[Value]) -> bytes:
        """The finished model, with these outputs, as ONNX bytes."""
        infos = []
        taken = {name for name, _ in self._inputs}
        for i, value in enumerate(outputs):
            source, name = self.flat(value), f"y{i}"
            if source in taken:  # ezkl knows no Identity and would need one: 2x - x stands in for x
                double = self._node("Mul", [source, self.initializer(np.array([2]))])
                source = self._node("Sub", [double, source])
            taken.add(source)
            self._nodes.append(helper.make_node("Identity", [source], [name]))
            infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [value.size]))
            self.cost += value.size
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [size]) for name, size in self._inputs
        ]
        graph = helper.make_graph(self._nodes, "circuit", inputs, infos, list(self._initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        encoded: bytes = model.SerializeToString(deterministic=True)
        return encoded

    def _source(self, name: str, size: int, lo: int, hi: int, constant: IntArray | None = None) -> Value:
        source = _Source(name, self._end, size, constant)
        self._sources.append(source)
        self._starts.append(source.start)
        self._end += size
        cells = np.arange(source.start, self._end, dtype=np.int64)
        if constant is None:
            self._flat_names[cells.tobytes()] = name
        return Value(cells, lo, hi)

    def _numbers(self, flat: Cells) -> tuple[NDArray[np.intp], dict[int, _Source]]:
        """For each cell the number of its source, and the sources that occur."""
        first = bisect_right(self._starts, flat.min()) - 1
        behind = bisect_right(self._starts, flat.max())
        numbers = first + np.searchsorted(np.array(self._starts[first + 1 : behind]), flat, side="right")
        used = [first] if behind == first + 1 else np.unique(numbers).tolist()
        return numbers, {i: self._sources[i] for i in used}

    def _gathered(self, flat: Cells, value: Value) -> str:
        constant = self.constant_of(value)
        if constant is not None:
            return self.initializer(constant.ravel())
        numbers, used = self._numbers(flat)
        names, offsets, end = [], np.zeros(len(self._sources), dtype=np.int64), 0
        for i, source in used.items():
            names.append(source.name if source.constant is None else self.initializer(source.constant))
            offsets[i] = end - source.start
            end += source.size
        whole = names[0] if len(names) == 1 else self._node("Concat", names, axis=0)
        return self._node("Gather", [whole, self.integers(flat + offsets[numbers])], axis=0)

    def _node(self, op: str, operands: list[str], **attrs: int) -> str:
        self._uses.update(name for name in operands if name in self._initializers)
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, operands, [name], None, None, None, None, **attrs))
        return name

    def _initializer(self, array: NDArray[np.generic]) -> str:
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._initializer_names:
            name = self._initializer_names[key] = f"k{len(self._initializers)}"
            self._initializers[name] = numpy_helper.from_array(array, name)
        return self._initializer_names[key]
