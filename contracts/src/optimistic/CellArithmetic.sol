// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What follows a cell's sum of products
/// @notice Of numbers that are small against 2^255: nothing overflows.
library CellArithmetic {
    /// @notice max(lo, min(hi, floor((sum * mul + half) / 2^shift))), half = 2^(shift - 1), or 0 if shift = 0.
    function rescale(int256 sum, uint256 mul, uint256 shift, int256 lo, int256 hi)
        internal
        pure
        returns (int256 value)
    {
        unchecked {
            value = (sum * int256(mul) + int256((1 << shift) >> 1)) >> shift;
            if (value > hi) value = hi;
            if (value < lo) value = lo;
        }
    }

    /// @notice floor(dividend / divisor), for a divisor of at least 1.
    function floorDivide(int256 dividend, int256 divisor) internal pure returns (int256 quotient) {
        unchecked {
            quotient = dividend / divisor;
            if (dividend < 0 && quotient * divisor != dividend) --quotient;
        }
    }
}
