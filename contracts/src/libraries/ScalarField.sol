// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Embeds signed integers in the scalar field of BN254: n >= 0 as n, n < 0 as p + n.
library ScalarField {
    uint256 internal constant P = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @notice Writes the field elements of `values` into `elements` from index `start` on.
    /// @dev One-to-one only for |value| < p / 2: check bounds (at most 64 bits) first.
    function embed(int256[] calldata values, uint256[] memory elements, uint256 start) internal pure {
        for (uint256 i = 0; i < values.length; ++i) {
            int256 value = values[i];
            unchecked {
                // Two's complement makes P + uint256(-n) wrap around to P - n.
                // forge-lint: disable-next-line(unsafe-typecast)
                elements[start + i] = value < 0 ? P + uint256(value) : uint256(value);
            }
        }
    }
}
