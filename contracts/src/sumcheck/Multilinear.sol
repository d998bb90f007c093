// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {R} from "../libraries/ScalarField.sol";
import {OPERAND, SCRATCH} from "./Memory.sol";

/// @notice Values of
///
///   eq(z, i) = prod_k (z_k i_k + (1 - z_k) (1 - i_k)),
///
/// in which the first coordinate of z belongs to the most significant bit of i.
///
///   EQ      0x08   dst, point, n u8, start u32, count u16    w(dst + k) = eq(point, start + k) for k < count
///   EQ_SLOTS 0x13  dst, point, n u8, n pairs (keep, children)
///       Nodes, at first one, 1, of no coordinates: for each coordinate z, the first `keep` nodes become results, and
///       the others are replaced by their children, node (1 - z) and node z, but for the last child if there are 2 m - 1
///       for m nodes. At last all nodes become results, w(dst), w(dst + 1), ...
///   OVERLAP 0x09   dst, a, b, n u8, count u32                sum_{i < count} eq(a, i) eq(b, i)
///   MASS    0x0a   dst, a, n u8, count u32                   sum_{i < count} eq(a, i)
///   CHOOSE  0x0f   dst, point, n u8, index                   eq(point, w(index)), where w(index) must be below 2^n
library Multilinear {
    /// @dev 2 R + 1.
    uint256 private constant TWO_R_AND_1 = 0x60c89ce5c263405370a08b6d0302b0ba5067d090f372e12287c3eb27e0000003;

    error IndexBeyondCube(uint256 index, uint256 variables);

    /// @notice EQ, as a tree whose nodes are eq of the first coordinates: a node's four children, two coordinates on, are
    /// its products with the four values of eq of these two. The tree grows in place, from the last node to the first,
    /// so that a node is read before its children take its place. Of each level the range needs the nodes from `first`
    /// on; the first and the last of the level above may have fewer than four children among them.
    function eq(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            // Writes the values of eq of the two coordinates from z on to scratch.
            function four(z) {
                let a := mload(z)
                let b := mload(add(z, 0x20))
                let both := mulmod(a, b, R)
                let onlyB := addmod(b, sub(R, both), R)
                mstore(SCRATCH, addmod(sub(add(R, 1), a), sub(R, onlyB), R))
                mstore(add(SCRATCH, 0x20), onlyB)
                mstore(add(SCRATCH, 0x40), addmod(a, sub(R, both), R))
                mstore(add(SCRATCH, 0x60), both)
            }
            // Writes the node whose number, times 32, is i.
            function one(i, nodes, above) {
                let parent := mload(add(above, and(shr(2, i), not(0x1f))))
                mstore(add(nodes, i), mulmod(parent, mload(add(SCRATCH, and(i, 0x60))), R))
            }

            let x := mload(ip)
            next := add(ip, 12)
            let z := and(shr(211, x), OPERAND)
            let below := byte(5, x)
            // The first level: of one coordinate or of two, so that those left are even in number, or of none.
            switch and(below, 1)
            case 1 {
                below := sub(below, 1)
                mstore(SCRATCH, addmod(1, sub(R, mload(z)), R))
                mstore(add(SCRATCH, 0x20), mload(z))
                z := add(z, 0x20)
            }
            default {
                switch below
                case 0 { mstore(SCRATCH, 1) }
                default {
                    below := sub(below, 2)
                    four(z)
                    z := add(z, 0x40)
                }
            }
            let start := and(shr(176, x), 0xffffffff)
            let end := add(start, and(shr(160, x), 0xffff))
            let dst := and(shr(227, x), OPERAND)
            {
                let first := shr(below, start)
                let count := sub(shr(below, sub(end, 1)), first)
                mcopy(dst, add(SCRATCH, shl(5, first)), shl(5, add(count, 1)))
            }
            for {} below { z := add(z, 0x40) } {
                below := sub(below, 2)
                four(z)
                // Numbers of nodes, times 32, and what to add to such a number to have its node's address.
                let first := shl(5, shr(below, start))
                let i := shl(5, add(shr(below, sub(end, 1)), 1))
                let above := sub(dst, and(shr(2, first), not(0x1f)))
                let nodes := sub(dst, first)
                for {} and(gt(i, first), iszero(iszero(and(i, 0x60)))) {} {
                    i := sub(i, 0x20)
                    one(i, nodes, above)
                }
                for { let least := add(first, 0xff) } gt(i, least) {} {
                    i := sub(i, 0x100)
                    // Two parents at a time, the second first.
                    let parents := add(above, shr(2, i))
                    let to := add(nodes, i)
                    let parent := mload(add(parents, 0x20))
                    mstore(add(to, 0x80), mulmod(parent, mload(SCRATCH), R))
                    mstore(add(to, 0xa0), mulmod(parent, mload(add(SCRATCH, 0x20)), R))
                    mstore(add(to, 0xc0), mulmod(parent, mload(add(SCRATCH, 0x40)), R))
                    mstore(add(to, 0xe0), mulmod(parent, mload(add(SCRATCH, 0x60)), R))
                    parent := mload(parents)
                    mstore(to, mulmod(parent, mload(SCRATCH), R))
                    mstore(add(to, 0x20), mulmod(parent, mload(add(SCRATCH, 0x20)), R))
                    mstore(add(to, 0x40), mulmod(parent, mload(add(SCRATCH, 0x40)), R))
                    mstore(add(to, 0x60), mulmod(parent, mload(add(SCRATCH, 0x60)), R))
                }
                if gt(i, add(first, 0x7f)) {
                    i := sub(i, 0x80)
                    let parent := mload(add(above, shr(2, i)))
                    let to := add(nodes, i)
                    mstore(to, mulmod(parent, mload(SCRATCH), R))
                    mstore(add(to, 0x20), mulmod(parent, mload(add(SCRATCH, 0x20)), R))
                    mstore(add(to, 0x40), mulmod(parent, mload(add(SCRATCH, 0x40)), R))
                    mstore(add(to, 0x60), mulmod(parent, mload(add(SCRATCH, 0x60)), R))
                }
                for {} gt(i, first) {} {
                    i := sub(i, 0x20)
                    one(i, nodes, above)
                }
            }
        }
    }

    /// @notice EQ_SLOTS. A level of the tree after another, in place: what is kept stays where it is, and behind it the
    /// others grow from the last to the first, so that a node is read before its children take its place.
    function eqSlots(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let x := mload(ip)
            next := add(ip, 6)
            let begin := and(shr(227, x), OPERAND)
            let z := and(shr(211, x), OPERAND)
            mstore(begin, 1)
            // The last of the nodes, and then of their children; where there are none, the word before `begin`.
            let node := begin
            for { let end := add(next, shl(2, byte(5, x))) } lt(next, end) { next := add(next, 4) } {
                x := mload(next)
                let one := mload(z)
                let zero := sub(add(R, 1), one)
                z := add(z, 0x20)
                begin := add(begin, and(shr(235, x), OPERAND))
                let children := and(shr(219, x), OPERAND)
                let last := sub(add(begin, children), 0x20)
                let child := last
                if and(children, 0x20) {
                    mstore(child, mulmod(mload(node), zero, R))
                    node := sub(node, 0x20)
                    child := sub(child, 0x20)
                }
                for {} gt(child, begin) { child := sub(child, 0x40) } {
                    let value := mload(node)
                    mstore(child, mulmod(value, one, R))
                    mstore(sub(child, 0x20), mulmod(value, zero, R))
                    node := sub(node, 0x20)
                }
                node := last
            }
        }
    }

    /// @notice OVERLAP. With count = m 2^k for an odd m, the last k variables are free, and over free variables the sum
    /// is the product of 1 - x - y + 2 x y. Before them, `below` is the sum over all prefixes below that of m, and
    /// `equal` the term of the prefix that equals it.
    function overlap(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            next := add(ip, 12)
            let a := and(shr(211, x), OPERAND)
            let offset := sub(and(shr(195, x), OPERAND), a)
            let end := add(a, shl(5, byte(7, x)))
            let count := and(shr(160, x), 0xffffffff)
            let below := 1
            let bit := shl(byte(7, x), 1)
            if lt(count, bit) {
                below := 0
                let equal := 1
                for {} count {} {
                    bit := shr(1, bit)
                    let u := mload(a)
                    let v := mload(add(a, offset))
                    let one := mulmod(u, v, r)
                    let zero := sub(add(one, add(add(r, r), 1)), add(u, v))
                    below := mulmod(below, add(one, zero), r)
                    switch and(count, bit)
                    case 0 { equal := mulmod(equal, zero, r) }
                    default {
                        below := add(below, mulmod(equal, zero, r))
                        equal := mulmod(equal, one, r)
                        count := xor(count, bit)
                    }
                    a := add(a, 0x20)
                }
            }
            if and(sub(end, a), 0x20) {
                let u := mload(a)
                let v := mload(add(a, offset))
                let one := mulmod(u, v, r)
                below := mulmod(below, sub(add(add(one, one), TWO_R_AND_1), add(u, v)), r)
                a := add(a, 0x20)
            }
            for {} lt(a, end) { a := add(a, 0x40) } {
                let u := mload(a)
                let b := add(a, offset)
                let v := mload(b)
                let one := mulmod(u, v, r)
                below := mulmod(below, sub(add(add(one, one), TWO_R_AND_1), add(u, v)), r)
                u := mload(add(a, 0x20))
                v := mload(add(b, 0x20))
                one := mulmod(u, v, r)
                below := mulmod(below, sub(add(add(one, one), TWO_R_AND_1), add(u, v)), r)
            }
            mstore(and(shr(227, x), OPERAND), mod(below, r))
        }
    }

    /// @notice MASS. As `overlap`; over free variables the sum is 1.
    function mass(uint256 ip) internal pure returns (uint256 next) {
        assembly {
            let r := R
            let x := mload(ip)
            next := add(ip, 10)
            let a := and(shr(211, x), OPERAND)
            let count := and(shr(176, x), 0xffffffff)
            let below := 1
            let bit := shl(byte(5, x), 1)
            if lt(count, bit) {
                below := 0
                let equal := 1
                for {} count { a := add(a, 0x20) } {
                    bit := shr(1, bit)
                    let one := mload(a)
                    let zero := mulmod(equal, sub(add(r, 1), one), r)
                    switch and(count, bit)
                    case 0 { equal := zero }
                    default {
                        below := addmod(below, zero, r)
                        equal := mulmod(equal, one, r)
                        count := xor(count, bit)
                    }
                }
            }
            mstore(and(shr(227, x), OPERAND), below)
        }
    }

    /// @notice CHOOSE.
    function choose(uint256 ip) internal pure returns (uint256 next) {
        uint256 index;
        uint256 variables;
        assembly {
            let x := mload(ip)
            next := add(ip, 8)
            variables := byte(5, x)
            index := mload(and(shr(187, x), OPERAND))
            let first := and(shr(211, x), OPERAND)
            let z := add(first, shl(5, variables))
            let product := 1
            for { let bits := index } gt(z, first) { bits := shr(1, bits) } {
                z := sub(z, 0x20)
                let factor := mload(z)
                if iszero(and(bits, 1)) { factor := sub(add(R, 1), factor) }
                product := mulmod(product, factor, R)
            }
            mstore(and(shr(227, x), OPERAND), product)
        }
        if (index >> variables != 0) revert IndexBeyondCube(index, variables);
    }
}
