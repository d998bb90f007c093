// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ProofSystem} from "./ProofSystem.sol";

/// @notice What a registration fixes for one tier.
/// @param system The proof system.
/// @param verifier The contract particular to the model that checks its proofs, or zero if the tier needs none.
/// @param codeHash The verifier's EXTCODEHASH; zero if and only if `verifier` is.
/// @param keyHash keccak256 of the verifying key.
struct TierKey {
    ProofSystem system;
    address verifier;
    bytes32 codeHash;
    bytes32 keyHash;
}
