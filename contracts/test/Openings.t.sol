// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOneStep, Trees} from "../src/interfaces/IOneStep.sol";
import {Openings, Ranges} from "../src/optimistic/Openings.sol";
import {OpenedTree, OpenedTrees} from "./support/OpenedTree.sol";
import {Test} from "./support/Test.sol";

/// @notice Openings against a plain tree.
contract OpeningsTest is Test {
    /// @dev The number of table entries, a digest of what they say and point at, and how many bytes are left over.
    function opened(bytes calldata operands, Trees calldata trees)
        external
        pure
        returns (uint256[3] memory counts, bytes32[3] memory digests, uint256 left)
    {
        (Ranges[3] memory ranges, uint256 place) = Openings.open(operands, trees);
        for (uint256 region = 0; region < 3; ++region) {
            for (uint256 entry = ranges[region].begin; entry != ranges[region].end; entry += 96) {
                (uint256 first, uint256 size, uint256 distance) = (_word(entry), _word(entry + 32), _word(entry + 64));
                bytes memory data = new bytes(size);
                assembly ("memory-safe") {
                    calldatacopy(add(data, 32), add(first, distance), size)
                }
                if (size != 0) {
                    ++counts[region];
                    digests[region] = keccak256(abi.encode(digests[region], first, data));
                }
            }
        }
        assembly ("memory-safe") {
            left := sub(add(operands.offset, operands.length), place)
        }
    }

    /// forge-config: default.fuzz.runs = 200
    function testFuzz_open_equalsReference(uint256 seed, uint256[3] calldata chosen) public view {
        OpenedTree[3] memory forest = _forest(seed);
        bytes memory operands;
        for (uint256 region = 0; region < 3; ++region) {
            operands = bytes.concat(operands, forest[region].open(_marked(forest[region], chosen[region]), 0));
        }
        (uint256[3] memory counts, bytes32[3] memory digests, uint256 left) = this.opened(operands, _trees(forest));
        vm.assertEq(left, 0);
        for (uint256 region = 0; region < 3; ++region) {
            (uint256 count, bytes32 digest) = _expected(forest[region], _marked(forest[region], chosen[region]));
            vm.assertEq(counts[region], count);
            vm.assertEq(digests[region], digest);
        }
    }

    /// @dev Every leaf of every small tree, and every choice of leaves.
    function test_open_everyChoice() public view {
        OpenedTree[3] memory forest;
        for (uint256 depth = 0; depth <= 3; ++depth) {
            for (uint256 region = 0; region < 3; ++region) {
                forest[region] = OpenedTrees.random(region, 1 << depth);
            }
            for (uint256 chosen = 0; chosen < 1 << (1 << depth); ++chosen) {
                bytes memory opening = forest[1].open(_marked(forest[1], chosen), 0);
                (uint256[3] memory counts, bytes32[3] memory digests, uint256 left) =
                    this.opened(bytes.concat(hex"0000", opening, hex"0000"), _trees(forest));
                (uint256 count, bytes32 digest) = _expected(forest[1], _marked(forest[1], chosen));
                vm.assertEq(counts[1], count);
                vm.assertEq(digests[1], digest);
                vm.assertEq(left + counts[0] + counts[2], 0);
            }
        }
    }

    /// @dev Whatever bit is changed, it is refused, unless it says that nothing is opened: then the opening is left over.
    /// forge-config: default.fuzz.runs = 300
    function testFuzz_open_bindsEveryBit(uint256 seed, uint256 chosen, uint256 bit) public view {
        OpenedTree[3] memory forest = _forest(seed);
        bool[] memory marked = _marked(forest[0], chosen);
        bytes memory operands = bytes.concat(forest[0].open(marked, 0), hex"00000000");
        bit = bound(bit, 0, 8 * operands.length - 1);
        operands[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        Trees memory trees = _trees(forest);
        (bool accepted, bytes memory answer) = address(this).staticcall(abi.encodeCall(this.opened, (operands, trees)));
        if (accepted) {
            (uint256[3] memory counts,, uint256 left) = abi.decode(answer, (uint256[3], bytes32[3], uint256));
            vm.assertTrue(counts[0] == 0 && left != 0);
        } else {
            bytes4 selector = bytes4(answer);
            vm.assertTrue(
                selector == IOneStep.OpeningMalformed.selector || selector == IOneStep.OpeningMismatch.selector
            );
        }
    }

    /// forge-config: default.fuzz.runs = 100
    function testFuzz_open_refusesTruncated(uint256 seed, uint256 chosen, uint256 length) public view {
        OpenedTree[3] memory forest = _forest(seed);
        bytes memory operands = bytes.concat(forest[0].open(_marked(forest[0], chosen), 0), hex"00000000");
        length = bound(length, 0, operands.length - 1);
        assembly ("memory-safe") {
            mstore(operands, length)
        }
        Trees memory trees = _trees(forest);
        (bool accepted,) = address(this).staticcall(abi.encodeCall(this.opened, (operands, trees)));
        vm.assertFalse(accepted);
    }

    function testFuzz_open_leavesTheRest(bytes calldata rest) public view {
        OpenedTree[3] memory forest = _forest(7);
        bytes memory operands = bytes.concat(hex"0000", forest[1].open(_marked(forest[1], 3), 0), hex"0000", rest);
        (,, uint256 left) = this.opened(operands, _trees(forest));
        vm.assertEq(left, rest.length);
    }

    /// @dev Two ranges that touch or overlap, the wrong order, an empty one, one that leaves the tree.
    function test_open_refusesRanges() public {
        OpenedTree[3] memory forest;
        for (uint256 region = 0; region < 3; ++region) {
            forest[region] = OpenedTrees.random(region, 8);
        }
        _refuses(forest, hex"0002" hex"000000000000" hex"0001" hex"000000000001" hex"0001");
        _refuses(forest, hex"0002" hex"000000000000" hex"0002" hex"000000000001" hex"0001");
        _refuses(forest, hex"0002" hex"000000000004" hex"0001" hex"000000000001" hex"0001");
        _refuses(forest, hex"0002" hex"000000000001" hex"0001" hex"000000000001" hex"0001");
        _refuses(forest, hex"0001" hex"000000000000" hex"0000");
        _refuses(forest, hex"0001" hex"000000000008" hex"0001");
        _refuses(forest, hex"0001" hex"000000000007" hex"0002");
        _refuses(forest, hex"0001" hex"ffffffffffff" hex"0001");
        _refuses(forest, hex"0001" hex"000000000000" hex"ffff");
        _refuses(forest, hex"ffff");
        _refuses(forest, hex"");
    }

    /// @dev One leaf is its own root; nothing lies beside it.
    function test_open_depthZero() public {
        OpenedTree[3] memory forest;
        for (uint256 region = 0; region < 3; ++region) {
            forest[region] = OpenedTrees.random(region, 1);
        }
        bytes memory leaf = forest[0].leaves[0];
        (uint256[3] memory counts,,) =
            this.opened(bytes.concat(hex"00010000000000000001", leaf, hex"00000000"), _trees(forest));
        vm.assertEq(counts[0], 1);
        _refuses(forest, bytes.concat(hex"0001" hex"000000000001" hex"0001", leaf));
        _refuses(forest, bytes.concat(hex"0001" hex"000000000000" hex"0002", leaf, leaf));
    }

    function test_open_namesTheTree() public {
        OpenedTree[3] memory forest = _forest(11);
        forest[2] = OpenedTrees.random(1, 4);
        Trees memory trees = _trees(forest);
        bytes memory opening = forest[2].open(_marked(forest[2], 5), 0);
        trees.roots[2] = bytes32(uint256(1));
        vm.expectRevert(
            abi.encodeWithSelector(IOneStep.OpeningMismatch.selector, 2, bytes32(uint256(1)), forest[2].root())
        );
        this.opened(bytes.concat(hex"00000000", opening), trees);
    }

    /// @dev However long what follows is.
    function _refuses(OpenedTree[3] memory forest, bytes memory operands) private {
        Trees memory trees = _trees(forest);
        vm.expectRevert(IOneStep.OpeningMalformed.selector);
        this.opened(operands, trees);
        if (operands.length == 0) return;
        (bool accepted,) =
            address(this).staticcall(abi.encodeCall(this.opened, (bytes.concat(operands, new bytes(4096)), trees)));
        vm.assertFalse(accepted);
    }

    function _expected(OpenedTree memory tree, bool[] memory marked)
        private
        pure
        returns (uint256 count, bytes32 digest)
    {
        for (uint256 i = 0; i < marked.length; ++i) {
            if (!marked[i] || (i != 0 && marked[i - 1])) continue;
            bytes memory data;
            for (uint256 end = i; end < marked.length && marked[end]; ++end) {
                data = bytes.concat(data, tree.leaves[end]);
            }
            ++count;
            digest = keccak256(abi.encode(digest, 128 * i, data));
        }
    }

    function _forest(uint256 seed) private pure returns (OpenedTree[3] memory forest) {
        for (uint256 region = 0; region < 3; ++region) {
            uint256 depth = uint256(keccak256(abi.encode(seed, region))) % 7;
            forest[region] = OpenedTrees.random(seed ^ region, 1 << depth);
        }
    }

    function _trees(OpenedTree[3] memory forest) private pure returns (Trees memory trees) {
        for (uint256 region = 0; region < 3; ++region) {
            trees.roots[region] = forest[region].root();
            trees.depths[region] = forest[region].depth();
        }
    }

    function _marked(OpenedTree memory tree, uint256 chosen) private pure returns (bool[] memory marked) {
        marked = new bool[](tree.leaves.length);
        for (uint256 i = 0; i < marked.length; ++i) {
            marked[i] = (chosen >> i) & 1 == 1;
        }
    }

    function _word(uint256 pointer) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(pointer)
        }
    }
}
