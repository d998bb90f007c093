"""Every operation against plain Python integers, at the corners of its bounds, and every bound against
adversarial inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Port
from circuits.errors import BoundError, CircuitError
from circuits.executor import execute
from circuits.ops import REGISTRY
from tests.budget import examples
from tests.circuits.reference import REFERENCES

Draw = Callable[[st.SearchStrategy[Any]], Any]
BATCH = 3


class Trial:
    """One operation under test: its inputs, some of them constants, and values at the corners of their
    bounds."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.builder = CircuitBuilder()
        self.ids: list[int] = []
        self.given: list[np.ndarray] = []
        self.values: list[np.ndarray] = []

    def tensor(self, shape: tuple[int, ...], lo: int, hi: int, constant: bool = False) -> int:
        """Add an input (with a batch of values) or a constant within [lo, hi]."""
        edge = st.sampled_from([lo, hi, min(max(0, lo), hi), lo + (hi - lo) // 2])
        count = math.prod(shape)
        cells = st.lists(edge | st.integers(lo, hi), min_size=count, max_size=count)
        if constant:
            value = np.array(self.draw(cells), dtype=np.int64).reshape(shape)
            self.ids.append(self.builder.constant(value))
            self.values.append(np.broadcast_to(value, (BATCH, *shape)))
        else:
            batch = np.array([self.draw(cells) for _ in range(BATCH)], dtype=np.int64).reshape(BATCH, *shape)
            self.ids.append(self.builder.input(f"x{len(self.given)}", shape, lo, hi, 1.0, "int"))
            self.given.append(batch)
            self.values.append(batch)
        return self.ids[-1]

    def check(self, name: str, **attrs: Any) -> None:
        """Run the operation for the batch and compare every cell with the reference; check the bound and the
        validator."""
        try:
            out = self.builder.add(name, self.ids, **attrs)
        except BoundError:
            return  # refused when compiling: no input can overflow what is never built
        circuit = self.builder.build([Port("y", out, 1.0, "int")], {})
        circuit.validate()
        node = circuit.nodes[circuit.outputs[0].node]
        (result,) = execute(circuit, self.given)
        for sample in range(BATCH):
            xs = [x[sample].astype(object) for x in self.values]
            expected = REFERENCES[name](xs, attrs, node.shape)
            assert result[sample].tolist() == expected.tolist()
            flat = [int(v) for v in expected.reshape(-1)]
            assert node.lo <= min(flat) and max(flat) <= node.hi


def bounds(bits: int) -> st.SearchStrategy[tuple[int, int]]:
    """Bounds of up to `bits` bits, of either sign, often at a power of two."""
    edge = st.integers(0, bits).map(lambda b: 1 << b)
    near = st.builds(lambda e, d, s: s * (e + d), edge, st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 1]))
    return st.tuples(near, near).map(lambda pair: (min(pair), max(pair)))


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
SETTINGS = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


