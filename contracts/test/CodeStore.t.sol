// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CodeStore} from "../src/libraries/CodeStore.sol";
import {Test} from "./support/Test.sol";

contract CodeStoreTest is Test {
    function write(bytes memory data) external returns (address) {
        return CodeStore.write(data);
    }

    function writeOnce(bytes memory data) external returns (address) {
        return CodeStore.writeOnce(data);
    }

    function testFuzz_read_invertsWrite(bytes memory data) public {
        address pointer = this.write(data);
        vm.assertEq(CodeStore.read(pointer), data);
        vm.assertEq(pointer.code, abi.encodePacked(hex"00", data));
    }

    /// @dev Whatever is stored, a call runs none of it.
    function testFuzz_call_doesNothing(bytes memory data, bytes memory call_) public {
        (bool success, bytes memory result) = this.write(data).call(call_);
        vm.assertTrue(success);
        vm.assertEq(result.length, 0);
    }

    /// @dev The address is known before: CREATE2 by this contract with salt 0.
    function testFuzz_writeOnce_address(bytes memory data, bytes memory other) public {
        vm.assume(keccak256(data) != keccak256(other));
        bytes memory creation = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff300", data);
        bytes32 digest = keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(creation)));
        address pointer = this.writeOnce(data);
        vm.assertEq(pointer, address(uint160(uint256(digest))));
        vm.assertEq(pointer.code, abi.encodePacked(hex"00", data));
        vm.assertTrue(this.writeOnce(other) != pointer);
    }

    function testFuzz_writeOnce_again(bytes memory data) public {
        address pointer = this.writeOnce(data);
        uint256 before = gasleft();
        vm.assertEq(this.writeOnce(data), pointer);
        vm.assertLt(before - gasleft(), 30_000 + 100 * data.length);
        vm.assertEq(CodeStore.read(pointer), data);
    }

    /// @dev A creation that runs out of gas leaves nothing, and can be repeated.
    function test_writeOnce_needsItsGas() public {
        bytes memory most = new bytes(CodeStore.MAX_BYTES);
        (bool success,) = address(this).call{gas: 3_000_000}(abi.encodeCall(this.writeOnce, (most)));
        vm.assertFalse(success);
        vm.assertEq(CodeStore.read(this.writeOnce(most)), most);
    }

    function test_write_limits() public {
        bytes memory most = new bytes(CodeStore.MAX_BYTES);
        vm.assertEq(CodeStore.read(this.write(most)), most);
        bytes memory tooMuch = new bytes(CodeStore.MAX_BYTES + 1);
        vm.expectRevert(abi.encodeWithSelector(CodeStore.RecordTooLarge.selector, tooMuch.length, CodeStore.MAX_BYTES));
        this.write(tooMuch);
        vm.expectRevert(abi.encodeWithSelector(CodeStore.RecordTooLarge.selector, tooMuch.length, CodeStore.MAX_BYTES));
        this.writeOnce(tooMuch);
    }
}
