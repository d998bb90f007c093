// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ClaimStatus} from "./Claim.sol";

/// @notice All that is stored of a disputable claim, in one word:
/// status 8 | deadline 40 | games 32 | pot 96, from the lowest bits up.
type ClaimState is uint256;

using ClaimStateLibrary for ClaimState global;

library ClaimStateLibrary {
    uint256 private constant DEADLINE = 8;
    uint256 private constant GAMES = 48;
    uint256 private constant POT = 80;

    /// @notice A claim that was just posted.
    function provisional(uint256 deadline_) internal pure returns (ClaimState) {
        return ClaimState.wrap(uint256(ClaimStatus.PROVISIONAL) | deadline_ << DEADLINE);
    }

    /// @notice What has become of the claim.
    function status(ClaimState self) internal pure returns (ClaimStatus) {
        return ClaimStatus(uint8(ClaimState.unwrap(self)));
    }

    /// @notice When the claim can no longer be challenged, in seconds.
    function deadline(ClaimState self) internal pure returns (uint256) {
        return uint40(ClaimState.unwrap(self) >> DEADLINE);
    }

    /// @notice Games that are not closed.
    function games(ClaimState self) internal pure returns (uint256) {
        return uint32(ClaimState.unwrap(self) >> GAMES);
    }

    /// @notice What is left of a fallen bond's burnt share to refund gas from, in wei.
    function pot(ClaimState self) internal pure returns (uint256) {
        return uint96(ClaimState.unwrap(self) >> POT);
    }

    /// @notice The claim with a game more.
    function withGame(ClaimState self) internal pure returns (ClaimState) {
        unchecked {
            return ClaimState.wrap(ClaimState.unwrap(self) + (1 << GAMES));
        }
    }

    /// @notice The claim with a game less.
    function withoutGame(ClaimState self) internal pure returns (ClaimState) {
        unchecked {
            return ClaimState.wrap(ClaimState.unwrap(self) - (1 << GAMES));
        }
    }

    /// @notice The provisional claim, resolved.
    function resolved(ClaimState self, ClaimStatus outcome) internal pure returns (ClaimState) {
        unchecked {
            return ClaimState.wrap(ClaimState.unwrap(self) - uint256(ClaimStatus.PROVISIONAL) + uint256(outcome));
        }
    }

    /// @notice The claim with another pot, of at most 96 bits.
    function withPot(ClaimState self, uint256 pot_) internal pure returns (ClaimState) {
        return ClaimState.wrap((ClaimState.unwrap(self) & ((1 << POT) - 1)) | pot_ << POT);
    }
}
