"""A circuit's operations on a GPU, exactly as `circuits.ops` defines them.

Sums of products are a kernel (`prover/kernels/cuda/execution.cu`), exact since the circuit's bounds fit 64
bits. What NumPy's functions do on arrays of integers, they do on a GPU's arrays, too: those operations run as
they are. The rest, rare and small, is done by the processor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from circuits.circuit import Circuit, Node
from circuits.executor import CPU
from circuits.ops.contraction import window_counts
from circuits.tensor import IntArray, Shape
from prover.cuda.driver import THREADS, Array
from prover.cuda.kernels import Kernels

_AS_THEY_ARE = frozenset(
    (
        *(
            "add",
            "sub",
            "mul",
            "reduce_sum",
            "floor_divide",
            "rescale",
            "table",
            "max",
            "reduce_max",
            "max_pool",
        ),
        *("greater", "where", "reshape", "transpose", "slice", "concat", "pad", "broadcast", "gather"),
    )
)
"""Operations made of NumPy's functions alone."""
_TILE = 64
_NARROW = ("int8", "int16")


class Execution:
    """A `circuits.executor.Processor`."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels, self._driver, self._xp = kernels, kernels.driver, kernels.xp
        self._constants: dict[tuple[bytes, int], Array] = {}

    def hold(self, array: IntArray) -> Array:
        """See `Processor.hold`."""
        return self._driver.upload(array)

    def fetch(self, array: Array) -> IntArray:
        """See `Processor.fetch`."""
        return self._driver.download(array)

    def constant(self, circuit: Circuit, node: int) -> Array:
        """See `Processor.constant`. It is copied once, for all runs."""
        key = circuit.circuit_id, node
        if key not in self._constants:
            self._constants[key] = self.hold(CPU.constant(circuit, node))
        return self._constants[key]

    def apply(self, node: Node, xs: Sequence[Array]) -> Array:
        """See `Processor.apply`."""
        if node.op == "matmul":
            return self._matmul(xs[0], xs[1], len(node.shape)).astype(node.dtype, copy=False)
        if node.op == "conv" and len(xs[0].shape) <= _MOST_AXES:
            return self._conv(xs[0], xs[1], node.attrs).astype(node.dtype, copy=False)
        if node.op in _AS_THEY_ARE:
            return CPU.apply(node, xs)
        return self.hold(CPU.apply(node, [self.fetch(x) for x in xs]))

    def _matmul(self, a: Array, b: Array, rank: int) -> Array:
        """a @ b, each with a batch axis in front."""
        a = a.reshape(a.shape[:1] + (1,) * (rank + 1 - len(a.shape)) + a.shape[1:])
        b = b.reshape(b.shape[:1] + (1,) * (rank + 1 - len(b.shape)) + b.shape[1:])
        rows, depth, columns = a.shape[-2], a.shape[-1], b.shape[-1]
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        if math.prod(b.shape[:-2]) == 1:  # one matrix for the whole batch: a single large product
            images, rows = 1, math.prod(a.shape[:-1])
        else:
            images = math.prod(batch)
            a = self._xp.broadcast_to(a, (*batch, rows, depth))
            b = self._xp.broadcast_to(b, (*batch, depth, columns))
        turned = b.reshape(images, depth, columns).transpose(0, 2, 1)
        geometry = _Geometry(images, (rows, 1), (rows, 1), depth, columns, weights=columns * depth)
        out = self._convolved(a.reshape(-1), turned, geometry)
        return out.reshape(*batch, a.shape[-2], columns)

    def _conv(self, x: Array, w: Array, attrs: Any) -> Array:
        """x [B, N, *spatial, C], w [1 or B, O, *kernel, C / groups]."""
        if len(x.shape) == _MOST_AXES - 1:  # one spatial axis: a second one of size 1
            wider = {name: [*attrs[name], neutral] for name, neutral in _NEUTRAL.items()}
            x, w = (self._xp.expand_dims(each, -2) for each in (x, w))
            made = self._conv(x, w, {**wider, "groups": attrs["groups"]})
            return made.reshape(*made.shape[:-2], made.shape[-1])
        if w.shape[0] > 1:
            x = self._xp.broadcast_to(x, (w.shape[0], *x.shape[1:]))
            if x.shape[1] > 1:  # weights of as many images
                w = self._xp.repeat(w, x.shape[1], axis=0)
        spatial, kernel, channels = x.shape[2:4], w.shape[2:4], w.shape[-1]
        places = window_counts(spatial, kernel, attrs)
        geometry = _Geometry(
            math.prod(x.shape[:2]),
            spatial,
            places,
            channels,
            w.shape[1],
            kernel,
            tuple(attrs["strides"]),
            tuple(attrs["dilations"]),
            tuple(attrs["pads_before"]),
            attrs["groups"],
            math.prod(w.shape[1:]) if w.shape[0] > 1 else 0,
        )
        return self._convolved(x, w, geometry).reshape(*x.shape[:2], *places, w.shape[1])

    def _convolved(self, x: Array, w: Array, geometry: _Geometry) -> Array:
        """The kernel's result, flat."""
        names = str(x.dtype), str(w.dtype)
        if not all(name in _NARROW for name in names):
            names = ("int64", "int64") if "int64" in names else ("int32", "int32")
        x, w = (
            self._xp.ascontiguousarray(each.astype(name, copy=False))
            for each, name in zip((x, w), names, strict=True)
        )
        out = self._xp.empty(geometry.cells, dtype=np.int64)
        description = self._driver.upload(np.array(geometry.words, dtype=np.int64))
        kernel = f"convolve_{names[0]}_{names[1]}"
        self._kernels.run("execution", kernel, geometry.tiles * THREADS, x, w, description, out)
        return out


_MOST_AXES = 5
"""Of a batch of images, with the batch's own."""
_NEUTRAL = {"strides": 1, "pads_before": 0, "pads_after": 0, "dilations": 1}


class _Geometry:
    """A `Convolution` of execution.cu."""

    def __init__(
        self,
        images: int,
        spatial: Shape,
        places: Shape,
        channels: int,
        outputs: int,
        kernel: Shape = (1, 1),
        strides: Shape = (1, 1),
        dilations: Shape = (1, 1),
        before: Shape = (0, 0),
        groups: int = 1,
        weights: int = 0,
    ) -> None:
        window = (*kernel, channels, *strides, *dilations, *before)
        self.words = (images, *spatial, channels * groups, *places, outputs, *window, groups, weights)
        self.cells = images * math.prod(places) * outputs
        tiles = -(-math.prod(places) // _TILE) * -(-outputs // groups // _TILE)
        self.tiles = images * groups * tiles
