"""Merkle trees over what lies in a GPU's memory have the roots of `circuits.merkle`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Port
from circuits.errors import BoundError, InputError
from circuits.merkle import HASH_BYTES, LEAF_BYTES, MerkleTree, hash_leaves
from circuits.packing import empty_leaves, pack
from circuits.records import leaves_of
from circuits.trace import Trace
from prover.cuda.driver import Driver
from prover.cuda.kernels import Kernels
from prover.cuda.merkle import Merkle
from prover.cuda.trace import Committer
from tests.budget import examples
from tests.circuits.random_circuits import circuits, random_sample, samples
from tests.circuits.test_splitting import CASES as SPLIT
from tests.prover.circuits_to_prove import BUILDS
from tests.prover.cuda.test_device import integers
from tests.prover.sumcheck.corner_circuits import CORNERS
from tests.prover.sumcheck.test_operations import circuit_called
from tests.prover.sumcheck.trials import random_inputs

TYPES = [np.int8, np.int16, np.int32, np.int64]
SETTINGS = settings(
    max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class Watched:
    """A driver that notes what comes back, and refuses what a GPU cannot load.

    A thread of a GPU loads a word from a multiple of the word's size, or the kernel fails; a processor does
    not mind.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver, self.downloaded = driver, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def launch(self, unit: str, kernel: str, blocks: int, *arguments: Any) -> None:
        if unit == "merkle":
            cells, *nodes = (self._driver.address(x) for x in arguments if not isinstance(x, int))
            assert cells % 8 == 0
            assert all(address % 16 == 0 for address in nodes)
        self._driver.launch(unit, kernel, blocks, *arguments)

    def download(self, array: Any) -> Any:
        made = self._driver.download(array)
        self.downloaded += made.nbytes
        return made


@pytest.fixture
def watched(driver: Driver) -> Watched:
    """The driver, watched."""
    return Watched(driver)


def packed(values: np.ndarray) -> np.ndarray:
    """A tensor's leaves."""
    leaves = empty_leaves(leaves_of(values.size, values.dtype.itemsize))
    pack(leaves, 0, values.dtype.itemsize, values)
    return leaves


def assert_hashed(driver: Watched, cells: Any, expected: np.ndarray) -> None:
    """Check a tensor's leaf hashes between others that are to stay as they are, and its root."""
    merkle, leaves = Merkle(Kernels(driver)), packed(expected)
    hashes = merkle.hashes(len(leaves) + 3)
    hashes[...] = 7
    merkle.hash_tensor(cells, hashes, 2)
    made = driver.download(hashes)
    assert (made[:2] == 7).all()
    assert (made[-1:] == 7).all()
    assert made[2:-1].tobytes() == hash_leaves(leaves).tobytes()
    assert merkle.root(hashes[2:-1]) == MerkleTree.of_leaves(leaves).root


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("leaves", [1, 2, 3, 255, 256, 257, 511, 512, 513, 1030])
def test_tensors_of_so_many_leaves(watched: Watched, leaves: int, dtype: Any) -> None:
    of_leaf = LEAF_BYTES // dtype().itemsize
    for missing in (0, 1, of_leaf // 2 + 1, of_leaf - 1):
        values = integers((leaves * of_leaf - missing,), dtype)
        assert_hashed(watched, watched.upload(values), values)


@SETTINGS
@given(size=st.integers(1, 5000), dtype=st.sampled_from(TYPES))
def test_tensors_of_any_size(driver: Driver, size: int, dtype: Any) -> None:
    values = integers((size,), dtype)
    watched = Watched(driver)
    assert_hashed(watched, watched.upload(values), values)


@pytest.mark.parametrize("dtype", TYPES)
def test_tensors_that_are_parts_of_others_or_lie_in_another_order(watched: Watched, dtype: Any) -> None:
    values = integers((9, 7, 33), dtype)
    held = watched.upload(values)
    for index in ((slice(1, None),), (slice(2, 3), slice(3, 5)), (..., slice(None, None, 2)), (0, 0, 1)):
        part = np.atleast_1d(values[index])
        assert_hashed(watched, held[index], part)
    assert_hashed(watched, held.transpose(2, 0, 1), values.transpose(2, 0, 1))
    assert_hashed(watched, watched.xp.broadcast_to(held[:1], (4, 7, 33)), np.repeat(values[:1], 4, axis=0))


@pytest.mark.parametrize("count", [*range(10), 511, 512, 513, 1023, 1024, 1025, 1536, 2047, 2049, 3000])
def test_trees_of_so_many_leaves(watched: Watched, count: int) -> None:
    hashes = np.random.default_rng(count).integers(0, 256, (count, HASH_BYTES), dtype=np.uint8)
    merkle, expected = Merkle(Kernels(watched)), MerkleTree(hashes).root
    watched.downloaded = 0
    assert merkle.root(watched.upload(hashes.view(np.uint64))) == expected
    assert watched.downloaded <= HASH_BYTES  # none for no leaves


def assert_commits(driver: Driver, circuit: Circuit, inputs: list[np.ndarray]) -> None:
    """Check a commitment against the trace."""
    made, expected = Committer(Watched(driver)).commit(circuit, inputs), Trace.of(circuit, inputs).commitment
    assert made.root == expected.root
    assert made.input_commitment == expected.input_commitment
    for mine, theirs in zip(made.outputs, expected.outputs, strict=True):
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("name", [*BUILDS, *CORNERS])
def test_a_circuit_is_committed_to_as_its_trace(driver: Driver, name: str) -> None:
    circuit = circuit_called(name)
    assert_commits(driver, circuit, random_inputs(circuit, 1, seed=3))


@SETTINGS
@given(data=st.data())
def test_a_random_circuit_is_committed_to_as_its_trace(driver: Driver, data: st.DataObject) -> None:
    circuit = data.draw(circuits(most_nodes=20))
    assert_commits(driver, circuit, data.draw(samples(circuit)))


@pytest.mark.parametrize("case", SPLIT, ids=lambda case: case.__name__)
def test_tensors_that_no_node_yields_are_committed_to(driver: Driver, case: Callable[[], Circuit]) -> None:
    circuit = case()
    assert None in circuit.identity.plan.nodes
    assert_commits(driver, circuit, random_sample(circuit, 1))


def test_tensors_stay_on_the_gpu(watched: Watched) -> None:
    b = CircuitBuilder()
    x = b.input("x", (1, 2000), -100, 100, 1.0, "int")
    rng = np.random.default_rng(0)
    hidden = b.add("matmul", [x, b.constant(rng.integers(-9, 9, (2000, 3000)))])
    hidden = b.add("rescale", [hidden], mul=1, shift=4, lo=0, hi=3000)
    y = b.add("matmul", [hidden, b.constant(rng.integers(-9, 9, (3000, 3)))])
    circuit = b.build([Port("y", y, 1.0, "int")], {})
    made = Committer(watched).commit(circuit, random_inputs(circuit, 1, seed=3))
    assert circuit.identity.plan.trace_leaves * LEAF_BYTES >= 6000
    assert watched.downloaded == 2 * HASH_BYTES + sum(output.nbytes for output in made.outputs)


def test_what_does_not_fit_the_circuit_is_refused(driver: Driver) -> None:
    circuit = circuit_called("attention")
    committer = Committer(driver)
    with pytest.raises(InputError, match="one sample"):
        committer.commit(circuit, random_inputs(circuit, 2, seed=3))
    with pytest.raises(BoundError):
        committer.commit(circuit, [np.full(x.shape, 10**9) for x in random_inputs(circuit, 1, seed=3)])
