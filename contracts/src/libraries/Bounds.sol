// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Port} from "../types/Port.sol";
import {CircuitHeader} from "./CircuitHeader.sol";

/// @notice Checks public values as signed integers against the bounds that a circuit declares for them.
/// @dev This comes before a value is embedded in a proof system's field. There x and x + p are the same element, so
/// that a check in the field, or none, would let a statement about x + p pass for one about x.
library Bounds {
    using CircuitHeader for bytes;

    error WrongElementCount(uint256 expected, uint256 actual);
    error ValueOutOfBounds(uint256 index, int256 value, int256 lo, int256 hi);

    /// @notice Reverts unless there are exactly as many values as the header says.
    function requireCount(uint256 actual, uint256 expected) internal pure {
        if (actual != expected) revert WrongElementCount(expected, actual);
    }

    /// @notice Reverts unless values `from` to `to - 1` lie within the bound of `port`.
    function requireWithin(Port port, int256[] calldata values, uint256 from, uint256 to) internal pure {
        int256 lo = port.lo();
        int256 hi = port.hi();
        for (uint256 i = from; i < to; ++i) {
            int256 value = values[i];
            if (value < lo || value > hi) revert ValueOutOfBounds(i, value, lo, hi);
        }
    }

    /// @notice Reverts unless `outputs` are as many as the header says, each within the bound of its port.
    function requireOutputs(bytes memory header, int256[] calldata outputs) internal pure {
        uint256 first = header.inputCount();
        uint256 ports = first + header.outputCount();
        requireCount(outputs.length, header.elementsOf(first, ports));
        uint256 from = 0;
        for (uint256 i = first; i < ports; ++i) {
            Port port = header.port(i);
            uint256 to = from + port.elements();
            requireWithin(port, outputs, from, to);
            from = to;
        }
    }
}
