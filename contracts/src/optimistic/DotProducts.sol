// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Loops over elements that lie in the calldata at equal distances
/// @notice `place` is the place of the first element, `step` the distance in bytes, and `sar_` by how many bits a word that
/// begins with an element is shifted to be the element: 256 less its width. Everything wraps; op records are such that
/// nothing does.
library DotProducts {
    uint256 private constant SIGNS = 0x8000800080008000800080008000800080008000800080008000800080008000;
    uint256 private constant EVEN = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant FOURTH = 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff;
    uint256 private constant LIMB_1 = 0xffffffffffffffff0000000000000000;
    uint256 private constant LOW_HALVES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant LOW_LIMB = 0xffffffffffffffff;

    /// @notice Elements that `contiguous16` takes at most.
    uint256 internal constant MOST = 1 << 17;

    /// @notice The sum of the products of `count` neighbouring pairs of two-byte elements, at most `MOST`.
    ///
    /// Four products by one multiplication: with X = sum x_i 2^(64 i) and Y = sum y_i 2^(-64 i), the lowest of the four
    /// 64-bit limbs of X * Y modulo 2^256 - 1 is sum x_i * y_i. A word holds four such X, of every fourth element each,
    /// and for Y two limbs change places, since 2^(-64 i) = 2^(64 (4 - i)). Signs go by adding h = 2^15 to each element:
    ///
    ///     sum x * y = sum (x + h) * (y + h) - h * sum ((x + h) + (y + h)) + count * h^2
    function contiguous16(uint256 a, uint256 b, uint256 count) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            let low := 0 // its limb 0 is the sum of products of elements 0 and 1 of each four
            let high := 0 // its limb 1 that of elements 2 and 3
            let plain := 0 // eight sums of elements, in 32 bits each
            let words := shr(4, add(count, 15))
            for {} count { count := sub(count, 16) } {
                let x := calldataload(a)
                let y := calldataload(b)
                if lt(count, 16) {
                    // what lies behind the last element is taken for zeros
                    let mask := not(shr(shl(4, count), not(0)))
                    x := and(x, mask)
                    y := and(y, mask)
                    count := 16
                }
                a := add(a, 32)
                b := add(b, 32)
                x := xor(x, SIGNS)
                y := xor(y, SIGNS)
                {
                    let change := and(xor(y, shr(128, y)), LIMB_1)
                    y := xor(y, xor(change, shl(128, change)))
                }
                {
                    let evenX := and(x, EVEN)
                    let evenY := and(y, EVEN)
                    plain := add(plain, add(evenX, evenY))
                    let x0 := and(evenX, FOURTH)
                    let y0 := and(evenY, FOURTH)
                    low := add(low, mulmod(x0, y0, not(0)))
                    high := add(high, mulmod(xor(evenX, x0), xor(evenY, y0), not(0)))
                }
                x := and(shr(16, x), EVEN)
                y := and(shr(16, y), EVEN)
                plain := add(plain, add(x, y))
                {
                    let x0 := and(x, FOURTH)
                    let y0 := and(y, FOURTH)
                    low := add(low, mulmod(x0, y0, not(0)))
                    high := add(high, mulmod(xor(x, x0), xor(y, y0), not(0)))
                }
            }
            plain := add(shr(32, and(plain, not(LOW_HALVES))), and(plain, LOW_HALVES))
            plain := add(plain, shr(128, plain))
            plain := add(and(plain, LOW_LIMB), and(shr(64, plain), LOW_LIMB))
            sum := add(and(low, LOW_LIMB), and(shr(64, high), LOW_LIMB))
            sum := sub(add(sum, shl(34, words)), shl(15, plain))
        }
    }

    /// @notice The sum of the products of `count` pairs.
    function products(uint256 a, int256 stepA, uint256 sarA, uint256 b, int256 stepB, uint256 sarB, uint256 count)
        internal
        pure
        returns (int256 sum)
    {
        assembly ("memory-safe") {
            for {} count { count := sub(count, 1) } {
                sum := add(sum, mul(sar(sarA, calldataload(a)), sar(sarB, calldataload(b))))
                a := add(a, stepA)
                b := add(b, stepB)
            }
        }
    }

    /// @notice The sum of `count` elements.
    function total(uint256 place, int256 step, uint256 sar_, uint256 count) internal pure returns (int256 sum) {
        assembly ("memory-safe") {
            for {} count { count := sub(count, 1) } {
                sum := add(sum, sar(sar_, calldataload(place)))
                place := add(place, step)
            }
        }
    }

    /// @notice The largest of `most` and `count` elements times `coefficient`.
    function largest(uint256 place, int256 step, uint256 sar_, uint256 count, int256 coefficient, int256 most)
        internal
        pure
        returns (int256)
    {
        assembly ("memory-safe") {
            for {} count { count := sub(count, 1) } {
                let value := mul(coefficient, sar(sar_, calldataload(place)))
                if sgt(value, most) { most := value }
                place := add(place, step)
            }
        }
        return most;
    }

    /// @notice How many of `count` elements times `coefficient` exceed `threshold`.
    function above(uint256 place, int256 step, uint256 sar_, uint256 count, int256 coefficient, int256 threshold)
        internal
        pure
        returns (uint256 found)
    {
        assembly ("memory-safe") {
            for {} count { count := sub(count, 1) } {
                found := add(found, sgt(mul(coefficient, sar(sar_, calldataload(place))), threshold))
                place := add(place, step)
            }
        }
    }
}
