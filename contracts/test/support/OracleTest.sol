// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../../src/interfaces/IClaimTier.sol";
import {IInferenceOracle} from "../../src/interfaces/IInferenceOracle.sol";
import {InferenceOracle} from "../../src/optimistic/InferenceOracle.sol";
import {ProofSystem} from "../../src/types/ProofSystem.sol";
import {ClaimTierDouble} from "./ClaimTierDouble.sol";
import {Consumer, Manner} from "./Consumers.sol";
import {SampledTest} from "./SampledTest.sol";

/// @notice Base of the tests of the oracle: over a tier whose outcomes the test decides, and over the sampled tier.
abstract contract OracleTest is SampledTest {
    uint32 internal constant ANSWER_TIME = 300;
    uint96 internal constant BOUNTY = 0.5 ether;
    uint32 internal constant CALLBACK_GAS = 300_000;
    uint256 internal constant NOW = 1_000_000;

    ClaimTierDouble internal double;
    InferenceOracle internal oracle;
    Consumer internal consumer;

    function _setUpOracle() internal {
        _setUpTier(1 << 14, LOOKAHEAD);
        double = new ClaimTierDouble();
        IClaimTier[] memory tiers = new IClaimTier[](2);
        (tiers[0], tiers[1]) = (double, tier);
        oracle = new InferenceOracle(registry, verifier, tiers, IInferenceOracle.Parameters(ANSWER_TIME, 0.1 ether));
        consumer = new Consumer();
        vm.deal(address(consumer), 1000 ether);
        vm.deal(address(this), 1000 ether);
    }

    /// @dev A request to be answered by a proof, or by a claim in `tier_`. An hour and some is time enough.
    function _asked(IClaimTier tier_) internal view returns (IInferenceOracle.Request memory) {
        bool byClaim = address(tier_) != address(0);
        return IInferenceOracle.Request({
            modelId: modelId,
            input: root,
            tier: tier_,
            proofSystem: SYSTEM,
            minBond: byClaim ? 1 ether : 0,
            window: byClaim ? WINDOW : 0,
            deadline: uint40(block.timestamp + 5000),
            callbackGas: CALLBACK_GAS,
            callbackOnProvisional: false
        });
    }

    function _request(IInferenceOracle.Request memory asked) internal returns (bytes32) {
        bytes memory result =
            consumer.run{value: BOUNTY}(address(oracle), abi.encodeCall(oracle.request, (asked, "", "ipfs://input")));
        return abi.decode(result, (bytes32));
    }

    function _accept(bytes32 requestId, address asserter, uint96 bond) internal {
        vm.prank(asserter);
        oracle.accept{value: bond}(requestId);
    }

    function _answer(bytes32 requestId, address asserter, bytes memory output) internal returns (bytes32) {
        vm.prank(asserter);
        return oracle.answer(requestId, output, keccak256("trace"));
    }

    function _fulfil(bytes32 requestId, address prover) internal {
        bytes memory proof = _proof(root, OUTPUT, prover);
        vm.prank(prover);
        oracle.fulfil(requestId, OUTPUT, proof);
    }

    /// @dev A request that Alice answered in the tier whose outcomes the test decides.
    function _answered() internal returns (bytes32 requestId, bytes32 claimId) {
        requestId = _request(_asked(double));
        _accept(requestId, ALICE, BOND);
        claimId = _answer(requestId, ALICE, OUTPUT);
    }
}
