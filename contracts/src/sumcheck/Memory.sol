// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

// The machine addresses memory absolutely, in words of 32 bytes that a program names by 16-bit indices:
//
//   words 0 to 10    scratch. Word 2, Solidity's free memory pointer, points at word 4 while a program runs, so that
//                    what Solidity itself writes (a revert's data) goes there.
//   word 11          whether the program has opened its commitments
//   words 12 and 13  where the functions of the instructions are
//   word 14          spare: programs may write it, and nothing reads it
//   word 15          the state of the transcript
//   from word 16 on  the program, the public values, the proof, and registers, each where the program's header says

/// @dev Address of the scratch words that Solidity does not use itself.
uint256 constant SCRATCH = 0x80;

/// @dev Address of the word that is 1 once commitments were opened.
uint256 constant OPENED = 0x160;

/// @dev Address of the functions, two bytes each: first of unknown instructions, then of instruction 0, 1, and so on.
uint256 constant FUNCTIONS = 0x180;

/// @dev Address of the transcript's state.
uint256 constant STATE = 0x1e0;

/// @dev Address of the program.
uint256 constant PROGRAM = 0x200;

/// @dev An operand names a word. Shifted so that it is 5 bits too high, and masked with this, it is the word's address.
uint256 constant OPERAND = 0x1fffe0;
