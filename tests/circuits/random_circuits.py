"""Random small circuits of every operation, and random inputs for them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import VerinferError
from circuits.tensor import IntArray

MOST_CELLS = 96
WIDE = 1 << 20
"""A tensor whose bound is wider than this is rescaled before it is used again."""


def circuits(most_nodes: int = 10) -> st.SearchStrategy[Circuit]:
    """Circuits of a few operations, with one to three outputs, some of which are read by other nodes too."""
    return st.builds(random_circuit, st.integers(0, 2**32 - 1), st.integers(1, most_nodes))


def random_circuit(seed: int, nodes: int) -> Circuit:
    """A circuit that depends on the seed alone; one with fewer nodes is the beginning of one with more."""
    rng = random.Random(seed)
    grown = _Grown(rng)
    for _ in range(rng.choice([1, 1, 2])):
        lo = rng.randint(-40, 20)
        grown.add_input(random_shape(rng, least=1), lo, lo + rng.randint(0, 100))
    for _ in range(nodes):
        grown.grow()
    ends = [rng.choice(grown.pool[-4:]) for _ in range(rng.randint(0, 2))]
    ports = [Port(f"y{k}", i, 0.5 + k, "real") for k, i in enumerate([grown.pool[-1], *ends])]
    return grown.builder.build(ports, {"seed": seed})


@st.composite
def samples(draw: st.DrawFn, circuit: Circuit) -> list[IntArray]:
    """One sample for the circuit's inputs, often at the corners of their bounds."""
    return random_sample(circuit, draw(st.integers(0, 2**32 - 1)))


def random_sample(circuit: Circuit, seed: int) -> list[IntArray]:
    """One sample, with a fifth of its cells at the corners of their bounds."""
    rng = np.random.default_rng(seed)
    arrays: list[IntArray] = []
    for port in circuit.inputs:
        node = circuit.nodes[port.node]
        values = rng.integers(node.lo, node.hi, node.shape, endpoint=True)
        corners = rng.choice([node.lo, node.hi], node.shape)
        mixed = np.asarray(np.where(rng.random(node.shape) < 0.2, corners, values))
        arrays.append(mixed[None].astype(node.dtype))
    return arrays


def random_shape(rng: random.Random, least: int = 0, most: int = 4) -> tuple[int, ...]:
    """A shape of few cells, often with axes of size 1."""
    while True:
        shape = tuple(rng.choice([1, 2, 3, 4, 6]) for _ in range(rng.randint(least, most)))
        if math.prod(shape) <= MOST_CELLS:
            return shape


