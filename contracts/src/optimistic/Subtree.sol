// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Hashes whole subtrees of a Merkle tree, and climbs from a node, with all nodes in calldata.
/// leaf = keccak256(0x00 || leaf), node = keccak256(0x01 || left || right).
/// @dev The byte in front of what is hashed is overwritten with the prefix: it belongs to what has been hashed already.
library Subtree {
    uint256 internal constant LEAF_BYTES = 128;

    /// @notice Root over a power of two of hashes.
    function ofHashes(bytes calldata hashes) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let base := add(mload(0x40), 32)
            let end := add(base, hashes.length)
            calldatacopy(base, hashes.offset, hashes.length)
            for {} gt(sub(end, base), 32) {} {
                let to := base
                for { let from := base } lt(from, end) { from := add(from, 64) } {
                    mstore8(sub(from, 1), 1)
                    mstore(to, keccak256(sub(from, 1), 65))
                    to := add(to, 32)
                }
                end := to
            }
            root := mload(base)
        }
    }

    /// @notice Root over a power of two of leaves.
    function ofLeaves(bytes calldata leaves) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let base := add(mload(0x40), 32)
            let end := add(base, leaves.length)
            calldatacopy(base, leaves.offset, leaves.length)
            let to := base
            for { let from := base } lt(from, end) { from := add(from, LEAF_BYTES) } {
                mstore8(sub(from, 1), 0)
                mstore(to, keccak256(sub(from, 1), add(LEAF_BYTES, 1)))
                to := add(to, 32)
            }
            end := to
            for {} gt(sub(end, base), 32) {} {
                to := base
                for { let from := base } lt(from, end) { from := add(from, 64) } {
                    mstore8(sub(from, 1), 1)
                    mstore(to, keccak256(sub(from, 1), 65))
                    to := add(to, 32)
                }
                end := to
            }
            root := mload(base)
        }
    }

    /// @notice Hash of a leaf of any length.
    function ofLeaf(bytes calldata leaf) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore8(buffer, 0)
            calldatacopy(add(buffer, 1), leaf.offset, leaf.length)
            digest := keccak256(buffer, add(leaf.length, 1))
        }
    }

    /// @notice The node above `node` that the siblings, in climbing order, lead to. `index` is the place of `node` from the
    /// left at its height; only as many of its bits count as there are siblings.
    function climb(bytes32 node, uint256 index, bytes calldata siblings) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore8(buffer, 1)
            let left := add(buffer, 1)
            let right := add(buffer, 33)
            let end := add(siblings.offset, siblings.length)
            for { let from := siblings.offset } lt(from, end) { from := add(from, 32) } {
                switch and(index, 1)
                case 0 {
                    mstore(left, node)
                    mstore(right, calldataload(from))
                }
                default {
                    mstore(left, calldataload(from))
                    mstore(right, node)
                }
                node := keccak256(buffer, 65)
                index := shr(1, index)
            }
            root := node
        }
    }
}
