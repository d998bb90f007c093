// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What a check of public values needs to know of one input or output tensor. It is the last word of the
/// port's entry in a circuit header: lo i64 | hi i64 | offset u64 | elements u64, big-endian.
type Port is uint256;

using PortLibrary for Port global;

library PortLibrary {
    /// @notice Lowest value that an element may take.
    function lo(Port self) internal pure returns (int256) {
        return int64(uint64(Port.unwrap(self) >> 192));
    }

    /// @notice Highest value that an element may take.
    function hi(Port self) internal pure returns (int256) {
        return int64(uint64(Port.unwrap(self) >> 128));
    }

    /// @notice First leaf in the input tree, for an input; index of the op record, for an output.
    function offset(Port self) internal pure returns (uint256) {
        return uint64(Port.unwrap(self) >> 64);
    }

    /// @notice Number of elements of the tensor.
    function elements(Port self) internal pure returns (uint256) {
        return uint64(Port.unwrap(self));
    }

    /// @notice Bytes that an element takes in a leaf: the smallest of 1, 2, 4 and 8 that holds [lo, hi].
    function width(Port self) internal pure returns (uint256) {
        int256 low = self.lo();
        int256 high = self.hi();
        if (low >= type(int8).min && high <= type(int8).max) return 1;
        if (low >= type(int16).min && high <= type(int16).max) return 2;
        if (low >= type(int32).min && high <= type(int32).max) return 4;
        return 8;
    }
}
