// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The verifier contract that ezkl generates for one verifying key
interface IHalo2Verifier {
    /// @notice Whether `proof` holds for the public values `instances`. The generated code reverts where it does not.
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external returns (bool);
}
