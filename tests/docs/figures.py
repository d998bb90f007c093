"""The measured tables of the pages, which stand between `<!-- figures: NAME -->` and `<!-- end -->`.

    python -m tests.docs.figures           measure, and write every table and the drawing
    python -m tests.docs.figures --demo    what `verinfer demo` prints into the README; takes minutes

They are measured with the examples of the repository, so that anybody can measure them again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from circuits.compile import compile_file, compile_model
from circuits.data import match, read_arrays
from circuits.drawing import draw
from circuits.errors import UnsupportedError
from circuits.fidelity import Fidelity, OnnxRuntime, measure
from circuits.importer.importer import import_model
from circuits.importer.load import load_model
from circuits.quantise import Options
from prover.backends import backend
from prover.progress import silent
from verinfer.demo_claims import run

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DRAWING = ROOT / "docs" / "images" / "digits-cnn.svg"
DISPUTE = ROOT / "docs" / "images" / "dispute.svg"
BLOCK = re.compile(r"(<!-- figures: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """A compiled model: its report on calibration data and on held-out samples, and what a proof takes."""

    parameters: int
    calibration: Fidelity
    heldout: Fidelity
    proof: str
    """The length of a sumcheck proof."""
    rows: str
    """The rows of ezkl, and the points that they need."""
    points: str


def measured(model: str, data: str, options: Options) -> Measured:
    """Compile an example and measure it on its held-out samples."""
    path = EXAMPLES / f"{model}.onnx"
    compiled = compile_file(path, EXAMPLES / data / "calibration.npz", options)
    proto = load_model(path)
    graph = import_model(proto)
    arrays, names, _ = read_arrays(EXAMPLES / data / "heldout.npz")
    samples = match(arrays, names, [(port.name, port.value.shape) for port in graph.inputs], "heldout.npz")
    heldout = measure(compiled.circuit, OnnxRuntime(proto, graph), samples)
    proof = f"{backend('sumcheck').estimate(compiled.circuit).proof_bytes:,} bytes"
    try:
        estimate = backend("ezkl").estimate(compiled.circuit)
        rows, points = f"{estimate.size:,}", f"2^{estimate.srs_k}"
    except UnsupportedError:
        rows = points = "too large"
    return Measured(compiled.circuit.parameters, compiled.fidelity, heldout, proof, rows, points)


def widths() -> list[str]:
    """The digits CNN at several widths."""
    lines = [
        "| `--bits` | agreement, calibration | agreement, held out | largest error | of the range "
        "| mean error | ezkl rows | points |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for bits in (4, 6, 8, 12, 16):
        m = measured("digits/cnn", "digits", Options(bits=bits))
        f = m.heldout
        lines.append(
            f"| {bits} | {m.calibration.argmax_agreement:.1%} | {f.argmax_agreement:.1%} "
            f"| {f.max_abs_error:.2g} | {f.relative_error:.2%} | {f.mean_abs_error:.2g} "
            f"| {m.rows} | {m.points} |"
        )
    return lines


def examples() -> list[str]:
    """Every model under `examples/` at the default width."""
    lines = [
        "| example | parameters | same answer as onnxruntime, held out | error, of the range "
        "| proof | ezkl rows |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for model, data, what in (
        ("digits/mlp", "digits", "digits, dense network"),
        ("digits/cnn", "digits", "digits, convolutions"),
        ("sequence/lstm", "digits", "digits, LSTM"),
        ("sequence/transformer", "digits", "digits, transformer block"),
        ("tabular/gradient_boosting", "tabular", "breast cancer, 100 boosted trees"),
        ("tabular/random_forest", "tabular", "breast cancer, forest of 50 trees"),
    ):
        m = measured(model, data, Options())
        f = m.heldout
        lines.append(
            f"| {what} | {m.parameters:,} | {f.argmax_agreement:.1%} of {f.samples} | {f.relative_error:.3%} "
            f"| {m.proof} | {m.rows} |"
        )
    return lines


def outlier() -> list[str]:
    """The digits CNN calibrated with one wrong sample among 256: an image that was not divided by 255."""
    model = load_model(EXAMPLES / "digits" / "cnn.onnx")
    graph = import_model(model)
    clean = np.load(EXAMPLES / "digits" / "calibration.npz")["image"]
    heldout = np.load(EXAMPLES / "digits" / "heldout.npz")["image"][:, None]
    wrong = clean.copy()
    wrong[0] *= 255
    lines = [
        "| calibration data | agreement reported | error reported | agreement, held out | error, held out |",
        "|---|---:|---:|---:|---:|",
    ]
    for what, data in (("256 images in [0, 1]", clean), ("the same, one of them in [0, 255]", wrong)):
        compiled = compile_model(model, ([data], ["image"], what))
        own, f = compiled.fidelity, measure(compiled.circuit, OnnxRuntime(model, graph), [heldout])
        lines.append(
            f"| {what} | {own.argmax_agreement:.1%} | {own.relative_error:.2%} "
            f"| {f.argmax_agreement:.1%} | {f.relative_error:.2%} |"
        )
    return lines


def units() -> list[str]:
    """One linear score of the breast-cancer data, in the units of the table and standardised before."""
    folder = EXAMPLES / "tabular"
    standard: Floats = np.load(folder / "calibration.npz")["features"]
    scaling = np.load(folder / "standardisation.npz")
    mean, deviation = scaling["mean"], scaling["deviation"]
    weights = np.random.default_rng(0).normal(size=(30, 1))
    raw = (standard * deviation + mean).astype(np.float32)
    own_units = linear(weights / deviation[:, None], -(weights[:, 0] * mean / deviation).sum())
    lines = ["| input | largest error, of the range |", "|---|---:|"]
    for what, data, model in (
        ("in its own units", raw, own_units),
        ("standardised before the model", standard, linear(weights, 0.0)),
    ):
        f = compile_model(model, ([data], ["features"], what)).fidelity
        lines.append(f"| {what} | {f.relative_error:.2%} |")
    return lines


def linear(weights: NDArray[np.float64], bias: float) -> onnx.ModelProto:
    """features [1, 30] @ weights [30, 1] + bias."""
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "weights"),
        numpy_helper.from_array(np.array([bias], np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["score"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("features", len(weights)), ("score", 1))
    ]
    graph = helper.make_graph(nodes, "linear", ports[:1], ports[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def dispute_gas() -> list[str]:
    """The transactions of the dispute tier, whole, from the snapshots that `forge test` compares with."""
    path = ROOT / "contracts" / "snapshots" / "DisputeTier.json"
    gas = {name: int(amount) for name, amount in json.loads(path.read_text("utf-8")).items()}
    dear = ", at 64 a byte"
    lines = ["| transaction | gas today | at 64 a byte of calldata |", "|---|---:|---:|"]
    moves = ("claim", "open", "reveal", "choose", "proveCell", "expire", "close", "finalise", "withdraw")
    names = [name for name in gas if not name.endswith(dear)]
    for name in sorted(names, key=lambda name: moves.index(re.split(r"[^a-zA-Z]", name)[0])):
        lines.append(f"| {name} | {gas[name]:,} | {gas[name + dear]:,} |")
    return lines


TABLES: dict[str, Callable[[], list[str]]] = {
    "dispute-gas": dispute_gas,
    "widths": widths,
    "examples": examples,
    "outlier": outlier,
    "units": units,
}


def pages() -> Iterable[Path]:
    """Every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def drawing() -> str:
    """The graph of the digits CNN."""
    compiled = compile_file(EXAMPLES / "digits" / "cnn.onnx", EXAMPLES / "digits" / "calibration.npz")
    return draw(compiled.circuit)


def dispute() -> str:
    """The descent of the false claim of `verinfer demo --optimistic`."""
    with TemporaryDirectory() as folder:
        run(Path(folder), EXAMPLES / "digits", silent)
        return (Path(folder) / "false-claim.svg").read_text("utf-8")


def demo() -> list[str]:
    """What `verinfer demo` prints, run with an empty store and an empty cache."""
    with TemporaryDirectory() as folder:
        environment = os.environ | {"VERINFER_HOME": f"{folder}/home", "VERINFER_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "verinfer.cli", "demo"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return ["```", *(line.rstrip() for line in done.stdout.splitlines()), "```"]


def main(arguments: Sequence[str]) -> None:
    """Write the tables into the pages, and the drawing."""
    tables = {"demo": demo} if "--demo" in arguments else TABLES
    DRAWING.write_text(drawing(), "utf-8")
    DISPUTE.write_text(dispute(), "utf-8")
    for page in pages():
        text = page.read_text("utf-8")
        made = BLOCK.sub(
            lambda m: m[1] + "\n".join(tables[m[2]]()) + "\n" + m[4] if m[2] in tables else m[0], text
        )
        if made != text:
            page.write_text(made, "utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
