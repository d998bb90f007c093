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
        bytes memory creation = _creation(data);
        assembly ("memory-safe") {
            pointer := create(0, add(creation, 32), mload(creation))
        }
        if (pointer == address(0)) revert RecordNotStored();
    }

    /// @notice Like `write`, at an address that follows from the calling contract and `data`. If the account is there
    /// already, it is returned as it is: what stands at that address holds `data`.
    function writeOnce(bytes memory data) internal returns (address pointer) {
        bytes memory creation = _creation(data);
        bytes32 digest = keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(creation)));
        pointer = address(uint160(uint256(digest)));
        if (pointer.code.length != 0) return pointer;
        assembly ("memory-safe") {
            pointer := create2(0, add(creation, 32), mload(creation), 0)
        }
        if (pointer == address(0)) revert RecordNotStored();
    }

    /// @notice The bytes that `write` or `writeOnce` stored at `pointer`.
    function read(address pointer) internal view returns (bytes memory data) {
        uint256 size = pointer.code.length - 1;
        data = new bytes(size);
        assembly ("memory-safe") {
            extcodecopy(pointer, add(data, 32), 1, size)
        }
    }

    /// @dev PUSH2 size DUP1 PUSH1 10 PUSH0 CODECOPY PUSH0 RETURN, then the code: a STOP, so that a call to the account
    /// does nothing, and the data.
    function _creation(bytes memory data) private pure returns (bytes memory) {
        if (data.length > MAX_BYTES) revert RecordTooLarge(data.length, MAX_BYTES);
        return abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff3", hex"00", data);
    }
}
