// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {DisputeParameters} from "../src/interfaces/IDisputeTier.sol";
import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {ISampledTier} from "../src/interfaces/ISampledTier.sol";
import {ITierVerifier} from "../src/interfaces/ITierVerifier.sol";
import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {DisputeTier} from "../src/optimistic/DisputeTier.sol";
import {InferenceOracle} from "../src/optimistic/InferenceOracle.sol";
import {OneStep} from "../src/optimistic/OneStep.sol";
import {SampledTier} from "../src/optimistic/SampledTier.sol";
import {EzklTier} from "../src/tiers/EzklTier.sol";
import {SumcheckTier} from "../src/tiers/SumcheckTier.sol";
import {Test} from "./support/Test.sol";

/// @notice EIP-170 limits the code of an account to 24,576 bytes.
contract CodeSizeTest is Test {
    uint256 private constant LIMIT = 24_576;

    function test_codeSizes() public {
        ModelRegistry registry = new ModelRegistry();
        _record("ModelRegistry", address(registry));
        _record("InferenceVerifier", address(new InferenceVerifier(registry, new ITierVerifier[](0))));
        _record("EzklTier", address(new EzklTier()));
        _record("SumcheckTier", address(new SumcheckTier()));
        OneStep oneStep = new OneStep();
        _record("OneStep", address(oneStep));
        InferenceVerifier verifier = new InferenceVerifier(registry, new ITierVerifier[](0));
        DisputeParameters memory chosen = DisputeParameters(1 ether, 1 ether, 1000, 1000, 1000, 100);
        _record("DisputeTier", address(new DisputeTier(registry, verifier, oneStep, chosen)));
        _record(
            "SampledTier",
            address(new SampledTier(registry, verifier, ISampledTier.Parameters(1 ether, 1000, 1000, 1, 2)))
        );
        IInferenceOracle.Parameters memory parameters = IInferenceOracle.Parameters(1000, 1 ether);
        _record("InferenceOracle", address(new InferenceOracle(registry, verifier, new IClaimTier[](0), parameters)));
    }

    function _record(string memory name, address account) private {
        vm.assertLt(account.code.length, LIMIT);
        vm.snapshotValue("CodeSize", name, account.code.length);
    }
}
