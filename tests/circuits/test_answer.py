"""Circuits that answer with the largest cells of their output: as NumPy has them, and proved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from circuits.answer import MANY_CELLS, largest_only, many_cells, read_answer
from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.compile import compile_file
from circuits.data import load_inputs
from circuits.errors import InputError
from circuits.executor import execute
from circuits.file import load, save
from circuits.tensor import IntArray
from prover.backend import Choices
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from verifier.srs import SrsStore
from verifier.verify import verify


def largest(values: IntArray, k: int) -> IntArray:
    """The indices of the largest cells, equal ones by rising index."""
    return np.argsort(-values.astype(np.int64), axis=-1, kind="stable")[..., :k]


def scores(classes: int = 1200) -> Circuit:
    """Scores for many classes, some of them equal."""
    b, rng = CircuitBuilder(), np.random.default_rng(5)
    x = b.input("x", (1, 6), -20, 20, 1.0, "int")
    y = b.add("matmul", [x, b.constant(rng.integers(-3, 4, (6, classes)))])
    return b.build([Port("scores", y, 1.0, "int")], {})


@pytest.mark.parametrize("k", [1, 3, 10])
def test_a_compiled_model_answers_as_numpy_does(k: int, digits: Path, tmp_path: Path) -> None:
    plain, chosen = (
        compile_file(digits / "cnn.onnx", digits / "calibration.npz", largest=each) for each in (None, k)
    )
    assert chosen.fidelity == plain.fidelity
    inputs = load_inputs(plain.circuit, digits / "heldout.npz")
    [logits], [found] = execute(plain.circuit, inputs), execute(chosen.circuit, inputs)
    assert found.shape == (*logits.shape[:-1], k)
    assert np.array_equal(found, largest(logits, k))
    chosen.circuit.validate()
    save(chosen.circuit, tmp_path / "m.circuit")
    assert load(tmp_path / "m.circuit").circuit_id == chosen.circuit.circuit_id != plain.circuit.circuit_id


@pytest.mark.parametrize("k", [1, 5])
def test_the_largest_of_many_cells_are_proved(k: int, tmp_path: Path) -> None:
    plain = scores()
    circuit = largest_only(plain, k)
    backend, store = SumcheckBackend(), SrsStore(tmp_path)
    x = np.random.default_rng(6).integers(-20, 21, (1, 1, 6))
    key = backend.setup(circuit, store.generate, silent, Choices(commit_inputs=True)).key
    proof = backend.load(circuit, key, store.find, silent).prove([x], silent).proof
    verdict = verify(proof, key)
    assert verdict.valid, verdict.reason
    assert verdict.outputs == tuple(largest(execute(plain, [x])[0], k).reshape(-1).tolist())


def test_equal_cells_are_in_the_order_of_their_indices() -> None:
    circuit = largest_only(scores(9), 9)
    assert execute(circuit, [np.zeros((1, 1, 6), dtype=np.int8)])[0].tolist() == [[list(range(9))]]


def test_what_has_no_largest_cells_is_refused() -> None:
    with pytest.raises(InputError, match="no choice of 10 along its last axis"):
        largest_only(scores(9), 10)
    with pytest.raises(InputError, match="no choice of 1 along"):
        largest_only(scores(1), 1)
    b = CircuitBuilder()
    x = b.input("x", (3,), -9, 9, 1.0, "int")
    two = b.build([Port("a", x, 1.0, "int"), Port("b", b.add("add", [x, x]), 1.0, "int")], {})
    with pytest.raises(InputError, match=r"2 outputs \(a, b\)"):
        largest_only(two, 1)


def test_outputs_of_many_cells_are_pointed_out() -> None:
    [note] = many_cells(scores(MANY_CELLS + 1))
    assert "'scores' has 1,001 cells" in note
    assert not many_cells(scores(MANY_CELLS)) and not many_cells(largest_only(scores(), 5))


def test_the_option_is_read() -> None:
    assert read_answer("argmax") == 1 and read_answer("top-k=12") == 12
    for text in ("", "max", "top-k", "top-k=", "top-k=0", "top-k=-1", "top-k=1.5", "argmax=1", "top-k=1e3"):
        with pytest.raises(InputError, match="expected argmax, or top-k=K"):
            read_answer(text)
