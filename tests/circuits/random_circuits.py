"""Random small circuits of every operation, and random inputs for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import VerinferError
from circuits.tensor import IntArray

MOST_CELLS = 96
WIDE = 1 << 20
"""A tensor whose bound is wider than this is rescaled before it is used again."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def circuits(draw: Draw, most_nodes: int = 8) -> Circuit:
    """A circuit of a few operations, with one to three outputs, some of which may be read by other nodes
    too."""
    grown = _Grown(draw)
    for _ in range(draw(st.integers(1, 2))):
        shape = draw(shapes())
        lo = draw(st.integers(-40, 20))
        grown.add_input(shape, lo, lo + draw(st.integers(0, 100)))
    for _ in range(draw(st.integers(1, most_nodes))):
        grown.grow()
    ends = draw(st.lists(st.sampled_from(grown.pool[-4:]), min_size=1, max_size=3))
    ports = [Port(f"y{k}", i, 0.5 + k, "real") for k, i in enumerate(ends)]
    return grown.builder.build(ports, {})


@st.composite
def samples(draw: Draw, circuit: Circuit) -> list[IntArray]:
    """One sample for the circuit's inputs, often at the corners of their bounds."""
    arrays: list[IntArray] = []
    for port in circuit.inputs:
        node = circuit.nodes[port.node]
        seed = draw(st.integers(0, 2**32 - 1))
        rng = np.random.default_rng(seed)
        values = rng.integers(node.lo, node.hi, node.shape, endpoint=True)
        corners = rng.choice([node.lo, node.hi], node.shape)
        arrays.append(
            np.asarray(np.where(rng.random(node.shape) < 0.2, corners, values))[None].astype(node.dtype)
        )
    return arrays


