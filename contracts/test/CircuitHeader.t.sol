// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CircuitHeader} from "../src/libraries/CircuitHeader.sol";
import {Port} from "../src/types/Port.sol";
import {Headers} from "./support/Headers.sol";
import {Test} from "./support/Test.sol";

contract CircuitHeaderTest is Test {
    uint256 private constant FIRST_PORT = 38;
    uint256 private constant SECOND_PORT = FIRST_PORT + 72;

    bytes private header;

    function setUp() public {
        header = Headers.vectors(64, 0, 255, 10, -40_000, 70_000);
    }

    function validate(bytes memory data) external pure {
        CircuitHeader.validate(data);
    }

    function test_validate_gas() public {
        this.validate(header);
        vm.snapshotGasLastCall("CircuitHeader", "validate, two ports");
    }

    function test_accessors() public view {
        vm.assertEq(CircuitHeader.inputCount(header), 1);
        vm.assertEq(CircuitHeader.outputCount(header), 1);
        Port input = CircuitHeader.port(header, 0);
        vm.assertEq(input.lo(), 0);
        vm.assertEq(input.hi(), 255);
        vm.assertEq(input.offset(), 0);
        vm.assertEq(input.elements(), 64);
        vm.assertEq(input.width(), 2);
        Port output = CircuitHeader.port(header, 1);
        vm.assertEq(output.lo(), -40_000);
        vm.assertEq(output.hi(), 70_000);
        vm.assertEq(output.width(), 4);
        vm.assertEq(CircuitHeader.elementsOf(header, 0, 2), 74);
    }

    function testFuzz_validate_acceptsWellFormed(uint256 seed) public view {
        this.validate(_random(seed));
    }

    /// @dev Every reading of an accepted header must be what was written into it.
    function testFuzz_accessors_readWhatWasWritten(uint32 size, int64 a, int64 b) public pure {
        (int64 lo, int64 hi) = a < b ? (a, b) : (b, a);
        vm.assume(size != 0);
        Port port = CircuitHeader.port(Headers.vectors(size, lo, hi, 1, 0, 0), 0);
        vm.assertEq(port.lo(), lo);
        vm.assertEq(port.hi(), hi);
        vm.assertEq(port.elements(), size);
        vm.assertEq(port.width(), Headers.width(Headers.vector(size, lo, hi)));
    }

    function testFuzz_validate_refusesOtherLengths(uint256 seed, uint256 length) public {
        bytes memory data = _random(seed);
        uint256 wanted = data.length;
        length = bound(length, 0, 2 * wanted);
        vm.assume(length != wanted);
        bytes memory other = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            other[i] = i < wanted ? data[i] : bytes1(0);
        }
        uint256 expected = length < 38 ? 38 : wanted;
        vm.expectRevert(abi.encodeWithSelector(CircuitHeader.HeaderLengthMismatch.selector, expected, length));
        this.validate(other);
    }

    /// @dev Bytes 0 to 13 but for the depths, and all of a port's entry but for its bounds, have one right value.
    function testFuzz_validate_refusesAlteredByte(uint256 position, bytes1 value) public view {
        position = bound(position, 0, header.length - 1);
        vm.assume(header[position] != value);
        // Leaf counts (18 to 33) and the op count (34 to 37) may move within their depth, the bounds of a port within
        // its width, and an output may name another op record.
        uint256 inPort = position < FIRST_PORT ? 0 : (position - FIRST_PORT) % 72;
        vm.assume(position < 18 || position >= FIRST_PORT);
        vm.assume(inPort < 40 || inPort >= 56);
        vm.assume(position != SECOND_PORT + 63);
        _requireRefused(Headers.replace(header, position, abi.encodePacked(value)));
    }

    /// @dev Random bytes behind a right beginning, of a right length, are never a header.
    function testFuzz_validate_refusesNoise(bytes32 seed) public view {
        bytes memory data = Headers.replace(header, 18, abi.encodePacked(seed));
        for (uint256 i = 0; i < 5; ++i) {
            data = Headers.replace(data, 22 + 32 * i, abi.encodePacked(keccak256(abi.encode(seed, i))));
        }
        _requireRefused(data);
    }

    function test_validate_magic() public {
        _expect(abi.encodeWithSelector(CircuitHeader.HeaderMagicMismatch.selector, bytes8("VERINFES")), 7, "S");
    }

    function test_validate_version() public {
        _expect(abi.encodeWithSelector(CircuitHeader.HeaderVersionUnknown.selector, 2), 9, hex"02");
    }

    function test_validate_reserved() public {
        _expect(abi.encodeWithSelector(CircuitHeader.HeaderReservedNotZero.selector, 13), 13, hex"01");
        bytes memory inFirst = abi.encodeWithSelector(CircuitHeader.HeaderReservedNotZero.selector, FIRST_PORT + 2);
        _expect(inFirst, FIRST_PORT + 2, hex"01");
        _expect(inFirst, FIRST_PORT + 7, hex"01");
    }

    function test_validate_depths() public {
        bytes4 selector = CircuitHeader.HeaderDepthMismatch.selector;
        _expect(abi.encodeWithSelector(selector, 5, 3, 4), 10, hex"04");
        _expect(abi.encodeWithSelector(selector, 9, 4, 3), 11, hex"03");
        _expect(abi.encodeWithSelector(selector, 3, 2, 1), 12, hex"01");
        _expect(abi.encodeWithSelector(selector, 4, 2, 3), 25, hex"04");
        this.validate(Headers.replace(header, 25, hex"08"));
        _expect(abi.encodeWithSelector(selector, type(uint64).max, 64, 3), 18, hex"ffffffffffffffff");
        this.validate(Headers.replace(Headers.replace(header, 18, hex"ffffffffffffffff"), 10, hex"40"));
    }

    /// @dev One leaf, or none, makes a tree of depth 0.
    function test_validate_smallestTrees() public view {
        bytes memory small = Headers.replace(header, 10, hex"0000");
        this.validate(Headers.replace(small, 18, abi.encodePacked(uint64(1), uint64(0))));
    }

    function test_validate_portCounts() public {
        bytes4 selector = CircuitHeader.HeaderWithoutPorts.selector;
        _expect(abi.encodeWithSelector(selector, 0, 1), 15, hex"00");
        _expect(abi.encodeWithSelector(selector, 1, 0), 17, hex"00");
        _expect(
            abi.encodeWithSelector(CircuitHeader.HeaderLengthMismatch.selector, 38 + 72 * (65_535 + 1), header.length),
            14,
            hex"ffff"
        );
    }

    function test_validate_rank() public {
        _expect(abi.encodeWithSelector(CircuitHeader.PortRankTooHigh.selector, 0, 9), FIRST_PORT, hex"09");
        _expect(abi.encodeWithSelector(CircuitHeader.PortShapeMalformed.selector, 0, 1), FIRST_PORT, hex"02");
        _expect(abi.encodeWithSelector(CircuitHeader.PortShapeMalformed.selector, 1, 0), SECOND_PORT, hex"00");
    }

    function test_validate_scalar() public view {
        Headers.Tensor[] memory scalar = new Headers.Tensor[](1);
        scalar[0] = Headers.Tensor(new uint32[](0), -1, 1);
        this.validate(Headers.build(scalar, scalar));
    }

    function test_validate_emptyDimension() public {
        bytes memory empty = Headers.replace(header, FIRST_PORT + 64, new bytes(8));
        empty = Headers.replace(empty, FIRST_PORT + 8, new bytes(4));
        vm.expectRevert(abi.encodeWithSelector(CircuitHeader.PortShapeMalformed.selector, 0, 0));
        this.validate(empty);
    }

    function test_validate_bounds() public {
        bytes memory bounds = abi.encodePacked(int64(1), int64(0));
        _expect(abi.encodeWithSelector(CircuitHeader.PortBoundEmpty.selector, 0, 1, 0), FIRST_PORT + 40, bounds);
        bounds = abi.encodePacked(type(int64).max, type(int64).min);
        _expect(
            abi.encodeWithSelector(CircuitHeader.PortBoundEmpty.selector, 1, type(int64).max, type(int64).min),
            SECOND_PORT + 40,
            bounds
        );
    }

    function test_validate_width() public {
        bytes4 selector = CircuitHeader.PortWidthMismatch.selector;
        _expect(abi.encodeWithSelector(selector, 0, 2, 1), FIRST_PORT + 1, hex"01");
        _expect(abi.encodeWithSelector(selector, 0, 2, 4), FIRST_PORT + 1, hex"04");
        bytes memory narrow = abi.encodePacked(int64(-128), int64(127));
        _expect(abi.encodeWithSelector(selector, 0, 1, 2), FIRST_PORT + 40, narrow);
        bytes memory wide = abi.encodePacked(int64(-2 ** 31 - 1), int64(0));
        _expect(abi.encodeWithSelector(selector, 0, 8, 2), FIRST_PORT + 40, wide);
    }

    function test_validate_offsets() public {
        bytes4 selector = CircuitHeader.PortOffsetMismatch.selector;
        _expect(abi.encodeWithSelector(selector, 0, 0, 1), FIRST_PORT + 63, hex"01");
        _expect(abi.encodeWithSelector(selector, 1, 3, 3), SECOND_PORT + 63, hex"03");
        this.validate(Headers.replace(header, SECOND_PORT + 63, hex"02"));
    }

    /// @dev Each input starts on the leaf after the last one of the input before it.
    function test_validate_offsetsOfSeveralInputs() public {
        Headers.Tensor[] memory inputs = new Headers.Tensor[](3);
        inputs[0] = Headers.vector(128, 0, 1);
        inputs[1] = Headers.vector(65, 0, 200);
        inputs[2] = Headers.vector(1, 0, 1);
        bytes memory several = Headers.build(inputs, inputs);
        this.validate(several);
        vm.assertEq(CircuitHeader.port(several, 1).offset(), 1);
        vm.assertEq(CircuitHeader.port(several, 2).offset(), 3);
        several[FIRST_PORT + 2 * 72 + 63] = 0x02;
        vm.expectRevert(abi.encodeWithSelector(CircuitHeader.PortOffsetMismatch.selector, 2, 3, 2));
        this.validate(several);
    }

    function test_validate_elements() public {
        bytes4 selector = CircuitHeader.PortElementsMismatch.selector;
        _expect(abi.encodeWithSelector(selector, 0, 64, 65), FIRST_PORT + 71, hex"41");
        // 2^32 * 2^32 elements do not pass for 2^64 mod 2^64 = 0.
        uint32[] memory shape = new uint32[](8);
        for (uint256 i = 0; i < 8; ++i) {
            shape[i] = 2 ** 31;
        }
        bytes memory huge = Headers.replace(header, FIRST_PORT, hex"08");
        for (uint256 i = 0; i < 8; ++i) {
            huge = Headers.replace(huge, FIRST_PORT + 8 + 4 * i, abi.encodePacked(shape[i]));
        }
        huge = Headers.replace(huge, FIRST_PORT + 64, new bytes(8));
        vm.expectRevert(abi.encodeWithSelector(selector, 0, 2 ** 248, 0));
        this.validate(huge);
    }

    function _expect(bytes memory error_, uint256 position, bytes memory value) private {
        vm.expectRevert(error_);
        this.validate(Headers.replace(header, position, value));
    }

    function _requireRefused(bytes memory data) private view {
        (bool accepted,) = address(this).staticcall(abi.encodeCall(this.validate, (data)));
        vm.assertFalse(accepted);
    }

    /// @dev A well-formed header of 1 to 3 inputs and 1 to 2 outputs of any shape and bound.
    function _random(uint256 seed) private pure returns (bytes memory) {
        Headers.Tensor[] memory inputs = new Headers.Tensor[](1 + seed % 3);
        Headers.Tensor[] memory outputs = new Headers.Tensor[](1 + (seed >> 8) % 2);
        for (uint256 i = 0; i < inputs.length; ++i) {
            inputs[i] = _randomTensor(uint256(keccak256(abi.encode(seed, i))));
        }
        for (uint256 i = 0; i < outputs.length; ++i) {
            outputs[i] = _randomTensor(uint256(keccak256(abi.encode(seed, "output", i))));
        }
        return Headers.build(inputs, outputs);
    }

    function _randomTensor(uint256 seed) private pure returns (Headers.Tensor memory tensor) {
        tensor.shape = new uint32[](seed % 9);
        for (uint256 i = 0; i < tensor.shape.length; ++i) {
            tensor.shape[i] = uint32(1 + (seed >> (8 + 7 * i)) % 100);
        }
        int64 a = int64(int256(seed) >> (192 + (seed >> 96) % 64));
        int64 b = int64(int256(seed << 64) >> (192 + (seed >> 104) % 64));
        (tensor.lo, tensor.hi) = a < b ? (a, b) : (b, a);
    }
}
