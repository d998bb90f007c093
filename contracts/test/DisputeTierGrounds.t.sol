// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Cell, IDisputeTier, Turn} from "../src/interfaces/IDisputeTier.sol";
import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {IOneStep} from "../src/interfaces/IOneStep.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {Dispute, DisputeTest} from "./support/DisputeTest.sol";
import {PlainTree, PlainTreeLibrary} from "./support/PlainTree.sol";

/// @notice On which grounds a claim falls, and on which it does not.
contract DisputeTierGroundsTest is DisputeTest {
    // ---- Cells of the trace

    /// @dev Invariant 8, as far as it is the tier's: the verdict is what the one step answers, about exactly the cell,
    /// the record and the trees of the claim.
    function test_invariant8_verdictOfACell() public {
        _judge(0, true, 0, false);
        _judge(0, true, 1, true);
        _judge(0, true, -1, true);
        _judge(0, true, type(int256).max - 2000, true);
        // The same lowest bits make no other number the same.
        _judge(0, true, 2 ** 16, true);
        _judge(0, false, 0, true);
        _judge(1, true, -1, true);
        _judge(1, true, 0, false);
    }

    function test_proveCell_inEveryTurn() public {
        for (uint256 moves = 0; moves < 4; ++moves) {
            Dispute memory d = _posted(31, 64 * 20, 1);
            _open(d, CHALLENGER);
            if (moves > 0) _reveal(d, CHALLENGER);
            if (moves > 1) _choose(d, CHALLENGER);
            if (moves > 2) _reveal(d, CHALLENGER);
            _proveCell(d, CHALLENGER, Y, 64 * 20);
            _assertStatus(d, ClaimStatus.REVOKED);
        }
    }

    /// @dev Invariant 7: a proof up to the root that was on its way holds when the last reveal comes first, wherever the
    /// descent has led.
    function test_invariant7_directProofBehindTheLastReveal() public {
        Dispute memory d = _posted(31, 64 * 20, 1);
        _open(d, CHALLENGER);
        _reveal(d, CHALLENGER);
        _choose(d, CHALLENGER, 0);
        _reveal(d, CHALLENGER);
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongPlace.selector, 1, 0));
        _proveCell(d, CHALLENGER, Y, 64 * 20, 4);
        _proveCell(d, CHALLENGER, Y, 64 * 20, 5);
        _assertStatus(d, ClaimStatus.REVOKED);
    }

    /// @dev Who sees a proof coming cannot open a game in front of it and take its reward.
    function test_prove_notInTheBlockOfTheOpening() public {
        Dispute memory d = _posted(1, 0, 1);
        _as(CHALLENGER);
        tier.open{value: CHALLENGER_BOND}(d.claim);
        bytes memory tooRecent = abi.encodeWithSelector(IDisputeTier.GameTooRecent.selector, block.number);
        _refuses(tooRecent);
        _proveCell(d, CHALLENGER, Y, 0);
        _refuses(tooRecent);
        _proveOutput(d, CHALLENGER, 0);
        _reveal(d, CHALLENGER);
        _refuses(tooRecent);
        _proveCell(d, CHALLENGER, Y, 0);
        _nextBlock();
        _proveCell(d, CHALLENGER, Y, 0);
        _assertStatus(d, ClaimStatus.REVOKED);
    }

    function test_prove_takesAGame() public {
        Dispute memory d = _posted(1, 0, 1);
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.NONE));
        _proveCell(d, CHALLENGER, Y, 0);
        _open(d, CHALLENGER);
        // A proof wins for its sender's game alone.
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.NONE));
        _proveCell(d, OTHER, Y, 0);
        _proveCell(d, CHALLENGER, Y, 1);
        _refuses(abi.encodeWithSelector(IDisputeTier.NotThisTurn.selector, Turn.CLOSED));
        _proveCell(d, CHALLENGER, Y, 0);
    }

    function test_proveCell_refusesOtherLeaves() public {
        Dispute memory d = _posted(31, 64 * 20, 1);
        _open(d, CHALLENGER);
        bytes memory leaf = d.theirs.opening(20, 5);
        _expectCell(d, Y, bytes.concat(leaf, hex"00"), _wrongLength(288, 289));
        _expectCell(d, Y, d.theirs.opening(20, 4), _wrongLength(288, 256));
        leaf[127] ^= 0x01;
        _expectCell(d, Y, leaf, abi.encodePacked(IDisputeTier.WrongLeaf.selector));
        leaf[127] ^= 0x01;
        leaf[287] ^= 0x01;
        _expectCell(d, Y, leaf, abi.encodePacked(IDisputeTier.WrongLeaf.selector));
        _expectCell(d, Y, d.theirs.opening(21, 5), abi.encodePacked(IDisputeTier.WrongLeaf.selector));
        _expectCell(
            d,
            Y,
            d.right.opening(20, 5),
            abi.encodeWithSelector(IDisputeTier.WrongLeaf.selector, d.theirs.root(), d.right.root())
        );

        // A leaf of the right subtree at the wrong place in it.
        _descend(d, CHALLENGER);
        _expectCell(d, Y, d.theirs.opening(21, 4), abi.encodePacked(IDisputeTier.WrongLeaf.selector));
        _expectCell(d, Y, d.theirs.opening(20, 3), _wrongLength(256, 224));
        _proveCell(d, CHALLENGER, Y, 64 * 20, 4);
    }

    function test_proveCell_refusesOtherRecords() public {
        Dispute memory d = _posted(1, 0, 1);
        _open(d, CHALLENGER);
        bytes memory leaf = d.theirs.opening(0, 1);
        Cell memory cell = _cell(d, Y, 0);
        bytes memory opening = cell.opening;

        // Cells that the tensor does not have.
        cell.index = 64;
        _expectCell(d, cell, leaf, abi.encodeWithSelector(IDisputeTier.WrongCell.selector, 64));
        cell.index = type(uint256).max;
        _expectCell(d, cell, leaf, abi.encodeWithSelector(IDisputeTier.WrongCell.selector, cell.index));
        cell.index = 0;

        // The record of an output is none of the trace.
        Cell memory output = _cell(d, OUT, 0);
        _expectCell(d, output, leaf, abi.encodeWithSelector(IDisputeTier.WrongCell.selector, 0));

        // The record of another place, or one that is not the circuit's.
        cell.record = 1;
        _expectCell(d, cell, leaf, abi.encodePacked(IDisputeTier.WrongRecord.selector));
        cell.record = 0;
        cell.opening = bytes.concat(opening);
        cell.opening[95] ^= 0x01;
        _expectCell(d, cell, leaf, abi.encodePacked(IDisputeTier.WrongRecord.selector));

        // Lengths: 96 bytes, the views that byte 4 counts, two siblings.
        uint256 expected = 96 + 2 * 160 + 2 * 32;
        vm.assertEq(opening.length, expected);
        cell.opening = bytes.concat(opening, hex"00");
        _expectCell(d, cell, leaf, _wrongLength(expected, expected + 1));
        cell.opening = bytes.concat(opening);
        cell.opening[4] = 0x03;
        _expectCell(d, cell, leaf, _wrongLength(expected + 160, expected));
        cell.opening = new bytes(96 + 2 * 32 - 1);
        _expectCell(d, cell, leaf, _wrongLength(96 + 2 * 32, 96 + 2 * 32 - 1));
        cell.opening = "";
        _expectCell(d, cell, leaf, _wrongLength(96 + 2 * 32, 0));
    }

    /// @dev Bits of a record's number above the depth of the ops tree name the same record, to the same end.
    function test_proveCell_longRecordNumber() public {
        Dispute memory d = _posted(1, 0, 1);
        _open(d, CHALLENGER);
        Cell memory cell = _cell(d, Y, 1);
        cell.record += 1 << 200;
        bytes memory operands = _operands(d, Y, 1);
        bytes memory leaf = d.theirs.opening(0, 1);
        _as(CHALLENGER);
        tier.proveCell(d.claim, cell, leaf, operands);
        _assertStatus(d, ClaimStatus.PROVISIONAL);
        _assertTurn(d, CHALLENGER, Turn.CLOSED);
    }

    // ---- Outputs

    function test_proveOutput() public {
        Dispute memory d = _dispute(1, 10, 0, 0);
        d.claimed.output[5] ^= 0x01;
        d.claim.outputHash = keccak256(d.claimed.output);
        d.id = tier.claimIdOf(d.claim);
        _post(d);
        _open(d, CHALLENGER);
        _open(d, OTHER);
        for (uint256 i = 3; i < 10; ++i) {
            address challenger = address(uint160(0xF00 + i));
            vm.deal(challenger, 1 ether);
            _open(d, challenger);
            _proveOutput(d, challenger, i);
            _assertTurn(d, challenger, Turn.CLOSED);
            _assertStatus(d, ClaimStatus.PROVISIONAL);
        }
        _proveOutput(d, CHALLENGER, 2);
        _assertStatus(d, ClaimStatus.REVOKED);
    }

    function test_proveOutput_refuses() public {
        Dispute memory d = _posted(1, 0, 1);
        _open(d, CHALLENGER);
        Cell memory cell = _cell(d, OUT, 10);
        bytes memory output = d.claimed.output;
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongCell.selector, 10));
        _as(CHALLENGER);
        tier.proveOutput(d.claim, output, cell, "");
        cell = _cell(d, Z, 0);
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongCell.selector, 0));
        _as(CHALLENGER);
        tier.proveOutput(d.claim, output, cell, "");
        // Another number of the record than the header names.
        cell = _cell(d, OUT, 0);
        cell.record += 4;
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongCell.selector, 0));
        _as(CHALLENGER);
        tier.proveOutput(d.claim, output, cell, "");
        cell.record -= 4;
        bytes memory other = bytes.concat(output);
        other[19] ^= 0x01;
        _refuses(abi.encodeWithSelector(IClaimTier.WrongOutputHash.selector, keccak256(output), keccak256(other)));
        _as(CHALLENGER);
        tier.proveOutput(d.claim, other, cell, "");
        _refuses(abi.encodeWithSelector(IOneStep.OpeningMalformed.selector));
        _as(CHALLENGER);
        tier.proveOutput(d.claim, output, cell, abi.encode(bytes32(0), true, int256(0)));
    }

    // ---- Padding

    /// @dev Every byte behind z's ten elements, up to the end of its leaf.
    function test_provePadding_behindATensor() public {
        for (uint256 place = 20; place < 128; place += 107) {
            Dispute memory d = _padded(128 + place, 0x80);
            _open(d, CHALLENGER);
            _open(d, OTHER);
            _provePadding(d, OTHER, Z, place == 20 ? 127 : 20);
            _assertTurn(d, OTHER, Turn.CLOSED);
            _assertStatus(d, ClaimStatus.PROVISIONAL);
            _provePadding(d, CHALLENGER, Z, place);
            _assertStatus(d, ClaimStatus.REVOKED);
        }
    }

    function test_provePadding_behindATensor_afterTheDescent() public {
        Dispute memory d = _dispute(31, 10, 0, 0);
        d.claimed.trace[31 * 128 + 20] = 0x01;
        _commitTo(d, PlainTreeLibrary.overLeaves(d.claimed.trace, 5));
        _post(d);
        _open(d, CHALLENGER);
        _descend(d, CHALLENGER);
        Cell memory cell = _cell(d, Z, 20);
        bytes memory leaf = d.theirs.opening(31, 4);
        _as(CHALLENGER);
        tier.provePadding(d.claim, cell, leaf);
        _assertStatus(d, ClaimStatus.REVOKED);
    }

    function test_provePadding_refuses() public {
        Dispute memory d = _padded(128 + 20, 0x01);
        _open(d, CHALLENGER);
        uint256[3] memory elsewhere = [uint256(19), 128, type(uint256).max];
        for (uint256 i = 0; i < 3; ++i) {
            Cell memory cell = _cell(d, Z, elsewhere[i]);
            bytes memory leaf = d.theirs.opening(1, 1);
            _refuses(abi.encodeWithSelector(IDisputeTier.WrongCell.selector, elsewhere[i]));
            _as(CHALLENGER);
            tier.provePadding(d.claim, cell, leaf);
        }
        // y has no padding, and an output has none at all.
        _expectPadding(d, _cell(d, Y, 127), 127);
        _expectPadding(d, _cell(d, Y, 128), 128);
        _expectPadding(d, _cell(d, OUT, 20), 20);
    }

    /// @dev Leaves behind all tensors: 11 of 16 are in use.
    function test_provePadding_behindTheTrace() public {
        Dispute memory d = _dispute(10, 10, 0, 0);
        PlainTree memory trace = PlainTreeLibrary.overLeaves(d.claimed.trace, 4);
        trace.leaves[13][5] = 0x01;
        _commitTo(d, PlainTreeLibrary.over(trace.leaves));
        _post(d);
        _open(d, CHALLENGER);
        _open(d, OTHER);
        uint256[3] memory inUse = [uint256(0), 10 * 128, 11 * 128 - 1];
        for (uint256 i = 0; i < 3; ++i) {
            _expectPadding(d, Cell(0, inUse[i], ""), inUse[i]);
        }
        _expectPadding(d, Cell(0, 16 * 128, ""), 16 * 128 / 128);
        _expectPadding(d, Cell(0, type(uint256).max, ""), type(uint256).max / 128);

        _provePadding(d, OTHER, 13 * 128 + 4);
        _assertTurn(d, OTHER, Turn.CLOSED);
        _descend(d, CHALLENGER);
        _provePadding(d, CHALLENGER, 13 * 128 + 5);
        _assertStatus(d, ClaimStatus.REVOKED);
    }

    // ---- Inputs

    /// @dev Elements are bytes within [-100, 100].
    function test_proveInput() public {
        _judgeInput(0, 100, 0, false);
        _judgeInput(0, 101, 0, true);
        _judgeInput(63, -100, 63, false);
        _judgeInput(63, -101, 63, true);
        _judgeInput(63, -128, 62, false);
        // Behind the 64 elements.
        _judgeInput(64, 0, 64, false);
        _judgeInput(64, 1, 64, true);
        _judgeInput(127, -128, 127, true);
        _judgeInput(127, -128, 126, false);
    }

    function test_proveInput_refuses() public {
        Dispute memory d = _posted(1, 0, 1);
        _open(d, CHALLENGER);
        bytes memory leaf = _inputTree(d).leaves[0];
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongCell.selector, 1));
        _as(CHALLENGER);
        tier.proveInput(d.claim, 128, leaf);
        _refuses(_wrongLength(128, 160));
        _as(CHALLENGER);
        tier.proveInput(d.claim, 0, bytes.concat(leaf, bytes32(0)));
        leaf[0] ^= 0x01;
        _refuses(abi.encodePacked(IDisputeTier.WrongLeaf.selector));
        _as(CHALLENGER);
        tier.proveInput(d.claim, 0, leaf);
    }

    // ---- Parts

    /// @dev Cell 5 of y is `delta` off; the one step answers what it says and `off` more.
    function _judge(int256 delta, bool exists, int256 off, bool falls) private {
        Dispute memory d = _posted(1, 5, delta);
        _open(d, CHALLENGER);
        int256 value = d.circuit.recompute(d.claimed, 0, 5) + delta + off;
        bytes memory operands = _dictate(d, Y, 5, exists, exists ? value : int256(0));
        bytes memory leaf = d.theirs.opening(0, 1);
        Cell memory cell = _cell(d, Y, 5);
        _as(CHALLENGER);
        tier.proveCell(d.claim, cell, leaf, operands);
        _assertStatus(d, falls ? ClaimStatus.REVOKED : ClaimStatus.PROVISIONAL);
        _assertTurn(d, CHALLENGER, Turn.CLOSED);
    }

    /// @dev A claim on an input with one byte of its only leaf replaced, vouched for by another account.
    function _judgeInput(uint256 place, int8 value, uint256 asked, bool falls) private {
        Dispute memory d = _dispute(1, 10, 0, 0);
        bytes memory leaf = _inputTree(d).leaves[0];
        leaf[place] = bytes1(uint8(value));
        d.claim.source = OTHER;
        d.claim.input = keccak256(bytes.concat(hex"00", leaf));
        d.id = tier.claimIdOf(d.claim);
        _as(OTHER);
        tier.claimFor{value: BOND}(d.claim, d.claimed.output);
        _open(d, CHALLENGER);
        _as(CHALLENGER);
        tier.proveInput(d.claim, asked, leaf);
        _assertStatus(d, falls ? ClaimStatus.REVOKED : ClaimStatus.PROVISIONAL);
        _assertTurn(d, CHALLENGER, Turn.CLOSED);
    }

    /// @dev A claim whose trace of two leaves has one byte replaced.
    function _padded(uint256 place, bytes1 value) private returns (Dispute memory d) {
        d = _dispute(1, 10, 0, 0);
        d.claimed.trace[place] = value;
        _commitTo(d, PlainTreeLibrary.overLeaves(d.claimed.trace, 1));
        _post(d);
    }

    function _provePadding(Dispute memory d, address challenger, uint256 tensor, uint256 place) private {
        Cell memory cell = _cell(d, tensor, place);
        bytes memory leaf = d.theirs.opening(d.circuit.rows, d.circuit.depth);
        _as(challenger);
        tier.provePadding(d.claim, cell, leaf);
    }

    function _provePadding(Dispute memory d, address challenger, uint256 place) private {
        bytes memory leaf = d.theirs.opening(place / 128, d.circuit.depth);
        _as(challenger);
        tier.provePadding(d.claim, Cell(0, place, ""), leaf);
    }

    function _expectPadding(Dispute memory d, Cell memory cell, uint256 named) private {
        bytes memory leaf = d.theirs.opening(0, d.circuit.depth);
        _refuses(abi.encodeWithSelector(IDisputeTier.WrongCell.selector, named));
        _as(CHALLENGER);
        tier.provePadding(d.claim, cell, leaf);
    }

    function _expectCell(Dispute memory d, uint256 tensor, bytes memory leaf, bytes memory error_) private {
        _expectCell(d, _cell(d, tensor, 64 * 20), leaf, error_);
    }

    function _expectCell(Dispute memory d, Cell memory cell, bytes memory leaf, bytes memory error_) private {
        bytes memory operands = _operands(d, Y, 0);
        _refuses(error_);
        _as(CHALLENGER);
        tier.proveCell(d.claim, cell, leaf, operands);
    }

    function _wrongLength(uint256 expected, uint256 actual) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeTier.WrongLength.selector, expected, actual);
    }
}
