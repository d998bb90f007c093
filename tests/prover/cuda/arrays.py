"""Arrays that refuse what CuPy's refuse: to meet an array of the processor, or to become one unasked.

What CuPy does with an array it does here, by NumPy, on the array within.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

USED: set[str] = set()
"""The functions of `xp` and of NumPy that were called with such arrays."""


class DeviceArray:
    """An array of a GPU that is none."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        raise TypeError("an array of the GPU does not become one of the processor by itself")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        USED.add(ufunc.__name__)
        return _wrapped(getattr(ufunc, method)(*_inside(inputs), **_inside(options)))

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        USED.add(function.__name__)
        if function is np.asarray:  # a copy that was asked for
            return DeviceArray(np.asarray(*arguments, **options).copy())
        return _wrapped(function(*_inside(arguments), **_inside(options)))

    def __getitem__(self, index: Any) -> Any:
        return _wrapped(self.array[_inside(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[_inside(index)] = _inside(value)

    def __len__(self) -> int:
        return len(self.array)

    def __int__(self) -> int:
        return int(self.array)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # or NumPy finds the array within by its interface
            raise AttributeError(name)
        found = getattr(self.array, name)
        if not callable(found):
            return _wrapped(found)
        return lambda *arguments, **options: _wrapped(found(*_inside(arguments), **_inside(options)))


def _operator(name: str) -> Any:
    function = getattr(operator, name)

    def apply(self: DeviceArray, *others: Any) -> Any:
        return _wrapped(function(self.array, *_inside(others)))

    return apply


for _name in (
    "add",
    "sub",
    "mul",
    "rshift",
    "lshift",
    "and_",
    "or_",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
    "neg",
):
    setattr(DeviceArray, f"__{_name.rstrip('_')}__", _operator(_name))
for _name in ("iadd", "isub", "imul", "irshift", "iand"):
    setattr(DeviceArray, f"__{_name}__", _operator(_name))
for _name in ("add", "mul", "and_"):
    setattr(DeviceArray, f"__r{_name.rstrip('_')}__", _operator(_name))
DeviceArray.__rsub__ = lambda self, other: _wrapped(_inside(other) - self.array)  # type: ignore[attr-defined]
DeviceArray.__hash__ = None  # type: ignore[assignment]


def _inside(value: Any) -> Any:
    if isinstance(value, DeviceArray):
        return value.array
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("an array of the processor among those of the GPU")
    if isinstance(value, tuple | list):
        return type(value)(map(_inside, value))
    if isinstance(value, dict):
        return {key: _inside(each) for key, each in value.items()}
    return value


def _wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.dtype):
        return DeviceArray(np.asarray(value))
    if isinstance(value, tuple) and any(isinstance(each, np.ndarray) for each in value):
        return tuple(map(_wrapped, value))
    return value


class Xp:
    """NumPy's functions for such arrays."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function

        def call(*arguments: Any, **options: Any) -> Any:
            USED.add(name)
            return _wrapped(function(*_inside(arguments), **_inside(options)))

        return call
