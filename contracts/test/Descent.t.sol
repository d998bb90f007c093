// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IDisputeTier} from "../src/interfaces/IDisputeTier.sol";
import {Descent} from "../src/optimistic/Descent.sol";
import {Subtree} from "../src/optimistic/Subtree.sol";
import {PlainTree, PlainTreeLibrary} from "./support/PlainTree.sol";
import {Test} from "./support/Test.sol";

/// @notice Hashing subtrees and descending through trees, against trees built plainly.
contract DescentTest is Test {
    function ofHashes(bytes calldata hashes) external pure returns (bytes32) {
        return Subtree.ofHashes(hashes);
    }

    function ofLeaves(bytes calldata leaves) external pure returns (bytes32) {
        return Subtree.ofLeaves(leaves);
    }

    function ofLeaf(bytes calldata leaf) external pure returns (bytes32) {
        return Subtree.ofLeaf(leaf);
    }

    function climb(bytes32 node, uint256 index, bytes calldata siblings) external pure returns (bytes32) {
        return Subtree.climb(node, index, siblings);
    }

    function check(uint256 depth, uint256 level, uint256 position, bytes calldata nodes, bytes32 above)
        external
        pure
        returns (bytes32)
    {
        return Descent.check(depth, level, position, nodes, above);
    }

    function testFuzz_subtree_isThePlainTree(bytes32 seed, uint256 depth) public view {
        depth = bound(depth, 0, 5);
        PlainTree memory tree = _tree(seed, depth);
        bytes memory leaves;
        bytes memory hashes;
        for (uint256 i = 0; i < 1 << depth; ++i) {
            leaves = bytes.concat(leaves, tree.leaves[i]);
            hashes = bytes.concat(hashes, tree.nodes[0][i]);
        }
        vm.assertEq(this.ofLeaves(leaves), tree.root());
        vm.assertEq(this.ofHashes(hashes), tree.root());
    }

    function testFuzz_ofLeaf(bytes calldata leaf) public view {
        vm.assertEq(this.ofLeaf(leaf), keccak256(bytes.concat(hex"00", leaf)));
    }

    /// @dev From any node any number of levels up; bits of the place above these do not count.
    function testFuzz_climb(bytes32 seed, uint256 height, uint256 place, uint256 count, uint256 high) public view {
        PlainTree memory tree = _tree(seed, 6);
        height = bound(height, 0, 6);
        place = bound(place, 0, (1 << (6 - height)) - 1);
        count = bound(count, 0, 6 - height);
        bytes memory siblings = tree.siblings(height, place, count);
        bytes32 above = tree.nodes[height + count][place >> count];
        uint256 index = place & ((1 << count) - 1) | (high >> count << count);
        vm.assertEq(this.climb(tree.nodes[height][place], index, siblings), above);
    }

    function test_geometry() public pure {
        uint256[2][12] memory expected = [
            [uint256(0), 1],
            [uint256(1), 1],
            [uint256(2), 1],
            [uint256(3), 1],
            [uint256(4), 1],
            [uint256(5), 2],
            [uint256(8), 2],
            [uint256(9), 3],
            [uint256(20), 5],
            [uint256(33), 9],
            [uint256(35), 9],
            [uint256(36), 9]
        ];
        for (uint256 i = 0; i < expected.length; ++i) {
            (uint256 depth, uint256 rounds) = (expected[i][0], expected[i][1]);
            vm.assertEq(Descent.rounds(depth), rounds);
            uint256 height = depth;
            for (uint256 level = 0; level < rounds; ++level) {
                vm.assertEq(height, PlainTreeLibrary.heightAt(depth, level));
                height -= Descent.levels(depth, level);
                vm.assertTrue(Descent.isLast(depth, level) == (height == 0));
            }
            vm.assertEq(height, 0);
        }
    }

    /// @dev Every reveal on the way to any leaf shows the node below the one before.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_check_descends(bytes32 seed, uint256 depth, uint256 leaf) public view {
        depth = bound(depth, 0, 9);
        PlainTree memory tree = _tree(seed, depth);
        leaf = bound(leaf, 0, (1 << depth) - 1);
        bytes32 above = tree.root();
        for (uint256 level = 0; level < PlainTreeLibrary.rounds(depth); ++level) {
            uint256 height = PlainTreeLibrary.heightAt(depth, level);
            uint256 place = leaf >> height;
            bytes32 node = this.check(depth, level, place, tree.revealed(level, place), above);
            vm.assertEq(node, tree.nodes[height][place]);
            above = node;
        }
    }

    /// @dev No byte can be another, none can be missing, and no place but its own takes a reveal.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_check_refusesAllElse(bytes32 seed, uint256 depth, uint256 leaf, uint256 where) public {
        depth = bound(depth, 5, 9);
        PlainTree memory tree = _tree(seed, depth);
        leaf = bound(leaf, 0, (1 << depth) - 1);
        uint256 level = where % PlainTreeLibrary.rounds(depth);
        uint256 height = PlainTreeLibrary.heightAt(depth, level);
        uint256 place = leaf >> height;
        uint256 up = level == 0 ? depth : PlainTreeLibrary.heightAt(depth, level - 1);
        bytes32 above = tree.nodes[up][leaf >> up];
        bytes memory nodes = tree.revealed(level, place);
        uint256 position = (where >> 8) % nodes.length;

        nodes[position] ^= bytes1(uint8(1 << where % 8));
        vm.expectPartialRevert(IDisputeTier.WrongNodes.selector);
        this.check(depth, level, place, nodes, above);
        nodes[position] ^= bytes1(uint8(1 << where % 8));
        vm.expectRevert(abi.encodeWithSelector(IDisputeTier.WrongLength.selector, nodes.length, nodes.length + 1));
        this.check(depth, level, place, bytes.concat(nodes, hex"00"), above);
        vm.assertEq(this.check(depth, level, place, nodes, above), tree.nodes[height][place]);
        if (level == 0) return;
        vm.expectPartialRevert(IDisputeTier.WrongNodes.selector);
        this.check(depth, level, place ^ 1, nodes, above);
    }

    /// @dev A node never passes for a leaf, nor a leaf for a node: their hashes begin differently.
    function testFuzz_leavesAreNoNodes(bytes32 left, bytes32 right) public view {
        bytes memory pair = bytes.concat(left, right);
        vm.assertNotEq(this.ofLeaf(pair), this.ofHashes(pair));
        vm.assertEq(this.ofHashes(pair), keccak256(bytes.concat(hex"01", pair)));
    }

    function _tree(bytes32 seed, uint256 depth) private pure returns (PlainTree memory) {
        bytes[] memory leaves = new bytes[](1 << depth);
        for (uint256 i = 0; i < leaves.length; ++i) {
            bytes32 word = keccak256(abi.encode(seed, i));
            leaves[i] = abi.encode(word, i, ~word, seed);
        }
        return PlainTreeLibrary.over(leaves);
    }
}
