// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {InputTree} from "./InputTree.sol";

/// @notice Inputs whose data was posted, packed like outputs: at most 64 KiB of them.
library PostedInputs {
    error WrongInputLength(uint256 expected, uint256 actual);

    /// @notice The root of the input tree. Reverts unless `packed` is as long as the header says, so that no two sequences
    /// of bytes have one root. Bounds are not checked: whoever answers looks at the input first.
    function rootOf(bytes memory header, bytes calldata packed) internal pure returns (bytes32) {
        uint256 expected = InputTree.packedLength(header);
        if (packed.length != expected) revert WrongInputLength(expected, packed.length);
        return InputTree.commitmentOfPacked(header, packed);
    }
}
