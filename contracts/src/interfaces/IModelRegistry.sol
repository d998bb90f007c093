// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CircuitId} from "../types/CircuitId.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {TierKey} from "../types/TierKey.sol";

/// @title The public record of models
/// @notice A model is registered once and never changes. Registering takes two steps: first a commitment that hides
/// which circuit it is about, then, in a later block, the registration that opens it. The block of the commitment is
/// the evidence of who had the model when.
///
/// A model id binds everything that its owner registered, the owner included. Nobody can therefore take an id, or
/// put another verifier behind one. Anybody can register the same circuit under an id of their own, with whatever
/// verifier they like, so a consumer pins a model id, having compared its verifier's code hash with one derived from
/// the circuit, and never looks for "the" model of a circuit.
interface IModelRegistry {
    /// @notice What an owner registers.
    /// @param header Header of the circuit, in its canonical form.
    /// @param opsRoot Merkle root of the circuit's op records.
    /// @param weightsRoot Merkle root of the circuit's weights.
    /// @param scalesHash keccak256 of the scales of the circuit's inputs and outputs.
    /// @param tiers Verifying key and verifier of each tier, the preferred tier first; may be empty.
    /// @param uri Where the model's metadata can be read; may be empty.
    /// @param contentHash keccak256 of the metadata; zero if there is none.
    struct Registration {
        bytes header;
        bytes32 opsRoot;
        bytes32 weightsRoot;
        bytes32 scalesHash;
        TierKey[] tiers;
        string uri;
        bytes32 contentHash;
    }

    /// @notice A registered model.
    /// @param circuitId The circuit, as the registry computed it from the registration.
    /// @param owner Who registered it.
    /// @param committedBlock Block in which the owner's commitment to the circuit was recorded.
    /// @param committedAt Time of that block, in seconds.
    /// @param registeredAt Time of the block of the registration, in seconds.
    /// @param registration What the owner registered.
    struct Model {
        CircuitId circuitId;
        address owner;
        uint64 committedBlock;
        uint64 committedAt;
        uint64 registeredAt;
        Registration registration;
    }

    event Committed(bytes32 indexed commitment, address indexed sender);

    event ModelRegistered(
        ModelId indexed modelId,
        CircuitId indexed circuitId,
        address indexed owner,
        uint64 committedBlock,
        uint64 committedAt
    );

    error ModelNotFound(ModelId modelId);
    error ModelAlreadyRegistered(ModelId modelId);
    error CommitmentNotFound(bytes32 commitment);
    error CommitmentTooRecent(bytes32 commitment, uint256 committedBlock);
    error TooManyTiers(uint256 count, uint256 maximum);
    error TierRepeated(ProofSystem system);
    error VerifierWithoutCode(address verifier);
    error VerifierCodeMismatch(address verifier, bytes32 expected, bytes32 actual);
    error UnsupportedProofSystem(ProofSystem system);

    /// @notice Records a commitment, if it is new. Anyone may send it: it names its owner by itself, and an earlier
    /// record can only help that owner.
    /// @param commitment A value of `commitmentOf` for a secret salt.
    function commit(bytes32 commitment) external;

    /// @notice Registers a model of the caller's.
    /// @param registration The model.
    /// @param salt The salt of the caller's commitment to the model's circuit, made in an earlier block.
    /// @return modelId The model's id, `modelIdOf` the registration.
    function register(Registration calldata registration, bytes32 salt) external returns (ModelId modelId);

    /// @notice The model of an id. Reverts with ModelNotFound if there is none.
    function getModel(ModelId modelId) external view returns (Model memory model);

    /// @notice What the check of a proof needs to know of a model.
    /// Reverts with ModelNotFound, or with UnsupportedProofSystem if the model has no key for the proof system.
    function resolve(ModelId modelId, ProofSystem system)
        external
        view
        returns (CircuitId circuitId, TierKey memory key, bytes memory header);

    /// @notice Block and time at which a commitment was recorded; zeros if it was not.
    function commitmentRecord(bytes32 commitment) external view returns (uint64 blockNumber, uint64 timestamp);

    /// @notice The circuit id of a circuit's parts. Reverts if the header is not canonical.
    function circuitIdOf(bytes calldata header, bytes32 opsRoot, bytes32 weightsRoot, bytes32 scalesHash)
        external
        pure
        returns (CircuitId);

    /// @notice The id under which `owner` would register a model.
    function modelIdOf(
        CircuitId circuitId,
        address owner,
        TierKey[] calldata tiers,
        string calldata uri,
        bytes32 contentHash
    ) external pure returns (ModelId);

    /// @notice The commitment of `owner` to a circuit. `salt` is 32 random bytes, secret until the registration.
    function commitmentOf(address owner, CircuitId circuitId, bytes32 salt) external pure returns (bytes32);
}
