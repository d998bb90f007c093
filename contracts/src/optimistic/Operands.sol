// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOneStep} from "../interfaces/IOneStep.sol";
import {DotProducts} from "./DotProducts.sol";

/// @notice A view at one cell, ready to be walked along its reduction axes. These are the three outer ones and the inner
/// one, along which a run goes. Addresses and steps are in bytes of the region's tree.
/// @param base The address at reduction index 0.
/// @param outer The steps of the outer axes.
/// @param step The step of the inner axis.
/// @param sar By how many bits a word that begins with an element is shifted to be the element.
/// @param fill The operand where a guard forbids to read.
/// @param guards What forbids it in some of the reduction.
/// @param region The tree.
/// @param cursor The table entry of the region that was used last.
/// @param begin The first table entry of the region.
/// @param end Behind the last one.
/// @param first In the present run: the address at inner index 0.
/// @param from In the present run: the first inner index that is read.
/// @param until In the present run: behind the last inner index that is read.
struct Operand {
    int256 base;
    int256[3] outer;
    int256 step;
    uint256 sar;
    int256 fill;
    Guard[] guards;
    uint256 region;
    uint256 cursor;
    uint256 begin;
    uint256 end;
    int256 first;
    uint256 from;
    uint256 until;
}

/// @notice base + outer steps * outer indices + step * inner index must lie in [0, limit).
struct Guard {
    int256 base;
    int256[3] outer;
    int256 step;
    int256 limit;
}

using Operands for Operand global;

/// @title Where the operands of a run lie
library Operands {
    /// @notice Enters the run at outer reduction indices i, j, k, of `size` inner indices.
    function enter(Operand memory self, uint256 i, uint256 j, uint256 k, uint256 size) internal pure {
        unchecked {
            self.first = self.base + _outer(self.outer, i, j, k);
            uint256 from = 0;
            uint256 until = size;
            Guard[] memory guards = self.guards;
            for (uint256 g = 0; g < guards.length; ++g) {
                (from, until) = _narrow(guards[g], i, j, k, from, until);
            }
            self.from = from;
            self.until = until;
        }
    }

    /// @notice Where in the calldata the element at inner index `index` lies, and how many of the next `most` lie in the
    /// same opened range; at least one.
    function locate(Operand memory self, uint256 index, uint256 most)
        internal
        pure
        returns (uint256 place, uint256 count)
    {
        uint256 address_;
        bool missing;
        assembly ("memory-safe") {
            let step := mload(add(self, 0x40))
            address_ := add(mload(add(self, 0x140)), mul(step, index))
            let entry := mload(add(self, 0xe0))
            let within := sub(address_, mload(entry))
            let size := mload(add(entry, 32))
            if iszero(lt(within, size)) {
                let last := entry
                for { missing := 1 } missing {} {
                    entry := add(entry, 96)
                    if eq(entry, mload(add(self, 0x120))) { entry := mload(add(self, 0x100)) }
                    within := sub(address_, mload(entry))
                    size := mload(add(entry, 32))
                    missing := iszero(lt(within, size))
                    if eq(entry, last) { break }
                }
                mstore(add(self, 0xe0), entry)
            }
            place := add(address_, mload(add(entry, 64)))
            count := most
            // does the run leave the range?
            if iszero(lt(add(within, mul(step, sub(most, 1))), size)) {
                switch slt(step, 0)
                case 0 { count := add(div(sub(sub(size, 1), within), step), 1) }
                default { count := add(div(within, sub(0, step)), 1) }
            }
        }
        if (missing) revert IOneStep.OperandMissing(self.region, address_);
    }

    /// @notice The sum of the elements at `left` inner indices from `index` on, which are read.
    function sum(Operand memory self, uint256 index, uint256 left) internal pure returns (int256 total) {
        unchecked {
            while (left != 0) {
                (uint256 place, uint256 count) = self.locate(index, left);
                total += DotProducts.total(place, self.step, self.sar, count);
                index += count;
                left -= count;
            }
        }
    }

    /// @notice Whether the inner index `index` of the present run is read, and up to where the answer stays the same.
    function stretch(Operand memory self, uint256 index, uint256 size)
        internal
        pure
        returns (bool isRead, uint256 end)
    {
        if (index < self.from) return (false, self.from);
        if (index < self.until) return (true, self.until);
        return (false, size);
    }

    /// @dev The part of [from, until) in which the guard lets read; from = until if there is none.
    function _narrow(Guard memory guard, uint256 i, uint256 j, uint256 k, uint256 from, uint256 until)
        private
        pure
        returns (uint256, uint256)
    {
        unchecked {
            int256 coordinate = guard.base + _outer(guard.outer, i, j, k);
            int256 step = guard.step;
            int256 limit = guard.limit;
            int256 low;
            int256 high;
            if (step > 0) {
                low = -coordinate;
                high = limit - coordinate;
            } else if (step < 0) {
                step = -step;
                low = coordinate - limit + 1;
                high = coordinate + 1;
            } else {
                return coordinate >= 0 && coordinate < limit ? (from, until) : (from, from);
            }
            // the inner indices from ceil(low / step) on, and below ceil(high / step)
            int256 low_ = _ceil(low, step);
            int256 high_ = _ceil(high, step);
            if (low_ > int256(from)) from = uint256(low_) < until ? uint256(low_) : until;
            if (high_ < int256(until)) until = high_ > int256(from) ? uint256(high_) : from;
            return (from, until);
        }
    }

    /// @dev ceil(a / b), or 0 if that is negative; b > 0.
    function _ceil(int256 a, int256 b) private pure returns (int256 quotient) {
        assembly ("memory-safe") {
            if sgt(a, 0) { quotient := div(sub(add(a, b), 1), b) }
        }
    }

    function _outer(int256[3] memory steps, uint256 i, uint256 j, uint256 k) private pure returns (int256 distance) {
        assembly ("memory-safe") {
            distance := add(add(mul(mload(steps), i), mul(mload(add(steps, 32)), j)), mul(mload(add(steps, 64)), k))
        }
    }
}
