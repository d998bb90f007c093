// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOneStep} from "../interfaces/IOneStep.sol";
import {Ranges} from "./Openings.sol";
import {Guard, Operand} from "./Operands.sol";
import {Term} from "./Terms.sol";

/// @notice An op record in the calldata (docs/trace.md), named by where it begins. Whether it is a sound one was checked
/// by whoever registered or trusts the circuit.
type OpRecord is uint256;

/// @notice The cell that is recomputed, and from what.
/// @param index The output index, axes 0 to 7.
/// @param ranges The opened ranges of the three trees.
/// @param inOrder Whether the inner axis of every term must be its last: where the place of a product counts.
struct Context {
    uint256[8] index;
    Ranges[3] ranges;
    bool inOrder;
}

using OpRecords for OpRecord global;

library OpRecords {
    uint256 internal constant HEADER = 96;
    uint256 internal constant VIEW = 160;
    /// @dev Along a last axis of fewer places than this, runs may be too short: the longest axis is better.
    uint256 private constant SHORT = 16;

    function from(bytes calldata record) internal pure returns (OpRecord self) {
        if (record.length < HEADER || record.length != HEADER + VIEW * uint8(record[4])) {
            revert IOneStep.OpeningMalformed();
        }
        assembly ("memory-safe") {
            self := record.offset
        }
    }

    /// @notice Where the first view lies.
    function views(OpRecord self) internal pure returns (uint256) {
        unchecked {
            return OpRecord.unwrap(self) + HEADER;
        }
    }

    /// @notice Behind the last view.
    function end(OpRecord self) internal pure returns (uint256) {
        unchecked {
            return views(self) + VIEW * _unsigned(OpRecord.unwrap(self) + 4, 8);
        }
    }

    function kind(OpRecord self) internal pure returns (uint256) {
        unchecked {
            return _unsigned(OpRecord.unwrap(self) + 1, 8);
        }
    }

    /// @notice In bytes, of the tensor's elements.
    function width(OpRecord self) internal pure returns (uint256) {
        unchecked {
            return _unsigned(OpRecord.unwrap(self) + 3, 8);
        }
    }

    function shift(OpRecord self) internal pure returns (uint256) {
        unchecked {
            return _unsigned(OpRecord.unwrap(self) + 5, 8);
        }
    }

    /// @notice How many elements the tensor has.
    function cells(OpRecord self) internal pure returns (uint256) {
        unchecked {
            return _unsigned(OpRecord.unwrap(self) + 16, 64);
        }
    }

    function mul(OpRecord self) internal pure returns (uint256) {
        unchecked {
            return _unsigned(OpRecord.unwrap(self) + 64, 64);
        }
    }

    function lo(OpRecord self) internal pure returns (int256) {
        unchecked {
            return _signed(OpRecord.unwrap(self) + 72);
        }
    }

    function hi(OpRecord self) internal pure returns (int256) {
        unchecked {
            return _signed(OpRecord.unwrap(self) + 80);
        }
    }

    /// @notice The cell's index along the output axes.
    function indexOf(OpRecord self, uint256 cell) internal pure returns (uint256[8] memory index) {
        assembly ("memory-safe") {
            let dims := calldataload(add(self, 32))
            for { let axis := add(index, 256) } and(gt(axis, index), gt(cell, 0)) {} {
                axis := sub(axis, 32)
                let size := and(dims, 0xffffffff)
                mstore(axis, mod(cell, size))
                cell := div(cell, size)
                dims := shr(32, dims)
            }
        }
    }

    /// @notice The term whose first view lies at `place`.
    function term(uint256 place, Context memory context) internal pure returns (Term memory found) {
        unchecked {
            uint256 flags = _unsigned(place + 2, 8);
            uint256 sizes = _unsigned(place + 80, 128);
            uint256 inner = context.inOrder ? 3 : _innerAxis(sizes);
            found.isPair = flags & 1 != 0;
            found.skip = flags & 2 != 0;
            assembly ("memory-safe") {
                mstore(add(found, 0x80), signextend(3, shr(192, calldataload(place)))) // coefficient
            }
            (found.outer, found.size) = _sizes(sizes, inner);
            fill(found.a, place, context, inner);
            found.next = place + VIEW;
            if (found.isPair) {
                fill(found.b, place + VIEW, context, inner);
                found.next = place + 2 * VIEW;
            }
        }
    }

    /// @notice Makes an operand that of the view at `place`.
    /// @param inner The place of the inner axis among the reduction axes.
    function fill(Operand memory found, uint256 place, Context memory context, uint256 inner) internal pure {
        unchecked {
            uint256 region = _unsigned(place, 8);
            uint256 bytes_ = _unsigned(place + 1, 8);
            if (region > 2) revert IOneStep.OpeningMalformed();
            found.sar = 256 - 8 * bytes_;
            found.fill = _signed(place + 24);
            found.region = region;
            found.begin = context.ranges[region].begin;
            found.cursor = found.begin;
            found.end = context.ranges[region].end;

            int256 position = _signed(place + 16);
            uint256[8] memory index = context.index;
            int256[3] memory outer = found.outer;
            assembly ("memory-safe") {
                let strides := calldataload(add(place, 32))
                let axis := add(index, 256)
                for {} gt(axis, index) {} {
                    axis := sub(axis, 32)
                    position := add(position, mul(signextend(3, strides), mload(axis)))
                    strides := shr(32, strides)
                }
                // base: first leaf and position, in bytes
                let first := shr(192, calldataload(add(place, 8)))
                mstore(found, add(mul(128, first), mul(position, bytes_)))

                strides := calldataload(add(place, 64))
                for { let i := 0 } lt(i, 3) { i := add(i, 1) } {
                    // the inner axis and the last change places
                    let from_ := i
                    if eq(i, inner) { from_ := 3 }
                    let stride := signextend(3, shr(sub(224, mul(32, from_)), strides))
                    mstore(add(outer, mul(32, i)), mul(stride, bytes_))
                }
                // step
                mstore(add(found, 0x40), mul(signextend(3, shr(sub(224, mul(32, inner)), strides)), bytes_))
            }
            uint256 guards = _unsigned(place + 3, 8);
            if (guards != 0) found.guards = _guards(place + 96, guards, index, inner);
        }
    }

    /// @dev The guards that still matter at this output index. One that forbids everything matters, one that allows
    /// everything does not.
    function _guards(uint256 place, uint256 count, uint256[8] memory index, uint256 inner)
        private
        pure
        returns (Guard[] memory found)
    {
        unchecked {
            found = new Guard[](count);
            uint256 kept = 0;
            for (uint256 g = 0; g < count; ++g) {
                (Guard memory guard, bool isFixed) = _guard(place + 16 * g, index, inner);
                if (isFixed && guard.base >= 0 && guard.base < guard.limit) continue;
                found[kept++] = guard;
            }
            assembly ("memory-safe") {
                mstore(found, kept)
            }
        }
    }

    /// @dev The guard at `place`, and whether it depends on no reduction axis.
    function _guard(uint256 place, uint256[8] memory index, uint256 inner)
        private
        pure
        returns (Guard memory guard, bool isFixed)
    {
        int256[12] memory steps;
        bool malformed;
        int256 base;
        assembly ("memory-safe") {
            let word := calldataload(place)
            let a := byte(0, word)
            let b := byte(1, word)
            malformed := or(gt(a, 11), gt(b, 11))
            if iszero(malformed) {
                base := signextend(3, shr(160, word))
                mstore(add(guard, 96), and(shr(128, word), 0xffffffff)) // limit
                a := add(steps, mul(32, a))
                mstore(a, signextend(1, shr(224, word)))
                b := add(steps, mul(32, b))
                mstore(b, add(mload(b), signextend(1, shr(208, word))))
                for { let offset := 0 } lt(offset, 256) { offset := add(offset, 32) } {
                    base := add(base, mul(mload(add(steps, offset)), mload(add(index, offset))))
                }
            }
        }
        if (malformed) revert IOneStep.OpeningMalformed();
        guard.base = base;
        isFixed = steps[8] | steps[9] | steps[10] | steps[11] == 0;
        guard.step = steps[8 + inner];
        steps[8 + inner] = steps[11];
        guard.outer = [steps[8], steps[9], steps[10]];
    }

    /// @dev The sizes of the axes when the inner one and the last have changed places.
    function _sizes(uint256 sizes, uint256 inner) private pure returns (uint256[3] memory outer, uint256 size) {
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 3) { i := add(i, 1) } {
                let from_ := i
                if eq(i, inner) { from_ := 3 }
                mstore(add(outer, mul(32, i)), and(shr(sub(96, mul(32, from_)), sizes), 0xffffffff))
            }
            size := and(shr(sub(96, mul(32, inner)), sizes), 0xffffffff)
        }
    }

    /// @dev The last axis, or the longest if the last is short.
    function _innerAxis(uint256 sizes) private pure returns (uint256 inner) {
        assembly ("memory-safe") {
            inner := 3
            let longest := and(sizes, 0xffffffff)
            if and(lt(longest, SHORT), gt(shr(32, sizes), 0x000000010000000100000001)) {
                for { let i := 3 } i {} {
                    i := sub(i, 1)
                    sizes := shr(32, sizes)
                    let size := and(sizes, 0xffffffff)
                    if gt(size, longest) {
                        longest := size
                        inner := i
                    }
                }
            }
        }
    }

    function _unsigned(uint256 place, uint256 bits) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, bits), calldataload(place))
        }
    }

    /// @dev An int64.
    function _signed(uint256 place) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := sar(192, calldataload(place))
        }
    }
}
