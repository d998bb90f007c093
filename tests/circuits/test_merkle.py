"""The native Merkle trees against a slow reference, written from the definition with eth_hash."""

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from circuits import _kernels
from circuits.errors import InputError
from circuits.merkle import LEAF_BYTES, MerkleTree, hash_leaves, merkle_roots, verify_opening


def random_bytes(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns), dtype=np.uint8)


def reference_levels(leaves: list[bytes], empty: bytes) -> list[list[bytes]]:
    """Every node of the padded tree, leaf hashes first, with no shortcut for the padding."""
    padded = list(leaves) or [empty]
    while len(padded) & (len(padded) - 1):
        padded.append(empty)
    levels = [[keccak(b"\x00" + leaf) for leaf in padded]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([keccak(b"\x01" + below[i] + below[i + 1]) for i in range(0, len(below), 2)])
    return levels


@pytest.mark.parametrize("instruction_set", _kernels.instruction_sets())
@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8, 9, 16, 31])
def test_hashes_equal_keccak_for_every_instruction_set_and_tail(instruction_set: str, count: int) -> None:
    leaves, pairs = random_bytes(count, 128), random_bytes(count, 64)
    got = _kernels.hash_leaves(leaves, instruction_set=instruction_set)
    assert [row.tobytes() for row in got] == [keccak(b"\x00" + leaf.tobytes()) for leaf in leaves]
    got = _kernels.hash_pairs(pairs, instruction_set=instruction_set)
    assert [row.tobytes() for row in got] == [keccak(b"\x01" + pair.tobytes()) for pair in pairs]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 40, 134, 135, 136, 137, 271, 272, 273, 1000])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_rows_of_any_length_are_hashed_as_they_are(count: int, size: int) -> None:
    rows = random_bytes(count, size)
    assert [row.tobytes() for row in _kernels.hash_rows(rows)] == [keccak(row.tobytes()) for row in rows]


def test_the_portable_code_is_always_there() -> None:
    assert _kernels.instruction_sets()[-1] == "portable"
    with pytest.raises(ValueError, match="instruction set 'sse9'"):
        _kernels.hash_leaves(random_bytes(1, 128), instruction_set="sse9")


@pytest.mark.parametrize("threads", [1, 2, 3, 64])
@pytest.mark.parametrize("count", [4095, 8192, 12_289, 20_003])
def test_threads_split_the_work_without_gap_or_overlap(threads: int, count: int) -> None:
    leaves = random_bytes(count, 128)
    got = hash_leaves(leaves, threads)
    assert np.array_equal(got, _kernels.hash_leaves(leaves, threads=1, instruction_set="portable"))


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 100])
def test_every_node_equals_the_reference(count: int) -> None:
    leaves = random_bytes(count, LEAF_BYTES)
    levels = reference_levels([leaf.tobytes() for leaf in leaves], bytes(LEAF_BYTES))
    tree = MerkleTree.of_leaves(leaves)
    assert tree.depth == len(levels) - 1
    assert tree.leaf_count == count
    for height, level in enumerate(levels):
        assert [tree.node(height, index) for index in range(len(level))] == level
    assert tree.root == levels[-1][0]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_record_trees_equal_the_reference(records: list[bytes]) -> None:
    assert MerkleTree.of_records(records).root == reference_levels(records, b"")[-1][0]


@given(st.integers(1, 40), st.data())
def test_openings_verify_and_altered_ones_do_not(count: int, data: st.DataObject) -> None:
    leaves = random_bytes(count, LEAF_BYTES, seed=count)
    tree = MerkleTree.of_leaves(leaves)
    index = data.draw(st.integers(0, (1 << tree.depth) - 1))
    leaf = leaves[index].tobytes() if index < count else bytes(LEAF_BYTES)
    leaf_hash = keccak(b"\x00" + leaf)
    siblings = tree.open(index)
    assert verify_opening(tree.root, tree.depth, index, leaf_hash, siblings)

    flipped = bytearray(b"".join([leaf_hash, *siblings]))
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= data.draw(st.integers(1, 255))
    parts = [bytes(flipped[i : i + 32]) for i in range(0, len(flipped), 32)]
    assert not verify_opening(tree.root, tree.depth, index, parts[0], parts[1:])
    assert not verify_opening(tree.root, tree.depth, index, leaf_hash, [*siblings, bytes(32)])
    assert not verify_opening(tree.root, tree.depth, index + (1 << tree.depth), leaf_hash, siblings)
    assert not verify_opening(tree.root, tree.depth, index - (1 << tree.depth), leaf_hash, siblings)
    if siblings:
        assert not verify_opening(tree.root, tree.depth, index, leaf_hash, siblings[:-1])
        # An inner node is no leaf: the shorter path from it must not pass for an opening.
        inner = tree.node(1, index >> 1)
        assert not verify_opening(tree.root, tree.depth, index >> 1, inner, siblings[1:])


def test_leaves_that_are_not_contiguous_are_hashed_as_they_read() -> None:
    wide = random_bytes(9, 2 * LEAF_BYTES)
    left = wide[:, :LEAF_BYTES]
    assert np.array_equal(hash_leaves(left), hash_leaves(left.copy()))


@pytest.mark.parametrize(
    "leaves",
    [
        np.zeros((2, 127), np.uint8),
        np.zeros((2, 128), np.int8),
        np.zeros(128, np.uint8),
        np.zeros((1, 2, 128), np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(leaves: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8"):
        MerkleTree.of_leaves(leaves)
    with pytest.raises(InputError, match="uint8"):
        MerkleTree(leaves)


@pytest.mark.parametrize(("height", "index"), [(-1, 0), (4, 0), (0, 8), (0, -1), (3, 1)])
def test_nodes_outside_the_tree_are_refused(height: int, index: int) -> None:
    tree = MerkleTree.of_leaves(random_bytes(5, LEAF_BYTES))
    with pytest.raises(InputError, match="depth 3"):
        tree.node(height, index)
    with pytest.raises(InputError, match="depth 3"):
        tree.open(8)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("trees", [1, 4])
def test_roots_of_many_trees_are_those_of_each(trees: int, count: int) -> None:
    leaves = random_bytes(trees * count, LEAF_BYTES).reshape(trees, count, LEAF_BYTES)
    roots = merkle_roots(leaves)
    assert roots.shape == (trees, 32)
    assert [root.tobytes() for root in roots] == [MerkleTree.of_leaves(one).root for one in leaves]
