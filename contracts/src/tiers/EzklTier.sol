// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC7992Verifier} from "../interfaces/IERC7992Verifier.sol";
import {IHalo2Verifier} from "../interfaces/IHalo2Verifier.sol";
import {ITierVerifier, Statement} from "../interfaces/ITierVerifier.sol";
import {Bounds} from "../libraries/Bounds.sol";
import {CircuitHeader} from "../libraries/CircuitHeader.sol";
import {InputTree} from "../libraries/InputTree.sol";
import {ScalarField} from "../libraries/ScalarField.sol";
import {SignedWords} from "../libraries/SignedWords.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {TierKey} from "../types/TierKey.sol";

/// @title The ezkl tier: Halo2 with KZG commitments over BN254
/// @notice ezkl generates one verifier contract for each verifying key; the registration names it. Its public values
/// are the inputs and then the outputs as elements of the scalar field. A proof is the inputs, one signed word
/// each, followed by the Halo2 proof.
///
/// The field cannot tell x from x + p, and the generated verifier knows neither bounds nor signs. So this contract
/// takes integers, checks them against the bounds of the circuit, and only then embeds them. Nor does a Halo2 proof bind
/// a recipient: a statement with one is refused.
contract EzklTier is ITierVerifier {
    using CircuitHeader for bytes;

    ProofSystem private constant PROOF_SYSTEM = ProofSystem.wrap(bytes4(keccak256("ezkl-halo2-kzg-bn254-v1")));

    error RecipientNotSupported(address recipient);
    error VerifierWithoutCode(address verifier);

    /// @inheritdoc ITierVerifier
    function proofSystem() external pure override returns (ProofSystem) {
        return PROOF_SYSTEM;
    }

    /// @inheritdoc ITierVerifier
    function verify(Statement calldata statement, TierKey calldata key, bytes calldata proof) external view override {
        if (statement.recipient != address(0)) revert RecipientNotSupported(statement.recipient);
        bytes memory header = statement.header;
        int256[] calldata outputs = SignedWords.decode(statement.output);
        Bounds.requireOutputs(header, outputs);

        (int256[] calldata inputs, bytes calldata halo2Proof) =
            SignedWords.split(proof, header.elementsOf(0, header.inputCount()));
        if (InputTree.commitment(header, inputs) != statement.inputCommitment) {
            revert IERC7992Verifier.InputCommitmentMismatch();
        }

        uint256[] memory instances = new uint256[](inputs.length + outputs.length);
        ScalarField.embed(inputs, instances, 0);
        ScalarField.embed(outputs, instances, inputs.length);
        _requireAccepted(key.verifier, halo2Proof, instances);
    }

    /// @dev Reverts unless the call succeeds and returns the one word 1. Whoever registered the model chose the
    /// verifier: it may return anything, nothing, or more than fits in memory, so nothing but one word is copied.
    function _requireAccepted(address verifier, bytes calldata halo2Proof, uint256[] memory instances) private view {
        // An account without code would succeed and return nothing; some precompiles return a word.
        if (verifier.code.length == 0) revert VerifierWithoutCode(verifier);
        bytes memory call_ = abi.encodeCall(IHalo2Verifier.verifyProof, (halo2Proof, instances));
        bool accepted;
        assembly ("memory-safe") {
            accepted := staticcall(gas(), verifier, add(call_, 32), mload(call_), 0, 32)
            accepted := and(accepted, and(eq(returndatasize(), 32), eq(mload(0), 1)))
        }
        if (!accepted) revert IERC7992Verifier.InvalidProof();
    }
}
