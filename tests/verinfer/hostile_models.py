"""ONNX models that a malicious or careless author might hand over, each with what its refusal must say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
OPSET = 21


@dataclass(frozen=True)
class Hostile:
    """A model and a pattern that its refusal matches."""

    build: Callable[[], onnx.ModelProto]
    says: str
    slow: bool


HOSTILE: dict[str, Hostile] = {}


def hostile(
    says: str, slow: bool = False
) -> Callable[[Callable[[], onnx.ModelProto]], Callable[[], onnx.ModelProto]]:
    """Decorator: this function builds a model to refuse, with a message that matches `says`; a `slow` one is
    refused only when a limit on work is reached."""

    def register(build: Callable[[], onnx.ModelProto]) -> Callable[[], onnx.ModelProto]:
        HOSTILE[build.__name__] = Hostile(build, says, slow)
        return build

    return register


def model(
    nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto] = (),
    shape: Sequence[int | str | None] = (1, 4),
    functions: Sequence[onnx.FunctionProto] = (),
    type_: int = FLOAT,
    opset: int = OPSET,
    rank: int | None = None,
) -> onnx.ModelProto:
    """A model with the input x and the output y, of x's rank unless stated."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", type_, shape)],
        [
            helper.make_tensor_value_info(
                "y", FLOAT, [f"d{i}" for i in range(len(shape) if rank is None else rank)]
            )
        ],
        initializers,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=10)


