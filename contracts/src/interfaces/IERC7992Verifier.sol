// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The verifier of draft ERC-7992
/// @notice Functions, event and errors as in the draft, so that the ERC-165 identifiers agree.
interface IERC7992Verifier {
    event InferenceVerified(
        uint256 indexed modelId, bytes32 indexed inputCommitment, bytes output, address indexed caller
    );

    error InvalidProof();
    error InputCommitmentMismatch();
    error UnsupportedProofSystem(bytes4 proofSystemId);

    /// @notice Reverts unless `proof` proves that the model's output on the committed input is `output`.
    /// @param modelId The model's id in the registry.
    /// @param inputCommitment Root of the Merkle tree over the inputs.
    /// @param output The outputs.
    /// @param proof The identifier of the proof system and the proof.
    function verifyInference(uint256 modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof)
        external;

    /// @notice The proof system that the model's owner prefers, or zero if the model has none.
    function proofSystemOf(uint256 modelId) external view returns (bytes4);

    /// @notice The registry in which models are looked up.
    function registry() external view returns (address registryAddress);
}
