// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Headers} from "./Headers.sol";
import {Records} from "./Records.sol";
import {SparseTree, SparseTreeLibrary} from "./SparseTree.sol";

/// @notice Single cells of a circuit as large as ResNet-50. Of the trace and the weights only those leaves are there that
/// one cell reads, filled with noise; the tensor of the cell itself is noise as well, and so is false.
library LargeCircuit {
    uint256 internal constant TRACE_DEPTH = 18;
    uint256 internal constant WEIGHTS_DEPTH = 19;
    uint256 internal constant OPS_DEPTH = 8;

    // Records, and the cell of each that is asked for.
    uint256 internal constant TABLE = 0;
    uint256 internal constant DENSE = 1;
    uint256 internal constant POOL = 2;
    uint256 internal constant RATIO = 3;
    uint256 internal constant CONV = 4;
    uint256 internal constant OUTPUT = 5;
    uint256 internal constant CELL = 3;

    // Kinds.
    uint8 private constant SUM = 1;
    uint8 private constant DIVIDE = 3;
    uint8 private constant LOOKUP = 4;
    uint8 private constant MAX = 6;

    // First leaves.
    uint64 private constant ACTIVATIONS = 1000; // 7 x 7 x 512, two bytes
    uint64 private constant IMAGE = 20_000; // 112 x 112 x 64, two bytes
    uint64 private constant NUMERATORS = 40_000; // four bytes
    uint64 private constant DIVISORS = 50_000; // four bytes
    uint64 private constant RESULTS = 100_000; // of record r: 1000 r further on
    uint64 private constant TABLES = 5000; // two bytes
    uint64 private constant MATRIX = 70_000; // 64 products for each cell, two bytes
    uint64 private constant KERNEL = 200_000; // 4608 for each cell, two bytes
    uint64 private constant BIAS = 390_000; // four bytes

    function circuitHeader() internal pure returns (bytes memory) {
        return bytes.concat(
            abi.encodePacked("VERINFER", uint16(1), uint8(TRACE_DEPTH), uint8(WEIGHTS_DEPTH), uint8(OPS_DEPTH)),
            abi.encodePacked(uint8(0), uint16(1), uint16(1), uint64(200_000), uint64(400_000), uint32(200)),
            Headers.entry(Headers.vector(64, -128, 127), 0),
            Headers.entry(Headers.vector(100, -30_000, 30_000), uint64(OUTPUT))
        );
    }

    /// @notice The leaf of the trace that the cell of a record lies in.
    function place(uint256 record) internal pure returns (uint256) {
        return RESULTS + 1000 * record;
    }

    function ops() internal pure returns (SparseTree memory tree) {
        tree = SparseTreeLibrary.make(OPS_DEPTH, "");
        tree.putLeaf(TABLE, _table());
        tree.putLeaf(DENSE, _dense());
        tree.putLeaf(POOL, _pool());
        tree.putLeaf(RATIO, _ratio());
        tree.putLeaf(CONV, _conv());
    }

    function weights() internal pure returns (SparseTree memory tree) {
        tree = SparseTreeLibrary.make(WEIGHTS_DEPTH, new bytes(128));
        for (uint64 row = 0; row < 4; ++row) {
            tree.put(TABLES + row, abi.encodePacked(noise("table", 128)));
        }
        tree.put(MATRIX + CELL, noise("matrix", 128));
        tree.put(KERNEL + 72 * CELL, noise("kernel", 9216));
        tree.put(BIAS, noise("bias", 128));
    }

    /// @notice The trace as far as a cell reads it, and the cell.
    function trace(uint256 record) internal pure returns (SparseTree memory tree) {
        tree = SparseTreeLibrary.make(TRACE_DEPTH, new bytes(128));
        (uint256[] memory firsts, uint256[] memory counts) = _reads(record);
        for (uint256 i = 0; i < firsts.length; ++i) {
            bytes memory data = noise("trace", 128 * counts[i]);
            data[0] = 0x00; // a divisor is positive, and a row of the table is low
            if (record == TABLE) data[2 * CELL] = 0x00;
            if (record == RATIO) data[4 * CELL] = 0x01;
            tree.put(firsts[i], data);
        }
        tree.put(place(record), noise("result", 128));
    }

    function operands(uint256 record, SparseTree memory tree) internal pure returns (bytes memory) {
        (uint256[] memory firsts, uint256[] memory counts) = _reads(record);
        bytes memory opened = bytes.concat(tree.opening(firsts, counts), hex"0000");
        if (record == POOL || record == RATIO) return bytes.concat(opened, hex"0000");
        if (record == TABLE) {
            // the row that the operand names
            bytes memory leaf = tree.leafAt(ACTIVATIONS);
            uint256 row = uint16(uint8(leaf[2 * CELL])) << 8 | uint8(leaf[2 * CELL + 1]);
            return bytes.concat(opened, weights().opening(_one(TABLES + row / 64), _one(1)));
        }
        uint256[] memory starts = new uint256[](2);
        uint256[] memory lengths = new uint256[](2);
        (starts[0], lengths[0]) = record == DENSE ? (MATRIX + CELL, 1) : (KERNEL + 72 * CELL, 72);
        (starts[1], lengths[1]) = (BIAS, 1);
        return bytes.concat(opened, weights().opening(starts, lengths));
    }

    /// @notice Bytes that follow from a name, none of which is zero.
    function noise(string memory name, uint256 size) internal pure returns (bytes memory data) {
        data = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            data[i] = bytes1(uint8(1 + uint256(keccak256(abi.encode(name, i))) % 255));
        }
    }

    /// @dev Leaves of the trace that a cell reads.
    function _reads(uint256 record) private pure returns (uint256[] memory firsts, uint256[] memory counts) {
        if (record == TABLE || record == DENSE) return (_one(ACTIVATIONS), _one(1));
        if (record == RATIO) {
            firsts = new uint256[](2);
            (firsts[0], firsts[1]) = (NUMERATORS, DIVISORS);
            counts = new uint256[](2);
            (counts[0], counts[1]) = (1, 1);
            return (firsts, counts);
        }
        // three rows of a window in the midst of an image
        firsts = new uint256[](3);
        counts = new uint256[](3);
        for (uint256 row = 0; row < 3; ++row) {
            (firsts[row], counts[row]) = record == POOL ? (IMAGE + 112 * row, 3) : (ACTIVATIONS + 7 * 8 * row, 24);
        }
    }

    function _table() private pure returns (bytes memory) {
        Records.Header memory header = _header(LOOKUP, TABLE, 2, 64);
        (header.mul, header.hi) = (256, 1);
        Records.View memory table = Records.plain(2, 2, TABLES);
        table.strides[7] = 0;
        return bytes.concat(Records.pack(header), Records.pack(Records.plain(0, 2, ACTIVATIONS)), Records.pack(table));
    }

    function _dense() private pure returns (bytes memory) {
        Records.View memory vector = Records.plain(0, 2, ACTIVATIONS);
        (vector.flags, vector.strides[7], vector.steps[3], vector.sizes[3]) = (1, 0, 1, 64);
        Records.View memory matrix = Records.plain(2, 2, MATRIX);
        (matrix.strides[7], matrix.steps[3], matrix.sizes[3]) = (64, 1, 64);
        return _product(_header(SUM, DENSE, 3, 1000), vector, matrix);
    }

    function _pool() private pure returns (bytes memory) {
        Records.Header memory header = _header(MAX, POOL, 1, 55 * 55 * 64);
        header.dims = [uint32(1), 1, 1, 1, 1, 55, 55, 64];
        Records.View memory window = Records.plain(0, 2, IMAGE);
        window.strides = [int32(0), 0, 0, 0, 0, 2 * 112 * 64, 2 * 64, 1];
        window.steps = [int32(0), 0, 112 * 64, 64];
        window.sizes = [uint32(1), 1, 3, 3];
        return bytes.concat(Records.pack(header), Records.pack(window));
    }

    function _ratio() private pure returns (bytes memory) {
        Records.View memory numerator = Records.plain(0, 4, NUMERATORS);
        numerator.coefficient = 32_768;
        return bytes.concat(
            Records.pack(_header(DIVIDE, RATIO, 2, 64)),
            Records.pack(numerator),
            Records.pack(Records.plain(0, 4, DIVISORS))
        );
    }

    function _conv() private pure returns (bytes memory) {
        Records.Header memory header = _header(SUM, CONV, 3, 5 * 5 * 512);
        header.dims = [uint32(1), 1, 1, 1, 1, 5, 5, 512];
        Records.View memory window = Records.plain(0, 2, ACTIVATIONS);
        window.flags = 1;
        window.strides = [int32(0), 0, 0, 0, 0, 7 * 512, 512, 0];
        window.steps = [int32(0), 0, 7 * 512, 1];
        window.sizes = [uint32(1), 1, 3, 3 * 512];
        Records.View memory kernel = Records.plain(2, 2, KERNEL);
        (kernel.strides[7], kernel.steps, kernel.sizes) = (4608, [int32(0), 0, 3 * 512, 1], window.sizes);
        return _product(header, window, kernel);
    }

    /// @dev A sum of products and a bias, narrowed.
    function _product(Records.Header memory header, Records.View memory a, Records.View memory b)
        private
        pure
        returns (bytes memory)
    {
        (header.mul, header.shift, header.lo, header.hi) = (1_234_567, 40, -32_768, 32_767);
        return
            bytes.concat(
                Records.pack(header), Records.pack(a), Records.pack(b), Records.pack(Records.plain(2, 4, BIAS))
            );
    }

    function _header(uint8 kind, uint256 record, uint8 views, uint32 cells)
        private
        pure
        returns (Records.Header memory header)
    {
        header = Records.header(kind, 2, views, cells);
        (header.region, header.first) = (0, uint64(place(record)));
    }

    function _one(uint256 value) private pure returns (uint256[] memory values) {
        values = new uint256[](1);
        values[0] = value;
    }
}
