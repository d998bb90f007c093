"""Control flow and sequences: what is known when compiling vanishes, what is not is selected or refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, parser

from circuits import graph as float_graph
from circuits.errors import ModelError, UnsupportedError, VerinferError
from circuits.importer.importer import import_model
from tests.importer.one_node import Array, floats, integers, reference

RNG = np.random.default_rng(15)
X = RNG.normal(size=(2, 3)).astype(np.float32)


def written(body: str, opset: int = 18) -> onnx.ModelProto:
    """A checked model from ONNX's text form."""
    made = parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]>\n{body}')
    onnx.checker.check_model(made)
    return made


def check(made: onnx.ModelProto, *inputs: Array) -> None:
    """The float graph's outputs are onnxruntime's."""
    for got, want in zip(floats(made, inputs), reference(made, inputs), strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want.astype(np.float64), rtol=1e-5, atol=1e-6)


IF = """
agraph (float[2, 3] x{more}) => (float[2, 3] y) {{
    {first}
    y = If (c) <
        then_branch = yes () => (float[2, 3] a) {{ a = Add(x, x) }},
        else_branch = no () => (float[2, 3] b) {{ b = Neg(x) }}
    >
}}
"""


def test_a_constant_condition_takes_its_branch() -> None:
    made = written(
        IF.format(more="", first="size = Size(x) six = Constant<value_int = 6>() c = Equal(size, six)")
    )
    check(made, X)
    assert {node.op for node in import_model(made).nodes} <= {"input", "constant", "add"}


@pytest.mark.parametrize("chosen", [True, False])
def test_a_run_time_condition_selects(chosen: bool) -> None:
    check(written(IF.format(more=", bool c", first="")), X, np.array(chosen))


def test_branches_of_different_shapes_need_a_constant_condition() -> None:
    body = """
    agraph (float[2, 3] x, bool c) => (float[n, 3] y) {
        y = If (c) <
            then_branch = yes () => (float[2, 3] a) { a = Identity(x) },
            else_branch = no () => (float[4, 3] b) { b = Concat<axis = 0>(x, x) }
        >
    }
    """
    with pytest.raises(UnsupportedError, match="different shapes"):
        import_model(written(body))


POWERS = """
agraph (float[2, 3] x{more}) => (float[2, 3] last, float[4, 2, 3] all) {{
    {first}
    last, all = Loop (trips, go, x) <
        body = step (int64 i, bool c, float[2, 3] v) => (bool d, float[2, 3] w, float[2, 3] kept) {{
            f = Cast<to = 1>(i)
            s = Add(v, f)
            w = Mul(s, x)
            kept = Identity(w)
            d = Identity(c)
        }}
    >
}}
"""
FOUR = "trips = Constant<value_int = 4>() one = Constant<value_int = 1>() go = Cast<to = 9>(one)"


def test_a_loop_is_unrolled() -> None:
    check(written(POWERS.format(more="", first=FOUR)), X)


def test_run_time_trip_counts_and_conditions_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="its trip count is computed at run time"):
        import_model(written(POWERS.format(more=", int64 trips, bool go", first="")))
    with pytest.raises(UnsupportedError, match="its condition is computed at run time"):
        first = "trips = Constant<value_int = 4>()"
        import_model(written(POWERS.format(more=", bool go", first=first)))


WHILE = """
agraph (float[2, 3] x) => (float[2, 3] y, int64 n) {{
    start = Constant<value_int = 1>()
    limit = Constant<value_int = {limit}>()
    go = Less(start, limit)
    y, n = Loop ("", go, x, start) <
        body = step (int64 i, bool c, float[2, 3] v, int64 k) => (bool d, float[2, 3] w, int64 l) {{
            w = Add(v, x)
            l = Add(k, k)
            d = Less({test}, limit)
        }}
    >
}}
"""


def test_a_condition_is_followed_through_the_rounds() -> None:
    made = written(WHILE.format(limit=20, test="l"))
    y, n = floats(made, [X])
    np.testing.assert_allclose(y, 6 * X.astype(np.float64), rtol=1e-6)
    assert n == 32


def test_an_endless_loop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float_graph, "MAX_GRAPH_NODES", 500)
    with pytest.raises(ModelError, match="unrolls to over 500 operations"):
        import_model(written(WHILE.format(limit=20, test="start")))


