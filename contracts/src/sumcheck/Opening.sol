// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {OPENED, OPERAND, PROGRAM, SCRATCH} from "./Memory.sol";
import {Program} from "./Program.sol";

/// @notice The last check of an argument, on points of BN254's groups:
///
///   OPEN 0x10   n, n pairs (point, scalar), witness
///       e(sum_k w(scalar_k) P_k, [1]_2) = e(V, [tau]_2),    P_k = (w(point_k), w(point_k + 1)), V likewise.
///
/// @dev The precompiles (EIP-196, EIP-197) fail for what is no point in canonical form; infinity is (0, 0). Whatever
/// makes one fail, and whatever an absent one returns, the instruction reverts. The pairing check is of
/// e(sum, -[1]_2) e(V, [tau]_2) = 1, so that V goes to the precompile as it is.
library Opening {
    error OpeningRefused();

    uint256 private constant G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 private constant G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 private constant MINUS_G2_Y1 = 0x275dc4a288d1afb3cbb1ac09187524c7db36395df7be3b99e673b13a075a65ec;
    uint256 private constant MINUS_G2_Y0 = 0x1d9befcd05a5323e6da4d435f3b617cdb3af83285c2df711ef39c01571827f9d;

    /// @notice OPEN.
    function open(uint256 ip) internal view returns (uint256 next) {
        Program program;
        assembly {
            program := mload(PROGRAM)
        }
        uint256 tau = program.tau();
        bool accepted = true;
        assembly {
            // Words 0 and 1 hold the sum, words 2 and 3 the next term, words 4 to 6 the precompile's input for it.
            mstore(0, 0)
            mstore(0x20, 0)
            let x := mload(ip)
            next := add(ip, 3)
            for { let end := add(next, shl(2, shr(240, shl(8, x)))) } and(lt(next, end), accepted) {
                next := add(next, 4)
            } {
                x := mload(next)
                let point := and(shr(235, x), OPERAND)
                mstore(0x80, mload(point))
                mstore(0xa0, mload(add(point, 0x20)))
                mstore(0xc0, mload(and(shr(219, x), OPERAND)))
                accepted := and(accepted, staticcall(gas(), 7, 0x80, 0x60, 0x40, 0x40))
                accepted := and(accepted, staticcall(gas(), 6, 0, 0x80, 0, 0x40))
            }
            let witness := and(shr(235, mload(next)), OPERAND)
            next := add(next, 2)
            mstore(0x40, G2_X1)
            mstore(0x60, G2_X0)
            mstore(0x80, MINUS_G2_Y1)
            mstore(0xa0, MINUS_G2_Y0)
            mcopy(0xc0, witness, 0x40)
            mcopy(0x100, tau, 0x80)
            // A precompile that fails takes all gas but a 64th, which is for reverting and not for another.
            if accepted { accepted := staticcall(gas(), 8, 0, 0x180, 0, 0x20) }
            // The first word was a coordinate; only the answer 1 makes it 1.
            accepted := and(accepted, and(eq(returndatasize(), 0x20), eq(mload(0), 1)))
            mstore(0x40, SCRATCH)
            mstore(OPENED, accepted)
        }
        if (!accepted) revert OpeningRefused();
    }
}
