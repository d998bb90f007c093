"""Fourier transforms: constant matrices, made by transforming unit vectors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from circuits.graph import GraphBuilder, Value
from circuits.importer.arithmetic import moved_axis
from circuits.importer.axes import axis_of
from circuits.importer.handlers import OnnxNode, handles

MAX_MATRIX_ELEMENTS = 1 << 26


@handles("DFT")
def dft(
    b: GraphBuilder, node: OnnxNode, x: Value, length: Value | None = None, axis: Value | None = None
) -> Value:
    """x is [..., n, ..., 1 or 2]: real numbers, or complex ones as pairs."""
    where = node.attrs.get("axis", -2) if axis is None else int(node.array(b, axis, "axis"))
    where = axis_of(node, where, x.rank)
    inverse, onesided = bool(node.attrs["inverse"]), bool(node.attrs["onesided"])
    n = x.shape[where]
    wanted = 2 * (n - 1) if inverse and onesided else n
    if length is not None:
        wanted = int(node.array(b, length, "dft_length"))
    matrix = fourier_matrix(node, n, x.shape[-1], wanted, inverse, onesided)
    cells = moved_axis(b, x, where, x.rank - 2)
    rows = b.add("reshape", [cells], shape=[math.prod(cells.shape[:-2]), n * x.shape[-1]])
    out = b.add("matmul", [rows, b.constant(matrix.reshape(rows.shape[1], -1))])
    out = b.add("reshape", [out], shape=[*cells.shape[:-2], *matrix.shape[2:]])
    return moved_axis(b, out, x.rank - 2, where)


@handles("STFT")
def stft(
    b: GraphBuilder,
    node: OnnxNode,
    x: Value,
    step: Value,
    window: Value | None = None,
    length: Value | None = None,
) -> Value:
    """A convolution along time whose kernels are the rows of the Fourier matrix times the window."""
    if window is not None:
        size = window.shape[0]
    else:
        size = x.shape[1] if length is None else int(node.array(b, length, "frame_length"))
    stride = int(node.array(b, step, "frame_step"))
    if x.rank != 3 or stride < 1 or not 1 <= size <= x.shape[1]:
        raise node.fail(f"frames of {size} cells every {stride} do not fit a signal of shape {x.shape}")
    matrix = fourier_matrix(node, size, x.shape[2], size, False, bool(node.attrs["onesided"]))
    kernels = b.constant(matrix.reshape(size, x.shape[2], -1).transpose(2, 0, 1))
    if window is not None:
        kernels = b.add("mul", [kernels, b.add("reshape", [window], shape=[1, size, 1])])
    out = b.add(
        "conv", [x, kernels], strides=[stride], pads_before=[0], pads_after=[0], dilations=[1], groups=1
    )
    return b.add("reshape", [out], shape=[*out.shape[:2], *matrix.shape[2:]])


def fourier_matrix(
    node: OnnxNode, size: int, parts: int, length: int, inverse: bool, onesided: bool
) -> NDArray[np.float64]:
    """What a transform of `length` does to each cell of a signal [size, parts]: [size, parts, bins, 1 or 2].

    A longer signal is cut, a shorter one filled up with zeros. `onesided` keeps the first half of the bins,
    or, with `inverse`, takes them for all and yields real numbers.
    """
    if parts not in (1, 2) or length < 1:
        raise node.fail(f"a signal of {size} cells with {parts} parts has no transform of length {length}")
    if size * parts * length * 2 > MAX_MATRIX_ELEMENTS:
        raise node.fail(f"a transform of length {length} over {size} cells is too large for a matrix")
    units = np.eye(size * parts).reshape(size * parts, size, parts)
    signals = units[..., 0] + (1j * units[..., 1] if parts == 2 else 0)
    if inverse and onesided:
        real = np.fft.irfft(signals, n=length, axis=1)
        return real.reshape(size, parts, length, 1)
    bins = np.fft.ifft(signals, n=length, axis=1) if inverse else np.fft.fft(signals, n=length, axis=1)
    if onesided:
        bins = bins[:, : length // 2 + 1]
    return np.stack([bins.real, bins.imag], axis=-1).reshape(size, parts, -1, 2)
