// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {IInferenceOracle, RequestState} from "../src/interfaces/IInferenceOracle.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ISampledTier} from "../src/interfaces/ISampledTier.sol";
import {InputTree} from "../src/libraries/InputTree.sol";
import {ProofBytes} from "../src/libraries/ProofBytes.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {InferenceOracle} from "../src/optimistic/InferenceOracle.sol";
import {Claim, ClaimStatus} from "../src/types/Claim.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {ClaimTierDouble} from "./support/ClaimTierDouble.sol";
import {HashTier} from "./support/HashTier.sol";
import {Headers} from "./support/Headers.sol";
import {OracleTest} from "./support/OracleTest.sol";

/// @notice Requests, and the ways in which they are answered. What consumers do when they are called:
/// OracleCallback.t.sol.
contract InferenceOracleTest is OracleTest {
    IClaimTier private constant BY_PROOF = IClaimTier(address(0));
    uint256 private constant RESOLVING = WINDOW + 50; // longest of the double

    function setUp() public {
        _setUpOracle();
    }

    function test_constructor() public {
        vm.assertEq(oracle.parameters().answerTime, ANSWER_TIME);
        vm.assertEq(oracle.parameters().minBond, 0.1 ether);
        vm.assertTrue(oracle.isTier(double) && oracle.isTier(tier) && !oracle.isTier(BY_PROOF));
        ModelRegistry other = new ModelRegistry();
        IInferenceOracle.Parameters memory parameters = oracle.parameters();
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceOracle.RegistryMismatch.selector, address(other), address(registry))
        );
        new InferenceOracle(other, verifier, new IClaimTier[](0), parameters);
    }

    /// @dev Without calls to the consumer.
    function test_gas() public {
        _enrol(ALICE, 2, PRICE);
        vm.prank(ALICE);
        tier.allowSource(address(oracle), true);
        IInferenceOracle.Request memory asked = _asked(tier);
        asked.callbackGas = 0;
        oracle.request{value: BOUNTY}(asked, "", "ipfs://input");
        bytes32 requestId = oracle.request{value: BOUNTY}(asked, INPUT, "");
        vm.snapshotGasLastCall("InferenceOracle", "request with four bytes of data");
        _accept(requestId, ALICE, BOND);
        vm.snapshotGasLastCall("InferenceOracle", "accept");
        vm.prank(ALICE);
        oracle.answer(requestId, OUTPUT, 0);
        vm.snapshotGasLastCall("InferenceOracle", "answer in the sampled tier");
        Claim memory claim = _claim(OUTPUT);
        claim.source = address(oracle);
        tier.settle(claim, OUTPUT, _proof(root, OUTPUT, address(0)));
        oracle.conclude(requestId, "");
        vm.snapshotGasLastCall("InferenceOracle", "conclude");

        requestId = oracle.request{value: BOUNTY}(asked, INPUT, "");
        _accept(requestId, ALICE, BOND);
        vm.warp(NOW + ANSWER_TIME);
        oracle.reopen(requestId);
        vm.snapshotGasLastCall("InferenceOracle", "reopen");
        oracle.cancel(requestId);
        vm.snapshotGasLastCall("InferenceOracle", "cancel");

        (asked.tier, asked.minBond, asked.window) = (BY_PROOF, 0, 0);
        requestId = oracle.request{value: BOUNTY}(asked, "", "ipfs://input");
        vm.snapshotGasLastCall("InferenceOracle", "request of a proof");
        _fulfil(requestId, ALICE);
        vm.snapshotGasLastCall("InferenceOracle", "fulfil, above the verifier");
    }

    // Asking.

    function test_request() public {
        IInferenceOracle.Request memory asked = _asked(double);
        bytes32 expected = keccak256(
            abi.encode(block.chainid, address(oracle), address(consumer), uint256(0), asked, uint256(BOUNTY))
        );
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.InputLocated(root, "ipfs://input");
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.InferenceRequested(expected, modelId, address(consumer), asked, BOUNTY);
        bytes32 requestId = _request(asked);
        vm.assertEq(requestId, expected);
        IInferenceOracle.RequestRecord memory record = oracle.requestOf(requestId);
        vm.assertTrue(record.state == RequestState.OPEN && record.consumer == address(consumer));
        vm.assertEq(record.bounty, BOUNTY);
        vm.assertEq(address(oracle).balance, BOUNTY);
        // The same again is another request.
        vm.assertNotEq(_request(asked), requestId);
        vm.assertEq(oracle.requestCountOf(address(consumer)), 2);
    }

    function test_request_withData() public {
        IInferenceOracle.Request memory asked = _asked(double);
        asked.input = bytes32(0);
        vm.expectEmit(address(oracle));
        emit IClaimTier.InputPosted(root, INPUT);
        bytes32 requestId = oracle.request{value: BOUNTY}(asked, INPUT, "");
        vm.assertEq(oracle.requestOf(requestId).input, root);
        asked.input = root;
        vm.assertEq(oracle.requestOf(oracle.request(asked, INPUT, "")).input, root);
        asked.input = bytes32(uint256(5));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.WrongInput.selector, root, 5));
        oracle.request(asked, INPUT, "");
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongInputLength.selector, 4, 3));
        oracle.request(asked, hex"010203", "");
    }

    function test_request_refusesLargeData() public {
        vm.roll(1);
        entry.header = Headers.vectors(64 * 1024 + 1, -100, 100, 2, -1000, 1000);
        modelId = _register();
        IInferenceOracle.Request memory asked = _asked(double);
        vm.expectRevert(abi.encodeWithSelector(InputTree.InputTooLarge.selector, 513, 512));
        oracle.request(asked, new bytes(64 * 1024 + 1), "");
        oracle.request(asked, "", "elsewhere");
    }

    function test_request_refusals() public {
        IInferenceOracle.Request memory asked = _asked(double);
        asked.modelId = ModelId.wrap(5);
        _refuse(asked, abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, 5));
        asked.proofSystem = ProofSystem.wrap(0);
        _refuse(asked, abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, 5));
        asked = _asked(double);
        asked.proofSystem = ProofSystem.wrap(0x12345678);
        _refuse(asked, abi.encodeWithSelector(IModelRegistry.UnsupportedProofSystem.selector, bytes4(0x12345678)));
        asked = _asked(BY_PROOF);
        asked.proofSystem = ProofSystem.wrap(0);
        _refuse(asked, abi.encodeWithSelector(IModelRegistry.UnsupportedProofSystem.selector, bytes4(0)));
        asked = _asked(new ClaimTierDouble());
        _refuse(asked, abi.encodeWithSelector(IInferenceOracle.UnknownTier.selector, asked.tier));
        asked = _asked(double);
        asked.callbackGas = 5_000_001;
        _refuse(asked, abi.encodeWithSelector(IInferenceOracle.TooMuchCallbackGas.selector, 5_000_000, 5_000_001));
    }

    /// @dev There must be time to lock, to answer and to resolve, or for a proof a second.
    function test_request_inTime() public {
        IInferenceOracle.Request memory asked = _asked(double);
        uint256 earliest = NOW + ANSWER_TIME + RESOLVING;
        asked.deadline = uint40(earliest - 1);
        _refuse(asked, abi.encodeWithSelector(IInferenceOracle.DeadlineTooSoon.selector, earliest, earliest - 1));
        asked.deadline += 1;
        _request(asked);
        asked = _asked(BY_PROOF);
        asked.deadline = uint40(NOW);
        _refuse(asked, abi.encodeWithSelector(IInferenceOracle.DeadlineTooSoon.selector, NOW + 1, NOW));
        asked.deadline += 1;
        _request(asked);
    }

    // Answers by a proof.

    function test_fulfil() public {
        bytes32 requestId = _request(_asked(BY_PROOF));
        bytes memory proof = _proof(root, OUTPUT, ALICE);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.RequestDone(requestId, ALICE, keccak256(OUTPUT), OUTPUT);
        vm.prank(ALICE);
        oracle.fulfil(requestId, OUTPUT, proof);
        vm.assertEq(oracle.credit(ALICE), BOUNTY);
        vm.assertTrue(consumer.status() == ClaimStatus.FINAL && consumer.requestId() == requestId);
        vm.assertEq(consumer.output(), OUTPUT);
        _assertResult(requestId, ClaimStatus.FINAL, bytes32(0));
        // Invariant 2.
        _refuseFulfil(requestId, _notInState(requestId, RequestState.DONE));
        vm.expectRevert(_notInState(requestId, RequestState.DONE));
        oracle.cancel(requestId);
    }

    /// @dev Whoever copies a proof gets nothing for it, nor does a proof for anyone.
    function test_fulfil_refusesTheProofOfAnother() public {
        bytes32 requestId = _request(_asked(BY_PROOF));
        address[2] memory recipients = [ALICE, address(0)];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory proof = _proof(root, OUTPUT, recipients[i]);
            vm.expectRevert(HashTier.Refused.selector);
            vm.prank(BOB);
            oracle.fulfil(requestId, OUTPUT, proof);
        }
        _fulfil(requestId, ALICE);
    }

    function test_fulfil_refusesWhatIsNotTheAnswer() public {
        bytes32 requestId = _request(_asked(BY_PROOF));
        bytes memory proof = _proof(root, OUTPUT, ALICE);
        vm.prank(ALICE);
        vm.expectRevert(HashTier.Refused.selector);
        oracle.fulfil(requestId, WRONG_OUTPUT, proof);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongOutputLength.selector, 4, 5));
        oracle.fulfil(requestId, bytes.concat(OUTPUT, hex"00"), proof);
        proof[0] = 0;
        vm.prank(ALICE);
        vm.expectRevert(
            abi.encodeWithSelector(ProofBytes.WrongProofSystem.selector, SYSTEM, ProofSystem.wrap(0x00111111))
        );
        oracle.fulfil(requestId, OUTPUT, proof);
        proof = _proof(keccak256("another input"), OUTPUT, ALICE);
        vm.prank(ALICE);
        vm.expectRevert(HashTier.Refused.selector);
        oracle.fulfil(requestId, OUTPUT, proof);
    }

    /// @dev Until a second before the deadline; from it on the bounty goes back. Never both, never neither.
    function test_fulfil_untilTheDeadline() public {
        bytes32 requestId = _request(_asked(BY_PROOF));
        vm.warp(NOW + 4999);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NotYet.selector, NOW + 5000));
        oracle.cancel(requestId);
        // Not even the consumer may, since somebody may be proving.
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NotYet.selector, NOW + 5000));
        consumer.run(address(oracle), abi.encodeCall(oracle.cancel, (requestId)));
        uint256 state = vmBlocks.snapshotState();
        _fulfil(requestId, ALICE);
        vm.assertTrue(vmBlocks.revertToState(state));
        vm.warp(NOW + 5000);
        _refuseFulfil(
            requestId, abi.encodeWithSelector(IInferenceOracle.DeadlineTooSoon.selector, NOW + 5001, NOW + 5000)
        );
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.RequestCancelled(requestId, BOUNTY);
        oracle.cancel(requestId);
        vm.assertEq(oracle.credit(address(consumer)), BOUNTY);
        _refuseFulfil(requestId, _notInState(requestId, RequestState.CANCELLED));
        vm.expectRevert(_notInState(requestId, RequestState.CANCELLED));
        oracle.cancel(requestId);
    }

    /// @dev Requests for proofs are not locked, requests for claims not proved.
    function test_theOtherKind() public {
        bytes32 requestId = _request(_asked(BY_PROOF));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NotByClaim.selector, requestId));
        _accept(requestId, ALICE, BOND);
        requestId = _request(_asked(double));
        _refuseFulfil(requestId, abi.encodeWithSelector(IInferenceOracle.NotByProof.selector, requestId));
    }

    // Answers by a claim.

    function test_accept() public {
        bytes32 requestId = _request(_asked(double));
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.RequestAccepted(requestId, ALICE, BOND, NOW + ANSWER_TIME);
        _accept(requestId, ALICE, BOND);
        vm.expectRevert(_notInState(requestId, RequestState.LOCKED));
        _accept(requestId, BOB, BOND);
    }

    /// @dev The request's bond or the oracle's, whichever is more.
    function test_accept_withABond() public {
        bytes32 requestId = _request(_asked(double));
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.BondTooLow.selector, 1 ether, 1 ether - 1));
        _accept(requestId, ALICE, 1 ether - 1);
        _accept(requestId, ALICE, 1 ether);
        IInferenceOracle.Request memory asked = _asked(double);
        asked.minBond = 0;
        requestId = _request(asked);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.BondTooLow.selector, 0.1 ether, 0.1 ether - 1));
        _accept(requestId, ALICE, 0.1 ether - 1);
        _accept(requestId, ALICE, 0.1 ether);
    }

    /// @dev Invariant 5: while there is time to answer and to resolve the claim.
    function test_accept_inTime() public {
        bytes32 requestId = _request(_asked(double));
        uint256 last = NOW + 5000 - ANSWER_TIME - RESOLVING;
        vm.warp(last + 1);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.DeadlineTooSoon.selector, NOW + 5001, NOW + 5000));
        _accept(requestId, ALICE, BOND);
        vm.warp(last);
        _accept(requestId, ALICE, BOND);
        vm.warp(last + ANSWER_TIME - 1);
        bytes32 claimId = _answer(requestId, ALICE, OUTPUT);
        vm.assertEq(double.latest(claimId), NOW + 5000 - 1);
    }

    function test_answer() public {
        bytes32 requestId = _request(_asked(double));
        _accept(requestId, ALICE, BOND);
        Claim memory claim = _claim(OUTPUT);
        (claim.source, claim.trace) = (address(oracle), keccak256("trace"));
        bytes32 claimId = double.claimIdOf(claim);
        vm.expectEmit(address(double));
        emit IClaimTier.ClaimPosted(claimId, modelId, ALICE, claim, OUTPUT);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.RequestAnswered(requestId, claimId, ALICE);
        vm.assertEq(_answer(requestId, ALICE, OUTPUT), claimId);
        vm.assertEq(address(double).balance, BOND);
        vm.assertEq(address(oracle).balance, BOUNTY);
        vm.assertEq(consumer.times(), 0);
        _assertResult(requestId, ClaimStatus.PROVISIONAL, claimId);
        vm.expectRevert(_notInState(requestId, RequestState.ANSWERED));
        _answer(requestId, ALICE, OUTPUT);
        vm.expectRevert(_notInState(requestId, RequestState.ANSWERED));
        oracle.reopen(requestId);
    }

    /// @dev Invariant 4: a copied answer is of no use.
    function test_answer_byTheAsserterOnly() public {
        bytes32 requestId = _request(_asked(double));
        vm.expectRevert(_notInState(requestId, RequestState.OPEN));
        _answer(requestId, ALICE, OUTPUT);
        _accept(requestId, ALICE, BOND);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NotTheAsserter.selector, ALICE));
        _answer(requestId, BOB, OUTPUT);
    }

    /// @dev What the tier refuses leaves the request locked, and may be tried again.
    function test_answer_thatTheTierRefuses() public {
        bytes32 requestId = _request(_asked(double));
        _accept(requestId, ALICE, BOND);
        double.setRefuses(true);
        vm.expectRevert(ClaimTierDouble.Refuses.selector);
        _answer(requestId, ALICE, OUTPUT);
        double.setRefuses(false);
        _answer(requestId, ALICE, OUTPUT);
    }

    /// @dev Until a second before the lock is over; then anybody opens it again.
    function test_answer_inTime() public {
        bytes32 requestId = _request(_asked(double));
        _accept(requestId, ALICE, BOND);
        vm.warp(NOW + ANSWER_TIME - 1);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.LockNotOver.selector, NOW + ANSWER_TIME));
        oracle.reopen(requestId);
        vm.expectRevert(_notInState(requestId, RequestState.LOCKED));
        oracle.cancel(requestId);
        uint256 state = vmBlocks.snapshotState();
        _answer(requestId, ALICE, OUTPUT);
        vm.assertTrue(vmBlocks.revertToState(state));
        vm.warp(NOW + ANSWER_TIME);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.AnswerTooLate.selector, NOW + ANSWER_TIME));
        _answer(requestId, ALICE, OUTPUT);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.RequestReopened(requestId, ALICE, BOND / 8);
        oracle.reopen(requestId);
        vm.assertEq(oracle.credit(address(consumer)), BOND / 8);
        vm.assertEq(oracle.credit(ALICE), BOND - BOND / 8);
        vm.expectRevert(_notInState(requestId, RequestState.OPEN));
        oracle.reopen(requestId);
    }

    /// @dev Another may accept at once; the lock that is over gives way.
    function test_accept_afterALock() public {
        bytes32 requestId = _request(_asked(double));
        _accept(requestId, ALICE, BOND);
        vm.warp(NOW + ANSWER_TIME - 1);
        vm.expectRevert(_notInState(requestId, RequestState.LOCKED));
        _accept(requestId, BOB, BOND);
        vm.warp(NOW + ANSWER_TIME);
        _accept(requestId, BOB, 2 ether);
        vm.assertEq(oracle.credit(ALICE), BOND - BOND / 8);
        vm.assertEq(address(oracle).balance, BOUNTY + BOND + 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NotTheAsserter.selector, BOB));
        _answer(requestId, ALICE, OUTPUT);
        _answer(requestId, BOB, OUTPUT);
    }

    function test_conclude_final() public {
        (bytes32 requestId, bytes32 claimId) = _answered();
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.ClaimNotResolved.selector, claimId));
        oracle.conclude(requestId, OUTPUT);
        double.setStatus(claimId, ClaimStatus.FINAL);
        _assertResult(requestId, ClaimStatus.FINAL, claimId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.WrongOutputHash.selector, keccak256(OUTPUT), keccak256(WRONG_OUTPUT)
            )
        );
        oracle.conclude(requestId, WRONG_OUTPUT);
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceOracle.WrongOutputHash.selector, keccak256(OUTPUT), keccak256(""))
        );
        oracle.conclude(requestId, "");
        vm.prank(CAROL);
        oracle.conclude(requestId, OUTPUT);
        vm.assertEq(oracle.credit(ALICE), BOUNTY);
        vm.assertTrue(consumer.status() == ClaimStatus.FINAL);
        vm.assertEq(consumer.output(), OUTPUT);
        _assertResult(requestId, ClaimStatus.FINAL, claimId);
        vm.expectRevert(_notInState(requestId, RequestState.DONE));
        oracle.conclude(requestId, OUTPUT);
    }

    /// @dev A consumer that is not called needs nobody to repeat the output.
    function test_conclude_withoutOutput() public {
        IInferenceOracle.Request memory asked = _asked(double);
        asked.callbackGas = 0;
        bytes32 requestId = _request(asked);
        _accept(requestId, ALICE, BOND);
        bytes32 claimId = _answer(requestId, ALICE, OUTPUT);
        double.setStatus(claimId, ClaimStatus.FINAL);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.RequestDone(requestId, ALICE, keccak256(OUTPUT), "");
        oracle.conclude(requestId, "");
        vm.assertEq(consumer.times(), 0);
    }

    function test_conclude_revoked() public {
        (bytes32 requestId, bytes32 claimId) = _answered();
        double.setStatus(claimId, ClaimStatus.REVOKED);
        vm.assertTrue(oracle.statusOfOutput(requestId, OUTPUT) == ClaimStatus.REVOKED);
        vm.expectEmit(address(oracle));
        emit IInferenceOracle.RequestReopened(requestId, ALICE, 0);
        oracle.conclude(requestId, "");
        vm.assertTrue(consumer.status() == ClaimStatus.REVOKED);
        vm.assertEq(consumer.output(), "");
        vm.assertEq(oracle.credit(ALICE), 0);
        (ClaimStatus status, bytes32 outputHash, bytes32 none) = oracle.resultOf(requestId);
        vm.assertTrue(status == ClaimStatus.NONE && outputHash == 0 && none == 0);
        vm.expectRevert(_notInState(requestId, RequestState.OPEN));
        oracle.conclude(requestId, "");
        // Another answers.
        _accept(requestId, BOB, BOND);
        claimId = _answer(requestId, BOB, WRONG_OUTPUT);
        double.setStatus(claimId, ClaimStatus.FINAL);
        oracle.conclude(requestId, WRONG_OUTPUT);
        vm.assertEq(oracle.credit(BOB), BOUNTY);
    }

    /// @dev A request is not over while a claim on it is not: the consumer may not have its bounty back and an answer
    /// too.
    function test_cancel_notWhileAnswered() public {
        (bytes32 requestId, bytes32 claimId) = _answered();
        vm.warp(NOW + 100_000);
        bytes memory refusal = _notInState(requestId, RequestState.ANSWERED);
        vm.expectRevert(refusal);
        consumer.run(address(oracle), abi.encodeCall(oracle.cancel, (requestId)));
        vm.expectRevert(refusal);
        oracle.cancel(requestId);
        double.setStatus(claimId, ClaimStatus.REVOKED);
        oracle.conclude(requestId, "");
        vm.expectRevert(
            abi.encodeWithSelector(
                IInferenceOracle.DeadlineTooSoon.selector, NOW + 100_000 + ANSWER_TIME + RESOLVING, NOW + 5000
            )
        );
        _accept(requestId, BOB, BOND);
        oracle.cancel(requestId);
        vm.assertEq(oracle.credit(address(consumer)), BOUNTY);
    }

    /// @dev The consumer may before anybody has something at stake, others once no answer can be in time: from the very
    /// second on in which nobody can accept any more.
    function test_cancel_ofARequestForAClaim() public {
        bytes32 requestId = _request(_asked(double));
        bytes32 other = _request(_asked(double));
        consumer.run(address(oracle), abi.encodeCall(oracle.cancel, (requestId)));
        vm.assertEq(oracle.credit(address(consumer)), BOUNTY);
        vm.warp(NOW + 5000 - ANSWER_TIME - RESOLVING);
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.NotYet.selector, NOW + 5000));
        oracle.cancel(other);
        vm.warp(NOW + 5000 - ANSWER_TIME - RESOLVING + 1);
        oracle.cancel(other);
        vm.assertEq(oracle.credit(address(consumer)), 2 * BOUNTY);
    }

    function test_cancel_afterALock() public {
        bytes32 requestId = _request(_asked(double));
        vm.warp(NOW + 5000 - ANSWER_TIME - RESOLVING);
        _accept(requestId, ALICE, BOND);
        vm.warp(NOW + 5000 - RESOLVING);
        oracle.cancel(requestId);
        vm.assertEq(oracle.credit(address(consumer)), BOUNTY + BOND / 8);
        vm.assertEq(oracle.credit(ALICE), BOND - BOND / 8);
    }

    function test_noSuchRequest() public {
        bytes32 requestId = keccak256("no request");
        bytes memory refusal = _notInState(requestId, RequestState.NONE);
        _refuseFulfil(requestId, refusal);
        vm.expectRevert(refusal);
        _accept(requestId, ALICE, BOND);
        vm.expectRevert(refusal);
        _answer(requestId, ALICE, OUTPUT);
        vm.expectRevert(refusal);
        oracle.conclude(requestId, OUTPUT);
        vm.expectRevert(refusal);
        oracle.reopen(requestId);
        vm.expectRevert(refusal);
        oracle.cancel(requestId);
        vm.assertTrue(oracle.statusOfOutput(requestId, OUTPUT) == ClaimStatus.NONE);
    }

    /// @dev A claim is named by its content: who answers the same twice with the same bond is refused, and picks
    /// another.
    function test_answer_theSameTwice() public {
        (, bytes32 claimId) = _answered();
        bytes32 requestId = _request(_asked(double));
        _accept(requestId, ALICE, BOND);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.ClaimExists.selector, claimId));
        _answer(requestId, ALICE, OUTPUT);
        requestId = _request(_asked(double));
        _accept(requestId, ALICE, BOND + 1);
        _answer(requestId, ALICE, OUTPUT);
    }

    // Over the sampled tier.

    function test_sampledTier() public {
        _enrol(ALICE, 1, PRICE);
        IInferenceOracle.Request memory asked = _asked(tier);
        bytes32 requestId = _request(asked);
        _accept(requestId, ALICE, BOND);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.SourceNotAllowed.selector, ALICE, address(oracle)));
        oracle.answer(requestId, OUTPUT, 0);
        vm.prank(ALICE);
        tier.allowSource(address(oracle), true);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.TraceNotZero.selector, keccak256("trace")));
        _answer(requestId, ALICE, OUTPUT);
        vm.prank(ALICE);
        bytes32 claimId = oracle.answer(requestId, OUTPUT, 0);

        Claim memory claim = _claim(OUTPUT);
        claim.source = address(oracle);
        vm.assertEq(claimId, tier.claimIdOf(claim));
        tier.settle(claim, OUTPUT, _proof(root, OUTPUT, address(0)));
        oracle.conclude(requestId, OUTPUT);
        vm.assertEq(oracle.credit(ALICE), BOUNTY);
        vm.assertEq(tier.credit(ALICE), BOND);
        vm.prank(ALICE);
        oracle.withdraw(payable(CAROL));
        vm.assertEq(CAROL.balance, 1000 ether + BOUNTY);
        vm.assertEq(address(oracle).balance, 0);
    }

    /// @dev A claim that nobody proves in time.
    function test_sampledTier_revoked() public {
        _enrol(ALICE, 1, PRICE);
        vm.prank(ALICE);
        tier.allowSource(address(oracle), true);
        bytes32 requestId = _request(_asked(tier));
        _accept(requestId, ALICE, BOND);
        vm.prank(ALICE);
        oracle.answer(requestId, WRONG_OUTPUT, 0);
        Claim memory claim = _claim(WRONG_OUTPUT);
        claim.source = address(oracle);
        vm.warp(NOW + WINDOW + PROOF_WINDOW);
        tier.expire(claim);
        oracle.conclude(requestId, "");
        vm.assertTrue(oracle.requestOf(requestId).state == RequestState.OPEN);
        _accept(requestId, BOB, BOND);
    }

    function _refuse(IInferenceOracle.Request memory asked, bytes memory refusal) private {
        vm.expectRevert(refusal);
        oracle.request(asked, "", "");
    }

    function _refuseFulfil(bytes32 requestId, bytes memory refusal) private {
        bytes memory proof = _proof(root, OUTPUT, ALICE);
        vm.expectRevert(refusal);
        vm.prank(ALICE);
        oracle.fulfil(requestId, OUTPUT, proof);
    }

    function _assertResult(bytes32 requestId, ClaimStatus expected, bytes32 expectedClaim) private view {
        (ClaimStatus status, bytes32 outputHash, bytes32 claimId) = oracle.resultOf(requestId);
        vm.assertTrue(status == expected);
        vm.assertEq(outputHash, keccak256(OUTPUT));
        vm.assertEq(claimId, expectedClaim);
        vm.assertTrue(oracle.statusOfOutput(requestId, OUTPUT) == expected);
        vm.assertTrue(oracle.statusOfOutput(requestId, WRONG_OUTPUT) == ClaimStatus.NONE);
    }

    function _notInState(bytes32 requestId, RequestState state) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceOracle.NotInThisState.selector, requestId, state);
    }
}
