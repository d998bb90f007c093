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

    /// @dev Embeds the tensor at `from` in calldata. Returns whether all elements are within the bound.
    function _embed(Port port, uint256 from, uint256 to) private pure returns (bool within) {
        uint256 bits = 8 * port.width();
        uint256 elements = port.elements();
        uint256 size = elements * port.width();
        within = size < 32
            ? _eachWithin(bits, port.lo(), port.hi(), from, from + size)
            : _allWithin(bits, port.lo(), port.hi(), from, from + size - 32);
        uint256 eights = bits > 16 ? 0 : elements / 8;
        _writeEights(bits, from, to, to + 256 * eights);
        assembly {
            let end := add(to, shl(5, elements))
            to := add(to, shl(8, eights))
            from := add(from, mul(eights, bits))
            for { let drop := sub(256, bits) } lt(to, end) { to := add(to, 0x20) } {
                let n := sar(drop, calldataload(from))
                mstore(to, add(n, and(sar(255, n), R)))
                from := add(from, shr(3, bits))
            }
        }
    }

    /// @dev Whether the elements from `from` to `end` are within the bound, one after another.
    function _eachWithin(uint256 bits, int256 lo, int256 hi, uint256 from, uint256 end)
        private
        pure
        returns (bool within)
    {
        within = true;
        assembly {
            for {} lt(from, end) { from := add(from, shr(3, bits)) } {
                let n := sar(sub(256, bits), calldataload(from))
                within := and(within, iszero(or(slt(n, lo), sgt(n, hi))))
            }
        }
    }

    /// @dev The same, a word at a time, the last one at `last`, where it overlaps others. With the uppermost bit of each
    /// element inverted, n stands as n + h, h = 2^(bits - 1), which is not negative. Every second element stands alone in
    /// a place of twice its bits, where one more bit is free. Adding 2^bits - 1 - (hi + h) carries to that bit where an
    /// element exceeds hi. Adding 2^bits - (lo + h) does so unless an element is below lo.
    function _allWithin(uint256 bits, int256 lo, int256 hi, uint256 from, uint256 last)
        private
        pure
        returns (bool within)
    {
        assembly {
            let inverts
            let elements // what every second element takes
            let free
            let above
            let below
            {
                let ones := div(not(0), sub(shl(shl(1, bits), 1), 1)) // the lowest bit of each place
                let h := shl(sub(bits, 1), 1)
                free := shl(bits, ones)
                elements := sub(free, ones)
                inverts := mul(ones, add(h, shl(bits, h)))
                above := mul(ones, sub(sub(h, 1), hi))
                below := mul(ones, sub(h, lo))
            }
            let outside := 0
            for {} 1 { from := add(from, 0x20) } {
                if gt(from, last) { from := last }
                let x := xor(calldataload(from), inverts)
                let n := and(x, elements)
                outside := or(outside, or(add(n, above), not(add(n, below))))
                n := and(shr(bits, x), elements)
                outside := or(outside, or(add(n, above), not(add(n, below))))
                if eq(from, last) { break }
            }
            within := iszero(and(outside, free))
        }
    }

    /// @dev Embeds elements of 8 or of 16 bits, eight at a time, to the words from `to` to `end`. In the form that is not
    /// negative, each is h too large, and base is R - h.
    function _writeEights(uint256 bits, uint256 from, uint256 to, uint256 end) private pure {
        assembly {
            let inverts := mul(div(not(0), sub(shl(bits, 1), 1)), shl(sub(bits, 1), 1))
            let base := sub(R, shl(sub(bits, 1), 1))
            if eq(bits, 8) {
                for {} lt(to, end) { to := add(to, 0x100) } {
                    let x := xor(calldataload(from), inverts)
                    mstore(to, addmod(byte(0, x), base, R))
                    mstore(add(to, 0x20), addmod(byte(1, x), base, R))
                    mstore(add(to, 0x40), addmod(byte(2, x), base, R))
                    mstore(add(to, 0x60), addmod(byte(3, x), base, R))
                    mstore(add(to, 0x80), addmod(byte(4, x), base, R))
                    mstore(add(to, 0xa0), addmod(byte(5, x), base, R))
                    mstore(add(to, 0xc0), addmod(byte(6, x), base, R))
                    mstore(add(to, 0xe0), addmod(byte(7, x), base, R))
                    from := add(from, 8)
                }
            }
            for {} lt(to, end) { to := add(to, 0x100) } {
                let x := xor(calldataload(from), inverts)
                mstore(to, addmod(and(shr(240, x), 0xffff), base, R))
                mstore(add(to, 0x20), addmod(and(shr(224, x), 0xffff), base, R))
                mstore(add(to, 0x40), addmod(and(shr(208, x), 0xffff), base, R))
                mstore(add(to, 0x60), addmod(and(shr(192, x), 0xffff), base, R))
                mstore(add(to, 0x80), addmod(and(shr(176, x), 0xffff), base, R))
                mstore(add(to, 0xa0), addmod(and(shr(160, x), 0xffff), base, R))
                mstore(add(to, 0xc0), addmod(and(shr(144, x), 0xffff), base, R))
                mstore(add(to, 0xe0), addmod(and(shr(128, x), 0xffff), base, R))
                from := add(from, 16)
            }
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
