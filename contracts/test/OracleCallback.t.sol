// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {IInferenceOracle, RequestState} from "../src/interfaces/IInferenceOracle.sol";
import {CappedCall} from "../src/libraries/CappedCall.sol";
import {CreditLedger} from "../src/optimistic/CreditLedger.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {Manner} from "./support/Consumers.sol";
import {OracleTest} from "./support/OracleTest.sol";

/// @notice What consumers do when they are called, and that it is nobody's business but theirs.
contract OracleCallbackTest is OracleTest {
    function setUp() public {
        _setUpOracle();
    }

    function test_provisional() public {
        IInferenceOracle.Request memory asked = _asked(double);
        asked.callbackOnProvisional = true;
        bytes32 requestId = _request(asked);
        _accept(requestId, ALICE, BOND);
        bytes32 claimId = _answer(requestId, ALICE, OUTPUT);
        vm.assertTrue(consumer.status() == ClaimStatus.PROVISIONAL);
        vm.assertEq(consumer.output(), OUTPUT);
        double.setStatus(claimId, ClaimStatus.FINAL);
        oracle.conclude(requestId, OUTPUT);
        vm.assertTrue(consumer.status() == ClaimStatus.FINAL);
        vm.assertEq(consumer.times(), 2);
    }

    /// @dev Invariant 3, for every manner and every call: the bounty is paid, and little gas is lost beyond what the
    /// consumer was promised.
    function test_badConsumers() public {
        for (uint256 manner = 1; manner <= uint256(Manner.EATS); ++manner) {
            consumer.set(Manner(manner), "");
            bytes32 requestId = _request(_asked(IClaimTier(address(0))));
            // A megabyte costs more than the consumer asked for.
            vm.expectEmit(address(oracle));
            emit IInferenceOracle.ConsumerCalled(requestId, ClaimStatus.FINAL, false);
            _fulfil(requestId, ALICE);
            vm.assertEq(oracle.credit(ALICE), manner * BOUNTY);

            bytes32 claimId;
            (requestId, claimId) = _answeredWith(uint96(BOND + manner));
            double.setStatus(claimId, ClaimStatus.REVOKED);
            uint256 gas = gasleft();
            oracle.conclude(requestId, "");
            vm.assertLt(gas - gasleft(), CALLBACK_GAS + 120_000);
            vm.assertTrue(oracle.requestOf(requestId).state == RequestState.OPEN);
        }
    }

    /// @dev With gas enough to make them, the megabytes are not copied here.
    function test_bombs() public {
        for (uint256 manner = uint256(Manner.BOMBS); manner <= uint256(Manner.REVERTS_BOMB); ++manner) {
            consumer.set(Manner(manner), "");
            IInferenceOracle.Request memory asked = _asked(double);
            asked.callbackGas = 5_000_000;
            bytes32 requestId = _request(asked);
            _accept(requestId, ALICE, uint96(BOND + manner));
            double.setStatus(_answer(requestId, ALICE, OUTPUT), ClaimStatus.FINAL);
            uint256 gas = gasleft();
            vm.expectEmit(address(oracle));
            emit IInferenceOracle.ConsumerCalled(requestId, ClaimStatus.FINAL, Manner(manner) == Manner.BOMBS);
            oracle.conclude(requestId, OUTPUT);
            // Making a megabyte takes some 2.2 million, copying it would take as much again.
            vm.assertLt(gas - gasleft(), 2_400_000);
        }
    }

    /// @dev A consumer that destroyed itself, and one that never had any code.
    function test_noConsumer() public {
        bytes32 requestId = _request(_asked(IClaimTier(address(0))));
        vm.etch(address(consumer), "");
        _fulfil(requestId, ALICE);
        IInferenceOracle.Request memory asked = _asked(IClaimTier(address(0)));
        vm.prank(CAROL);
        requestId = oracle.request{value: BOUNTY}(asked, "", "");
        _fulfil(requestId, ALICE);
        vm.assertEq(oracle.credit(ALICE), 2 * BOUNTY);
    }

    /// @dev Invariant 6: with too little gas the whole call fails, whatever it is; with enough the consumer gets all.
    function test_gas() public {
        (bytes32 requestId, bytes32 claimId) = _answeredWith(BOND);
        double.setStatus(claimId, ClaimStatus.FINAL);
        bool enough = false;
        for (uint256 gas = 100_000; gas < 700_000; gas += 5000) {
            uint256 state = vmBlocks.snapshotState();
            (bool success, bytes memory reason) =
                address(oracle).call{gas: gas}(abi.encodeCall(oracle.conclude, (requestId, OUTPUT)));
            // Once there is enough there is with more.
            vm.assertTrue(success || !enough);
            if (success) {
                vm.assertEq(consumer.times(), 1);
                // What the consumer saw when it looked, after a few of its own instructions.
                vm.assertTrue(consumer.gas() > CALLBACK_GAS - 3000 && consumer.gas() <= CALLBACK_GAS);
            } else if (reason.length != 0) {
                vm.assertEq(bytes32(bytes4(reason)), bytes32(CappedCall.NotEnoughGas.selector));
            }
            enough = success;
            if (gas < 695_000) vm.assertTrue(vmBlocks.revertToState(state));
        }
        vm.assertTrue(enough);
    }

    /// @dev A consumer that is being called finds its request over, and nothing to do twice.
    function test_reentering() public {
        bytes32 requestId = _request(_asked(IClaimTier(address(0))));
        bytes memory guarded = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        bytes memory done =
            abi.encodeWithSelector(IInferenceOracle.NotInThisState.selector, requestId, RequestState.DONE);
        bytes[6] memory calls = [
            abi.encodeCall(oracle.fulfil, (requestId, OUTPUT, "1234")),
            abi.encodeCall(oracle.conclude, (requestId, OUTPUT)),
            abi.encodeCall(oracle.answer, (requestId, OUTPUT, 0)),
            abi.encodeCall(oracle.cancel, (requestId)),
            abi.encodeCall(oracle.reopen, (requestId)),
            abi.encodeCall(CreditLedger.withdraw, (payable(address(consumer))))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 state = vmBlocks.snapshotState();
            consumer.set(Manner.REENTERS, calls[i]);
            _fulfil(requestId, ALICE);
            vm.assertFalse(consumer.success());
            if (i < 5) vm.assertEq(consumer.answer(), i < 3 ? guarded : done);
            vm.assertEq(oracle.credit(ALICE), BOUNTY);
            vm.assertEq(address(oracle).balance, BOUNTY);
            vm.assertTrue(vmBlocks.revertToState(state));
        }
    }

    /// @dev What it may do: ask anew, fetch its money, have back what nobody answers.
    function test_consumersMayAskWhileTheyAreCalled() public {
        IInferenceOracle.Request memory asked = _asked(double);
        (bytes32 requestId, bytes32 claimId) = _answeredWith(BOND);
        consumer.set(Manner.REENTERS, abi.encodeCall(oracle.cancel, (requestId)));
        double.setStatus(claimId, ClaimStatus.REVOKED);
        oracle.conclude(requestId, "");
        vm.assertTrue(consumer.success());
        vm.assertEq(oracle.credit(address(consumer)), BOUNTY);

        (requestId, claimId) = _answeredWith(BOND + 1);
        consumer.set(Manner.REENTERS, abi.encodeCall(CreditLedger.withdraw, (payable(address(consumer)))));
        double.setStatus(claimId, ClaimStatus.FINAL);
        oracle.conclude(requestId, OUTPUT);
        vm.assertTrue(consumer.success());
        vm.assertEq(oracle.credit(address(consumer)), 0);

        (requestId, claimId) = _answeredWith(BOND + 2);
        consumer.set(Manner.REENTERS, abi.encodeCall(oracle.request, (asked, "", "")));
        double.setStatus(claimId, ClaimStatus.FINAL);
        oracle.conclude(requestId, OUTPUT);
        vm.assertTrue(consumer.success());
        requestId = abi.decode(consumer.answer(), (bytes32));
        vm.assertTrue(oracle.requestOf(requestId).state == RequestState.OPEN);
    }

    function _answeredWith(uint96 bond) private returns (bytes32 requestId, bytes32 claimId) {
        requestId = _request(_asked(double));
        _accept(requestId, ALICE, bond);
        claimId = _answer(requestId, ALICE, OUTPUT);
    }
}
