// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CircuitId} from "../types/CircuitId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {TierKey} from "../types/TierKey.sol";

/// @notice What a proof is about, the same for every tier.
/// @param circuitId The circuit.
/// @param header The circuit's header, as the registry validated it.
/// @param inputCommitment Root of the Merkle tree over the inputs.
/// @param output `abi.encode(int256[])` of all outputs as integers.
/// @param recipient For whom the proof was made; zero if for anyone.
struct Statement {
    CircuitId circuitId;
    bytes header;
    bytes32 inputCommitment;
    bytes output;
    address recipient;
}

/// @title One way of proving an inference
/// @notice Checks proofs of one proof system for any model. It holds no state and trusts its caller for nothing but
/// the header, the key and that the key's verifier has the registered code.
interface ITierVerifier {
    /// @notice The proof system whose proofs this contract checks.
    function proofSystem() external view returns (ProofSystem);

    /// @notice Reverts unless `proof` proves the statement under `key`.
    /// @param statement What is claimed.
    /// @param key The model's key for this tier.
    /// @param proof The tier's own bytes, without the identifier of the proof system.
    function verify(Statement calldata statement, TierKey calldata key, bytes calldata proof) external view;
}
