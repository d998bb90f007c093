// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {PackedOutputs} from "../src/libraries/PackedOutputs.sol";
import {Headers} from "./support/Headers.sol";
import {Test} from "./support/Test.sol";

/// @notice Outputs as claims name them, against outputs as words.
contract PackedOutputsTest is Test {
    function length(bytes memory header) external pure returns (uint256) {
        return PackedOutputs.length(header);
    }

    function toWords(bytes memory header, bytes calldata packed) external pure returns (bytes memory) {
        return PackedOutputs.toWords(header, packed);
    }

    function requireLength(bytes memory header, bytes calldata packed) external pure {
        PackedOutputs.requireLength(header, packed);
    }

    function test_gas() public {
        bytes memory header = Headers.vectors(1, 0, 1, 1000, -1000, 1000);
        this.toWords(header, new bytes(2000));
        vm.snapshotGasLastCall("PackedOutputs", "toWords, 1,000 values of 16 bits");
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_equalsWords(uint256 seed, uint8 sizes) public view {
        Headers.Tensor[] memory tensors = new Headers.Tensor[](3);
        for (uint256 i = 0; i < 3; ++i) {
            int64 hi = [int64(type(int8).max), type(int16).max, type(int32).max, type(int64).max][(seed >> (2 * i)) % 4];
            tensors[i] = Headers.vector(uint32(1 + (sizes >> (2 * i)) % 4 * 9), -hi - 1, hi);
        }
        bytes memory header = Headers.build(tensors, tensors);
        (int256[] memory values, bytes memory packed) = _values(seed, tensors);
        vm.assertEq(this.length(header), packed.length);
        vm.assertEq(this.toWords(header, packed), abi.encode(values));
        this.requireLength(header, packed);
    }

    function testFuzz_hasOneLength(uint16 size) public {
        bytes memory header = Headers.vectors(7, 0, 1000, 5, -1000, 1000);
        vm.assertEq(this.length(header), 10);
        if (size != 10) {
            vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongOutputLength.selector, 10, size));
            this.requireLength(header, new bytes(size));
        }
    }

    /// @dev Elements beyond the bound of their port pass: they are wrong outputs, no malformed ones.
    function test_takesAnyBytes() public view {
        int256[] memory values = new int256[](2);
        (values[0], values[1]) = (int256(-32768), 32767);
        vm.assertEq(this.toWords(Headers.vectors(1, 0, 1, 2, -200, 200), hex"80007fff"), abi.encode(values));
    }

    function _values(uint256 seed, Headers.Tensor[] memory tensors)
        private
        pure
        returns (int256[] memory values, bytes memory packed)
    {
        uint256 count;
        for (uint256 i = 0; i < tensors.length; ++i) {
            count += tensors[i].shape[0];
        }
        values = new int256[](count);
        uint256 next = 0;
        for (uint256 i = 0; i < tensors.length; ++i) {
            uint256 width = Headers.width(tensors[i]);
            for (uint256 k = 0; k < tensors[i].shape[0]; ++k) {
                int256 value = bound(int256(uint256(keccak256(abi.encode(seed, next)))), tensors[i].lo, tensors[i].hi);
                values[next++] = value;
                for (uint256 b = width; b > 0; --b) {
                    // forge-lint: disable-next-line(unsafe-typecast)
                    packed = bytes.concat(packed, bytes1(uint8(uint256(value) >> 8 * (b - 1))));
                }
            }
        }
    }
}
