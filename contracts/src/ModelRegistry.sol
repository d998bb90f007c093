// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {CircuitHeader} from "./libraries/CircuitHeader.sol";
import {CodeStore} from "./libraries/CodeStore.sol";
import {TierKeys} from "./libraries/TierKeys.sol";
import {CircuitId, CircuitIdLibrary} from "./types/CircuitId.sol";
import {ModelId} from "./types/ModelId.sol";
import {ProofSystem} from "./types/ProofSystem.sol";
import {TierKey} from "./types/TierKey.sol";

/// @title The public record of models
contract ModelRegistry is IModelRegistry {
    using CircuitHeader for bytes;
    using TierKeys for TierKey[];

    struct CommitmentRecord {
        uint64 blockNumber;
        uint64 timestamp;
    }

    bytes32 private constant MODEL_TAG = keccak256("verinfer model v1");
    bytes32 private constant COMMITMENT_TAG = keccak256("verinfer commitment v1");

    /// @inheritdoc IModelRegistry
    mapping(bytes32 commitment => CommitmentRecord) public override commitmentRecord;

    /// @dev A model never changes, so it is kept as code: the account holds `abi.encode(Model)`.
    mapping(ModelId => address) private _records;

    /// @inheritdoc IModelRegistry
    function commit(bytes32 commitment) external override {
        // The first record stands. A repetition does not revert: whoever copied the commitment into an earlier
        // transaction could otherwise make its owner's own fail.
        if (commitmentRecord[commitment].blockNumber != 0) return;
        commitmentRecord[commitment] = CommitmentRecord(uint64(block.number), uint64(block.timestamp));
        emit Committed(commitment, msg.sender);
    }

    /// @inheritdoc IModelRegistry
    function register(Registration calldata registration, bytes32 salt) external override returns (ModelId modelId) {
        CircuitId circuitId =
            circuitIdOf(registration.header, registration.opsRoot, registration.weightsRoot, registration.scalesHash);
        CommitmentRecord memory record = _openCommitment(circuitId, salt);
        registration.tiers.requireWellFormed();

        modelId = modelIdOf(circuitId, msg.sender, registration.tiers, registration.uri, registration.contentHash);
        if (_records[modelId] != address(0)) revert ModelAlreadyRegistered(modelId);
        Model memory model = Model({
            circuitId: circuitId,
            owner: msg.sender,
            committedBlock: record.blockNumber,
            committedAt: record.timestamp,
            registeredAt: uint64(block.timestamp),
            registration: registration
        });
        _records[modelId] = CodeStore.write(abi.encode(model));
        emit ModelRegistered(modelId, circuitId, msg.sender, record.blockNumber, record.timestamp);
    }

    /// @inheritdoc IModelRegistry
    function getModel(ModelId modelId) public view override returns (Model memory model) {
        address record = _records[modelId];
        if (record == address(0)) revert ModelNotFound(modelId);
        return abi.decode(CodeStore.read(record), (Model));
    }

    /// @inheritdoc IModelRegistry
    function resolve(ModelId modelId, ProofSystem system)
        external
        view
        override
        returns (CircuitId circuitId, TierKey memory key, bytes memory header)
    {
        Model memory model = getModel(modelId);
        return (model.circuitId, model.registration.tiers.find(system), model.registration.header);
    }

    /// @inheritdoc IModelRegistry
    function circuitIdOf(bytes calldata header, bytes32 opsRoot, bytes32 weightsRoot, bytes32 scalesHash)
        public
        pure
        override
        returns (CircuitId)
    {
        bytes memory copy = header;
        copy.validate();
        return CircuitIdLibrary.compute(copy, opsRoot, weightsRoot, scalesHash);
    }

    /// @inheritdoc IModelRegistry
    function modelIdOf(
        CircuitId circuitId,
        address owner,
        TierKey[] calldata tiers,
        string calldata uri,
        bytes32 contentHash
    ) public pure override returns (ModelId) {
        bytes32 digest = keccak256(
            abi.encode(MODEL_TAG, circuitId, owner, keccak256(abi.encode(tiers)), keccak256(bytes(uri)), contentHash)
        );
        return ModelId.wrap(uint256(digest));
    }

    /// @inheritdoc IModelRegistry
    function commitmentOf(address owner, CircuitId circuitId, bytes32 salt) public pure override returns (bytes32) {
        return keccak256(abi.encode(COMMITMENT_TAG, owner, circuitId, salt));
    }

    /// @dev The record of the caller's commitment to a circuit. It must stand in an earlier block: who learns of the
    /// circuit from a registration that waits to be mined can then no longer commit in the same block as its owner.
    function _openCommitment(CircuitId circuitId, bytes32 salt) private view returns (CommitmentRecord memory record) {
        bytes32 commitment = commitmentOf(msg.sender, circuitId, salt);
        record = commitmentRecord[commitment];
        if (record.blockNumber == 0) revert CommitmentNotFound(commitment);
        if (record.blockNumber >= block.number) revert CommitmentTooRecent(commitment, record.blockNumber);
    }
}
