// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IDisputeTier, Turn} from "../src/interfaces/IDisputeTier.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {Dispute, DisputeTest} from "./support/DisputeTest.sol";

/// @notice Windows, turns and budgets, to the second.
contract DisputeTierClocksTest is DisputeTest {
    function test_open_untilTheDeadline() public {
        Dispute memory d = _posted(1, 0, 0);
        vm.warp(START + WINDOW - 1);
        _open(d, CHALLENGER);
        vm.warp(START + WINDOW);
        _as(OTHER);
        vm.expectRevert(abi.encodeWithSelector(IDisputeTier.WindowOver.selector, START + WINDOW));
        tier.open{value: CHALLENGER_BOND}(d.claim);
        vm.warp(START + WINDOW + 1);
        _as(OTHER);
        vm.expectRevert(abi.encodeWithSelector(IDisputeTier.WindowOver.selector, START + WINDOW));
        tier.open{value: CHALLENGER_BOND}(d.claim);
    }

    /// @dev Invariant 3: a live game holds up its claim, and no longer than it lasts.
    function test_invariant3_notFinalDuringAGame() public {
        Dispute memory d = _posted(1, 0, 0);
        vm.warp(START + WINDOW - 1);
        _open(d, CHALLENGER);
        _open(d, OTHER);
        bytes memory pending = abi.encodeWithSelector(IDisputeTier.GameStillDecides.selector, d.id);
        vm.warp(START + WINDOW);
        _expectNotFinal(d, pending);
        _proveCell(d, CHALLENGER, Y, 1);
        _expectNotFinal(d, pending);
        _proveCell(d, OTHER, Y, 2);
        tier.finalise(d.claim);
        _assertStatus(d, ClaimStatus.FINAL);
    }

    function test_reveal_inTime() public {
        for (uint256 late = 0; late < 2; ++late) {
            Dispute memory d = _posted(1, 0, 0);
            _open(d, CHALLENGER);
            uint256 due = _due(d, CHALLENGER);
            vm.assertEq(due, block.timestamp + ASSERTER_TIME);
            _expectMoves(d, due, late, abi.encodeWithSelector(IDisputeTier.MoveTooLate.selector, due));
            _reveal(d, CHALLENGER);
            if (late == 0) continue;
            _expire(d, CHALLENGER);
            _assertStatus(d, ClaimStatus.REVOKED);
        }
    }

    function test_choose_inTime() public {
        for (uint256 late = 0; late < 2; ++late) {
            Dispute memory d = _posted(31, 0, 0);
            _open(d, CHALLENGER);
            _reveal(d, CHALLENGER);
            uint256 due = _due(d, CHALLENGER);
            vm.assertEq(due, block.timestamp + CHALLENGER_TIME);
            _expectMoves(d, due, late, abi.encodeWithSelector(IDisputeTier.MoveTooLate.selector, due));
            _choose(d, CHALLENGER, 0);
            if (late == 0) continue;
            _expire(d, CHALLENGER);
            _assertStatus(d, ClaimStatus.PROVISIONAL);
            _assertTurn(d, CHALLENGER, Turn.CLOSED);
        }
    }

    function test_prove_inTime() public {
        for (uint256 late = 0; late < 2; ++late) {
            Dispute memory d = _posted(1, 0, 1);
            _open(d, CHALLENGER);
            _reveal(d, CHALLENGER);
            uint256 due = _due(d, CHALLENGER);
            _expectMoves(d, due, late, abi.encodeWithSelector(IDisputeTier.MoveTooLate.selector, due));
            _proveCell(d, CHALLENGER, Y, 0);
            _assertStatus(d, late == 0 ? ClaimStatus.REVOKED : ClaimStatus.PROVISIONAL);
            if (late == 0) continue;
            _expire(d, CHALLENGER);
            _assertStatus(d, ClaimStatus.PROVISIONAL);
        }
    }

    /// @dev The asserter's own delay does not make the challenger's proof late.
    function test_prove_whileTheAsserterIsOverdue() public {
        Dispute memory d = _posted(1, 0, 1);
        _open(d, CHALLENGER);
        vm.warp(_due(d, CHALLENGER) + 1);
        _proveCell(d, CHALLENGER, Y, 0);
        _assertStatus(d, ClaimStatus.REVOKED);
    }

    function test_expire_refuses() public {
        Dispute memory d = _posted(1, 0, 0);
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.NONE));
        _expire(d, CHALLENGER);
        _open(d, CHALLENGER);
        uint256 due = _due(d, CHALLENGER);
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(due - 1 + i);
            _refuses(abi.encodeWithSelector(IDisputeTier.MoveNotDue.selector, due));
            _expire(d, CHALLENGER);
        }
        _proveCell(d, CHALLENGER, Y, 0);
        vm.warp(due + 1);
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.CLOSED));
        _expire(d, CHALLENGER);
    }

    /// @dev What a move takes comes off the budget; below an extension, what of the extension is left does, if it is less.
    function test_budgets() public {
        Dispute memory d = _posted(300, 0, 0); // three reveals
        _open(d, CHALLENGER);
        _revealAfter(d, 1, CHALLENGER_TIME); // 599 left
        _chooseAfter(d, 350, 599); // 50 left
        _revealAfter(d, 599, EXTENSION); // 0 left, and the challenger's 50 are less than an extension
        _chooseAfter(d, 5, EXTENSION); // 50 left still: the extension was enough
        _revealAfter(d, 60, EXTENSION);
        vm.warp(block.timestamp + 61);
        _expire(d, CHALLENGER);
        _assertStatus(d, ClaimStatus.PROVISIONAL);
    }

    /// @dev An extension is not kept: of 50 seconds and 55 gone of 60, five are left.
    function test_budgets_shrinkWithinAnExtension() public {
        Dispute memory d = _posted(300, 0, 0);
        _open(d, CHALLENGER);
        _revealAfter(d, 0, CHALLENGER_TIME);
        _chooseAfter(d, 350, ASSERTER_TIME); // 50 left
        _revealAfter(d, 0, EXTENSION);
        _chooseAfter(d, 55, ASSERTER_TIME);
        _revealAfter(d, 0, EXTENSION);
        vm.warp(block.timestamp + 60);
        _proveCell(d, CHALLENGER, Y, 0);
        _assertTurn(d, CHALLENGER, Turn.CLOSED);
    }

    /// @dev Invariant 5: no game lasts longer than `longest` says, however its sides use their time.
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_invariant5_noGameIsLonger(uint256 seed, bool exhaust) public {
        Dispute memory d = _posted(31, 0, 0);
        uint256 longest = tier.longest(d.modelId, WINDOW);
        vm.assertEq(longest, WINDOW + ASSERTER_TIME + CHALLENGER_TIME + 4 * EXTENSION);
        vm.warp(START + WINDOW - 1);
        _open(d, CHALLENGER);
        for (uint256 move = 0; move < 3; ++move) {
            uint256 time = _due(d, CHALLENGER) - block.timestamp;
            if (!exhaust) time = uint256(keccak256(abi.encode(seed, move))) % (time + 1);
            vm.warp(block.timestamp + time);
            if (move == 1) _choose(d, CHALLENGER, seed % 2);
            else _reveal(d, CHALLENGER);
        }
        vm.warp(_due(d, CHALLENGER) + 1);
        vm.assertLe(block.timestamp, START + longest);
        _expire(d, CHALLENGER);
        tier.finalise(d.claim);
        _assertStatus(d, ClaimStatus.FINAL);
    }

    /// @dev Invariant 5: the bound is met where both sides take each of their moves an extension, having used up their
    /// budgets in the first.
    function test_invariant5_howTheTimeIsUsedUp() public {
        Dispute memory d = _posted(300, 0, 0);
        _open(d, CHALLENGER);
        _revealAfter(d, ASSERTER_TIME, CHALLENGER_TIME);
        _chooseAfter(d, CHALLENGER_TIME, EXTENSION);
        _revealAfter(d, EXTENSION, EXTENSION);
        _chooseAfter(d, EXTENSION, EXTENSION);
        _revealAfter(d, EXTENSION, EXTENSION);
        vm.warp(block.timestamp + EXTENSION);
        vm.assertEq(block.timestamp, START + ASSERTER_TIME + CHALLENGER_TIME + 4 * EXTENSION);
        _proveCell(d, CHALLENGER, Y, 0);
    }

    function test_close_waitsForTheClaim() public {
        Dispute memory d = _posted(1, 0, 0);
        bytes memory undecided = abi.encodeWithSelector(IDisputeTier.GameStillDecides.selector, d.id);
        _open(d, CHALLENGER);
        _refuses(undecided);
        _close(d, CHALLENGER);
        d.claim.window += 1;
        _refuses(abi.encodeWithSelector(IDisputeTier.GameStillDecides.selector, tier.claimIdOf(d.claim)));
        _close(d, CHALLENGER);
    }

    function _revealAfter(Dispute memory d, uint256 time, uint256 next) private {
        vm.warp(block.timestamp + time);
        _reveal(d, CHALLENGER);
        vm.assertEq(_due(d, CHALLENGER), block.timestamp + next);
    }

    function _chooseAfter(Dispute memory d, uint256 time, uint256 next) private {
        vm.warp(block.timestamp + time);
        _choose(d, CHALLENGER, 0);
        vm.assertEq(_due(d, CHALLENGER), block.timestamp + next);
    }

    /// @dev The next move is made in its last second, or refused a second later.
    function _expectMoves(Dispute memory d, uint256 due, uint256 late, bytes memory tooLate) private {
        _refuses(abi.encodeWithSelector(IDisputeTier.MoveNotDue.selector, due));
        vm.warp(due);
        _expire(d, CHALLENGER);
        vm.warp(due + late);
        if (late != 0) _refuses(tooLate);
    }

    function _expectNotFinal(Dispute memory d, bytes memory refusal) private {
        _refuses(refusal);
        _as(ANYBODY);
        tier.finalise(d.claim);
    }
}
