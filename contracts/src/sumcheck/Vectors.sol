// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND} from "./Memory.sol";

/// @notice Instructions on many words, and on one.
///
///   OUTER  0x0b   dst, a, na, b, nb    w(dst + i nb + j) = w(a + i) w(b + j)
///   SCALE  0x11   dst, a, n, s         w(dst + k) = w(a + k) w(s)
///   GATHER 0x0c   dst, n, n indices    w(dst + k) = w(index_k)
///   INVERT 0x0d   dst, a               w(dst) = 1 / w(a), where w(a) must not be zero
///   ZERO   0x0e   a                    w(a) must be zero
library Vectors {
    error InverseOfZero();
    error NotZero(uint256 word);

    /// @notice OUTER.
    function outer(uint256 ip) internal pure returns (uint256 next) {
        uint256 x;
        uint256 dst;
        uint256 row;
        uint256 end;
        uint256 b;
        assembly {
            x := mload(ip)
            next := add(ip, 11)
            dst := and(shr(227, x), OPERAND)
            row := and(shr(211, x), OPERAND)
            end := add(row, and(shr(195, x), OPERAND))
            b := and(shr(179, x), OPERAND)
        }
        while (row < end) {
            assembly {
                x := and(shr(163, mload(ip)), OPERAND)
            }
            dst = _scale(dst, b, x, row);
            assembly {
                row := add(row, 0x20)
            }
        }
    }

    /// @notice SCALE.
    function scale(uint256 ip) internal pure returns (uint256 next) {
        uint256 dst;
        uint256 a;
        uint256 size;
        uint256 factor;
        assembly {
            let x := mload(ip)
            next := add(ip, 9)
            dst := and(shr(227, x), OPERAND)
            a := and(shr(211, x), OPERAND)
            size := and(shr(195, x), OPERAND)
            factor := and(shr(179, x), OPERAND)
        }
        _scale(dst, a, size, factor);
    }

    /// @notice GATHER.
    function gather(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let x := mload(ip)
            let dst := and(shr(227, x), OPERAND)
            next := add(ip, 5)
            for { let end := add(dst, and(shr(211, x), OPERAND)) } lt(dst, end) { dst := add(dst, 0x20) } {
                mstore(dst, mload(and(shr(235, mload(next)), OPERAND)))
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
        uint256 address_;
        uint256 word;
        assembly {
            address_ := and(shr(227, mload(ip)), OPERAND)
            word := mload(address_)
            next := add(ip, 3)
        }
        if (word != 0) revert NotZero(address_ / 32);
    }

    /// @dev Multiplies the `size` bytes at `a` by the word at `factor_`; returns the address behind what it writes.
    function _scale(uint256 dst, uint256 a, uint256 size, uint256 factor_) private pure returns (uint256 end) {
        assembly {
            let r := R
            let factor := mload(factor_)
            end := add(dst, size)
            let offset := sub(a, dst)
            for { let most := sub(end, and(size, 0x7f)) } lt(dst, most) { dst := add(dst, 0x80) } {
                let at := add(dst, offset)
                mstore(dst, mulmod(mload(at), factor, r))
                mstore(add(dst, 0x20), mulmod(mload(add(at, 0x20)), factor, r))
                mstore(add(dst, 0x40), mulmod(mload(add(at, 0x40)), factor, r))
                mstore(add(dst, 0x60), mulmod(mload(add(at, 0x60)), factor, r))
            }
            for {} lt(dst, end) { dst := add(dst, 0x20) } {
                mstore(dst, mulmod(mload(add(dst, offset)), factor, r))
            }
        }
    }
}
