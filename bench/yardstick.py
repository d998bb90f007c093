"""The ONNX node tests as a yardstick: every case that the `onnx` package generates offline, imported and
evaluated.

    python -m bench.yardstick            a summary line for each operator
    python -m bench.yardstick Conv Gemm  each case of these operators, with what went wrong
    ... --quantised                      as integer circuits at the default width instead of in floats

A case gives even weights, shapes and axes as graph inputs. A case whose shapes would then depend on data is
tried again with its integer and boolean inputs, then with all inputs but the first, then with all of them,
taken as constants: models in use have them so.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from circuits.calibrate import calibrate
from circuits.data import quantise_inputs, real_outputs
from circuits.errors import VerinferError
from circuits.evaluate import evaluate
from circuits.executor import execute
from circuits.graph import Graph
from circuits.importer.importer import import_model
from circuits.quantise import Options, quantise

UNREAD = "unread"
TOLERANCE = 0.01
"""How far a quantised output may be from the expected one, as a share of the output's range."""


@dataclass(frozen=True)
class Case:
    """One test case: a model with inputs and the outputs that ONNX expects."""

    name: str
    op_type: str
    model: onnx.ModelProto
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    rtol: float
    atol: float


@dataclass(frozen=True)
class Result:
    """What became of a case: `error` is the largest deviation over the expected output's range."""

    case: Case
    status: str
    """ok, constant (ok, but only with every input a constant, so that nothing is left to run), wrong, refused
    or broken"""
    why: str = ""
    error: float = 0.0


def cases() -> Iterator[Case]:
    """All node tests, the operator under test named from the case."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collected = collect_testcases(None)
    for test in collected:
        op_type = test.model.graph.node[0].op_type if len(test.model.graph.node) == 1 else _named(test)
        for inputs, outputs in test.data_sets:
            given, expected = _finite(test.model, tuple(map(_array, inputs)), tuple(map(_array, outputs)))
            yield Case(test.name, op_type, test.model, given, expected, test.rtol, test.atol)


def _array(value: Any) -> Any:
    """A tensor as an array; some cases give them as protocol buffers."""
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _finite(
    model: onnx.ModelProto, inputs: tuple[Any, ...], outputs: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The case with NaN and infinities, which no circuit takes, replaced by 0 in its inputs, and minus
    infinity in masks by -10^4; what is then expected is what ONNX's reference evaluator says."""
    masks = [i.name for i in model.graph.input]
    clean = []
    for name, x in zip(masks, inputs, strict=False):
        if getattr(x, "dtype", np.dtype(object)).kind == "f" and not np.isfinite(x).all():
            x = np.where(np.isfinite(x), x, -1e4 * ("mask" in name) * np.isneginf(x)).astype(x.dtype)
        clean.append(x)
    if all(a is b for a, b in zip(clean, inputs, strict=False)):
        return inputs, outputs
    try:
        return tuple(clean), tuple(ReferenceEvaluator(model).run(None, dict(zip(masks, clean, strict=True))))
    except Exception:  # an operator that the evaluator lacks: the case stays as it is, and is refused
        return inputs, outputs


def _named(test: Any) -> str:
    """The operator of a case that spells out a function's body or wraps the operator in others."""
    stem = test.name.removeprefix("test_").replace("_", "")
    known = sorted({s.name for s in onnx.defs.get_all_schemas()}, key=len, reverse=True)
    for name in known:
        if stem.startswith(name.lower()):
            return str(name)
    return str(test.model.graph.node[-1].op_type)


