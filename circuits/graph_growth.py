"""How large a float graph may grow: a small file can ask for any amount of memory and time.

The limits lie far above what the models in use need (GPT-2 on 1,024 tokens takes 2^37 products), and far
below what would bring a machine down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from circuits.errors import ModelError
from circuits.tensor import MAX_RANK, Shape

MAX_TENSOR_ELEMENTS = 1 << 27
"""One tensor of one sample: 1 GiB in float64."""
MAX_ELEMENTS = 1 << 33
"""All tensors of one sample together."""
MAX_PRODUCTS = 1 << 40
"""Multiply-accumulates for one sample."""
MAX_CONSTANT_PRODUCTS = 1 << 36
"""Multiply-accumulates on constants, done when compiling."""


class Growth:
    """What the operations added so far take."""

    def __init__(self) -> None:
        self._elements = 0
        self._products = 0
        self._constant_products = 0

    def add(
        self, name: str, inputs: Sequence[Shape], attrs: Mapping[str, Any], shape: Shape, constant: bool
    ) -> None:
        """Take in an operation; `constant` ones are computed when compiling.

        Raises
        ------
        ModelError
            If the operation, or the graph with it, is too large.
        """
        admit(shape)
        if name in ("conv", "max_pool"):
            pads = zip(inputs[0][1:-1], attrs["pads_before"], attrs["pads_after"], strict=True)
            admit((inputs[0][0], *(n + before + after for n, before, after in pads), inputs[0][-1]))
        products = math.prod(shape) * _terms(name, inputs, attrs)
        if constant:
            self._constant_products += products
        else:
            self._products += products
            self._elements += math.prod(shape)
        for count, limit, what in (
            (self._elements, MAX_ELEMENTS, "elements in all tensors"),
            (self._products, MAX_PRODUCTS, "products"),
            (self._constant_products, MAX_CONSTANT_PRODUCTS, "products of constants"),
        ):
            if count > limit:
                raise ModelError(f"the model is too large: with this node it comes to over {limit} {what}")


def admit(shape: Shape) -> None:
    """Check one tensor by itself.

    Raises
    ------
    ModelError
        If it is empty, too large or has too many axes.
    """
    if len(shape) > MAX_RANK:
        raise ModelError(f"a tensor of {len(shape)} axes is over the limit of {MAX_RANK}")
    if math.prod(shape) < 1:
        raise ModelError(f"a tensor of shape {shape} is empty")
    if math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise ModelError(f"a tensor of shape {shape} is over the limit of {MAX_TENSOR_ELEMENTS} elements")


def _terms(name: str, inputs: Sequence[Shape], attrs: Mapping[str, Any]) -> int:
    """How many products, or passes, each element of an operation's result takes."""
    if name == "matmul":
        return inputs[0][-1]
    if name == "conv":
        return math.prod(inputs[1][1:])
    if name == "max_pool":
        return sum(attrs["kernel"])
    return 1 if name in ("mul", "divide", "function") else 0