def node(op: str, inputs: str, outputs: str, domain: str = "", **attributes: object) -> onnx.NodeProto:
    """A node; names are separated by blanks, `_` stands for an input that is left out."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(
        op, names, outputs.split(), name=f"{op}_{outputs.split()[0]}", domain=domain, **attributes
    )


def floats(name: str, *shape: int) -> onnx.TensorProto:
    """A constant of small numbers."""
    values = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def ints(name: str, *values: int) -> onnx.TensorProto:
    """A constant vector of 64-bit integers."""
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def int_(name: str, value: int) -> onnx.TensorProto:
    """A constant scalar of 64 bits."""
    return numpy_helper.from_array(np.array(value, dtype=np.int64), name)


def claiming(name: str, dims: Sequence[int], data: bytes = b"", type_: int = FLOAT) -> onnx.TensorProto:
    """A constant that claims a shape which its data do not have."""
    tensor = onnx.TensorProto(name=name, data_type=type_, raw_data=data)
    tensor.dims.extend(dims)
    return tensor


def with_values(name: str, *values: float) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array([values], dtype=np.float32), name)


# -- malformed
# -------------------------------------------------------------------------------------------------


@hostile("cycl|sorted|not output of any previous")
def cycle() -> onnx.ModelProto:
    return model([node("Add", "x b", "a"), node("Add", "x a", "b"), node("Relu", "b", "y")])


@hostile("sorted|not output of any previous")
def reads_itself() -> onnx.ModelProto:
    return model([node("Add", "x y", "y")])


@hostile("sorted|not output of any previous|nothing computes")
def reads_nothing() -> onnx.ModelProto:
    return model([node("Add", "x ghost", "y")])


@hostile("SSA|already|duplicate")
def computes_twice() -> onnx.ModelProto:
    return model([node("Relu", "x", "y"), node("Neg", "x", "y")])


@hostile("y|output")
def output_of_nothing() -> onnx.ModelProto:
    return model([node("Relu", "x", "z")])


@hostile("[Tt]ype")
def ill_typed() -> onnx.ModelProto:
    return model([node("Add", "x k", "y")], [ints("k", 1, 2, 3, 4)])


@hostile("[Ss]hape|dimension|match")
def ill_shaped() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [floats("w", 5, 3)])


@hostile("attribute|Attribute")
def unknown_attribute() -> onnx.ModelProto:
    return model([node("Relu", "x", "y", speed=3)])


@hostile("inputs")
def no_inputs() -> onnx.ModelProto:
    made = model([node("Relu", "x", "y")], [floats("x", 1, 4)])
    del made.graph.input[:]
    return made


@hostile("version|opset|IR")
def from_the_future() -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], opset=999)


@hostile("opset 5")
def from_the_past() -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], opset=5)


@hostile("opset")
def no_opset() -> onnx.ModelProto:
    made = model([node("Relu", "x", "y")])
    del made.opset_import[:]
    return made


# -- without a meaning here
# ------------------------------------------------------------------------------------


@hostile("Frobnicate.*Frobnicate_y|Frobnicate_y.*Frobnicate")
def unknown_operator() -> onnx.ModelProto:
    return model([node("Frobnicate", "x", "y")])


@hostile("Frobnicate")
def unknown_domain() -> onnx.ModelProto:
    return model([node("Frobnicate", "x", "y", domain="own")])


@hostile("RandomNormalLike.*RandomNormalLike_y|RandomNormalLike_y.*RandomNormalLike")
def random_operator() -> onnx.ModelProto:
    return model([node("RandomNormalLike", "x", "y")])


@hostile("--dim")
def open_dimension() -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], shape=(1, "length"))


@hostile("static|shape")
def open_dimension_without_a_name() -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], shape=(1, None))


@hostile("rank")
def open_rank() -> onnx.ModelProto:
    made = model([node("Relu", "x", "y")])
    made.graph.input[0].type.tensor_type.ClearField("shape")
    return made


@hostile("string|object|type")
def strings() -> onnx.ModelProto:
    return model([node("Identity", "x", "y")], type_=TensorProto.STRING)


@hostile("sparse")
def sparse_initializer() -> onnx.ModelProto:
    made = model([node("MatMul", "x w", "y")])
    values = helper.make_tensor("w", FLOAT, [1], [1.0])
    made.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, helper.make_tensor("w_index", INT64, [1], [0]), [4, 4])
    )
    return made


# -- numbers that are none
# -------------------------------------------------------------------------------------


@hostile("'w'.*NaN")
def nan_weight() -> onnx.ModelProto:
    return model([node("Mul", "x w", "y")], [with_values("w", 1, float("nan"), 1, 1)])


@hostile("'w'.*infinit")
def infinite_weight() -> onnx.ModelProto:
    return model([node("Mul", "x w", "y")], [with_values("w", 1, float("inf"), 1, 1)])


@hostile("infinit")
def infinite_matrix() -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.full((4, 4), -np.inf, dtype=np.float32), "w")
    return model([node("MatMul", "x w", "y")], [tensor])


@hostile("Constant_k.*NaN")
def nan_constant() -> onnx.ModelProto:
    value = numpy_helper.from_array(np.array([np.nan], dtype=np.float32))
    return model([node("Constant", "", "k", value=value), node("Mul", "x k", "y")])


@hostile("NaN|infinit|finite")
def infinite_constant() -> onnx.ModelProto:
    value = numpy_helper.from_array(np.array([np.inf], dtype=np.float32))
    return model([node("Constant", "", "k", value=value), node("Mul", "x k", "y")])


@hostile("NaN|infinit|finite")
def nan_attribute() -> onnx.ModelProto:
    return model([node("LeakyRelu", "x", "y", alpha=float("nan"))])


@hostile("NaN|infinit|finite")
def infinite_attribute() -> onnx.ModelProto:
    return model([node("Gemm", "x w", "y", alpha=float("inf"))], [floats("w", 4, 4)])


@hostile("NaN|infinit|finite|zero")
def folded_to_infinity() -> onnx.ModelProto:
    zero = numpy_helper.from_array(np.zeros((1, 4), dtype=np.float32), "zero")
    return model([node("Reciprocal", "zero", "k"), node("Mul", "x k", "y")], [zero])


# -- claims of size
# --------------------------------------------------------------------------------------------


@hostile("'w'")
def huge_initializer() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [claiming("w", [4, 1 << 40])])


@hostile("'w'")
def overflowing_initializer() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [claiming("w", [1 << 32, 1 << 32, 1 << 32])])


@hostile("'w'")
def negative_initializer() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [claiming("w", [4, -4], bytes(64))])


@hostile("'w'")
def short_initializer() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [claiming("w", [4, 4], bytes(60))])


@hostile("'w'")
def long_initializer() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [claiming("w", [4, 4], bytes(68))])


@hostile("'w'")
def empty_initializer() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [claiming("w", [4, 1 << 20])])


@hostile("Constant_k")
def short_constant() -> onnx.ModelProto:
    return model(
        [node("Constant", "", "k", value=claiming("w", [4, 1 << 20], bytes(8))), node("MatMul", "x k", "y")]
    )


@hostile("'w'")
def untyped_initializer() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "y")], [claiming("w", [4, 4], bytes(64), 99)])


@hostile("'x'|large|limit")
def huge_input() -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], shape=(1, 1 << 40))


@hostile("'x'|large|limit")
def wide_input() -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], shape=(1, 1 << 16, 1 << 16))


@hostile("axes")
def deep_input() -> onnx.ModelProto:
    return model([node("Relu", "x", "y")], shape=[1] * 40)


@hostile("100,?001|nodes")
def many_nodes() -> onnx.ModelProto:
    names = ["x", *(f"t{i}" for i in range(100_000)), "y"]
    return model([helper.make_node("Neg", [a], [b]) for a, b in itertools.pairwise(names)])


# -- constants that grow
# ---------------------------------------------------------------------------------------

LIMIT = "limit|too large|too many|over"


@hostile(LIMIT)
def constant_of_shape() -> onnx.ModelProto:
    return model([node("ConstantOfShape", "n", "k"), node("Add", "x k", "y")], [ints("n", 1 << 20, 1 << 20)])


@hostile(LIMIT, slow=True)
def many_constants_of_shape() -> onnx.ModelProto:
    """Each alone is small enough."""
    nodes = [node("ConstantOfShape", "n", f"k{i}") for i in range(200)]
    nodes += [node("ReduceMax", f"k{i}", f"r{i}", keepdims=0) for i in range(200)]
    sums = [
        node("Add", f"{'x' if i == 0 else f's{i}'} r{i}", "y" if i == 199 else f"s{i + 1}")
        for i in range(200)
    ]
    return model([*nodes, *sums], [ints("n", 1 << 24)])


@hostile(LIMIT)
def long_range() -> onnx.ModelProto:
    nodes = [node("Range", "a b c", "k"), node("Cast", "k", "f", to=FLOAT), node("Add", "x f", "y")]
    return model(nodes, [int_("a", 0), int_("b", 1 << 45), int_("c", 1)], shape=(1, 1))


@hostile(LIMIT)
def expanded() -> onnx.ModelProto:
    nodes = [node("Expand", "w n", "k"), node("Add", "x k", "y")]
    return model(nodes, [floats("w", 1), ints("n", 1 << 20, 1 << 20)])


@hostile(LIMIT)
def tiled() -> onnx.ModelProto:
    nodes = [node("Tile", "w n", "k"), node("Add", "x k", "y")]
    return model(nodes, [floats("w", 1, 4), ints("n", 1 << 40, 1)])


@hostile(LIMIT)
def padded() -> onnx.ModelProto:
    nodes = [node("Pad", "w n", "k"), node("Add", "x k", "y")]
    return model(nodes, [floats("w", 1, 4), ints("n", 1 << 40, 0, 0, 0)])


@hostile(LIMIT)
def resized() -> onnx.ModelProto:
    nodes = [node("Resize", "w _ _ n", "k"), node("Add", "x k", "y")]
    return model(nodes, [floats("w", 1, 4), ints("n", 1 << 20, 1 << 20)])


@hostile(LIMIT)
def one_hot() -> onnx.ModelProto:
    nodes = [node("OneHot", "i n v", "k"), node("ReduceSum", "k", "s", keepdims=0), node("Add", "x s", "y")]
    return model(
        nodes, [ints("i", 1, 2), int_("n", 1 << 40), numpy_helper.from_array(np.float32([0, 1]), "v")]
    )


@hostile(LIMIT)
def gathered() -> onnx.ModelProto:
    nodes = [node("Gather", "w i", "k"), node("ReduceMax", "k", "r", keepdims=0), node("Add", "x r", "y")]
    return model(nodes, [floats("w", 1, 1 << 16), ints("i", *[0] * (1 << 16))])


@hostile(LIMIT)
def outer_product() -> onnx.ModelProto:
    nodes = [node("MatMul", "a b", "k"), node("ReduceMax", "k", "r", keepdims=0), node("Add", "x r", "y")]
    return model(nodes, [floats("a", 1 << 16, 1), floats("b", 1, 1 << 16)])


@hostile(LIMIT)
def outer_sum() -> onnx.ModelProto:
    nodes = [node("Add", "a b", "k"), node("ReduceMax", "k", "r", keepdims=0), node("Add", "x r", "y")]
    return model(nodes, [floats("a", 1 << 16, 1), floats("b", 1, 1 << 16)])


@hostile(LIMIT, slow=True)
def slow_product() -> onnx.ModelProto:
    nodes = [node("MatMul", "a b", "k"), *[node("MatMul", f"k{i or ''} b", f"k{i + 1}") for i in range(400)]]
    nodes += [node("ReduceMax", "k400", "r", keepdims=0), node("Add", "x r", "y")]
    return model(nodes, [floats("a", 2048, 2048), floats("b", 2048, 2048)])


@hostile(LIMIT, slow=True)
def doubling_constant() -> onnx.ModelProto:
    nodes = [node("Concat", f"k{i} k{i}", f"k{i + 1}", axis=0) for i in range(60)]
    nodes += [node("ReduceMax", "k60", "r", keepdims=0), node("Add", "x r", "y")]
    return model(nodes, [floats("k0", 4)])


@hostile(LIMIT)
def window() -> onnx.ModelProto:
    nodes = [node("HannWindow", "n", "k"), node("ReduceMax", "k", "r", keepdims=0), node("Add", "x r", "y")]
    return model(nodes, [int_("n", 1 << 45)])


@hostile(LIMIT)
def mel_weights() -> onnx.ModelProto:
    nodes = [node("MelWeightMatrix", "a b c d e", "k"), node("ReduceMax", "k", "r", keepdims=0)]
    numbers = [int_("a", 1 << 20), int_("b", 1 << 30), int_("c", 8192)]
    edges = [
        numpy_helper.from_array(np.array(v, dtype=np.float32), n) for n, v in (("d", 0.0), ("e", 4096.0))
    ]
    return model([*nodes, node("Add", "x r", "y")], [*numbers, *edges])


@hostile(LIMIT)
def padded_convolution() -> onnx.ModelProto:
    nodes = [node("Conv", "a b", "k", pads=[1 << 20] * 4, kernel_shape=[1, 1])]
    nodes += [node("ReduceMax", "k", "r", keepdims=0), node("Add", "x r", "y")]
    return model(nodes, [floats("a", 1, 1, 4, 4), floats("b", 1, 1, 1, 1)])


@hostile("string|meaning|not supported|" + LIMIT)
def doubling_string() -> onnx.ModelProto:
    nodes = [node("StringConcat", f"k{i} k{i}", f"k{i + 1}") for i in range(60)]
    nodes += [node("Equal", "k60 k60", "e"), node("Cast", "e", "f", to=FLOAT), node("Add", "x f", "y")]
    return model(nodes, [helper.make_tensor("k0", TensorProto.STRING, [1], [b"abcd"])])


@hostile("string|meaning|not supported|" + LIMIT)
def slow_pattern() -> onnx.ModelProto:
    nodes = [
        node("RegexFullMatch", "s", "m", pattern="(a|a)*(a|a)*(a|a)*b"),
        node("Cast", "m", "f", to=FLOAT),
    ]
    text = helper.make_tensor("s", TensorProto.STRING, [1], [b"a" * 200])
    return model([*nodes, node("Add", "x f", "y")], [text])


# -- tensors that grow
# -----------------------------------------------------------------------------------------


@hostile(LIMIT)
def doubling_tensor() -> onnx.ModelProto:
    nodes = [
        node("Concat", f"{f'k{i}' if i else 'x'} {f'k{i}' if i else 'x'}", f"k{i + 1}", axis=1)
        for i in range(60)
    ]
    return model([*nodes, node("Relu", "k60", "y")])


@hostile(LIMIT)
def tiling_tensor() -> onnx.ModelProto:
    nodes = [node("Tile", f"{f'k{i}' if i else 'x'} n", f"k{i + 1}") for i in range(8)]
    return model([*nodes, node("Relu", "k8", "y")], [ints("n", 1, 100)])


@hostile(LIMIT)
def expanded_tensor() -> onnx.ModelProto:
    return model([node("Expand", "x n", "y")], [ints("n", 1 << 20, 1 << 20, 1, 4)], rank=4)


@hostile(LIMIT)
def padded_tensor() -> onnx.ModelProto:
    return model([node("Pad", "x n", "y")], [ints("n", 1 << 40, 0, 0, 0)])


@hostile(LIMIT)
def resized_tensor() -> onnx.ModelProto:
    return model([node("Resize", "x _ _ n", "y")], [ints("n", 1, 1, 1 << 20, 1 << 20)], shape=(1, 1, 2, 2))


@hostile(LIMIT)
def resized_smoothly() -> onnx.ModelProto:
    nodes = [node("Resize", "x _ _ n", "y", mode="linear")]
    return model(nodes, [ints("n", 1, 1, 1 << 18, 1 << 18)], shape=(1, 1, 2, 2))


@hostile(LIMIT)
def one_hot_tensor() -> onnx.ModelProto:
    nodes = [node("OneHot", "x n v", "y")]
    numbers = [int_("n", 1 << 40), numpy_helper.from_array(np.float32([0, 1]), "v")]
    return model(nodes, numbers, type_=INT64, rank=3)


@hostile(LIMIT)
def padded_convolution_tensor() -> onnx.ModelProto:
    nodes = [node("Conv", "x w", "y", pads=[1 << 40] * 4)]
    return model(nodes, [floats("w", 1, 1, 1, 1)], shape=(1, 1, 4, 4))


@hostile(LIMIT)
def strided_transposed_convolution() -> onnx.ModelProto:
    nodes = [node("ConvTranspose", "x w", "y", strides=[1 << 30, 1 << 30])]
    return model(nodes, [floats("w", 1, 1, 1, 1)], shape=(1, 1, 4, 4))


@hostile(LIMIT)
def dilated_convolution() -> onnx.ModelProto:
    nodes = [node("Conv", "x w", "y", dilations=[1 << 30, 1 << 30], pads=[1 << 30] * 4)]
    return model(nodes, [floats("w", 1, 1, 3, 3)], shape=(1, 1, 4, 4))


@hostile(LIMIT)
def outer_tensor() -> onnx.ModelProto:
    nodes = [node("Reshape", "x n", "c"), node("MatMul", "c x", "m"), node("ReduceMax", "m", "y")]
    return model(nodes, [ints("n", 1 << 18, 1)], shape=(1, 1 << 18))


@hostile(LIMIT)
def much_work() -> onnx.ModelProto:
    """No tensor is large, but there are 2^50 products."""
    nodes = [
        node("MatMul", f"{f'k{i}' if i else 'x'} {f'k{i}' if i else 'x'}", f"k{i + 1}") for i in range(2000)
    ]
    return model([*nodes, node("Relu", "k2000", "y")], shape=(4096, 4096))


@hostile(LIMIT + "|window|fit|shape")
def huge_pooling() -> onnx.ModelProto:
    return model([node("MaxPool", "x", "y", kernel_shape=[1 << 40, 1 << 40])], shape=(1, 1, 4, 4))


@hostile("stride|0|zero|positive|infer")
def standing_still() -> onnx.ModelProto:
    return model([node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[0, 0])], shape=(1, 1, 4, 4))


# -- control flow and functions
# --------------------------------------------------------------------------------


def body(nodes: Sequence[onnx.NodeProto], level: str = "") -> onnx.GraphProto:
    """A loop's body that carries `s` to `t`."""
    return helper.make_graph(
        nodes,
        "body",
        [
            helper.make_tensor_value_info(f"i{level}", INT64, []),
            helper.make_tensor_value_info(f"go{level}", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"s{level}", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info(f"on{level}", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"t{level}", FLOAT, None),
        ],
    )


@hostile(LIMIT)
def long_loop() -> onnx.ModelProto:
    steps = body([node("Identity", "go", "on"), node("Relu", "s", "t")])
    return model([node("Loop", "n _ x", "y", body=steps)], [int_("n", 10**9)])


@hostile(LIMIT)
def idle_loop() -> onnx.ModelProto:
    steps = body([node("Identity", "go", "on"), node("Identity", "s", "t")])
    return model([node("Loop", "n _ x", "y", body=steps)], [int_("n", 10**9)])


@hostile(LIMIT)
def endless_loop() -> onnx.ModelProto:
    steps = body([node("Identity", "go", "on"), node("Neg", "s", "t")])
    return model([node("Loop", "_ c x", "y", body=steps)], [numpy_helper.from_array(np.array(True), "c")])


@hostile(LIMIT, slow=True)
def loop_that_might_stop() -> onnx.ModelProto:
    steps = body([node("Less", "i n", "on"), node("Neg", "s", "t")])
    return model(
        [node("Loop", "_ c x", "y", body=steps)],
        [numpy_helper.from_array(np.array(True), "c"), int_("n", 10**9)],
    )


@hostile(LIMIT, slow=True)
def nested_loops() -> onnx.ModelProto:
    steps = body([node("Identity", "go0", "on0"), node("Neg", "s0", "t0")], "0")
    for level in range(1, 4):
        nodes = [
            node("Identity", f"go{level}", f"on{level}"),
            node("Loop", f"n _ s{level}", f"t{level}", body=steps),
        ]
        steps = body(nodes, str(level))
    return model([node("Loop", "n _ x", "y", body=steps)], [int_("n", 1000)])


@hostile(LIMIT, slow=True)
def deep_ifs() -> onnx.ModelProto:
    """2^18 leaves in a file of 4 MB, had it no limit on nodes."""
    branch = helper.make_graph(
        [node("Neg", "x", "t")], "b", [], [helper.make_tensor_value_info("t", FLOAT, None)]
    )
    for level in range(17):
        end = helper.make_tensor_value_info(f"t{level}", FLOAT, None)
        branch = helper.make_graph(
            [node("If", "c", f"t{level}", then_branch=branch, else_branch=branch)], "b", [], [end]
        )
    truth = numpy_helper.from_array(np.array(True), "c")
    return model([node("If", "c", "y", then_branch=branch, else_branch=branch)], [truth])


def function(name: str, nodes: Sequence[onnx.NodeProto]) -> onnx.FunctionProto:
    """A function of the domain `own` from a to b."""
    return helper.make_function(
        "own", name, ["a"], ["b"], nodes, [helper.make_opsetid("", OPSET), helper.make_opsetid("own", 1)]
    )


@hostile("itself|recurs|cycl")
def recursive_function() -> onnx.ModelProto:
    return model([node("f", "x", "y", "own")], functions=[function("f", [node("f", "a", "b", "own")])])


@hostile("itself|recurs|cycl")
def mutually_recursive_functions() -> onnx.ModelProto:
    f, g = (function(n, [node(m, "a", "b", "own")]) for n, m in (("f", "g"), ("g", "f")))
    return model([node("f", "x", "y", "own")], functions=[f, g])


@hostile("itself|recurs|cycl")
def recursion_through_a_branch() -> onnx.ModelProto:
    branch = helper.make_graph(
        [node("f", "a", "t", "own")], "b", [], [helper.make_tensor_value_info("t", FLOAT, None)]
    )
    truth = numpy_helper.from_array(np.array(True))
    nodes = [
        node("Constant", "", "c", value=truth),
        node("If", "c", "b", then_branch=branch, else_branch=branch),
    ]
    return model([node("f", "x", "y", "own")], functions=[function("f", nodes)])


@hostile("nested|deep|" + LIMIT)
def chain_of_functions() -> onnx.ModelProto:
    chain = [function(f"f{i}", [node(f"f{i + 1}", "a", "b", "own")]) for i in range(20_000)]
    return model(
        [node("f0", "x", "y", "own")], functions=[*chain, function("f20000", [node("Relu", "a", "b")])]
    )


@hostile(LIMIT)
def doubling_functions() -> onnx.ModelProto:
    chain = [
        function(f"f{i}", [node(f"f{i + 1}", "a", "m", "own"), node(f"f{i + 1}", "m", "b", "own")])
        for i in range(50)
    ]
    return model([node("f0", "x", "y", "own")], functions=[*chain, function("f50", [node("Neg", "a", "b")])])
