// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Port} from "../types/Port.sol";
import {Merkle} from "./Merkle.sol";

/// @notice Reads the header of a circuit. Big-endian, fixed layout:
///
///   magic "VERINFER" | version u16 = 1 | trace_depth u8 | weights_depth u8 | ops_depth u8 | reserved u8 = 0 |
///   n_inputs u16 | n_outputs u16 | trace_leaves u64 | weights_leaves u64 | op_records u32          (38 bytes)
///
/// and then, inputs before outputs, one entry of 72 bytes a port:
///
///   rank u8 | width u8 | reserved 6 bytes = 0 | shape 8 x u32 | lo i64 | hi i64 | offset u64 | elements u64
///
/// @dev `validate` admits one encoding only of what it admits, so that two headers that mean the same are the same
/// bytes. The accessors trust a validated header.
library CircuitHeader {
    uint256 internal constant PREFIX_BYTES = 38;
    uint256 internal constant PORT_BYTES = 72;
    uint256 internal constant MAX_RANK = 8;
    bytes8 internal constant MAGIC = "VERINFER";
    uint16 internal constant VERSION = 1;

    error HeaderLengthMismatch(uint256 expected, uint256 actual);
    error HeaderMagicMismatch(bytes8 actual);
    error HeaderVersionUnknown(uint256 version);
    error HeaderReservedNotZero(uint256 position);
    error HeaderDepthMismatch(uint256 leaves, uint256 expected, uint256 actual);
    error HeaderWithoutPorts(uint256 inputs, uint256 outputs);
    error PortRankTooHigh(uint256 port, uint256 rank);
    error PortShapeMalformed(uint256 port, uint256 dimension);
    error PortBoundEmpty(uint256 port, int256 lo, int256 hi);
    error PortWidthMismatch(uint256 port, uint256 expected, uint256 actual);
    error PortOffsetMismatch(uint256 port, uint256 expected, uint256 actual);
    error PortElementsMismatch(uint256 port, uint256 expected, uint256 actual);

    /// @notice Reverts unless `header` is the header of a circuit in its one canonical form.
    function validate(bytes memory header) internal pure {
        if (header.length < PREFIX_BYTES) revert HeaderLengthMismatch(PREFIX_BYTES, header.length);
        bytes8 magic = bytes8(bytes32(_read(header, 0, 8) << 192));
        if (magic != MAGIC) revert HeaderMagicMismatch(magic);
        if (_read(header, 8, 2) != VERSION) revert HeaderVersionUnknown(_read(header, 8, 2));
        if (_read(header, 13, 1) != 0) revert HeaderReservedNotZero(13);

        uint256 inputs = inputCount(header);
        uint256 ports = inputs + outputCount(header);
        if (inputs == 0 || inputs == ports) revert HeaderWithoutPorts(inputs, ports - inputs);
        uint256 expected = PREFIX_BYTES + PORT_BYTES * ports;
        if (header.length != expected) revert HeaderLengthMismatch(expected, header.length);

        uint256 opRecords = _read(header, 34, 4);
        _requireDepth(_read(header, 18, 8), _read(header, 10, 1));
        _requireDepth(_read(header, 26, 8), _read(header, 11, 1));
        _requireDepth(opRecords, _read(header, 12, 1));

        uint256 nextLeaf = 0;
        for (uint256 i = 0; i < ports; ++i) {
            Port entry = _validatePort(header, i);
            if (i < inputs) {
                if (entry.offset() != nextLeaf) revert PortOffsetMismatch(i, nextLeaf, entry.offset());
                nextLeaf += Merkle.leavesOf(entry.elements(), entry.width());
            } else if (entry.offset() >= opRecords) {
                revert PortOffsetMismatch(i, opRecords, entry.offset());
            }
        }
    }

    /// @notice Depth of the tree over the trace.
    function traceDepth(bytes memory header) internal pure returns (uint256) {
        return _read(header, 10, 1);
    }

    /// @notice Depth of the tree over the weights.
    function weightsDepth(bytes memory header) internal pure returns (uint256) {
        return _read(header, 11, 1);
    }

    /// @notice Depth of the tree over the op records.
    function opsDepth(bytes memory header) internal pure returns (uint256) {
        return _read(header, 12, 1);
    }

    /// @notice Depth of the tree over the inputs.
    function inputDepth(bytes memory header) internal pure returns (uint256) {
        return Math.log2(inputLeaves(header), Math.Rounding.Ceil);
    }

    /// @notice Leaves of the trace, without the padding to a power of two.
    function traceLeaves(bytes memory header) internal pure returns (uint256) {
        return _read(header, 18, 8);
    }

    /// @notice Leaves of the inputs, without the padding to a power of two.
    function inputLeaves(bytes memory header) internal pure returns (uint256) {
        Port last = port(header, inputCount(header) - 1);
        return last.offset() + Merkle.leavesOf(last.elements(), last.width());
    }

    /// @notice Number of input tensors.
    function inputCount(bytes memory header) internal pure returns (uint256) {
        return _read(header, 14, 2);
    }

    /// @notice Number of output tensors.
    function outputCount(bytes memory header) internal pure returns (uint256) {
        return _read(header, 16, 2);
    }

    /// @notice The bounds, place and size of port `index`; inputs come first.
    function port(bytes memory header, uint256 index) internal pure returns (Port) {
        return Port.wrap(_read(header, PREFIX_BYTES + PORT_BYTES * index + 40, 32));
    }

    /// @notice Number of elements of ports `from` to `to - 1` together.
    function elementsOf(bytes memory header, uint256 from, uint256 to) internal pure returns (uint256 total) {
        for (uint256 i = from; i < to; ++i) {
            total += port(header, i).elements();
        }
    }

    function _validatePort(bytes memory header, uint256 index) private pure returns (Port entry) {
        uint256 start = PREFIX_BYTES + PORT_BYTES * index;
        uint256 rank = _read(header, start, 1);
        if (rank > MAX_RANK) revert PortRankTooHigh(index, rank);
        if (_read(header, start + 2, 6) != 0) revert HeaderReservedNotZero(start + 2);

        entry = port(header, index);
        if (entry.lo() > entry.hi()) revert PortBoundEmpty(index, entry.lo(), entry.hi());
        uint256 width = _read(header, start + 1, 1);
        if (width != entry.width()) revert PortWidthMismatch(index, entry.width(), width);

        // Eight factors below 2^32 cannot overflow 256 bits.
        uint256 elements = 1;
        for (uint256 axis = 0; axis < MAX_RANK; ++axis) {
            uint256 size = _read(header, start + 8 + 4 * axis, 4);
            if (axis >= rank) {
                if (size != 0) revert PortShapeMalformed(index, axis);
            } else {
                if (size == 0) revert PortShapeMalformed(index, axis);
                elements *= size;
            }
        }
        if (elements != entry.elements()) revert PortElementsMismatch(index, elements, entry.elements());
    }

    function _requireDepth(uint256 leaves, uint256 depth) private pure {
        uint256 expected = Math.log2(leaves, Math.Rounding.Ceil);
        if (depth != expected) revert HeaderDepthMismatch(leaves, expected, depth);
    }

    /// @dev The big-endian unsigned integer in bytes `start` to `start + size - 1`; size is 1 to 32.
    function _read(bytes memory header, uint256 start, uint256 size) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, mul(8, size)), mload(add(add(header, 32), start)))
        }
    }
}