class _Grown:
    """A circuit under construction: every operation takes inputs from the pool and puts its tensor back."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.builder = CircuitBuilder()
        self.pool: list[int] = []

    def add_input(self, shape: tuple[int, ...], lo: int, hi: int) -> None:
        name = f"x{len(self.pool)}"
        self.pool.append(self.builder.input(name, shape, lo, hi, 0.25, "real"))

    def shape(self, i: int) -> tuple[int, ...]:
        return self.builder.nodes[i].shape

    def integer(self, lo: int, hi: int) -> int:
        return self.rng.randint(lo, hi)

    def coin(self) -> bool:
        return self.rng.random() < 0.5

    def shuffled(self, items: Iterable[int]) -> list[int]:
        rest = list(items)
        self.rng.shuffle(rest)
        return rest

    def pick(self) -> int:
        return self.rng.choice(self.pool[-6:])

    def narrow(self, i: int) -> int:
        """The tensor, rescaled where its bound is wide."""
        node = self.builder.nodes[i]
        bits = max(abs(node.lo), abs(node.hi)).bit_length()
        if max(abs(node.lo), abs(node.hi)) < WIDE:
            return i
        return self.builder.add("rescale", [i], mul=1, shift=bits - 8, lo=None, hi=None)

    def constant(self, shape: tuple[int, ...], lo: int = -9, hi: int = 9) -> int:
        if self.rng.random() < 0.15:  # equal elements are stored once, or become a coefficient
            lo = hi = self.integer(lo, hi)
        values = np.random.default_rng(self.integer(0, 1000))
        return self.builder.constant(values.integers(lo, hi, shape, endpoint=True))

    def mate(self, shape: tuple[int, ...]) -> int:
        """A tensor that broadcasts with one of this shape: from the pool if one does, a constant
        otherwise."""
        fitting = [i for i in self.pool if _broadcasts(self.shape(i), shape)]
        if fitting and self.coin():
            return self.narrow(self.rng.choice(fitting))
        own = tuple(n if self.coin() else 1 for n in shape)
        return self.constant(own[self.integer(0, len(own)) :])

    def grow(self) -> None:
        """Add an operation that fits its operands and yields neither many cells nor a constant."""
        while True:
            try:
                new = getattr(self, f"_{self.rng.choice(OPERATIONS)}")(self.narrow(self.pick()))
            except VerinferError:
                continue
            node = self.builder.nodes[new] if new is not None else None
            if node is not None and node.size <= MOST_CELLS and node.op not in ("constant", "input"):
                self.pool.append(new)
                return

    def _elementwise(self, x: int) -> int:
        op = self.rng.choice(["add", "sub", "mul", "max", "greater"])
        pair = [x, self.mate(self.shape(x))]
        if self.coin():
            pair.reverse()
        return self.builder.add(op, pair)

    def _twice(self, x: int) -> int:
        """The same tensor on both sides."""
        return self.builder.add(self.rng.choice(["add", "sub", "mul", "max"]), [x, x])

    def _where(self, x: int) -> int:
        condition = self.builder.add("greater", [x, self.mate(self.shape(x))])
        chosen = self.mate(self.shape(condition))
        other = self.mate(np.broadcast_shapes(self.shape(condition), self.shape(chosen)))
        return self.builder.add("where", [condition, chosen, other])

    def _rescale(self, x: int) -> int:
        lo = self.rng.choice([None, self.integer(-300, 0)])
        hi = self.rng.choice([None, self.integer(0, 300)])
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
        axes = [axis for axis in range(rank) if self.coin()]
        return self.builder.add(self.rng.choice(["reduce_sum", "reduce_max"]), [x], axes=axes)

    def _matmul(self, x: int) -> int:
        shape = self.shape(x)
        if len(shape) < 2:
            rows = self.rng.choice([n for n in range(1, 97) if math.prod(shape) % n == 0])
            shape = (rows, math.prod(shape) // rows)
            x = self.builder.add("reshape", [x], shape=list(shape))
        fitting = [i for i in self.pool if len(self.shape(i)) >= 2 and self.shape(i)[-2] == shape[-1]]
        if fitting and self.coin():
            return self.builder.add("matmul", [x, self.narrow(self.rng.choice(fitting))])
        if self.coin():
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
        groups = self.rng.choice([g for g in (1, 2, 3, 4, 6) if channels % g == 0])
        kernel = [self.integer(1, 3) for _ in range(spatial)]
        weights = (groups * self.integer(1, 2), *kernel, channels // groups)
        fitting = [i for i in self.pool if math.prod(self.shape(i)) == math.prod(weights)]
        if fitting and self.coin():
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
        while rest > 1 and self.coin():
            shape.append(self.rng.choice([n for n in range(1, rest + 1) if rest % n == 0]))
            rest //= shape[-1]
        return self.builder.add("reshape", [x], shape=[*shape, rest])

    def _transpose(self, x: int) -> int:
        return self.builder.add("transpose", [x], perm=self.shuffled(range(len(self.shape(x)))))

    def _slice(self, x: int) -> int:
        starts, steps, sizes = [], [], []
        for n in self.shape(x):
            start = self.integer(0, n - 1)
            step = self.rng.choice([1, 1, 2, -1, -2])
            room = (n - 1 - start) // step if step > 0 else start // -step
            starts.append(start)
            steps.append(step)
            sizes.append(self.integer(1, room + 1))
        return self.builder.add("slice", [x], starts=starts, steps=steps, sizes=sizes)

    def _pad(self, x: int) -> int:
        rank = len(self.shape(x))
        before, after = ([self.integer(0, 2) for _ in range(rank)] for _ in range(2))
        return self.builder.add("pad", [x], before=before, after=after, value=self.rng.choice([0, 0, -3]))

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
        parts = [x, *self.rng.choices(same, k=self.integer(0, 2))] if same else [x]
        parts.append(self.constant((*shape[:axis], self.integer(1, 2), *shape[axis + 1 :])))
        return self.builder.add("concat", self.shuffled(parts), axis=axis)

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
        if self.coin():
            index = self.constant(random_shape(self.rng, most=2), 0, shape[axis] - 1)
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
