// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ReferenceTree} from "./ReferenceTree.sol";

/// @notice A Merkle tree with all that is in it: the leaves, and the nodes by height and place.
struct PlainTree {
    bytes[] leaves;
    bytes32[][] nodes;
}

using PlainTreeLibrary for PlainTree global;

/// @notice Trees as docs/trace.md defines them, and the parts of them that moves show.
library PlainTreeLibrary {
    uint256 private constant LEAF_BYTES = 128;

    /// @notice The tree over leaves of 128 bytes, padded with leaves of zeros.
    function overLeaves(bytes memory data, uint256 depth) internal pure returns (PlainTree memory) {
        bytes[] memory leaves = new bytes[](1 << depth);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = LEAF_BYTES * i < data.length
                ? ReferenceTree.slice(data, LEAF_BYTES * i, LEAF_BYTES)
                : new bytes(LEAF_BYTES);
        }
        return over(leaves);
    }

    /// @notice The tree over a power of two of leaves of any length.
    function over(bytes[] memory leaves) internal pure returns (PlainTree memory tree) {
        uint256 depth = 0;
        while (1 << depth < leaves.length) ++depth;
        tree.leaves = leaves;
        tree.nodes = new bytes32[][](depth + 1);
        tree.nodes[0] = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            tree.nodes[0][i] = keccak256(bytes.concat(hex"00", leaves[i]));
        }
        for (uint256 height = 1; height <= depth; ++height) {
            bytes32[] memory below = tree.nodes[height - 1];
            tree.nodes[height] = new bytes32[](below.length / 2);
            for (uint256 i = 0; i < below.length / 2; ++i) {
                tree.nodes[height][i] = keccak256(bytes.concat(hex"01", below[2 * i], below[2 * i + 1]));
            }
        }
    }

    function depthOf(PlainTree memory self) internal pure returns (uint256) {
        return self.nodes.length - 1;
    }

    function root(PlainTree memory self) internal pure returns (bytes32) {
        return self.nodes[self.nodes.length - 1][0];
    }

    /// @notice The siblings that lead `count` levels up from a node.
    function siblings(PlainTree memory self, uint256 height, uint256 place, uint256 count)
        internal
        pure
        returns (bytes memory path)
    {
        for (uint256 i = 0; i < count; ++i) {
            path = bytes.concat(path, self.nodes[height + i][(place >> i) ^ 1]);
        }
    }

    /// @notice A leaf and the siblings that lead `count` levels up from it.
    function opening(PlainTree memory self, uint256 leaf, uint256 count) internal pure returns (bytes memory) {
        return bytes.concat(self.leaves[leaf], self.siblings(0, leaf, count));
    }

    /// @notice How many reveals a descent takes.
    function rounds(uint256 depth) internal pure returns (uint256) {
        return depth < 5 ? 1 : (depth + 3) / 4;
    }

    /// @notice The height of the disputed node after `level` rounds. It falls by 4 in every round but the first.
    function heightAt(uint256 depth, uint256 level) internal pure returns (uint256) {
        return level == 0 ? depth : 4 * (rounds(depth) - level);
    }

    /// @notice What a reveal of the node at a level and place shows.
    function revealed(PlainTree memory self, uint256 level, uint256 place) internal pure returns (bytes memory shown) {
        uint256 depth = self.depthOf();
        uint256 height = heightAt(depth, level);
        uint256 below = heightAt(depth, level + 1);
        uint256 count = 1 << (height - below);
        for (uint256 i = place * count; i < (place + 1) * count; ++i) {
            shown = below == 0 ? bytes.concat(shown, self.leaves[i]) : bytes.concat(shown, self.nodes[below][i]);
        }
        if (level == 0) return shown;
        return bytes.concat(shown, self.siblings(height, place, heightAt(depth, level - 1) - height));
    }

    /// @notice The leftmost child, of the node at a level and place, in which two trees differ; 0 if they are the same.
    function firstDifference(PlainTree memory self, PlainTree memory other, uint256 level, uint256 place)
        internal
        pure
        returns (uint256)
    {
        uint256 below = heightAt(self.depthOf(), level + 1);
        uint256 count = 1 << (heightAt(self.depthOf(), level) - below);
        for (uint256 i = 0; i < count; ++i) {
            if (self.nodes[below][place * count + i] != other.nodes[below][place * count + i]) return i;
        }
        return 0;
    }
}
