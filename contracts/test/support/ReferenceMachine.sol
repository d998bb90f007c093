// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What the machine's instructions compute, written as their definitions read, on indices into `words`.
library ReferenceMachine {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return addmod(a, R - b, R);
    }

    /// @notice The sum of the products of the first `plus` pairs of indices less that of the other pairs.
    function sum(uint256[] memory words, uint256[] memory indices, uint256 plus) internal pure returns (uint256 total) {
        for (uint256 i = 0; 2 * i < indices.length; ++i) {
            uint256 product = mulmod(words[indices[2 * i]], words[indices[2 * i + 1]], R);
            total = i < plus ? addmod(total, product, R) : sub(total, product);
        }
    }

    function dot(uint256[] memory words, uint256 a, uint256 b, uint256 n, uint256 stride)
        internal
        pure
        returns (uint256 total)
    {
        for (uint256 k = 0; k < n; ++k) {
            total = addmod(total, mulmod(words[a + k], words[b + k * stride], R), R);
        }
    }

    /// @notice eq(z, index) for the n coordinates from words[z] on.
    function eq(uint256[] memory words, uint256 z, uint256 n, uint256 index) internal pure returns (uint256 product) {
        product = 1;
        for (uint256 k = 0; k < n; ++k) {
            bool one = index >> (n - 1 - k) & 1 == 1;
            product = mulmod(product, one ? words[z + k] : sub(1, words[z + k]), R);
        }
    }

    function overlap(uint256[] memory words, uint256 a, uint256 b, uint256 n, uint256 count)
        internal
        pure
        returns (uint256 total)
    {
        for (uint256 i = 0; i < count; ++i) {
            total = addmod(total, mulmod(eq(words, a, n, i), eq(words, b, n, i), R), R);
        }
    }

    function mass(uint256[] memory words, uint256 a, uint256 n, uint256 count) internal pure returns (uint256 total) {
        for (uint256 i = 0; i < count; ++i) {
            total = addmod(total, eq(words, a, n, i), R);
        }
    }

    /// @notice The rounds of a sumcheck; the state, the challenges in the order in which they are drawn, and the claim.
    /// @param z The point of ROUNDS_AT; ignored unless `degree` is 0, which stands for that instruction.
    function rounds(
        uint256[] memory words,
        bytes32 state,
        uint256 sent,
        uint256 claim,
        uint256 z,
        uint256 n,
        uint256 degree
    ) internal pure returns (bytes32, uint256[] memory challenges, uint256) {
        challenges = new uint256[](n);
        for (uint256 k = 0; k < n; ++k) {
            uint256[4] memory c;
            if (degree == 0) {
                (c[1], c[2]) = (words[sent], words[sent + 1]);
                c[0] = sub(claim, mulmod(words[z + n - 1 - k], addmod(c[1], c[2], R), R));
                state = keccak256(abi.encode(state, words[sent], words[sent + 1]));
                sent += 2;
            } else {
                c[0] = words[sent];
                c[2] = words[sent + 1];
                bytes memory said = abi.encode(state, c[0], c[2]);
                if (degree == 3) {
                    c[3] = words[sent + 2];
                    said = abi.encode(state, c[0], c[2], c[3]);
                }
                c[1] = sub(sub(sub(claim, addmod(c[0], c[0], R)), c[2]), c[3]);
                state = keccak256(said);
                sent += degree;
            }
            state = keccak256(abi.encode(state));
            uint256 e = uint256(state) % R;
            challenges[k] = e;
            claim = 0;
            for (uint256 i = 4; i > 0; --i) {
                claim = addmod(mulmod(claim, e, R), c[i - 1], R);
            }
        }
        return (state, challenges, claim);
    }
}
