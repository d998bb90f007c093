// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND} from "./Memory.sol";

/// @notice Straight-line arithmetic: the instructions that most of a program consists of.
///
///   MUL_5  0x80   5 records (dst, a, b)                w(dst) = w(a) w(b)
///   SUM2_3 0xc0   3 records (dst, a, b, c, d)          w(dst) = w(a) w(b) + w(c) w(d)
///   SUM3_2 0xa0   2 records (dst, a, b, c, d, e, f)    w(dst) = w(a) w(b) + w(c) w(d) + w(e) w(f)
///   MUL    0x06   dst, a, b                            w(dst) = w(a) w(b)
///   SUM    0x05   dst, plus u8, minus u8, pairs (a, b) w(dst) = the first `plus` products minus the others
///   DOT    0x07   dst, a, b, n                         w(dst) = sum_{k < n} w(a + k) w(b + k)
///
/// @dev Each costs as much as its decoding. So these stay within one loop and one function; an instruction of up to 31
/// bytes is read by a single load, which leaves its opcode in the uppermost byte and operand k, a u16, at bit
/// 232 - 16 k; what is 5 bits lower, masked, is the operand's address. Operands are products of canonical elements,
/// below R, of which 256 bits hold the sum of five: the sums are reduced only then.
library Arithmetic {
    /// @notice Executes the instructions from `ip` on up to the first that is none of the above.
    /// @return next The address of that one.
    function run(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let m := OPERAND
            let x := mload(ip)
            for {} 1 {} {
                if slt(x, 0) {
                    if slt(shl(1, x), 0) {
                        // SUM2_3
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
                        ip := add(ip, 31)
                        x := mload(ip)
                        continue
                    }
                    if slt(shl(2, x), 0) {
                        // SUM3_2
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
                        ip := add(ip, 29)
                        x := mload(ip)
                        continue
                    }
                    if eq(byte(0, x), 0x80) {
                        // MUL_5
                        mstore(and(shr(227, x), m), mulmod(mload(and(shr(211, x), m)), mload(and(shr(195, x), m)), r))
                        mstore(and(shr(179, x), m), mulmod(mload(and(shr(163, x), m)), mload(and(shr(147, x), m)), r))
                        mstore(and(shr(131, x), m), mulmod(mload(and(shr(115, x), m)), mload(and(shr(99, x), m)), r))
                        mstore(and(shr(83, x), m), mulmod(mload(and(shr(67, x), m)), mload(and(shr(51, x), m)), r))
                        mstore(and(shr(35, x), m), mulmod(mload(and(shr(19, x), m)), mload(and(shr(3, x), m)), r))
                        ip := add(ip, 31)
                        x := mload(ip)
                        continue
                    }
                    break
                }
                let opcode := byte(0, x)
                if eq(opcode, 0x06) {
                    // MUL
                    mstore(and(shr(227, x), m), mulmod(mload(and(shr(211, x), m)), mload(and(shr(195, x), m)), r))
                    ip := add(ip, 7)
                    x := mload(ip)
                    continue
                }
                if eq(opcode, 0x05) {
                    // SUM
                    let total := 0
                    let n := byte(3, x)
                    ip := add(ip, 5)
                    for {} gt(n, 3) { n := sub(n, 4) } {
                        let y := mload(ip)
                        total := mod(
                            add(
                                add(
                                    add(
                                        mulmod(mload(and(shr(235, y), m)), mload(and(shr(219, y), m)), r),
                                        mulmod(mload(and(shr(203, y), m)), mload(and(shr(187, y), m)), r)
                                    ),
                                    add(
                                        mulmod(mload(and(shr(171, y), m)), mload(and(shr(155, y), m)), r),
                                        mulmod(mload(and(shr(139, y), m)), mload(and(shr(123, y), m)), r)
                                    )
                                ),
                                total
                            ),
                            r
                        )
                        ip := add(ip, 16)
                    }
                    for {} n { n := sub(n, 1) } {
                        let y := mload(ip)
                        total := addmod(total, mulmod(mload(and(shr(235, y), m)), mload(and(shr(219, y), m)), r), r)
                        ip := add(ip, 4)
                    }
                    n := byte(4, x)
                    if n {
                        let less := 0
                        for {} n { n := sub(n, 1) } {
                            let y := mload(ip)
                            less := addmod(less, mulmod(mload(and(shr(235, y), m)), mload(and(shr(219, y), m)), r), r)
                            ip := add(ip, 4)
                        }
                        total := addmod(total, sub(r, less), r)
                    }
                    mstore(and(shr(227, x), m), total)
                    x := mload(ip)
                    continue
                }
                if eq(opcode, 0x07) {
                    // DOT
                    let total := 0
                    let a := and(shr(211, x), m)
                    let b := and(shr(195, x), m)
                    let n := and(shr(184, x), 0xffff)
                    for {} gt(n, 3) { n := sub(n, 4) } {
                        total := mod(
                            add(
                                add(
                                    add(
                                        mulmod(mload(a), mload(b), r),
                                        mulmod(mload(add(a, 0x20)), mload(add(b, 0x20)), r)
                                    ),
                                    add(
                                        mulmod(mload(add(a, 0x40)), mload(add(b, 0x40)), r),
                                        mulmod(mload(add(a, 0x60)), mload(add(b, 0x60)), r)
                                    )
                                ),
                                total
                            ),
                            r
                        )
                        a := add(a, 0x80)
                        b := add(b, 0x80)
                    }
                    for {} n { n := sub(n, 1) } {
                        total := addmod(total, mulmod(mload(a), mload(b), r), r)
                        a := add(a, 0x20)
                        b := add(b, 0x20)
                    }
                    mstore(and(shr(227, x), m), total)
                    ip := add(ip, 9)
                    x := mload(ip)
                    continue
                }
                break
            }
            next := ip
        }
    }
}
