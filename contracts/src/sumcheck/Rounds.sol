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
            let r := R
            let x := mload(ip)
            let before := sub(and(shr(227, x), OPERAND), 0x20)
            let claim := mload(and(shr(211, x), OPERAND))
            let last := shl(5, byte(11, x))
            let z := and(shr(195, x), OPERAND)
            let point := add(and(shr(179, x), OPERAND), last)
            for { let at := add(z, last) } gt(at, z) {} {
                at := sub(at, 0x20)
                point := sub(point, 0x20)
                let linear := mload(add(before, 0x20))
                let square := mload(add(before, 0x40))
                canonical := and(canonical, and(lt(linear, r), lt(square, r)))
                {
                    let kept := mload(before)
                    mstore(before, mload(STATE))
                    mstore(STATE, keccak256(before, 0x60))
                    mstore(before, kept)
                }
                mstore(STATE, keccak256(STATE, 0x20))
                let e := mod(mload(STATE), r)
                claim := add(claim, sub(r, mulmod(mload(at), add(linear, square), r)))
                mstore(point, e)
                claim := addmod(mulmod(add(mulmod(square, e, r), linear), e, r), claim, r)
                before := add(before, 0x40)
            }
            mstore(and(shr(163, x), OPERAND), claim)
            next := add(ip, 12)
        }
        if (!canonical) revert Transcript.ScalarNotCanonical();
    }

    function _quadratic(uint256 x) private pure returns (bool canonical) {
        assembly {
            let r := R
            let before := sub(and(shr(227, x), OPERAND), 0x20)
            let claim := mload(and(shr(211, x), OPERAND))
            let point := and(shr(195, x), OPERAND)
            canonical := 1
            for { let end := add(point, shl(5, byte(9, x))) } lt(point, end) { point := add(point, 0x20) } {
                let c0 := mload(add(before, 0x20))
                let c2 := mload(add(before, 0x40))
                canonical := and(canonical, and(lt(c0, r), lt(c2, r)))
                {
                    let kept := mload(before)
                    mstore(before, mload(STATE))
                    mstore(STATE, keccak256(before, 0x60))
                    mstore(before, kept)
                }
                mstore(STATE, keccak256(STATE, 0x20))
                let e := mod(mload(STATE), r)
                mstore(point, e)
                claim := sub(add(claim, mul(3, r)), add(add(c0, c0), c2))
                claim := addmod(mulmod(addmod(mulmod(c2, e, r), claim, r), e, r), c0, r)
                before := add(before, 0x40)
            }
            mstore(and(shr(179, x), OPERAND), claim)
        }
    }

    function _cubic(uint256 x) private pure returns (bool canonical) {
        assembly {
            let r := R
            let before := sub(and(shr(227, x), OPERAND), 0x20)
            let claim := mload(and(shr(211, x), OPERAND))
            let point := and(shr(195, x), OPERAND)
            canonical := 1
            for { let end := add(point, shl(5, byte(9, x))) } lt(point, end) { point := add(point, 0x20) } {
                let c0 := mload(add(before, 0x20))
                let c2 := mload(add(before, 0x40))
                let c3 := mload(add(before, 0x60))
                canonical := and(canonical, and(and(lt(c0, r), lt(c2, r)), lt(c3, r)))
                {
                    let kept := mload(before)
                    mstore(before, mload(STATE))
                    mstore(STATE, keccak256(before, 0x80))
                    mstore(before, kept)
                }
                mstore(STATE, keccak256(STATE, 0x20))
                let e := mod(mload(STATE), r)
                mstore(point, e)
                // c_1, to which 4 R is added so that nothing is negative, and then the rest by Horner's rule.
                claim := sub(add(claim, shl(2, r)), add(add(c0, c0), add(c2, c3)))
                c3 := mulmod(add(mulmod(c3, e, r), c2), e, r)
                claim := addmod(mulmod(addmod(c3, claim, r), e, r), c0, r)
                before := add(before, 0x60)
            }
            mstore(and(shr(179, x), OPERAND), claim)
        }
    }
}
