// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOneStep, Trees} from "../src/interfaces/IOneStep.sol";
import {OneStep} from "../src/optimistic/OneStep.sol";
import {OpenedTree, OpenedTrees} from "./support/OpenedTree.sol";
import {Records} from "./support/Records.sol";
import {Test} from "./support/Test.sol";

/// @notice What it takes to recompute cells as they occur in a network with trees of 2^20 leaves: by itself, and as a
/// transaction with 16 gas for each byte of calldata. A dispute adds the opening of record and leaf.
contract OneStepGasTest is Test {
    uint8 private constant TRACE = 0;
    uint8 private constant WEIGHTS = 2;
    uint8 private constant FACTOR = 1;
    uint256 private constant DEPTH = 20;

    IOneStep private _oneStep = new OneStep();
    OpenedTree[3] private _forest;
    bool[][3] private _marked;

    /// @dev 3 x 3 x 512, of 14 x 14 places; bias; rescale. Two bytes each.
    function test_gas_convolution() public {
        _plant(512, 512);
        _mark(TRACE, 9, 24);
        _mark(TRACE, 121, 24);
        _mark(TRACE, 233, 24);
        _mark(WEIGHTS, 72, 72);
        _mark(WEIGHTS, 300, 1);

        Records.Header memory header = Records.header(1, 2, 3, 12 * 12 * 64);
        header.dims = [uint32(1), 1, 1, 1, 1, 14, 14, 64];
        header.cells = 14 * 14 * 64;
        (header.mul, header.shift, header.lo, header.hi) = (12_345, 30, -2000, 2000);
        Records.View memory image = Records.plain(TRACE, 2, 1);
        image.flags = FACTOR;
        image.base = -15 * 512;
        image.strides = [int32(0), 0, 0, 0, 0, 14 * 512, 512, 0];
        image.steps = [int32(0), 14 * 512, 512, 1];
        image.sizes = [uint32(1), 3, 3, 512];
        image.guards = bytes.concat(Records.guard(5, 9, 1, 1, -1, 14), Records.guard(6, 10, 1, 1, -1, 14));
        Records.View memory kernel = Records.plain(WEIGHTS, 2, 0);
        kernel.strides[7] = 4608;
        kernel.steps = [int32(0), 1536, 512, 1];
        kernel.sizes = image.sizes;
        Records.View memory bias = Records.plain(WEIGHTS, 2, 300);
        bytes memory record =
            bytes.concat(Records.pack(header), Records.pack(image), Records.pack(kernel), Records.pack(bias));
        _record("3x3x512 convolution", record, (1 * 14 + 2) * 64 + 1, "");
    }

    function test_gas_dense() public {
        _plant(128, 128);
        _mark(TRACE, 40, 1);
        _mark(WEIGHTS, 65, 1);
        _mark(WEIGHTS, 100, 1);
        Records.Header memory header = Records.header(1, 2, 3, 64);
        (header.mul, header.shift, header.lo, header.hi) = (12_345, 30, -2000, 2000);
        Records.View memory vector = Records.plain(TRACE, 2, 40);
        vector.flags = FACTOR;
        vector.strides[7] = 0;
        vector.steps[3] = 1;
        vector.sizes[3] = 64;
        Records.View memory matrix = Records.plain(WEIGHTS, 2, 60);
        matrix.strides[7] = 64;
        matrix.steps[3] = 1;
        matrix.sizes[3] = 64;
        Records.View memory bias = Records.plain(WEIGHTS, 2, 100);
        bytes memory record =
            bytes.concat(Records.pack(header), Records.pack(vector), Records.pack(matrix), Records.pack(bias));
        _record("64 products", record, 5, "");
    }

    function test_gas_table() public {
        _plant(128, 128);
        // element 77 of the tensor at leaf 30 is some byte, and so is its entry in a table of 256 bytes at leaf 80
        _mark(TRACE, 30, 1);
        int8 operand = int8(uint8(_forest[TRACE].leaves[30][77]));
        uint256 row = uint256(int256(operand) + 128);
        _mark(WEIGHTS, 80 + row / 128, 1);
        Records.Header memory header = Records.header(4, 1, 2, 100);
        (header.mul, header.lo, header.hi) = (256, -128, 1);
        Records.View memory table = Records.plain(WEIGHTS, 1, 80);
        table.strides[7] = 0;
        bytes memory record =
            bytes.concat(Records.pack(header), Records.pack(Records.plain(TRACE, 1, 30)), Records.pack(table));
        _record("table", record, 77, "");
    }

    /// @dev By the first element of leaf 90, or its opposite.
    function test_gas_floorDivide() public {
        _plant(128, 128);
        _mark(TRACE, 30, 1);
        _mark(TRACE, 90, 1);
        Records.Header memory header = Records.header(3, 2, 2, 60);
        Records.View memory divisor = Records.plain(TRACE, 2, 90);
        divisor.strides[7] = 0;
        if (uint8(_forest[TRACE].leaves[90][0]) > 127) divisor.coefficient = -1;
        bytes memory record =
            bytes.concat(Records.pack(header), Records.pack(Records.plain(TRACE, 4, 30)), Records.pack(divisor));
        _record("floor_divide", record, 7, "");
    }

    /// @dev 3 x 3 of 28 x 28 places with 64 channels of two bytes.
    function test_gas_maxPool() public {
        _plant(1024, 128);
        _mark(TRACE, 100, 3);
        _mark(TRACE, 128, 3);
        _mark(TRACE, 156, 3);
        Records.Header memory header = Records.header(6, 2, 1, 0);
        header.dims = [uint32(1), 1, 1, 1, 1, 28, 28, 64];
        header.cells = 28 * 28 * 64;
        Records.View memory image = Records.plain(TRACE, 2, 16);
        image.flags = 2;
        image.base = -29 * 64;
        image.strides = [int32(0), 0, 0, 0, 0, 28 * 64, 64, 1];
        image.steps = [int32(0), 0, 28 * 64, 64];
        image.sizes = [uint32(1), 1, 3, 3];
        image.guards = bytes.concat(Records.guard(5, 10, 1, 1, -1, 28), Records.guard(6, 11, 1, 1, -1, 28));
        _record("3x3 max pool", bytes.concat(Records.pack(header), Records.pack(image)), (4 * 28 + 1) * 64 + 9, "");
    }

    /// @dev The largest of 1,000 neighbouring elements of two bytes: what an element costs that is read by itself.
    function test_gas_largest() public {
        _plant(128, 128);
        _mark(TRACE, 32, 16);
        Records.Header memory header = Records.header(6, 2, 1, 1);
        Records.View memory vector = Records.plain(TRACE, 2, 32);
        vector.steps[3] = 1;
        vector.sizes[3] = 1000;
        bytes memory record = bytes.concat(Records.pack(header), Records.pack(vector));
        uint256 long = _record("largest of 1,000", record, 0, "");
        vector.sizes[3] = 500;
        uint256 short = _record("largest of 500", bytes.concat(Records.pack(header), Records.pack(vector)), 0, "");
        vm.snapshotValue("OneStep", "an element of a maximum", (long - short) / 500);
        vm.assertLt((long - short) / 500, 150);
    }

    /// @dev Trees of these many leaves, which are the beginning of larger ones.
    function _plant(uint256 trace, uint256 weights) private {
        OpenedTree memory tree = OpenedTrees.random(1, trace);
        _keep(TRACE, tree);
        tree = OpenedTrees.random(2, weights);
        _keep(WEIGHTS, tree);
    }

    function _keep(uint256 region, OpenedTree memory tree) private {
        _forest[region] = tree;
        _marked[region] = new bool[](tree.leaves.length);
    }

    function _mark(uint256 region, uint256 first, uint256 count) private {
        for (uint256 i = first; i < first + count; ++i) {
            _marked[region][i] = true;
        }
    }

    /// @dev The opening in a tree of the full depth, whose other nodes are anything, and that tree's root.
    function _open(uint256 region) private view returns (bytes memory opening, bytes32 root) {
        OpenedTree memory tree = _forest[region];
        if (tree.leaves.length == 0) return (hex"0000", bytes32(0));
        opening = tree.open(_marked[region], 0);
        root = tree.root();
        if (bytes2(opening) == 0) return (opening, root);
        for (uint256 height = tree.depth(); height < DEPTH; ++height) {
            bytes32 sibling = keccak256(abi.encode(region, height));
            opening = bytes.concat(opening, sibling);
            root = keccak256(bytes.concat(hex"01", root, sibling));
        }
    }

    function _record(string memory name, bytes memory record, uint256 cell, bytes memory place)
        private
        returns (uint256 execution)
    {
        bytes memory operands;
        Trees memory trees;
        for (uint256 region = 0; region < 3; ++region) {
            bytes memory opening;
            (opening, trees.roots[region]) = _open(region);
            trees.depths[region] = DEPTH;
            operands = bytes.concat(operands, opening);
        }
        operands = bytes.concat(operands, place);
        uint256 bytes_ = abi.encodeCall(IOneStep.recompute, (record, cell, trees, operands)).length;
        (bool exists,) = _oneStep.recompute(record, cell, trees, operands);
        execution = vm.snapshotGasLastCall("OneStep", name);
        vm.assertTrue(exists);
        vm.snapshotValue("OneStep", string.concat(name, ", as a transaction"), 21_000 + 16 * bytes_ + execution);
    }
}