def shapes(least: int = 0, most: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of few cells, often with axes of size 1."""
    sizes = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=least, max_size=most).map(tuple)
    return sizes.filter(lambda shape: math.prod(shape) <= MOST_CELLS)


class _Grown:
    """A circuit under construction: every operation takes inputs from the pool and puts its tensor back."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.builder = CircuitBuilder()
        self.pool: list[int] = []

    def add_input(self, shape: tuple[int, ...], lo: int, hi: int) -> None:
        name = f"x{len(self.pool)}"
        self.pool.append(self.builder.input(name, shape, lo, hi, 0.25, "real"))

    def shape(self, i: int) -> tuple[int, ...]:
        return self.builder.nodes[i].shape

    def integer(self, lo: int, hi: int) -> int:
        return self.draw(st.integers(lo, hi))

    def pick(self) -> int:
        return self.draw(st.sampled_from(self.pool))

    def narrow(self, i: int) -> int:
        """The tensor, rescaled where its bound is wide."""
        node = self.builder.nodes[i]
        bits = max(abs(node.lo), abs(node.hi)).bit_length()
        if max(abs(node.lo), abs(node.hi)) < WIDE:
            return i
        return self.builder.add("rescale", [i], mul=1, shift=bits - 8, lo=None, hi=None)

    def constant(self, shape: tuple[int, ...], lo: int = -9, hi: int = 9) -> int:
        rng = np.random.default_rng(self.integer(0, 1000))
        return self.builder.constant(rng.integers(lo, hi, shape, endpoint=True))

    def mate(self, shape: tuple[int, ...]) -> int:
        """A tensor that broadcasts with one of this shape: from the pool if one does, a constant
        otherwise."""
        fitting = [i for i in self.pool if _broadcasts(self.shape(i), shape)]
        if fitting and self.draw(st.booleans()):
            return self.narrow(self.draw(st.sampled_from(fitting)))
        own = tuple(n if self.draw(st.booleans()) else 1 for n in shape)
        return self.constant(own[self.integer(0, len(own)) :])

    def grow(self) -> None:
        """Try one operation; one that does not fit its operands is left out."""
        op = self.draw(st.sampled_from(OPERATIONS))
        try:
            new = getattr(self, f"_{op}")(self.narrow(self.pick()))
        except VerinferError:
            return
        if (
            new is not None
            and self.builder.nodes[new].size <= MOST_CELLS
            and self.builder.nodes[new].op != "constant"
        ):
            self.pool.append(new)

    def _elementwise(self, x: int) -> int:
        op = self.draw(st.sampled_from(["add", "sub", "mul", "max", "greater"]))
        pair = [x, self.mate(self.shape(x))]
        if self.draw(st.booleans()):
            pair.reverse()
        return self.builder.add(op, pair)

    def _twice(self, x: int) -> int:
        """The same tensor on both sides."""
        return self.builder.add(self.draw(st.sampled_from(["add", "sub", "mul", "max"])), [x, x])

    def _where(self, x: int) -> int:
        condition = self.builder.add("greater", [x, self.mate(self.shape(x))])
        return self.builder.add("where", [condition, self.mate(self.shape(x)), self.mate(self.shape(x))])

    def _rescale(self, x: int) -> int:
        lo = self.draw(st.none() | st.integers(-300, 0))
        hi = self.draw(st.none() | st.integers(0, 300))
        return self.builder.add(
            "rescale", [x], mul=self.integer(1, 5), shift=self.integer(0, 5), lo=lo, hi=hi
        )

    def _floor_divide(self, x: int) -> int:
        return self.builder.add("floor_divide", [x, self.constant(self.shape(x), 1, 9)])

    def _divide_by_runtime(self, x: int) -> int:
        other = self.mate(self.shape(x))
        lo = self.builder.nodes[other].lo
        positive = self.builder.add("add", [other, self.builder.constant(1 - lo)])
        return self.builder.add("floor_divide", [x, positive])

    def _table(self, x: int) -> int | None:
        node = self.builder.nodes[x]
        if node.hi - node.lo > 2000:
            return None
        lo = node.lo - self.integer(0, 3)
        table = self.constant((node.hi - lo + 1 + self.integer(0, 3),), -100, 100)
        return self.builder.add("table", [x, table], lo=lo)

    def _reduce(self, x: int) -> int:
        rank = len(self.shape(x))
        axes = [axis for axis in range(rank) if self.draw(st.booleans())]
        return self.builder.add(self.draw(st.sampled_from(["reduce_sum", "reduce_max"])), [x], axes=axes)

    def _matmul(self, x: int) -> int | None:
        shape = self.shape(x)
        if len(shape) < 2:
            return None
        fitting = [i for i in self.pool if len(self.shape(i)) >= 2 and self.shape(i)[-2] == shape[-1]]
        if fitting and self.draw(st.booleans()):
            return self.builder.add("matmul", [x, self.narrow(self.draw(st.sampled_from(fitting)))])
        if self.draw(st.booleans()):
            return self.builder.add("matmul", [self.constant((self.integer(1, 4), shape[-2])), x])
        return self.builder.add("matmul", [x, self.constant((shape[-1], self.integer(1, 5)))])

    def _image(self, x: int) -> int:
        """The tensor with the axes of an image: batch, one or two spatial axes, channels."""
        shape = self.shape(x)
        rank = self.integer(3, 4)
        while len(shape) > rank:
            shape = (shape[0] * shape[1], *shape[2:])
        return self.builder.add("reshape", [x], shape=[*(1,) * (rank - len(shape)), *shape])

    def _windows(self, spatial: int) -> dict[str, list[int]]:
        ranges = {"strides": (1, 3), "pads_before": (0, 2), "pads_after": (0, 2), "dilations": (1, 2)}
        return {name: [self.integer(*edges) for _ in range(spatial)] for name, edges in ranges.items()}

    def _conv(self, x: int) -> int:
        image = self._image(x)
        channels, spatial = self.shape(image)[-1], len(self.shape(image)) - 2
        groups = self.draw(st.sampled_from([g for g in (1, 2, 3, 4, 6) if channels % g == 0]))
        kernel = [self.integer(1, 3) for _ in range(spatial)]
        weights = (groups * self.integer(1, 2), *kernel, channels // groups)
        fitting = [i for i in self.pool if math.prod(self.shape(i)) == math.prod(weights)]
        if fitting and self.draw(st.booleans()):
            w = self.builder.add("reshape", [self.narrow(fitting[0])], shape=list(weights))
        else:
            w = self.constant(weights)
        return self.builder.add("conv", [image, w], **self._windows(spatial), groups=groups)

    def _max_pool(self, x: int) -> int:
        image = self._image(x)
        spatial = len(self.shape(image)) - 2
        kernel = [self.integer(1, 3) for _ in range(spatial)]
        return self.builder.add("max_pool", [image], kernel=kernel, **self._windows(spatial))

    def _reshape(self, x: int) -> int:
        rest, shape = math.prod(self.shape(x)), []
        while rest > 1 and self.draw(st.booleans()):
            shape.append(self.draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0])))
            rest //= shape[-1]
        return self.builder.add("reshape", [x], shape=[*shape, rest])

    def _transpose(self, x: int) -> int:
        return self.builder.add("transpose", [x], perm=self.draw(st.permutations(range(len(self.shape(x))))))

    def _slice(self, x: int) -> int:
        starts, steps, sizes = [], [], []
        for n in self.shape(x):
            start = self.integer(0, n - 1)
            step = self.draw(st.sampled_from([1, 1, 2, -1, -2]))
            room = (n - 1 - start) // step if step > 0 else start // -step
            starts.append(start)
            steps.append(step)
            sizes.append(self.integer(1, room + 1))
        return self.builder.add("slice", [x], starts=starts, steps=steps, sizes=sizes)

    def _pad(self, x: int) -> int:
        rank = len(self.shape(x))
        before, after = ([self.integer(0, 2) for _ in range(rank)] for _ in range(2))
        return self.builder.add(
            "pad", [x], before=before, after=after, value=self.draw(st.sampled_from([0, 0, -3]))
        )

    def _broadcast(self, x: int) -> int:
        shape = [n if n > 1 else self.integer(1, 3) for n in self.shape(x)]
        return self.builder.add(
            "broadcast", [x], shape=[*(self.integer(1, 3) for _ in range(self.integer(0, 1))), *shape]
        )

    def _concat(self, x: int) -> int | None:
        shape = self.shape(x)
        if not shape:
            return None
        axis = self.integer(0, len(shape) - 1)
        same = [i for i in self.pool if _joins(self.shape(i), shape, axis)]
        parts = [x, *self.draw(st.lists(st.sampled_from(same), max_size=2))] if same else [x]
        parts.append(self.constant((*shape[:axis], self.integer(1, 2), *shape[axis + 1 :])))
        return self.builder.add("concat", self.draw(st.permutations(parts)), axis=axis)

    def _long_concat(self, x: int) -> int | None:
        """More inputs than one record takes."""
        if self.builder.nodes[x].size > 4 or not self.shape(x):
            return None
        others = [self.builder.add("add", [x, self.builder.constant(k)]) for k in range(20)]
        narrowed = [self.builder.add("rescale", [i], mul=1, shift=1, lo=None, hi=None) for i in others]
        return self.builder.add("concat", narrowed, axis=0)

    def _gather(self, x: int) -> int | None:
        shape = self.shape(x)
        if not shape:
            return None
        axis = self.integer(0, len(shape) - 1)
        if self.draw(st.booleans()):
            index = self.constant(self.draw(shapes(most=2)), 0, shape[axis] - 1)
        else:
            source = self.narrow(self.pick())
            index = self.builder.add("rescale", [source], mul=1, shift=0, lo=0, hi=shape[axis] - 1)
        return self.builder.add("gather", [x, index], axis=axis)

    def _top_k(self, x: int) -> int | None:
        shape = self.shape(x)
        if not shape:
            return None
        axis = self.integer(0, len(shape) - 1)
        return self.builder.add("top_k", [x], axis=axis, k=self.integer(1, shape[axis]))


OPERATIONS = sorted(
    name[1:]
    for name in vars(_Grown)
    if name.startswith("_") and not name.startswith("__") and name not in ("_image", "_windows")
)


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return math.prod(np.broadcast_shapes(a, b)) <= MOST_CELLS
    except ValueError:
        return False


def _joins(a: tuple[int, ...], b: tuple[int, ...], axis: int) -> bool:
    return len(a) == len(b) and all(n == m for k, (n, m) in enumerate(zip(a, b, strict=True)) if k != axis)