SCAN = """
agraph (float[3] state, float[4, 3] xs, float[3, 4] zs) => (float[3] end, float[{outs}] ys) {{
    end, ys = Scan (state, xs, zs) <
        num_scan_inputs = 2,
        scan_input_axes = [0, 1],
        scan_input_directions = [{backwards}, 0],
        scan_output_axes = [{axis}],
        scan_output_directions = [{backwards}],
        body = step (float[3] s, float[3] x, float[3] z) => (float[3] t, float[3] y) {{
            p = Mul(x, z)
            t = Add(s, p)
            y = Tanh(t)
        }}
    >
}}
"""


@pytest.mark.parametrize("backwards", [0, 1])
@pytest.mark.parametrize("axis", [0, 1])
def test_scan_axes_and_directions(axis: int, backwards: int) -> None:
    outs = "4, 3" if axis == 0 else "3, 4"
    made = written(SCAN.format(outs=outs, axis=axis, backwards=backwards))
    arrays = [RNG.normal(size=shape).astype(np.float32) for shape in ((3,), (4, 3), (3, 4))]
    check(made, *arrays)


def test_sequences_are_resolved() -> None:
    made = written(
        """
        agraph (float[5, 3] x) => (float[3] a, float[5, 3] b, float[2, 2, 3] c, int64 n) {
            two = Constant<value_int = 2>()
            last = Constant<value_int = -1>()
            zero = Constant<value_int = 0>()
            pairs = SplitToSequence<axis = 0>(x, two)
            rows = SplitToSequence<axis = 0, keepdims = 0>(x)
            a = SequenceAt(rows, last)
            end = SequenceAt(pairs, last)
            others = SequenceErase(pairs)
            c = ConcatFromSequence<axis = 0, new_axis = 1>(others)
            turned = SequenceInsert(others, end, zero)
            b = ConcatFromSequence<axis = 0>(turned)
            n = SequenceLength(rows)
        }
        """
    )
    check(made, RNG.normal(size=(5, 3)).astype(np.float32))


def test_a_sequence_may_grow_in_a_loop() -> None:
    made = written(
        """
        agraph (int64[2, 3] x) => (int64[6, 3] y) {
            none = SequenceEmpty<dtype = 7>()
            trips = Constant<value_int = 3>()
            all = Loop (trips, "", none) <
                body = step (int64 i, bool c, seq(int64[2, 3]) s) => (bool d, seq(int64[2, 3]) t) {
                    v = Mul(x, i)
                    t = SequenceInsert(s, v)
                    d = Identity(c)
                }
            >
            y = ConcatFromSequence<axis = 0>(all)
        }
        """
    )
    x = RNG.integers(-9, 10, size=(2, 3)).astype(np.int64)
    np.testing.assert_array_equal(integers(made, [x])[0], np.concatenate([0 * x, x, 2 * x]))


def test_a_sequence_as_an_output_is_refused() -> None:
    body = "agraph (float[2, 3] x) => (seq(float[1, 3]) y) { y = SplitToSequence<axis = 0>(x) }"
    with pytest.raises(UnsupportedError, match="output 'y' is a sequence"):
        import_model(written(body))


def test_a_position_at_run_time_is_refused() -> None:
    body = """
    agraph (float[2, 3] x, int64 i) => (float[1, 3] y) {
        s = SplitToSequence<axis = 0>(x)
        y = SequenceAt(s, i)
    }
    """
    with pytest.raises(UnsupportedError, match="its position is computed at run time"):
        import_model(written(body))


def test_optionals_are_resolved() -> None:
    tensor = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [2, 3])
    nodes = [
        helper.make_node("Optional", ["x"], ["full"]),
        helper.make_node("Optional", [], ["empty"], type=tensor),
        helper.make_node("OptionalGetElement", ["full"], ["y"]),
        helper.make_node("OptionalHasElement", ["full"], ["there"]),
        helper.make_node("OptionalHasElement", ["empty"], ["missing"]),
    ]
    outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in ("y", "there", "missing")]
    graph = helper.make_graph(nodes, "optionals", [helper.make_value_info("x", tensor)], outputs)
    y, there, missing = floats(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), [X])
    np.testing.assert_array_equal(y, X)
    assert (there, missing) == (1, 0)


def test_bodies_that_do_not_fit_are_refused() -> None:
    made = written(POWERS.format(more="", first=FOUR))
    del made.graph.node[-1].attribute[0].g.input[2]
    with pytest.raises(VerinferError, match="its body takes 2 inputs"):
        import_model(made)
    made = written(SCAN.format(outs="4, 3", axis=0, backwards=0))
    next(a for a in made.graph.node[0].attribute if a.name == "num_scan_inputs").i = 9
    with pytest.raises(VerinferError, match="scans 9 of its 3 inputs"):
        import_model(made)
