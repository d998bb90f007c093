// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Cell, IDisputeTier} from "../interfaces/IDisputeTier.sol";
import {CircuitHeader} from "../libraries/CircuitHeader.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {ModelParts} from "../types/DisputedModel.sol";
import {Port} from "../types/Port.sol";
import {Subtree} from "./Subtree.sol";

/// @notice Places that a challenger can point at, and what lies there. Everything follows from the model: op records are
/// opened against its ops root before anything in them is believed.
library Grounds {
    using CircuitHeader for bytes;

    uint256 private constant HEADER_BYTES = 96;
    uint256 private constant VIEW_BYTES = 160;
    uint256 private constant TRACE = 0;
    uint256 private constant OUTPUT = 3;

    /// @notice The record of a tensor of the trace. Reverts unless it is one of the circuit's, with a cell `cell.index`.
    function traceRecord(ModelParts memory model, Cell calldata cell) internal pure returns (bytes calldata record) {
        record = _record(model, cell, TRACE);
        _requireCell(record, cell.index);
    }

    /// @notice The record of an output tensor. Reverts unless it is one of the circuit's, with a cell `cell.index`.
    function outputRecord(ModelParts memory model, Cell calldata cell) internal pure returns (bytes calldata record) {
        record = _record(model, cell, OUTPUT);
        _requireCell(record, cell.index);
        bytes memory header = model.header;
        uint256 place = _first(record);
        if (place >= header.outputCount() || header.port(header.inputCount() + place).offset() != cell.record) {
            revert IDisputeTier.WrongCell(cell.index);
        }
    }

    /// @notice Where a cell of an output tensor begins in the packed outputs.
    function outputOffset(ModelParts memory model, bytes calldata record, uint256 index)
        internal
        pure
        returns (uint256 offset)
    {
        bytes memory header = model.header;
        uint256 first = header.inputCount();
        uint256 last = first + _first(record);
        for (uint256 i = first; i < last; ++i) {
            Port port = header.port(i);
            offset += port.elements() * port.width();
        }
        offset += index * _width(record);
    }

    /// @notice The leaf of the trace that a cell lies in, and its first byte there.
    function placeOf(bytes calldata record, uint256 index) internal pure returns (uint256 leaf, uint256 offset) {
        // A cell's index has 64 bits, and so has the first leaf.
        unchecked {
            uint256 start = index * _width(record);
            return (_first(record) + start / Subtree.LEAF_BYTES, start % Subtree.LEAF_BYTES);
        }
    }

    /// @notice The element that begins at `data[offset]`, in the width of the record's tensor.
    function element(bytes calldata record, bytes calldata data, uint256 offset) internal pure returns (int256 value) {
        unchecked {
            uint256 width = _width(record);
            return int256(uint256(bytes32(data[offset:offset + width]))) >> (256 - 8 * width);
        }
    }

    /// @notice The place, in bytes from the trace's first leaf on, of a byte that no tensor's element takes up.
    /// Reverts if `cell` is not the place of one.
    function paddingByte(ModelParts memory model, Cell calldata cell) internal pure returns (uint256 index) {
        if (cell.opening.length == 0) {
            if (cell.index / Subtree.LEAF_BYTES < model.header.traceLeaves()) {
                revert IDisputeTier.WrongCell(cell.index);
            }
            return cell.index;
        }
        bytes calldata record = _record(model, cell, TRACE);
        uint256 size = _cells(record) * _width(record);
        if (cell.index < size || cell.index >= _roundUp(size)) revert IDisputeTier.WrongCell(cell.index);
        return _first(record) * Subtree.LEAF_BYTES + cell.index;
    }

    /// @notice Whether byte `index` of the input tree belongs to an element outside its bound, or to none and is not zero.
    /// @param leaf The leaf that it lies in.
    function inputIsBad(bytes memory header, uint256 index, bytes calldata leaf) internal pure returns (bool) {
        uint256 ports = header.inputCount();
        for (uint256 i = 0; i < ports; ++i) {
            Port port = header.port(i);
            uint256 start = port.offset() * Subtree.LEAF_BYTES;
            uint256 width = port.width();
            if (index < start || index >= start + port.elements() * width) continue;
            uint256 offset = (index - (index - start) % width) % Subtree.LEAF_BYTES;
            int256 value = int256(uint256(bytes32(leaf[offset:offset + width]))) >> (256 - 8 * width);
            return value < port.lo() || value > port.hi();
        }
        return leaf[index % Subtree.LEAF_BYTES] != 0;
    }

    /// @notice Bytes of a leaf and its siblings in a tree, or a subtree.
    function openingBytes(uint256 depth) internal pure returns (uint256) {
        unchecked {
            return Subtree.LEAF_BYTES + 32 * depth;
        }
    }

    /// @notice Reverts unless `leaf`, 128 bytes and then siblings, is the leaf `index` of a tree.
    function requireLeaf(bytes32 root, uint256 depth, uint256 index, bytes calldata leaf) internal pure {
        uint256 expected = openingBytes(depth);
        if (leaf.length != expected) revert IDisputeTier.WrongLength(expected, leaf.length);
        if (index >> depth != 0) revert IDisputeTier.WrongCell(index);
        bytes32 node = Subtree.ofLeaf(leaf[:Subtree.LEAF_BYTES]);
        bytes32 actual = Subtree.climb(node, index, leaf[Subtree.LEAF_BYTES:]);
        if (actual != root) revert IDisputeTier.WrongLeaf(root, actual);
    }

    /// @dev The record that `cell.opening` opens, of a tensor that lies in `region`.
    function _record(ModelParts memory model, Cell calldata cell, uint256 region)
        private
        pure
        returns (bytes calldata record)
    {
        bytes calldata opening = cell.opening;
        uint256 depth = model.header.opsDepth();
        uint256 size;
        // A depth has 8 bits.
        unchecked {
            uint256 siblings = 32 * depth;
            if (opening.length < HEADER_BYTES + siblings) {
                revert IDisputeTier.WrongLength(HEADER_BYTES + siblings, opening.length);
            }
            size = HEADER_BYTES + VIEW_BYTES * uint8(opening[4]);
            if (opening.length != size + siblings) {
                revert IDisputeTier.WrongLength(size + siblings, opening.length);
            }
        }
        record = opening[:size];
        bytes32 actual = Subtree.climb(Subtree.ofLeaf(record), cell.record, opening[size:]);
        if (actual != model.opsRoot) revert IDisputeTier.WrongRecord(model.opsRoot, actual);
        if (uint8(_header(record) >> 232) != region) revert IDisputeTier.WrongCell(cell.index);
    }

    function _requireCell(bytes calldata record, uint256 index) private pure {
        if (index >= _cells(record)) revert IDisputeTier.WrongCell(index);
    }

    function _width(bytes calldata record) private pure returns (uint256) {
        return uint8(_header(record) >> 224);
    }

    /// @dev First leaf, or the number of the output port.
    function _first(bytes calldata record) private pure returns (uint256) {
        return uint64(_header(record) >> 128);
    }

    function _cells(bytes calldata record) private pure returns (uint256) {
        return uint64(_header(record) >> 64);
    }

    /// @dev The first word of a record, which has at least three: kind in byte 1, region 2, width 3, first leaf 8 to 15, cells 16 to 23.
    function _header(bytes calldata record) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(record.offset)
        }
    }

    /// @dev Bytes of whole leaves.
    function _roundUp(uint256 size) private pure returns (uint256) {
        return Merkle.leavesOf(size, 1) * Subtree.LEAF_BYTES;
    }
}
