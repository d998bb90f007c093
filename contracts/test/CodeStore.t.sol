// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CodeStore} from "../src/libraries/CodeStore.sol";
import {Test} from "./support/Test.sol";

contract CodeStoreTest is Test {
    function write(bytes memory data) external returns (address) {
        return CodeStore.write(data);
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

    function test_write_limits() public {
        bytes memory most = new bytes(CodeStore.MAX_BYTES);
        vm.assertEq(CodeStore.read(this.write(most)), most);
        bytes memory tooMuch = new bytes(CodeStore.MAX_BYTES + 1);
        vm.expectRevert(abi.encodeWithSelector(CodeStore.RecordTooLarge.selector, tooMuch.length, CodeStore.MAX_BYTES));
        this.write(tooMuch);
    }
}
