"""Fourier transforms, regrouped images and triangles against onnxruntime or NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from circuits.calibrate import calibrate
from circuits.data import quantise_inputs, real_outputs
from circuits.errors import UnsupportedError
from circuits.executor import execute
from circuits.importer.importer import import_model
from circuits.quantise import Options, quantise
from tests.importer.one_node import Array, check_against_onnxruntime, floats, integers, model, reference

RNG = np.random.default_rng(17)


def reals(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("attrs", [{}, {"inverse": 1}, {"onesided": 1}], ids=str)
def test_transforms(attrs: dict[str, Any], parts: int) -> None:
    if "onesided" in attrs and parts == 2:
        return  # onnxruntime takes real signals only there
    for length in (6, 9, 12):
        inputs = {"x": reals(2, 9, 3, parts), "n": np.array(length)}
        check_against_onnxruntime("DFT", inputs, attrs, constants=["n"], opset=17)
    check_against_onnxruntime("DFT", {"x": reals(2, 9, 3, parts)}, {"axis": 2, **attrs}, opset=17)


def test_the_real_inverse() -> None:
    for n in (8, 9):
        signal = reals(2, n)
        bins = np.fft.rfft(signal)
        x = np.stack([bins.real, bins.imag], axis=-1).astype(np.float32)
        inputs = {"x": x, "n": np.array(n), "axis": np.array(-2)}
        made = model("DFT", inputs, {"inverse": 1, "onesided": 1}, constants=["n", "axis"], opset=20)
        (got,) = floats(made, [x])
        np.testing.assert_allclose(got[..., 0], signal, atol=1e-5)


@pytest.mark.parametrize("onesided", [0, 1])
def test_short_time_transforms(onesided: int) -> None:
    window = np.hanning(8).astype(np.float32)
    signal = reals(2, 30, 1)
    attrs = {"onesided": onesided}
    for given in ({"w": window, "n": np.array(8)}, {"w": window}, {"w": None, "n": np.array(8)}):
        inputs: dict[str, Array | None] = {"x": signal, "step": np.array(3), **given}
        constants = [name for name, v in inputs.items() if v is not None and name != "x"]
        check_against_onnxruntime("STFT", inputs, attrs, constants=constants, opset=17)
    inputs = {"x": signal, "step": np.array(3), "w": window}
    check_against_onnxruntime("STFT", inputs, attrs, constants=["step"], opset=17)


def test_depth_and_space() -> None:
    for mode in ("DCR", "CRD"):
        check_against_onnxruntime(
            "DepthToSpace", {"x": reals(2, 12, 3, 2)}, {"blocksize": 2, "mode": mode}, opset=11
        )
    check_against_onnxruntime("DepthToSpace", {"x": reals(2, 18, 3, 2)}, {"blocksize": 3}, opset=7)
    check_against_onnxruntime("SpaceToDepth", {"x": reals(2, 3, 4, 6)}, {"blocksize": 2}, opset=7)


COLUMNS: list[tuple[tuple[int, ...], list[int], list[int], dict[str, Any]]] = [
    ((2, 8, 12), [4, 5], [2, 2], {}),
    ((1, 18, 12), [5, 9], [3, 3], {"strides": [2, 2], "pads": [1, 0, 1, 0]}),
    ((1, 6, 12), [5, 7], [2, 3], {"dilations": [2, 2], "pads": [0, 1, 0, 0]}),
    ((1, 4, 10), [11], [2], {}),
]


@pytest.mark.parametrize("case", range(len(COLUMNS)))
def test_columns_add_up_to_images(case: int) -> None:
    shape, image, block, attrs = COLUMNS[case]
    inputs = {"x": reals(*shape), "i": np.array(image), "k": np.array(block)}
    check_against_onnxruntime("Col2Im", inputs, attrs, constants=["i", "k"], opset=18)


def test_a_mel_spectrogram_compiles() -> None:
    """Frames, power, mel bands and a logarithm: as floats like onnxruntime, as a 16-bit circuit nearly so."""
    numbers = {
        "step": np.array(16),
        "window": np.hanning(64).astype(np.float32),
        "last": np.array([-1]),
        "bands": np.array(8),
        "length": np.array(64),
        "rate": np.array(8000),
        "low": np.array(100, np.float32),
        "high": np.array(3800, np.float32),
        "floor": np.array(0.01, np.float32),
    }
    nodes = [
        helper.make_node("STFT", ["x", "step", "window"], ["bins"]),
        helper.make_node("Mul", ["bins", "bins"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "last"], ["power"], keepdims=0),
        helper.make_node("MelWeightMatrix", ["bands", "length", "rate", "low", "high"], ["mel"]),
        helper.make_node("MatMul", ["power", "mel"], ["energy"]),
        helper.make_node("Add", ["energy", "floor"], ["above"]),
        helper.make_node("Log", ["above"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mel spectrogram",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 400, 1])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 22, 8])],
        [numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    signal = np.sin(np.arange(400) * np.linspace(0.1, 1.5, 400)).astype(np.float32).reshape(1, 400, 1)
    (want,) = reference(made, [signal])
    (got,) = floats(made, [signal])
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)
    lowered = import_model(made)
    circuit = quantise(lowered, calibrate(lowered, [signal[None]]), Options(bits=16), {})
    (real,) = real_outputs(circuit, execute(circuit, quantise_inputs(circuit, [signal[None]])))
    error = np.abs(real[0] - want) / np.ptp(want)
    assert error.mean() < 0.003 and error.max() < 0.04  # the logarithm magnifies the steps of quiet bands


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [-3, -1, 0, 2, 7])
def test_triangles(k: int, upper: int) -> None:
    for x in (reals(2, 4, 5), RNG.integers(-9, 9, size=(3, 3)), RNG.integers(0, 2, size=(4, 3)).astype(bool)):
        inputs = {"x": x, "k": np.array(k)}
        made = model("Trilu", inputs, {"upper": upper}, constants=["k"], opset=14)
        want = np.triu(x, k) if upper else np.tril(x, k)
        np.testing.assert_array_equal(floats(made, [x])[0], want)
        if x.dtype.kind != "f":
            np.testing.assert_array_equal(integers(made, [x])[0], want)


@pytest.mark.parametrize(
    ("op_type", "inputs", "attrs", "message"),
    [
        ("DepthToSpace", {"x": reals(1, 6, 2, 2)}, {"blocksize": 2}, "do not split"),
        ("SpaceToDepth", {"x": reals(1, 6, 3, 2)}, {"blocksize": 2}, "do not divide"),
        ("SpaceToDepth", {"x": reals(1, 6, 3, 2)}, {"blocksize": 0}, "should be positive"),
        ("Trilu", {"x": reals(4)}, {}, "holds no matrix"),
        ("Trilu", {"x": reals(4, 4), "k": np.array(1)}, {}, "its k is computed at run time"),
        ("DFT", {"x": reals(2, 4, 3)}, {}, "has no transform"),
    ],
)
def test_what_does_not_fit_is_refused(
    op_type: str, inputs: dict[str, Array | None], attrs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        import_model(model(op_type, inputs, attrs, opset=17))
