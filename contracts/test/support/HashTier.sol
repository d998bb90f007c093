// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ITierVerifier, Statement} from "../../src/interfaces/ITierVerifier.sol";
import {ProofSystem} from "../../src/types/ProofSystem.sol";
import {TierKey} from "../../src/types/TierKey.sol";

/// @notice A tier whose proof of a statement is the statement's hash.
contract HashTier is ITierVerifier {
    ProofSystem public constant override proofSystem = ProofSystem.wrap(0x11111111);

    error Refused();

    function verify(Statement calldata statement, TierKey calldata, bytes calldata proof) external pure override {
        bytes32 expected = keccak256(abi.encode(statement.inputCommitment, statement.output, statement.recipient));
        if (keccak256(proof) != keccak256(abi.encode(expected))) revert Refused();
    }
}
