// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOneStep, Trees} from "../interfaces/IOneStep.sol";

/// @notice The opened ranges of one tree: a table in memory whose entries are (first byte, number of bytes, distance from
/// a byte's address in the tree to its place in the calldata). An entry is 96 bytes; a tree of which nothing is opened
/// has one entry of no bytes.
/// @param begin The first entry.
/// @param end Behind the last entry.
struct Ranges {
    uint256 begin;
    uint256 end;
}

/// @title Openings of ranges of leaves
/// @notice docs/trace.md, "Openings". The bytes stay in the calldata, and count once the root has been reproduced.
library Openings {
    uint256 private constant ENTRY = 96;
    uint256 private constant LEAF = 128;

    /// @notice Checks the openings of the three trees.
    /// @return ranges What is opened of each.
    /// @return place Where in the calldata they end.
    function open(bytes calldata operands, Trees calldata trees)
        internal
        pure
        returns (Ranges[3] memory ranges, uint256 place)
    {
        uint256 limit;
        assembly ("memory-safe") {
            place := operands.offset
            limit := add(place, operands.length)
        }
        for (uint256 region = 0; region < 3; ++region) {
            uint256 depth = trees.depths[region];
            uint256 leaves;
            uint256 data;
            (ranges[region], leaves, data) = _parse(place, limit, depth);
            if (leaves == 0) {
                place = data;
                continue;
            }
            bytes32 actual;
            (actual, place) = _root(ranges[region], leaves, data, depth);
            if (place > limit) revert IOneStep.OpeningMalformed();
            bytes32 expected = trees.roots[region];
            if (actual != expected) revert IOneStep.OpeningMismatch(region, expected, actual);
        }
    }

    /// @dev The table of a tree's ranges, how many leaves they hold, and where these begin.
    function _parse(uint256 place, uint256 limit, uint256 depth)
        private
        pure
        returns (Ranges memory ranges, uint256 leaves, uint256 data)
    {
        bool malformed;
        assembly ("memory-safe") {
            let count := shr(240, calldataload(place))
            place := add(place, 2)
            data := add(place, shl(3, count))
            malformed := or(gt(data, limit), gt(depth, 48))
            if iszero(malformed) {
                let entry := mload(0x40)
                mstore(ranges, entry)
                // the one entry of a tree of which nothing is opened: memory may be dirty
                mstore(add(entry, 32), 0)
                let end := add(entry, mul(ENTRY, add(count, iszero(count))))
                mstore(add(ranges, 32), end)
                mstore(0x40, end)

                let least := 0 // that the next range may begin with
                for {} lt(place, data) { place := add(place, 8) } {
                    let word := calldataload(place)
                    let first := shr(208, word)
                    let size := and(shr(192, word), 0xffff)
                    malformed := or(malformed, or(lt(first, least), iszero(size)))
                    mstore(entry, mul(LEAF, first))
                    mstore(add(entry, 32), mul(LEAF, size))
                    mstore(add(entry, 64), sub(add(data, mul(LEAF, leaves)), mul(LEAF, first)))
                    entry := add(entry, ENTRY)
                    leaves := add(leaves, size)
                    least := add(add(first, size), 1)
                }
                // the last leaf lies in the tree, and all leaves in the calldata
                malformed := or(malformed, gt(least, add(shl(depth, 1), 1)))
                malformed := or(malformed, gt(add(data, mul(LEAF, leaves)), limit))
            }
        }
        if (malformed) revert IOneStep.OpeningMalformed();
    }

    /// @dev The root that opened leaves and siblings lead to, and where the siblings end. What lies behind the limit may
    /// be read, and is refused by the caller.
    ///
    /// Level by level, the known nodes lie back to back in one of two buffers, and `runs` holds the place of the first
    /// and the last of each run of neighbours. A pair is hashed where it lies, its prefix on the byte in front of it,
    /// which is done with.
    function _root(Ranges memory ranges, uint256 leaves, uint256 data, uint256 depth)
        private
        pure
        returns (bytes32 root, uint256 siblings)
    {
        assembly ("memory-safe") {
            // Only memory behind the free pointer is used, and given back.
            let runs := mload(0x40)
            let runsEnd := runs
            for { let entry := mload(ranges) } lt(entry, mload(add(ranges, 32))) { entry := add(entry, ENTRY) } {
                let first := shr(7, mload(entry))
                mstore(runsEnd, first)
                mstore(add(runsEnd, 32), sub(add(first, shr(7, mload(add(entry, 32)))), 1))
                runsEnd := add(runsEnd, 64)
            }

            // A level never has more nodes than the one below it had known ones: the buffers do not meet.
            let from := add(runsEnd, 64)
            let to := add(from, add(mul(32, leaves), 64))
            siblings := add(data, mul(LEAF, leaves))
            calldatacopy(from, data, mul(LEAF, leaves))
            {
                let out := from
                let end := add(from, mul(LEAF, leaves))
                for { let leaf := from } lt(leaf, end) { leaf := add(leaf, LEAF) } {
                    mstore8(sub(leaf, 1), 0)
                    mstore(out, keccak256(sub(leaf, 1), 129))
                    out := add(out, 32)
                }
            }

            for {} depth { depth := sub(depth, 1) } {
                let node := from
                let out := to
                let above := runs // the end of the runs of the level above
                for { let run := runs } lt(run, runsEnd) { run := add(run, 64) } {
                    let first := mload(run)
                    let last := mload(add(run, 32))
                    let end := add(node, mul(32, sub(add(last, 1), first)))
                    if and(first, 1) {
                        mstore(sub(node, 32), calldataload(siblings))
                        mstore8(sub(node, 33), 1)
                        mstore(out, keccak256(sub(node, 33), 65))
                        siblings := add(siblings, 32)
                        out := add(out, 32)
                        node := add(node, 32)
                    }
                    for {} lt(add(node, 32), end) { node := add(node, 64) } {
                        mstore8(sub(node, 1), 1)
                        mstore(out, keccak256(sub(node, 1), 65))
                        out := add(out, 32)
                    }
                    if lt(node, end) {
                        // the place behind it is the next run's
                        mstore(sub(node, 32), mload(node))
                        mstore(node, calldataload(siblings))
                        mstore8(sub(node, 33), 1)
                        mstore(out, keccak256(sub(node, 33), 65))
                        siblings := add(siblings, 32)
                        out := add(out, 32)
                        node := end
                    }
                    first := shr(1, first)
                    last := shr(1, last)
                    switch and(gt(above, runs), eq(add(mload(sub(above, 32)), 1), first))
                    case 1 { mstore(sub(above, 32), last) }
                    default {
                        mstore(above, first)
                        mstore(add(above, 32), last)
                        above := add(above, 64)
                    }
                }
                runsEnd := above
                let other := from
                from := to
                to := other

                if eq(node, add(to, 32)) {
                    // one node was left, and so it is on all levels above
                    root := mload(from)
                    let place := mload(runs)
                    mstore8(sub(to, 1), 1)
                    for { depth := sub(depth, 1) } depth { depth := sub(depth, 1) } {
                        let side := shl(5, and(place, 1))
                        mstore(add(to, side), root)
                        mstore(add(to, xor(side, 32)), calldataload(siblings))
                        root := keccak256(sub(to, 1), 65)
                        siblings := add(siblings, 32)
                        place := shr(1, place)
                    }
                    mstore(from, root)
                    break
                }
            }
            root := mload(from)
        }
    }
}
