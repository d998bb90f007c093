// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC165, IERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC7992Verifier} from "./interfaces/IERC7992Verifier.sol";
import {IInferenceVerifier} from "./interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ITierVerifier, Statement} from "./interfaces/ITierVerifier.sol";
import {InputTree} from "./libraries/InputTree.sol";
import {CircuitId} from "./types/CircuitId.sol";
import {ModelId} from "./types/ModelId.sol";
import {ProofSystem} from "./types/ProofSystem.sol";
import {TierKey} from "./types/TierKey.sol";

/// @title The verifier of inferences
/// @notice Looks a model up and hands the statement to the tier whose proof system the proof names. Registry and tiers
/// are fixed when it is deployed: there is no owner, and nothing to upgrade.
contract InferenceVerifier is IERC7992Verifier, IInferenceVerifier, ERC165 {
    IModelRegistry private immutable REGISTRY;

    /// @inheritdoc IInferenceVerifier
    mapping(ProofSystem => ITierVerifier) public override tierVerifier;

    constructor(IModelRegistry registry_, ITierVerifier[] memory tiers) {
        REGISTRY = registry_;
        for (uint256 i = 0; i < tiers.length; ++i) {
            ProofSystem system = tiers[i].proofSystem();
            if (address(tierVerifier[system]) != address(0)) revert TierRepeated(system);
            tierVerifier[system] = tiers[i];
        }
    }

    /// @inheritdoc IERC7992Verifier
    function verifyInference(uint256 modelId, bytes32 commitment, bytes calldata output, bytes calldata proof)
        external
        override
    {
        checkInferenceFor(ModelId.wrap(modelId), commitment, output, proof, address(0));
        emit InferenceVerified(modelId, commitment, output, msg.sender);
    }

    /// @inheritdoc IInferenceVerifier
    function verifyInferenceFor(
        ModelId modelId,
        bytes32 commitment,
        bytes calldata output,
        bytes calldata proof,
        address recipient
    ) external override {
        checkInferenceFor(modelId, commitment, output, proof, recipient);
        emit InferenceVerifiedFor(ModelId.unwrap(modelId), commitment, output, recipient, msg.sender);
    }

    /// @inheritdoc IInferenceVerifier
    function checkInference(ModelId modelId, bytes32 commitment, bytes calldata output, bytes calldata proof)
        external
        view
        override
    {
        checkInferenceFor(modelId, commitment, output, proof, address(0));
    }

    /// @inheritdoc IInferenceVerifier
    function checkInferenceFor(
        ModelId modelId,
        bytes32 commitment,
        bytes calldata output,
        bytes calldata proof,
        address recipient
    ) public view override {
        if (proof.length < 4) revert ProofTooShort(proof.length);
        ProofSystem system = ProofSystem.wrap(bytes4(proof[:4]));
        ITierVerifier tier = tierVerifier[system];
        if (address(tier) == address(0)) revert UnsupportedProofSystem(ProofSystem.unwrap(system));

        (CircuitId circuitId, TierKey memory key, bytes memory header) = REGISTRY.resolve(modelId, system);
        bytes32 codeHash = key.verifier == address(0) ? bytes32(0) : key.verifier.codehash;
        if (codeHash != key.codeHash) revert VerifierCodeChanged(key.verifier, key.codeHash, codeHash);

        tier.verify(Statement(circuitId, header, commitment, output, recipient), key, proof[4:]);
    }

    /// @inheritdoc IInferenceVerifier
    function inputCommitment(ModelId modelId, int256[] calldata values) external view override returns (bytes32) {
        return InputTree.commitment(REGISTRY.getModel(modelId).registration.header, values);
    }

    /// @inheritdoc IERC7992Verifier
    function proofSystemOf(uint256 modelId) external view override returns (bytes4) {
        TierKey[] memory keys = REGISTRY.getModel(ModelId.wrap(modelId)).registration.tiers;
        return keys.length == 0 ? bytes4(0) : ProofSystem.unwrap(keys[0].system);
    }

    /// @inheritdoc IERC7992Verifier
    function registry() external view override returns (address) {
        return address(REGISTRY);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERC7992Verifier).interfaceId || interfaceId == type(IInferenceVerifier).interfaceId
            || super.supportsInterface(interfaceId);
    }
}
