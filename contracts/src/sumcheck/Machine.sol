// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Arithmetic} from "./Arithmetic.sol";
import {Multilinear} from "./Multilinear.sol";
import {Opening} from "./Opening.sol";
import {Rounds} from "./Rounds.sol";
import {Transcript} from "./Transcript.sol";
import {Vectors} from "./Vectors.sol";

/// @notice Executes a program's instructions: an opcode, one byte, and its operands, back to back.
/// @dev The program is trusted to be the one that its key stands for: it is what the model was registered with. So
/// operands are not checked. What the machine does guarantee is that nothing is accepted by running off the code.
library Machine {
    error UnknownInstruction(uint256 opcode);
    error NothingOpened();

    /// @notice Executes the instructions from `ip` on up to END (0x00). Reverts where one of them refuses the proof, and
    /// unless one was OPEN.
    /// @param tau The address of [tau]_2.
    function run(uint256 ip, uint256 tau) internal view {
        bool opened = false;
        while (true) {
            ip = Arithmetic.run(ip);
            uint256 opcode;
            assembly {
                opcode := byte(0, mload(ip))
            }
            if (opcode < 0x08) {
                if (opcode == 0x04) ip = Rounds.runAt(ip);
                else if (opcode == 0x02) ip = Transcript.squeeze(ip);
                else if (opcode == 0x01) ip = Transcript.absorbScalars(ip);
                else if (opcode == 0x03) ip = Rounds.run(ip);
                else break; // END: Arithmetic has executed whatever else is below 8
            } else if (opcode < 0x0c) {
                if (opcode == 0x09) ip = Multilinear.overlap(ip);
                else if (opcode == 0x08) ip = Multilinear.eq(ip);
                else if (opcode == 0x0a) ip = Multilinear.mass(ip);
                else ip = Vectors.outer(ip);
            } else if (opcode < 0x10) {
                if (opcode == 0x0e) ip = Vectors.requireZero(ip);
                else if (opcode == 0x0c) ip = Vectors.gather(ip);
                else if (opcode == 0x0f) ip = Multilinear.choose(ip);
                else ip = Vectors.invert(ip);
            } else if (opcode == 0x11) {
                ip = Vectors.scale(ip);
            } else if (opcode == 0x12) {
                ip = Transcript.absorbPoints(ip);
            } else if (opcode == 0x10) {
                ip = Opening.open(ip, tau);
                opened = true;
            } else {
                revert UnknownInstruction(opcode);
            }
        }
        if (!opened) revert NothingOpened();
    }
}
