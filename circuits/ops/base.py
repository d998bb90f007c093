"""What every operation of a circuit states: its shape rule, its bound, its exact execution.

An operation is one module. Its docstring's formula is the definition: the executor, the provers and the
dispute contract all compute it, to the bit. Executed arrays carry one batch axis in front of the tensor's own
axes; the batch axis of a constant has size 1 and broadcasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from circuits.errors import CircuitError
from circuits.tensor import Bound, IntArray, Operand, Shape

Attrs = Mapping[str, Any]


class Op(Protocol):
    """One operation on integer tensors."""

    name: str
    arity: int
    """The number of inputs; -1 where it varies."""

    @property
    def attrs(self) -> tuple[str, ...]:
        """The names of all attributes, every one required."""
        ...

    def shape(self, xs: Sequence[Operand], attrs: Attrs) -> Shape:
        """The output's shape; raises CircuitError where the inputs do not fit."""
        ...

    def bound(self, xs: Sequence[Operand], attrs: Attrs) -> Bound:
        """An inclusive bound that holds the output for every input within its bound."""
        ...

    def execute(self, xs: Sequence[IntArray], attrs: Attrs, shape: Shape, bound: Bound) -> IntArray:
        """The output for a batch; any integer type wide enough for `bound` may be returned."""
        ...


REGISTRY: dict[str, Op] = {}


def register(cls: type[Op]) -> type[Op]:
    """Class decorator that makes an operation known under its name."""
    REGISTRY[cls.name] = cls()
    return cls


def op(name: str) -> Op:
    """The operation called `name`; raises CircuitError where there is none."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise CircuitError(f"there is no circuit operation called {name!r}") from None


def check(condition: bool, what: str) -> None:
    """Raise CircuitError with `what` unless `condition` holds."""
    if not condition:
        raise CircuitError(what)


def broadcast_shapes(a: Shape, b: Shape) -> Shape:
    """NumPy's broadcasting of two shapes."""
    rank = max(len(a), len(b))
    a = (1,) * (rank - len(a)) + a
    b = (1,) * (rank - len(b)) + b
    check(
        all(i == j or 1 in (i, j) for i, j in zip(a, b, strict=True)), f"shapes {a} and {b} do not broadcast"
    )
    return tuple(j if i == 1 else i for i, j in zip(a, b, strict=True))


def align(x: IntArray, rank: int) -> IntArray:
    """Give a batched array `rank` axes after its batch axis, new ones of size 1 in front, as broadcasting
    would."""
    return x.reshape(x.shape[:1] + (1,) * (rank + 1 - x.ndim) + x.shape[1:])
