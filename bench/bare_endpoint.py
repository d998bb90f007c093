"""A bare FastAPI endpoint with onnxruntime: what `bench.service_infer` compares the service with.

It reads and answers the Open Inference Protocol's JSON for the digits example, and does nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


class Tensor(BaseModel):
    """An input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Body(BaseModel):
    """A request."""

    inputs: list[Tensor]


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(DIGITS / "mlp.onnx", options)
app = FastAPI()


@app.post("/v2/models/digits/infer")
async def infer(body: Body) -> dict[str, Any]:
    """The model's answer."""
    tensor = body.inputs[0]
    image = np.array(tensor.data, np.float32).reshape(tensor.shape)
    [logits] = session.run(None, {tensor.name: image})
    output = {"name": "logits", "datatype": "FP32", "shape": logits.shape, "data": logits.ravel().tolist()}
    return {"model_name": "digits", "outputs": [output]}
