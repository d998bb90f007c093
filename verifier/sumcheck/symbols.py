"""Field elements that are not known yet: what the verifier's arithmetic computes with to become a program.

The verifier's steps use +, -, * and % alone on field elements, so they run on symbols as they do on integers,
and each operation is recorded. A few functions on many elements are marked `recordable`: given symbols they
are recorded whole, as one operation that a machine does at once, instead of step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from verifier.bn254 import SCALAR_FIELD

P = ParamSpec("P")
T = TypeVar("T")


class Recorder(Protocol):
    """Takes down operations, and names their results."""

    def operate(self, operation: str, a: int | Symbol, b: int | Symbol) -> int | Symbol:
        """a + b, a - b or a * b."""
        ...

    def apply(self, function: str, arguments: Sequence[Any]) -> Any:
        """The result of a recordable function."""
        ...


class Symbol:
    """A field element, by the number that its recorder gives it: equal operations have one number."""

    __slots__ = ("number", "recorder")

    def __init__(self, recorder: Recorder, number: int) -> None:
        self.recorder, self.number = recorder, number

    def __hash__(self) -> int:
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbol) and self.number == other.number

    def __bool__(self) -> bool:
        """Whether a claim with such a coefficient must be kept: always."""
        return True

    def __mod__(self, modulus: int) -> Symbol:
        if modulus != SCALAR_FIELD:
            raise TypeError("a symbol is known modulo the field's order only")
        return self

    def __add__(self, other: int | Symbol) -> int | Symbol:
        return self.recorder.operate("+", self, other)

    __radd__ = __add__

    def __sub__(self, other: int | Symbol) -> int | Symbol:
        return self.recorder.operate("-", self, other)

    def __rsub__(self, other: int) -> int | Symbol:
        return self.recorder.operate("-", other, self)

    def __mul__(self, other: int | Symbol) -> int | Symbol:
        return self.recorder.operate("*", self, other)

    __rmul__ = __mul__

    def __neg__(self) -> int | Symbol:
        return self.recorder.operate("*", self, SCALAR_FIELD - 1)

    def __lshift__(self, bits: int) -> int | Symbol:
        return self.recorder.operate("*", self, 1 << bits)


def recordable(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function whose first argument is a sequence of field elements."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        first: Any = args[0]
        if Symbol not in map(type, first):  # a search that costs numbers next to nothing
            return function(*args, **kwargs)
        recorder = next(element.recorder for element in first if isinstance(element, Symbol))
        result: T = recorder.apply(function.__name__, args)
        return result

    return call
