"""The named unary functions that a `table` may hold, in float64.

A function is a name and parameters, so that a float graph stays plain data. A table is rounded from these
once, when the circuit is compiled; from then on its rows are the definition. `steep` names those whose slope
is unbounded near 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from circuits.errors import ModelError
from circuits.tensor import FloatArray

Unary = Callable[[FloatArray], FloatArray]

_erf: Any = np.vectorize(math.erf, otypes=[np.float64])
_gamma: Any = np.vectorize(math.gamma, otypes=[np.float64])


def erf(x: FloatArray) -> FloatArray:
    """The error function; only the distinct values are computed one by one."""
    distinct, where = np.unique(x, return_inverse=True)
    return np.asarray(_erf(distinct)[where].reshape(x.shape))


def probit(x: FloatArray) -> FloatArray:
    """The inverse of the standard normal distribution function on (0, 1), by the approximation of the inverse
    error function (S. Winitzki, 2008) with which ONNX's PROBIT is computed elsewhere."""
    y = 2 * x - 1
    log = np.log((1 - y) * (1 + y))
    half = 2 / (math.pi * 0.147) + 0.5 * log
    return np.asarray(np.sign(y) * np.sqrt(2 * (np.sqrt(half * half - log / 0.147) - half)))


def sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def softplus(x: FloatArray) -> FloatArray:
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(0.0, x)


def minifloat(x: FloatArray, mantissa: float, least_exponent: float, largest: float) -> FloatArray:
    """The nearest number of a small float format, ties to even, saturated; below the least exponent steps are
    even."""
    exponent = np.maximum(np.frexp(x)[1] - 1, least_exponent)
    step = np.exp2(exponent - mantissa)
    return np.asarray(np.clip(np.rint(x / step) * step, -largest, largest))


def power_of_two(x: FloatArray, mode: float) -> FloatArray:
    """The power of two nearest to x > 0 (mode 0), at or above it (1), at or below it (2), within 2^-127 and
    2^127."""
    fraction, exponent = np.frexp(x)  # x = fraction * 2^exponent with 0.5 <= fraction < 1
    above = {0: 0.75 <= fraction, 1: 0.5 < fraction, 2: 1.0 <= fraction}[int(mode)]
    return np.asarray(np.exp2(np.clip(np.where(x > 0, exponent - 1 + above, -127), -127, 127)))


FUNCTIONS: dict[str, Callable[..., FloatArray]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "celu": lambda x, alpha: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha)),
    "cos": np.cos,
    "cosh": np.cosh,
    "elu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "erf": erf,
    "exp": np.exp,
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "hard_sigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "leaky_relu": lambda x, alpha: np.where(x >= 0, x, alpha * x),
    "log": np.log,
    "minifloat": minifloat,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "pow": lambda x, exponent: np.power(x, exponent),
    "exp_base": lambda x, base: np.power(base, x),
    "power_of_two": power_of_two,
    "probit": probit,
    "reciprocal": lambda x: 1 / x,
    "selu": lambda x, alpha, gamma: gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "shrink": lambda x, bias, lambd: np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0)),
    "sigmoid": sigmoid,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sqrt": np.sqrt,
    "swish": lambda x, alpha: x * sigmoid(alpha * x),
    "tan": np.tan,
    "tanh": np.tanh,
    "thresholded_relu": lambda x, alpha: np.where(x > alpha, x, 0),
}

STEEP = frozenset({"log", "pow", "reciprocal", "sqrt", "acosh", "tan"})


def function(name: str, params: Sequence[float]) -> Unary:
    """The function called `name` with its parameters in order, on float64 arrays.

    Raises
    ------
    ModelError
        If there is no such function.
    """
    if name not in FUNCTIONS:
        raise ModelError(f"there is no unary function called {name!r}")
    kernel = FUNCTIONS[name]
    return partial(_run, kernel, tuple(params))


def _run(kernel: Callable[..., FloatArray], params: tuple[float, ...], x: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return np.asarray(kernel(x.astype(np.float64, copy=False), *params), dtype=np.float64)
