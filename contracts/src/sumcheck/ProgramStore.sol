// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CodeStore} from "../libraries/CodeStore.sol";

/// @title The accounts that hold programs
/// @notice A program is stored in parts, each as the code of an account. The account's address follows from the part's
/// bytes and the address of this contract alone, so whoever has a program knows where it is, and nobody has to be told.
/// Anybody may store any part: no account's code ever changes, and what uses one compares its code hash.
abstract contract ProgramStore {
    /// @notice Stores a part of a program, unless it is stored already, and returns the account that holds it.
    /// @param part At most 24,575 bytes, the most that an account's code has room for behind a STOP.
    function store(bytes calldata part) external returns (address account) {
        return CodeStore.writeOnce(part);
    }
}
