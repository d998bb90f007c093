// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {IDisputeTier} from "../src/interfaces/IDisputeTier.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {CreditLedger} from "../src/optimistic/CreditLedger.sol";
import {Claim, ClaimStatus} from "../src/types/Claim.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {OneProofInferenceVerifier, Puppet} from "./support/DisputeDoubles.sol";
import {Dispute, DisputeTest} from "./support/DisputeTest.sol";
import {Headers} from "./support/Headers.sol";

/// @notice Claims, from being posted to standing, without games.
contract DisputeTierClaimTest is DisputeTest {
    function test_claim() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        _assertStatus(d, ClaimStatus.NONE);
        vm.expectEmit(address(tier));
        emit IClaimTier.InputPosted(d.claim.input, d.claimed.input);
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimPosted(d.id, d.modelId, ASSERTER, d.claim, d.claimed.output);
        vm.prank(ASSERTER);
        bytes32 id = tier.claim{value: BOND}(d.claim, d.claimed.output, d.claimed.input);
        vm.assertEq(id, d.id);
        vm.assertEq(id, keccak256(abi.encode(block.chainid, address(tier), d.claim)));
        (ClaimStatus status, uint256 deadline, uint256 games, uint256 pot) = tier.stateOf(id);
        vm.assertEq(uint256(status), uint256(ClaimStatus.PROVISIONAL));
        vm.assertEq(deadline, START + WINDOW);
        vm.assertEq(games, 0);
        vm.assertEq(pot, 0);
    }

    function test_claim_refuses() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongAsserter.selector, address(this), ASSERTER));
        tier.claim{value: BOND}(d.claim, d.claimed.output, d.claimed.input);

        d.claim.source = OTHER;
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.WrongSource.selector, address(0), OTHER), BOND);
        d.claim.source = address(0);

        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.WrongBond.selector, BOND, BOND - 1), BOND - 1);
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.WrongBond.selector, BOND, BOND + 1), BOND + 1);
        d.claim.bond = 1 ether - 1;
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.BondTooLow.selector, 1 ether, 1 ether - 1), 1 ether - 1);
        d.claim.bond = BOND;

        d.claim.window = WINDOW - 1;
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.WindowTooShort.selector, WINDOW, WINDOW - 1), BOND);
        d.claim.window = WINDOW;

        d.claim.modelId = ModelId.wrap(1);
        _expectRefusal(d, abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, 1), BOND);
        d.claim.modelId = d.modelId;

        bytes memory output = d.claimed.output;
        d.claimed.output = bytes.concat(output, hex"00");
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.WrongOutputLength.selector, 20, 21), BOND);
        d.claimed.output = bytes.concat(output);
        d.claimed.output[7] ^= 0x01;
        _expectRefusal(
            d,
            abi.encodeWithSelector(IClaimTier.WrongOutputHash.selector, keccak256(output), keccak256(d.claimed.output)),
            BOND
        );
        d.claimed.output = output;

        bytes memory input = d.claimed.input;
        d.claimed.input = bytes.concat(input, hex"00");
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.WrongInputLength.selector, 64, 65), BOND);
        d.claimed.input = bytes.concat(input);
        d.claimed.input[63] ^= 0x01;
        _expectRefusal(
            d, abi.encodeWithSelector(IClaimTier.WrongInput.selector, d.claim.input, _inputTree(d).root()), BOND
        );
        d.claimed.input = input;

        _post(d);
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.ClaimExists.selector, d.id), BOND);
    }

    /// @dev Invariant 7: what was once claimed is never claimed again.
    function test_invariant7_aClaimIsMadeOnce() public {
        Dispute memory d = _posted(1, 0, 0);
        vm.warp(START + WINDOW);
        tier.finalise(d.claim);
        _expectRefusal(d, abi.encodeWithSelector(IClaimTier.ClaimExists.selector, d.id), BOND);
    }

    function test_claimFor() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        d.claim.source = OTHER;
        d.id = tier.claimIdOf(d.claim);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongSource.selector, ASSERTER, OTHER));
        vm.prank(ASSERTER);
        tier.claimFor{value: BOND}(d.claim, d.claimed.output);

        vm.prank(OTHER);
        vm.assertEq(tier.claimFor{value: BOND}(d.claim, d.claimed.output), d.id);
        vm.warp(START + WINDOW);
        tier.finalise(d.claim);
        vm.assertEq(tier.credit(ASSERTER), BOND);
        vm.assertEq(tier.credit(OTHER), 0);
    }

    /// @dev Every field of a claim counts, and so do chain and contract.
    function test_claimIdOf_bindsEverything() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        bytes memory words = abi.encode(d.claim);
        for (uint256 i = 0; i < 9; ++i) {
            // The lowest bit of numbers and addresses; the highest of the four bytes of the proof system.
            uint256 changed = i == 7 ? 32 * i : 32 * i + 31;
            words[changed] ^= 0x01;
            vm.assertNotEq(tier.claimIdOf(abi.decode(words, (Claim))), d.id);
            words[changed] ^= 0x01;
        }
        vm.chainId(block.chainid + 1);
        vm.assertNotEq(tier.claimIdOf(d.claim), d.id);
    }

    /// @dev Bits beside a field would be a second name for the same claim.
    function test_claim_refusesDirtyBits() public {
        Dispute memory d = _posted(1, 0, 0);
        uint256[5] memory dirty = [uint256(32 * 3), 32 * 4, 32 * 5, 32 * 6, 32 * 7 + 31];
        bytes[4] memory calls = [
            abi.encodeCall(tier.claim, (d.claim, d.claimed.output, d.claimed.input)),
            abi.encodeCall(tier.finalise, (d.claim)),
            abi.encodeCall(tier.open, (d.claim)),
            abi.encodeCall(tier.claimIdOf, (d.claim))
        ];
        vm.warp(START + WINDOW);
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 j = 0; j < dirty.length; ++j) {
                calls[i][4 + dirty[j]] ^= 0x01;
                vm.prank(ASSERTER);
                (bool done,) = address(tier).call{value: i == 0 ? BOND : i == 2 ? CHALLENGER_BOND : 0}(calls[i]);
                vm.assertFalse(done);
                calls[i][4 + dirty[j]] ^= 0x01;
            }
        }
        tier.finalise(d.claim);
    }

    /// @dev Invariant 3, and its boundaries.
    function test_invariant3_finalAtTheDeadlineNotBefore() public {
        Dispute memory d = _posted(1, 0, 0);
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.ClaimPending.selector, d.id, START + WINDOW));
        tier.finalise(d.claim);
        vm.warp(START + WINDOW);
        vm.expectEmit(address(tier));
        emit CreditLedger.Credited(ASSERTER, BOND);
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimFinal(d.id);
        tier.finalise(d.claim);
        _assertStatus(d, ClaimStatus.FINAL);
        vm.assertEq(tier.credit(ASSERTER), BOND);

        vm.expectRevert(abi.encodeWithSelector(IClaimTier.ClaimNotProvisional.selector, d.id, ClaimStatus.FINAL));
        tier.finalise(d.claim);
    }

    function test_finalise_unknownClaim() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.ClaimNotProvisional.selector, d.id, ClaimStatus.NONE));
        tier.finalise(d.claim);
    }

    /// @dev The longest window there is fits the stored deadline, with time for a game behind it.
    function test_claim_longestWindow() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        d.claim.window = type(uint32).max;
        d.id = tier.claimIdOf(d.claim);
        _post(d);
        (, uint256 deadline,,) = tier.stateOf(d.id);
        vm.assertEq(deadline, START + type(uint32).max);
        vm.warp(deadline - 1);
        _open(d, CHALLENGER);
        vm.assertEq(_due(d, CHALLENGER), deadline - 1 + ASSERTER_TIME);
    }

    function test_settle() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        d.claim.settledBy = SYSTEM;
        d.id = tier.claimIdOf(d.claim);
        _post(d);
        bytes memory output = d.claimed.output;
        bytes memory proof = abi.encodePacked(SYSTEM, "proof");
        verifier.expect(d.modelId, d.claim.input, _words(output), proof);

        vm.expectRevert(abi.encodeWithSelector(IDisputeTier.NotSettledBy.selector, SYSTEM));
        tier.settle(d.claim, output, hex"111111");
        vm.expectRevert(abi.encodeWithSelector(IDisputeTier.NotSettledBy.selector, SYSTEM));
        tier.settle(d.claim, output, hex"22222222");
        vm.expectRevert(OneProofInferenceVerifier.Refused.selector);
        tier.settle(d.claim, output, abi.encodePacked(SYSTEM, "other"));
        bytes memory wrong = bytes.concat(output);
        wrong[0] ^= 0x01;
        vm.expectRevert(
            abi.encodeWithSelector(IClaimTier.WrongOutputHash.selector, keccak256(output), keccak256(wrong))
        );
        tier.settle(d.claim, wrong, proof);

        tier.settle(d.claim, output, proof);
        _assertStatus(d, ClaimStatus.FINAL);
        vm.assertEq(tier.credit(ASSERTER), BOND);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.ClaimNotProvisional.selector, d.id, ClaimStatus.FINAL));
        tier.settle(d.claim, output, proof);
    }

    /// @dev A claim that names no proof system is not settled by proofs of one that calls itself zero, unless the
    /// verifier knew one of that name.
    function test_settle_withoutAProofSystem() public {
        Dispute memory d = _posted(1, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputeTier.NotSettledBy.selector, bytes4(0)));
        tier.settle(d.claim, d.claimed.output, abi.encodePacked(SYSTEM, "proof"));
        vm.expectRevert(OneProofInferenceVerifier.Refused.selector);
        tier.settle(d.claim, d.claimed.output, hex"00000000");
    }

    /// @dev Invariant 9: a recipient that takes no payment holds up itself alone.
    function test_invariant9_recipientThatTakesNothing() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        Puppet puppet = new Puppet();
        d.claim.asserter = address(puppet);
        vm.deal(address(puppet), BOND);
        puppet.act(address(tier), BOND, abi.encodeCall(tier.claim, (d.claim, d.claimed.output, d.claimed.input)));
        vm.warp(START + WINDOW);
        tier.finalise(d.claim);
        vm.assertEq(tier.credit(address(puppet)), BOND);

        bytes memory toItself = abi.encodeCall(tier.withdraw, (payable(address(puppet))));
        vm.expectRevert(abi.encodeWithSelector(CreditLedger.WithdrawalFailed.selector, address(puppet)));
        puppet.act(address(tier), 0, toItself);
        vm.expectRevert(abi.encodeWithSelector(CreditLedger.WithdrawalFailed.selector, address(tier)));
        puppet.act(address(tier), 0, abi.encodeCall(tier.withdraw, (payable(address(tier)))));
        vm.assertEq(tier.credit(address(puppet)), BOND);
        puppet.setTakes(true);
        puppet.act(address(tier), 0, toItself);
        vm.assertEq(address(puppet).balance, BOND);
    }

    function test_withdraw() public {
        Dispute memory d = _posted(1, 0, 0);
        vm.warp(START + WINDOW);
        tier.finalise(d.claim);
        vm.expectRevert(CreditLedger.NothingToWithdraw.selector);
        tier.withdraw(payable(ASSERTER));
        vm.expectEmit(address(tier));
        emit CreditLedger.Withdrawn(ASSERTER, ANYBODY, BOND);
        vm.prank(ASSERTER);
        tier.withdraw(payable(ANYBODY));
        vm.assertEq(ANYBODY.balance, BOND);
        vm.assertEq(address(tier).balance, 0);
        vm.prank(ASSERTER);
        vm.expectRevert(CreditLedger.NothingToWithdraw.selector);
        tier.withdraw(payable(ANYBODY));
    }

    /// @dev A trace deeper than a game's place has bits for.
    function test_claim_modelTooDeep() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        entry.header = Headers.replace(entry.header, 10, abi.encodePacked(uint8(37)));
        entry.header = Headers.replace(entry.header, 18, abi.encodePacked(uint64(2 ** 37)));
        d.claim.modelId = _register();
        _expectRefusal(d, abi.encodeWithSelector(IDisputeTier.ModelTooLarge.selector, d.claim.modelId, 37, 36), BOND);
        vm.assertEq(tier.longest(d.claim.modelId, 7), 7 + ASSERTER_TIME + CHALLENGER_TIME + uint256(2 * 10) * EXTENSION);
    }

    /// @dev Outputs whose length has more than 64 bits do not pass for short ones.
    function test_claim_modelWithEndlessOutputs() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        uint32[] memory shape = new uint32[](3);
        (shape[0], shape[1], shape[2]) = (2 ** 31, 2 ** 31, 2);
        Headers.Tensor[] memory inputs = new Headers.Tensor[](1);
        inputs[0] = Headers.vector(64, -100, 100);
        Headers.Tensor[] memory outputs = new Headers.Tensor[](2);
        outputs[0] = Headers.Tensor(shape, -2000, 2000); // 2^64 bytes
        outputs[1] = Headers.vector(10, -2000, 2000);
        entry.header = Headers.build(inputs, outputs);
        d.claim.modelId = _register();
        _expectRefusal(
            d, abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 64, uint256(2 ** 64) + 20), BOND
        );
    }

    function test_views() public {
        Dispute memory d = _dispute(299, 10, 0, 0);
        vm.assertEq(keccak256(abi.encode(tier.parameters())), keccak256(abi.encode(_parameters())));
        vm.assertEq(tier.challengerBond(), CHALLENGER_BOND);
        uint256 expected = WINDOW + ASSERTER_TIME + CHALLENGER_TIME + uint256(2 * 3) * EXTENSION;
        vm.assertEq(tier.longest(d.modelId, WINDOW), expected);
        _post(d); // from here on the tier has its own copy of the model
        vm.assertEq(tier.longest(d.modelId, WINDOW), expected);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, 1));
        tier.longest(ModelId.wrap(1), WINDOW);
    }

    function _expectRefusal(Dispute memory d, bytes memory error_, uint256 value) private {
        vm.expectRevert(error_);
        vm.prank(ASSERTER);
        tier.claim{value: value}(d.claim, d.claimed.output, d.claimed.input);
    }
}
