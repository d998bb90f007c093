"""Lowers a float graph to a circuit, one rule for each operation.

Each real tensor becomes integers with a scale. Linear operations are exact and let their results grow; an
operation that needs few bits (a product, a table) asks for its inputs to be narrowed, and a tensor is
narrowed once for all who ask. A clamp is added only where the worst case, over all inputs within their
bounds, would grow beyond `headroom` bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.builder import CircuitBuilder
from circuits.calibrate import MASK, SHALLOW, Range, mask_of
from circuits.circuit import Circuit, Port
from circuits.errors import InputError, ModelError
from circuits.graph import Graph, GraphNode
from circuits.index_ranges import index_sizes
from circuits.ops.narrowing import MAX_SHIFT
from circuits.quantise.thresholds import exact_exponents
from circuits.real_ops import MOVEMENTS
from circuits.tensor import Bound, FloatArray, Operand, Shape

STANDARDISED_BITS = 26
"""The width of an input whose columns the model scales one by one: they may differ by a factor of 10^5."""
FINEST = 2.0**-256
"""No tensor that is multiplied further keeps a finer scale: products of ever smaller ones would reach 0."""
WIDE = 50
"""Linear operations may grow to this many bits: what float64 adds exactly, with room for one more
operation."""
FINE_BITS = 24
"""The width of an input that is only added or compared (a tree's thresholds, a softmax's maximum): it costs
no more."""
EXACT_BITS = 46
"""The most bits an input is given so that its comparisons with thresholds are those of float32."""


@dataclass(frozen=True)
class Options:
    """How a model is quantised: the width of weights and activations, with exceptions by tensor name."""

    bits: int = 12
    headroom: int = 8
    """Bits that the worst case may exceed the calibrated range by before a clamp is added."""
    bits_for: dict[str, int] = field(default_factory=dict)
    """Another width for the inputs and the ONNX nodes of these names."""
    saturate: bool = False

    def __post_init__(self) -> None:
        for name, bits in {"": self.bits, **self.bits_for}.items():
            if not 4 <= bits <= 16:
                raise InputError(
                    f"{bits} bits{f' for {name!r}' if name else ''} is out of range: choose 4 to 16"
                )


@dataclass(frozen=True)
class Quantised:
    """A tensor of the circuit with its scale: real value = scale * integer."""

    id: int
    scale: float


Rule = Callable[["Quantiser", int, GraphNode], Quantised]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: this function lowers the named operations of the float graph."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


def quantise(graph: Graph, ranges: Sequence[Range], options: Options, info: dict[str, Any]) -> Circuit:
    """The circuit of a float graph.

    Raises
    ------
    ModelError, BoundError
        If a constant is not finite where it matters, or a bound does not fit 64 bits.
    """
    from circuits.quantise import linear, movement, narrowing, nonlinear  # noqa: F401  registers every rule

    q = Quantiser(graph, ranges, options)
    needed = _needed(graph)
    for i, node in enumerate(graph.nodes):
        q.circuit.label = node.label
        if node.op == "input":
            q.tensors[i] = q.input(i, node)
        elif node.op != "constant" and i in needed:
            q.tensors[i] = RULES[node.op](q, i, node)
    outputs = []
    for port in graph.outputs:
        value = q.tensor(port.value.id)
        outputs.append(Port(port.name, value.id, value.scale, port.value.kind))
    return q.circuit.build(outputs, info)


def _needed(graph: Graph) -> set[int]:
    needed = {port.value.id for port in graph.outputs}
    for i in range(len(graph.nodes) - 1, -1, -1):
        if i in needed:
            needed.update(graph.nodes[i].inputs)
    return needed


class Quantiser:
    """The state of one lowering, and what the rules share."""

    def __init__(self, graph: Graph, ranges: Sequence[Range], options: Options) -> None:
        self.graph = graph
        self.ranges = ranges
        self.options = options
        self.circuit = CircuitBuilder()
        self.tensors: dict[int, Quantised] = {}
        self.fine = read_finely(graph)
        self.indices = index_sizes(graph)
        self.exact = exact_exponents(graph)
        self.standardised = standardised(graph)

    # -- what is known of a tensor
    # ------------------------------------------------------------------------------------

    def constant_of(self, i: int) -> NDArray[Any] | None:
        """The real value of a constant of the float graph."""
        return self.graph.constants.get(i)

    def operand(self, q: Quantised) -> Operand:
        """Shape, bound and value of a tensor of the circuit."""
        return self.circuit.operands[q.id]

    def bits(self, node: GraphNode) -> int:
        """The width of a node's tensor."""
        return self.options.bits_for.get(node.label, self.options.bits)

    def target(self, i: int, extra: int = 0) -> float:
        """The scale that calibration recommends for tensor i, `extra` bits finer."""
        node = self.graph.nodes[i]
        if node.kind != "real":
            return 1.0
        return self.ranges[i].scale(min(self.bits(node) + extra, 24))

    # -- making tensors
    # ------------------------------------------------------------------------------------------------

    def input(self, i: int, node: GraphNode) -> Quantised:
        """A model input. Reals may reach twice the calibrated range; integers their calibrated range or the
        index range that the model reads them with."""
        port = next(p for p in self.graph.inputs if p.value.id == i)
        seen = self.ranges[i]
        if node.kind == "bool":
            return Quantised(self.circuit.input(port.name, node.shape, 0, 1, 1.0, "bool"), 1.0)
        if node.kind == "int":
            lo, hi = self._integer_bound(i, seen, port.dtype)
            return Quantised(self.circuit.input(port.name, node.shape, lo, hi, 1.0, "int"), 1.0)
        default = FINE_BITS if i in self.fine else self.options.bits
        if i in self.standardised:
            default = STANDARDISED_BITS
        bits = self.options.bits_for.get(port.name, default)
        top = (1 << (bits - 1)) - 1
        exponent = math.floor(math.log2(top / seen.reach))
        if port.name not in self.options.bits_for and exponent < self.exact.get(i, exponent):
            widest = EXACT_BITS - math.ceil(math.log2(seen.magnitude or 1.0)) - 1
            exponent = max(exponent, min(self.exact[i], widest))
            top = math.ceil(seen.magnitude * 2.0**exponent)
        lo = 0 if seen.lo >= 0 else -2 * top
        return Quantised(
            self.circuit.input(port.name, node.shape, lo, 2 * top, 2.0**-exponent, "real"), 2.0**-exponent
        )

    def _integer_bound(self, i: int, seen: Range, dtype: np.dtype[Any]) -> Bound:
        size = self.indices.get(i, 0)
        if -size <= seen.lo and seen.hi < size:  # an index, as far as the samples tell
            return (0 if seen.lo >= 0 else -size), size - 1
        lo, hi = int(seen.lo), int(seen.hi)
        span = max(abs(lo), abs(hi), 1)
        limits = np.iinfo(dtype) if dtype.kind in "iu" else np.iinfo(np.int8)
        if dtype.itemsize > 1:
            return max(int(limits.min), 0 if lo >= 0 else -2 * span), min(int(limits.max), 2 * span)
        return int(limits.min), int(limits.max)

    def tensor(self, i: int) -> Quantised:
        """Tensor i of the float graph in the circuit; a constant gets the scale of its own range."""
        if i not in self.tensors:
            self.tensors[i] = self.summand(i, self.weight_scale(i))
        return self.tensors[i]

    def constant(self, i: int, scale: float) -> Quantised:
        """Constant i of the float graph at a given scale."""
        value = self.graph.constants[i].astype(np.float64)
        return Quantised(self.integers(np.rint(value / scale), self.graph.nodes[i].label), scale)

    def summand(self, i: int, scale: float, beside: Sequence[int] = ()) -> Quantised:
        """Constant i at a given scale where it is added to other tensors or stands among them."""
        value = self.unmasked(i, beside)
        return Quantised(self.integers(np.rint(value / scale), self.graph.nodes[i].label), scale)

    def unmasked(self, i: int, beside: Sequence[int] = ()) -> FloatArray:
        """Constant i, its masks no deeper than they need to be. A finite number is no mask beside tensors
        that reach about as far."""
        value = self.graph.constants[i].astype(np.float64)
        reach = max((self.ranges[x].magnitude for x in beside if self.constant_of(x) is None), default=0.0)
        if self.graph.nodes[i].kind == "real":
            masked = mask_of(value) if reach < SHALLOW else np.isneginf(value)
            value = np.where(masked, np.maximum(value, 2 * MASK - 2 * reach), value)
        return value

    def integers(self, values: NDArray[Any], label: str) -> int:
        """A constant of the circuit from floats that hold integers.

        Raises
        ------
        ModelError
            If one is not finite, or larger than sums have room for.
        """
        if not (np.abs(values) <= 1 << (WIDE - 6)).all():
            raise ModelError(f"a constant of {label!r} is NaN, infinite or too large for the tensor it meets")
        return self.circuit.constant(values.astype(np.int64))

    def weight_scale(self, i: int, channel_axis: int | None = None) -> float:
        """The scale of a constant. With a channel axis, small channels keep their resolution and large ones
        get up to 16 bits: bits are free to the proof systems, and a few large channels should not blur the
        rest."""
        node = self.graph.nodes[i]
        if node.kind != "real":
            return 1.0
        value = self.graph.constants[i].astype(np.float64)
        masked = mask_of(value) if channel_axis is None else np.zeros(value.shape, dtype=np.bool_)
        value = np.abs(value[np.isfinite(value) & ~masked])
        if value.size == 0 or value.max() == 0:
            return 1.0
        bits = self.bits(node)
        largest = float(value.max())
        typical = largest
        if channel_axis is not None:
            full = np.abs(self.graph.constants[i].astype(np.float64))
            channels = full.max(axis=tuple(a for a in range(full.ndim) if a != channel_axis))
            typical = float(np.quantile(channels[channels > 0], 0.25))
        exponent = math.floor(math.log2(((1 << (bits - 1)) - 1) / typical))
        limit = math.floor(math.log2(((1 << 15) - 1) / largest))
        return 2.0 ** -min(exponent, limit)

    # -- changing scales
    # -----------------------------------------------------------------------------------------------

    def rescaled(self, q: Quantised, scale: float, lo: int | None = None, hi: int | None = None) -> Quantised:
        """q at another scale: exact where the new one is finer by an integer factor, rounded to nearest
        otherwise."""
        ratio = q.scale / scale
        if ratio == 1 and lo is None and hi is None:
            return q
        if ratio > 1 and ratio == round(ratio) and lo is None and hi is None:
            return Quantised(self.circuit.add("mul", [q.id, self.circuit.constant(round(ratio))]), scale)
        mul, shift = multiplier(ratio, self.operand(q).magnitude)
        return Quantised(self.circuit.add("rescale", [q.id], mul=mul, shift=shift, lo=lo, hi=hi), scale)

    def narrowed(self, i: int, extra: int = 0) -> Quantised:
        """Tensor i with few enough bits to be multiplied or looked up."""
        return self.narrow(self.tensor(i), i, extra)

    def narrow(
        self,
        q: Quantised,
        i: int,
        extra: int = 0,
        lo: float | None = None,
        hi: float | None = None,
        limit: int | None = None,
    ) -> Quantised:
        """q brought to the resolution of tensor i's calibrated range, clamped where its worst case exceeds
        `limit` bits, and to the real interval [lo, hi] where given."""
        node = self.graph.nodes[i]
        bits = self.bits(node) + extra
        limit = bits - 1 + self.options.headroom if limit is None else limit
        operand = self.operand(q)
        if node.kind != "real" and lo is None and hi is None:
            return q
        scale = q.scale
        if operand.magnitude >= 1 << limit or scale < FINEST:
            scale = max(scale, self.target(i, extra))
        low = None if lo is None else round(lo / scale)
        high = None if hi is None else round(hi / scale)
        mul, shift = multiplier(q.scale / scale, operand.magnitude)
        worst = [(edge * mul + ((1 << shift) >> 1)) >> shift for edge in (operand.lo, operand.hi)]
        edge = max(2 * math.ceil(self.ranges[i].magnitude / scale), (1 << bits) - 1 if scale > q.scale else 1)
        edge = min(edge, (1 << limit) - 1)
        top, bottom = (0 if self.ranges[i].hi <= 0 else edge), (0 if self.ranges[i].lo >= 0 else -edge)
        if worst[1] >> limit > 0 and (high is None or high > top):
            high = top
        if -worst[0] >> limit > 0 and (low is None or low < bottom):
            low = bottom
        low = None if low is not None and worst[0] >= low else low
        high = None if high is not None and worst[1] <= high else high
        if scale == q.scale and low is None and high is None:
            return q
        if low is not None and high is not None and low > high:
            low = high
        return self.rescaled(q, scale, low, high)

    def aligned(self, ids: Sequence[int], out: int | None = None) -> tuple[list[int], float]:
        """Tensors brought to one scale, the finest among them, without losing a bit where the scales allow.

        Constants take that scale too, or a finer one if the result's calibrated range asks for it.
        """
        running = [self.tensor(i) for i in ids if self.constant_of(i) is None]
        scale = min(q.scale for q in running)
        kinds = {self.graph.nodes[i].kind for i in ids}
        if "real" in kinds and len(running) < len(ids) and out is not None:
            wanted = min(
                [self.target(out), *(self.weight_scale(i) for i in ids if self.constant_of(i) is not None)]
            )
            wanted = max(wanted, self.target(out, 4))
            widest = max(self.operand(q).magnitude * (q.scale / min(scale, wanted)) for q in running)
            if wanted < scale and _power_of_two(scale / wanted) and widest < 1 << (WIDE - 8):
                scale = wanted
        if "real" in kinds:
            scale *= 2.0 ** max(0, self._excess(ids, scale))
        result = []
        for i in ids:
            if self.constant_of(i) is None:
                result.append(self.rescaled(self.tensor(i), scale).id)
            else:
                result.append(self.summand(i, scale, ids).id)
        return result, scale

    def _excess(self, ids: Sequence[int], scale: float) -> int:
        """How many bits too many tensors would have at one scale for their sums to stay exact."""
        largest = 1.0
        for i in ids:
            if self.constant_of(i) is None:
                q = self.tensor(i)
                largest = max(largest, self.operand(q).magnitude * (q.scale / scale))
            else:
                value = np.abs(self.unmasked(i, ids))
                largest = max(largest, float(value[np.isfinite(value)].max(initial=0.0)) / scale)
        return math.ceil(math.log2(largest)) - (WIDE - 6)

    def op(self, name: str, ids: Sequence[int], **attrs: Any) -> int:
        """Add an operation to the circuit."""
        return self.circuit.add(name, ids, **attrs)

    def number(self, value: int) -> int:
        """A scalar constant of the circuit."""
        return self.circuit.constant(np.array(value))

    def shape(self, i: int) -> Shape:
        """The shape of a tensor of the float graph."""
        return self.graph.nodes[i].shape


