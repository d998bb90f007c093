// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Reads lists of signed 256-bit words in calldata, admitting one encoding only of each list.
library SignedWords {
    error OutputEncodingMalformed();
    error WordsMissing(uint256 expectedBytes, uint256 actualBytes);

    /// @notice The list that `encoded` holds as `abi.encode(int256[])`. Unlike `abi.decode`, this refuses trailing
    /// bytes and unusual offsets: an output is one sequence of bytes, so that its hash can stand for it.
    function decode(bytes calldata encoded) internal pure returns (int256[] calldata values) {
        if (encoded.length < 64) revert OutputEncodingMalformed();
        uint256 offset = uint256(bytes32(encoded[:32]));
        uint256 count = uint256(bytes32(encoded[32:64]));
        // The count is bounded first, so that the product cannot overflow.
        if (offset != 32 || count > encoded.length || encoded.length != 64 + 32 * count) {
            revert OutputEncodingMalformed();
        }
        assembly ("memory-safe") {
            values.offset := add(encoded.offset, 64)
            values.length := count
        }
    }

    /// @notice Splits `data` into its first `count` words and the bytes that follow them.
    function split(bytes calldata data, uint256 count)
        internal
        pure
        returns (int256[] calldata values, bytes calldata rest)
    {
        if (data.length / 32 < count) revert WordsMissing(32 * count, data.length);
        rest = data[32 * count:];
        assembly ("memory-safe") {
            values.offset := data.offset
            values.length := count
        }
    }
}
