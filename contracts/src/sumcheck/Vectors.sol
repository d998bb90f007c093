// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND} from "./Memory.sol";

/// @notice Instructions on many words, and on one.
///
///   OUTER  0x0b   dst, a, na, b, nb    w(dst + i nb + j) = w(a + i) w(b + j)
///   GATHER 0x0c   dst, n, n indices    w(dst + k) = w(index_k)
///   INVERT 0x0d   dst, a               w(dst) = 1 / w(a), where w(a) must not be zero
///   ZERO   0x0e   a                    w(a) must be zero
library Vectors {
    error InverseOfZero();
    error NotZero(uint256 word);

    /// @notice OUTER, row by row, eight products at a time and then one.
    function outer(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            next := add(ip, 11)
            let dst := and(shr(227, x), OPERAND)
            let a := and(shr(211, x), OPERAND)
            let b := and(shr(179, x), OPERAND)
            let size := and(shr(163, x), OPERAND)
            for { let end := add(a, and(shr(195, x), OPERAND)) } lt(a, end) { a := add(a, 0x20) } {
                let factor := mload(a)
                let offset := sub(b, dst)
                let rowEnd := add(dst, size)
                for { let most := sub(rowEnd, and(size, 0xff)) } lt(dst, most) { dst := add(dst, 0x100) } {
                    let from := add(dst, offset)
                    mstore(dst, mulmod(mload(from), factor, r))
                    mstore(add(dst, 0x20), mulmod(mload(add(from, 0x20)), factor, r))
                    mstore(add(dst, 0x40), mulmod(mload(add(from, 0x40)), factor, r))
                    mstore(add(dst, 0x60), mulmod(mload(add(from, 0x60)), factor, r))
                    mstore(add(dst, 0x80), mulmod(mload(add(from, 0x80)), factor, r))
                    mstore(add(dst, 0xa0), mulmod(mload(add(from, 0xa0)), factor, r))
                    mstore(add(dst, 0xc0), mulmod(mload(add(from, 0xc0)), factor, r))
                    mstore(add(dst, 0xe0), mulmod(mload(add(from, 0xe0)), factor, r))
                }
                for {} lt(dst, rowEnd) { dst := add(dst, 0x20) } {
                    mstore(dst, mulmod(mload(add(dst, offset)), factor, r))
                }
            }
        }
    }

    /// @notice GATHER. Eight words at a time, whose names one load reads, four, and then one.
    function gather(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let m := OPERAND
            let x := mload(ip)
            let dst := and(shr(227, x), m)
            let size := and(shr(211, x), m)
            next := add(ip, 5)
            let end := add(dst, size)
            for { let most := sub(end, and(size, 0xff)) } lt(dst, most) { dst := add(dst, 0x100) } {
                x := mload(next)
                mstore(dst, mload(and(shr(235, x), m)))
                mstore(add(dst, 0x20), mload(and(shr(219, x), m)))
                mstore(add(dst, 0x40), mload(and(shr(203, x), m)))
                mstore(add(dst, 0x60), mload(and(shr(187, x), m)))
                mstore(add(dst, 0x80), mload(and(shr(171, x), m)))
                mstore(add(dst, 0xa0), mload(and(shr(155, x), m)))
                mstore(add(dst, 0xc0), mload(and(shr(139, x), m)))
                mstore(add(dst, 0xe0), mload(and(shr(123, x), m)))
                next := add(next, 16)
            }
            if and(size, 0x80) {
                x := mload(next)
                mstore(dst, mload(and(shr(235, x), m)))
                mstore(add(dst, 0x20), mload(and(shr(219, x), m)))
                mstore(add(dst, 0x40), mload(and(shr(203, x), m)))
                mstore(add(dst, 0x60), mload(and(shr(187, x), m)))
                dst := add(dst, 0x80)
                next := add(next, 8)
            }
            for {} lt(dst, end) { dst := add(dst, 0x20) } {
                mstore(dst, mload(and(shr(235, mload(next)), m)))
                next := add(next, 2)
            }
        }
    }

    /// @notice INVERT, as a^(R - 2). The product is checked, which zero has no inverse for.
    function invert(uint256 ip) internal view returns (uint256 next) {
        bool inverted;
        assembly {
            let x := mload(ip)
            next := add(ip, 5)
            let a := mload(and(shr(211, x), OPERAND))
            mstore(0x80, 0x20)
            mstore(0xa0, 0x20)
            mstore(0xc0, 0x20)
            mstore(0xe0, a)
            mstore(0x100, sub(R, 2))
            mstore(0x120, R)
            let dst := and(shr(227, x), OPERAND)
            inverted := staticcall(gas(), 5, 0x80, 0xc0, dst, 0x20)
            inverted := and(inverted, eq(mulmod(mload(dst), a, R), 1))
        }
        if (!inverted) revert InverseOfZero();
    }

    /// @notice ZERO.
    function requireZero(uint256 ip) internal pure returns (uint256 next) {
        uint256 operand;
        uint256 word;
        assembly {
            operand := and(shr(227, mload(ip)), OPERAND)
            word := mload(operand)
            next := add(ip, 3)
        }
        if (word != 0) revert NotZero(operand / 32);
    }
}
