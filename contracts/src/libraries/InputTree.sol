// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Port} from "../types/Port.sol";
import {Bounds} from "./Bounds.sol";
import {CircuitHeader} from "./CircuitHeader.sol";
import {Merkle} from "./Merkle.sol";

/// @notice Commits to the inputs of a circuit. The input commitment is the root of the Merkle tree over the input
/// tensors in port order, each starting on a new leaf, its elements packed in two's complement, big-endian, in the
/// width of its port. Every tier commits to inputs in this one way.
library InputTree {
    using CircuitHeader for bytes;

    /// @notice A commitment is computed on chain for inputs of at most 64 KiB; larger ones are committed off chain.
    uint256 internal constant MAX_LEAVES = 512;

    error InputTooLarge(uint256 leaves, uint256 maximum);

    /// @notice The input commitment of `values`: all inputs, flat, row-major, ports in order.
    /// Reverts unless there are as many values as the header says and each lies within the bound of its port.
    function commitment(bytes memory header, int256[] calldata values) internal pure returns (bytes32) {
        uint256 ports = header.inputCount();
        Bounds.requireCount(values.length, header.elementsOf(0, ports));

        Port last = header.port(ports - 1);
        uint256 leaves = last.offset() + Merkle.leavesOf(last.elements(), last.width());
        if (leaves > MAX_LEAVES) revert InputTooLarge(leaves, MAX_LEAVES);

        bytes32[] memory hashes = new bytes32[](leaves);
        uint256 first = 0;
        for (uint256 i = 0; i < ports; ++i) {
            Port port = header.port(i);
            _hashTensor(hashes, port, values, first);
            first += port.elements();
        }
        return Merkle.root(hashes);
    }

    /// @dev Checks the tensor that begins at `values[next]`; writes the hashes of its leaves from `port.offset()` on.
    function _hashTensor(bytes32[] memory hashes, Port port, int256[] calldata values, uint256 next) private pure {
        int256 lo = port.lo();
        int256 hi = port.hi();
        uint256 bits = 8 * port.width();
        uint256 mask = type(uint256).max >> (256 - bits);
        uint256 end = next + port.elements();
        uint256 leaf = port.offset();
        bytes32[4] memory words;
        // Nothing here can overflow: `next` stays below `end`, and `shift` is a multiple of `bits` up to 256.
        unchecked {
            while (next < end) {
                for (uint256 k = 0; k < 4; ++k) {
                    uint256 word = 0;
                    for (uint256 shift = 256; shift != 0 && next < end; ++next) {
                        int256 value = values[next];
                        if (value < lo || value > hi) revert Bounds.ValueOutOfBounds(next, value, lo, hi);
                        shift -= bits;
                        word |= (uint256(value) & mask) << shift;
                    }
                    words[k] = bytes32(word);
                }
                hashes[leaf++] = Merkle.hashLeaf(words);
            }
        }
    }
}
