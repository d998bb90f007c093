"""Networks to measure with: the architectures in the onnx package, random weights in place of their blanks.

The `light_*` models of the onnx package keep every weight as a ConstantOfShape node, so that the files stay
small; such a network gives one answer whatever it is asked. Random weights of a trained network's magnitudes
make it a real one: what importing, bounding, executing and proving cost does not depend on the values beyond
that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = tuple(sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("light_*.onnx")))


def network(name: str, seed: int = 0) -> onnx.ModelProto:
    """The architecture called `name` (of NAMES) with random weights, the same ones for the same seed."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    model.ir_version = 8  # older models repeat every weight among their inputs
    graph = model.graph
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    random = np.random.default_rng(seed)
    readers: dict[str, tuple[onnx.NodeProto, int]] = {}
    for node in graph.node:
        for position, used in enumerate(node.input):
            readers.setdefault(used, (node, position))
    blanks = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    for node in blanks:
        shape = tuple(int(n) for n in known[node.input[0]])
        reader, position = _through_unsqueeze(readers, node.output[0])
        weights = _weights(random, reader.op_type, position, shape)
        graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), node.output[0]))
        graph.node.remove(node)
    return model


def _through_unsqueeze(
    readers: dict[str, tuple[onnx.NodeProto, int]], name: str
) -> tuple[onnx.NodeProto, int]:
    node, position = readers[name]
    return _through_unsqueeze(readers, node.output[0]) if node.op_type == "Unsqueeze" else (node, position)


def _weights(
    random: np.random.Generator, op_type: str, position: int, shape: tuple[int, ...]
) -> NDArray[Any]:
    if op_type in ("Conv", "Gemm") and position == 1:
        return random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
    if (op_type, position) in (("BatchNormalization", 1), ("BatchNormalization", 4)) or op_type == "Mul":
        return random.uniform(0.8, 1.2, shape)
    return random.normal(0, 0.1, shape)
