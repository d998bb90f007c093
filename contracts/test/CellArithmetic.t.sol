// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CellArithmetic} from "../src/optimistic/CellArithmetic.sol";
import {Test} from "./support/Test.sol";

/// @notice The arithmetic behind a cell's sum. `make proofs` has halmos prove what is named `check_` for all arguments in
/// the bounds that op records keep (docs/trace.md); forge tries it at random. Division by a variable is beyond its
/// solvers: all pairs of bytes are tried, and random numbers of every length.
contract CellArithmeticTest is Test {
    int256 private constant LOWEST = -(1 << 245);
    int256 private constant HIGHEST = 1 << 245;

    /// @dev The scaled sum is one argument, so that the proof need not multiply.
    function check_rescale(int256 scaled, uint8 shift, int64 lo, int64 hi) public pure {
        if (scaled <= LOWEST || scaled >= HIGHEST || shift > 62 || lo > hi) return;
        _checkRescale(scaled, 1, shift, lo, hi);
    }

    function testFuzz_rescale(int256 sum, uint64 mul, uint8 shift, int64 lo, int64 hi) public pure {
        mul = uint64(bound(uint256(mul), 1, (1 << 63) - 1));
        shift = uint8(bound(uint256(shift), 0, 62));
        (lo, hi) = lo < hi ? (lo, hi) : (hi, lo);
        sum = bound(sum, -(1 << 182), 1 << 182) >> (uint256(sum) % 180); // of every magnitude
        _checkRescale(sum, mul, shift, lo, hi);
    }

    function testFuzz_floorDivide(int256 dividend, int256 divisor) public pure {
        dividend = bound(dividend, LOWEST, HIGHEST) >> (uint256(dividend) % 240);
        divisor = bound(divisor, 1, HIGHEST) >> (uint256(divisor) % 240);
        if (divisor != 0) _checkFloorDivide(dividend, divisor);
    }

    function test_floorDivide_bytes() public pure {
        for (int256 divisor = 1; divisor <= 127; ++divisor) {
            for (int256 dividend = -128; dividend <= 127; ++dividend) {
                _checkFloorDivide(dividend, divisor);
            }
        }
    }

    /// @dev Halves are rounded up, whatever their sign.
    function test_rescale_halves() public pure {
        vm.assertEq(CellArithmetic.rescale(-3, 1, 1, -9, 9), -1);
        vm.assertEq(CellArithmetic.rescale(-1, 1, 1, -9, 9), 0);
        vm.assertEq(CellArithmetic.rescale(1, 1, 1, -9, 9), 1);
        vm.assertEq(CellArithmetic.rescale(-1, 1, 0, -9, 9), -1);
        vm.assertEq(CellArithmetic.rescale(-5, 3, 2, -9, 9), -4);
        vm.assertEq(
            CellArithmetic.rescale(1 << 181, (1 << 63) - 1, 62, type(int64).min, type(int64).max), type(int64).max
        );
        vm.assertEq(CellArithmetic.rescale(-(1 << 181), (1 << 63) - 1, 0, type(int64).min, 5), type(int64).min);
    }

    /// @dev floor is the only q with q * 2^shift <= x < (q + 1) * 2^shift.
    function _checkRescale(int256 sum, uint256 mul, uint256 shift, int256 lo, int256 hi) private pure {
        int256 value = CellArithmetic.rescale(sum, mul, shift, lo, hi);
        int256 rounded = sum * int256(mul) + (shift == 0 ? int256(0) : int256(1 << (shift - 1)));
        assert(lo <= value && value <= hi);
        if (value > lo) assert(value << shift <= rounded);
        if (value < hi) assert(rounded < (value + 1) << shift);
    }

    /// @dev floor is the only q with q * divisor <= dividend < (q + 1) * divisor.
    function _checkFloorDivide(int256 dividend, int256 divisor) private pure {
        int256 quotient = CellArithmetic.floorDivide(dividend, divisor);
        assert(quotient * divisor <= dividend && dividend - quotient * divisor < divisor);
    }
}
