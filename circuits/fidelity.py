"""How close a circuit's answers are to the model's own, measured against onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from circuits.circuit import Circuit
from circuits.data import quantise_inputs, real_outputs
from circuits.errors import ModelError
from circuits.evaluate import evaluate
from circuits.executor import execute
from circuits.graph import Graph

CHUNK = 64


@dataclass(frozen=True)
class Fidelity:
    """The agreement of a circuit with its model over some samples.

    Errors are those of real outputs where the model's own are finite; `relative_error` is the largest one
    over the range of the model's outputs. `argmax_agreement` is the share of samples (rows along the last
    axis) with the same largest output, or for integer outputs the same value.
    """

    max_abs_error: float
    mean_abs_error: float
    relative_error: float
    cosine: float
    argmax_agreement: float
    samples: int

    def as_dict(self) -> dict[str, float | int]:
        """The report as plain numbers."""
        return asdict(self)


class Reference(Protocol):
    """Something that answers as the model would."""

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The model's outputs for a batch of real inputs, the batch axis in front."""
        ...


class FloatGraph:
    """The imported model in float64: the stand-in where onnxruntime lacks an operator."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The float graph's outputs."""
        return list(evaluate(self.graph, inputs))


class OnnxRuntime:
    """The model in onnxruntime."""

    def __init__(self, model: onnx.ModelProto, graph: Graph) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            self.session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own classes are not public
            raise ModelError(f"onnxruntime cannot load it: {first_line(error)}") from None
        self.inputs = graph.inputs
        self.numbers = {text: k for k, text in enumerate(graph.strings)}
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The model's outputs for a batch, one sample at a time, with the batch axis in front.

        Raises
        ------
        ModelError
            If the model fails on a sample, or yields something other than tensors.
        """
        rows: list[list[NDArray[Any]]] = []
        for i in range(inputs[0].shape[0]):
            feeds = {
                port.name: np.asarray(x[i], dtype=port.dtype)
                for port, x in zip(self.inputs, inputs, strict=True)
            }
            try:
                rows.append([plain(y, self.numbers) for y in self.session.run(self.outputs, feeds)])
            except Exception as error:
                raise ModelError(f"onnxruntime fails on the sample data: {first_line(error)}") from None
        return [np.stack(column) for column in zip(*rows, strict=True)]


def plain(output: Any, numbers: Mapping[str, int]) -> NDArray[Any]:
    """An output of onnxruntime as an array of numbers: a classifier's list of {class: probability} becomes
    rows, and its string labels the numbers that stand for them."""
    if isinstance(output, list) and output and isinstance(output[0], dict):
        return np.array([list(row.values()) for row in output])
    array = np.asarray(output)
    if array.dtype.kind not in "OUS":
        return array
    return np.array([numbers.get(str(text), -1) for text in array.reshape(-1)]).reshape(array.shape)


def measure(circuit: Circuit, reference: Reference, inputs: Sequence[NDArray[Any]]) -> Fidelity:
    """Compare the circuit with the model on a batch of real inputs, saturating the few that lie outside the
    bounds."""
    tally = _Tally()
    for start in range(0, inputs[0].shape[0], CHUNK):
        part = [x[start : start + CHUNK] for x in inputs]
        got = real_outputs(circuit, execute(circuit, quantise_inputs(circuit, part, saturate=True)))
        for port, mine, theirs in zip(circuit.outputs, got, reference.run(part), strict=True):
            tally.add(port.kind, mine, np.asarray(theirs).reshape(mine.shape))
    return tally.report(inputs[0].shape[0])


class _Tally:
    """Running sums over outputs and chunks."""

    def __init__(self) -> None:
        self.largest = self.total = self.dot = self.mine = self.theirs = 0.0
        self.count = self.rows = self.agreeing = 0
        self.low, self.high = np.inf, -np.inf
        self.label_rows = self.label_agreeing = 0

    def add(self, kind: str, mine: NDArray[Any], theirs: NDArray[Any]) -> None:
        """Take in one output of one chunk."""
        if kind != "real":
            self.label_rows += mine.size
            self.label_agreeing += int((mine == theirs).sum())
            return
        theirs = np.nan_to_num(theirs.astype(np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        if mine.ndim > 1 and mine.shape[-1] > 1:
            same = mine.argmax(axis=-1) == theirs.argmax(axis=-1)
            self.rows += same.size
            self.agreeing += int(same.sum())
        finite = np.isfinite(theirs)
        if not finite.any():
            return
        mine, theirs = mine[finite], theirs[finite]
        difference = np.abs(mine - theirs)
        self.largest = max(self.largest, float(difference.max()))
        self.total += float(difference.sum())
        self.count += difference.size
        self.low, self.high = min(self.low, float(theirs.min())), max(self.high, float(theirs.max()))
        self.dot += float((mine * theirs).sum())
        self.mine += float((mine**2).sum())
        self.theirs += float((theirs**2).sum())

    def report(self, samples: int) -> Fidelity:
        """The report over everything taken in."""
        norms = (self.mine * self.theirs) ** 0.5
        rows, agreeing = (self.rows, self.agreeing) if self.rows else (self.label_rows, self.label_agreeing)
        spread = max(self.high - self.low, abs(self.low), abs(self.high)) if self.count else 0.0
        return Fidelity(
            max_abs_error=self.largest,
            mean_abs_error=self.total / self.count if self.count else 0.0,
            relative_error=self.largest / spread if spread else 0.0,
            cosine=self.dot / norms if norms else 1.0,
            argmax_agreement=agreeing / rows if rows else 1.0,
            samples=samples,
        )


def first_line(error: Exception) -> str:
    """The first line of a foreign error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
