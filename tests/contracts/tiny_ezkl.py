"""A model small enough for ezkl to prove in a tenth of a second: y = W x over integers."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import ezkl
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LOGROWS = 8


@dataclass
class TinyModel:
    """Keys and generated verifier of one model, and what proving needs."""

    folder: Path
    solidity: str

    def prove(self, inputs: list[int]) -> tuple[bytes, list[int]]:
        """The Halo2 proof for the inputs, and the outputs that it proves."""
        data, witness, proof = (self.path(name) for name in ("input.json", "witness.json", "proof.json"))
        (self.folder / "input.json").write_text(json.dumps({"input_data": [inputs]}))
        ezkl.gen_witness(data, self.path("model.ezkl"), witness)
        ezkl.prove(witness, self.path("model.ezkl"), self.path("pk"), proof, srs_path=self.path("srs"))
        made = json.loads(Path(proof).read_text())
        outputs = [int(value) for row in made["pretty_public_inputs"]["rescaled_outputs"] for value in row]
        return bytes.fromhex(made["hex_proof"].removeprefix("0x")), outputs

    def path(self, name: str) -> str:
        return str(self.folder / name)


def make_tiny_model(folder: Path, weights: list[list[int]]) -> TinyModel:
    """Compile y = W x with fixed weights and public inputs and outputs, and have ezkl write its verifier."""
    folder.mkdir(parents=True)
    model = TinyModel(folder, "")
    path = model.path
    matrix = np.array(weights, dtype=np.float32).T
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, matrix.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, matrix.shape[1]])],
        [numpy_helper.from_array(matrix, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    onnx.save(made, path("model.onnx"))

    arguments = ezkl.PyRunArgs()
    arguments.input_visibility = arguments.output_visibility = "public"
    arguments.param_visibility = "fixed"
    arguments.input_scale = arguments.param_scale = 0
    arguments.logrows, arguments.decomp_base, arguments.decomp_legs = LOGROWS, 64, 3
    ezkl.gen_settings(path("model.onnx"), path("settings.json"), py_run_args=arguments)
    ezkl.compile_circuit(path("model.onnx"), path("model.ezkl"), path("settings.json"))
    ezkl.gen_srs(path("srs"), LOGROWS)
    ezkl.setup(path("model.ezkl"), path("vk"), path("pk"), srs_path=path("srs"))
    # ezkl writes the source, and then fails for want of a compiler that it would download.
    with contextlib.suppress(RuntimeError):
        asyncio.run(_write_verifier(model))
    model.solidity = Path(path("verifier.sol")).read_text()
    return model


async def _write_verifier(model: TinyModel) -> None:
    names = ("vk", "settings.json", "verifier.sol", "verifier.abi")
    await ezkl.create_evm_verifier(*map(model.path, names), srs_path=model.path("srs"), reusable=False)
