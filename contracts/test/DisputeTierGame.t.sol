// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Cell, IDisputeTier, Turn} from "../src/interfaces/IDisputeTier.sol";
import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {Dispute, DisputeTest} from "./support/DisputeTest.sol";
import {PlainTreeLibrary} from "./support/PlainTree.sol";

/// @notice The descent: who may move when, from where to where, and what it leads to.
contract DisputeTierGameTest is DisputeTest {
    /// @dev Rows of the small circuit for traces of depths 0, 1, 4, 5, 8 and 9.
    uint256[6] private _rows = [uint256(0), 1, 10, 31, 200, 300];

    /// @dev Invariant 2: the descent leads to the lie, and the claim falls.
    function test_invariant2_descentsOfAllDepths() public {
        uint256[6] memory depths = [uint256(0), 1, 4, 5, 8, 9];
        for (uint256 i = 0; i < depths.length; ++i) {
            uint256 cells = _rows[i] == 0 ? 10 : 64 * _rows[i];
            _playAndWin(_rows[i], depths[i], cells - 1);
        }
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_invariant2_descentsToAnyCell(uint256 cell, int16 delta) public {
        vm.assume(delta != 0);
        Dispute memory d = _posted(31, bound(cell, 0, 64 * 31 - 1), delta);
        _open(d, CHALLENGER);
        _descend(d, CHALLENGER);
        _proveCell(d, CHALLENGER, Y, bound(cell, 0, 64 * 31 - 1), 4);
        _assertStatus(d, ClaimStatus.REVOKED);
    }

    /// @dev Invariant 1: against an honest claim the descent leads to a cell that is right, whatever is chosen.
    /// forge-config: default.fuzz.runs = 32
    function testFuzz_invariant1_anyDescentIntoAnHonestClaimIsLost(uint256 seed) public {
        Dispute memory d = _posted(31, 0, 0);
        _open(d, CHALLENGER);
        _reveal(d, CHALLENGER);
        _choose(d, CHALLENGER, seed % 2);
        _reveal(d, CHALLENGER);
        uint256 leaf = seed % 2 * 16 + (seed >> 1) % 16;
        if (leaf == 31) _proveCell(d, CHALLENGER, Z, (seed >> 8) % 10, 4);
        else _proveCell(d, CHALLENGER, Y, 64 * leaf + (seed >> 8) % 64, 4);
        _assertStatus(d, ClaimStatus.PROVISIONAL);
        _assertTurn(d, CHALLENGER, Turn.CLOSED);
        vm.assertEq(tier.credit(ASSERTER), CHALLENGER_BOND - CHALLENGER_BOND / 2);
        vm.warp(START + WINDOW);
        tier.finalise(d.claim);
        vm.assertEq(tier.credit(ASSERTER), BOND + CHALLENGER_BOND - CHALLENGER_BOND / 2);
    }

    function test_open() public {
        Dispute memory d = _posted(31, 0, 1);
        vm.expectEmit(address(tier));
        emit IDisputeTier.GameOpened(d.id, CHALLENGER);
        _open(d, CHALLENGER);
        (Turn turn, uint256 due, uint256 level, uint256 position) = tier.gameOf(d.id, CHALLENGER);
        vm.assertEq(uint256(turn), uint256(Turn.REVEAL));
        vm.assertEq(due, START + ASSERTER_TIME);
        vm.assertEq(level, 0);
        vm.assertEq(position, 0);
        (,, uint256 games,) = tier.stateOf(d.id);
        vm.assertEq(games, 1);
    }

    function test_open_refuses() public {
        Dispute memory d = _dispute(1, 10, 0, 1);
        bytes memory unknown = abi.encodeWithSelector(IClaimTier.ClaimNotProvisional.selector, d.id, ClaimStatus.NONE);
        _expectRefusal(d, unknown, CHALLENGER_BOND);
        _post(d);
        bytes4 wrongBond = IClaimTier.WrongBond.selector;
        _expectRefusal(d, abi.encodeWithSelector(wrongBond, CHALLENGER_BOND, 0), 0);
        _expectRefusal(d, abi.encodeWithSelector(wrongBond, CHALLENGER_BOND, CHALLENGER_BOND + 1), CHALLENGER_BOND + 1);
        _open(d, CHALLENGER);
        bytes memory exists = abi.encodeWithSelector(IDisputeTier.GameExists.selector, d.id, CHALLENGER);
        _expectRefusal(d, exists, CHALLENGER_BOND);

        // Nor when the game has been lost: a challenger has one.
        _proveCell(d, CHALLENGER, Y, 5);
        _assertTurn(d, CHALLENGER, Turn.CLOSED);
        _expectRefusal(d, exists, CHALLENGER_BOND);

        _open(d, OTHER);
        _proveCell(d, OTHER, Y, 0);
        bytes memory over = abi.encodeWithSelector(IClaimTier.ClaimNotProvisional.selector, d.id, ClaimStatus.REVOKED);
        _expectRefusal(d, over, CHALLENGER_BOND);
    }

    function test_reveal() public {
        Dispute memory d = _posted(31, 0, 1);
        _open(d, CHALLENGER);
        bytes memory nodes = d.theirs.revealed(0, 0);
        vm.assertEq(nodes.length, 2 * 32);
        vm.expectEmit(address(tier));
        emit IDisputeTier.Revealed(d.id, CHALLENGER, 0, 0, nodes);
        _reveal(d, CHALLENGER);
        _assertTurn(d, CHALLENGER, Turn.CHOOSE);
        _choose(d, CHALLENGER, 1);
        nodes = d.theirs.revealed(1, 1);
        vm.assertEq(nodes.length, 16 * 128 + 32);
        vm.expectEmit(address(tier));
        emit IDisputeTier.Revealed(d.id, CHALLENGER, 1, 1, nodes);
        _reveal(d, CHALLENGER);
        _assertTurn(d, CHALLENGER, Turn.PROVE);
    }

    function test_reveal_refusesOtherLengths() public {
        Dispute memory d = _posted(31, 0, 1);
        _open(d, CHALLENGER);
        bytes memory nodes = d.theirs.revealed(0, 0);
        _expectLength(d, 0, 64, "");
        _expectLength(d, 0, 64, bytes.concat(nodes, hex"00"));
        _expectLength(d, 0, 64, bytes.concat(nodes, bytes32(0)));
        _reveal(d, CHALLENGER);
        _choose(d, CHALLENGER, 0);
        nodes = d.theirs.revealed(1, 0);
        _expectLength(d, 1, 16 * 128 + 32, new bytes(16 * 128));
        _expectLength(d, 1, 16 * 128 + 32, bytes.concat(nodes, bytes32(0)));
        // Hashes where leaves are due.
        _expectLength(d, 1, 16 * 128 + 32, new bytes(16 * 32 + 32));
    }

    /// @dev No byte of a reveal can be another, and no node can be shown in another's place.
    /// forge-config: default.fuzz.runs = 16
    function testFuzz_reveal_refusesOtherNodes(uint256 place, uint8 flip, uint256 level) public {
        vm.assume(flip != 0);
        Dispute memory d = _posted(200, 0, 1);
        _open(d, CHALLENGER);
        level = bound(level, 0, 1);
        uint256 position = 0;
        if (level == 1) {
            _reveal(d, CHALLENGER);
            position = place % 12; // 13 subtrees are in use
            _choose(d, CHALLENGER, position);
        }
        bytes memory nodes = d.theirs.revealed(level, position);
        nodes[place % nodes.length] ^= bytes1(flip);
        _refuses(abi.encodePacked(IDisputeTier.WrongNodes.selector));
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, level, position, nodes);
        if (level == 0) return;
        nodes = d.theirs.revealed(level, position + 1);
        _refuses(abi.encodePacked(IDisputeTier.WrongNodes.selector));
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, level, position, nodes);
    }

    function test_reveal_namesTheNodeThatWasMissed() public {
        Dispute memory d = _posted(10, 0, 1);
        _open(d, CHALLENGER);
        bytes memory nodes = d.right.revealed(0, 0);
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongNodes.selector, d.theirs.root(), d.right.root()));
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, 0, 0, nodes);
    }

    /// @dev Invariant 7: a move is a move at one place. Elsewhere, or a second time, it is none.
    function test_invariant7_movesHoldAtTheirPlaceOnly() public {
        Dispute memory d = _posted(31, 64 * 20, 1);
        _open(d, CHALLENGER);
        bytes memory nodes = d.theirs.revealed(0, 0);
        bytes memory wrongPlace = abi.encodeWithSelector(IDisputeTier.WrongPlace.selector, 0, 0);
        _refuses(wrongPlace);
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, 1, 0, nodes);
        _refuses(wrongPlace);
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, 0, 1, nodes);
        _expectNotThisTurn(Turn.NONE);
        _as(ANYBODY);
        tier.reveal(d.id, OTHER, 0, 0, nodes);
        _expectNotThisTurn(Turn.REVEAL);
        _choose(d, CHALLENGER, 0);

        _reveal(d, CHALLENGER);
        _expectNotThisTurn(Turn.CHOOSE);
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, 0, 0, nodes);
        _refuses(wrongPlace);
        _as(CHALLENGER);
        tier.choose(d.id, 1, 0, 0);
        _refuses(wrongPlace);
        _as(CHALLENGER);
        tier.choose(d.id, 0, 1, 0);
        _expectNotThisTurn(Turn.NONE);
        _as(OTHER);
        tier.choose(d.id, 0, 0, 0);
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongChild.selector, 2, 2));
        _as(CHALLENGER);
        tier.choose(d.id, 0, 0, 2);
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongChild.selector, uint256(1) << 255, 2));
        _as(CHALLENGER);
        tier.choose(d.id, 0, 0, uint256(1) << 255);

        vm.expectEmit(address(tier));
        emit IDisputeTier.Chosen(d.id, CHALLENGER, 1, 1);
        _choose(d, CHALLENGER);
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongPlace.selector, 1, 1));
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, 0, 0, nodes);
        _reveal(d, CHALLENGER);
        _expectNotThisTurn(Turn.PROVE);
        _choose(d, CHALLENGER, 0);
    }

    /// @dev A place is the lie's own, at the height that the descent has come to.
    function test_choose_countsPlaces() public {
        Dispute memory d = _posted(300, 64 * 299 + 63, 1);
        _open(d, CHALLENGER);
        uint256 place = 0;
        for (uint256 level = 0; level < 2; ++level) {
            _reveal(d, CHALLENGER);
            _choose(d, CHALLENGER);
            (,, uint256 now_, uint256 position) = tier.gameOf(d.id, CHALLENGER);
            place = 299 >> PlainTreeLibrary.heightAt(9, level + 1);
            vm.assertEq(now_, level + 1);
            vm.assertEq(position, place);
        }
    }

    /// @dev Invariant 7: reveals are the same from anybody. Who is first in front of the asserter has made its move.
    function test_invariant7_anybodyReveals() public {
        Dispute memory d = _posted(31, 0, 0);
        _open(d, CHALLENGER);
        bytes memory nodes = d.theirs.revealed(0, 0);
        _as(CHALLENGER);
        tier.reveal(d.id, CHALLENGER, 0, 0, nodes);
        _expectNotThisTurn(Turn.CHOOSE);
        _as(ASSERTER);
        tier.reveal(d.id, CHALLENGER, 0, 0, nodes);
        vm.assertEq(_due(d, CHALLENGER), START + CHALLENGER_TIME);
    }

    /// @dev Invariant 6: no move is left when a claim is resolved.
    function test_invariant6_noMoveAfterResolution() public {
        Dispute memory d = _posted(31, 0, 1);
        _open(d, CHALLENGER);
        _open(d, OTHER);
        _reveal(d, OTHER);
        _proveCell(d, CHALLENGER, Y, 0);
        bytes memory over = abi.encodeWithSelector(IClaimTier.ClaimNotProvisional.selector, d.id, ClaimStatus.REVOKED);
        bytes memory nodes = d.theirs.revealed(0, 0);
        bytes memory leaf = d.theirs.opening(0, 5);
        bytes memory operands = _operands(d, Y, 0);
        Cell memory cell = _cell(d, Y, 0);
        _refuses(over);
        _as(ANYBODY);
        tier.reveal(d.id, OTHER, 0, 0, nodes);
        _refuses(over);
        _as(OTHER);
        tier.choose(d.id, 0, 0, 0);
        _refuses(over);
        _as(OTHER);
        tier.proveCell(d.claim, cell, leaf, operands);
        _refuses(over);
        _as(OTHER);
        tier.proveOutput(d.claim, d.claimed.output, cell, operands);
        _refuses(over);
        _as(OTHER);
        tier.provePadding(d.claim, cell, leaf);
        _refuses(over);
        _as(OTHER);
        tier.proveInput(d.claim, 0, leaf);
        _refuses(over);
        _as(ANYBODY);
        tier.expire(d.claim, OTHER);
        _refuses(over);
        _as(ANYBODY);
        tier.finalise(d.claim);
        _refuses(over);
        _as(ANYBODY);
        tier.settle(d.claim, d.claimed.output, hex"11111111");
    }

    function _playAndWin(uint256 rows, uint256 depth, uint256 cell) private {
        Dispute memory d = _posted(rows, cell, 1);
        vm.assertEq(d.circuit.depth, depth);
        _open(d, CHALLENGER);
        _descend(d, CHALLENGER);
        _assertTurn(d, CHALLENGER, Turn.PROVE);
        (,, uint256 level,) = tier.gameOf(d.id, CHALLENGER);
        vm.assertEq(level + 1, PlainTreeLibrary.rounds(depth));
        _proveCell(d, CHALLENGER, rows == 0 ? Z : Y, cell, PlainTreeLibrary.heightAt(depth, level));
        _assertStatus(d, ClaimStatus.REVOKED);
        _assertTurn(d, CHALLENGER, Turn.CLOSED);
    }

    function _expectRefusal(Dispute memory d, bytes memory error_, uint256 value) private {
        _refuses(error_);
        _as(CHALLENGER);
        tier.open{value: value}(d.claim);
    }

    function _expectLength(Dispute memory d, uint256 level, uint256 expected, bytes memory nodes) private {
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongLength.selector, expected, nodes.length));
        _as(ANYBODY);
        tier.reveal(d.id, CHALLENGER, level, 0, nodes);
    }

    function _expectNotThisTurn(Turn turn) private {
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, turn));
    }
}
