// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Port} from "../types/Port.sol";
import {Bounds} from "./Bounds.sol";
import {CircuitHeader} from "./CircuitHeader.sol";
import {Merkle} from "./Merkle.sol";

/// @notice Commits to the inputs of a circuit. The input commitment is the root of the Merkle tree over the input
/// tensors in port order, each starting on a new leaf, its elements packed in two's complement, big-endian, in the
/// width of its port. Every tier names inputs by it, or by a commitment that has it as one half (CommittedInputs).
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
        bytes32[] memory hashes = _leaves(header);
        uint256 first = 0;
        for (uint256 i = 0; i < ports; ++i) {
            Port port = header.port(i);
            _hashTensor(hashes, port, values, first);
            first += port.elements();
        }
        return Merkle.root(hashes);
    }

    /// @notice The input commitment of values that are packed as in the leaves, without the padding between tensors.
    /// The caller checks bounds: of values beyond them this commits to what is left in their bytes.
    function commitmentOfPacked(bytes memory header, bytes calldata packed) internal pure returns (bytes32) {
        uint256 ports = header.inputCount();
        bytes32[] memory hashes = _leaves(header);
        uint256 from = 0;
        for (uint256 i = 0; i < ports; ++i) {
            Port port = header.port(i);
            uint256 to = from + port.elements() * port.width();
            _hashPacked(hashes, port.offset(), packed[from:to]);
            from = to;
        }
        return Merkle.root(hashes);
    }

    /// @notice Bytes of all inputs together, packed without padding.
    function packedLength(bytes memory header) internal pure returns (uint256 total) {
        uint256 ports = header.inputCount();
        for (uint256 i = 0; i < ports; ++i) {
            Port port = header.port(i);
            total += port.elements() * port.width();
        }
    }

    /// @dev Room for the hashes of all leaves. Reverts if there are too many.
    function _leaves(bytes memory header) private pure returns (bytes32[] memory) {
        uint256 leaves = header.inputLeaves();
        if (leaves > MAX_LEAVES) revert InputTooLarge(leaves, MAX_LEAVES);
        return new bytes32[](leaves);
    }

    /// @dev Writes the hashes of a tensor's leaves from `leaf` on.
    function _hashPacked(bytes32[] memory hashes, uint256 leaf, bytes calldata tensor) private pure {
        bytes32[4] memory words;
        while (tensor.length > Merkle.LEAF_BYTES) {
            assembly ("memory-safe") {
                calldatacopy(words, tensor.offset, 128)
            }
            hashes[leaf++] = Merkle.hashLeaf(words);
            tensor = tensor[Merkle.LEAF_BYTES:];
        }
        delete words;
        assembly ("memory-safe") {
            calldatacopy(words, tensor.offset, tensor.length)
        }
        hashes[leaf] = Merkle.hashLeaf(words);
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
