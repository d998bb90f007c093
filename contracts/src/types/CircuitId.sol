// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Names one integer circuit: its shape, its operations, its weights and its scales.
type CircuitId is bytes32;

library CircuitIdLibrary {
    bytes32 internal constant TAG = keccak256("verinfer circuit v1");

    /// @notice circuit_id = keccak256(tag || keccak256(header) || opsRoot || weightsRoot || scalesHash)
    function compute(bytes memory header, bytes32 opsRoot, bytes32 weightsRoot, bytes32 scalesHash)
        internal
        pure
        returns (CircuitId)
    {
        return CircuitId.wrap(keccak256(abi.encode(TAG, keccak256(header), opsRoot, weightsRoot, scalesHash)));
    }
}
