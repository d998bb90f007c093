"""The kernels of the GPU's device, by its methods: against the CPU's, and in time."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from circuits.merkle import MerkleTree
from circuits.packing import empty_leaves, pack
from circuits.records import leaves_of
from circuits.tensor import IntArray
from prover.cuda.driver import THREADS, Driver
from prover.cuda.kernels import Kernels
from prover.cuda.merkle import Merkle
from prover.cuda.source import OPTIONS, expanded
from prover.sumcheck.cpu import CpuDevice
from prover.sumcheck.cuda import CudaDevice
from prover.sumcheck.cuda_tree import GENEROUS, THRIFTY, Thrift
from verifier.bn254 import BASE_FIELD, SCALAR_FIELD
from verifier.powers_of_tau import encode_g1_points

RATE = Path(__file__).parent / "gpu_rate.cu"
CORNERS = [0, 1, 2, SCALAR_FIELD - 1, SCALAR_FIELD - 2, (SCALAR_FIELD + 1) // 2, (1 << 256) % SCALAR_FIELD]
TYPES = (np.int8, np.int16, np.int32, np.int64)
_RUNS = 3


@dataclass(frozen=True)
class Floors:
    """What the GPU can do in a second: bytes read and written, products of field elements, and permutations
    of Keccak."""

    bandwidth: float
    products: float
    permutations: float

    def seconds(self, case: _Case) -> float:
        """The least time for a case."""
        return max(
            case.moved / self.bandwidth,
            case.products / self.products,
            case.permutations / self.permutations,
        )


@dataclass(frozen=True)
class Row:
    """One kernel's time on both, and its floor on the GPU."""

    kernel: str
    gpu_seconds: float
    cpu_seconds: float
    floor_seconds: float


@dataclass(frozen=True)
class _Case:
    """A call to time on a device.

    Parameters
    ----------
    moved, products, permutations
        The bytes that have to be read and written, the products of field elements, and the permutations.
    """

    name: str
    prepare: Callable[[Any], Callable[[], object]]
    moved: float
    products: float
    permutations: float = 0.0


def floors(driver: Driver) -> Floors:
    """Measure them, by copies of 1 GiB, and by products and permutations that stay in registers."""
    xp, kernels = driver.xp, Kernels(driver)
    source, target = (xp.zeros(1 << 27, dtype=np.uint64) for _ in range(2))

    def copy() -> None:
        target[...] = source

    bandwidth = 2 * source.nbytes / gpu_seconds(driver, copy)
    module = xp.RawModule(code=expanded(RATE), options=OPTIONS)
    blocks, count = driver.most_blocks, 4096
    x, out = kernels.elements(range(2, 258)), kernels.vectors(blocks * THREADS)

    def rate(kernel: str, *arguments: Any) -> float:
        function = module.get_function(kernel)
        seconds = gpu_seconds(driver, lambda: function((blocks,), (THREADS,), (*arguments, out)))
        return blocks * THREADS * count / seconds

    products = rate("repeat_products", x, np.uint64(count))
    return Floors(bandwidth, products, rate("repeat_permutations", np.uint64(count)))


def gpu_seconds(driver: Driver, call: Callable[[], object]) -> float:
    """The median time of a call whose result stays on the GPU, over enough calls to hide their start."""
    marker = driver.xp.zeros(1, dtype=np.uint32)
    call()
    driver.download(marker)
    began = time.perf_counter()
    call()
    driver.download(marker)
    repeats = max(1, min(50, int(0.05 / (time.perf_counter() - began))))
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        driver.download(marker)
        times.append((time.perf_counter() - began) / repeats)
    return statistics.median(times)


