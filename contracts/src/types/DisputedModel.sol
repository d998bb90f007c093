// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IDisputeTier} from "../interfaces/IDisputeTier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {CircuitHeader} from "../libraries/CircuitHeader.sol";
import {CodeStore} from "../libraries/CodeStore.sol";
import {PackedOutputs} from "../libraries/PackedOutputs.sol";
import {ModelId} from "./ModelId.sol";

/// @notice What moves need to know of a model at once: outputBytes 64 | trace depth 8 | account 160, from the lowest bits
/// up. The account's code holds the rest: roots of ops and weights, and the circuit's header.
type DisputedModel is uint256;

using DisputedModelLibrary for DisputedModel global;

/// @notice A model's circuit, as the registry has it.
struct ModelParts {
    bytes32 opsRoot;
    bytes32 weightsRoot;
    bytes header;
}

/// @notice A model never changes. What disputes need of it is copied from the registry with its first claim, so that
/// each later one costs two cold reads instead of decoding the whole registration.
library DisputedModelLibrary {
    using CircuitHeader for bytes;

    uint256 private constant DEPTH = 64;
    uint256 private constant ACCOUNT = 72;

    /// @dev A game's place in the tree has 32 bits at the height of the last reveal.
    uint256 private constant MAX_DEPTH = 36;

    /// @notice Copies a model from the registry. Reverts if it is not registered, or too large to dispute.
    function copyFrom(IModelRegistry registry, ModelId modelId) internal returns (DisputedModel) {
        IModelRegistry.Registration memory found = registry.getModel(modelId).registration;
        uint256 depth = found.header.traceDepth();
        if (depth > MAX_DEPTH) revert IDisputeTier.ModelTooLarge(modelId, depth, MAX_DEPTH);
        bytes memory parts = abi.encodePacked(found.opsRoot, found.weightsRoot, found.header);
        return DisputedModel.wrap(
            SafeCast.toUint64(PackedOutputs.length(found.header)) | depth << DEPTH
                | uint256(uint160(CodeStore.write(parts))) << ACCOUNT
        );
    }

    /// @notice Bytes of all outputs together, packed.
    function outputBytes(DisputedModel self) internal pure returns (uint256) {
        return uint64(DisputedModel.unwrap(self));
    }

    /// @notice Depth of the tree over the trace.
    function traceDepth(DisputedModel self) internal pure returns (uint256) {
        return uint8(DisputedModel.unwrap(self) >> DEPTH);
    }

    /// @notice Everything else, read from the account that holds it.
    function read(DisputedModel self) internal view returns (ModelParts memory parts) {
        bytes memory stored = CodeStore.read(address(uint160(DisputedModel.unwrap(self) >> ACCOUNT)));
        assembly ("memory-safe") {
            mstore(parts, mload(add(stored, 32)))
            mstore(add(parts, 32), mload(add(stored, 64)))
            // The header's own length takes the place of the word before it.
            let header := add(stored, 64)
            mstore(header, sub(mload(stored), 64))
            mstore(add(parts, 64), header)
        }
    }
}
