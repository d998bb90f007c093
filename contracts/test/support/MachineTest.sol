// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Machine} from "../../src/sumcheck/Machine.sol";
import {FUNCTIONS, PROGRAM, STATE} from "../../src/sumcheck/Memory.sol";
import {Transcript} from "../../src/sumcheck/Transcript.sol";
import {Test} from "./Test.sol";

/// @notice Executes code of the machine on given words of memory.
contract MachineHarness {
    /// @dev The caller's words begin with word 300. Before them is the head of a program of one part, with [1]_2 for
    /// [tau]_2; behind them, the code.
    uint256 private constant FIRST = 32 * 300;
    uint256 private constant CODE = 32 * 8000;

    /// @notice Executes `code` on the words `words`, the first of which is word 300, and ends as it does.
    function run(bytes calldata code, uint256[] calldata words) external view {
        _begin(code, words);
        Machine.run(CODE);
    }

    /// @notice The gas of a call of `run`.
    function gasOf(bytes calldata code, uint256[] calldata words) external view returns (uint256) {
        uint256 before = gasleft();
        this.run(code, words);
        return before - gasleft();
    }

    /// @notice Executes `code`, without END.
    /// @return results The `count` words from word `out` on.
    /// @return state The transcript's state.
    function execute(bytes calldata code, uint256[] calldata words, uint256 out, uint256 count)
        external
        view
        returns (uint256[] memory results, bytes32 state)
    {
        _begin(code, words);
        for (uint256 ip = CODE; ip < CODE + code.length;) {
            function(uint256) view returns (uint256) instruction;
            assembly {
                instruction := shr(240, mload(add(FUNCTIONS, shl(1, add(1, byte(0, mload(ip)))))))
            }
            ip = instruction(ip);
        }
        assembly {
            state := mload(STATE)
            mstore(0x40, add(CODE, 0x8000))
        }
        results = new uint256[](count);
        assembly {
            mcopy(add(results, 0x20), mul(out, 32), mul(count, 32))
        }
    }

    function _begin(bytes calldata code, uint256[] calldata words) private pure {
        Transcript.begin();
        Machine.begin();
        assembly {
            mstore(add(CODE, 0x8000), 0)
            mstore(PROGRAM, shl(160, 1))
            mstore(add(PROGRAM, 0x40), 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2)
            mstore(add(PROGRAM, 0x60), 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed)
            mstore(add(PROGRAM, 0x80), 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b)
            mstore(add(PROGRAM, 0xa0), 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
            calldatacopy(FIRST, words.offset, mul(words.length, 32))
            calldatacopy(CODE, code.offset, code.length)
        }
    }
}

/// @notice Base of the tests of instructions. Word 300 is 0, so that words 300 and 301 are the point at infinity.
abstract contract MachineTest is Test {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    /// @dev An opening of nothing, and END.
    bytes internal constant CLOSE = hex"100000012c00";
    uint16 internal constant FIRST = 300;

    MachineHarness internal harness = new MachineHarness();

    /// @dev `count` elements of the field, after two zeros.
    function _words(uint256 seed, uint256 count) internal pure returns (uint256[] memory words) {
        words = new uint256[](count + 2);
        for (uint256 i = 2; i < words.length; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            // Corners are as likely as they are worth.
            if (word % 16 == 0) words[i] = 0;
            else if (word % 16 == 1) words[i] = 1;
            else if (word % 16 == 2) words[i] = R - 1;
            else words[i] = word % R;
        }
    }

    /// @dev Records the gas of an instruction within a program, finding its function included: what it costs to execute
    /// it twice less what it costs to execute it once.
    function _record(string memory name, bytes memory instruction) internal {
        bytes memory padding = new bytes(instruction.length);
        uint256 once = _gas(bytes.concat(instruction, CLOSE, padding), 1100);
        vm.snapshotValue("Machine", name, _gas(bytes.concat(instruction, instruction, CLOSE), 1100) - once);
    }

    function _gas(bytes memory code, uint256 count) internal view returns (uint256) {
        return harness.gasOf(code, _words(1, count));
    }
}
