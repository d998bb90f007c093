// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../interfaces/IClaimTier.sol";
import {InputTree} from "../libraries/InputTree.sol";
import {Claim} from "../types/Claim.sol";

/// @notice What is checked of a claim when it is posted, the same in every tier.
library Posting {
    /// @notice Reverts unless the claim is the caller's, on an input that is posted with it.
    function requireOwn(Claim calldata claim_) internal view {
        if (claim_.asserter != msg.sender) revert IClaimTier.WrongAsserter(msg.sender, claim_.asserter);
        if (claim_.source != address(0)) revert IClaimTier.WrongSource(address(0), claim_.source);
    }

    /// @notice Reverts unless the caller is the claim's source.
    function requireVouched(Claim calldata claim_) internal view {
        if (claim_.source != msg.sender) revert IClaimTier.WrongSource(msg.sender, claim_.source);
    }

    /// @notice Reverts unless what is sent is the bond, and bond and window are no less than the tier's.
    function requireTerms(Claim calldata claim_, uint256 minBond, uint256 minWindow) internal view {
        if (msg.value != claim_.bond) revert IClaimTier.WrongBond(claim_.bond, msg.value);
        if (claim_.bond < minBond) revert IClaimTier.BondTooLow(minBond, claim_.bond);
        if (claim_.window < minWindow) revert IClaimTier.WindowTooShort(minWindow, claim_.window);
    }

    /// @notice Reverts unless `output` is what the claim's hash is of.
    function requireOutput(Claim calldata claim_, bytes calldata output) internal pure {
        bytes32 actual = keccak256(output);
        if (actual != claim_.outputHash) revert IClaimTier.WrongOutputHash(claim_.outputHash, actual);
    }

    /// @notice Reverts unless `input` is what the claim's input root is of.
    function requireInput(Claim calldata claim_, bytes memory header, bytes calldata input) internal pure {
        uint256 expected = InputTree.packedLength(header);
        if (input.length != expected) revert IClaimTier.WrongInputLength(expected, input.length);
        bytes32 actual = InputTree.commitmentOfPacked(header, input);
        if (actual != claim_.input) revert IClaimTier.WrongInput(claim_.input, actual);
    }
}
