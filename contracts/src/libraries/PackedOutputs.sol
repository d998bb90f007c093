// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../interfaces/IClaimTier.sol";
import {Port} from "../types/Port.sol";
import {CircuitHeader} from "./CircuitHeader.sol";

/// @notice Outputs as claims hold them: the tensors in port order, elements row-major in two's complement, big-endian,
/// in the width of their port, with nothing in between.
library PackedOutputs {
    using CircuitHeader for bytes;

    /// @notice Bytes of all outputs of a circuit together.
    function length(bytes memory header) internal pure returns (uint256 total) {
        uint256 first = header.inputCount();
        uint256 ports = first + header.outputCount();
        for (uint256 i = first; i < ports; ++i) {
            Port port = header.port(i);
            total += port.elements() * port.width();
        }
    }

    /// @notice Reverts unless `packed` is as long as the outputs of the circuit.
    function requireLength(bytes memory header, bytes calldata packed) internal pure {
        uint256 expected = length(header);
        if (packed.length != expected) revert IClaimTier.WrongOutputLength(expected, packed.length);
    }

    /// @notice The outputs as a proof's statement has them, `abi.encode(int256[])`. `packed` is `length(header)` bytes.
    function toWords(bytes memory header, bytes calldata packed) internal pure returns (bytes memory words) {
        uint256 first = header.inputCount();
        uint256 ports = first + header.outputCount();
        uint256 count = header.elementsOf(first, ports);
        words = new bytes(64 + 32 * count);
        uint256 to;
        uint256 from;
        assembly ("memory-safe") {
            mstore(add(words, 32), 32)
            mstore(add(words, 64), count)
            to := add(words, 96)
            from := packed.offset
        }
        for (uint256 i = first; i < ports; ++i) {
            Port port = header.port(i);
            uint256 width = port.width();
            uint256 end = to + 32 * port.elements();
            assembly ("memory-safe") {
                for { let drop := sub(256, shl(3, width)) } lt(to, end) { to := add(to, 32) } {
                    mstore(to, sar(drop, calldataload(from)))
                    from := add(from, width)
                }
            }
        }
    }
}
