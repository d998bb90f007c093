// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Bounds} from "../src/libraries/Bounds.sol";
import {InputTree} from "../src/libraries/InputTree.sol";
import {Headers} from "./support/Headers.sol";
import {ReferenceTree} from "./support/ReferenceTree.sol";
import {Test} from "./support/Test.sol";

contract InputTreeTest is Test {
    function commitment(bytes memory header, int256[] calldata values) external pure returns (bytes32) {
        return InputTree.commitment(header, values);
    }

    function test_commitment_gas() public {
        bytes memory header = Headers.vectors(64, 0, 4095, 1, 0, 1);
        this.commitment(header, _ramp(64, 0));
        vm.snapshotGasLastCall("InputTree", "commitment, 64 values of 16 bits");
    }

    /// @dev The tree of one leaf is the leaf.
    function test_commitment_oneLeaf() public view {
        int256[] memory values = new int256[](3);
        (values[0], values[1], values[2]) = (int256(1), -1, -128);
        bytes memory header = Headers.vectors(3, -128, 127, 1, 0, 1);
        bytes32 expected = keccak256(abi.encodePacked(hex"00", hex"01ff80", new bytes(125)));
        vm.assertEq(this.commitment(header, values), expected);
    }

    /// @dev Three leaves of 64-bit integers and one leaf of zeros.
    function test_commitment_padsToPowerOfTwo() public view {
        bytes memory header = Headers.vectors(33, type(int64).min, type(int64).max, 1, 0, 1);
        int256[] memory values = _ramp(33, -5);
        bytes memory packed;
        for (uint256 i = 0; i < 33; ++i) {
            packed = abi.encodePacked(packed, int64(values[i]));
        }
        packed = abi.encodePacked(packed, new bytes(512 - packed.length));
        bytes32[4] memory leaves;
        for (uint256 i = 0; i < 4; ++i) {
            leaves[i] = keccak256(abi.encodePacked(uint8(0), ReferenceTree.slice(packed, 128 * i, 128)));
        }
        bytes32 left = keccak256(abi.encodePacked(uint8(1), leaves[0], leaves[1]));
        bytes32 right = keccak256(abi.encodePacked(uint8(1), leaves[2], leaves[3]));
        vm.assertEq(this.commitment(header, values), keccak256(abi.encodePacked(uint8(1), left, right)));
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_commitment_equalsReference(uint256 seed, uint32 firstSize, uint32 secondSize) public view {
        Headers.Tensor[] memory inputs = new Headers.Tensor[](2);
        inputs[0] = _tensor(seed, uint32(bound(uint256(firstSize), 1, 200)));
        inputs[1] = _tensor(seed >> 16, uint32(bound(uint256(secondSize), 1, 200)));
        uint256 count = inputs[0].shape[0] + inputs[1].shape[0];
        int256[] memory values = new int256[](count);
        for (uint256 i = 0; i < count; ++i) {
            Headers.Tensor memory tensor = inputs[i < inputs[0].shape[0] ? 0 : 1];
            int256 random = int256(uint256(keccak256(abi.encode(seed, i))));
            values[i] = bound(random, tensor.lo, tensor.hi);
        }
        vm.assertEq(this.commitment(Headers.build(inputs, inputs), values), ReferenceTree.inputRoot(inputs, values));
    }

    function testFuzz_commitment_bindsEveryValue(uint256 index, int256 value) public view {
        bytes memory header = Headers.vectors(150, -1000, 1000, 1, 0, 1);
        int256[] memory values = _ramp(150, -75);
        bytes32 root = this.commitment(header, values);
        index = bound(index, 0, 149);
        value = bound(value, -1000, 1000);
        vm.assume(values[index] != value);
        values[index] = value;
        vm.assertNotEq(this.commitment(header, values), root);
    }

    function testFuzz_commitment_refusesOutOfBounds(uint256 index, int256 value) public {
        bytes memory header = Headers.vectors(100, -5, 300, 1, 0, 1);
        int256[] memory values = _ramp(100, 0);
        index = bound(index, 0, 99);
        vm.assume(value < -5 || value > 300);
        values[index] = value;
        vm.expectRevert(abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, index, value, -5, 300));
        this.commitment(header, values);
    }

    /// @dev What the width would cut off does not slip through: 2^16 + 1 packs to the same bytes as 1.
    function test_commitment_refusesWrappedValue() public {
        bytes memory header = Headers.vectors(1, 0, 1000, 1, 0, 1);
        int256[] memory values = _ramp(1, 65_537);
        vm.expectRevert(abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, 0, 65_537, 0, 1000));
        this.commitment(header, values);
    }

    function testFuzz_commitment_refusesWrongCount(uint256 count) public {
        count = bound(count, 0, 200);
        vm.assume(count != 100);
        bytes memory header = Headers.vectors(100, -5, 300, 1, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(Bounds.WrongElementCount.selector, 100, count));
        this.commitment(header, _ramp(count, 0));
    }

    function test_commitment_refusesLargeInput() public {
        uint32 most = 512 * 16;
        bytes memory header = Headers.vectors(most, 0, type(int64).max, 1, 0, 1);
        this.commitment(header, _ramp(most, 0));
        header = Headers.vectors(most + 1, 0, type(int64).max, 1, 0, 1);
        int256[] memory values = _ramp(most + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(InputTree.InputTooLarge.selector, 513, 512));
        this.commitment(header, values);
    }

    function _tensor(uint256 seed, uint32 size) private pure returns (Headers.Tensor memory) {
        int64 lo = int64(int256(seed << 192) >> (192 + seed % 64));
        int64 hi = int64(int256(seed << 128) >> (192 + (seed >> 6) % 64));
        return lo < hi ? Headers.vector(size, lo, hi) : Headers.vector(size, hi, lo);
    }

    function _ramp(uint256 count, int256 first) private pure returns (int256[] memory values) {
        values = new int256[](count);
        for (uint256 i = 0; i < count; ++i) {
            values[i] = first + int256(i);
        }
    }
}
