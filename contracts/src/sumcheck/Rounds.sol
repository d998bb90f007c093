// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND, STATE} from "./Memory.sol";
import {Transcript} from "./Transcript.sol";

/// @notice The rounds of a sumcheck. In each, the prover sends a polynomial g in one variable, which is absorbed; the
/// challenge e is squeezed; and the claim T becomes g(e).
///
///   ROUNDS    0x03   words, total, point, out, n u8, degree u8
///       From g(0) + g(1) = T follows the coefficient that is not sent: of c_0, c_2 and, for degree 3, c_3 it is
///       c_1 = T - 2 c_0 - c_2 - c_3.
///   ROUNDS_AT 0x04   words, total, z, point, out, n u8
///       From (1 - z_k) t(0) + z_k t(1) = T follows c_0 = T - z_k (c_1 + c_2); sent are c_1 and c_2. The last variable
///       is bound first.
///
/// T begins as w(total) and ends as w(out); the challenges become the coordinates w(point), w(point + 1), ...
/// @dev What is sent stands in consecutive words from `words` on, each of which must be below R.
library Rounds {
    /// @notice ROUNDS.
    function run(uint256 ip) internal pure returns (uint256 next) {
        uint256 x;
        assembly {
            x := mload(ip)
            next := add(ip, 11)
        }
        bool canonical = uint8(x >> 168) == 3 ? _cubic(x) : _quadratic(x);
        if (!canonical) revert Transcript.ScalarNotCanonical();
    }

    /// @notice ROUNDS_AT.
    function runAt(uint256 ip) internal pure returns (uint256 next) {
        bool canonical = true;
        assembly {
            let x := mload(ip)
            let before := sub(and(shr(227, x), OPERAND), 0x20)
            let claim := mload(and(shr(211, x), OPERAND))
            let state := mload(STATE)
            let last := shl(5, byte(11, x))
            let z := and(shr(195, x), OPERAND)
            let point := add(and(shr(179, x), OPERAND), last)
            for { let zk := add(z, last) } gt(zk, z) {} {
                zk := sub(zk, 0x20)
                point := sub(point, 0x20)
                let linear := mload(add(before, 0x20))
                let square := mload(add(before, 0x40))
                canonical := and(canonical, and(lt(linear, R), lt(square, R)))
                {
                    let kept := mload(before)
                    mstore(before, state)
                    mstore(before, keccak256(before, 0x60))
                    state := keccak256(before, 0x20)
                    mstore(before, kept)
                }
                let e := mod(state, R)
                claim := add(claim, sub(R, mulmod(mload(zk), add(linear, square), R)))
                mstore(point, e)
                claim := addmod(mulmod(add(mulmod(square, e, R), linear), e, R), claim, R)
                before := add(before, 0x40)
            }
            mstore(and(shr(163, x), OPERAND), claim)
            mstore(STATE, state)
            next := add(ip, 12)
        }
        if (!canonical) revert Transcript.ScalarNotCanonical();
    }

    function _quadratic(uint256 x) private pure returns (bool canonical) {
        assembly {
            let before := sub(and(shr(227, x), OPERAND), 0x20)
            let claim := mload(and(shr(211, x), OPERAND))
            let state := mload(STATE)
            let point := and(shr(195, x), OPERAND)
            canonical := 1
            for { let end := add(point, shl(5, byte(9, x))) } lt(point, end) { point := add(point, 0x20) } {
                let c0 := mload(add(before, 0x20))
                let c2 := mload(add(before, 0x40))
                canonical := and(canonical, and(lt(c0, R), lt(c2, R)))
                {
                    let kept := mload(before)
                    mstore(before, state)
                    mstore(before, keccak256(before, 0x60))
                    state := keccak256(before, 0x20)
                    mstore(before, kept)
                }
                let e := mod(state, R)
                mstore(point, e)
                claim := sub(add(claim, mul(3, R)), add(add(c0, c0), c2))
                claim := addmod(mulmod(addmod(mulmod(c2, e, R), claim, R), e, R), c0, R)
                before := add(before, 0x40)
            }
            mstore(and(shr(179, x), OPERAND), claim)
            mstore(STATE, state)
        }
    }

    function _cubic(uint256 x) private pure returns (bool canonical) {
        assembly {
            let before := sub(and(shr(227, x), OPERAND), 0x20)
            let claim := mload(and(shr(211, x), OPERAND))
            let state := mload(STATE)
            let point := and(shr(195, x), OPERAND)
            canonical := 1
            for { let end := add(point, shl(5, byte(9, x))) } lt(point, end) { point := add(point, 0x20) } {
                let c0 := mload(add(before, 0x20))
                let c2 := mload(add(before, 0x40))
                let c3 := mload(add(before, 0x60))
                canonical := and(canonical, and(and(lt(c0, R), lt(c2, R)), lt(c3, R)))
                {
                    let kept := mload(before)
                    mstore(before, state)
                    mstore(before, keccak256(before, 0x80))
                    state := keccak256(before, 0x20)
                    mstore(before, kept)
                }
                let e := mod(state, R)
                mstore(point, e)
                // c_1, to which 4 R is added so that nothing is negative, and then the rest by Horner's rule.
                claim := sub(add(claim, shl(2, R)), add(add(c0, c0), add(c2, c3)))
                c3 := mulmod(add(mulmod(c3, e, R), c2), e, R)
                claim := addmod(mulmod(addmod(c3, claim, R), e, R), c0, R)
                before := add(before, 0x60)
            }
            mstore(and(shr(179, x), OPERAND), claim)
            mstore(STATE, state)
        }
    }
}
