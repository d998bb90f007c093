// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ModelId} from "./ModelId.sol";
import {ProofSystem} from "./ProofSystem.sol";

/// @notice An answer that its asserter stands in for with a bond. Its id is the hash of all of it, the chain and the
/// contract included: the same claim made twice, or by somebody else first, is the same claim.
/// @param modelId The model in the registry.
/// @param input Root of the Merkle tree over the inputs.
/// @param trace Root of the Merkle tree over the trace; zero where claims are settled by proofs alone.
/// @param asserter Who gets the bond back, and who loses it.
/// @param source Who gave the input: zero if its data was posted with the claim, else the contract that asked.
/// @param bond What the asserter loses if the claim is false, in wei.
/// @param window How long the claim can be challenged, in seconds.
/// @param settledBy The proof system whose proofs settle the claim; zero if none does.
/// @param outputHash keccak256 of the outputs, packed: the tensors in port order, elements row-major in two's
/// complement, big-endian, in the width of their port, nothing in between.
struct Claim {
    ModelId modelId;
    bytes32 input;
    bytes32 trace;
    address asserter;
    address source;
    uint96 bond;
    uint32 window;
    ProofSystem settledBy;
    bytes32 outputHash;
}

using ClaimLibrary for Claim global;

library ClaimLibrary {
    /// @notice The claim's id in the contract that calls this.
    function id(Claim calldata self) internal view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), self));
    }
}

/// @notice What has become of a claim.
/// NONE: there is no such claim. PROVISIONAL: it can still fall. FINAL: it stands. REVOKED: it was false, or its asserter
/// did not answer.
enum ClaimStatus {
    NONE,
    PROVISIONAL,
    FINAL,
    REVOKED
}
