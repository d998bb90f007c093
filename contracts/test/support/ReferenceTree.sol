// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Headers} from "./Headers.sol";

/// @notice The input tree written as its definition reads, byte by byte and level by level.
library ReferenceTree {
    function inputRoot(Headers.Tensor[] memory inputs, int256[] memory values) internal pure returns (bytes32) {
        bytes memory packed;
        uint256 next = 0;
        for (uint256 i = 0; i < inputs.length; ++i) {
            uint256 width = Headers.width(inputs[i]);
            for (uint256 j = 0; j < Headers.count(inputs[i]); ++j) {
                bytes memory word = abi.encode(values[next++]);
                packed = bytes.concat(packed, slice(word, 32 - width, width));
            }
            packed = bytes.concat(packed, new bytes((128 - packed.length % 128) % 128));
        }

        uint256 leaves = 1;
        while (leaves * 128 < packed.length) leaves *= 2;
        packed = bytes.concat(packed, new bytes(leaves * 128 - packed.length));
        bytes32[] memory level = new bytes32[](leaves);
        for (uint256 i = 0; i < leaves; ++i) {
            level[i] = keccak256(bytes.concat(hex"00", slice(packed, 128 * i, 128)));
        }
        while (level.length > 1) {
            bytes32[] memory above = new bytes32[](level.length / 2);
            for (uint256 i = 0; i < above.length; ++i) {
                above[i] = keccak256(bytes.concat(hex"01", level[2 * i], level[2 * i + 1]));
            }
            level = above;
        }
        return level[0];
    }

    function slice(bytes memory data, uint256 start, uint256 length) internal pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            part[i] = data[start + i];
        }
    }
}
