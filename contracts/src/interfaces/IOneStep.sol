// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The trees that a record's operands lie in: roots and depths of trace, inputs and weights, in that order.
struct Trees {
    bytes32[3] roots;
    uint256[3] depths;
}

/// @title Recomputes one cell
/// @notice Stateless, and about no claim in particular: record, index and the three roots fix the answer.
interface IOneStep {
    error OpeningMalformed();
    error OpeningMismatch(uint256 region, bytes32 expected, bytes32 actual);
    error OperandMissing(uint256 region, uint256 firstByte);

    /// @notice The cell with the row-major index `cell` of the tensor that `record` describes (docs/trace.md).
    /// Reverts only if `operands` is malformed, does not open the roots, or lacks an operand; whatever the authenticated
    /// operands are, there is an answer.
    /// @param record The op record, which the caller has authenticated.
    /// @param cell Below the record's number of cells.
    /// @param operands Openings of the leaves that the cell reads, for each tree, and the place of an order's cell, which
    /// is checked: see docs/trace.md, "Openings".
    /// @return exists False where the operands allow no value: a divisor below 1, a lookup outside its rows, an order
    /// among fewer cells.
    /// @return value The cell; zero if it does not exist.
    function recompute(bytes calldata record, uint256 cell, Trees calldata trees, bytes calldata operands)
        external
        pure
        returns (bool exists, int256 value);
}
