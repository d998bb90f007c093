// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Inputs that a proof does not spell out. Their input commitment names two commitments to the same inputs:
///
///   keccak256(tag || root of the input tree || keccak256(points))
///
/// The root is what a dispute opens, the points, of BN254's G1, are what an argument opens. Nothing on a chain shows that
/// both are of the same inputs: whoever relies on the input commitment has computed it, or trusts somebody who has.
library CommittedInputs {
    bytes32 private constant TAG = keccak256("verinfer input commitment v1");

    /// @notice Bytes of a root and of points that take `words` words.
    function length(uint256 words) internal pure returns (uint256) {
        return 32 + 32 * words;
    }

    /// @notice Writes the points' words to memory from address `to` on, and returns the input commitment.
    /// @dev Points are not checked here: what opens them does that. The hash is of their bytes as they are, and no point
    /// has two encodings that the curve's precompiles take, so that an input commitment names one list of points.
    /// @param named The root, then the points; what is behind them is not looked at.
    function load(bytes calldata named, uint256 words, uint256 to) internal pure returns (bytes32 commitment) {
        bytes32 root = bytes32(named[:32]);
        bytes calldata points = named[32:length(words)];
        bytes32 digest;
        assembly {
            calldatacopy(to, points.offset, points.length)
            digest := keccak256(to, points.length)
        }
        return keccak256(abi.encode(TAG, root, digest));
    }
}
