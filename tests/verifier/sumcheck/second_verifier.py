"""A second verifier of the sumcheck argument, written from docs/protocol.md alone.

It shares nothing with `verifier/sumcheck/`: slow, dense, in the order of the page. What the two disagree
about is a fault of one of them or of the page.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from eth_hash.auto import keccak
from py_ecc import optimized_bn128 as curve

R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
Array = Any
Name = Any
Shape = tuple[int, ...]

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "reduce_sum": ("axes",),
    "reduce_max": ("axes",),
    "conv": ("strides", "pads_before", "pads_after", "dilations", "groups"),
    "max_pool": ("kernel", "strides", "pads_before", "pads_after", "dilations"),
    "reshape": ("shape",),
    "transpose": ("perm",),
    "broadcast": ("shape",),
    "slice": ("starts", "steps", "sizes"),
    "concat": ("axis",),
    "pad": ("before", "after", "value"),
    "gather": ("axis",),
    "rescale": ("mul", "shift", "lo", "hi"),
    "table": ("lo",),
    "top_k": ("axis", "k"),
}


class Refused(Exception):
    """The proof is not valid."""


def check(condition: bool, what: str) -> None:
    if not condition:
        raise Refused(what)


# Notation


def bits(n: int) -> int:
    return next(k for k in range(64) if 2**k >= n)


def eq(a: Sequence[int], b: Sequence[int]) -> int:
    product = 1
    for x, y in zip(a, b, strict=True):
        product = product * (1 - x - y + 2 * x * y) % R
    return product


def index_bits(i: int, n: int) -> list[int]:
    return [i >> (n - 1 - k) & 1 for k in range(n)]


def eq_values(z: Sequence[int], n: int) -> Array:
    """eq(z, i), i < n."""
    values = [1]
    for x in z:
        values = [v * f % R for v in values for f in (1 - x, x)]
    return field_array(values[:n])


def field_array(values: Sequence[int]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def variables(shape: Shape) -> int:
    return sum(bits(n) for n in shape)


# The system


class Node(NamedTuple):
    op: str
    inputs: list[int]
    attrs: dict[str, Any]
    shape: Shape
    lo: int
    hi: int


class Tensor(NamedTuple):
    kind: str
    shape: Shape
    detail: Any = None
    terms: tuple[Any, ...] = ()
    constant: int = 0


class Term(NamedTuple):
    c: int
    map: tuple[Any, ...]
    x: int


class Product(NamedTuple):
    c: int
    x: int
    y: int
    x_labels: tuple[int | None, ...]
    y_labels: tuple[int | None, ...]
    labels: tuple[int | None, ...]


def mapped_shape(m: tuple[Any, ...], x: Shape) -> Shape:
    match m:
        case ("identity",) | ("behind", _):
            return x
        case ("reshape", shape) | ("broadcast", shape):
            return tuple(shape)
        case ("transpose", perm):
            return tuple(x[p] for p in perm)
        case ("sum", a):
            return x[:a] + (1,) + x[a + 1 :]
        case ("select", a, index):
            return x[:a] + (len(index),) + x[a + 1 :]
        case ("window", a, count, kernel, *_):
            return x[:a] + (count, kernel) + x[a + 1 :]
    raise AssertionError(m)


class System:
    """A circuit lowered."""

    def __init__(
        self, structure: Any, batch: int, w: int, clamp_bits: int, copied: set[int], least: int | None
    ) -> None:
        self.nodes: list[Node] = structure["nodes"]
        self.revealed: dict[int, list[int]] = structure["revealed"]
        self.batch, self.w, self.copied = batch, w, copied
        self.least = least
        """The variables of a committed input's tensor, at least; None if inputs are public."""
        self.tensors: list[Tensor] = []
        self.tables: list[tuple[Any, ...]] = []
        self.multiplicities: list[int] = []
        self.lookups: list[tuple[int, tuple[int, ...]]] = []
        self.zeros: list[int] = []
        self.products: list[Product] = []
        self.copies: dict[int, int] = {}
        self.parameters: dict[int, int] = {}
        self.known_virtual: dict[Tensor, int] = {}
        self.value: list[int] = []
        self.clamps = self.clamp_tables(clamp_bits)
        for i, node in enumerate(self.nodes):
            if node.op == "input":
                self.value.append(self.op_input(i, node, structure["inputs"].index(i)))
            else:
                inputs = [self.value[x] for x in node.inputs]
                sizes = [self.shape(x)[0] for x in inputs]
                shape = (max(sizes, default=1), *node.shape)
                self.value.append(getattr(self, "op_" + node.op)(i, node, shape, *inputs))
        for port, i in enumerate(structure["outputs"]):
            shape = (batch, *self.nodes[i].shape)
            o = self.new(Tensor("public", shape, ("output", port)))
            self.zero(self.sum_to(shape, [(1, self.value[i]), (-1, o)]))

    # Primitives

    def new(self, tensor: Tensor) -> int:
        if tensor.kind == "virtual":
            if tensor in self.known_virtual:
                return self.known_virtual[tensor]
            self.known_virtual[tensor] = len(self.tensors)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def shape(self, x: int) -> Shape:
        return self.tensors[x].shape

    def advice(self, shape: Shape) -> int:
        return self.new(Tensor("advice", shape))

    def parameter(self, i: int) -> int:
        if i not in self.parameters:
            self.parameters[i] = self.new(Tensor("parameter", (1, *self.nodes[i].shape), i))
        return self.parameters[i]

    def quadratic(self, x: int) -> bool:
        terms = self.tensors[x].terms
        return any(isinstance(term, Product) or self.quadratic(term.x) for term in terms)

    def image(self, x: int, m: tuple[Any, ...]) -> int:
        shape = mapped_shape(m, self.shape(x))
        if m[0] in ("reshape", "broadcast", "sum") and shape == self.shape(x):
            return x
        return self.new(Tensor("virtual", shape, None, (Term(1, m, x),)))

    def sum(self, parts: Sequence[tuple[int, int]], k: int = 0) -> int:
        merged: dict[int, int] = {}
        for c, x in parts:
            merged[x] = merged.get(x, 0) + c
        if k == 0 and list(merged.values()) == [1]:
            return parts[0][1]
        terms = tuple(Term(c, ("identity",), x) for x, c in merged.items() if c)
        return self.new(Tensor("virtual", self.shape(parts[0][1]), None, terms, k))

    def reshaped(self, x: int, shape: Shape) -> int:
        return self.image(x, ("reshape", tuple(shape)))

    def ranked(self, x: int, n: int) -> int:
        s = self.shape(x)
        return self.reshaped(x, (s[0], *[1] * (n - len(s)), *s[1:]))

    def spread(self, x: int, shape: Shape) -> int:
        return self.image(self.ranked(x, len(shape)), ("broadcast", tuple(shape)))

    def sum_to(self, shape: Shape, parts: Sequence[tuple[int, int]], k: int = 0) -> int:
        return self.sum([(c, self.spread(x, shape)) for c, x in parts], k)

    def sum_axes(self, x: int, axes: Sequence[int]) -> int:
        for a in axes:
            x = self.image(x, ("sum", a))
        return x

    def linear(self, x: int) -> int:
        if not self.quadratic(x):
            return x
        if x not in self.copies:
            self.copies[x] = self.advice(self.shape(x))
            self.zero(self.sum([(1, self.copies[x]), (-1, x)]))
        return self.copies[x]

    def product(
        self, x: int, y: int, labels: Sequence[Sequence[int | None]], shape: Shape, c: int = 1
    ) -> int:
        x, y = self.linear(x), self.linear(y)
        x_labels, y_labels, own = (tuple(part) for part in labels)
        product = Product(c, x, y, x_labels, y_labels, own)
        ordinal = len(self.products)
        self.products.append(product)
        made = self.new(Tensor("virtual", tuple(shape), None, (product,)))
        return self.linear(made) if ordinal in self.copied else made

    def times(self, x: int, y: int, shape: Shape, c: int = 1) -> int:
        x, y = self.ranked(x, len(shape)), self.ranked(y, len(shape))
        labels = [named(s, range(len(s))) for s in (self.shape(x), self.shape(y), shape)]
        return self.product(x, y, labels, shape, c)

    def zero(self, x: int) -> None:
        self.zeros.append(x)

    def lookup(self, table: tuple[Any, ...], *columns: int) -> None:
        if table not in self.tables:
            self.multiplicities.append(self.advice((rows_of(table),)))
            self.tables.append(table)
        self.lookups.append((self.tables.index(table), columns))

    def bit(self, x: int) -> None:
        self.lookup(("range", 2), x)

    def range(self, x: int, n: int) -> None:
        if n == 1:
            self.zero(x)
        elif n <= 2**self.w:
            self.lookup(("range", n), x)
        elif 2 ** bits(n) == n:
            self.limbs(x, bits(n), True)
        else:
            self.at_least_zero(x, n)
            self.at_least_zero(self.sum([(-1, x)], n - 1), n)

    def at_least_zero(self, x: int, n: int) -> None:
        self.limbs(x, max(1, bits(n)), False)

    def limbs(self, x: int, b: int, exact: bool) -> None:
        m = math.ceil(b / self.w)
        parts = [(1, x)]
        for j in range(1, m):
            size = b - self.w * j if exact and j == m - 1 else self.w
            limb = self.advice(self.shape(x))
            self.lookup(("range", 2**size), limb)
            parts.append((-(2 ** (self.w * j)), limb))
        self.lookup(("range", 2**self.w), self.sum(parts))

    def one_hot(self, shape: Shape, axes: Sequence[int]) -> int:
        c = self.advice(tuple(shape))
        self.bit(c)
        self.zero(self.sum([(1, self.sum_axes(c, axes))], -1))
        return c

    def place(self, c: int, a: int) -> int:
        return self.sum_axes(self.image(c, ("behind", a)), [a])

    def positive(self, c: int, g: int, n: int) -> None:
        g = self.linear(g)
        k = self.times(c, g, self.shape(c), 2)
        self.at_least_zero(self.sum([(1, k), (-1, g), (-1, c)]), n)

    def select(self, x: int, a: int, index: Sequence[int], identity: bool = False) -> int:
        if identity and list(index) == list(range(self.shape(x)[a])):
            return x
        return self.image(x, ("select", a, tuple(index)))

    # Operations

    def op_input(self, i: int, node: Node, port: int) -> int:
        shape = (self.batch, *node.shape)
        if self.least is None:
            return self.new(Tensor("public", shape, ("input", port)))
        padded = padded_input(node.shape, self.least)
        whole = self.new(Tensor("input", padded, port))
        x = whole
        for a, n in enumerate(shape):
            x = self.select(x, a, range(n), True)
        if x != whole:
            y = x
            for a, n in enumerate(padded):
                y = self.select(y, a, range(n), True)
            self.zero(self.sum([(1, whole), (-1, y)]))
        self.range(self.sum([(1, x)], -node.lo), node.hi - node.lo + 1)
        return x

    def op_constant(self, i: int, node: Node, s: Shape) -> int:
        if i in self.revealed and math.prod(node.shape) == 1:
            return self.new(Tensor("virtual", s, None, (), self.revealed[i][0]))
        return self.parameter(i)

    def op_add(self, i: int, node: Node, s: Shape, x: int, y: int) -> int:
        return self.sum_to(s, [(1, x), (1, y)])

    def op_sub(self, i: int, node: Node, s: Shape, x: int, y: int) -> int:
        return self.sum_to(s, [(1, x), (-1, y)])

    def op_mul(self, i: int, node: Node, s: Shape, x: int, y: int) -> int:
        for number, other in ((node.inputs[0], y), (node.inputs[1], x)):
            if len(self.revealed.get(number, [])) == 1:
                return self.sum_to(s, [(self.revealed[number][0], other)])
        return self.times(x, y, s)

    def op_reduce_sum(self, i: int, node: Node, s: Shape, x: int) -> int:
        return self.sum_axes(x, [a + 1 for a in node.attrs["axes"]])

    def op_matmul(self, i: int, node: Node, s: Shape, x: int, y: int) -> int:
        n = len(s)
        x, y = self.ranked(x, n), self.ranked(y, n)
        lead = list(range(n - 2))
        labels = [
            named(self.shape(x), [*lead, n - 2, n]),
            named(self.shape(y), [*lead, n, n - 1]),
            named(s, range(n)),
        ]
        return self.product(x, y, labels, s)

    def op_conv(self, i: int, node: Node, s: Shape, x: int, w: int) -> int:
        groups, kernel = node.attrs["groups"], self.nodes[node.inputs[1]].shape[1:-1]
        n = len(kernel)
        x = self.linear(x)
        xs = self.shape(x)
        x = self.reshaped(x, (*xs[:-1], groups, xs[-1] // groups))
        for k in range(1, n + 1):
            steps = (node.attrs[name][k - 1] for name in ("strides", "dilations", "pads_before"))
            x = self.image(x, ("window", 2 * k, node.shape[k], kernel[k - 1], *steps))
        ws = self.shape(w)
        w = self.reshaped(w, (ws[0], groups, ws[1] // groups, *ws[2:]))
        places, taps = [2 * k for k in range(1, n + 1)], [2 * k + 1 for k in range(1, n + 1)]
        group, channel, out = 2 * n + 2, 2 * n + 3, 2 * n + 4
        shape = (*s[:-1], groups, s[-1] // groups)
        labels = [
            named(self.shape(x), range(2 * n + 4)),
            named(self.shape(w), [0, group, out, *taps, channel]),
            named(shape, [0, 1, *places, group, out]),
        ]
        return self.reshaped(self.product(x, w, labels, shape), s)

    def op_reshape(self, i: int, node: Node, s: Shape, x: int) -> int:
        return self.reshaped(x, s)

    def op_transpose(self, i: int, node: Node, s: Shape, x: int) -> int:
        return self.image(x, ("transpose", (0, *(p + 1 for p in node.attrs["perm"]))))

    def op_broadcast(self, i: int, node: Node, s: Shape, x: int) -> int:
        return self.spread(x, s)

    def op_slice(self, i: int, node: Node, s: Shape, x: int) -> int:
        parts = (node.attrs[name] for name in ("starts", "steps", "sizes"))
        for a, (start, step, size) in enumerate(zip(*parts, strict=True), 1):
            x = self.select(x, a, [start + step * t for t in range(size)], True)
        return x

    def op_concat(self, i: int, node: Node, s: Shape, *inputs: int) -> int:
        a, before, parts = node.attrs["axis"] + 1, 0, []
        for x in inputs:
            parts.append((1, self.select(x, a, range(-before, s[a] - before), True)))
            before += self.shape(x)[a]
        return self.sum_to(s, parts)

    def op_pad(self, i: int, node: Node, s: Shape, x: int) -> int:
        x = self.sum([(1, x)], -node.attrs["value"])
        for a, before in enumerate(node.attrs["before"], 1):
            x = self.select(x, a, range(-before, s[a] - before), True)
        return self.sum([(1, x)], node.attrs["value"])

    def op_gather(self, i: int, node: Node, s: Shape, x: int, index: int) -> int:
        a = node.attrs["axis"] + 1
        fixed = self.revealed.get(node.inputs[1])
        if fixed is not None:
            return self.reshaped(self.select(x, a, fixed, True), s)
        xs, shape = self.shape(x), self.shape(index)
        n, last = xs[a], len(shape)
        source = self.public_source(index)
        if source is not None and n > 1:
            c = self.new(Tensor("choice", (*shape, n), source))
        else:
            c = self.one_hot((*shape, n), [last])
            f = self.reshaped(self.place(c, last), shape)
            self.zero(self.sum([(1, f), (-1, index)]))
        own = len(shape) - 1
        x_names = [0, *(own + 1 if b == a else own + 2 + b for b in range(1, len(xs)))]
        names = [*x_names[:a], *range(1, own + 1), *x_names[a + 1 :]]
        labels = [named((*shape, n), [*range(own + 1), own + 1]), named(xs, x_names), named(s, names)]
        return self.product(c, x, labels, s)

    def public_source(self, x: int) -> int | None:
        while self.tensors[x].kind == "virtual":
            terms = self.tensors[x].terms
            if len(terms) != 1 or self.tensors[x].constant or isinstance(terms[0], Product):
                return None
            if terms[0].c != 1 or terms[0].map[0] != "reshape":
                return None
            x = terms[0].x
        return x if self.tensors[x].kind == "public" else None

    def limits(self, node: Node) -> tuple[int, int, int | None, int | None]:
        a = node.attrs
        half = 2 ** (a["shift"] - 1) if a["shift"] else 0
        q_lo, q_hi = ((edge * a["mul"] + half) // 2 ** a["shift"] for edge in self.bounds(node.inputs[0]))
        lo = a["lo"] if a["lo"] is not None and a["lo"] > q_lo else None
        hi = a["hi"] if a["hi"] is not None and a["hi"] < q_hi else None
        return q_lo, q_hi, lo, hi

    def clamp_tables(self, clamp_bits: int) -> dict[Any, tuple[Any, ...]]:
        tables: dict[Any, tuple[Any, ...]] = {}
        for node in self.nodes:
            if node.op == "rescale":
                q_lo, q_hi, *active = self.limits(node)
                pair = tuple(active)
                n = 2 ** bits(max(-q_lo, q_hi + 1, 1))
                fits = pair != (None, None) and 2 * n <= 2**clamp_bits
                if fits and (pair not in tables or tables[pair][2] < 2 * n):
                    tables[pair] = ("clamp", -n, 2 * n, *pair)
        return tables

    def op_rescale(self, i: int, node: Node, s: Shape, x: int) -> int:
        mul, shift = node.attrs["mul"], node.attrs["shift"]
        x = self.sum([(mul, x)], 2 ** (shift - 1) if shift else 0)
        q_lo, q_hi, lo, hi = self.limits(node)
        if not shift and lo is None and hi is None:
            return x
        y = self.advice(s)
        table = self.clamps.get((lo, hi))
        if table and table[1] <= q_lo and q_hi < table[1] + table[2]:
            q = self.advice(s) if shift else x
            self.lookup(table, q, y)
            if shift:
                self.range(self.sum([(1, x), (-(2**shift), q)]), 2**shift)
            return y
        parts, beyond = [(1, x), (-(2**shift), y)], []
        for limit, sign in ((hi, 1), (lo, -1)):
            if limit is not None:
                e = self.advice(s)
                u = self.sum([(-sign, y)], sign * limit)
                self.zero(self.times(e, u, s))
                parts.append((-sign * 2**shift, e))
                beyond.append((e, u))
        self.range(self.sum(parts), 2**shift)
        if lo is not None and hi is not None:
            reach = max(q_hi - hi, lo - q_lo) + 1
            self.at_least_zero(self.sum([(1, e) for e, _ in beyond]), reach)
            if not self.is_index(i, lo, hi):
                self.range(self.sum([(1, y)], -lo), hi - lo + 1)
        elif beyond:
            k = hi if lo is None else lo
            [(e, u)] = beyond
            self.at_least_zero(self.sum([(1, e), (1, u)]), max(abs(q_hi - k), abs(k - q_lo)) + 1)
        elif not self.is_index(i, -math.inf, math.inf):
            self.at_least_zero(self.sum([(1, y)], -q_lo), q_hi - q_lo + 1)
        return y

    def is_index(self, i: int, lo: float, hi: float) -> bool:
        for node in self.nodes:
            if node.op == "table" and node.inputs[0] == i:
                first = node.attrs["lo"]
                if lo <= first and first + math.prod(self.nodes[node.inputs[1]].shape) - 1 <= hi:
                    return True
        return False

    def bounds(self, i: int) -> tuple[int, int]:
        node = self.nodes[i]
        if node.op == "sub":
            x, m = node.inputs
            if self.nodes[m].op == "reduce_max" and list(self.nodes[m].inputs) == [x]:
                return node.lo, min(node.hi, 0)
        return node.lo, node.hi

    def op_table(self, i: int, node: Node, s: Shape, x: int, t: int) -> int:
        y = self.advice(s)
        constant = node.inputs[1]
        n = math.prod(self.nodes[constant].shape)
        self.lookup(("pairs", node.attrs["lo"], self.parameter(constant), n), x, y)
        return y

    def op_floor_divide(self, i: int, node: Node, s: Shape, x: int, d: int) -> int:
        q = self.advice(s)
        self.at_least_zero(self.sum([(1, q)], -node.lo), node.hi - node.lo + 1)
        r = self.sum_to(s, [(1, x), (-1, self.times(q, d, s))])
        d_hi = self.bounds(node.inputs[1])[1]
        self.at_least_zero(r, d_hi)
        self.at_least_zero(self.sum_to(s, [(1, self.linear(d)), (-1, r)], -1), d_hi)
        return q

    def op_max(self, i: int, node: Node, s: Shape, x: int, y: int) -> int:
        lowest = min(self.bounds(k)[0] for k in node.inputs)
        return self.maximum([self.spread(x, s), self.spread(y, s)], node.hi - lowest + 1)

    def maximum(self, xs: Sequence[int], n: int) -> int:
        best = xs[0]
        for x in xs[1:]:
            a, b = self.linear(best), self.linear(x)
            shape = self.shape(a)
            best = self.advice(shape)
            above = [self.sum([(1, best), (-1, each)]) for each in (a, b)]
            self.zero(self.times(above[0], above[1], shape))
            self.at_least_zero(self.sum([(2, best), (-1, a), (-1, b)]), n)
        return best

    def op_max_pool(self, i: int, node: Node, s: Shape, x: int) -> int:
        lo, hi = self.bounds(node.inputs[0])
        x = self.sum([(1, x)], -lo)
        a = node.attrs
        for k, kernel in enumerate(a["kernel"]):
            starts = [q * a["dilations"][k] - a["pads_before"][k] for q in range(kernel)]
            index = [[b + a["strides"][k] * t for t in range(s[2 + k])] for b in starts]
            x = self.maximum([self.select(x, 2 + k, each) for each in index], hi - lo + 1)
        return self.sum([(1, x)], lo)

    def op_reduce_max(self, i: int, node: Node, s: Shape, x: int) -> int:
        x = self.linear(x)
        xs, axes = self.shape(x), [a + 1 for a in node.attrs["axes"]]
        if all(xs[a] == 1 for a in axes):
            return x
        lo, hi = self.bounds(node.inputs[0])
        m = self.advice(s)
        g = self.sum_to(xs, [(1, m), (-1, x)])
        self.at_least_zero(g, hi - lo + 1)
        c = self.advice(xs)
        self.zero(self.times(c, g, xs))
        self.zero(self.sum([(1, self.sum_axes(c, axes))], -1))
        return m

    def op_greater(self, i: int, node: Node, s: Shape, x: int, y: int) -> int:
        c = self.advice(s)
        self.bit(c)
        (x_lo, x_hi), (y_lo, y_hi) = (self.bounds(k) for k in node.inputs)
        g = self.sum_to(s, [(1, x), (-1, y)])
        self.positive(c, g, max(x_hi - y_lo, y_hi - x_lo) + 1)
        return c

    def op_where(self, i: int, node: Node, s: Shape, c: int, x: int, y: int) -> int:
        k = self.times(c, self.sum_to(s, [(1, x), (-1, y)]), s)
        return self.sum_to(s, [(1, k), (1, y)])

    def op_top_k(self, i: int, node: Node, s: Shape, x: int) -> int:
        a, k = node.attrs["axis"] + 1, node.attrs["k"]
        lo, hi = self.bounds(node.inputs[0])
        x = self.linear(x)
        xs = self.shape(x)
        wide = (*xs[:a], k, *xs[a:])
        c = self.one_hot(wide, [a + 1])
        f = self.reshaped(self.place(c, a + 1), s)
        names = list(range(len(wide)))
        labels = [
            named(wide, names),
            named(xs, [*names[:a], *names[a + 1 :]]),
            named(s, [*names[: a + 1], *names[a + 2 :]]),
        ]
        b = self.linear(self.product(c, x, labels, s))
        if k > 1:
            self.bit(self.sum_axes(c, [a]))
            shape = (*s[:a], k - 1, *s[a + 1 :])
            falls = []
            for v in (b, f):
                first, second = self.select(v, a, range(k - 1)), self.select(v, a, range(1, k))
                falls.append(self.sum([(1, first), (-1, second)]))
            g = self.advice(shape)
            self.bit(g)
            self.positive(g, falls[1], xs[a])
            self.at_least_zero(self.sum([(1, falls[0]), (-1, g)]), hi - lo + 1)
        least = self.select(b, a, [k - 1])
        chosen = self.reshaped(self.sum_axes(c, [a]), xs)
        t = self.reshaped(self.select(c, a, [k - 1]), xs)
        t = self.image(t, ("behind", a))
        e = self.sum_to(xs, [(1, least), (-1, x), (-1, t)])
        kept = self.times(chosen, e, xs, -1)
        self.at_least_zero(self.sum([(1, e), (1, kept)]), hi - lo + 1)
        return f


def padded_input(shape: Shape, least: int) -> Shape:
    return (2 ** max(0, least - variables(shape)), *(2 ** bits(n) for n in shape))


def named(shape: Shape, names: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(name if n > 1 else None for n, name in zip(shape, names, strict=True))


def rows_of(table: tuple[Any, ...]) -> int:
    return int(
        {"range": 1, "pairs": 3, "clamp": 2}[table[0]]
        and table[{"range": 1, "pairs": 3, "clamp": 2}[table[0]]]
    )


# Weights


class Factor(NamedTuple):
    axes: tuple[int, ...]
    values: Array
    name: Name

    @property
    def sizes(self) -> Shape:
        return tuple(self.values.shape)

    def at(self, axes: Sequence[int]) -> Factor:
        return Factor(tuple(axes), self.values, self.name)


class Weights(NamedTuple):
    c: int
    factors: tuple[Factor, ...]

    def scaled(self, by: int) -> Weights:
        return Weights(self.c * by % R, self.factors)

    def alike(self) -> Any:
        return frozenset_of((f.axes, f.sizes, f.name) for f in self.factors)

    def numbers(self) -> int:
        return math.prod([self.c, *(int(f.values) for f in self.factors if not f.axes)]) % R

    def total(self) -> int:
        return math.prod([self.c, *(int(np.sum(f.values)) % R for f in self.factors)]) % R

    def evaluate(self, point: Sequence[Sequence[int]]) -> int:
        product = self.c
        for f in self.factors:
            product = product * int(contract(f, point)) % R
        return product


def contract(f: Factor, point: Sequence[Sequence[int]]) -> int:
    values = f.values
    for a in reversed(f.axes):
        values = np.dot(values, eq_values(point[a], values.shape[-1])) % R
    return int(values)


def frozenset_of(items: Any) -> Any:
    counts: dict[Any, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return frozenset(counts.items())


def number(value: int, name: Name) -> Factor:
    made = np.empty((), dtype=object)
    made[()] = value % R
    return Factor((), made, name)


def eq_factor(axis: int, n: int, z: Sequence[int]) -> Factor:
    return Factor((axis,), eq_values(z, n), ("eq", tuple(z)))


def at_point(shape: Shape, z: Sequence[int]) -> Weights:
    z = list(z)[len(z) - variables(shape) :]
    factors = []
    for a, n in enumerate(shape):
        own, z = z[: bits(n)], z[bits(n) :]
        if n > 1:
            factors.append(eq_factor(a, n, own))
    return Weights(1, tuple(factors))


def joined(factors: Sequence[Factor], first: Sequence[int]) -> Factor:
    axes = [a for f in factors for a in f.axes]
    order = [axes.index(a) for a in first if a in axes]
    order += [i for i, a in enumerate(axes) if a not in first]
    if len(factors) == 1 and order == list(range(len(axes))):
        return factors[0]
    values = number(1, None).values
    for f in factors:
        values = np.multiply.outer(values, f.values) % R
    name = tuple((f.name, f.sizes) for f in factors), tuple(order)
    return Factor(tuple(axes[i] for i in order), np.asarray(values, dtype=object).transpose(order), name)


def pull(m: tuple[Any, ...], x: Shape, weights: Weights) -> Weights:
    """Weights on x that say what weights on m(x) say; x is given by its shape."""
    c, factors = weights
    match m:
        case ("identity",):
            return weights
        case ("transpose", perm):
            return Weights(c, tuple(f.at([perm[a] for a in f.axes]) for f in factors))
        case ("sum", a):
            ones = Factor((a,), field_array([1] * x[a]), "ones")
            return weights if x[a] == 1 else Weights(c, (*factors, ones))
        case ("broadcast", shape):
            new = len(shape) - len(x)
            return Weights(c, tuple(unspread(f, new, x) for f in factors))
        case ("behind", a):
            if x[a] == 1:
                return weights.scaled(0)
            return moved(weights, a, 1, x[a], lambda t: range(t + 1, x[a]), ("behind",))
        case ("select", a, index):
            return moved(weights, a, 1, x[a], lambda t: [index[t]], ("select", index))
        case ("window", a, _, kernel, stride, dilation, before):

            def at(t: int) -> list[int]:
                return [t // kernel * stride + t % kernel * dilation - before]

            return moved(weights, a, 2, x[a], at, ("window", *m[2:]))
        case ("reshape", shape):
            return unreshaped(weights, shape, x)
    raise AssertionError(m)


def unspread(f: Factor, new: int, x: Shape) -> Factor:
    kept = [a for a in f.axes if a >= new and x[a - new] > 1]
    if len(kept) == len(f.axes):
        return f.at([a - new for a in f.axes])
    if not kept:
        return number(int(np.sum(f.values)), ("total", f.name, f.sizes))
    f = joined([f], kept)
    values = np.sum(f.values.reshape(*f.sizes[: len(kept)], -1), axis=-1) % R
    return Factor(tuple(a - new for a in kept), values, ("summed", f.name, f.sizes))


def moved(
    weights: Weights, a: int, run: int, n: int, targets: Callable[[int], Sequence[int]], name: Name
) -> Weights:
    """The axes a, ..., a + run - 1 of the image become the axis a of x."""
    own = list(range(a, a + run))
    touched = [f for f in weights.factors if set(f.axes) & set(own)]
    others = [f for f in weights.factors if not set(f.axes) & set(own)]
    joint = joined(touched, own) if touched else number(1, "one")
    outer = len([b for b in joint.axes if b in own])
    rest = joint.sizes[outer:]
    rows = joint.values.reshape(-1, *rest)
    values = np.zeros((n, *rest), dtype=object)
    # behind: x[i] is in y[t] for all t < i
    for t in range(rows.shape[0]):
        for i in targets(t):
            if 0 <= i < n:
                values[i] = (values[i] + rows[t]) % R
    axes = [b if b < a else b - run + 1 for b in joint.axes[outer:]]
    sizes: Shape = (n,) if n > 1 else ()
    if n == 1:
        values = np.asarray(values[0], dtype=object)
    made = Factor(((a,) if n > 1 else ()) + tuple(axes), values, (*name, sizes, joint.name, joint.sizes))
    kept = [f.at([b if b < a else b - run + 1 for b in f.axes]) for f in others]
    return Weights(weights.c, (*kept, made))


def unreshaped(weights: Weights, y: Shape, x: Shape) -> Weights:
    numbers = [f for f in weights.factors if not f.axes]
    proper = [f for f in weights.factors if f.axes]
    runs = common_runs(y, x)
    for f in proper:
        hit = [run for run in runs if set(run[0]) & set(f.axes)]
        if len(hit) > 1:
            joint = [a for run in hit for a in run[0]], [a for run in hit for a in run[1]]
            runs = [run for run in runs if run not in hit] + [joint]
    made: list[Factor] = []
    for own, new in runs:
        inside = [f for f in proper if f.axes[0] in own]
        if len(own) == len(new) == 1:
            made.append(inside[0].at(new))
            continue
        z = one_point(inside, own, y)
        if z is not None and all(2 ** bits(x[a]) == x[a] for a in new[1:]):
            pieces = []
            for a in reversed(new[1:]):
                pieces.append(eq_factor(a, x[a], z[len(z) - bits(x[a]) :]))
                z = z[: len(z) - bits(x[a])]
            pieces.append(eq_factor(new[0], x[new[0]], z))
            made += reversed(pieces)
            continue
        f = joined(inside, own)
        made.append(Factor(tuple(new), f.values.reshape([x[a] for a in new]), f.name))
    return Weights(weights.c, (*numbers, *made))


def common_runs(y: Shape, x: Shape) -> list[tuple[list[int], list[int]]]:
    left, right = [a for a, n in enumerate(y) if n > 1], [a for a, n in enumerate(x) if n > 1]
    runs = []
    while left:
        own, new = [left.pop(0)], [right.pop(0)]
        while (p := math.prod(y[a] for a in own)) != (q := math.prod(x[a] for a in new)):
            if p < q:
                own.append(left.pop(0))
            else:
                new.append(right.pop(0))
        runs.append((own, new))
    return runs


def one_point(factors: Sequence[Factor], axes: Sequence[int], y: Shape) -> list[int] | None:
    z: list[int] = []
    for position, a in enumerate(axes):
        own = [f for f in factors if f.axes == (a,) and f.name[0] == "eq"]
        if not own or (position and 2 ** bits(y[a]) != y[a]):
            return None
        z += own[0].name[1]
    return z


# Reducing claims, and the products


class Reduced(NamedTuple):
    known: int
    committed: dict[int, list[Weights]]
    products: list[tuple[Product, Weights]]


def reduce(system: System, claims: Sequence[tuple[int, Weights]], public: dict[int, Array] | None) -> Reduced:
    pending: dict[int, dict[Any, Weights]] = {}

    def claim(x: int, weights: Weights) -> None:
        here, name = pending.setdefault(x, {}), weights.alike()
        if name in here:
            weights = Weights((here[name].c + weights.c) % R, here[name].factors)
        here[name] = weights

    for x, weights in claims:
        claim(x, weights)
    known, committed, products = 0, {}, []
    for x in reversed(range(len(system.tensors))):
        here = [weights for weights in pending.get(x, {}).values() if weights.c]
        tensor = system.tensors[x]
        if tensor.kind in ("advice", "parameter", "input"):
            if here:
                committed[x] = here
            continue
        for weights in here:
            if tensor.kind == "public" and public is not None:
                known += int(np.sum(dense(weights, tensor.shape) * public[x]))
            elif tensor.kind == "choice" and public is not None:
                rows = dense(weights, tensor.shape).reshape(-1, tensor.shape[-1])
                known += sum(
                    int(row[j]) for row, j in zip(rows, public[tensor.detail].reshape(-1), strict=True)
                )
            elif tensor.kind == "virtual":
                if tensor.constant:
                    known += tensor.constant * weights.total()
                for term in tensor.terms:
                    if isinstance(term, Product):
                        products.append((term, weights.scaled(term.c)))
                    else:
                        claim(term.x, pull(term.map, system.shape(term.x), weights).scaled(term.c))
    return Reduced(known % R, committed, products)


def dense(weights: Weights, shape: Shape) -> Array:
    f = joined([number(1, "one"), *weights.factors], range(len(shape)))
    return f.values.reshape(shape) * weights.c % R


class Claim(NamedTuple):
    """One product's sum."""

    product: Product
    scale: int
    shared: list[int]
    contracted: list[int]
    size: dict[int, int]
    factors: dict[str, list[Factor]]

    @property
    def bits(self) -> int:
        return sum(bits(self.size[a]) for a in (*self.shared, *self.contracted))

    def parts(self, point: Sequence[int]) -> dict[int, Sequence[int]]:
        found = {}
        for a in (*self.shared, *self.contracted):
            found[a], point = point[: bits(self.size[a])], point[bits(self.size[a]) :]
        return found

    def shared_weight(self, point: Sequence[int]) -> int:
        parts = self.parts(point)
        product = self.scale
        for f in self.factors["shared"]:
            product = product * contract(f, [parts.get(a, ()) for a in range(max(parts) + 1)]) % R
        return product

    def operand(self, side: str, point: Sequence[int]) -> Weights:
        labels = self.product.x_labels if side == "left" else self.product.y_labels
        parts = self.parts(point)
        made = [eq_factor(labels.index(a), self.size[a], parts[a]) for a in (*self.shared, *self.contracted)]
        made += [f.at([labels.index(a) for a in f.axes]) for f in self.factors[side]]
        return Weights(1, tuple(made))


def separated(system: System, product: Product, weights: Weights) -> Claim | None:
    size: dict[int, int] = {}
    for labels, x in ((product.x_labels, product.x), (product.y_labels, product.y)):
        size |= {a: n for a, n in zip(labels, system.shape(x), strict=True) if a is not None}
    image = [a for a in product.labels if a is not None]
    factors: dict[str, list[Factor]] = {"shared": [], "left": [], "right": []}
    for f in weights.factors:
        if f.axes:
            labels = [product.labels[a] for a in f.axes]
            in_x, in_y = ([a in part for a in labels] for part in (product.x_labels, product.y_labels))
            if all(in_x) and all(in_y):
                kind = "shared"
            elif all(in_x) and not any(in_y):
                kind = "left"
            elif all(in_y) and not any(in_x):
                kind = "right"
            else:
                return None
            factors[kind].append(f.at(labels))  # type: ignore[arg-type]
    shared = [a for a in image if a in product.x_labels and a in product.y_labels]
    contracted = [a for a in product.x_labels if a is not None and a in product.y_labels and a not in image]
    return Claim(product, weights.numbers(), shared, contracted, size, factors)


class Group(NamedTuple):
    claims: list[Claim]
    n: int
    weighted: bool

    @property
    def index(self) -> int:
        return bits(len(self.claims))

    @property
    def variables(self) -> int:
        return self.index + self.n


def grouped(claims: Sequence[Claim]) -> list[Group]:
    groups: dict[tuple[int, bool], Group] = {}
    for claim in claims:
        key = claim.bits, bool(claim.shared)
        groups.setdefault(key, Group([], *key)).claims.append(claim)
    return sorted(groups.values(), key=lambda g: (-g.variables, -g.n, g.weighted))


def lowered(structure: Any, batch: int, w: int, clamp_bits: int, least: int | None) -> System:
    copied: set[int] = set()
    rng = random.Random(1)
    while True:
        system = System(structure, batch, w, clamp_bits, copied, least)
        z = [rng.randrange(R) for _ in range(point_size(system))]
        tensors = [x for _, columns in system.lookups for x in columns] + system.zeros
        claims = [(x, at_point(system.shape(x), z).scaled(rng.randrange(R))) for x in tensors]
        bad = [p for p, weights in reduce(system, claims, None).products if not separated(system, p, weights)]
        if not bad:
            return system
        copied |= {i for i, p in enumerate(system.products) if p in bad}


# Layout


class Polynomial(NamedTuple):
    n: int
    chunks: list[int | None]
    slots: list[tuple[int, int]]
    """Tensors and offsets."""


def lay_out(system: System, kind: str, size: int) -> tuple[list[Polynomial], int]:
    tensors = [x for x, tensor in enumerate(system.tensors) if tensor.kind == kind]
    polynomials, count = [], 0
    for x in tensors:
        shape = system.shape(x)
        n = variables(shape)
        if n >= size:
            used = np.zeros([2 ** bits(k) for k in shape], dtype=bool)
            used[tuple(slice(0, k) for k in shape)] = True
            chunks: list[int | None] = []
            for alive in used.reshape(-1, 2**size).any(axis=1):
                chunks.append(count if alive else None)
                count += int(alive)
            polynomials.append(Polynomial(n, chunks, [(x, 0)]))
    small = [x for x in tensors if variables(system.shape(x)) < size]
    end = 2**size
    for x in sorted(small, key=lambda x: -variables(system.shape(x))):
        if end == 2**size:
            polynomials.append(Polynomial(size, [count], []))
            count, end = count + 1, 0
        polynomials[-1].slots.append((x, end))
        end += 2 ** variables(system.shape(x))
    return polynomials, count


def lay_out_inputs(system: System, structure: Any, size: int) -> tuple[list[Polynomial], int]:
    polynomials, count = [], 0
    for x, tensor in enumerate(system.tensors):
        if tensor.kind == "input":
            true = (1, *structure["nodes"][structure["inputs"][tensor.detail]].shape)
            used = np.zeros(tensor.shape, dtype=bool)
            used[tuple(slice(0, k) for k in true)] = True
            chunks: list[int | None] = []
            for alive in used.reshape(-1, 2**size).any(axis=1):
                chunks.append(count if alive else None)
                count += int(alive)
            polynomials.append(Polynomial(variables(tensor.shape), chunks, [(x, 0)]))
    return polynomials, count


def leaf_slots(system: System) -> tuple[list[tuple[str, int, Shape, int]], int]:
    slots = [("lookup", j, system.shape(columns[0])) for j, (_, columns) in enumerate(system.lookups)]
    slots += [("table", j, (rows_of(table),)) for j, table in enumerate(system.tables)]
    slots.sort(key=lambda slot: -variables(slot[2]))
    placed, end = [], 0
    for slot in slots:
        placed.append((*slot, end))
        end += 2 ** variables(slot[2])
    return placed, max(end, 1)


def point_size(system: System) -> int:
    return max([bits(leaf_slots(system)[1]), *(variables(system.shape(x)) for x in system.zeros)])


# The argument


class Reader:
    """The prover's words, and the transcript."""

    def __init__(self, argument: bytes) -> None:
        self.left, self.state = argument, keccak(b"verinfer sumcheck argument v1")

    def absorb(self, words: bytes) -> None:
        self.state = keccak(self.state + words)

    def absorb_integers(self, values: Sequence[int]) -> None:
        self.absorb(b"".join((n % R).to_bytes(32, "big") for n in values))

    def challenge(self) -> int:
        self.state = keccak(self.state)
        return int.from_bytes(self.state, "big") % R

    def challenges(self, n: int) -> list[int]:
        return [self.challenge() for _ in range(n)]

    def words(self, n: int) -> list[int]:
        check(len(self.left) >= 32 * n, "too short")
        taken, self.left = self.left[: 32 * n], self.left[32 * n :]
        if taken:
            self.absorb(taken)
        return [int.from_bytes(taken[i : i + 32], "big") for i in range(0, len(taken), 32)]

    def scalars(self, n: int) -> list[int]:
        scalars = self.words(n)
        check(all(s < R for s in scalars), "not canonical")
        return scalars

    def points(self, n: int) -> list[Any]:
        return decoded(self.words(2 * n))

    def rounds(self, claim: int, n: int, degree: int) -> tuple[list[int], int]:
        point = []
        for _ in range(n):
            c0, *rest = self.scalars(degree)
            c = [c0, claim - 2 * c0 - sum(rest), *rest]
            e = self.challenge()
            claim = sum(a * pow(e, k, R) for k, a in enumerate(c)) % R
            point.append(e)
        return point, claim

    def rounds_at(self, claim: int, u: Sequence[int]) -> tuple[list[int], int]:
        point: list[int] = []
        for x in reversed(u):
            c1, c2 = self.scalars(2)
            c0 = claim - x * (c1 + c2)
            e = self.challenge()
            claim = (c0 + c1 * e + c2 * e * e) % R
            point.insert(0, e)
        return point, claim


def decoded(words: Sequence[int]) -> list[Any]:
    points = []
    for x, y in zip(words[::2], words[1::2], strict=True):
        if x == y == 0:
            points.append(curve.Z1)
            continue
        check(x < P and y < P and (y * y - x * x * x - 3) % P == 0, "no point")
        points.append((curve.FQ(x), curve.FQ(y), curve.FQ(1)))
    return points


def parsed(structure: bytes) -> Any:
    content = json.loads(structure)
    nodes = [
        Node(op, inputs, dict(zip(ATTRIBUTES.get(op, ()), attributes, strict=True)), tuple(shape), lo, hi)
        for op, inputs, attributes, shape, lo, hi in content["nodes"]
    ]
    return content | {"nodes": nodes, "revealed": dict(map(tuple, content["revealed"]))}


def verify(
    structure: bytes,
    options: bytes,
    parameters: bytes,
    tau_g2: Any,
    context: bytes,
    batch: int,
    inputs: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    argument: bytes,
    committed: bytes | None = None,
) -> None:
    """Raise Refused unless the argument holds. Values stand port by port; their bounds were checked."""
    l, w, clamp_bits, commits = options  # noqa: E741
    check(commits in (0, 1) and bool(commits) == (committed is not None), "values or a commitment")
    check(not commits or batch == 1, "one sample")
    system = lowered(parsed(structure), batch, w, clamp_bits, l if commits else None)
    ports = {"input": inputs, "output": outputs}
    public = {
        x: field_array([n % R for n in ports[tensor.detail[0]][tensor.detail[1]]]).reshape(tensor.shape)
        for x, tensor in enumerate(system.tensors)
        if tensor.kind == "public"
    }
    parameter_polynomials, parameter_count = lay_out(system, "parameter", l)
    input_polynomials, input_count = lay_out_inputs(system, parsed(structure), l)
    advice_polynomials, advice_count = lay_out(system, "advice", l)
    words = [int.from_bytes(parameters[i : i + 32], "big") for i in range(0, len(parameters), 32)]
    check(len(words) == 2 * parameter_count, "not the key's commitments")
    root, points = (committed or b"")[:32], (committed or b"")[32:]
    check(not commits or (len(root) == 32 and len(points) == 64 * input_count), "not the input's commitments")
    words += [int.from_bytes(points[i : i + 32], "big") for i in range(0, len(points), 32)]
    slots, leaves = leaf_slots(system)
    t = bits(leaves)
    height = min(7, t)
    c = t - height
    nodes = math.ceil(leaves / 2**height)
    cap_chunks = math.ceil(nodes / 2**l)
    cap_bits = max(c, l)
    m = point_size(system)

    reader = Reader(argument)
    reader.absorb(context)
    reader.absorb_integers([batch])
    if commits:
        reader.absorb(keccak(keccak(b"verinfer input commitment v1") + root + keccak(points)))
    for values in (*inputs, *outputs):
        reader.absorb_integers(values)
    commitments = [*decoded(words), *reader.points(advice_count)]  # step 1
    gamma, alpha = reader.challenges(2)
    check(alpha != 0, "alpha")
    commitments += reader.points(cap_chunks)  # 2
    z = reader.challenges(c)
    y, claim = reader.rounds(0, c, 3)  # 3
    h, numerator, denominator = reader.scalars(3)  # 4
    check((eq(z, y) * (h * denominator - numerator) - claim) % R == 0, "the cap")
    h_at_y, u = h, y
    for _ in range(height):  # 5
        mix = reader.challenge()
        inner, claim = reader.rounds_at(numerator + mix * denominator, u)
        n0, n1, d0, d1 = reader.scalars(4)
        check((n0 * d1 + n1 * d0 + mix * d0 * d1 - claim) % R == 0, "a level")
        s = reader.challenge()
        numerator, denominator = n0 + s * (n1 - n0), d0 + s * (d1 - d0)
        u = [*inner, s]
    point = [*reader.challenges(m - t), *u]  # 6
    mu = reader.challenge()

    # the leaves
    claims: list[tuple[int, Weights]] = []
    left_d, left_n, padding = denominator - 1, numerator, 0
    for kind, j, shape, offset in slots:
        n = variables(shape)
        place = eq(u[: t - n], index_bits(offset >> n, t - n))
        weights = at_point(shape, u).scaled(place)
        table_number = j if kind == "table" else system.lookups[j][0]
        left_d += place - (place * alpha - (table_number + 1) * weights.total())
        if kind == "lookup":
            padding += 2**n - math.prod(shape)
            left_n -= place
            for k, column in enumerate(system.lookups[j][1], 1):
                claims.append((column, weights.scaled(-pow(gamma, k, R))))
            continue
        claims.append((system.multiplicities[j], weights.scaled(-mu)))
        table = system.tables[j]
        own = eq_values(u[t - n :], rows_of(table))
        first = {"range": 0, "pairs": table[1], "clamp": table[1]}[table[0]]
        left_d += place * gamma * sum(int(e) * (first + i) for i, e in enumerate(own))
        if table[0] == "pairs":
            weights = at_point(system.shape(table[2]), u).scaled(place)
            claims.append((table[2], weights.scaled(-gamma * gamma)))
        if table[0] == "clamp":
            lo = -math.inf if table[3] is None else table[3]
            hi = math.inf if table[4] is None else table[4]
            second = sum(int(e) * int(min(max(first + i, lo), hi)) for i, e in enumerate(own))
            left_d += place * gamma * gamma * second
    total = left_d + mu * left_n
    for j, x in enumerate(system.zeros):
        claims.append((x, at_point(system.shape(x), point).scaled(pow(mu, j + 2, R))))
    reduced = reduce(system, claims, public)
    [v] = reader.scalars(1)  # 7

    separate = [separated(system, product, weights) for product, weights in reduced.products]
    groups = grouped([claim for claim in separate if claim is not None])
    check(None not in separate, "not separable")
    rounds = max([group.variables for group in groups], default=0)
    degree = max([3 if group.weighted else 2 for group in groups], default=2)
    e, claim = reader.rounds(total - reduced.known - v, rounds, degree)  # 8
    merged: list[tuple[int, Weights]] = [(x, w_) for x, each in reduced.committed.items() for w_ in each]
    sides: list[tuple[str, Group, int]] = []
    for group in groups:  # 9
        x_value, y_value = reader.scalars(2)
        before, own = e[: rounds - group.variables], e[rounds - group.variables :]
        weight = 1
        if group.weighted:
            at = eq_values(own[: group.index], len(group.claims))
            weight = sum(
                int(a) * k.shared_weight(own[group.index :]) for a, k in zip(at, group.claims, strict=True)
            )
        claim -= eq(before, [0] * len(before)) * weight * x_value * y_value
        sides += [("left", group, x_value), ("right", group, y_value)]
    check(claim % R == 0, "the products")

    nu = reader.challenge()
    total = v
    for power, (side, group, value) in enumerate(sides, 1):
        total += pow(nu, power, R) * value
        own = e[rounds - group.variables :]
        at = eq_values(own[: group.index], len(group.claims))
        for a, k in zip(at, group.claims, strict=True):
            scale = k.scale if side == "left" and not group.weighted else 1
            weights = k.operand(side, own[group.index :]).scaled(pow(nu, power, R) * int(a) * scale)
            merged.append((k.product.x if side == "left" else k.product.y, weights))
    last = reduce(system, merged, public)
    check(not last.products, "quadratic factors")
    nu_sum, nu_value = pow(nu, len(sides) + 1, R), pow(nu, len(sides) + 2, R)
    total += nu_sum * padding * pow(alpha, -1, R) + nu_value * h_at_y - last.known
    polynomials = [*parameter_polynomials, *input_polynomials, *advice_polynomials]
    size = max([cap_bits, *(f.n for f in polynomials)])
    e, value = reader.rounds(total % R, size, 2)  # 10

    scalars: list[int] = []
    for layout, count in (
        (parameter_polynomials, parameter_count),
        (input_polynomials, input_count),
        (advice_polynomials, advice_count),
    ):
        part = [0] * count
        for f in layout:
            own = e[size - f.n :]
            weight = 0
            for x, offset in f.slots:
                n = variables(system.shape(x))
                place = eq(own[: f.n - n], index_bits(offset >> n, f.n - n))
                axes, rest = [], own[f.n - n :]
                for k in system.shape(x):
                    axes.append(rest[: bits(k)])
                    rest = rest[bits(k) :]
                weight += place * sum(each.evaluate(axes) for each in last.committed.get(x, []))
            put(part, f.chunks, weight * eq(e[: size - f.n], [0] * (size - f.n)), own[: f.n - l])
        scalars += part
    own = e[size - cap_bits :]
    weight = nu_sum * int(np.sum(eq_values(own, nodes))) + nu_value * eq(
        own[: cap_bits - c], [0] * (cap_bits - c)
    ) * eq(y, own[cap_bits - c :])
    part = [0] * cap_chunks
    chunks = [j if j < cap_chunks else None for j in range(2 ** (cap_bits - l))]
    put(part, chunks, weight * eq(e[: size - cap_bits], [0] * (size - cap_bits)), own[: cap_bits - l])
    scalars += part
    opened(reader, scalars, commitments, e[size - l :], value, tau_g2)  # 11
    check(not reader.left, "too long")


def put(scalars: list[int], chunks: Sequence[int | None], weight: int, first: Sequence[int]) -> None:
    for chunk, a in zip(chunks, eq_values(first, len(chunks)), strict=True):
        if chunk is not None:
            scalars[chunk] = weight * int(a) % R


def opened(
    reader: Reader, scalars: list[int], commitments: list[Any], point: Sequence[int], value: int, tau_g2: Any
) -> None:
    l = len(point)  # noqa: E741
    folds = reader.points(l - 1)
    rho = reader.challenge()
    check(rho != 0, "rho")
    squares = reader.scalars(1)
    plus, minus = reader.scalars(l), reader.scalars(l)
    for i in range(l):
        x = point[l - 1 - i]
        even, odd = (plus[i] + minus[i]) * pow(2, -1, R), (plus[i] - minus[i]) * pow(2 * rho, -1, R)
        squares.append(((1 - x) * even + x * odd) % R)
    check(squares[l] == value, "the value")
    q = reader.challenge()
    [quotient] = reader.points(1)
    zeta = reader.challenge()
    [rest] = reader.points(1)
    roots = [rho, -rho % R, rho * rho % R]
    check(len(set(roots)) == 3, "roots")
    b = [sum(pow(q, i, R) * each[i] for i in range(l)) for each in (plus, minus, squares)]
    at_zeta = 0
    for i in range(3):
        term = b[i]
        for j in range(3):
            if j != i:
                term = term * (zeta - roots[j]) * pow(roots[i] - roots[j], -1, R) % R
        at_zeta += term
    vanishing = math.prod(zeta - root for root in roots) % R
    scalars = [*scalars, *(pow(q, i, R) for i in range(1, l)), -at_zeta, -vanishing, zeta]
    total = curve.Z1
    for scalar, base in zip(scalars, [*commitments, *folds, curve.G1, quotient, rest], strict=True):
        total = curve.add(total, curve.multiply(base, scalar % R))
    check(pairing_holds(total, rest, tau_g2), "the pairing")


def pairing_holds(left: Any, right: Any, tau_g2: Any) -> bool:
    """e(left, [1]_2) = e(right, [tau]_2)."""
    one = curve.pairing(curve.G2, left, final_exponentiate=False)
    other = curve.pairing(tau_g2, curve.neg(right), final_exponentiate=False)
    return bool(curve.final_exponentiate(one * other) == curve.FQ12.one())


# Files


def sections_of(file: bytes, magic: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fields and sections of a key or a proof."""
    check(file[:8] == magic and file[8:10] == b"\0\1", "another kind of file")
    check(keccak(file[:-32]) == file[-32:], "the digest")
    end = 14 + int.from_bytes(file[10:14], "big")
    header = json.loads(file[14:end])
    canonical = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    check(canonical.encode() == file[14:end], "not canonical")
    names = [name for name, _ in header["sections"]]
    check(names == sorted(set(names)), "the order of sections")
    sections = {}
    for name, length in header["sections"]:
        sections[name] = file[end : end + length]
        end += length
    check(end == len(file) - 32, "the length")
    return header["fields"], sections


def verify_files(key: bytes, proof: bytes) -> list[int]:
    """The outputs that a proof's file proves under a key's file. Raise Refused if there is none."""
    names, own = sections_of(key, b"VERINFvk")
    said, claimed = sections_of(proof, b"VERINFpf")
    for field in ("backend", "circuit_id", "insecure_srs"):
        check(said[field] == names[field], field)
    check(said["backend"] == "sumcheck" and said["key_digest"] == "0x" + key[-32:].hex(), "another key")
    check(set(claimed) - {"committed"} == {"inputs", "outputs", "argument"}, "sections of the proof")
    committed = claimed.get("committed")
    check(committed is None or not claimed["inputs"], "values or a commitment")
    ids = [bytes.fromhex(names[field][2:]) for field in ("ops_root", "weights_root", "scales_hash")]
    parts = keccak(b"verinfer circuit v1") + keccak(own["circuit_header"]) + b"".join(ids)
    circuit_id = keccak(parts)
    check(names["circuit_id"] == "0x" + circuit_id.hex(), "the circuit's id")
    structure = parsed(own["structure"])
    ports: dict[str, list[list[int]]] = {}
    batches = set()
    for name in ("inputs", "outputs") if committed is None else ("outputs",):
        data = claimed[name]
        values = [int.from_bytes(data[i : i + 8], "big", signed=True) for i in range(0, len(data), 8)]
        nodes = [structure["nodes"][i] for i in structure[name]]
        sizes = [math.prod(node.shape) for node in nodes]
        check(
            len(data) % 8 == 0 and len(values) % sum(sizes) == 0 and len(values) > 0, "the number of values"
        )
        batches.add(len(values) // sum(sizes))
        ports[name] = [[] for _ in nodes]
        while values:
            for found, node, size in zip(ports[name], nodes, sizes, strict=True):
                found += values[:size]
                check(all(node.lo <= n <= node.hi for n in values[:size]), "a bound")
                values = values[size:]
    check(len(batches) == 1, "inputs and outputs of as many samples")
    srs = own["srs"]
    x1, x0, y1, y0 = (int.from_bytes(srs[i : i + 32], "big") for i in range(256, 384, 32))
    tau_g2 = curve.FQ2([x0, x1]), curve.FQ2([y0, y1]), curve.FQ2.one()
    recipient = bytes(12) + bytes.fromhex(said["recipient"][2:])
    context = keccak(keccak(b"verinfer srs v1") + srs) + circuit_id + key[-32:] + recipient
    verify(
        own["structure"],
        own["options"],
        own["parameters"],
        tau_g2,
        context,
        batches.pop(),
        ports.get("inputs", []),
        ports["outputs"],
        claimed["argument"],
        committed,
    )
    return [n for port in ports["outputs"] for n in port]
