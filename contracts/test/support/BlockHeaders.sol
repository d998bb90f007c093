// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Headers of blocks, put together byte by byte: all that is in them is made up but what is given.
library BlockHeaders {
    /// @notice A header as of Prague, of 21 fields.
    function build(uint256 number, bytes32 prevRandao) internal pure returns (bytes memory) {
        return build(number, prevRandao, "built", 6);
    }

    /// @param extraData Not a single one below 0x80.
    /// @param later How many fields there are after the nonce.
    function build(uint256 number, bytes32 prevRandao, bytes memory extraData, uint256 later)
        internal
        pure
        returns (bytes memory)
    {
        bytes memory hashes = abi.encodePacked(
            _word("parent"), _word("ommers"), uint8(0x94), bytes20("coinbase"), _word("state"), _word("transactions")
        );
        bytes memory counters = abi.encodePacked(
            uint8(0x80), // difficulty
            _number(number),
            hex"84039386c7", // gas limit
            hex"80", // gas used
            hex"846842cafe" // time
        );
        bytes memory fields = abi.encodePacked(
            hashes,
            _word("receipts"),
            hex"b90100", // 256 bytes
            new bytes(256),
            counters,
            _text(extraData),
            uint8(0xa0),
            prevRandao,
            hex"880000000000000000" // nonce
        );
        for (uint256 i = 0; i < later; ++i) {
            fields = abi.encodePacked(fields, i % 2 == 0 ? bytes(hex"843b9aca00") : _word("later"));
        }
        assert(fields.length > 255 && fields.length < 65_536);
        return abi.encodePacked(uint8(0xf9), uint16(fields.length), fields);
    }

    function _word(string memory text) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(0xa0), keccak256(bytes(text)));
    }

    function _text(bytes memory text) private pure returns (bytes memory) {
        if (text.length < 56) return abi.encodePacked(uint8(0x80 + text.length), text);
        if (text.length < 256) return abi.encodePacked(hex"b8", uint8(text.length), text);
        return abi.encodePacked(hex"b9", uint16(text.length), text);
    }

    /// @dev Without leading zeros.
    function _number(uint256 value) private pure returns (bytes memory) {
        assert(value > 127 && value < 65_536);
        return value < 256 ? abi.encodePacked(hex"81", uint8(value)) : abi.encodePacked(hex"82", uint16(value));
    }
}
