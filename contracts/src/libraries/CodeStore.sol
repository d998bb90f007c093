// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Keeps bytes that never change as the code of an account: 200 gas a byte to write and one cold account
/// access to read, where storage takes 22,100 and 2,100 gas a word.
library CodeStore {
    /// @notice EIP-170 allows 24,576 bytes of code, the first of which is a STOP.
    uint256 internal constant MAX_BYTES = 24_575;

    error RecordTooLarge(uint256 size, uint256 maximum);
    error RecordNotStored();

    /// @notice Stores `data` and returns the account that holds it.
    function write(bytes memory data) internal returns (address pointer) {
        if (data.length > MAX_BYTES) revert RecordTooLarge(data.length, MAX_BYTES);
        // PUSH2 size DUP1 PUSH1 10 PUSH0 CODECOPY PUSH0 RETURN, then the code: a STOP, so that a call to the account
        // does nothing, and the data.
        bytes memory creation = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff3", hex"00", data);
        assembly ("memory-safe") {
            pointer := create(0, add(creation, 32), mload(creation))
        }
        if (pointer == address(0)) revert RecordNotStored();
    }

    /// @notice The bytes that `write` stored at `pointer`.
    function read(address pointer) internal view returns (bytes memory data) {
        uint256 size = pointer.code.length - 1;
        data = new bytes(size);
        assembly ("memory-safe") {
            extcodecopy(pointer, add(data, 32), 1, size)
        }
    }
}