def cpu_seconds(call: Callable[[], object]) -> float:
    """The best of a few calls."""
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def distinct_points(count: int) -> bytes:
    """The points of G1 whose x are the least, raw as in the files of an SRS."""
    points: list[tuple[int, int]] = []
    x = 0
    while len(points) < count:
        x += 1
        square = (x**3 + 3) % BASE_FIELD
        y = pow(square, (BASE_FIELD + 1) // 4, BASE_FIELD)
        if y * y % BASE_FIELD == square:
            points.append((x, y))
    return encode_g1_points(points)


class _Scalars(list[int]):
    """What becomes a vector."""


def check_all(driver: Driver, sizes: Sequence[int] = (1, 2, 255, 256, 257, 5000, 100_000)) -> int:
    """Compare the devices' results of all calls, and Merkle roots; how many were equal.

    Raises
    ------
    AssertionError
        At the first that are not.
    """
    points = distinct_points(1 << 10)
    cpu, gpu = CpuDevice(points), CudaDevice(points, driver)
    count = 0
    for what, method, arguments in _checks(sizes):
        made, expected = (_called(device, method, arguments) for device in (gpu, cpu))
        if made != expected:
            raise AssertionError(f"{what} differs between the CPU and {driver.name}")
        count += 1
    return count + _check_trees(driver, sizes)


def _check_trees(driver: Driver, sizes: Sequence[int]) -> int:
    """Compare the Merkle roots over so many cells of all types; how many were equal."""
    gpu, cpu, rng = _GpuTrees(driver), _CpuTrees(), np.random.default_rng(0)
    cases = [(n, dtype) for n in sizes for dtype in TYPES]
    for n, dtype in cases:
        limits = np.iinfo(dtype)
        cells = rng.integers(limits.min, limits.max, n, dtype=dtype, endpoint=True)
        if gpu.root(gpu.hold(cells)) != cpu.root(cells):
            what = f"the Merkle root over {n} of {limits.dtype}"
            raise AssertionError(f"{what} differs between the CPU and {driver.name}")
    return len(cases)


def _called(device: Any, method: Any, arguments: Sequence[Any]) -> Any:
    """What a method of a device gives, or a function of it, as scalars."""
    given = [_given(device, each) for each in arguments]
    made = getattr(device, method)(*given) if isinstance(method, str) else method(device, *given)
    return _read(device, made)


def _given(device: Any, argument: Any) -> Any:
    if isinstance(argument, _Scalars):
        return device.vector(argument)
    if isinstance(argument, list) and argument and isinstance(argument[0], _Scalars):
        return [device.vector(each) for each in argument]
    return argument


def _read(device: Any, value: Any) -> Any:
    if value is None or isinstance(value, int | bytes):
        return value
    if isinstance(value, list | tuple):
        return [_read(device, each) for each in value]
    return device.scalars(value)


def _checks(sizes: Sequence[int]) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """What to compare: its name, a method or a function of a device, and arguments."""
    rng = np.random.default_rng(0)

    def scalars(n: int) -> _Scalars:
        made = [int.from_bytes(rng.bytes(40), "little") % SCALAR_FIELD for _ in range(n)]
        return _Scalars([*CORNERS, *made][:n])

    for n in sizes:
        a, b, c, r = scalars(n), _Scalars(scalars(n)[::-1]), scalars(n), scalars(8)[7]
        calls: list[tuple[Any, ...]] = [
            *(("multiply", a, b), ("scale", a, r), ("add_scaled", r, a, b), ("dot", a, b)),
            *(("evaluate", a, r), ("divide_linear", a, r), ("inverse", _Scalars([x or 1 for x in a]))),
        ]
        if n % 4 == 0:
            for factors in ([a, b], [a, b, c]):
                calls += [("product_sum", factors), ("product_round", factors), ("bind_round", factors, r)]
        rows = rng.integers(0, n, 3 * n + 1).astype(np.uint32)
        for thrift in (GENEROUS, THRIFTY, Thrift(2, 1 << 13, 2)):
            calls.append((_fractions, rows, _Scalars([x or 1 for x in a]), thrift))
        yield from ((f"{call[0]} of {n}", call[0], call[1:]) for call in calls)
    for variables in (0, 1, 7, 8, 9, 15):
        yield f"eq of {variables}", "eq", (scalars_of(variables),)
    for dtype in TYPES:
        limits, name = np.iinfo(dtype), np.dtype(dtype).name
        for shape in ((1, 1, 1), (3000, 20, 1), (1, 300, 5), (2, 200, 300), (1, 4, 70_000)):
            x = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
            x.flat[0], x.flat[-1] = limits.min, limits.max
            yield f"contract {name} {shape}", "contract", (x, scalars(2 * shape[1]))
        matrix = rng.integers(limits.min, limits.max, (5, 1000), dtype=dtype, endpoint=True)
        yield f"commit_integers {name}", "commit_integers", (matrix,)
    for lengths in ([1], [1000], [1000, 512, 256, 3]):
        yield f"commit_all {lengths}", "commit_all", ([scalars(n) for n in lengths],)


def scalars_of(count: int) -> list[int]:
    """Some scalars, always the same."""
    return [pow(7, i + 1, SCALAR_FIELD) for i in range(count)]


def _fractions(device: Any, rows: Any, table: Any, thrift: Thrift) -> list[Any]:
    """All that the layers of a tree say."""
    if isinstance(device, CudaDevice):
        device.thrift = thrift
    numerators = [(0, device.vector(scalars_of(min(300, len(rows)))))]
    tree = device.fraction_tree(rows, table, numerators)
    depth, said = (len(rows) - 1).bit_length(), []
    for height in reversed(range(depth)):
        point = scalars_of(depth - 1 - height)
        layer = tree.layer(height, point, 3)
        said.append(layer.round() if point else ())
        for left in reversed(range(len(point))):
            said.append(layer.bind_round(left + 5) if left else layer.bind(11))
        said.append(layer.finish())
    return said


def time_all(
    driver: Driver, size: int, measured: Floors, full: int = 22, small: int = 24
) -> list[dict[str, Any]]:
    """Time all cases on vectors of 2^size elements, and commitments of 2^full and 2^small scalars."""
    points = distinct_points(1 << min(14, small))
    points *= max(1, (1 << max(full, small)) * 64 // len(points))
    cpu, gpu = CpuDevice(points), CudaDevice(points, driver)
    rows = [
        _timed(case, driver, gpu, cpu, measured) for case in (*_cases(1 << size), *_commitments(full, small))
    ]
    trees = _GpuTrees(driver), _CpuTrees()
    return rows + [_timed(case, driver, *trees, measured) for case in _trees(1 << size)]


def _timed(case: _Case, driver: Driver, gpu: Any, cpu: Any, measured: Floors) -> dict[str, Any]:
    on_gpu, on_cpu = gpu_seconds(driver, case.prepare(gpu)), cpu_seconds(case.prepare(cpu))
    row = Row(case.name, on_gpu, on_cpu, measured.seconds(case))
    print(
        f"{row.kernel:<44} GPU {1e3 * row.gpu_seconds:9.3f} ms   floor {1e3 * row.floor_seconds:9.3f} ms"
        f" ({row.gpu_seconds / row.floor_seconds:6.1f}x)   CPU {1e3 * row.cpu_seconds:10.2f} ms"
        f" ({row.cpu_seconds / row.gpu_seconds:7.1f}x)",
        flush=True,
    )
    return asdict(row)


def _vector(device: Any, n: int, seed: int = 0) -> Any:
    """Random elements."""
    values = np.random.default_rng(seed).integers(-(2**62), 2**62, n)
    return device.integers(values)


def _cases(n: int) -> Iterator[_Case]:
    r = scalars_of(1)[0]
    yield _Case("multiply", lambda d: _two(d.multiply, d, n), 96 * n, n)
    yield _Case("inverse", lambda d: _one(d.inverse, d, n), 128 * n, 3 * n)
    yield _Case("eq", lambda d: lambda: d.eq(scalars_of(n.bit_length() - 1)), 32 * n, n)
    yield _Case("evaluate", lambda d: _one(lambda v: d.evaluate(v, r), d, n), 32 * n, n)
    yield _Case("divide_linear", lambda d: _one(lambda v: d.divide_linear(v, r), d, n), 64 * n, n)
    for count, products in ((2, 2), (3, 6)):
        yield _Case(
            f"round of {count} factors",
            lambda d, k=count: _factors(d.product_round, d, n, k),
            32 * n * count,
            n / 2 * products,
        )
        yield _Case(
            f"bind and round of {count} factors",
            lambda d, k=count: _factors(lambda f: d.bind_round(f, r), d, n, k),
            48 * n * count,
            n / 4 * (2 * count + products),
        )
    for dtype in (np.int8, np.int16, np.int64):
        cells = np.random.default_rng(1).integers(-100, 100, n).astype(dtype)
        axis = 1 << ((n.bit_length() - 1) // 2)
        for where, shape in (("rows", (n // axis, axis, 1)), ("columns", (1, axis, n // axis))):
            yield _Case(
                f"contract {np.dtype(dtype)} along {where}",
                partial(_contraction, x=cells.reshape(shape), axis=axis),
                n * cells.itemsize + 32 * (n // axis),
                0,
            )
    # a level has half the nodes of the one beneath, so that all of them have as many as the leaves
    yield _Case("fraction tree: build", lambda d: lambda: _tree(d, n), 4 * n + 64 * n, 3 * n)
    for height, moved, products in ((2, 2 * 64 / 4, 14 / 8), (0, 2 * 4 + 64, 14 / 2)):
        yield _Case(
            f"fraction tree: build, layer {height}",
            lambda d, h=height: lambda: _layer(d, n, h),
            68 * n + moved * n,
            3 * n + products * n,
        )


def _trees(n: int) -> Iterator[_Case]:
    """Merkle trees: each leaf is read and becomes 32 bytes, and each inner node reads two of them."""
    for dtype in (np.int8, np.int16):
        cells = np.random.default_rng(3).integers(-100, 100, n).astype(dtype)
        leaves = leaves_of(n, cells.itemsize)
        yield _Case(
            f"Merkle tree over {np.dtype(dtype)}",
            partial(_tree_over, cells=cells),
            cells.nbytes + (32 + 96) * leaves,
            0,
            2 * leaves,
        )


class _GpuTrees:
    """Merkle trees over tensors in a GPU's memory."""

    def __init__(self, driver: Driver) -> None:
        self.hold, self._merkle = driver.upload, Merkle(Kernels(driver))

    def root(self, cells: Any) -> bytes:
        hashes = self._merkle.hashes(leaves_of(len(cells), cells.dtype.itemsize))
        self._merkle.hash_tensor(cells, hashes, 0)
        return self._merkle.root(hashes)


class _CpuTrees:
    """Merkle trees as a trace has them."""

    def hold(self, cells: IntArray) -> IntArray:
        return cells

    def root(self, cells: IntArray) -> bytes:
        leaves = empty_leaves(leaves_of(len(cells), cells.itemsize))
        pack(leaves, 0, cells.itemsize, cells)
        return MerkleTree.of_leaves(leaves, threads=os.cpu_count() or 1).root


def _tree_over(trees: Any, cells: IntArray) -> Callable[[], object]:
    held = trees.hold(cells)
    return lambda: trees.root(held)


def _commitments(full: int, small: int) -> Iterator[_Case]:
    n, windows = 1 << full, 16
    yield _Case(
        f"commit to 2^{full} field elements",
        lambda d: _one(d.commit, d, n),
        windows * n * (64 + 8),
        10 * windows * n,
    )
    n = 1 << small
    for bits in (12, 16):
        edge = 1 << (bits - 1)
        x = np.random.default_rng(2).integers(-edge, edge, (1, n)).astype(np.int16)
        yield _Case(
            f"commit to 2^{small} integers of {bits} bits",
            partial(_commitment, x=x),
            n * (64 + 10),
            10 * n,
        )


def _commitment(device: Any, x: Any) -> Callable[[], object]:
    held = device.hold(x)
    return lambda: device.commit_integers(held)


def _one(method: Callable[[Any], object], device: Any, n: int) -> Callable[[], object]:
    v = _vector(device, n)
    return lambda: method(v)


def _two(method: Callable[[Any, Any], object], device: Any, n: int) -> Callable[[], object]:
    a, b = _vector(device, n), _vector(device, n, 1)
    return lambda: method(a, b)


def _factors(method: Callable[[Any], object], device: Any, n: int, count: int) -> Callable[[], object]:
    factors = [_vector(device, n, k) for k in range(count)]
    return lambda: method(factors)


def _contraction(device: Any, x: Any, axis: int) -> Callable[[], object]:
    held, weights = device.hold(x), _vector(device, axis)
    return lambda: device.contract(held, weights)


def _tree(device: Any, n: int) -> Any:
    if isinstance(device, CudaDevice):
        device.thrift = GENEROUS
    rows = device.hold((np.arange(n, dtype=np.uint64) * 2654435761 % (1 << 16)).astype(np.uint32))
    return device.fraction_tree(rows, _vector(device, 1 << 16), [])


def _layer(device: Any, n: int, height: int) -> None:
    """A tree, and one layer's rounds."""
    point = scalars_of((n - 1).bit_length() - 1 - height)
    layer = _tree(device, n).layer(height, point, 3)
    layer.round()
    for left in reversed(range(len(point))):
        if left:
            layer.bind_round(left + 5)
    layer.bind(7)
    layer.finish()
