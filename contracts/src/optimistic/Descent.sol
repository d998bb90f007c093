// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IDisputeTier} from "../interfaces/IDisputeTier.sol";
import {Subtree} from "./Subtree.sol";

/// @notice The geometry of the descent through a tree: which levels each reveal opens, and what it has to hash to.
/// All reveals open 4 levels but the first, which opens what is left over. The last one shows leaves instead of hashes.
library Descent {
    uint256 private constant LEVELS = 4;

    /// @notice How many reveals lead from the root of a tree to its leaves. A tree of one leaf takes one.
    function rounds(uint256 depth) internal pure returns (uint256) {
        unchecked {
            return depth == 0 ? 1 : (depth + LEVELS - 1) / LEVELS;
        }
    }

    /// @notice Whether the reveal of a level shows leaves.
    function isLast(uint256 depth, uint256 level) internal pure returns (bool) {
        unchecked {
            return level + 1 == rounds(depth);
        }
    }

    /// @notice How many levels the reveal of a level opens.
    function levels(uint256 depth, uint256 level) internal pure returns (uint256) {
        if (level != 0) return LEVELS;
        uint256 rest = depth % LEVELS;
        return rest == 0 && depth != 0 ? LEVELS : rest;
    }

    /// @notice The node that was revealed. Reverts unless it leads to `above`, the node that was revealed before, or, at
    /// level 0, is `above`, the root.
    function check(uint256 depth, uint256 level, uint256 position, bytes calldata nodes, bytes32 above)
        internal
        pure
        returns (bytes32 node)
    {
        bool last = isLast(depth, level);
        uint256 size = (last ? Subtree.LEAF_BYTES : 32) << levels(depth, level);
        unchecked {
            uint256 expected = level == 0 ? size : size + 32 * levels(depth, level - 1);
            if (nodes.length != expected) revert IDisputeTier.WrongLength(expected, nodes.length);
        }
        node = last ? Subtree.ofLeaves(nodes[:size]) : Subtree.ofHashes(nodes[:size]);
        bytes32 actual = Subtree.climb(node, position, nodes[size:]);
        if (actual != above) revert IDisputeTier.WrongNodes(above, actual);
    }
}
