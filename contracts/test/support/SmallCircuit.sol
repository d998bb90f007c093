// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Headers} from "./Headers.sol";
import {PlainTree, PlainTreeLibrary} from "./PlainTree.sol";
import {ReferenceTree} from "./ReferenceTree.sol";

/// @notice A circuit of three tensors, as many rows of the first as it takes to make the trace as deep as wanted:
///
///   y[i, j] = 3 x[j] + 5 x[i mod columns], `rows` by 64; without rows there is no y, and x stands for it
///   z[k]    = 2 y[the last `outputs` elements]
///   out[k]  = -z[k]
///
/// The input is x, 64 elements of one byte within [-100, 100]. Elements of y, z and out have two bytes, so that a row of
/// y is a leaf, and every cell reads one leaf alone, but for y, which reads the input's only leaf.
struct SmallCircuit {
    uint256 rows;
    uint256 columns;
    uint256 outputs;
    uint256 depth;
    bytes header;
    bytes[] records;
    PlainTree ops;
}

/// @notice What an execution yields: the trace in whole leaves, and the outputs, packed.
struct Run {
    bytes input;
    bytes trace;
    bytes output;
}

using SmallCircuitLibrary for SmallCircuit global;

library SmallCircuitLibrary {
    uint256 internal constant INPUTS = 64;
    int64 internal constant BOUND = 100;
    int64 internal constant OUTPUT_BOUND = 2000;

    /// @param rows At most 64 or a multiple of 50.
    /// @param outputs At most 64, or as many as y has elements.
    function build(uint256 rows, uint256 outputs) internal pure returns (SmallCircuit memory c) {
        c.rows = rows;
        c.columns = rows > 64 ? 50 : rows;
        c.outputs = outputs;
        uint256 leaves = rows + (2 * outputs + 127) / 128;
        while (1 << c.depth < leaves) ++c.depth;
        c.records = _records(c);
        bytes[] memory padded = new bytes[](rows == 0 ? 2 : 4);
        for (uint256 i = 0; i < c.records.length; ++i) {
            padded[i] = c.records[i];
        }
        c.ops = PlainTreeLibrary.over(padded);
        c.header = bytes.concat(
            abi.encodePacked("VERINFER", uint16(1), uint8(c.depth), uint8(0), uint8(c.ops.depthOf()), uint8(0)),
            abi.encodePacked(uint16(1), uint16(1), uint64(leaves), uint64(0), uint32(c.records.length)),
            Headers.entry(Headers.vector(uint32(INPUTS), -BOUND, BOUND), 0),
            Headers.entry(
                Headers.vector(uint32(outputs), -OUTPUT_BOUND, OUTPUT_BOUND), uint64(c.records.length - 1)
            )
        );
    }

    /// @notice The number of the record of y, z and out, in that order, in the ops tree.
    function recordOf(SmallCircuit memory self, uint256 tensor) internal pure returns (uint256) {
        return self.rows == 0 ? tensor - 1 : tensor;
    }

    /// @notice Bytes of the trace that z begins at. y begins at 0.
    function startOfZ(SmallCircuit memory self) internal pure returns (uint256) {
        return 128 * self.rows;
    }

    /// @notice An input that follows from a seed.
    function inputOf(uint256 seed) internal pure returns (bytes memory x) {
        for (uint256 i = 0; i < INPUTS; ++i) {
            x = abi.encodePacked(x, int8(int256(uint256(keccak256(abi.encode(seed, i))) % 201) - 100));
        }
    }

    /// @notice Executes the circuit, all cells right but for one of y (of z, if there is no y), which is `delta` more. All
    /// that follows from it follows.
    function run(SmallCircuit memory self, bytes memory input, uint256 cell, int256 delta)
        internal
        pure
        returns (Run memory result)
    {
        result.input = input;
        result.trace = new bytes(self.startOfZ() + (2 * self.outputs + 127) / 128 * 128);
        result.output = new bytes(2 * self.outputs);
        for (uint256 i = 0; i < 64 * self.rows; ++i) {
            put(result.trace, 2 * i, self.recompute(result, 0, i));
            if (i == cell) _add(result.trace, 2 * i, delta);
        }
        uint256 z = self.recordOf(1);
        for (uint256 k = 0; k < self.outputs; ++k) {
            uint256 start = self.startOfZ() + 2 * k;
            put(result.trace, start, self.recompute(result, z, k));
            if (z == 0 && k == cell) _add(result.trace, start, delta);
            put(result.output, 2 * k, -get(result.trace, start));
        }
    }

    /// @notice The cell of a record's tensor as it follows from the trace and the input that a run has.
    function recompute(SmallCircuit memory self, Run memory result, uint256 record, uint256 index)
        internal
        pure
        returns (int256)
    {
        if (record == self.recordOf(2)) return -get(result.trace, self.startOfZ() + 2 * index);
        if (self.rows == 0) return 2 * _x(result.input, index);
        if (record == 1) return 2 * get(result.trace, 2 * (64 * self.rows - self.outputs + index));
        return 3 * _x(result.input, index % 64) + 5 * _x(result.input, index / 64 % self.columns);
    }

    /// @notice The element of two bytes at data[start].
    function get(bytes memory data, uint256 start) internal pure returns (int256) {
        return int16(uint16(uint8(data[start])) << 8 | uint16(uint8(data[start + 1])));
    }

    /// @notice Writes an element of two bytes.
    function put(bytes memory data, uint256 start, int256 value) internal pure {
        bytes2 element = bytes2(uint16(int16(value)));
        (data[start], data[start + 1]) = (element[0], element[1]);
    }

    function _add(bytes memory data, uint256 start, int256 delta) private pure {
        put(data, start, get(data, start) + delta);
    }

    function _x(bytes memory input, uint256 index) private pure returns (int256) {
        return int8(uint8(input[index]));
    }

    function _records(SmallCircuit memory c) private pure returns (bytes[] memory records) {
        uint32[8] memory vector = [uint32(1), 1, 1, 1, 1, 1, 1, uint32(c.outputs)];
        uint64 z = uint64(c.rows);
        bytes memory out = bytes.concat(_record(3, 1, 0, vector), _view(0, 2, -1, z, 0, [int32(0), 1]));
        if (c.rows == 0) {
            records = new bytes[](2);
            (records[0], records[1]) =
                (bytes.concat(_record(0, 1, z, vector), _view(1, 1, 2, 0, 0, [int32(0), 1])), out);
            return records;
        }
        uint32[8] memory matrix =
            [uint32(1), 1, 1, 1, 1, uint32(c.rows / c.columns), uint32(c.columns), uint32(INPUTS)];
        int64 base = int64(uint64(64 * c.rows - c.outputs));
        records = new bytes[](3);
        records[0] = bytes.concat(
            _record(0, 2, 0, matrix), _view(1, 1, 3, 0, 0, [int32(0), 1]), _view(1, 1, 5, 0, 0, [int32(1), 0])
        );
        records[1] = bytes.concat(_record(0, 1, z, vector), _view(0, 2, 2, 0, base, [int32(0), 1]));
        records[2] = out;
    }

    /// @dev Header of the record of a sum, of elements of two bytes, without narrowing.
    function _record(uint8 region, uint8 views, uint64 first, uint32[8] memory dims)
        private
        pure
        returns (bytes memory header)
    {
        uint64 cells = 1;
        bytes memory sizes;
        for (uint256 i = 0; i < 8; ++i) {
            cells *= dims[i];
            sizes = abi.encodePacked(sizes, dims[i]);
        }
        return bytes.concat(
            abi.encodePacked(uint8(1), uint8(1), region, uint8(2), views, uint24(0), first, cells, uint64(0)),
            sizes,
            abi.encodePacked(uint64(1), type(int64).min, type(int64).max, uint64(0))
        );
    }

    /// @dev A view of one element, with strides over the output axes 6 and 7.
    function _view(uint8 region, uint8 width, int32 coefficient, uint64 first, int64 base, int32[2] memory strides)
        private
        pure
        returns (bytes memory)
    {
        return bytes.concat(
            abi.encodePacked(region, width, uint16(0), coefficient, first, base, int64(0)),
            abi.encodePacked(new bytes(24), strides[0], strides[1]),
            abi.encodePacked(new bytes(16), uint32(1), uint32(1), uint32(1), uint32(1), new bytes(64))
        );
    }
}
