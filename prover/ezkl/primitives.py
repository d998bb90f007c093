"""The few exact steps that every operation is made of, in the cheapest form that ezkl constrains fully.

A *narrow* value lies in the lookup table's range [-2^(t-1), 2^t - 1]; a *wide* one does not, and is
decomposed into a sign and digits instead, which costs ten times as much. The table is ezkl's HardSwish at
scale 1, which on integers is ReLU: x * min(max(x + 3, 0), 6) / 6 rounds to max(x, 0) for every integer x.

The quotient floor(y / 2^s) is proposed, not proved, by ezkl's division, which accepts both neighbours of the
true quotient. With w the proposal and r = y - 2^s * w,

    r * 2^(t-s) in the table's range    so -2^(s-1) <= r < 2^s,
    q = w - [r < 0]                     so y - 2^s * q lies in [0, 2^s), and q is the floor for every such w,

and q passes a lookup or a decomposition as well, so that w is an integer and not a fraction of the field.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from onnx import TensorProto

from circuits.errors import UnsupportedError
from circuits.tensor import Bound
from prover.ezkl.graph import IntegerGraph, Value, fits_float32

# Circuit cells that ezkl 23 lays out for one element, measured at two inner columns and two digits.
RELU_CELLS, GREATER_CELLS, DIVIDE_CELLS, SELECT_CELLS = 16, 23, 48, 4
HINT_LIMIT = 1 << 53
"""ezkl computes its proposal in float64."""


class Primitives:
    """The steps, on a graph, for a lookup table of `table_bits` bits (t above)."""

    def __init__(self, graph: IntegerGraph, table_bits: int) -> None:
        self.graph = graph
        self.table_bits = table_bits
        self.decomposed = 1
        """The largest magnitude that ezkl will have to decompose into digits."""
        self.uses_table = False

    @property
    def table_range(self) -> Bound:
        """The lookup table's range, both ends included."""
        return -(1 << self.table_bits - 1), (1 << self.table_bits) - 1

    def is_narrow(self, bound: Bound) -> bool:
        """Whether every value within the bound is in the table."""
        low, high = self.table_range
        return low <= bound[0] and bound[1] <= high

    def add(self, a: Value, b: Value) -> Value:
        """a + b, broadcast."""
        a, b = _broadcast(a, b)
        known, other = self.graph.constant_of(a), self.graph.constant_of(b)
        if known is not None and other is not None:
            return self.graph.constant(known + other)
        if known is not None:
            a, b = b, a
        total = Value(a.cells, a.lo, a.hi)
        for part in self._addends(b):
            bound = total.lo + part.lo, total.hi + part.hi
            total = self._elementwise("Add", total, part, bound)
        return total

    def subtract(self, a: Value, b: Value) -> Value:
        """a - b, broadcast."""
        a, b = _broadcast(a, b)
        constant = self.graph.constant_of(b)
        if constant is not None:
            return self.add(a, self.graph.constant(-constant))
        first, *rest = self._addends(a)
        total = self._elementwise("Sub", first, b, (first.lo - b.hi, first.hi - b.lo))
        for part in rest:
            total = self._elementwise("Add", total, part, (total.lo + part.lo, total.hi + part.hi))
        return total

    def multiply(self, a: Value, b: Value) -> Value:
        """a * b, broadcast."""
        a, b = _broadcast(a, b)
        known, other = self.graph.constant_of(a), self.graph.constant_of(b)
        if known is not None and other is not None:
            # ezkl would compute it too, and decompose the result into digits that nobody has counted.
            return self.graph.constant(known * other)
        if known is not None:
            a, b = b, a
        corners = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        bound = min(corners), max(corners)
        return self._sum([self._elementwise("Mul", a, part, bound) for part in self._addends(b)], bound)

    def plus(self, a: Value, number: int) -> Value:
        """a + number."""
        return self.add(a, self.graph.constant(number)) if number else a

    def times(self, a: Value, number: int) -> Value:
        """a * number."""
        return self.multiply(a, self.graph.constant(number)) if number != 1 else a

    def relu(self, x: Value) -> Value:
        """max(x, 0). Also shows that x is a small integer."""
        bound = max(x.lo, 0), max(x.hi, 0)
        if self.is_narrow((x.lo, x.hi)):
            self.uses_table = True
            return self._unary("HardSwish", x, bound, 1)
        self.decomposed = max(self.decomposed, x.magnitude)
        return self._unary("Relu", x, bound, RELU_CELLS)

    def maximum(self, a: Value, b: Value) -> Value:
        """max(a, b) = b + max(a - b, 0), broadcast."""
        best = self.add(self.relu(self.subtract(a, b)), b)
        return Value(best.cells, max(a.lo, b.lo), max(a.hi, b.hi))

    def maximum_over(self, x: Value) -> Value:
        """The maximum over the last axis, [..., n] to [...]."""
        cells = x.cells
        while cells.shape[-1] > 1:
            half, odd = divmod(cells.shape[-1], 2)
            a, b = (Value(cells[..., i * half : (i + 1) * half], x.lo, x.hi) for i in (0, 1))
            best = self.maximum(a, b).cells
            cells = np.concatenate([best, cells[..., 2 * half :]], axis=-1) if odd else best
        return Value(cells[..., 0], x.lo, x.hi)

    def greater(self, a: Value, b: Value) -> Value:
        """1 where a > b, else 0, broadcast."""
        d = self.subtract(a, b)
        if self.is_narrow((d.lo - 1, d.hi)):
            step = self.subtract(self.relu(d), self.relu(self.plus(d, -1)))
        else:
            # 2d - 1 is never 0, whose sign ezkl has not always constrained.
            odd = self.plus(self.times(d, 2), -1)
            self.decomposed = max(self.decomposed, odd.magnitude)
            zero = self.graph.initializer(np.zeros(1, np.int64))
            cost = GREATER_CELLS * odd.size
            flag = self.graph.emit("Greater", [self.graph.flat(odd), zero], (odd.size,), (0, 1), cost)
            step = self.graph.emit(
                "Cast", [self.graph.flat(flag)], (odd.size,), (0, 1), 0, to=TensorProto.FLOAT
            )
        return Value(step.cells.reshape(d.shape), int(d.lo > 0), int(d.hi > 0))

    def where(self, c: Value, a: Value, b: Value) -> Value:
        """a where c = 1, b where c = 0: b + c * (a - b), broadcast."""
        chosen = self.add(self.multiply(c, self.subtract(a, b)), b)
        return Value(chosen.cells, min(a.lo, b.lo), max(a.hi, b.hi))

    def shift_right(self, y: Value, shift: int) -> Value:
        """floor(y / 2^shift). The result must go through `relu` or `show_small` before anything else."""
        if y.magnitude >= HINT_LIMIT:
            raise UnsupportedError(
                f"values up to {y.magnitude} are too large for ezkl to divide: compile with fewer bits"
            )
        while shift:
            step = min(shift, self.table_bits)
            y = self._shift_right_once(y, step)
            shift -= step
        return y

    def show_small(self, x: Value) -> Value:
        """x itself, shown to be a small integer."""
        if x.lo >= 0:
            return self.relu(x)
        shifted = self.relu(self.plus(x, -x.lo))
        return Value(self.plus(shifted, x.lo).cells, x.lo, x.hi)

    def matmul(self, a: Value, b: Value, bound: Bound) -> Value:
        """[m, k] x [k, n] to [m, n], or [g, m, k] x [g, k, n] to [g, m, n]."""
        (*batch, m, k), n = a.shape, b.shape[-1]
        shape = (*batch, m, n)
        products = []
        for left, right in itertools.product(self._addends(a), self._addends(b)):
            operands = [self.graph.shaped(left, a.shape), self.graph.shaped(right, b.shape)]
            products.append(self.graph.emit("MatMul", operands, shape, bound, math.prod(shape) * (k + k % 2)))
        return self._sum(products, bound)

    def sum_over(self, x: Value, bound: Bound) -> Value:
        """The sum over the last axis, [..., n] to [...]."""
        rows, n = x.size // x.shape[-1], x.shape[-1]
        axes = self.graph.integers(np.array([1]))
        operands = [self.graph.shaped(x, (rows, n)), axes]
        total = self.graph.emit("ReduceSum", operands, (rows,), bound, x.size, keepdims=0)
        return Value(total.cells.reshape(x.shape[:-1]), *bound)

    def select(self, table: Value, index: Value, bound: Bound) -> Value:
        """table[index], for a flat table and an index of any shape that is within it."""
        chosen = []
        for part in self._addends(table):
            self.graph.dynamic_table_cells += table.size
            operands = [self.graph.flat(part), self.graph.cast_to_index(index)]
            cost = SELECT_CELLS * index.size
            chosen.append(self.graph.emit("Gather", operands, (index.size,), bound, cost, axis=0))
        total = self._sum(chosen, bound)
        return Value(total.cells.reshape(index.shape), *bound)

    def _shift_right_once(self, y: Value, shift: int) -> Value:
        divisor = self.graph.initializer(np.array([1 << shift]))
        fraction = self.graph.emit("Div", [self.graph.flat(y), divisor], (y.size,), (y.lo, y.hi), 0)
        # Neg is what ezkl attaches its division to: any step would do that the ONNX optimiser keeps.
        largest = (y.magnitude >> shift) + 1
        self.decomposed = max(self.decomposed, largest, 2 << shift)
        minus_w = self._unary(
            "Neg", Value(fraction.cells.reshape(y.shape), y.lo, y.hi), (-largest, largest), DIVIDE_CELLS
        )
        half = 1 << shift - 1
        r = Value(self.add(y, self.times(minus_w, 1 << shift)).cells, -half, half)
        r = self.times(r, 1 << self.table_bits - shift)
        not_negative = self.subtract(self.relu(self.plus(r, 1)), self.relu(r))
        q = self.subtract(self.plus(not_negative, -1), minus_w)
        return Value(q.cells, y.lo >> shift, y.hi >> shift)

    def _sum(self, parts: list[Value], bound: Bound) -> Value:
        """The sum of values of one shape; `bound` is known to hold it."""
        total = parts[0]
        for part in parts[1:]:
            total = self._elementwise("Add", total, part, bound)
        return total

    def _addends(self, b: Value) -> list[Value]:
        """b as a sum of values whose constants float32 holds: a wide constant's high and low bits."""
        constant = self.graph.constant_of(b)
        if constant is None or fits_float32(constant).all():
            return [b]
        low = constant & 0xFFFFF
        middle = (constant - low) & 0xFFFFFFFFFF
        parts = (constant - low - middle, middle, low)
        return [self.graph.constant(part) for part in parts if part.any()]

    def _elementwise(self, op: str, a: Value, b: Value, bound: Bound) -> Value:
        operands = [self._operand(a), self._operand(b)]
        result = self.graph.emit(op, operands, (a.size,), bound, a.size)
        return Value(result.cells.reshape(a.shape), *bound)

    def _operand(self, value: Value) -> str:
        constant = self.graph.constant_of(value)
        if constant is not None and (constant == constant.flat[0]).all():
            return self.graph.initializer(constant.ravel()[:1])
        return self.graph.flat(value)

    def _unary(self, op: str, x: Value, bound: Bound, cells: int) -> Value:
        result = self.graph.emit(op, [self.graph.flat(x)], (x.size,), bound, cells * x.size)
        return Value(result.cells.reshape(x.shape), *bound)


def _broadcast(a: Value, b: Value) -> tuple[Value, Value]:
    x, y = np.broadcast_arrays(a.cells, b.cells)
    return Value(x, a.lo, a.hi), Value(y, b.lo, b.hi)
