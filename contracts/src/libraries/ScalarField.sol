// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @dev The order of BN254's groups and of its scalar field. Assembly takes no constant of a library, hence here.
uint256 constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

/// @notice Embeds signed integers in the scalar field of BN254: n >= 0 as n, n < 0 as R + n.
library ScalarField {
    /// @notice Writes the field elements of `values` into `elements` from index `start` on.
    function embed(int256[] calldata values, uint256[] memory elements, uint256 start) internal pure {
        assert(start + values.length <= elements.length);
        uint256 to;
        assembly ("memory-safe") {
            to := add(elements, shl(5, add(start, 1)))
        }
        embedAt(values, to);
    }

    /// @notice Writes the field elements of `values` to the words of memory from address `to` on.
    /// @dev One-to-one only for |value| < R / 2: check bounds (to most 64 bits) first. Two's complement makes R + value
    /// wrap around to R - |value|.
    function embedAt(int256[] calldata values, uint256 to) internal pure {
        assembly {
            let from := values.offset
            for { let end := add(from, shl(5, values.length)) } lt(from, end) { from := add(from, 0x20) } {
                let value := calldataload(from)
                mstore(to, add(value, and(sar(255, value), R)))
                to := add(to, 0x20)
            }
        }
    }
}
