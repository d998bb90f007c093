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
            uint256 end = first + port.elements();
            Bounds.requireWithin(port, values, first, end);
            _hashTensor(hashes, port, values[first:end]);
            first = end;
        }
        return Merkle.root(hashes);
    }

    /// @dev Writes the hashes of a tensor's leaves from `port.offset()` on.
    function _hashTensor(bytes32[] memory hashes, Port port, int256[] calldata values) private pure {
        uint256 width = port.width();
        uint256 perWord = 32 / width;
        uint256 leaf = port.offset();
        uint256 next = 0;
        bytes32[4] memory words;
        while (next < values.length) {
            for (uint256 k = 0; k < 4; ++k) {
                words[k] = _packWord(values, next, perWord, 8 * width);
                next += perWord;
            }
            hashes[leaf++] = Merkle.hashLeaf(words);
        }
    }

    /// @dev Packs values `from` to `from + count - 1` into a word, `bits` each, zeros standing for those past the end.
    function _packWord(int256[] calldata values, uint256 from, uint256 count, uint256 bits)
        private
        pure
        returns (bytes32)
    {
        uint256 word = 0;
        uint256 mask = type(uint256).max >> (256 - bits);
        uint256 end = from + count;
        uint256 present = end < values.length ? end : values.length;
        for (uint256 i = from; i < present; ++i) {
            word = (word << bits) | (uint256(values[i]) & mask);
        }
        // A missing tail leaves the present values at the top of the word; an empty word needs no shift.
        if (present > from) word <<= bits * (end - present);
        return bytes32(word);
    }
}
