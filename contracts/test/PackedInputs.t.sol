// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Bounds} from "../src/libraries/Bounds.sol";
import {CircuitHeader} from "../src/libraries/CircuitHeader.sol";
import {InputTree} from "../src/libraries/InputTree.sol";
import {PackedInputs} from "../src/libraries/PackedInputs.sol";
import {ScalarField} from "../src/libraries/ScalarField.sol";
import {Headers} from "./support/Headers.sol";
import {Test} from "./support/Test.sol";

/// @notice Inputs as the sumcheck tier takes them, packed, against inputs as words.
contract PackedInputsTest is Test {
    using CircuitHeader for bytes;

    function commitment(bytes memory header, int256[] calldata values) external pure returns (bytes32) {
        return InputTree.commitment(header, values);
    }

    function commitmentOfPacked(bytes memory header, bytes calldata packed) external pure returns (bytes32) {
        return InputTree.commitmentOfPacked(header, packed);
    }

    function embed(int256[] calldata values) external pure returns (uint256[] memory elements) {
        elements = new uint256[](values.length);
        ScalarField.embed(values, elements, 0);
    }

    function embedPacked(bytes memory header, bytes calldata packed) external pure returns (uint256[] memory elements) {
        elements = new uint256[](header.elementsOf(0, header.inputCount()));
        uint256 to;
        assembly ("memory-safe") {
            to := add(elements, 32)
        }
        PackedInputs.embed(header, packed, to);
    }

    /// @dev To memory that was touched before, as that behind a program is.
    function gasToEmbed(bytes memory header, bytes calldata packed) external view returns (uint256 spent) {
        uint256[] memory elements = new uint256[](header.elementsOf(0, header.inputCount()));
        uint256 to;
        assembly ("memory-safe") {
            to := add(elements, 32)
        }
        spent = gasleft();
        PackedInputs.embed(header, packed, to);
        spent -= gasleft();
    }

    function test_gas() public {
        bytes memory header = Headers.vectors(784, 0, 255, 1, 0, 1);
        bytes memory packed = new bytes(2 * 784);
        vm.snapshotValue("PackedInputs", "embed, 784 values of 16 bits", this.gasToEmbed(header, packed));
        this.commitmentOfPacked(header, packed);
        vm.snapshotGasLastCall("PackedInputs", "commitment, 784 values of 16 bits");
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_equalsWords(uint256 seed, uint32 firstSize, uint32 secondSize) public view {
        Headers.Tensor[] memory inputs = new Headers.Tensor[](2);
        inputs[0] = _tensor(seed, uint32(bound(uint256(firstSize), 1, 200)));
        inputs[1] = _tensor(seed >> 16, uint32(bound(uint256(secondSize), 1, 200)));
        bytes memory header = Headers.build(inputs, inputs);
        int256[] memory values = new int256[](inputs[0].shape[0] + inputs[1].shape[0]);
        bytes memory packed;
        for (uint256 i = 0; i < values.length; ++i) {
            Headers.Tensor memory tensor = inputs[i < inputs[0].shape[0] ? 0 : 1];
            int256 random = int256(uint256(keccak256(abi.encode(seed, i))));
            values[i] = bound(random, tensor.lo, tensor.hi);
            packed = bytes.concat(packed, _pack(values[i], Headers.width(tensor)));
        }
        vm.assertEq(abi.encode(this.embedPacked(header, packed)), abi.encode(this.embed(values)));
        vm.assertEq(this.commitmentOfPacked(header, packed), this.commitment(header, values));
    }

    /// @dev A width may hold more than the bound of its port.
    function testFuzz_refusesOutOfBounds(uint256 index, int16 value) public {
        bytes memory header = Headers.vectors(100, -5, 300, 1, 0, 1);
        index = bound(index, 0, 99);
        vm.assume(value < -5 || value > 300);
        bytes memory packed = new bytes(200);
        bytes memory word = _pack(value, 2);
        (packed[2 * index], packed[2 * index + 1]) = (word[0], word[1]);
        vm.expectRevert(abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, index, value, -5, 300));
        this.embedPacked(header, packed);
    }

    /// @dev Whatever the width and the place: at least one element is beyond the bound on either side, next to elements
    /// that are at its edges.
    function testFuzz_refusesOutOfBoundsOfEachWidth(uint256 seed, uint8 widthLog, uint8 size, uint256 index) public {
        uint256 bits = 8 << widthLog % 4;
        int256 most = int256(1 << (bits - 1)) - 1;
        // The bound leaves a value on either side, and takes all bits.
        int64 lo = int64(-1 - most + 1 + int256(seed % 5));
        int64 hi = int64(most - 1 - int256((seed >> 8) % 5));
        uint256 count = 1 + uint256(size) % 150;
        index %= count;
        bytes memory header = Headers.vectors(uint32(count), lo, hi, 1, 0, 1);
        bytes memory packed;
        for (uint256 i = 0; i < count; ++i) {
            packed = bytes.concat(packed, _pack((seed >> (i % 200)) % 2 == 0 ? lo : hi, bits / 8));
        }
        this.embedPacked(header, packed);
        int256[4] memory beyond = [int256(lo) - 1, int256(hi) + 1, -1 - most, most];
        int256 value = beyond[(seed >> 16) % 4];
        bytes memory word = _pack(value, bits / 8);
        for (uint256 i = 0; i < word.length; ++i) {
            packed[index * word.length + i] = word[i];
        }
        vm.expectRevert(abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, index, value, lo, hi));
        this.embedPacked(header, packed);
    }

    function _pack(int256 value, uint256 width) private pure returns (bytes memory packed) {
        packed = new bytes(width);
        for (uint256 i = 0; i < width; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            packed[i] = bytes1(uint8(uint256(value) >> 8 * (width - 1 - i)));
        }
    }

    function _tensor(uint256 seed, uint32 size) private pure returns (Headers.Tensor memory) {
        int64 lo = int64(int256(seed << 192) >> (192 + seed % 64));
        int64 hi = int64(int256(seed << 128) >> (192 + (seed >> 6) % 64));
        return lo < hi ? Headers.vector(size, lo, hi) : Headers.vector(size, hi, lo);
    }
}
