// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {BlockMix} from "../src/libraries/BlockMix.sol";
import {BlockHeaders} from "./support/BlockHeaders.sol";
import {Test} from "./support/Test.sol";

contract BlockMixTest is Test {
    bytes32 private constant MIX = bytes32(uint256(0xff << 248 | 7));

    function read(bytes calldata header) external pure returns (bytes32) {
        return BlockMix.prevRandao(header);
    }

    /// @dev The first block of Ethereum's main chain, whose hash is well known, and whose mix is zero.
    function test_prevRandao_ofTheFirstBlock() public view {
        bytes memory header = bytes.concat(
            hex"f90214a00000000000000000000000000000000000000000000000000000000000000000",
            hex"a01dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
            hex"940000000000000000000000000000000000000000",
            hex"a0d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
            hex"a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
            hex"a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421b90100",
            new bytes(256),
            hex"8504000000008082138880", // difficulty, number, gas limit, gas used
            hex"80a011bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
            hex"a00000000000000000000000000000000000000000000000000000000000000000880000000000000042"
        );
        vm.assertEq(keccak256(header), 0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3);
        vm.assertEq(this.read(header), bytes32(0));
    }

    /// @dev Whatever the length of the extra data, as another reader has it.
    function test_prevRandao_asAnotherReader(bytes32 mix, uint8 later) public view {
        uint256[9] memory lengths = [uint256(0), 1, 2, 32, 55, 56, 97, 255, 256];
        for (uint256 i = 0; i < 9; ++i) {
            bytes memory extraData = new bytes(lengths[i]);
            if (extraData.length == 1) extraData[0] = 0x80;
            bytes memory header = BlockHeaders.build(1000, mix, extraData, later % 12);
            vm.assertEq(this.read(header), mix);
            vm.assertEq(BlockHeader.getPrevRandao(header), mix);
        }
    }

    /// @dev However it is cut, or whatever one of its prefixes is.
    function test_prevRandao_refusesWhatIsMalformed() public {
        bytes memory header = BlockHeaders.build(1000, MIX, "", 0);
        for (uint256 length = 0; length < header.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                cut[i] = header[i];
            }
            _refuse(cut);
            if (length < 3) continue;
            // With the length of the list put right, it ends within the field, or before it.
            (cut[1], cut[2]) = (bytes1(uint8((length - 3) >> 8)), bytes1(uint8(length - 3)));
            if (length < header.length - 9) _refuse(cut);
        }
        _refuse(bytes.concat(header, hex"00"));
        bytes1[3] memory prefixes = [bytes1(0xba), 0xc0, 0xf9]; // too long a text, and lists
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory other = bytes.concat(header);
            other[3] = prefixes[i];
            _refuse(other);
        }
        bytes memory short = bytes.concat(header);
        short[header.length - 42] = 0x9f; // a mix of 31 bytes
        _refuse(short);
        header[0] = 0xf8;
        _refuse(header);
    }

    function _refuse(bytes memory header) private {
        vm.expectRevert(BlockMix.MalformedHeader.selector);
        this.read(header);
    }
}
