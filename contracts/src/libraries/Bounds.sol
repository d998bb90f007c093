// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Port} from "../types/Port.sol";

/// @notice Checks public values as signed integers against the bounds that a circuit declares for them.
/// @dev This comes before a value is embedded in a proof system's field. There x and x + p are the same element, so
/// that a check in the field, or none, would let a statement about x + p pass for one about x.
library Bounds {
    error WrongElementCount(uint256 expected, uint256 actual);
    error ValueOutOfBounds(uint256 index, int256 value, int256 lo, int256 hi);

    /// @notice Reverts unless there are exactly as many values as the header says.
    function requireCount(uint256 actual, uint256 expected) internal pure {
        if (actual != expected) revert WrongElementCount(expected, actual);
    }

    /// @notice Reverts unless values `from` to `to - 1` lie within the bound of `port`.
    function requireWithin(Port port, int256[] calldata values, uint256 from, uint256 to) internal pure {
        int256 lo = port.lo();
        int256 hi = port.hi();
        for (uint256 i = from; i < to; ++i) {
            int256 value = values[i];
            if (value < lo || value > hi) revert ValueOutOfBounds(i, value, lo, hi);
        }
    }
}
