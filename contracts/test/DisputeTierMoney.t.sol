// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IDisputeTier, Turn} from "../src/interfaces/IDisputeTier.sol";
import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {Puppet} from "./support/DisputeDoubles.sol";
import {Dispute, DisputeTest} from "./support/DisputeTest.sol";

/// @notice Who is paid what, and that it is what somebody paid in.
contract DisputeTierMoneyTest is DisputeTest {
    uint256 private constant BURNT = BOND / 2;
    uint256 private constant LOST = CHALLENGER_BOND - CHALLENGER_BOND / 2;

    /// @dev Invariant 4: half of a fallen bond is the winner's, the other half refunds gas or stays.
    function test_invariant4_aFallenBond() public {
        Dispute memory d = _posted(1, 0, 1);
        _open(d, CHALLENGER);
        _proveCell(d, CHALLENGER, Y, 0);
        (,, uint256 games, uint256 pot) = tier.stateOf(d.id);
        vm.assertEq(games, 0);
        vm.assertGt(BURNT, pot);
        vm.assertEq(tier.credit(CHALLENGER), CHALLENGER_BOND + BOND - BURNT + (BURNT - pot));
        vm.assertEq(tier.credit(ASSERTER), 0);
        vm.assertEq(address(tier).balance, tier.credit(CHALLENGER) + pot);
    }

    /// @dev Invariant 4: half of a lost challenge is the asserter's, the other half stays.
    function test_invariant4_aLostChallenge() public {
        Dispute memory d = _posted(1, 0, 0);
        _open(d, CHALLENGER);
        _proveCell(d, CHALLENGER, Y, 0);
        vm.assertEq(tier.credit(ASSERTER), LOST);
        vm.assertEq(tier.credit(CHALLENGER), 0);
        vm.assertEq(address(tier).balance, BOND + CHALLENGER_BOND);
    }

    /// @dev The first game that is lost by the asserter ends the claim; the others take back what is theirs.
    function test_parallelGames() public {
        Dispute memory d = _posted(31, 0, 1);
        _open(d, CHALLENGER);
        _open(d, OTHER);
        _reveal(d, OTHER);
        _choose(d, OTHER, 1); // wherever it leads
        (,, uint256 games,) = tier.stateOf(d.id);
        vm.assertEq(games, 2);
        vm.assertEq(tier.credit(OTHER), 0);
        _proveCell(d, CHALLENGER, Y, 0);
        (,, games,) = tier.stateOf(d.id);
        vm.assertEq(games, 1);
        uint256 before = _pot(d);
        _close(d, OTHER);
        uint256 refund = before - _pot(d);
        vm.assertGt(refund, 0);
        vm.assertEq(tier.credit(OTHER), CHALLENGER_BOND + refund);
        (,, games,) = tier.stateOf(d.id);
        vm.assertEq(games, 0);
        vm.assertEq(address(tier).balance, tier.credit(OTHER) + tier.credit(CHALLENGER) + _pot(d));

        bytes memory closed = abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.CLOSED);
        _refuses(closed);
        _close(d, OTHER);
        _refuses(closed);
        _close(d, CHALLENGER);
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.NONE));
        _close(d, ANYBODY);
    }

    /// @dev A proof ends all games in the asserter's favour: nobody was right to challenge.
    function test_settleDuringGames() public {
        Dispute memory d = _dispute(31, 10, 0, 0);
        d.claim.settledBy = SYSTEM;
        d.id = tier.claimIdOf(d.claim);
        _post(d);
        _open(d, CHALLENGER);
        _open(d, OTHER);
        _reveal(d, OTHER);
        _settle(d);
        _assertStatus(d, ClaimStatus.FINAL);
        vm.assertEq(tier.credit(ASSERTER), BOND);
        _close(d, CHALLENGER);
        _close(d, OTHER);
        vm.assertEq(tier.credit(ASSERTER), BOND + 2 * LOST);
        (,, uint256 games, uint256 pot) = tier.stateOf(d.id);
        vm.assertEq(games + pot, 0);
        vm.assertEq(tier.credit(CHALLENGER) + tier.credit(OTHER), 0);
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.CLOSED));
        _close(d, OTHER);
    }

    /// @dev A proof comes in time as long as nothing else has been decided.
    function test_settleAfterTheDeadline() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        d.claim.settledBy = SYSTEM;
        d.id = tier.claimIdOf(d.claim);
        _post(d);
        vm.warp(START + WINDOW - 1);
        _open(d, CHALLENGER);
        vm.warp(START + WINDOW + ASSERTER_TIME);
        _settle(d);
        _assertStatus(d, ClaimStatus.FINAL);
    }

    // ---- Refunds

    /// @dev No move is refunded more than it took, all of it counted: and most of it is.
    function test_refund_isWhatWasBurnt() public {
        Dispute memory d = _posted(31, 0, 1);
        _open(d, CHALLENGER);
        uint256 spent = vm.lastCallGas().gasTotalUsed + _intrinsic(abi.encodeCall(tier.open, (d.claim)));
        _reveal(d, CHALLENGER);
        _choose(d, CHALLENGER);
        spent += vm.lastCallGas().gasTotalUsed + _intrinsic(abi.encodeCall(tier.choose, (d.id, 0, 0, 0)));
        _open(d, OTHER);
        _proveCell(d, OTHER, Y, 0);
        uint256 before = _pot(d);
        _close(d, CHALLENGER);
        uint256 refund = before - _pot(d);
        vm.assertLe(refund, spent * block.basefee);
        vm.assertLt(spent * block.basefee * 95 / 100, refund);
    }

    /// @dev Bytes behind a call's arguments are refunded at no more than the least that they cost a transaction.
    function test_refund_paddedCalldata() public {
        Dispute memory d = _posted(1, 0, 1);
        bytes memory data = bytes.concat(abi.encodeCall(tier.open, (d.claim)), new bytes(100_000));
        _as(CHALLENGER);
        (bool done,) = address(tier).call{value: CHALLENGER_BOND}(data);
        vm.assertTrue(done);
        uint256 spent = vm.lastCallGas().gasTotalUsed + _intrinsic(data);
        _nextBlock();
        _open(d, OTHER);
        _proveCell(d, OTHER, Y, 0);
        uint256 before = _pot(d);
        _close(d, CHALLENGER);
        vm.assertLe(before - _pot(d), spent * block.basefee);
    }

    /// @dev A contract pays neither for the bytes that it sends nor for a transaction a move, and is refunded neither.
    function test_refund_ofAContract() public {
        Dispute memory d = _posted(1, 0, 1);
        Puppet puppet = new Puppet();
        vm.deal(address(puppet), 1 ether);
        bytes memory data = bytes.concat(abi.encodeCall(tier.open, (d.claim)), new bytes(100_000));
        uint256 spent = gasleft();
        puppet.act(address(tier), CHALLENGER_BOND, data);
        spent -= gasleft();
        _nextBlock();
        _open(d, OTHER);
        _proveCell(d, OTHER, Y, 0);
        uint256 before = _pot(d);
        _close(d, address(puppet));
        uint256 refund = before - _pot(d);
        vm.assertLe(refund, spent * block.basefee);
        vm.assertLt(refund, 120_000 * block.basefee);
        vm.assertEq(tier.credit(address(puppet)), CHALLENGER_BOND + refund);
    }

    /// @dev The same for an account with delegated code, which can make many moves in one transaction of its own.
    function test_refund_ofADelegatedAccount() public {
        Dispute memory d = _posted(1, 0, 1);
        vm.etch(CHALLENGER, abi.encodePacked(hex"ef0100", address(new Puppet())));
        bytes memory data = bytes.concat(abi.encodeCall(tier.open, (d.claim)), new bytes(100_000));
        _as(CHALLENGER);
        (bool done,) = address(tier).call{value: CHALLENGER_BOND}(data);
        vm.assertTrue(done);
        uint256 spent = vm.lastCallGas().gasTotalUsed;
        _nextBlock();
        _open(d, OTHER);
        _proveCell(d, OTHER, Y, 0);
        uint256 before = _pot(d);
        _close(d, CHALLENGER);
        vm.assertLe(before - _pot(d), spent * block.basefee);
    }

    /// @dev Sybils take from the pot what they have spent, the winner being first; and never more than is in it.
    function test_refund_endsWithThePot() public {
        Dispute memory d = _posted(1, 0, 1);
        vm.fee(2_000_000 gwei);
        _open(d, OTHER);
        _open(d, CHALLENGER);
        _open(d, ASSERTER);
        _proveCell(d, CHALLENGER, Y, 0);
        uint256 winners = BURNT - _pot(d);
        vm.assertGt(winners, 0);
        vm.assertEq(tier.credit(CHALLENGER), CHALLENGER_BOND + BOND - BURNT + winners);
        _close(d, OTHER);
        uint256 left = _pot(d);
        _close(d, ASSERTER);
        vm.assertEq(_pot(d), 0);
        vm.assertEq(tier.credit(ASSERTER), CHALLENGER_BOND + left);
        vm.assertEq(address(tier).balance, tier.credit(ASSERTER) + tier.credit(CHALLENGER) + tier.credit(OTHER));
    }

    /// @dev Who loses to itself has lost half of its bond, and all gas.
    function test_selfDisputeGainsNothing() public {
        Dispute memory d = _posted(31, 0, 1);
        uint256 spent = 0;
        _open(d, ASSERTER);
        spent += vm.lastCallGas().gasTotalUsed;
        _descend(d, ASSERTER);
        _proveCell(d, ASSERTER, Y, 0, 4);
        spent += vm.lastCallGas().gasTotalUsed;
        uint256 refund = BURNT - _pot(d);
        vm.assertEq(tier.credit(ASSERTER), CHALLENGER_BOND + BOND - BURNT + refund);
        bytes memory atMost = bytes.concat(
            abi.encodeCall(tier.open, (d.claim)),
            abi.encodeCall(tier.choose, (d.id, 0, 0, 0)),
            abi.encodeCall(tier.proveCell, (d.claim, _cell(d, Y, 0), d.theirs.opening(0, 4), _operands(d, Y, 0)))
        );
        // The three moves beside one choice, whose execution is below 50,000.
        vm.assertLe(refund, (spent + 50_000 + 3 * 21_000 + 16 * atMost.length) * block.basefee);
    }

    /// @dev A game that is lost is refunded nothing, whatever becomes of the claim afterwards.
    function test_lostGamesAreNotRefunded() public {
        Dispute memory d = _posted(1, 0, 1);
        _open(d, OTHER);
        _proveCell(d, OTHER, Y, 1);
        _open(d, CHALLENGER);
        _proveCell(d, CHALLENGER, Y, 0);
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.CLOSED));
        _close(d, OTHER);
        vm.assertEq(tier.credit(OTHER), 0);
        vm.assertEq(tier.credit(ASSERTER), LOST);
    }

    /// @dev Invariant 2: a silent asserter loses as a lying one does; whoever says so gets nothing for it.
    function test_invariant2_silence() public {
        Dispute memory d = _posted(31, 0, 1);
        _open(d, CHALLENGER);
        vm.warp(_due(d, CHALLENGER) + 1);
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimRevoked(d.id, CHALLENGER);
        _expire(d, CHALLENGER);
        uint256 refund = BURNT - _pot(d);
        vm.assertEq(tier.credit(CHALLENGER), CHALLENGER_BOND + BOND - BURNT + refund);
        vm.assertEq(tier.credit(ANYBODY), 0);
    }

    /// @dev Invariant 1: any number of false challengers cost an honest asserter nothing but its moves, which they pay.
    function test_invariant1_manyFalseChallengers() public {
        Dispute memory d = _posted(1, 0, 0);
        for (uint256 i = 0; i < 20; ++i) {
            address challenger = address(uint160(0xF000 + i));
            vm.deal(challenger, 1 ether);
            _open(d, challenger);
            if (i % 3 > 0) _reveal(d, challenger);
            if (i % 3 > 1) _proveCell(d, challenger, Y, i);
        }
        vm.warp(block.timestamp + ASSERTER_TIME);
        for (uint256 i = 0; i < 20; i += 3) {
            _reveal(d, address(uint160(0xF000 + i)));
        }
        vm.warp(START + WINDOW);
        for (uint256 i = 0; i < 20; ++i) {
            if (i % 3 < 2) _expire(d, address(uint160(0xF000 + i)));
        }
        tier.finalise(d.claim);
        vm.assertEq(tier.credit(ASSERTER), BOND + 20 * LOST);
        vm.assertEq(address(tier).balance, BOND + 20 * uint256(CHALLENGER_BOND));
    }

    /// @dev Invariant 9: a winner that takes no payment holds up neither the verdict nor the others.
    function test_invariant9_winnerThatTakesNothing() public {
        Dispute memory d = _posted(1, 0, 1);
        Puppet puppet = new Puppet();
        vm.deal(address(puppet), 1 ether);
        puppet.act(address(tier), CHALLENGER_BOND, abi.encodeCall(tier.open, (d.claim)));
        _open(d, OTHER);
        puppet.act(
            address(tier),
            0,
            abi.encodeCall(tier.proveCell, (d.claim, _cell(d, Y, 0), d.theirs.opening(0, 1), _operands(d, Y, 0)))
        );
        _assertStatus(d, ClaimStatus.REVOKED);
        _close(d, OTHER);
        uint256 owed = tier.credit(OTHER);
        uint256 had = OTHER.balance;
        _as(OTHER);
        tier.withdraw(payable(OTHER));
        vm.assertEq(OTHER.balance, had + owed);
    }

    function _pot(Dispute memory d) private view returns (uint256 pot) {
        (,,, pot) = tier.stateOf(d.id);
    }

    /// @dev What a transaction with this calldata costs before it executes anything.
    function _intrinsic(bytes memory data) private pure returns (uint256 gas) {
        gas = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
    }
}
