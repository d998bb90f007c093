"""The networks that the benches measure: what the literature says they are, and well-behaved."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from bench import models
from circuits.compile import compile_model

PARAMETERS = {
    "lenet5": 61_706,
    "nanogpt": 254_720,
    "nanogpt_four_blocks": 205_440,
    "resnet18_cifar": 11_173_962,
    "vgg16_cifar": 15_253_578,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "gpt2": 124_439_808,
}
SHAPES = {
    "lenet5": ((1, 1, 28, 28), (1, 10)),
    "nanogpt": ((1, 64), (1, 64, 65)),
    "nanogpt_four_blocks": ((1, 64), (1, 64, 65)),
    "resnet18_cifar": ((1, 3, 32, 32), (1, 10)),
    "vgg16_cifar": ((1, 3, 32, 32), (1, 10)),
    "resnet18": ((1, 3, 224, 224), (1, 1000)),
    "resnet50": ((1, 3, 224, 224), (1, 1000)),
    "gpt2": ((1, 32), (1, 1, 50257)),
}
SMALL = ("lenet5", "nanogpt", "nanogpt_four_blocks")


def answers(model: onnx.ModelProto, samples: NDArray[np.generic]) -> NDArray[np.float32]:
    """What onnxruntime makes of the samples, one by one."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.stack([session.run(None, {name: sample})[0] for sample in samples])


def check(name: str) -> None:
    model = models.model(name)
    onnx.checker.check_model(model)
    assert models.parameters(model) == PARAMETERS[name]
    (samples,) = models.calibration(name, 2)
    given, result = SHAPES[name]
    assert samples.shape == (2, *given)
    logits = answers(model, samples)
    assert logits.shape == (2, *result)
    if model.graph.node[-1].op_type == "Softmax":
        logits = np.log(logits)
    assert 0.1 < logits.std() < 10, "activations neither vanish nor explode"
    assert np.abs(logits[0] - logits[1]).max() > 0.05, "the answer depends on the input"


def test_every_network_is_described() -> None:
    assert set(models.NAMES) == set(PARAMETERS) == set(SHAPES)


@pytest.mark.parametrize("name", SMALL)
def test_small_networks(name: str) -> None:
    check(name)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(PARAMETERS) - set(SMALL)))
def test_large_networks(name: str) -> None:
    check(name)


def test_a_seed_gives_one_network() -> None:
    first, again, other = (models.model("lenet5", seed).SerializeToString() for seed in (0, 0, 1))
    assert first == again != other
    first, again, other = (models.calibration("nanogpt", 1, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_decoder_does_not_see_what_comes_later() -> None:
    (samples,) = models.calibration("nanogpt", 1)
    changed = samples.copy()
    changed[..., 40:] = (changed[..., 40:] + 1) % 65
    logits, others = answers(models.model("nanogpt"), np.concatenate([samples, changed]))
    np.testing.assert_allclose(logits[:, :40], others[:, :40], atol=1e-5)
    assert np.abs(logits[:, 40:] - others[:, 40:]).max(axis=-1).min() > 0.01


@pytest.mark.parametrize("name", ["lenet5", "nanogpt"])
def test_small_networks_compile(name: str) -> None:
    compiled = compile_model(models.model(name), (models.calibration(name, 4), None, "random inputs"))
    assert compiled.fidelity.relative_error < 0.01 and not compiled.notes
    assert compiled.circuit.parameters < 1.5 * PARAMETERS[name]
