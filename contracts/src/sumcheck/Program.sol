// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CodeStore} from "../libraries/CodeStore.sol";
import {PROGRAM} from "./Memory.sol";

/// @notice The first word of a program: magic "VERINFpg" | version u16 = 1 | parts u16 | values u16 | value_count u16 |
/// proof u16 | proof_count u16 | code u32 | length u32 | inputs u16 | 2 bytes zero. After it come the code hashes of parts
/// 1, 2, ..., the id of the SRS, [tau]_2, constants, and the code.
type Program is uint256;

using ProgramLibrary for Program global;

/// @notice A program is stored as the code of accounts, each holding 24,575 bytes of it but the last. Part 0 is named by
/// the model's key; the proof names the others, and the code hashes in part 0 bind them.
library ProgramLibrary {
    /// @dev Magic and version.
    uint256 private constant PREFIX = 0x564552494e467067_0001;

    error NotAProgram(address account);
    error ProgramMalformed();
    error PartMismatch(uint256 part, uint256 account);

    /// @notice Reads the header of the program whose first part is the code of `account`.
    function read(address account) internal view returns (Program program) {
        assembly {
            extcodecopy(account, 0, 1, 0x20)
            program := mload(0)
        }
        uint256 word = Program.unwrap(program);
        if (word >> 176 != PREFIX) revert NotAProgram(account);
        uint256 count = program.parts();
        uint256 size = program.length();
        bool fits = count != 0 && size > (count - 1) * CodeStore.MAX_BYTES && size <= count * CodeStore.MAX_BYTES
            && program.values() >= PROGRAM + size && program.code() < PROGRAM + size;
        if (!fits || uint16(word) != 0) revert ProgramMalformed();
    }

    /// @notice Loads the whole program to its place in memory.
    /// @param account The account that holds part 0.
    /// @param names Begins with the addresses of the accounts that hold the other parts, a word each.
    /// @return taken Bytes of these addresses.
    function load(Program program, address account, bytes calldata names) internal view returns (uint256 taken) {
        uint256 left = program.length();
        uint256 to = PROGRAM;
        uint256 last = program.parts() - 1;
        for (uint256 part = 0;; ++part) {
            uint256 size = left < CodeStore.MAX_BYTES ? left : CodeStore.MAX_BYTES;
            assembly {
                extcodecopy(account, to, 1, size)
            }
            if (part == last) return 32 * last;
            left -= size;
            to += size;
            account = _part(part + 1, uint256(bytes32(names[32 * part:])));
        }
    }

    /// @notice Number of accounts that hold the program.
    function parts(Program self) internal pure returns (uint256) {
        return uint16(Program.unwrap(self) >> 160);
    }

    /// @notice Address of the first public value.
    function values(Program self) internal pure returns (uint256) {
        return 32 * uint256(uint16(Program.unwrap(self) >> 144));
    }

    /// @notice Number of public values.
    function valueCount(Program self) internal pure returns (uint256) {
        return uint16(Program.unwrap(self) >> 128);
    }

    /// @notice Address of the argument's first word.
    function proof(Program self) internal pure returns (uint256) {
        return 32 * uint256(uint16(Program.unwrap(self) >> 112));
    }

    /// @notice Number of the argument's words.
    function proofCount(Program self) internal pure returns (uint256) {
        return uint16(Program.unwrap(self) >> 96);
    }

    /// @notice Address of the first instruction.
    function code(Program self) internal pure returns (uint256) {
        return PROGRAM + uint32(Program.unwrap(self) >> 64);
    }

    /// @notice Number of bytes.
    function length(Program self) internal pure returns (uint256) {
        return uint32(Program.unwrap(self) >> 32);
    }

    /// @notice Number of the public values that are words of commitments to inputs, two for each: the first ones. 0 if the
    /// inputs themselves are public values.
    function inputs(Program self) internal pure returns (uint256) {
        return uint16(Program.unwrap(self) >> 16);
    }

    /// @notice Address of the SRS's id, once the program is loaded.
    function srs(Program self) internal pure returns (uint256) {
        return PROGRAM + 32 * self.parts();
    }

    /// @notice Address of [tau]_2, once the program is loaded.
    function tau(Program self) internal pure returns (uint256) {
        return self.srs() + 32;
    }

    /// @dev The account that a word names, which must hold what part 0 says of this part.
    function _part(uint256 part, uint256 word) private view returns (address account) {
        account = address(uint160(word));
        bytes32 expected;
        assembly {
            expected := mload(add(PROGRAM, shl(5, part)))
        }
        if (word >> 160 != 0 || account.codehash != expected) revert PartMismatch(part, word);
    }
}
