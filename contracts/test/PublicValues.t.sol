// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ScalarField} from "../src/libraries/ScalarField.sol";
import {SignedWords} from "../src/libraries/SignedWords.sol";
import {Test} from "./support/Test.sol";

contract SignedWordsTest is Test {
    function decode(bytes calldata encoded) external pure returns (int256[] memory) {
        return SignedWords.decode(encoded);
    }

    function split(bytes calldata data, uint256 count) external pure returns (int256[] memory, bytes memory) {
        return SignedWords.split(data, count);
    }

    function testFuzz_decode_invertsEncode(int256[] memory values) public view {
        int256[] memory decoded = this.decode(abi.encode(values));
        vm.assertEq(abi.encode(decoded), abi.encode(values));
    }

    function testFuzz_decode_refusesTrailingBytes(int256[] memory values, bytes memory tail) public {
        vm.assume(tail.length != 0);
        _requireMalformed(abi.encodePacked(abi.encode(values), tail));
    }

    function testFuzz_decode_refusesMissingBytes(int256[] memory values, uint256 length) public {
        bytes memory encoded = abi.encode(values);
        length = bound(length, 0, encoded.length - 1);
        assembly {
            mstore(encoded, length)
        }
        _requireMalformed(encoded);
    }

    /// @dev `abi.decode` reads the same list here.
    function testFuzz_decode_refusesFartherList(int256[] memory values) public {
        bytes memory encoded = abi.encodePacked(uint256(64), uint256(0), values.length, values);
        vm.assertEq(abi.encode(abi.decode(encoded, (int256[]))), abi.encode(values));
        _requireMalformed(encoded);
    }

    function testFuzz_decode_refusesOtherOffsetWord(uint256 offset, int256[] memory values) public {
        vm.assume(offset != 32);
        _requireMalformed(abi.encodePacked(offset, values.length, values));
    }

    function testFuzz_decode_refusesWrongCount(uint256 count) public {
        vm.assume(count != 2);
        _requireMalformed(abi.encode(uint256(32), count, int256(1), int256(2)));
    }

    /// @dev 64 + 32 * count is 128 mod 2^256.
    function test_decode_refusesOverflowingCount() public {
        _requireMalformed(abi.encode(uint256(32), uint256(2 ** 251 + 2), int256(1), int256(2)));
    }

    function testFuzz_split_invertsConcatenation(int256[] memory values, bytes memory tail) public view {
        (int256[] memory first, bytes memory rest) = this.split(abi.encodePacked(values, tail), values.length);
        vm.assertEq(abi.encode(first), abi.encode(values));
        vm.assertEq(rest, tail);
    }

    function testFuzz_split_refusesMissingWords(bytes memory data, uint256 count) public {
        count = bound(count, data.length / 32 + 1, type(uint256).max / 32);
        vm.expectRevert(abi.encodeWithSelector(SignedWords.WordsMissing.selector, 32 * count, data.length));
        this.split(data, count);
    }

    function _requireMalformed(bytes memory encoded) private {
        vm.expectRevert(SignedWords.OutputEncodingMalformed.selector);
        this.decode(encoded);
    }
}

contract ScalarFieldTest is Test {
    uint256 private constant P = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    function embed(int256[] calldata values, uint256 start) external pure returns (uint256[] memory elements) {
        elements = new uint256[](start + values.length);
        ScalarField.embed(values, elements, start);
    }

    function testFuzz_embed(int64 value, uint8 start) public view {
        int256[] memory values = new int256[](1);
        values[0] = value;
        uint256[] memory elements = this.embed(values, start);
        uint256 magnitude = uint256(value < 0 ? -int256(value) : int256(value));
        vm.assertEq(elements[start], value < 0 ? P - magnitude : magnitude);
        vm.assertLt(elements[start], P);
        for (uint256 i = 0; i < start; ++i) {
            vm.assertEq(elements[i], 0);
        }
    }

    function test_embed_corners() public view {
        int256[] memory values = new int256[](4);
        (values[0], values[1], values[2], values[3]) = (int256(0), -1, type(int64).min, type(int64).max);
        uint256[] memory elements = this.embed(values, 0);
        vm.assertEq(elements[0], 0);
        vm.assertEq(elements[1], P - 1);
        vm.assertEq(elements[2], P - 2 ** 63);
        vm.assertEq(elements[3], 2 ** 63 - 1);
    }
}
