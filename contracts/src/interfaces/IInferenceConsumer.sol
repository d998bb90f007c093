// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ClaimStatus} from "../types/Claim.sol";

/// @title A contract that asks an oracle for inferences
interface IInferenceConsumer {
    /// @notice The oracle tells what became of a request. Whoever implements this makes sure that the oracle it asked
    /// is the caller, and asks for enough gas: a call that fails is not repeated, but the result can always be read.
    /// @param status PROVISIONAL: this is the answer, but it can still fall. FINAL: this is the answer. REVOKED: the
    /// answer was false; the request is open again, or refundable.
    /// @param output The outputs, packed; empty if revoked.
    function onInference(bytes32 requestId, ClaimStatus status, bytes calldata output) external;
}
