"""RNN, GRU and LSTM, unrolled: the inputs of all steps meet their weights in one product, then each step adds
its state's.

Gate matrices are stacked along the rows: z r h in a GRU, i o f c in an LSTM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import scaled
from circuits.importer.axes import along, zeros
from circuits.importer.handlers import OnnxNode, handles

State = tuple[Value, ...]
Cell = Callable[[Value, State], State]

USES: dict[str, tuple[str, tuple[float, ...]]] = {
    "affine": ("alpha beta", (1.0, 0.0)),
    "elu": ("alpha", (1.0,)),
    "hardsigmoid": ("alpha beta", (0.2, 0.5)),
    "leakyrelu": ("alpha", (0.01,)),
    "relu": ("", ()),
    "scaledtanh": ("alpha beta", (1.0, 1.0)),
    "sigmoid": ("", ()),
    "softplus": ("", ()),
    "softsign": ("", ()),
    "tanh": ("", ()),
    "thresholdedrelu": ("alpha", (1.0,)),
}
"""Which parameters each activation takes, and what they are where the node does not say."""
FUNCTION = {
    "elu": "elu",
    "hardsigmoid": "hard_sigmoid",
    "leakyrelu": "leaky_relu",
    "sigmoid": "sigmoid",
    "softplus": "softplus",
    "softsign": "softsign",
    "tanh": "tanh",
    "thresholdedrelu": "thresholded_relu",
}


@dataclass(frozen=True)
class Activation:
    """An activation with its parameters; `limit` clips what goes in."""

    name: str
    params: tuple[float, ...]
    limit: float | None

    def __call__(self, b: GraphBuilder, x: Value) -> Value:
        if self.limit is not None:
            x = b.add("clip", [x], lo=-self.limit, hi=self.limit)
        if self.name == "relu":
            return b.add("clip", [x], lo=0.0, hi=None)
        if self.name == "affine":
            return b.add("add", [scaled(b, x, self.params[0]), b.constant(self.params[1])])
        if self.name == "scaledtanh":
            inner = b.add("function", [scaled(b, x, self.params[1])], name="tanh", params=[])
            return scaled(b, inner, self.params[0])
        return b.add("function", [x], name=FUNCTION[self.name], params=list(self.params))


@dataclass(frozen=True)
class Weights:
    """One direction's weights, ready to multiply from the right: w [I, G*H], r [H, G*H], bias [G*H] or None.

    `held` [H] is what a GRU with linear_before_reset adds to the candidate's share of the state before the
    reset.
    """

    direction: int
    w: Value
    r: Value
    bias: Value | None
    held: Value | None
    activations: list[Activation]


@handles("RNN")
def rnn(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    hidden: Value | None = None,
) -> list[Value | None]:
    def cell(weights: Weights) -> Cell:
        def step(given: Value, state: State) -> State:
            return (weights.activations[0](b, b.add("add", [given, b.add("matmul", [state[0], weights.r])])),)

        return step

    return _run(b, node, x, (w, r, bias), lengths, [hidden], ["Tanh"], cell)


@handles("GRU")
def gru(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    hidden: Value | None = None,
) -> list[Value | None]:
    """H' = h + z * (H - h),  h = g(X W + (reset * H) R)  or, with linear_before_reset,  g(X W + reset * (H
    R))."""
    size = r.shape[2]

    def cell(weights: Weights) -> Cell:
        f, g = weights.activations
        first = along(b, weights.r, 1, range(2 * size))
        last = along(b, weights.r, 1, range(2 * size, 3 * size))

        def step(given: Value, state: State) -> State:
            h = state[0]
            gates = f(b, b.add("add", [along(b, given, 1, range(2 * size)), b.add("matmul", [h, first])]))
            reset = along(b, gates, 1, range(size, 2 * size))
            if node.attrs["linear_before_reset"]:
                inner = b.add("mul", [reset, _biased(b, b.add("matmul", [h, last]), weights.held)])
            else:
                inner = b.add("matmul", [b.add("mul", [reset, h]), last])
            fresh = g(b, b.add("add", [along(b, given, 1, range(2 * size, 3 * size)), inner]))
            update = along(b, gates, 1, range(size))
            return (b.add("add", [fresh, b.add("mul", [update, b.add("sub", [h, fresh])])]),)

        return step

    return _run(b, node, x, (w, r, bias), lengths, [hidden], ["Sigmoid", "Tanh"], cell)


@handles("LSTM")
def lstm(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    w: Value,
    r: Value,
    bias: Value | None = None,
    lengths: Value | None = None,
    hidden: Value | None = None,
    memory: Value | None = None,
    peepholes: Value | None = None,
) -> list[Value | None]:
    """C' = f * C + i * c, H' = o * h(C'); peepholes let i and f see C, and o see C'.

    A clip limits what enters the gates, not what enters h: that is how onnxruntime reads the specification.
    """
    size = r.shape[2]
    coupled = bool(node.attrs["input_forget"])

    def cell(weights: Weights) -> Cell:
        f, g, h = weights.activations
        unclipped, k = replace(h, limit=None), weights.direction
        peep: list[Value] = []
        if peepholes is not None:
            own = b.add("reshape", [along(b, peepholes, 0, range(k, k + 1))], shape=[3 * size])
            peep = [along(b, own, 0, range(p * size, (p + 1) * size)) for p in range(3)]

        def seen(gate: Value, p: int, c: Value) -> Value:
            return b.add("add", [gate, b.add("mul", [peep[p], c])])

        def step(given: Value, state: State) -> State:
            before = state[1]
            sums = b.add("add", [given, b.add("matmul", [state[0], weights.r])])
            if peep:
                i, o, forget = (along(b, sums, 1, range(k * size, (k + 1) * size)) for k in range(3))
                i, forget = f(b, seen(i, 0, before)), f(b, seen(forget, 2, before))
            else:
                gates = f(b, along(b, sums, 1, range(3 * size)))
                i, o, forget = (along(b, gates, 1, range(k * size, (k + 1) * size)) for k in range(3))
            if coupled:
                forget = b.add("sub", [b.constant(1.0), i])
            fresh = g(b, along(b, sums, 1, range(3 * size, 4 * size)))
            after = b.add("add", [b.add("mul", [forget, before]), b.add("mul", [i, fresh])])
            o = f(b, seen(o, 1, after)) if peep else o
            return b.add("mul", [o, unclipped(b, after)]), after

        return step

    return _run(b, node, x, (w, r, bias), lengths, [hidden, memory], ["Sigmoid", "Tanh", "Tanh"], cell)


def _run(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    matrices: tuple[Value, Value, Value | None],
    lengths: Value | None,
    initial: Sequence[Value | None],
    activations: list[str],
    cell: Callable[[Weights], Cell],
) -> list[Value | None]:
    """All steps in all directions: the outputs Y and each part of the final state."""
    w, r, bias = matrices
    directions = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(
        node.attrs["direction"]
    )
    if directions is None or x.rank != 3 or w.shape[0] != len(directions) or r.shape[1] % r.shape[2]:
        raise node.fail(
            f"an input {x.shape}, weights {w.shape} and {r.shape}, and the direction "
            f"{node.attrs['direction']!r} do not fit one another"
        )
    batch_first = bool(node.attrs.get("layout", 0))
    x = b.add("transpose", [x], perm=[1, 0, 2]) if batch_first else x
    steps, batch, size = x.shape[0], x.shape[1], r.shape[2]
    chosen = _activations(node, activations, len(directions))
    outputs, finals = [], []
    for k, reverse in enumerate(directions):
        weights = _weights(b, w, r, bias, k, chosen[k], bool(node.attrs.get("linear_before_reset", 0)))
        rows = b.add("matmul", [b.add("reshape", [x], shape=[steps * batch, x.shape[2]]), weights.w])
        given = b.add("reshape", [_biased(b, rows, weights.bias)], shape=[steps, batch, weights.w.shape[1]])
        state = tuple(_initial(b, s, k, batch, size, batch_first) for s in initial)
        seen, state = _steps(b, given, state, cell(weights), lengths, reverse)
        outputs.append(seen)
        finals.append(state)
    every = None
    if node.out_names[0]:
        parts = [b.add("concat", [_lifted(b, h) for h in seen], axis=0) for seen in outputs]
        every = b.add("concat", parts, axis=1) if len(parts) > 1 else parts[0]
        every = b.add("transpose", [every], perm=[2, 0, 1, 3]) if batch_first else every
    last: list[Value | None] = []
    for part in zip(*finals, strict=True):
        rows_of = [b.add("reshape", [s], shape=[1, batch, size]) for s in part]
        final = b.add("concat", rows_of, axis=0) if len(rows_of) > 1 else rows_of[0]
        last.append(b.add("transpose", [final], perm=[1, 0, 2]) if batch_first else final)
    return [every, *last]


def _steps(
    b: GraphBuilder, given: Value, state: State, step: Cell, lengths: Value | None, reverse: bool
) -> tuple[list[Value], State]:
    """Each step's output in the order of time, and the final state.

    Behind a sample's length its outputs are 0 and its state stays, so that backwards it starts at its own
    last step.
    """
    count, batch, size = given.shape[0], given.shape[1], state[0].shape[1]
    known = None if lengths is None else b.value_of(lengths)
    nothing = zeros(b, [batch, size], "real")
    outputs: list[Value] = [nothing] * count
    for t in range(count)[::-1] if reverse else range(count):
        if known is not None and (known <= t).all():
            continue
        row = b.add("reshape", [along(b, given, 0, range(t, t + 1))], shape=[batch, given.shape[2]])
        after = step(row, state)
        if lengths is None or (known is not None and (known > t).all()):
            state, outputs[t] = after, after[0]
            continue
        runs = b.add("reshape", [b.add("greater", [lengths, b.constant(np.int64(t))])], shape=[batch, 1])
        state = tuple(b.add("where", [runs, new, old]) for new, old in zip(after, state, strict=True))
        outputs[t] = b.add("where", [runs, after[0], nothing])
    return outputs, state


def _weights(
    b: GraphBuilder,
    w: Value,
    r: Value,
    bias: Value | None,
    k: int,
    activations: list[Activation],
    holds: bool,
) -> Weights:
    sides = [b.add("reshape", [along(b, m, 0, range(k, k + 1))], shape=list(m.shape[1:])) for m in (w, r)]
    w, r = (b.add("transpose", [m], perm=[1, 0]) for m in sides)
    if bias is None:
        return Weights(k, w, r, None, None, activations)
    own = b.add("reshape", [along(b, bias, 0, range(k, k + 1))], shape=[2, bias.shape[1] // 2])
    if not holds:
        total = b.add("reduce_sum", [own], axes=[0])
        return Weights(k, w, r, b.add("reshape", [total], shape=[own.shape[1]]), None, activations)
    size = r.shape[0]
    parts = [
        b.add("reduce_sum", [along(b, own, 1, range(2 * size))], axes=[0]),
        along(b, along(b, own, 0, range(1)), 1, range(2 * size, 3 * size)),
    ]
    total = b.add("reshape", [b.add("concat", parts, axis=1)], shape=[3 * size])
    held = b.add(
        "reshape", [along(b, along(b, own, 0, range(1, 2)), 1, range(2 * size, 3 * size))], shape=[size]
    )
    return Weights(k, w, r, total, held, activations)


def _initial(b: GraphBuilder, given: Value | None, k: int, batch: int, size: int, batch_first: bool) -> Value:
    if given is None:
        return zeros(b, [batch, size], "real")
    return b.add("reshape", [along(b, given, 1 if batch_first else 0, range(k, k + 1))], shape=[batch, size])


def _activations(node: OnnxNode, default: list[str], directions: int) -> list[list[Activation]]:
    """The activations of each direction; alpha and beta go, in order, to those that take one."""
    names = [name.lower() for name in node.attrs.get("activations") or default * directions]
    # the specification's default for a plain RNN names two directions whatever the node's
    names = names[: len(default) * directions]
    unknown = [name for name in names if name not in USES]
    if unknown or len(names) != len(default) * directions:
        raise node.fail(f"its activations {names} are not known, or not {len(default)} for each direction")
    lists: dict[str, Any] = {p: iter(node.attrs.get(f"activation_{p}") or []) for p in ("alpha", "beta")}
    found = []
    for name in names:
        uses, defaults = USES[name]
        params = [float(next(lists[p], d)) for p, d in zip(uses.split(), defaults, strict=True)]
        found.append(Activation(name, tuple(params), node.attrs.get("clip")))
    return [found[k * len(default) : (k + 1) * len(default)] for k in range(directions)]


def _biased(b: GraphBuilder, x: Value, bias: Value | None) -> Value:
    return x if bias is None else b.add("add", [x, bias])


def _lifted(b: GraphBuilder, h: Value) -> Value:
    return b.add("reshape", [h], shape=[1, 1, *h.shape])
