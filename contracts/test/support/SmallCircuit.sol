// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Headers} from "./Headers.sol";
import {PlainTree, PlainTreeLibrary} from "./PlainTree.sol";
import {Records} from "./Records.sol";

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
            Headers.entry(Headers.vector(uint32(outputs), -OUTPUT_BOUND, OUTPUT_BOUND), uint64(c.records.length - 1))
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
        records = new bytes[](c.rows == 0 ? 2 : 3);
        uint64 z = uint64(c.rows);
        Records.Header memory vector = _sum(1, uint32(c.outputs));
        records[records.length - 1] = bytes.concat(Records.pack(vector), Records.pack(_view(0, z, -1)));
        (vector.region, vector.first) = (0, z);
        Records.View memory y = _view(c.rows == 0 ? 1 : 0, 0, 2);
        if (c.rows != 0) y.base = int64(uint64(64 * c.rows - c.outputs));
        records[records.length - 2] = bytes.concat(Records.pack(vector), Records.pack(y));
        if (c.rows == 0) return records;
        Records.Header memory matrix = _sum(2, uint32(64 * c.rows));
        matrix.dims = [uint32(1), 1, 1, 1, 1, uint32(c.rows / c.columns), uint32(c.columns), uint32(INPUTS)];
        matrix.region = 0;
        Records.View memory column = _view(1, 0, 3);
        Records.View memory row = _view(1, 0, 5);
        (row.strides[6], row.strides[7]) = (1, 0);
        records[0] = bytes.concat(Records.pack(matrix), Records.pack(column), Records.pack(row));
    }

    /// @dev A sum of elements of two bytes, without narrowing.
    function _sum(uint8 views, uint32 cells) private pure returns (Records.Header memory header) {
        header = Records.header(1, 2, views, cells);
        (header.mul, header.lo, header.hi) = (1, type(int64).min, type(int64).max);
    }

    /// @dev Elements of the trace have two bytes, those of the input one.
    function _view(uint8 region, uint64 first, int32 coefficient) private pure returns (Records.View memory found) {
        found = Records.plain(region, region == 0 ? 2 : 1, first);
        found.coefficient = coefficient;
    }
}