def broadcastable(draw: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast."""
    shape = draw(shapes)
    other = tuple(1 if draw(st.booleans()) else n for n in shape)[draw(st.integers(0, len(shape) - 1)) :]
    return (shape, other) if draw(st.booleans()) else (other, shape)


@SETTINGS
@given(st.data(), st.sampled_from(["add", "sub", "mul", "max", "greater"]))
def test_pairwise(data: st.DataObject, name: str) -> None:
    trial = Trial(data.draw)
    a, b = broadcastable(data.draw)
    bits = 31 if name == "mul" else 61
    trial.tensor(a, *data.draw(bounds(bits)))
    trial.tensor(b, *data.draw(bounds(bits)), constant=data.draw(st.booleans()))
    trial.check(name)


@SETTINGS
@given(st.data())
def test_square_is_never_negative(data: st.DataObject) -> None:
    trial = Trial(data.draw)
    trial.tensor(data.draw(shapes), *data.draw(bounds(31)))
    trial.ids *= 2
    trial.values *= 2
    trial.check("mul")


@SETTINGS
@given(st.data())
def test_floor_divide(data: st.DataObject) -> None:
    trial = Trial(data.draw)
    a, b = broadcastable(data.draw)
    trial.tensor(a, *data.draw(bounds(61)))
    low, high = sorted((data.draw(st.integers(1, 1 << 40)), data.draw(st.integers(1, 1 << 20))))
    trial.tensor(b, low, high)
    trial.check("floor_divide")


@SETTINGS
@given(st.data())
def test_where(data: st.DataObject) -> None:
    trial = Trial(data.draw)
    a, b = broadcastable(data.draw)
    trial.tensor(a if data.draw(st.booleans()) else b, 0, 1)
    trial.tensor(a, *data.draw(bounds(62)))
    trial.tensor(b, *data.draw(bounds(62)), constant=data.draw(st.booleans()))
    trial.check("where")


@SETTINGS
@given(st.data())
def test_rescale(data: st.DataObject) -> None:
    trial = Trial(data.draw)
    trial.tensor(data.draw(shapes), *data.draw(bounds(60)))
    lo, hi = data.draw(bounds(20))
    attrs = {
        "mul": data.draw(st.sampled_from([1, 1, 3, 1 << 20])),
        "shift": data.draw(st.integers(0, 40)),
        "lo": data.draw(st.sampled_from([None, lo])),
        "hi": data.draw(st.sampled_from([None, hi])),
    }
    trial.check("rescale", **attrs)


@SETTINGS
@given(st.data())
def test_table(data: st.DataObject) -> None:
    trial = Trial(data.draw)
    lo, hi = data.draw(bounds(6))
    trial.tensor(data.draw(shapes), lo, hi)
    start = lo - data.draw(st.integers(0, 3))
    trial.tensor((hi - start + 1 + data.draw(st.integers(0, 3)),), *data.draw(bounds(40)), constant=True)
    trial.check("table", lo=start)


@SETTINGS
@given(st.data(), st.sampled_from(["left constant", "right constant", "both run"]))
def test_matmul(data: st.DataObject, case: str) -> None:
    trial = Trial(data.draw)
    m, k, n = (data.draw(st.integers(1, 4)) for _ in range(3))
    batch = data.draw(st.sampled_from([((), ()), ((2,), ()), ((2,), (2,)), ((1,), (3,)), ((2, 1), (3,))]))
    bits = data.draw(st.sampled_from([8, 11, 25, 29]))  # float32, float64 and int64 arithmetic
    trial.tensor((*batch[0], m, k), *data.draw(bounds(bits)), constant=case == "left constant")
    trial.tensor((*batch[1], k, n), *data.draw(bounds(bits)), constant=case == "right constant")
    trial.check("matmul")


@SETTINGS
@given(st.data(), st.integers(1, 2), st.sampled_from(["plain", "grouped", "depthwise"]), st.booleans())
def test_conv(data: st.DataObject, axes: int, kind: str, constant: bool) -> None:
    trial = Trial(data.draw)
    groups = {"plain": 1, "grouped": 2, "depthwise": 3}[kind]
    inner = 1 if kind == "depthwise" else data.draw(st.integers(1, 3))
    outer = groups * data.draw(st.integers(1, 2))
    spatial = [data.draw(st.integers(3, 5)) for _ in range(axes)]
    kernel = [data.draw(st.integers(1, 2)) for _ in range(axes)]
    attrs = {
        "strides": [data.draw(st.integers(1, 2)) for _ in range(axes)],
        "pads_before": [data.draw(st.integers(0, 2)) for _ in range(axes)],
        "pads_after": [data.draw(st.integers(0, 2)) for _ in range(axes)],
        "dilations": [data.draw(st.integers(1, 2)) for _ in range(axes)],
        "groups": groups,
    }
    bits = data.draw(st.sampled_from([8, 11, 24, 28]))
    trial.tensor((data.draw(st.integers(1, 2)), *spatial, groups * inner), *data.draw(bounds(bits)))
    trial.tensor((outer, *kernel, inner), *data.draw(bounds(bits)), constant=constant)
    trial.check("conv", **attrs)


@SETTINGS
@given(st.data(), st.integers(1, 2))
def test_max_pool(data: st.DataObject, axes: int) -> None:
    trial = Trial(data.draw)
    kernel = [data.draw(st.integers(1, 3)) for _ in range(axes)]
    attrs = {
        "kernel": kernel,
        "strides": [data.draw(st.integers(1, 3)) for _ in range(axes)],
        "pads_before": [data.draw(st.integers(0, k - 1)) for k in kernel],
        "pads_after": [data.draw(st.integers(0, k - 1)) for k in kernel],
        "dilations": [1] * axes,
    }
    trial.tensor((2, *(data.draw(st.integers(3, 5)) for _ in range(axes)), 2), *data.draw(bounds(62)))
    trial.check("max_pool", **attrs)


def test_max_pool_refuses_a_window_of_nothing_but_padding() -> None:
    builder = CircuitBuilder()
    x = builder.input("x", (1, 3, 1), -5, -1, 1.0, "int")
    with pytest.raises(CircuitError, match="padding"):
        builder.add("max_pool", [x], kernel=[1], strides=[1], pads_before=[1], pads_after=[0], dilations=[1])


@pytest.mark.parametrize("pad", [1 << 15, 1 << 19, 1 << 40])
def test_windows_refuse_padding_that_no_machine_holds(pad: int) -> None:
    builder = CircuitBuilder()
    x = builder.input("x", (1, 4, 4, 1), -5, 5, 1.0, "int")
    w = builder.constant(np.ones((1, 1, 1, 1), np.int8))
    attrs: dict[str, Any] = {"pads_before": [pad] * 2, "pads_after": [pad] * 2, "dilations": [1, 1]}
    with pytest.raises(CircuitError, match="over"):
        builder.add("conv", [x, w], strides=[1 << 14] * 2, groups=1, **attrs)


@SETTINGS
@given(st.data(), st.sampled_from(["reduce_sum", "reduce_max"]))
def test_reductions(data: st.DataObject, name: str) -> None:
    trial = Trial(data.draw)
    shape = data.draw(shapes)
    trial.tensor(shape, *data.draw(bounds(55)))
    axes = sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    trial.check(name, axes=axes)


@SETTINGS
@given(st.data())
def test_top_k(data: st.DataObject) -> None:
    trial = Trial(data.draw)
    shape = data.draw(shapes)
    axis = data.draw(st.integers(0, len(shape) - 1))
    bits = data.draw(st.sampled_from([1, 62]))  # few distinct values: many ties
    trial.tensor(shape, *data.draw(bounds(bits)))
    trial.check("top_k", axis=axis, k=data.draw(st.integers(1, shape[axis])))


@SETTINGS
@given(st.data(), st.sampled_from(["reshape", "transpose", "slice", "concat", "pad", "broadcast"]))
def test_movement(data: st.DataObject, name: str) -> None:
    trial = Trial(data.draw)
    shape = data.draw(shapes)
    trial.tensor(shape, *data.draw(bounds(62)))
    attrs: dict[str, Any]
    if name == "reshape":
        attrs = {"shape": [math.prod(shape[:1]), math.prod(shape[1:])]}
    elif name == "transpose":
        attrs = {"perm": data.draw(st.permutations(range(len(shape))))}
    elif name == "slice":
        starts, steps, sizes = [], [], []
        for n in shape:
            first, last = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
            step = data.draw(st.integers(1, 3)) * (1 if last >= first else -1)
            starts.append(first)
            steps.append(step)
            sizes.append(abs(last - first) // abs(step) + 1)
        attrs = {"starts": starts, "steps": steps, "sizes": sizes}
    elif name == "concat":
        trial.tensor(shape, *data.draw(bounds(10)), constant=data.draw(st.booleans()))
        attrs = {"axis": data.draw(st.integers(0, len(shape) - 1))}
    elif name == "pad":
        widths = [data.draw(st.integers(0, 2)) for _ in range(2 * len(shape))]
        attrs = {
            "before": widths[: len(shape)],
            "after": widths[len(shape) :],
            "value": data.draw(st.integers(-(1 << 40), 1 << 40)),
        }
    else:
        attrs = {"shape": [data.draw(st.integers(1, 3)), *(3 if n == 1 else n for n in shape)]}
    trial.check(name, **attrs)


@SETTINGS
@given(st.data(), st.booleans(), st.booleans())
def test_gather(data: st.DataObject, constant: bool, constant_index: bool) -> None:
    trial = Trial(data.draw)
    shape = data.draw(shapes)
    axis = data.draw(st.integers(0, len(shape) - 1))
    trial.tensor(shape, *data.draw(bounds(62)), constant=constant and not constant_index)
    trial.tensor(
        data.draw(st.sampled_from([(1,), (3,), (2, 2)])), 0, shape[axis] - 1, constant=constant_index
    )
    trial.check("gather", axis=axis)


def test_every_operation_has_a_reference() -> None:
    assert set(REFERENCES) | {"input", "constant"} == set(REGISTRY)