def multiplier(ratio: float, magnitude: int) -> tuple[int, int]:
    """mul and shift with mul / 2^shift = ratio: exact for powers of two, otherwise within 2^-24 or as 64 bits
    allow. A ratio below 2^-62 leaves nothing of any tensor, and so does 2^-62."""
    mantissa, exponent = math.frexp(ratio)
    if mantissa == 0.5:
        return (1 << (exponent - 1), 0) if exponent >= 1 else (1, min(1 - exponent, MAX_SHIFT))
    if ratio == round(ratio):
        return round(ratio), 0
    precision = max(8, min(24, 61 - magnitude.bit_length() - max(exponent, 0)))
    shift = precision - exponent
    shift = min(shift, MAX_SHIFT)
    if shift <= 0:
        return round(ratio), 0
    return max(1, round(ratio * 2.0**shift)), shift


def _power_of_two(ratio: float) -> bool:
    return math.frexp(ratio)[0] == 0.5


def sums_only(weights: NDArray[Any] | None) -> bool:
    """Whether a constant matrix merely adds and subtracts cells, so that wide ones need no narrowing
    first."""
    return weights is not None and bool(np.isin(weights, (-1.0, 0.0, 1.0)).all())


def read_finely(graph: Graph) -> set[int]:
    """The tensors that no product or table reads, directly or through movements: more bits for them cost
    nothing."""
    coarse: set[int] = set()
    for i in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[i]
        if node.op in ("matmul", "conv"):
            for x, other in (node.inputs, node.inputs[::-1]):
                if not sums_only(graph.constants.get(other)):
                    coarse.add(x)
        elif node.op in ("mul", "function") or (node.op in MOVEMENTS and i in coarse):
            coarse.update(node.inputs)
    return set(range(len(graph.nodes))) - coarse


def standardised(graph: Graph) -> set[int]:
    """The inputs that meet a constant of several values in a sum, product or quotient, with only movements
    and such operations between: tables with columns of different units, scaled by the model itself."""
    met: set[int] = set()
    reach: dict[int, set[int]] = {}
    for i, node in enumerate(graph.nodes):
        if node.op == "input":
            reach[i] = {i}
        elif node.op in MOVEMENTS:
            reach[i] = set().union(*(reach.get(x, set()) for x in node.inputs))
        elif node.op in ("add", "sub", "mul", "divide"):
            vectors = [graph.constants[x] for x in node.inputs if x in graph.constants]
            sources = set().union(*(reach.get(x, set()) for x in node.inputs))
            if any(vector.dtype.kind == "f" and vector.size > 1 and np.ptp(vector) > 0 for vector in vectors):
                reach[i] = sources
                if node.op in ("mul", "divide"):
                    met |= sources
    return met
