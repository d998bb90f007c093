// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {CircuitId} from "../../src/types/CircuitId.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {Test} from "./Test.sol";

/// @notice Base of the tests that need a registered model: fill in `entry`, then `_register`.
abstract contract RegistryTest is Test {
    bytes32 private constant SALT = keccak256("salt");

    ModelRegistry internal registry = new ModelRegistry();
    IModelRegistry.Registration internal entry;

    function _register() internal returns (ModelId) {
        registry.commit(registry.commitmentOf(address(this), _circuitId(), SALT));
        vm.roll(block.number + 1);
        return registry.register(entry, SALT);
    }

    function _circuitId() internal view returns (CircuitId) {
        return registry.circuitIdOf(entry.header, entry.opsRoot, entry.weightsRoot, entry.scalesHash);
    }
}
