// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND} from "./Memory.sol";

/// @notice Sums of products, which most of a program consists of.
///
///   MUL    0x06   dst, a, b                            w(dst) = w(a) w(b)
///   MUL_5  0x11   5 records (dst, a, b)                the same of each, in order
///   SUM2_3 0x15   3 records (dst, a, b, c, d)          w(dst) = w(a) w(b) + w(c) w(d)
///   SUM3_2 0x16   2 records (dst, a, b, c, d, e, f)    w(dst) = w(a) w(b) + w(c) w(d) + w(e) w(f)
///   SUM    0x05   dst, plus u8, minus u8, pairs (a, b) w(dst) = the first `plus` products minus the others
///   DOT    0x07   dst, a, b, n                         w(dst) = sum_{k < n} w(a + k) w(b + k)
///   DOT_STRIDED 0x14   dst, a, b, n, stride            w(dst) = sum_{k < n} w(a + k) w(b + k stride)
///
/// @dev What these cost is the decoding of operands, so it is written out. One load reads an instruction of up to 31
/// bytes and leaves the opcode in the uppermost byte; operand k, a u16, is then at bit 232 - 16 k, and what is 5 bits
/// lower is, masked, the operand's address. Where the load begins at operands, operand k is at bit 240 - 16 k.
/// Products are below R, and 256 bits hold the sum of five of them: sums are reduced that seldom.
library Arithmetic {
    /// @notice MUL.
    function mul(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let x := mload(ip)
            mstore(
                and(shr(227, x), OPERAND),
                mulmod(mload(and(shr(211, x), OPERAND)), mload(and(shr(195, x), OPERAND)), R)
            )
            next := add(ip, 7)
        }
    }

    /// @notice MUL_5.
    function mul5(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let m := OPERAND
            let x := mload(ip)
            mstore(and(shr(227, x), m), mulmod(mload(and(shr(211, x), m)), mload(and(shr(195, x), m)), r))
            mstore(and(shr(179, x), m), mulmod(mload(and(shr(163, x), m)), mload(and(shr(147, x), m)), r))
            mstore(and(shr(131, x), m), mulmod(mload(and(shr(115, x), m)), mload(and(shr(99, x), m)), r))
            mstore(and(shr(83, x), m), mulmod(mload(and(shr(67, x), m)), mload(and(shr(51, x), m)), r))
            mstore(and(shr(35, x), m), mulmod(mload(and(shr(19, x), m)), mload(and(shr(3, x), m)), r))
            next := add(ip, 31)
        }
    }

    /// @notice SUM2_3.
    function sum2(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let m := OPERAND
            let x := mload(ip)
            mstore(
                and(shr(227, x), m),
                addmod(
                    mulmod(mload(and(shr(211, x), m)), mload(and(shr(195, x), m)), r),
                    mulmod(mload(and(shr(179, x), m)), mload(and(shr(163, x), m)), r),
                    r
                )
            )
            mstore(
                and(shr(147, x), m),
                addmod(
                    mulmod(mload(and(shr(131, x), m)), mload(and(shr(115, x), m)), r),
                    mulmod(mload(and(shr(99, x), m)), mload(and(shr(83, x), m)), r),
                    r
                )
            )
            mstore(
                and(shr(67, x), m),
                addmod(
                    mulmod(mload(and(shr(51, x), m)), mload(and(shr(35, x), m)), r),
                    mulmod(mload(and(shr(19, x), m)), mload(and(shr(3, x), m)), r),
                    r
                )
            )
            next := add(ip, 31)
        }
    }

    /// @notice SUM3_2.
    function sum3(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let m := OPERAND
            let x := mload(ip)
            mstore(
                and(shr(227, x), m),
                mod(
                    add(
                        add(
                            mulmod(mload(and(shr(211, x), m)), mload(and(shr(195, x), m)), r),
                            mulmod(mload(and(shr(179, x), m)), mload(and(shr(163, x), m)), r)
                        ),
                        mulmod(mload(and(shr(147, x), m)), mload(and(shr(131, x), m)), r)
                    ),
                    r
                )
            )
            mstore(
                and(shr(115, x), m),
                mod(
                    add(
                        add(
                            mulmod(mload(and(shr(99, x), m)), mload(and(shr(83, x), m)), r),
                            mulmod(mload(and(shr(67, x), m)), mload(and(shr(51, x), m)), r)
                        ),
                        mulmod(mload(and(shr(35, x), m)), mload(and(shr(19, x), m)), r)
                    ),
                    r
                )
            )
            next := add(ip, 29)
        }
    }

    /// @notice SUM. Few programs subtract much: what they add takes eight, then four, then one term at a time.
    function sum(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let m := OPERAND
            let x := mload(ip)
            let n := byte(3, x)
            let total := 0
            next := add(ip, 5)
            for {} gt(n, 7) { n := sub(n, 8) } {
                let y := mload(next)
                total := mod(
                    add(
                        add(
                            add(
                                add(total, mulmod(mload(and(shr(235, y), m)), mload(and(shr(219, y), m)), r)),
                                mulmod(mload(and(shr(203, y), m)), mload(and(shr(187, y), m)), r)
                            ),
                            mulmod(mload(and(shr(171, y), m)), mload(and(shr(155, y), m)), r)
                        ),
                        mulmod(mload(and(shr(139, y), m)), mload(and(shr(123, y), m)), r)
                    ),
                    r
                )
                total := mod(
                    add(
                        add(
                            add(
                                add(total, mulmod(mload(and(shr(107, y), m)), mload(and(shr(91, y), m)), r)),
                                mulmod(mload(and(shr(75, y), m)), mload(and(shr(59, y), m)), r)
                            ),
                            mulmod(mload(and(shr(43, y), m)), mload(and(shr(27, y), m)), r)
                        ),
                        mulmod(mload(and(shr(11, y), m)), mload(and(shl(5, y), m)), r)
                    ),
                    r
                )
                next := add(next, 32)
            }
            if gt(n, 3) {
                let y := mload(next)
                total := mod(
                    add(
                        add(
                            add(
                                add(total, mulmod(mload(and(shr(235, y), m)), mload(and(shr(219, y), m)), r)),
                                mulmod(mload(and(shr(203, y), m)), mload(and(shr(187, y), m)), r)
                            ),
                            mulmod(mload(and(shr(171, y), m)), mload(and(shr(155, y), m)), r)
                        ),
                        mulmod(mload(and(shr(139, y), m)), mload(and(shr(123, y), m)), r)
                    ),
                    r
                )
                next := add(next, 16)
                n := sub(n, 4)
            }
            for {} n { n := sub(n, 1) } {
                let y := mload(next)
                total := addmod(total, mulmod(mload(and(shr(235, y), m)), mload(and(shr(219, y), m)), r), r)
                next := add(next, 4)
            }
            for { n := byte(4, x) } n { n := sub(n, 1) } {
                let y := mload(next)
                total := addmod(total, sub(r, mulmod(mload(and(shr(235, y), m)), mload(and(shr(219, y), m)), r)), r)
                next := add(next, 4)
            }
            mstore(and(shr(227, x), m), total)
        }
    }

    /// @notice DOT. Eight terms at a time, four, and then one.
    function dot(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            let a := and(shr(211, x), OPERAND)
            let b := and(shr(195, x), OPERAND)
            let size := and(shr(179, x), OPERAND)
            let end := add(a, size)
            let total := 0
            for { let most := sub(end, and(size, 0xff)) } lt(a, most) {} {
                total := mod(
                    add(
                        add(
                            add(
                                add(total, mulmod(mload(a), mload(b), r)),
                                mulmod(mload(add(a, 0x20)), mload(add(b, 0x20)), r)
                            ),
                            mulmod(mload(add(a, 0x40)), mload(add(b, 0x40)), r)
                        ),
                        mulmod(mload(add(a, 0x60)), mload(add(b, 0x60)), r)
                    ),
                    r
                )
                total := mod(
                    add(
                        add(
                            add(
                                add(total, mulmod(mload(add(a, 0x80)), mload(add(b, 0x80)), r)),
                                mulmod(mload(add(a, 0xa0)), mload(add(b, 0xa0)), r)
                            ),
                            mulmod(mload(add(a, 0xc0)), mload(add(b, 0xc0)), r)
                        ),
                        mulmod(mload(add(a, 0xe0)), mload(add(b, 0xe0)), r)
                    ),
                    r
                )
                a := add(a, 0x100)
                b := add(b, 0x100)
            }
            if and(size, 0x80) {
                total := mod(
                    add(
                        add(
                            add(
                                add(total, mulmod(mload(a), mload(b), r)),
                                mulmod(mload(add(a, 0x20)), mload(add(b, 0x20)), r)
                            ),
                            mulmod(mload(add(a, 0x40)), mload(add(b, 0x40)), r)
                        ),
                        mulmod(mload(add(a, 0x60)), mload(add(b, 0x60)), r)
                    ),
                    r
                )
                a := add(a, 0x80)
                b := add(b, 0x80)
            }
            for {} lt(a, end) {} {
                total := addmod(total, mulmod(mload(a), mload(b), r), r)
                a := add(a, 0x20)
                b := add(b, 0x20)
            }
            mstore(and(shr(227, x), OPERAND), total)
            next := add(ip, 9)
        }
    }

    /// @notice DOT_STRIDED. Four terms at a time, and then one.
    function dotStrided(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            let a := and(shr(211, x), OPERAND)
            let b := and(shr(195, x), OPERAND)
            let size := and(shr(179, x), OPERAND)
            let stride := and(shr(163, x), OPERAND)
            let end := add(a, size)
            let total := 0
            for { let most := sub(end, and(size, 0x7f)) } lt(a, most) { a := add(a, 0x80) } {
                let c := add(b, stride)
                let d := add(c, stride)
                let e := add(d, stride)
                total := mod(
                    add(
                        add(
                            add(add(total, mulmod(mload(a), mload(b), r)), mulmod(mload(add(a, 0x20)), mload(c), r)),
                            mulmod(mload(add(a, 0x40)), mload(d), r)
                        ),
                        mulmod(mload(add(a, 0x60)), mload(e), r)
                    ),
                    r
                )
                b := add(e, stride)
            }
            for {} lt(a, end) { a := add(a, 0x20) } {
                total := addmod(total, mulmod(mload(a), mload(b), r), r)
                b := add(b, stride)
            }
            mstore(and(shr(227, x), OPERAND), total)
            next := add(ip, 11)
        }
    }
}
