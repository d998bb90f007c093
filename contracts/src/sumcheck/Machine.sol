// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Arithmetic} from "./Arithmetic.sol";
import {FUNCTIONS, OPENED, SCRATCH} from "./Memory.sol";
import {Multilinear} from "./Multilinear.sol";
import {Opening} from "./Opening.sol";
import {Rounds} from "./Rounds.sol";
import {Transcript} from "./Transcript.sol";
import {Vectors} from "./Vectors.sol";

/// @notice Executes a program's instructions. Each is an opcode of one byte and its operands; they stand back to back and
/// are executed in this order. Each has a function, which takes the instruction's address and returns that of the next.
/// @dev The program is trusted to be the one that its key stands for: it is what the model was registered with. So
/// operands are not checked. What the machine does guarantee is that an opcode without a meaning is refused, and that
/// nothing is accepted by running off the code.
library Machine {
    /// @dev Byte k is where in the list of functions that of opcode k is, for opcodes 0x00 to 0x16. The first function,
    /// at 0, is that of all others: they have a zero here, or, from 0x20 on, nothing, which the EVM takes for zero.
    uint256 private constant PLACES = 0x020406080a0c0e10121416181a1c1e20222426282a2c2e_000000000000000000;

    error UnknownInstruction(uint256 opcode);
    error NothingOpened();

    /// @notice Executes the loaded program whose first instruction is at `ip`, and ends the call: it returns nothing if
    /// the program comes to its END after an OPEN, and reverts where an instruction refuses the proof.
    function run(uint256 ip) internal view {
        begin();
        uint256 places = PLACES; // on the stack, where it is cheaper
        for (;;) {
            function(uint256) view returns (uint256) instruction;
            assembly {
                instruction := shr(240, mload(add(FUNCTIONS, byte(byte(0, mload(ip)), places))))
            }
            ip = instruction(ip);
        }
    }

    /// @notice Prepares what instructions rely on.
    function begin() internal pure {
        uint256 first = 0;
        first = _append(first, _unknown);
        first = _append(first, _end); // 0x00
        first = _append(first, Transcript.absorbScalars);
        first = _append(first, Transcript.squeeze);
        first = _append(first, Rounds.run);
        first = _append(first, Rounds.runAt); // 0x04
        first = _append(first, Arithmetic.sum);
        first = _append(first, Arithmetic.mul);
        first = _append(first, Arithmetic.dot);
        first = _append(first, Multilinear.eq); // 0x08
        first = _append(first, Multilinear.overlap);
        first = _append(first, Multilinear.mass);
        first = _append(first, Vectors.outer);
        first = _append(first, Vectors.gather); // 0x0c
        first = _append(first, Vectors.invert);
        first = _append(first, Vectors.requireZero);
        uint256 second = 0;
        second = _append(second, Multilinear.choose);
        second = _append(second, Opening.open); // 0x10
        second = _append(second, Arithmetic.mul5);
        second = _append(second, Transcript.absorbPoints);
        second = _append(second, Multilinear.eqSlots);
        second = _append(second, Arithmetic.dotStrided); // 0x14
        second = _append(second, Arithmetic.sum2);
        second = _append(second, Arithmetic.sum3);
        assembly {
            mstore(FUNCTIONS, first)
            mstore(add(FUNCTIONS, 0x20), shl(128, second))
            mstore(OPENED, 0)
            mstore(0x40, SCRATCH)
        }
    }

    /// @dev END (0x00): what the program checks is checked.
    function _end(uint256) private pure returns (uint256) {
        bool opened;
        assembly {
            opened := mload(OPENED)
        }
        if (!opened) revert NothingOpened();
        assembly {
            return(0, 0)
        }
    }

    function _unknown(uint256 ip) private pure returns (uint256) {
        uint256 opcode;
        assembly {
            opcode := byte(0, mload(ip))
        }
        revert UnknownInstruction(opcode);
    }

    /// @dev A function's value is the place in this contract's code where it begins, which two bytes can name.
    function _append(uint256 functions, function(uint256) view returns (uint256) instruction)
        private
        pure
        returns (uint256 longer)
    {
        assembly {
            longer := or(shl(16, functions), instruction)
        }
    }
}
