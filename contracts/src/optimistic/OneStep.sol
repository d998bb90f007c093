// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOneStep, Trees} from "../interfaces/IOneStep.sol";
import {CellArithmetic} from "./CellArithmetic.sol";
import {Openings} from "./Openings.sol";
import {Operand} from "./Operands.sol";
import {Context, OpRecord, OpRecords} from "./OpRecord.sol";
import {Term} from "./Terms.sol";

/// @title Recomputes one cell
contract OneStep is IOneStep {
    uint256 private constant SUM = 1;
    uint256 private constant POSITIVE = 2;
    uint256 private constant DIVIDE = 3;
    uint256 private constant LOOKUP = 4;
    uint256 private constant SELECT = 5;
    uint256 private constant MAX = 6;
    uint256 private constant ORDER = 7;

    /// @dev The place given for an order among too few cells.
    uint256 private constant NO_PLACE = type(uint32).max;

    /// @inheritdoc IOneStep
    function recompute(bytes calldata record, uint256 cell, Trees calldata trees, bytes calldata operands)
        external
        pure
        returns (bool, int256)
    {
        OpRecord op = OpRecords.from(record);
        uint256 kind = op.kind();
        if (cell >= op.cells()) revert OpeningMalformed();

        Context memory context;
        uint256 left;
        {
            uint256 place;
            (context.ranges, place) = Openings.open(operands, trees);
            assembly ("memory-safe") {
                left := sub(add(operands.offset, operands.length), place)
            }
        }
        if (left != (kind == ORDER ? 4 : 0)) revert OpeningMalformed();
        context.index = op.indexOf(cell);

        if (kind == SUM) {
            int256 sum = _sum(op.views(), op.end(), context);
            return (true, CellArithmetic.rescale(sum, op.mul(), op.shift(), op.lo(), op.hi()));
        }
        if (kind == POSITIVE) return (true, _sum(op.views(), op.end(), context) > 0 ? int256(1) : int256(0));
        if (kind == DIVIDE) return _divide(op, context);
        if (kind == LOOKUP) return _lookup(op, context);
        if (kind == SELECT) return (true, _select(op, context));
        if (kind == MAX) return (true, _largest(op, context));
        if (kind == ORDER) return _order(op, cell, context, uint32(bytes4(operands[operands.length - 4:])));
        revert OpeningMalformed();
    }

    /// @dev The sum of the terms whose views lie from `place` on, and before `end`.
    function _sum(uint256 place, uint256 end, Context memory context) private pure returns (int256 sum) {
        unchecked {
            while (place < end) {
                Term memory term = OpRecords.term(place, context);
                sum += term.sum();
                place = term.next;
            }
        }
    }

    function _divide(OpRecord op, Context memory context) private pure returns (bool, int256) {
        unchecked {
            uint256 last = op.end() - OpRecords.VIEW;
            int256 divisor = OpRecords.term(last, context).sum();
            if (divisor < 1) return (false, 0);
            return (true, CellArithmetic.floorDivide(_sum(op.views(), last, context), divisor));
        }
    }

    function _lookup(OpRecord op, Context memory context) private pure returns (bool, int256) {
        unchecked {
            uint256 last = op.end() - OpRecords.VIEW;
            int256 row = _sum(op.views(), last, context) - op.lo();
            if (row < 0 || row >= int256(op.mul())) return (false, 0);
            Operand memory table;
            OpRecords.fill(table, last, context, 3);
            table.base += row * op.hi() * int256((256 - table.sar) / 8);
            table.enter(0, 0, 0, 1);
            return (true, table.sum(0, 1));
        }
    }

    function _select(OpRecord op, Context memory context) private pure returns (int256) {
        Term memory condition = OpRecords.term(op.views(), context);
        Term memory chosen = OpRecords.term(condition.next, context);
        if (condition.sum() != 1) chosen = OpRecords.term(chosen.next, context);
        return chosen.sum();
    }

    function _largest(OpRecord op, Context memory context) private pure returns (int256 most) {
        unchecked {
            most = int256(-1) << (8 * op.width() - 1);
            for (uint256 place = op.views(); place < op.end(); place += OpRecords.VIEW) {
                most = OpRecords.term(place, context).largest(most);
            }
        }
    }

    /// @dev `place` is where the cell that is asked for is said to lie: it does if just as many come before it as should.
    function _order(OpRecord op, uint256 cell, Context memory context, uint256 place)
        private
        pure
        returns (bool, int256)
    {
        context.inOrder = true;
        Term memory term = OpRecords.term(op.views(), context);
        uint256 rank = cell / op.mul() % uint256(op.hi());
        if (place == NO_PLACE) {
            // all that are left in come before it
            if (term.before(0, type(int256).min) > rank) revert OpeningMalformed();
            return (false, 0);
        }
        if (place >= term.count()) revert OpeningMalformed();
        (bool exists, int256 value) = term.product(place);
        if (!exists || term.before(place, value) != rank) revert OpeningMalformed();
        // forge-lint: disable-next-line(unsafe-typecast)
        return (true, int256(place));
    }
}
