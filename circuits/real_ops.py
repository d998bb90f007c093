"""Each operation of the float graph on float64 arrays, with a batch axis in front.

Movements are the circuit's own; the rest mirrors the circuit's operations on reals. Serves calibration and
constant folding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from circuits.functions import function
from circuits.ops import op
from circuits.ops.contraction import conv, matmul
from circuits.ops.maximum import max_pool
from circuits.tensor import FloatArray, Shape

MOVEMENTS = ("reshape", "transpose", "slice", "concat", "pad", "broadcast", "gather")
Attrs = Mapping[str, Any]
Kernel = Callable[[Sequence[FloatArray], Attrs, Shape], FloatArray]


def _aligned(kernel: Callable[..., Any]) -> Kernel:
    """An elementwise function of arrays that broadcast behind their batch axis."""

    def run(xs: Sequence[FloatArray], attrs: Attrs, shape: Shape) -> FloatArray:
        out: FloatArray = kernel(
            *(x.reshape(x.shape[:1] + (1,) * (len(shape) + 1 - x.ndim) + x.shape[1:]) for x in xs)
        )
        return out

    return run


def _divide(x: FloatArray, d: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(x, d))


def _axes(attrs: Attrs) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in attrs["axes"])


_ROUNDING: dict[str, Callable[[FloatArray], FloatArray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "even": np.rint,
}

_KERNELS: dict[str, Kernel] = {
    "add": _aligned(np.add),
    "sub": _aligned(np.subtract),
    "mul": _aligned(np.multiply),
    "max": _aligned(np.maximum),
    "greater": _aligned(lambda a, b: np.greater(a, b).astype(np.float64)),
    "where": _aligned(lambda c, a, b: np.where(c > 0.5, a, b)),
    "divide": _aligned(_divide),
    "matmul": lambda xs, attrs, shape: matmul(xs[0], xs[1], len(shape)),
    "conv": lambda xs, attrs, shape: conv(xs[0], xs[1], attrs),
    "reduce_sum": lambda xs, attrs, shape: np.sum(xs[0], axis=_axes(attrs), keepdims=True),
    "reduce_max": lambda xs, attrs, shape: np.max(xs[0], axis=_axes(attrs), keepdims=True),
    "max_pool": lambda xs, attrs, shape: max_pool(xs[0], attrs, -np.inf),
    "top_k": lambda xs, attrs, shape: np.take(
        np.argsort(-xs[0], axis=attrs["axis"] + 1, kind="stable"), range(attrs["k"]), axis=attrs["axis"] + 1
    ),
    "clip": lambda xs, attrs, shape: (
        np.clip(xs[0], attrs["lo"], attrs["hi"]) if (attrs["lo"], attrs["hi"]) != (None, None) else xs[0]
    ),
    "function": lambda xs, attrs, shape: function(attrs["name"], attrs["params"])(xs[0]),
    "round": lambda xs, attrs, shape: _ROUNDING[attrs["mode"]](xs[0]),
    "int_divide": lambda xs, attrs, shape: _ROUNDING[attrs["mode"]](_aligned(_divide)(xs, attrs, shape)),
}


def apply(name: str, xs: Sequence[FloatArray], attrs: Attrs, shape: Shape) -> FloatArray:
    """One operation on float64 arrays with a batch axis in front; movements leave the cells' type as it is.

    Non-finite results are allowed here (an infinite mask, a branch that `where` discards); the quantiser
    refuses those that reach it.
    """
    if name not in MOVEMENTS or name == "pad":  # a pad's fill need not fit the cells' type
        xs = [x.astype(np.float64, copy=False) for x in xs]
    if name in MOVEMENTS:
        return np.asarray(op(name).execute(xs, attrs, shape, (0, 0)))  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        return np.asarray(_KERNELS[name](xs, attrs, shape), dtype=np.float64)
