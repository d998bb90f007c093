// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND, STATE} from "./Memory.sol";

/// @notice The Fiat-Shamir transcript, one chain of keccak256:
///
///   state <- keccak256(state || words)    absorbs one or more words
///   state <- keccak256(state)             squeezes the challenge  state mod R
///
///   ABSORB        0x01   first, count    absorbs scalars: each word must be below R
///   ABSORB_POINTS 0x12   first, count    absorbs words as they are
///   SQUEEZE       0x02   dst, count      writes challenges to w(dst), w(dst + 1), ...
///
/// @dev Points need no check here, since those of a proof go to the curve's precompiles, which check them.
library Transcript {
    bytes32 private constant TAG = keccak256("verinfer sumcheck argument v1");

    error ScalarNotCanonical();

    /// @notice Starts the transcript of an argument.
    function begin() internal pure {
        bytes32 tag = TAG;
        assembly {
            mstore(STATE, tag)
        }
    }

    /// @notice Absorbs `count` words of memory, at least one, in place: the word before them gives way to the state and
    /// is then put back.
    function absorb(uint256 first, uint256 count) internal pure {
        assembly {
            let before := sub(first, 0x20)
            let kept := mload(before)
            mstore(before, mload(STATE))
            mstore(STATE, keccak256(before, shl(5, add(count, 1))))
            mstore(before, kept)
        }
    }

    /// @notice ABSORB. Of four words or more, four at a time are compared, the last four once more where they overlap others.
    function absorbScalars(uint256 ip) internal pure returns (uint256) {
        (uint256 first, uint256 count) = _operands(ip);
        bool canonical = true;
        assembly {
            let word := first
            let end := add(first, shl(5, count))
            if gt(count, 3) {
                let last := sub(end, 0x80)
                for {} lt(word, last) { word := add(word, 0x80) } {
                    canonical := and(
                        and(canonical, lt(mload(word), R)),
                        and(
                            and(lt(mload(add(word, 0x20)), R), lt(mload(add(word, 0x40)), R)),
                            lt(mload(add(word, 0x60)), R)
                        )
                    )
                }
                canonical := and(
                    and(canonical, lt(mload(last), R)),
                    and(
                        and(lt(mload(add(last, 0x20)), R), lt(mload(add(last, 0x40)), R)),
                        lt(mload(add(last, 0x60)), R)
                    )
                )
                word := end
            }
            for {} lt(word, end) { word := add(word, 0x20) } { canonical := and(canonical, lt(mload(word), R)) }
        }
        if (!canonical) revert ScalarNotCanonical();
        absorb(first, count);
        unchecked {
            return ip + 5;
        }
    }

    /// @notice ABSORB_POINTS.
    function absorbPoints(uint256 ip) internal pure returns (uint256) {
        (uint256 first, uint256 count) = _operands(ip);
        absorb(first, count);
        unchecked {
            return ip + 5;
        }
    }

    /// @notice SQUEEZE.
    function squeeze(uint256 ip) internal pure returns (uint256) {
        (uint256 dst, uint256 count) = _operands(ip);
        assembly {
            let end := add(dst, shl(5, count))
            for {} lt(dst, end) { dst := add(dst, 0x20) } {
                let state := keccak256(STATE, 0x20)
                mstore(STATE, state)
                mstore(dst, mod(state, R))
            }
        }
        unchecked {
            return ip + 5;
        }
    }

    function _operands(uint256 ip) private pure returns (uint256 first, uint256 count) {
        assembly {
            let x := mload(ip)
            first := and(shr(227, x), OPERAND)
            count := and(shr(216, x), 0xffff)
        }
    }
}
