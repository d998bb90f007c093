// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "../interfaces/IInferenceVerifier.sol";
import {ProofSystem} from "../types/ProofSystem.sol";

/// @notice Proofs as contracts take them: the four bytes of the proof system, then the tier's own bytes.
library ProofBytes {
    error WrongProofSystem(ProofSystem expected, ProofSystem actual);

    /// @notice Reverts unless `proof` is one of the proof system `expected`.
    function requireSystem(bytes calldata proof, ProofSystem expected) internal pure {
        if (proof.length < 4) revert IInferenceVerifier.ProofTooShort(proof.length);
        ProofSystem actual = ProofSystem.wrap(bytes4(proof[:4]));
        if (!(actual == expected)) revert WrongProofSystem(expected, actual);
    }
}
