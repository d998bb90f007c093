// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The Merkle tree over packed tensors that weights, trace and inputs share: leaves of 128 bytes,
/// leaf = keccak256(0x00 || leaf), node = keccak256(0x01 || left || right), the leaf count padded to a power of two
/// with leaves of 128 zero bytes. A tree of one leaf has depth 0.
library Merkle {
    uint256 internal constant LEAF_BYTES = 128;

    /// @notice Leaves that a tensor takes: it starts on a new leaf, and its last leaf is padded with zeros.
    function leavesOf(uint256 elements, uint256 width) internal pure returns (uint256) {
        return (elements * width + LEAF_BYTES - 1) / LEAF_BYTES;
    }

    /// @notice Hash of a leaf given as its four words.
    function hashLeaf(bytes32[4] memory leaf) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            // The free memory beyond the pointer may be dirty, so the prefix is written too.
            let buffer := mload(0x40)
            mstore8(buffer, 0)
            mcopy(add(buffer, 1), leaf, 128)
            digest := keccak256(buffer, 129)
        }
    }

    /// @notice Hash of an inner node.
    function hashNode(bytes32 left, bytes32 right) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore8(buffer, 1)
            mstore(add(buffer, 1), left)
            mstore(add(buffer, 33), right)
            digest := keccak256(buffer, 65)
        }
    }

    /// @notice Root over the hashes of at least one leaf. Overwrites `hashes`.
    function root(bytes32[] memory hashes) internal pure returns (bytes32) {
        bytes32[4] memory emptyLeaf;
        bytes32 padding = hashLeaf(emptyLeaf); // root of the all-zero subtree as high as the current level
        uint256 count = hashes.length;
        while (count > 1) {
            uint256 parents = (count + 1) / 2;
            for (uint256 i = 0; i < parents; ++i) {
                uint256 right = 2 * i + 1;
                hashes[i] = hashNode(hashes[2 * i], right < count ? hashes[right] : padding);
            }
            padding = hashNode(padding, padding);
            count = parents;
        }
        return hashes[0];
    }
}
