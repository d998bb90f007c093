// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Port} from "../types/Port.sol";
import {Bounds} from "./Bounds.sol";
import {CircuitHeader} from "./CircuitHeader.sol";
import {R} from "./ScalarField.sol";

/// @notice Embeds inputs in the scalar field of BN254 that are packed as in the leaves of the input tree: two's
/// complement, big-endian, in the width of their port.
/// @dev The bytes are the ones that the input commitment is made of, so that each element has one encoding. A port's
/// bound may be narrower than its width: it is checked for every element.
library PackedInputs {
    using CircuitHeader for bytes;

    /// @notice Writes the field elements of all inputs, ports in order, to the words from address `to` on.
    function embed(bytes memory header, bytes calldata packed, uint256 to) internal pure {
        uint256 ports = header.inputCount();
        uint256 first = 0;
        for (uint256 i = 0; i < ports; ++i) {
            Port port = header.port(i);
            uint256 size = port.elements() * port.width();
            uint256 from;
            assembly ("memory-safe") {
                from := packed.offset
            }
            if (!_embed(port, from, to)) _refuse(port, packed[:size], first);
            packed = packed[size:];
            first += port.elements();
            to += 32 * port.elements();
        }
    }

    /// @dev Embeds the tensor at `from` in calldata. Returns whether all elements are within the bound. With u = n - lo, an integer from 0 to hi - lo if so, the
    /// field element of n is (lo mod R) + u mod R.
    function _embed(Port port, uint256 from, uint256 to) private pure returns (bool within) {
        uint256 bits = 8 * port.width();
        int256 lo = port.lo();
        uint256 span = uint256(port.hi() - lo);
        uint256 base;
        unchecked {
            // forge-lint: disable-next-line(unsafe-typecast)
            base = lo < 0 ? R + uint256(lo) : uint256(lo);
        }
        uint256 end = to + 32 * port.elements();
        assembly {
            let drop := sub(256, bits)
            let step := shr(1, bits) // the bytes of four elements
            let outside := 0
            for {} gt(sub(end, to), 0x7f) { to := add(to, 0x80) } {
                let x := calldataload(from)
                let u := sub(sar(drop, x), lo)
                outside := or(outside, gt(u, span))
                mstore(to, addmod(u, base, R))
                x := shl(bits, x)
                u := sub(sar(drop, x), lo)
                outside := or(outside, gt(u, span))
                mstore(add(to, 0x20), addmod(u, base, R))
                x := shl(bits, x)
                u := sub(sar(drop, x), lo)
                outside := or(outside, gt(u, span))
                mstore(add(to, 0x40), addmod(u, base, R))
                x := shl(bits, x)
                u := sub(sar(drop, x), lo)
                outside := or(outside, gt(u, span))
                mstore(add(to, 0x60), addmod(u, base, R))
                from := add(from, step)
            }
            for {} lt(to, end) { to := add(to, 0x20) } {
                let u := sub(sar(drop, calldataload(from)), lo)
                outside := or(outside, gt(u, span))
                mstore(to, addmod(u, base, R))
                from := add(from, shr(2, step))
            }
            within := iszero(outside)
        }
    }

    /// @dev Reverts with the first element that is outside of the bound.
    function _refuse(Port port, bytes calldata packed, uint256 first) private pure {
        uint256 width = port.width();
        for (uint256 i = 0;; ++i) {
            int256 value = int256(uint256(bytes32(packed[i * width:]))) >> (256 - 8 * width);
            if (value < port.lo() || value > port.hi()) {
                revert Bounds.ValueOutOfBounds(first + i, value, port.lo(), port.hi());
            }
        }
    }
}