def with_constants(case: Case, which: Sequence[int]) -> tuple[onnx.ModelProto, list[NDArray[Any]]]:
    """The case's model with the chosen inputs turned into initializers, and the inputs that are left."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    names = [i.name for i in model.graph.input]
    for i in which:
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(case.inputs[i]), names[i]))
    keep = [info for i, info in enumerate(case.model.graph.input) if i not in which]
    del model.graph.input[:]
    if not keep:  # nothing is left to run: an input that nobody reads makes it a model all the same
        keep = [onnx.helper.make_tensor_value_info(UNREAD, onnx.TensorProto.FLOAT, [1])]
        case = replace(case, inputs=(*case.inputs, np.zeros(1, np.float32)))
    model.graph.input.extend(keep)
    return model, [np.asarray(x) for i, x in enumerate(case.inputs) if i not in which]


def imported(case: Case) -> tuple[Graph, list[NDArray[Any]]]:
    """The case's float graph and its run-time inputs, with as few inputs made constant as it needs.

    Raises
    ------
    VerinferError
        The first attempt's error, if no attempt succeeds.
    """
    if any(not isinstance(x, np.ndarray | np.generic) for x in case.inputs):
        from circuits.errors import UnsupportedError

        raise UnsupportedError("sequences and optionals have no meaning here")
    whole = [i for i, x in enumerate(case.inputs) if np.asarray(x).dtype.kind in "iub"]
    everything = list(range(len(case.inputs)))
    attempts = [[], [i for i in whole if i > 0], whole, everything[1:], everything]
    first: VerinferError | None = None
    for which in attempts:
        try:
            model, inputs = with_constants(case, which)
            return import_model(model), inputs
        except VerinferError as error:
            first = first or error
    assert first is not None
    raise first


def deviation(got: Sequence[NDArray[Any]], expected: Sequence[Any]) -> float:
    """The largest absolute difference over the expected values' range, over all outputs."""
    worst = 0.0
    for a, e in zip(got, expected, strict=True):
        want = np.asarray(e, dtype=np.float64)
        if a.shape != want.shape:
            return float("inf")
        finite = np.isfinite(want)
        if not finite.any():
            continue
        span = max(float(np.ptp(want[finite])), float(np.abs(want[finite]).max()), 1e-6)
        difference = np.abs(np.asarray(a, dtype=np.float64) - want)[finite]
        worst = max(worst, float(np.nan_to_num(difference, nan=np.inf).max()) / span)
    return worst


def evaluated(case: Case) -> Result:
    """Import a case and compare its float evaluation with the expected outputs."""
    try:
        graph, inputs = imported(case)
        error = deviation([y[0] for y in evaluate(graph, [x[None] for x in inputs])], case.outputs)
    except VerinferError as failure:
        return Result(case, "refused", str(failure))
    except Exception as failure:  # a handler's own fault, to be shown as such
        return Result(case, "broken", f"{type(failure).__name__}: {failure}")
    if error < precision(case):
        return Result(case, "ok", "", error)
    if any(np.asarray(x).dtype.kind == "f" and not np.isfinite(x).all() for x in case.inputs):
        return Result(case, "refused", "an input holds NaN or infinity, which no circuit takes", error)
    return Result(case, "wrong", f"off by {error:.3g}", error)


def precision(case: Case) -> float:
    """How far a float evaluation may be from the expected output: bfloat16 rounds to 8 bits, a circuit does
    not."""
    if case.op_type == "DynamicQuantizeLinear":
        return 1.01 / 255  # one unit: float32 misses a tie that is exact in reals
    return 8e-3 if any(getattr(y, "dtype", np.dtype(bool)).name == "bfloat16" for y in case.outputs) else 1e-3


def compiled(case: Case) -> Result:
    """Import, quantise and execute a case, calibrated on its own inputs, and compare with the expected
    outputs."""
    try:
        graph, inputs = imported(case)
        batch = [x[None] for x in inputs]
        circuit = quantise(graph, calibrate(graph, batch), Options(), {})
        circuit.validate()
        outputs = real_outputs(circuit, execute(circuit, quantise_inputs(circuit, batch, saturate=True)))
        error = deviation([y[0] for y in outputs], case.outputs)
    except VerinferError as failure:
        return Result(case, "refused", str(failure))
    except Exception as failure:  # a rule's own fault, to be shown as such
        return Result(case, "broken", f"{type(failure).__name__}: {failure}")
    if error > TOLERANCE:
        return Result(case, "wrong", f"off by {error:.3g}", error)
    return Result(case, "constant" if graph.inputs[0].name == UNREAD else "ok", "", error)


def main(wanted: Sequence[str]) -> None:
    """Print the summary, or each case of the wanted operators."""
    judge = compiled if "--quantised" in wanted else evaluated
    wanted = [w for w in wanted if not w.startswith("--")]
    table: dict[str, list[Result]] = defaultdict(list)
    for case in cases():
        if not wanted or case.op_type in wanted or any(n.op_type in wanted for n in case.model.graph.node):
            table[case.op_type].append(judge(case))
    for op_type, results in sorted(table.items()):
        count = {
            status: sum(r.status == status for r in results)
            for status in ("ok", "constant", "wrong", "refused", "broken")
        }
        print(op_type, " ".join(f"{status} {n}" for status, n in count.items() if n))
        if wanted:
            for r in results:
                print("   ", r.case.name, r.status, r.why[:200])
    print(sum(r.status == "ok" for rs in table.values() for r in rs), "of", sum(map(len, table.values())))


if __name__ == "__main__":
    main(sys.argv[1:])
