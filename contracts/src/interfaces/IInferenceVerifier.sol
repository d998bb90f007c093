// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {ITierVerifier} from "./ITierVerifier.sol";

/// @title The verifier of inferences, beyond what the draft asks
/// @notice `output` is `abi.encode(int256[])` of all outputs as integers, flat, row-major, ports in order.
/// `proof` is the four bytes of the proof system followed by the tier's own bytes.
///
/// A proof is for anyone, or it is made for one recipient and holds for that address only. The functions without a
/// recipient take proofs for anyone. A contract that acts for its caller passes `msg.sender` as the recipient: nobody
/// can then send the proof in the caller's place.
interface IInferenceVerifier {
    event InferenceVerifiedFor(
        uint256 indexed modelId,
        bytes32 indexed inputCommitment,
        bytes output,
        address indexed recipient,
        address caller
    );

    error ProofTooShort(uint256 actual);
    error TierRepeated(ProofSystem system);
    error VerifierCodeChanged(address verifier, bytes32 registered, bytes32 actual);

    /// @notice Like `verifyInference`, but leaves no event, so that view functions and free calls can use it.
    function checkInference(ModelId modelId, bytes32 inputCommitment, bytes calldata output, bytes calldata proof)
        external
        view;

    /// @notice Like `checkInference`, for a proof that was made for `recipient`; zero means for anyone.
    function checkInferenceFor(
        ModelId modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        address recipient
    ) external view;

    /// @notice Like `verifyInference`, for a proof that was made for `recipient`; zero means for anyone. Anybody may
    /// call it: who needs the caller to be the recipient passes `msg.sender`.
    function verifyInferenceFor(
        ModelId modelId,
        bytes32 inputCommitment,
        bytes calldata output,
        bytes calldata proof,
        address recipient
    ) external;

    /// @notice The input commitment of `values` for a model: all inputs as integers, flat, row-major, ports in order.
    /// Reverts if their number or a bound is not what the model's header says, or if they exceed 64 KiB packed.
    function inputCommitment(ModelId modelId, int256[] calldata values) external view returns (bytes32);

    /// @notice The contract that checks proofs of a proof system; zero if none does.
    function tierVerifier(ProofSystem system) external view returns (ITierVerifier);
}
