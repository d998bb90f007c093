"""Operators that regroup the cells of images and matrices: depth and space, columns and images, triangles."""

from __future__ import annotations

import math

import numpy as np

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import zeros
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.windows import crop, per_axis, spread


@handles("DepthToSpace")
def depth_to_space(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """Blocks of channels become blocks of cells; the block is the slow part of the channel with DCR, the fast
    with CRD."""
    n, channels, *sizes = x.shape
    block, crd = _block(node)
    depth, rest = divmod(channels, block ** len(sizes))
    if x.rank < 3 or rest:
        raise node.fail(f"{channels} channels do not split into blocks of {block} on {len(sizes)} axes")
    axes = len(sizes)
    blocks = [block] * axes
    parts = b.add("reshape", [x], shape=[n, depth, *blocks, *sizes] if crd else [n, *blocks, depth, *sizes])
    first, deep = (2, 1) if crd else (1, 1 + axes)
    pairs = [axis for k in range(axes) for axis in (2 + axes + k, first + k)]
    moved = b.add("transpose", [parts], perm=[0, deep, *pairs])
    return b.add("reshape", [moved], shape=[n, depth, *(size * block for size in sizes)])


@handles("SpaceToDepth")
def space_to_depth(b: GraphBuilder, node: OnnxNode, x: Value) -> Value:
    """The inverse of DepthToSpace."""
    n, channels, *sizes = x.shape
    block, crd = _block(node)
    if x.rank < 3 or any(size % block for size in sizes):
        raise node.fail(f"blocks of {block} do not divide an image of shape {x.shape}")
    axes = len(sizes)
    parts = b.add("reshape", [x], shape=[n, channels, *(k for size in sizes for k in (size // block, block))])
    inner, outer = [3 + 2 * k for k in range(axes)], [2 + 2 * k for k in range(axes)]
    moved = b.add("transpose", [parts], perm=[0, 1, *inner, *outer] if crd else [0, *inner, 1, *outer])
    return b.add("reshape", [moved], shape=[n, channels * block**axes, *(size // block for size in sizes)])


def _block(node: OnnxNode) -> tuple[int, bool]:
    """The size of a block, and whether it is the fast part of the channel."""
    if node.attrs["blocksize"] < 1:
        raise node.fail(f"its blocksize {node.attrs['blocksize']} should be positive")
    return node.attrs["blocksize"], node.attrs.get("mode", "DCR") == "CRD"


@handles("Col2Im")
def col2im(b: GraphBuilder, node: OnnxNode, x: Value, image: Value, block: Value) -> Value:
    """Each tap of the block puts its columns into the image, stride cells apart; where taps meet, they add
    up."""
    sizes = [int(n) for n in node.array(b, image, "image_shape")]
    kernel = [int(n) for n in node.array(b, block, "block_shape")]
    axes = len(sizes)
    strides = per_axis(node, "strides", [1] * axes, least=1)
    dilations = per_axis(node, "dilations", [1] * axes, least=1)
    pads = per_axis(node, "pads", [0] * 2 * axes)
    if len(kernel) != axes or min(kernel + sizes) < 1:
        raise node.fail(f"its block {kernel} and image {sizes} should have as many positive sizes")
    counts = [
        (n + pads[k] + pads[k + axes] - dilations[k] * (kernel[k] - 1) - 1) // strides[k] + 1
        for k, n in enumerate(sizes)
    ]
    taps = math.prod(kernel)
    if x.rank != 3 or x.shape[1] % taps or x.shape[2] != math.prod(counts):
        raise node.fail(
            f"columns of shape {x.shape} do not fit an image {sizes} in blocks {kernel}: {counts} of them"
        )
    n, channels = x.shape[0], x.shape[1] // taps
    columns = b.add("reshape", [x], shape=[n * channels, taps, x.shape[2]])
    total: Value | None = None
    for tap, place in enumerate(np.ndindex(*kernel)):
        part = b.add(
            "slice", [columns], starts=[0, tap, 0], steps=[1] * 3, sizes=[n * channels, 1, x.shape[2]]
        )
        part = spread(b, b.add("reshape", [part], shape=[n, channels, *counts]), range(2, 2 + axes), strides)
        front = [p * d - pad for p, d, pad in zip(place, dilations, pads, strict=False)]
        back = [size - f - own for size, f, own in zip(sizes, front, part.shape[2:], strict=True)]
        part = crop(b, part, range(2, 2 + axes), [-f for f in front], [-k for k in back])
        total = part if total is None else b.add("add", [total, part])
    assert total is not None
    return total


@handles("Trilu")
def trilu(b: GraphBuilder, node: OnnxNode, x: Value, k: Value | None = None) -> Value:
    """The upper or lower triangle of matrices; zeros elsewhere."""
    if x.rank < 2:
        raise node.fail(f"an input of shape {x.shape} holds no matrix")
    diagonal = 0 if k is None else int(node.array(b, k, "k"))
    if 0 in x.shape:
        return zeros(b, x.shape, x.kind)
    ones = np.ones(x.shape[-2:], dtype=np.bool_)
    kept = np.triu(ones, diagonal) if node.attrs["upper"] else np.tril(ones, diagonal)
    return b.add("where", [b.constant(kept), x, zeros(b, [1], x.kind)], kind=x.kind)
