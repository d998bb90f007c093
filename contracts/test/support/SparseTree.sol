// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A Merkle tree of any depth of which a few leaves are given, rising; all others are `empty`.
struct SparseTree {
    uint256 depth;
    uint256[] places;
    bytes[] leaves;
    bytes empty;
    bytes32[] emptyNodes;
}

using SparseTreeLibrary for SparseTree global;

/// @notice Large trees for tests: roots, reveals and openings as docs/trace.md defines them.
library SparseTreeLibrary {
    /// @notice A tree none of whose leaves is given yet.
    function make(uint256 depth, bytes memory empty) internal pure returns (SparseTree memory tree) {
        tree.depth = depth;
        tree.empty = empty;
        tree.emptyNodes = new bytes32[](depth + 1);
        tree.emptyNodes[0] = keccak256(bytes.concat(hex"00", empty));
        for (uint256 i = 1; i <= depth; ++i) {
            tree.emptyNodes[i] = keccak256(bytes.concat(hex"01", tree.emptyNodes[i - 1], tree.emptyNodes[i - 1]));
        }
    }

    /// @notice Gives leaves from `first` on, behind those that are there. `data` is cut into leaves of 128 bytes.
    function put(SparseTree memory self, uint256 first, bytes memory data) internal pure {
        for (uint256 i = 0; i < data.length; i += 128) {
            bytes memory leaf = new bytes(128);
            for (uint256 j = 0; j < 128 && i + j < data.length; ++j) {
                leaf[j] = data[i + j];
            }
            self.putLeaf(first + i / 128, leaf);
        }
    }

    /// @notice Gives one leaf, of any length.
    function putLeaf(SparseTree memory self, uint256 place, bytes memory leaf) internal pure {
        uint256 count = self.places.length;
        uint256[] memory places = new uint256[](count + 1);
        bytes[] memory leaves = new bytes[](count + 1);
        for (uint256 i = 0; i < count; ++i) {
            (places[i], leaves[i]) = (self.places[i], self.leaves[i]);
        }
        (places[count], leaves[count]) = (place, leaf);
        (self.places, self.leaves) = (places, leaves);
    }

    function root(SparseTree memory self) internal pure returns (bytes32) {
        return self.node(self.depth, 0);
    }

    function node(SparseTree memory self, uint256 height, uint256 place) internal pure returns (bytes32) {
        for (uint256 i = 0; i < self.places.length; ++i) {
            if (self.places[i] >> height != place) continue;
            if (height == 0) return keccak256(bytes.concat(hex"00", self.leaves[i]));
            bytes32 left = self.node(height - 1, 2 * place);
            return keccak256(bytes.concat(hex"01", left, self.node(height - 1, 2 * place + 1)));
        }
        return self.emptyNodes[height];
    }

    function leafAt(SparseTree memory self, uint256 place) internal pure returns (bytes memory) {
        for (uint256 i = 0; i < self.places.length; ++i) {
            if (self.places[i] == place) return self.leaves[i];
        }
        return self.empty;
    }

    /// @notice A leaf and the siblings that lead `count` levels up from it.
    function path(SparseTree memory self, uint256 place, uint256 count) internal pure returns (bytes memory opened) {
        return bytes.concat(self.leafAt(place), self.siblings(0, place, count));
    }

    /// @notice The siblings that lead `count` levels up from a node.
    function siblings(SparseTree memory self, uint256 height, uint256 place, uint256 count)
        internal
        pure
        returns (bytes memory found)
    {
        for (uint256 i = 0; i < count; ++i) {
            found = bytes.concat(found, self.node(height + i, (place >> i) ^ 1));
        }
    }

    /// @notice What a reveal shows of the node at a height: what lies at height `below`, and the siblings that lead up to
    /// height `above`.
    function revealed(SparseTree memory self, uint256 above, uint256 height, uint256 below, uint256 place)
        internal
        pure
        returns (bytes memory shown)
    {
        uint256 count = 1 << (height - below);
        for (uint256 i = place * count; i < (place + 1) * count; ++i) {
            shown = below == 0 ? bytes.concat(shown, self.leafAt(i)) : bytes.concat(shown, self.node(below, i));
        }
        return bytes.concat(shown, self.siblings(height, place, above - height));
    }

    /// @notice An opening of ranges of leaves, which rise and leave leaves between them.
    function opening(SparseTree memory self, uint256[] memory firsts, uint256[] memory counts)
        internal
        pure
        returns (bytes memory opened)
    {
        opened = abi.encodePacked(uint16(firsts.length));
        if (firsts.length == 0) return opened;
        uint256[] memory lows = new uint256[](firsts.length);
        uint256[] memory highs = new uint256[](firsts.length);
        bytes memory leaves;
        for (uint256 i = 0; i < firsts.length; ++i) {
            opened = abi.encodePacked(opened, uint48(firsts[i]), uint16(counts[i]));
            (lows[i], highs[i]) = (firsts[i], firsts[i] + counts[i] - 1);
            for (uint256 place = lows[i]; place <= highs[i]; ++place) {
                leaves = bytes.concat(leaves, self.leafAt(place));
            }
        }
        opened = bytes.concat(opened, leaves);
        uint256 runs = firsts.length;
        for (uint256 height = 0; height < self.depth; ++height) {
            for (uint256 i = 0; i < runs; ++i) {
                if (lows[i] % 2 == 1) opened = bytes.concat(opened, self.node(height, lows[i] - 1));
                if (highs[i] % 2 == 0) opened = bytes.concat(opened, self.node(height, highs[i] + 1));
            }
            uint256 merged = 0;
            for (uint256 i = 0; i < runs; ++i) {
                (uint256 low, uint256 high) = (lows[i] / 2, highs[i] / 2);
                if (i > 0 && low <= highs[merged - 1] + 1) {
                    highs[merged - 1] = high;
                } else {
                    (lows[merged], highs[merged]) = (low, high);
                    ++merged;
                }
            }
            runs = merged;
        }
    }
}
