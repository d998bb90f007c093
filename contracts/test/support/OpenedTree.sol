// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A Merkle tree with all its nodes, and openings of it, written as docs/trace.md reads: node by node.
/// @param leaves Of 128 bytes; their number is a power of two.
/// @param levels The hashes, from the leaves up.
struct OpenedTree {
    bytes[] leaves;
    bytes32[][] levels;
}

using OpenedTrees for OpenedTree global;

library OpenedTrees {
    function build(bytes[] memory leaves) internal pure returns (OpenedTree memory tree) {
        uint256 top = 0;
        while (1 << top < leaves.length) ++top;
        tree.leaves = leaves;
        tree.levels = new bytes32[][](top + 1);
        tree.levels[0] = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            tree.levels[0][i] = keccak256(bytes.concat(hex"00", leaves[i]));
        }
        for (uint256 height = 1; height <= top; ++height) {
            bytes32[] memory below = tree.levels[height - 1];
            bytes32[] memory level = new bytes32[](below.length / 2);
            for (uint256 i = 0; i < level.length; ++i) {
                level[i] = keccak256(bytes.concat(hex"01", below[2 * i], below[2 * i + 1]));
            }
            tree.levels[height] = level;
        }
    }

    /// @notice Leaves of bytes that follow from a seed.
    function random(uint256 seed, uint256 count) internal pure returns (OpenedTree memory) {
        bytes[] memory leaves = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = abi.encode(
                keccak256(abi.encode(seed, i, 0)),
                keccak256(abi.encode(seed, i, 1)),
                keccak256(abi.encode(seed, i, 2)),
                keccak256(abi.encode(seed, i, 3))
            );
        }
        return build(leaves);
    }

    function depth(OpenedTree memory self) internal pure returns (uint256) {
        return self.levels.length - 1;
    }

    function root(OpenedTree memory self) internal pure returns (bytes32) {
        return self.levels[depth(self)][0];
    }

    /// @notice Opens the marked leaves.
    /// @param shift How many leaves are in front of the tree, if it is part of a larger one.
    function open(OpenedTree memory self, bool[] memory marked, uint256 shift)
        internal
        pure
        returns (bytes memory opening)
    {
        uint16 ranges = 0;
        bytes memory head;
        bytes memory data;
        for (uint256 i = 0; i < marked.length; ++i) {
            if (!marked[i] || (i != 0 && marked[i - 1])) continue;
            uint256 end = i;
            for (; end < marked.length && marked[end]; ++end) {
                data = bytes.concat(data, self.leaves[end]);
            }
            head = bytes.concat(head, abi.encodePacked(uint48(shift + i), uint16(end - i)));
            ++ranges;
        }
        opening = bytes.concat(abi.encodePacked(ranges), head, data);
        if (ranges == 0) return opening;
        for (uint256 height = 0; height + 1 < self.levels.length; ++height) {
            bool[] memory above = new bool[](marked.length / 2);
            for (uint256 i = 0; i < marked.length; ++i) {
                above[i / 2] = above[i / 2] || marked[i];
                bool wanted = !marked[i] && marked[i ^ 1];
                if (wanted) opening = bytes.concat(opening, self.levels[height][i]);
            }
            marked = above;
        }
    }
}
