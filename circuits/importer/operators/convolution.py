"""Convolutions: plain, transposed, causal with a state. All become the channels-last `conv`."""

from __future__ import annotations

import math
from typing import Any

from circuits.graph import GraphBuilder, Value
from circuits.importer.axes import along, joined
from circuits.importer.handlers import OnnxNode, handles
from circuits.importer.quantisation import integer_product
from circuits.importer.windows import channels_first, channels_last, crop, per_axis, spread, windows


@handles("Conv")
def conv(b: GraphBuilder, node: OnnxNode, x: Value, w: Value, bias: Value | None = None) -> Value:
    def product(x: Value, w: Value, bias: Value | None) -> Value:
        return convolved(b, node, x, w, bias)

    exact = integer_product(b, x, w, bias, product, (0, 1 - x.rank))
    return product(x, w, bias) if exact is None else exact


def convolved(b: GraphBuilder, node: OnnxNode, x: Value, w: Value, bias: Value | None) -> Value:
    """The convolution of channels-first tensors that the node's attributes describe."""
    groups = node.attrs["group"]
    _check_ranks(node, x, w)
    if groups < 1 or w.shape[1] * groups != x.shape[1] or w.shape[0] % groups:
        raise node.fail(f"{groups} groups do not fit an input {x.shape} and weights {w.shape}")
    found = windows(node, x.shape[2:], w.shape[2:])
    kernels = b.add("transpose", [w], perm=[0, *range(2, w.rank), 1])
    out = b.add("conv", [channels_last(b, x), kernels], groups=groups, **found.attrs)
    return channels_first(b, _biased(b, out, bias))


@handles("ConvTranspose")
def conv_transpose(b: GraphBuilder, node: OnnxNode, x: Value, w: Value, bias: Value | None = None) -> Value:
    """Zeros between the input's cells, then a plain convolution with each kernel flipped.

    w is [C, O / groups, *kernel]; a group's input and output channels trade places in the plain convolution.
    """
    groups, spatial = node.attrs["group"], x.rank - 2
    _check_ranks(node, x, w)
    if groups < 1 or w.shape[0] != x.shape[1] or x.shape[1] % groups:
        raise node.fail(f"{groups} groups do not fit an input {x.shape} and weights {w.shape}")
    strides = per_axis(node, "strides", [1] * spatial, least=1)
    dilations = per_axis(node, "dilations", [1] * spatial, least=1)
    kernel = w.shape[2:]
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    before, after = _transposed_pads(node, x.shape[2:], strides, spans)

    axes = range(1, 1 + spatial)
    front = [s - 1 - p for s, p in zip(spans, before, strict=True)]
    back = [s - 1 - p for s, p in zip(spans, after, strict=True)]
    cells = spread(b, channels_last(b, x), axes, strides)
    cells = crop(b, cells, axes, [max(-f, 0) for f in front], [max(-f, 0) for f in back])

    inner, outer = x.shape[1] // groups, w.shape[1]
    kernels = b.add("reshape", [w], shape=[groups, inner, outer * math.prod(kernel)])
    kernels = b.add("transpose", [kernels], perm=[0, 2, 1])
    kernels = b.add("reshape", [kernels], shape=[groups * outer, *kernel, inner])
    flip: dict[str, Any] = {
        "starts": [0, *(k - 1 for k in kernel), 0],
        "steps": [1, *(-1 for _ in kernel), 1],
        "sizes": list(kernels.shape),
    }
    kernels = b.add("slice", [kernels], **flip)
    plain: dict[str, Any] = {
        "strides": [1] * spatial,
        "pads_before": [max(f, 0) for f in front],
        "pads_after": [max(f, 0) for f in back],
        "dilations": dilations,
    }
    out = b.add("conv", [cells, kernels], groups=groups, **plain)
    return channels_first(b, _biased(b, out, bias))


def _transposed_pads(
    node: OnnxNode, sizes: tuple[int, ...], strides: list[int], spans: list[int]
) -> tuple[list[int], list[int]]:
    """How many cells each end of the full transposed convolution loses; a negative count adds zeros.

    The full size along an axis is stride*(n - 1) + span. `output_shape` wins over `pads`; the odd cell of an
    automatic padding goes behind with SAME_UPPER and in front otherwise.
    """
    spatial = len(sizes)
    extra = per_axis(node, "output_padding", [0] * spatial, least=0)
    pads = per_axis(node, "pads", [0] * 2 * spatial)
    wanted = list(node.attrs.get("output_shape") or [])[-spatial:]
    auto_pad = node.attrs.get("auto_pad", "NOTSET")
    if wanted and (len(wanted) != spatial or min(wanted) < 1):
        raise node.fail(f"its output_shape {wanted} should have {spatial} positive sizes")
    if not wanted and auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    if not wanted:
        pads = pads if auto_pad == "NOTSET" else [0] * 2 * spatial
        return pads[:spatial], [p - e for p, e in zip(pads[spatial:], extra, strict=True)]
    before, after = [], []
    for n, stride, span, size, more in zip(sizes, strides, spans, wanted, extra, strict=True):
        full = stride * (n - 1) + span
        total = max(full + more - size, 0)
        head = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        before.append(head)
        after.append(full - size - head)
    return before, after


@handles("CausalConvWithState")
def causal_conv(
    b: GraphBuilder, node: OnnxNode, x: Value, w: Value, bias: Value | None = None, past: Value | None = None
) -> list[Value]:
    """A depthwise convolution over time that sees the past only; the state is the last kernel - 1 inputs."""
    channels, taps = x.shape[1], w.shape[2]
    if x.rank != 3 or w.shape != (channels, 1, taps):
        raise node.fail(f"weights {w.shape} do not fit an input {x.shape}")
    if past is None:
        seen = b.add("pad", [x], before=[0, 0, taps - 1], after=[0, 0, 0], value=0)
    else:
        seen = joined(b, [past, x], 2)
    present = along(b, seen, 2, range(x.shape[2], x.shape[2] + taps - 1))
    kernels = b.add("transpose", [w], perm=[0, 2, 1])
    sums = b.add(
        "conv",
        [channels_last(b, seen), kernels],
        strides=[1],
        pads_before=[0],
        pads_after=[0],
        dilations=[1],
        groups=channels,
    )
    out = _biased(b, sums, bias)
    if node.attrs.get("activation", "none") in ("silu", "swish"):
        out = b.add("function", [out], name="swish", params=[1.0])
    elif node.attrs.get("activation", "none") != "none":
        raise node.fail(f"its activation {node.attrs['activation']!r} is not known")
    return [channels_first(b, out), present]


def _biased(b: GraphBuilder, out: Value, bias: Value | None) -> Value:
    return out if bias is None else b.add("add", [out, bias])


def _check_ranks(node: OnnxNode, x: Value, w: Value) -> None:
    if x.rank < 3 or w.rank != x.rank:
        raise node.fail(
            f"an input {x.shape} and weights {w.shape}: both need as many spatial axes, at least one"
        )
