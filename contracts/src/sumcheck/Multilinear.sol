// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND} from "./Memory.sol";

/// @notice Values of
///
///   eq(z, i) = prod_k (z_k i_k + (1 - z_k) (1 - i_k)),
///
/// in which the first coordinate of z belongs to the most significant bit of i.
///
///   EQ      0x08   dst, point, n u8, start u32, count u16    w(dst + k) = eq(point, start + k) for k < count
///   OVERLAP 0x09   dst, a, b, n u8, count u32                sum_{i < count} eq(a, i) eq(b, i)
///   MASS    0x0a   dst, a, n u8, count u32                   sum_{i < count} eq(a, i)
///   CHOOSE  0x0f   dst, point, n u8, index                   eq(point, w(index)), where w(index) must be below 2^n
library Multilinear {
    error IndexBeyondCube(uint256 index, uint256 variables);

    /// @notice EQ. A level of the tree after another, in place, from the last node to the first, so that a node is read
    /// before its children, of which the range needs one or both, take its place.
    function eq(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            next := add(ip, 12)
            let dst := and(shr(227, x), OPERAND)
            let z := and(shr(211, x), OPERAND)
            let start := and(shr(176, x), 0xffffffff)
            let last := sub(add(start, and(shr(160, x), 0xffff)), 1)
            mstore(dst, 1)
            for { let below := byte(5, x) } below {} {
                below := sub(below, 1)
                let one := mload(z)
                let zero := sub(add(r, 1), one)
                z := add(z, 0x20)
                // The children wanted are `first` to `end`; their parents, first / 2 to end / 2.
                let first := shr(below, start)
                let end := shr(below, last)
                let parent := add(dst, shl(5, sub(shr(1, end), shr(1, first))))
                let child := add(dst, shl(5, sub(end, first)))
                if iszero(and(end, 1)) {
                    mstore(child, mulmod(mload(parent), zero, r))
                    parent := sub(parent, 0x20)
                    child := sub(child, 0x20)
                }
                for {} gt(child, dst) { child := sub(child, 0x40) } {
                    let value := mload(parent)
                    mstore(child, mulmod(value, one, r))
                    mstore(sub(child, 0x20), mulmod(value, zero, r))
                    parent := sub(parent, 0x20)
                }
                if eq(child, dst) { mstore(dst, mulmod(mload(dst), one, r)) }
            }
        }
    }

    /// @notice OVERLAP. With count = m 2^k for an odd m, the last k variables are free, and over free variables the sum
    /// is the product of 1 - x - y + 2 x y. Before them, `below` is the sum over all prefixes below that of m, and
    /// `equal` the term of the prefix that equals it.
    function overlap(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            next := add(ip, 12)
            let a := and(shr(211, x), OPERAND)
            let offset := sub(and(shr(195, x), OPERAND), a)
            let end := add(a, shl(5, byte(7, x)))
            let count := and(shr(160, x), 0xffffffff)
            let below := 1
            let bit := shl(byte(7, x), 1)
            if lt(count, bit) {
                below := 0
                let equal := 1
                for {} count {} {
                    bit := shr(1, bit)
                    let u := mload(a)
                    let v := mload(add(a, offset))
                    let one := mulmod(u, v, r)
                    let zero := sub(add(one, add(add(r, r), 1)), add(u, v))
                    below := mulmod(below, add(one, zero), r)
                    switch and(count, bit)
                    case 0 { equal := mulmod(equal, zero, r) }
                    default {
                        below := add(below, mulmod(equal, zero, r))
                        equal := mulmod(equal, one, r)
                        count := xor(count, bit)
                    }
                    a := add(a, 0x20)
                }
            }
            for {} lt(a, end) { a := add(a, 0x20) } {
                let u := mload(a)
                let v := mload(add(a, offset))
                let one := mulmod(u, v, r)
                below := mulmod(below, sub(add(add(one, one), add(add(r, r), 1)), add(u, v)), r)
            }
            mstore(and(shr(227, x), OPERAND), mod(below, r))
        }
    }

    /// @notice MASS. As `overlap`; over free variables the sum is 1.
    function mass(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            next := add(ip, 10)
            let a := and(shr(211, x), OPERAND)
            let count := and(shr(176, x), 0xffffffff)
            let below := 1
            let bit := shl(byte(5, x), 1)
            if lt(count, bit) {
                below := 0
                let equal := 1
                for {} count { a := add(a, 0x20) } {
                    bit := shr(1, bit)
                    let one := mload(a)
                    let zero := mulmod(equal, sub(add(r, 1), one), r)
                    switch and(count, bit)
                    case 0 { equal := zero }
                    default {
                        below := addmod(below, zero, r)
                        equal := mulmod(equal, one, r)
                        count := xor(count, bit)
                    }
                }
            }
            mstore(and(shr(227, x), OPERAND), below)
        }
    }

    /// @notice CHOOSE.
    function choose(uint256 ip) internal pure returns (uint256 next) {
        uint256 index;
        uint256 variables;
        assembly {
            let x := mload(ip)
            next := add(ip, 8)
            variables := byte(5, x)
            index := mload(and(shr(187, x), OPERAND))
            let first := and(shr(211, x), OPERAND)
            let at := add(first, shl(5, variables))
            let product := 1
            for { let bits := index } gt(at, first) { bits := shr(1, bits) } {
                at := sub(at, 0x20)
                let factor := mload(at)
                if iszero(and(bits, 1)) { factor := sub(add(R, 1), factor) }
                product := mulmod(product, factor, R)
            }
            mstore(and(shr(227, x), OPERAND), product)
        }
        if (index >> variables != 0) revert IndexBeyondCube(index, variables);
    }
}
