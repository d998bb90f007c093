// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {DigitReader} from "../src/examples/DigitReader.sol";
import {RequestState} from "../src/interfaces/IInferenceOracle.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {Headers} from "./support/Headers.sol";
import {OracleTest} from "./support/OracleTest.sol";

/// @notice The example of a consumer, over a model of 64 inputs and ten scores of two bytes.
contract DigitReaderTest is OracleTest {
    DigitReader private reader;

    receive() external payable {}

    function setUp() public {
        _setUpOracle();
        vm.roll(1);
        entry.header = Headers.vectors(64, 0, 16, 10, -1000, 1000);
        modelId = _register();
        reader = new DigitReader(oracle, modelId, double, SYSTEM, 1 ether, WINDOW);
    }

    function test_isTold() public {
        (bytes32 requestId, bytes32 claimId) = _answered(7);
        double.setStatus(claimId, ClaimStatus.FINAL);
        vm.expectEmit(address(reader));
        emit DigitReader.DigitRead(requestId, 7);
        oracle.conclude(requestId, _scores(7));
        vm.assertEq(reader.digitPlusOne(requestId), 8);
        vm.assertEq(oracle.credit(ALICE), BOUNTY);
    }

    /// @dev As soon as the claim is final, whether or not the oracle has called.
    function test_reads() public {
        (bytes32 requestId, bytes32 claimId) = _answered(3);
        vm.expectRevert(abi.encodeWithSelector(DigitReader.NotTheAnswer.selector, requestId));
        reader.read(requestId, _scores(3));
        double.setStatus(claimId, ClaimStatus.FINAL);
        vm.expectRevert(abi.encodeWithSelector(DigitReader.NotTheAnswer.selector, requestId));
        reader.read(requestId, _scores(4));
        reader.read(requestId, _scores(3));
        vm.assertEq(reader.digitPlusOne(requestId), 4);
    }

    function test_ignoresWhatWasRevoked() public {
        (bytes32 requestId, bytes32 claimId) = _answered(3);
        double.setStatus(claimId, ClaimStatus.REVOKED);
        oracle.conclude(requestId, "");
        vm.assertEq(reader.digitPlusOne(requestId), 0);
        vm.assertTrue(oracle.requestOf(requestId).state == RequestState.OPEN);
    }

    function test_refund() public {
        vm.roll(1);
        bytes32 requestId = reader.ask{value: BOUNTY}(new bytes(64), uint40(block.timestamp + 2000));
        vm.warp(block.timestamp + 2000);
        oracle.cancel(requestId);
        uint256 before = address(this).balance;
        reader.refund();
        vm.assertEq(address(this).balance, before + BOUNTY);
    }

    function test_refusals() public {
        vm.expectRevert(abi.encodeWithSelector(DigitReader.NotTheOracle.selector, address(this)));
        reader.onInference(0, ClaimStatus.FINAL, _scores(1));
        vm.expectRevert(abi.encodeWithSelector(DigitReader.NotAsked.selector, bytes32(0)));
        vm.prank(address(oracle));
        reader.onInference(0, ClaimStatus.FINAL, _scores(1));
        vm.expectRevert(abi.encodeWithSelector(DigitReader.NotAsked.selector, bytes32(0)));
        reader.read(0, _scores(1));
        vm.expectRevert(abi.encodeWithSelector(DigitReader.NotTheOwner.selector, ALICE));
        vm.prank(ALICE);
        reader.ask(new bytes(64), uint40(block.timestamp + 2000));
    }

    function _answered(uint256 digit) private returns (bytes32 requestId, bytes32 claimId) {
        requestId = reader.ask{value: BOUNTY}(new bytes(64), uint40(block.timestamp + 2000));
        _accept(requestId, ALICE, BOND);
        claimId = _answer(requestId, ALICE, _scores(digit));
    }

    /// @dev Negative scores, but for one.
    function _scores(uint256 digit) private pure returns (bytes memory scores) {
        for (uint256 i = 0; i < 10; ++i) {
            scores = bytes.concat(scores, i == digit ? bytes2(0x0005) : bytes2(0xfff0));
        }
    }
}
