// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {TierKey} from "../types/TierKey.sol";

/// @notice The keys that a model is registered with, at most one for each proof system.
library TierKeys {
    uint256 internal constant MAX_TIERS = 8;

    /// @dev EXTCODEHASH of an account that exists and has no code.
    bytes32 private constant EMPTY_CODE_HASH = keccak256("");

    /// @notice Reverts unless no proof system is named twice and each verifier has the code that its key says.
    function requireWellFormed(TierKey[] calldata keys) internal view {
        if (keys.length > MAX_TIERS) revert IModelRegistry.TooManyTiers(keys.length, MAX_TIERS);
        for (uint256 i = 0; i < keys.length; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                if (keys[i].system == keys[j].system) revert IModelRegistry.TierRepeated(keys[i].system);
            }
            _requireCode(keys[i].verifier, keys[i].codeHash);
        }
    }

    /// @notice The key for a proof system. Reverts if there is none.
    function find(TierKey[] memory keys, ProofSystem system) internal pure returns (TierKey memory) {
        for (uint256 i = 0; i < keys.length; ++i) {
            if (keys[i].system == system) return keys[i];
        }
        revert IModelRegistry.UnsupportedProofSystem(system);
    }

    function _requireCode(address verifier, bytes32 codeHash) private view {
        bytes32 actual = bytes32(0); // what a tier without a verifier of its own states
        if (verifier != address(0)) {
            actual = verifier.codehash;
            if (actual == bytes32(0) || actual == EMPTY_CODE_HASH) {
                revert IModelRegistry.VerifierWithoutCode(verifier);
            }
        }
        if (actual != codeHash) revert IModelRegistry.VerifierCodeMismatch(verifier, codeHash, actual);
    }
}
