// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The RANDAO value in a block's header
/// @notice Reads a header in RLP as far as field 13, prevRandao (mixHash before the merge), which all forks have there.
/// @dev For headers whose hash is known to be a block's: it does not check more than it has to walk over. A reader that
/// decodes all fields takes several times the gas.
library BlockMix {
    uint256 private constant PREV_RANDAO = 13;

    error MalformedHeader();

    /// @notice The RANDAO value of a header.
    function prevRandao(bytes calldata header) internal pure returns (bytes32) {
        // A list of 256 to 65,535 bytes: its logs' filter alone has 256.
        if (header.length < 3 || header[0] != 0xf9) revert MalformedHeader();
        if (uint16(bytes2(header[1:3])) != header.length - 3) revert MalformedHeader();
        uint256 offset = 3;
        for (uint256 i = 0; i < PREV_RANDAO; ++i) {
            if (offset >= header.length) revert MalformedHeader();
            uint256 prefix = uint8(header[offset]);
            if (prefix < 0x80) {
                offset += 1; // a byte that stands for itself
            } else if (prefix < 0xb8) {
                offset += prefix - 0x7f; // so many bytes after the prefix
            } else if (prefix == 0xb8 && offset + 1 < header.length) {
                offset += 2 + uint256(uint8(header[offset + 1])); // as the next byte says
            } else if (prefix == 0xb9 && offset + 2 < header.length) {
                offset += 3 + uint256(uint16(bytes2(header[offset + 1:offset + 3]))); // as the next two say
            } else {
                revert MalformedHeader();
            }
        }
        if (offset + 33 > header.length || header[offset] != 0xa0) revert MalformedHeader();
        return bytes32(header[offset + 1:offset + 33]);
    }
}
